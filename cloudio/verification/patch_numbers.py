"""Patch numbers of findings: a tuple of a few, ranges of very many."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

# A tuple of so many numbers takes 0.4 MB.  A finding lists no more of them in JSON.
MOST_LISTED = 10_000


class PatchRanges(Sequence[int]):
    """Many ascending patch numbers, kept as ranges; it equals a tuple of the same numbers."""

    def __init__(self, numbers: np.ndarray) -> None:
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        self._starts = numbers[np.concatenate([[0], breaks])]
        lengths = np.diff(np.concatenate([[0], breaks, [len(numbers)]]))
        self._ends = np.cumsum(lengths)  # positions behind each range

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, which: int) -> int: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[int, ...]: ...
    def __getitem__(self, which: int | slice) -> int | tuple[int, ...]:
        if isinstance(which, slice):
            return tuple(self._at(np.arange(len(self))[which]).tolist())
        return int(self._at(np.array(range(len(self))[which])))

    def __iter__(self) -> Iterator[int]:
        begins = np.concatenate([[0], self._ends[:-1]])
        for start, begin, end in zip(self._starts, begins, self._ends, strict=True):
            yield from range(int(start), int(start + end - begin))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._at(np.arange(len(self))).astype(dtype or np.int64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (tuple, PatchRanges)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self):,} patches: {self[0]} to {self[-1]}>"

    def _at(self, positions: np.ndarray) -> np.ndarray:
        which = np.searchsorted(self._ends, positions, side="right")
        begins = np.concatenate([[0], self._ends[:-1]])
        numbers: np.ndarray = self._starts[which] + positions - begins[which]
        return numbers


def compact(patches: Iterable[int]) -> Sequence[int]:
    """Return patch numbers as a tuple, or as ranges if they are many and ascending."""
    if isinstance(patches, (range, np.ndarray, tuple, list)) and len(patches) > MOST_LISTED:
        numbers = np.asarray(patches, np.int64)
        if (np.diff(numbers) > 0).all():
            return PatchRanges(numbers)
    return tuple(int(patch) for patch in patches)
