"""What the report of a part of a data set carries, so that reports merge: all counts of pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._utils.text import format_ranges
from ..errors import RequestError
from ..layouts.layout import Layout
from ..reading.scan import ArrayCounts

#: Class -> (patch,): its pixels in each patch; only classes that occur.
ClassColumns = dict[int, np.ndarray]


@dataclass(frozen=True)
class SparseCounts:
    """The counts of an array as reports hold them, which may be thousands.

    Of the 65,536 numbers of a histogram few occur: ``numbers``, ``times`` each.  ``size`` is the
    length of the histogram.
    """

    name: str
    dtype: np.dtype[Any]
    patches: np.ndarray
    size: int
    numbers: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, counts: ArrayCounts) -> "SparseCounts":
        return cls(counts.name, counts.dtype, counts.patches, *_sparse(counts.histogram))

    def dense(self) -> ArrayCounts:
        histogram = np.zeros(self.size, np.int64)
        histogram[self.numbers] = self.times
        return ArrayCounts(self.name, self.dtype, self.patches, histogram, None)


def _sparse(histogram: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    numbers = np.flatnonzero(histogram)
    return len(histogram), numbers.astype(np.uint16), histogram[numbers]


@dataclass(frozen=True)
class ArrayPart:
    """The counts of an array in some patches of a split; or why it could not be read, and where."""

    counts: SparseCounts | None
    columns: ClassColumns
    error: tuple[str, int | None] | None = None


@dataclass(frozen=True)
class PartCounts:
    """The counts of a part of a data set.

    ``path`` and ``layout`` open the data set again.  ``stored`` is the number of patches of each
    split.  ``rows`` has the patches that were counted, ascending numbers in their split; splits
    without any are left out.  ``arrays``: (split, array) -> its counts in these patches.
    ``digest`` is that of the layout by which they were counted, which may lie in a file; None in
    reports of versions that did not write it.
    """

    path: str
    layout: Layout | str | None
    stored: Mapping[str, int]
    rows: Mapping[str, np.ndarray]
    arrays: Mapping[tuple[str, str], ArrayPart]
    n_bytes: int
    seconds: float
    digest: str | None = None

    def n_by_split(self) -> dict[str, int]:
        """Return how many patches of each split were counted."""
        return {split: len(self.rows.get(split, ())) for split in self.stored}

    def missing(self) -> dict[str, tuple[int, ...]]:
        """Return the patches of each split that were not counted."""
        found = {}
        for split, n in self.stored.items():
            is_missing = np.ones(n, bool)
            is_missing[self.rows.get(split, [])] = False
            if is_missing.any():
                found[split] = tuple(np.flatnonzero(is_missing).tolist())
        return found


def merge_counts(parts: Sequence[PartCounts]) -> PartCounts:
    """Return the counts of all patches; RequestError if parts overlap or do not fit together."""
    first, digest = parts[0], _common_digest(parts)
    rows, orders = {}, {}
    for split in first.stored:
        given = [part.rows[split] for part in parts if split in part.rows]
        if given:
            numbers = np.concatenate(given)
            orders[split] = np.argsort(numbers, kind="stable")
            rows[split] = numbers[orders[split]]
    _check_no_overlap(rows)
    keys = dict.fromkeys(key for part in parts for key in part.arrays)
    arrays = {}
    for split, name in keys:
        of_array = [part.arrays.get((split, name)) for part in parts if split in part.rows]
        arrays[split, name] = _merge_array(name, of_array, orders[split])
    return replace(
        first,
        # Equal layouts may be given in several ways: itself, as a file, or None in the folder.
        layout=max((part.layout for part in parts), key=_rank_of_layout),
        digest=digest,
        rows=rows,
        arrays=arrays,
        n_bytes=sum(part.n_bytes for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _common_digest(parts: Sequence[PartCounts]) -> str | None:
    """Return that of the layout; RequestError unless all parts are of one data set and layout."""
    digests = {part.digest for part in parts}
    first = parts[0]
    for part in parts:
        is_alike = None not in digests or part.layout == first.layout
        if (part.path, part.stored) != (first.path, first.stored) or not is_alike:
            raise RequestError(
                f"the reports are of {_described(first)}, and of {_described(part)}; "
                "merge_reports takes parts of one data set with one layout"
            )
    known = [*(digests - {None})]
    if len(known) > 1:
        raise RequestError(
            f"the reports are of {first.path} with different layouts; verify its parts again with "
            "one layout"
        )
    return known[0] if known else None


def _rank_of_layout(layout: Layout | str | None) -> tuple[int, str]:
    if isinstance(layout, Layout):
        return 2, ""
    return (0, "") if layout is None else (1, layout)


def _merge_array(name: str, parts: Sequence[ArrayPart | None], order: np.ndarray) -> ArrayPart:
    known = [part for part in parts if part is not None]
    if errors := [part.error for part in known if part.error is not None]:
        return ArrayPart(None, {}, min(errors, key=lambda error: (error[1] or 0, error[0])))
    counts = [part.counts for part in known if part.counts is not None]
    if len(counts) < len(parts) or len({each.dtype for each in counts}) > 1:
        raise RequestError(
            f"{name} is not the same array in all reports, because its files have changed: verify "
            "them again"
        )
    columns = {}
    for k in sorted({k for part in known for k in part.columns}):
        pairs = zip(known, counts, strict=True)
        column = [part.columns.get(k, np.zeros(len(one.patches), np.uint32)) for part, one in pairs]
        columns[k] = np.concatenate(column)[order]
    patches = np.concatenate([each.patches for each in counts])[order]
    histogram = np.zeros(counts[0].size, np.int64)
    for one in counts:
        histogram[one.numbers] += one.times
    merged = SparseCounts(counts[0].name, counts[0].dtype, patches, *_sparse(histogram))
    return ArrayPart(merged, columns)


def _check_no_overlap(rows: Mapping[str, np.ndarray]) -> None:
    found = {
        split: np.unique(numbers[1:][np.diff(numbers) == 0]).tolist()
        for split, numbers in rows.items()
    }
    if any(found.values()):
        named = "; ".join(f"{split} {format_ranges(ks, 12)}" for split, ks in found.items() if ks)
        raise RequestError(
            f"the reports have patches twice: {named}; merge_reports takes reports of different "
            "patches"
        )


def _described(part: PartCounts) -> str:
    splits = ", ".join(f"{name} {n:,}" for name, n in part.stored.items())
    layout = part.layout.name if isinstance(part.layout, Layout) else part.layout
    return f"{part.path} ({splits} patches{f', layout {layout}' if layout else ''})"
