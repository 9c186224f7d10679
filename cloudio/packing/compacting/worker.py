"""One task of `compact`: patches are read, looked at, written, and compared with what was read."""

import errno
from collections.abc import Sequence

import numpy as np

from ...errors import write_error
from ...layouts.band import Window
from ...verification.repetition.phases import (
    Pair,
    as_bits,
    expand,
    find_phases,
    first_phases,
    shrink,
)
from .choosing import Rules
from .files import Inputs, Outputs
from .source import SourceSet
from .state import EXCEPTION, UNKNOWN, Done, Found
from .units import Unit, stored_bytes


class Worker:
    """Does tasks; several threads may share it."""

    def __init__(
        self, source: SourceSet, rules: Rules, inputs: Inputs, outputs: Outputs, row: int
    ) -> None:
        self._source, self._rules, self._row = source, rules, row
        self._inputs, self._outputs = inputs, outputs

    def do(self, unit: Unit, number: int, task: range) -> Done:
        """Do a task; the bytes are written, but may not be on the disk yet."""
        done = Done((self._row, unit.number, number), unit.task_bytes(task))
        if unit.is_copy:
            self._copy(unit, task)
        else:
            done.found = self._patches(unit, task)
        return done

    def ahead(self, unit: Unit, task: range) -> None:
        """Let the system read what a task needs."""
        file = unit.file
        offset = task.start if unit.is_copy else file.offset(task.start)
        self._inputs.ahead(file.path, offset, unit.task_bytes(task))

    def release(self, unit: Unit) -> None:
        """Close the file of a unit whose tasks are done."""
        self._inputs.release(unit.file.path)

    def _copy(self, unit: Unit, task: range) -> None:
        path = unit.file.path
        name, _ = unit.outputs[""]
        self._outputs.copy(path, self._inputs.open(path), name, task.start, len(task))

    def _patches(self, unit: Unit, task: range) -> list[Found]:
        file = unit.file
        found = {name: Found(file.split, name, task.start) for name in unit.repeats}
        for k in task:
            patch = self._inputs.patch(file.path, k, file.offset(k), file.patch_bytes)
            for name, repeat in unit.repeats.items():
                place, exact = self._array(unit, k, name, file.plane(name, patch), repeat)
                found[name].places.append(place)
                found[name].exact.append(exact)
        return [found[name] for name, repeat in unit.repeats.items() if repeat is not None]

    def _array(
        self, unit: Unit, k: int, name: str, pixels: np.ndarray, repeat: Pair | None
    ) -> tuple[int, int]:
        """Write one array of a patch; return its place, and the repeats by which it is exact."""
        file, target = unit.file, unit.outputs[name][0]
        offset = k * stored_bytes(self._source, name, repeat)
        if repeat is None:
            whole = np.ascontiguousarray(pixels)
            self._outputs.write(target, whole.data.cast("B"), offset)
            return UNKNOWN, 0
        inside = valid_part(pixels, self._source.layout.valid)
        repeats = self._rules.of(name)
        stored, phases = shrink_exactly(inside, repeats, repeats.index(repeat))
        exact = sum(1 << bit for bit, phase in enumerate(phases) if phase is not None)
        phase = phases[repeats.index(repeat)]
        if phase is None:
            return EXCEPTION, exact
        if stored is None:
            reason = (
                f"patch {k} would not be read back as it is in {file.path}; this is a mistake of "
                "cloudio or of the memory of this machine"
            )
            raise write_error(errno.EIO, reason, self._outputs.folder / target)
        self._outputs.write(target, stored.data.cast("B"), offset)
        return phase[0] * repeat[1] + phase[1], exact


def shrink_exactly(
    pixels: np.ndarray, repeats: Sequence[Pair], chosen: int
) -> tuple[np.ndarray | None, list[Pair | None]]:
    """Return the stored pixels by the chosen repeat, and the phases of all.

    The pixels are None if it is not exact: what is returned has been expanded, and compared with
    the source bit for bit.
    """
    repeat, phases = repeats[chosen], first_phases(pixels, repeats)
    if phases[chosen] is not None:
        stored = _shrunk(pixels, repeat, phases[chosen])
        if stored is not None and all(
            phase is None or _divides(other, repeat)
            for other, phase in zip(repeats, phases, strict=True)
        ):
            return stored, phases
    if any(phases):
        phases = find_phases(pixels, repeats)
    return _shrunk(pixels, repeat, phases[chosen]), phases


def _divides(other: Pair, repeat: Pair) -> bool:
    """Return whether a patch that is exact by a repeat is so by another one too."""
    return repeat[0] % other[0] == 0 and repeat[1] % other[1] == 0


def _shrunk(pixels: np.ndarray, repeat: Pair, phase: Pair | None) -> np.ndarray | None:
    """Return the stored pixels if the patch can be read back from them, else None."""
    if phase is None:
        return None
    stored = np.ascontiguousarray(shrink(pixels, repeat, phase))
    height, width = pixels.shape
    read_back = expand(stored, repeat, phase, (height, width))
    return stored if np.array_equal(as_bits(read_back), as_bits(pixels)) else None


def valid_part(pixels: np.ndarray, valid: Window) -> np.ndarray:
    """Return the valid window of a patch."""
    return pixels[valid.row : valid.row + valid.height, valid.col : valid.col + valid.width]


def as_phases(places: np.ndarray, repeat: Pair) -> np.ndarray:
    """Return the table of phases, (patch, 2); exceptions are numbered in their order."""
    table = np.stack([places // repeat[1], places % repeat[1]], axis=1).astype("<i4")
    chosen = places == EXCEPTION
    table[chosen, 0] = -1
    table[chosen, 1] = np.arange(int(chosen.sum()))
    return table
