"""Coverage: the stored patches that a result was counted from, in its order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._utils.json_files import refuse
from .._utils.tensors import frozen
from .._utils.text import format_ranges
from ..errors import RequestError
from ..storage.listing import sort_splits
from .serialize import int_from_plain, ints_from_plain

# Patches that an error names.
_MOST_NAMED = 12
# More would take 100 GB of memory; a file can claim them.
_MOST_PATCHES = 1 << 33


@dataclass(frozen=True, eq=False)
class Coverage:
    """The stored patches of a result, in its order.

    Attributes
    ----------
    stored : mapping of str to int
        The number of stored patches of each split, whether they are counted or not.
    runs : ndarray of int64, (run, 2)
        Runs of patches: the first number, and how many follow each other.  The numbers count over
        all splits, as those of the whole data set do.  Read-only.
    """

    stored: Mapping[str, int]
    runs: np.ndarray

    @classmethod
    def of(cls, stored: Mapping[str, int], numbers: np.ndarray | None) -> "Coverage":
        """Return the coverage of patch numbers over all splits.

        Parameters
        ----------
        stored : mapping of str to int
            The number of stored patches of each split.
        numbers : ndarray of int64, (patch,), or None
            The patches, in the order of the result; None for all.

        Returns
        -------
        Coverage
            The same for the same numbers.
        """
        if numbers is None:
            runs = np.array([[0, sum(stored.values())]], np.int64)
            return cls(dict(stored), frozen(runs[runs[:, 1] > 0]))
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        starts = np.concatenate([np.zeros(min(1, len(numbers)), np.int64), breaks])
        lengths = np.diff(np.append(starts, len(numbers)))
        runs = np.stack([numbers[starts], lengths], axis=1).astype(np.int64)
        return cls(dict(stored), frozen(runs))

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "Coverage":
        """Return the coverage that ``entries``, a part of the JSON of a result, describe.

        Parameters
        ----------
        entries : mapping
            Its part of the parsed JSON.

        Returns
        -------
        Coverage
            Equal to the one that was saved.
        """
        stored = {name: int_from_plain(n) for name, n in entries["stored"].items()}
        runs = ints_from_plain(entries["runs"], (len(entries["runs"]), 2))
        n = sum(stored.values())
        refuse(min(stored.values(), default=0) < 0 or n > _MOST_PATCHES, "no number of patches")
        starts, lengths = runs.T
        exist = (starts >= 0) & (lengths >= 1) & (starts <= n - lengths)
        refuse(not exist.all(), "patches that do not exist")
        refuse(sum(lengths.tolist()) > _MOST_PATCHES, "too many patches")
        return cls(stored, runs)

    def numbers(self) -> np.ndarray:
        """Return the patch numbers over all splits, (patch,) int64, in the order of the result."""
        starts, lengths = self.runs.T
        begins = np.cumsum(lengths) - lengths
        found: np.ndarray = np.repeat(starts - begins, lengths) + np.arange(lengths.sum())
        return found

    def n_by_split(self) -> dict[str, int]:
        """Return how many patches of each split are counted."""
        begins, lengths = self.runs.T
        return {
            name: int(
                (np.minimum(begins + lengths, stop) - np.maximum(begins, start)).clip(0).sum()
            )
            for name, (start, stop) in self._bounds().items()
        }

    def missing(self) -> dict[str, tuple[int, ...]]:
        """Return the patches of each split that are not counted, by their number in the split."""
        is_missing = np.ones(sum(self.stored.values()), bool)
        is_missing[self.numbers()] = False
        found = {
            name: tuple(np.flatnonzero(is_missing[start:stop]).tolist())
            for name, (start, stop) in self._bounds().items()
        }
        return {name: patches for name, patches in found.items() if patches}

    def merged(self, others: Sequence["Coverage"]) -> tuple["Coverage", np.ndarray]:
        """Return the coverage of all patches in ascending order, and their positions before.

        Parts may be of different splits, as those of ``ds.split(name)`` are.  RequestError if a
        patch is counted twice, or if a split has other patches in another result.
        """
        parts = [self, *others]
        stored = _joined([part.stored for part in parts])
        n = sum(int(part.runs[:, 1].sum()) for part in parts)
        if n > _MOST_PATCHES:
            raise RequestError(f"the results count {n:,} patches; at most {_MOST_PATCHES:,} merge")
        numbers = np.concatenate([part._numbers_among(stored) for part in parts])
        order = np.argsort(numbers, kind="stable")
        ascending = numbers[order]
        merged = Coverage.of(stored, ascending)
        if len(twice := np.unique(ascending[1:][np.diff(ascending) == 0])):
            raise RequestError(
                f"the results count patches twice: {merged._named(twice)}; merge takes results of "
                "different patches"
            )
        return merged, order

    def difference(self, other: "Coverage") -> str:
        """Return the patches that only one of both has, as text; "" if none or in other splits."""
        if self.stored != other.stored:
            return ""
        return self._named(np.setxor1d(self.numbers(), other.numbers()))

    def _numbers_among(self, stored: Mapping[str, int]) -> np.ndarray:
        """Return the patch numbers over other splits, among which those of this result are."""
        numbers = self.numbers()
        if [*stored] == [*self.stored]:
            return numbers
        ours, theirs = self._bounds(), Coverage(stored, self.runs)._bounds()
        stops = [stop for _, stop in ours.values()]
        shifts = np.array([theirs[name][0] - start for name, (start, _) in ours.items()], np.int64)
        found: np.ndarray = numbers + shifts[np.searchsorted(stops, numbers, side="right")]
        return found

    def _bounds(self) -> dict[str, tuple[int, int]]:
        stops = np.cumsum([*self.stored.values()], dtype=np.int64).tolist()
        return {
            name: (stop - n, stop)
            for (name, n), stop in zip(self.stored.items(), stops, strict=True)
        }

    def _named(self, numbers: np.ndarray) -> str:
        parts = [
            (name, (numbers[(numbers >= start) & (numbers < stop)] - start).tolist())
            for name, (start, stop) in self._bounds().items()
        ]
        return "; ".join(
            f"{name} {format_ranges(patches, _MOST_NAMED)}" for name, patches in parts if patches
        )


def _joined(given: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    """Return the stored patches of each split of all results."""
    joined: dict[str, int] = {}
    for stored in given:
        for name, n in stored.items():
            if joined.setdefault(name, n) != n:
                first = next(each for each in given if name in each)
                raise RequestError(
                    f"the results are of {_splits_text(first)}, and of {_splits_text(stored)}; "
                    "merge takes parts of one data set, such as ds.subset(...) and ds.split(...)"
                )
    return {name: joined[name] for name in sort_splits(joined)}


def _splits_text(stored: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in stored.items())
