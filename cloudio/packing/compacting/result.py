"""What `compact` returns: the arrays, how each is stored, and what was saved."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.tables import text
from ..._utils.text import counted, format_ranges, gigabytes, listed, percent
from ...verification.repetition.phases import Pair
from .choosing import Rules
from .finish import exceptions_of, phase_of
from .source import SourceArray, SourceSet
from .state import CompactState
from .units import stored_bytes

_N_SHOWN = 12
# Of a band that is not repeated some patches may be constant.
_NONE = 0.9


@dataclass(frozen=True)
class CompactedArray:
    """One array of a data set that `compact` has written.

    Attributes
    ----------
    name : str
        The name of the array.
    repeat : int or (int, int)
        How many rows and columns one stored pixel covers; 1 if the array stays as it is.
    phase : int, (int, int) or None
        The phase that all patches have; None if patches differ, or the array stays as it is.
    exceptions : mapping of str to tuple of int
        The patches of each split that are no repetition and are kept whole; of a dry run, those
        that were looked at.
    n_patches : int
        The patches of all splits.
    bytes_before, n_bytes : int
        The bytes of all its patches in the source, and as they are stored now.
    why : str
        Why it stays as it is; "" if it does not.
    """

    name: str
    repeat: int | Pair
    phase: int | Pair | None
    exceptions: Mapping[str, tuple[int, ...]]
    n_patches: int
    bytes_before: int
    n_bytes: int
    why: str

    @property
    def n_exceptions(self) -> int:
        """The number of patches that are kept whole."""
        return sum(map(len, self.exceptions.values()))


@dataclass(frozen=True)
class CompactResult:
    """A data set that `compact` has written, or would write.

    Attributes
    ----------
    path : Path
        The folder, which `cloudio.open` reads.
    patches : mapping of str to int
        The number of patches of each split.
    arrays : tuple of CompactedArray
        All arrays, those that stay as they are too: ``name``, ``repeat``, ``phase``,
        ``exceptions``, ``n_exceptions``, ``n_patches``, ``bytes_before``, ``n_bytes`` and ``why``,
        the reason why it stays.
    bytes_before, n_bytes : int
        The bytes of all arrays, in the source and as they are stored now.
    seconds : float
        How long it took.
    n_sampled : int
        Of a dry run, how many patches of each array were looked at; 0 if data were written.
    """

    path: Path
    patches: Mapping[str, int]
    arrays: tuple[CompactedArray, ...]
    bytes_before: int
    n_bytes: int
    seconds: float
    n_sampled: int = 0

    def json(self) -> str:
        """Return everything as JSON.

        Returns
        -------
        str
            An object with the attributes; ``exceptions`` has the numbers of all patches.
        """
        entries = {
            "path": str(self.path),
            "patches": dict(self.patches),
            "bytes_before": self.bytes_before,
            "bytes": self.n_bytes,
            "seconds": self.seconds,
            "sampled": self.n_sampled,
            "arrays": [
                {
                    "name": array.name,
                    "repeat": array.repeat,
                    "phase": array.phase,
                    "patches": array.n_patches,
                    "exceptions": {split: list(some) for split, some in array.exceptions.items()},
                    "bytes_before": array.bytes_before,
                    "bytes": array.n_bytes,
                    "why": array.why,
                }
                for array in self.arrays
            ],
        }
        return json.dumps(entries, indent=1)

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.patches.items())
        saved = 1 - self.n_bytes / self.bytes_before if self.bytes_before else 0.0
        size = f"{gigabytes(self.n_bytes)} GB instead of {gigabytes(self.bytes_before)} GB"
        took = "" if self.n_sampled else f", in {self.seconds:.1f} s"
        lines = [f"{self.path}: {splits} patches, {size} ({percent(saved)} less){took}", ""]
        native = [array for array in self.arrays if not array.why]
        if native:
            head = ("array", "repeat", "phase", "exceptions", "GB before", "GB")
            lines += [text([head, *map(_row, native)], {1, 2, 3, 4, 5}), ""]
        lines += _staying(self.arrays)
        lines += _exceptions(native)
        if self.n_sampled:
            lines.append(
                f"nothing is written: this is a dry run, by {counted(self.n_sampled, 'patch')} of "
                "each array at most; the run looks at all of them"
            )
        return "\n".join(lines)


def _row(array: CompactedArray) -> tuple[str, ...]:
    phase = "by patch" if array.phase is None else _short(array.phase)
    return (
        array.name, _short(array.repeat), phase, f"{array.n_exceptions:,}",
        gigabytes(array.bytes_before), gigabytes(array.n_bytes),
    )  # fmt: skip


def _short(pair: int | Pair) -> str:
    return str(pair) if isinstance(pair, int) else f"{pair[0]} x {pair[1]}"


def _staying(arrays: Iterable[CompactedArray]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for array in arrays:
        if array.why:
            by_reason.setdefault(array.why, []).append(array.name)
    return [f"as before ({why}): {listed(names)}" for why, names in by_reason.items()]


def _exceptions(arrays: Iterable[CompactedArray]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for array in arrays:
        parts = [
            f"{split} {format_ranges(numbers, _N_SHOWN)}"
            for split, numbers in array.exceptions.items()
        ]
        if parts:
            alike.setdefault("; ".join(parts), []).append(array.name)
    return [
        f"no repetition, kept whole: {where} of {listed(names)}" for where, names in alike.items()
    ]


# ---- from a run ----------------------------------------------------------------------------------


def summarize(
    path: Path, source: SourceSet, rules: Rules, state: CompactState, seconds: float
) -> CompactResult:
    """Return the result of a run that has ended."""
    arrays = tuple(_of_run(source, rules, state, array) for array in source.arrays.values())
    return collect(path, source, arrays, seconds)


def collect(
    path: Path,
    source: SourceSet,
    arrays: Sequence[CompactedArray],
    seconds: float,
    n_sampled: int = 0,
) -> CompactResult:
    """Return the result for these arrays."""
    before = sum(array.bytes_before for array in arrays)
    after = sum(array.n_bytes for array in arrays)
    return CompactResult(path, source.patches, tuple(arrays), before, after, seconds, n_sampled)


def _of_run(
    source: SourceSet, rules: Rules, state: CompactState, array: SourceArray
) -> CompactedArray:
    repeat = state.choice[array.name]
    if repeat is None:
        return staying(array, reason(array, rules, state.shares.get(array.name, 1.0)))
    phase, exceptions = phase_of(array, repeat, state), exceptions_of(array, state)
    n_bytes = array.total * stored_bytes(source, array.name, repeat)
    n_bytes += sum(map(len, exceptions.values())) * array.patch_bytes
    return CompactedArray(
        array.name,
        _one(repeat),
        None if phase is None else _one(phase),
        {split: tuple(numbers) for split, numbers in exceptions.items()},
        array.total,
        array.total * array.patch_bytes,
        n_bytes,
        "",
    )


def reason(array: SourceArray, rules: Rules, share: float) -> str:
    """Return why an array stays as it is, by the share of its patches that are no repetition."""
    if array.why or not rules.of(array.name):
        return array.why or "no repeat is tried"
    if share > _NONE:
        return "its pixels are not repeated"
    if share <= rules.exceptions:
        return "nothing would be saved"
    return (
        f"{percent(share)} of its patches are no repetition; exceptions={rules.exceptions:g} "
        "allows fewer"
    )


def staying(array: SourceArray, why: str) -> CompactedArray:
    """Return the entry of an array that stays as it is."""
    n_bytes = array.total * array.patch_bytes
    return CompactedArray(array.name, 1, None, {}, array.total, n_bytes, n_bytes, why)


def _one(pair: Pair) -> int | Pair:
    return pair[0] if pair[0] == pair[1] else pair
