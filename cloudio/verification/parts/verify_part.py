"""The report of a part of a data set, and that of merged counts: the checks of one pass."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..._utils.paths import local_path
from ..._utils.progress import Advance, progress_bar
from ..._utils.text import format_ranges
from ...errors import CloudioError, RequestError, error_reason
from ...layouts.digest import layout_digest
from ...layouts.layout import Layout
from ...reading import scan
from ...reading.arguments.indexing import resolve_index_or_mask
from ...reading.collection import Collection
from ...reading.dataset import Dataset, open_partial
from ...storage.discovery import Split, locate_patches
from ..checked_array import CheckedArray, sample_numbers
from ..file_pass import check_files
from ..full_pass import FullResult, check_every_byte
from ..part_counts import ArrayPart, ClassColumns, PartCounts, SparseCounts
from ..report import Report, report_of

# Patches of each array that are read again, to find out whether the files have changed.
_N_COMPARED = 8
#: Split -> ascending patch numbers in it.
Rows = dict[str, np.ndarray]


def verify_part(path: Any, layout: Any, index: Any, n_threads: int, *, progress: bool) -> Report:
    """Verify some patches: those of a data set, or of an index over all splits of a path."""
    start = time.perf_counter()
    part = path if isinstance(path, Collection) else None
    if part is not None:
        if index is not None:
            raise RequestError("index= with a data set; give verify(ds.subset(index))")
        layout = part.layout if layout is None else layout
        path = part.path
    ds, splits, problems = open_partial(path, layout=layout)
    with ds:
        rows = _rows_of_index(splits, index) if part is None else _rows_of(part, splits)
        findings = list(check_files(ds, splits, problems))
        n_bytes = sum(
            scan.bytes_to_read(ds.split(split.name).subset(rows[split.name]), name, whole=True)
            for split in splits
            if split.name in rows
            for name in split.arrays
        )
        with progress_bar(n_bytes, shown=None if progress else False, leave=True) as advance:
            recorder = _Recorder(n_threads, advance)
            result = check_every_byte(ds, splits, findings, recorder, rows)
            done = advance.done
    given = layout if layout is None or isinstance(layout, Layout) else _absolute(layout)
    counts = PartCounts(
        path=_absolute(path),
        layout=given,
        stored={split.name: split.n_patches for split in splits},
        rows=rows,
        arrays=recorder.arrays,
        n_bytes=done,
        seconds=time.perf_counter() - start,
        digest=layout_digest(ds.layout),
    )
    return _report(ds, splits, result, counts, counts.n_bytes)


def _absolute(path: Any) -> str:
    """Return the path for a process in another working folder."""
    return os.path.abspath(local_path(path))


def report_of_counts(counts: PartCounts) -> Report:
    """Run all checks on counts.  The files are opened again, for checks of a few patches."""
    ds, splits, problems = open_partial(counts.path, layout=counts.layout)
    with ds:
        if {split.name: split.n_patches for split in splits} != counts.stored:
            raise RequestError(
                f"{counts.path} has other patches than when it was verified; verify it again"
            )
        if counts.digest not in (None, layout_digest(ds.layout)):
            raise RequestError(
                f"{counts.path} has another layout than when it was verified; verify it again, or "
                "restore that layout"
            )
        findings = list(check_files(ds, splits, problems))
        replay = _Replay(counts.arrays, counts.path)
        result = check_every_byte(ds, splits, findings, replay, dict(counts.rows))
        n_bytes = counts.n_bytes
        if counts.n_by_split() == counts.stored:
            arrays = (array for split in splits for array in split.arrays.values())
            n_bytes += sum(array.exception_bytes for array in arrays)
    return _report(ds, splits, result, counts, n_bytes)


def _report(
    ds: Dataset, splits: Sequence[Split], result: FullResult, counts: PartCounts, n_bytes: int
) -> Report:
    found = result.findings, result.skipped
    n_by_split = counts.n_by_split()
    return report_of(
        ds, splits, found, n_bytes, counts.seconds, n_by_split=n_by_split, counts=counts
    )


class _Recorder:
    """Counts arrays, and keeps what it counted."""

    def __init__(self, n_threads: int, advance: Advance) -> None:
        self.arrays: dict[tuple[str, str], ArrayPart] = {}
        self._n_threads, self._advance = n_threads, advance

    def __call__(
        self, array: CheckedArray, class_lut: np.ndarray | None
    ) -> tuple[scan.ArrayCounts, ClassColumns]:
        key = (array.split.name, array.name)
        try:
            counts, columns = array.count(class_lut, self._n_threads, self._advance)
        except (CloudioError, OSError) as error:
            patch = error.patch if isinstance(error, CloudioError) else None
            self.arrays[key] = ArrayPart(None, {}, (error_reason(error), patch))
            raise
        self.arrays[key] = ArrayPart(SparseCounts.of(counts), columns)
        return counts, columns


class _Replay:
    """Gives back what was counted."""

    def __init__(self, arrays: Mapping[tuple[str, str], ArrayPart], path: str) -> None:
        self._arrays, self._path = arrays, path

    def __call__(
        self, array: CheckedArray, class_lut: np.ndarray | None
    ) -> tuple[scan.ArrayCounts, ClassColumns]:
        part = self._arrays.get((array.split.name, array.name))
        if part is None:
            raise RequestError(
                f"{array.file} of {self._path} could not be read when it was verified; verify it "
                "again"
            )
        if part.counts is None:
            reason, patch = part.error or ("it could not be read", None)
            raise CloudioError(reason, patch=patch, reason=reason)
        if part.counts.dtype.name != array.dtype.name:
            raise RequestError(
                f"{array.file} of {self._path} is of type {array.dtype} now, and was of type "
                f"{part.counts.dtype} when it was verified; verify it again"
            )
        self._check_pixels(array, part.counts)
        return part.counts.dense(), part.columns

    def _check_pixels(self, array: CheckedArray, counts: SparseCounts) -> None:
        """Raise RequestError if some patches have other bytes than when they were counted."""
        some = np.array(sample_numbers(array.n_patches, _N_COMPARED), np.int64)
        now = scan.count_array(
            array.dataset.subset(some), array.name, whole=True, checksum=True, threads=1
        )
        differ = now.patches["checksum"] != counts.patches["checksum"][some]
        if differ.any():
            patch = array.row(int(some[differ][0]))
            raise RequestError(
                f"{array.file} of {self._path} has other bytes in patch {patch} than when it was "
                "verified; verify it again",
                patch=patch,
            )


def _rows_of_index(splits: Sequence[Split], index: Any) -> Rows:
    total = sum(split.n_patches for split in splits)
    numbers = np.sort(resolve_index_or_mask(index, total))
    if len(twice := numbers[1:][np.diff(numbers) == 0]):
        raise RequestError(
            f"index has patches twice: {format_ranges(np.unique(twice).tolist(), 12)}; verify "
            "reads each patch once"
        )
    which, rows = locate_patches(splits, numbers)
    found = {split.name: rows[which == k] for k, split in enumerate(splits)}
    return {name: numbers for name, numbers in found.items() if len(numbers)}


def _rows_of(part: Any, splits: Sequence[Split]) -> Rows:
    """Return the patches of a data set that was opened from the same folder."""
    index = np.arange(len(part))
    stored = part.stored_index(index) if part.is_subset else index
    which, rows = locate_patches(part.stored_splits, stored)
    starts, start = {}, 0
    for split in splits:
        starts[split.name] = start
        start += split.n_patches
    names = [split.name for split in part.stored_splits]
    if changed := [name for name in names if name not in starts]:
        raise RequestError(f"{part.path} has no split {changed[0]} any more; open it again")
    return _rows_of_index(splits, np.array([starts[names[k]] for k in which], np.int64) + rows)
