"""The work of a round: units, each a file that is copied or whose patches are looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ...layouts.layout import Layout
from ...verification.repetition.phases import Pair, stored_side
from .files import file_bytes
from .source import SourceFile, SourceSet
from .state import Choice

# The bytes of a task.  A run that is ended does the tasks again that it was at.
_COPIED, _READ = 64 << 20, 16 << 20


def task_sizes() -> str:
    """Return a text that is another one where the numbers of tasks mean other bytes."""
    return f"{_COPIED} {_READ}"


@dataclass(frozen=True)
class Unit:
    """A file of the source and what is made of it.

    ``repeats``: each array that is written, with its repeat, or None if it is written whole.
    Without arrays the file is copied, from ``copied`` to the name ``target``.
    """

    number: int
    file: SourceFile
    repeats: Mapping[str, Pair | None]
    outputs: Mapping[str, tuple[str, int]]
    n_bytes: int
    step: int

    @property
    def is_copy(self) -> bool:
        return not self.repeats

    def tasks(self) -> Iterator[range]:
        """Yield the bytes of a copy, or the patches, of each task."""
        for first in range(0, self.end, self.step):
            yield range(first, min(self.end, first + self.step))

    @property
    def end(self) -> int:
        """Where the last task ends."""
        return self.n_bytes if self.is_copy else self.file.n_patches

    def task_bytes(self, task: range) -> int:
        """Return the bytes that a task reads."""
        return len(task) * (1 if self.is_copy else self.file.patch_bytes)


def units_of_round(source: SourceSet, choice: Choice, changed: Sequence[str]) -> list[Unit]:
    """Return the work of a round: the files of the arrays whose choice has changed."""
    units: list[Unit] = []
    for file in source.files:
        names = [name for name in file.arrays if name in changed]
        if not names:
            continue
        if all(choice[name] is None for name in file.arrays):
            units.append(_copy(len(units), file))
        else:
            units.append(_patches(len(units), source, file, {n: choice[n] for n in names}))
    return units


def _copy(number: int, file: SourceFile) -> Unit:
    size = file_bytes(file.path)
    outputs = {"": (f"{file.split}/{file.target}", size)}
    return Unit(number, file, {}, outputs, size, _COPIED)


def _patches(
    number: int, source: SourceSet, file: SourceFile, repeats: Mapping[str, Pair | None]
) -> Unit:
    outputs = {
        name: (
            array_path(source, file.split, name),
            file.n_patches * stored_bytes(source, name, repeat),
        )
        for name, repeat in repeats.items()
    }
    n_bytes = file.n_patches * file.patch_bytes
    return Unit(number, file, repeats, outputs, n_bytes, max(1, _READ // file.patch_bytes))


def array_path(source: SourceSet, split: str, name: str) -> str:
    """Return the file of an array that is written, below the folder of the data set."""
    return f"{split}/{source.arrays[name].safe}.dat"


def stored_bytes(source: SourceSet, name: str, repeat: Pair | None) -> int:
    """Return the bytes of a patch of an array in its own file."""
    array, layout = source.arrays[name], source.layout
    return array.patch_bytes if repeat is None else native_bytes(repeat, array.patch_bytes, layout)


def native_bytes(repeat: Pair, patch_bytes: int, layout: Layout) -> int:
    """Return the bytes of a patch that is stored with a repeat, by those that it has whole."""
    sides = map(stored_side, layout.valid.size, repeat)
    return prod(sides) * patch_bytes // prod(layout.patch)
