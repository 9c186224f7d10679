"""One array of one split, with everything that the checks of pixels need."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._utils.progress import Advance
from ..layouts.band import Band, Window
from ..layouts.layout import Layout
from ..reading import scan
from ..reading.dataset import Dataset
from ..storage.arrays import ArrayFile
from ..storage.discovery import Split
from .file_checks.disk import patches_in_holes
from .file_names import array_file_name, file_name
from .meaning import SkippedCheck, why_not_measured
from .part_counts import ClassColumns
from .report import Finding, make_finding

# Patches whose classes are counted at a time.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class CheckedArray:
    """An array of a split, resolved once.

    ``dataset`` is the data set of its split only.  ``band`` is the layout's row, corrected by what
    the file says.  ``file`` is the name in findings.  ``rows``: the patches of the split that are
    checked, ascending; None is all of them.  Checks number patches by their position among them.
    """

    dataset: Dataset
    split: Split
    name: str
    stored: ArrayFile
    band: Band
    file: str
    rows: np.ndarray | None = None

    @classmethod
    def resolve(
        cls, dataset: Dataset, split: Split, name: str, rows: np.ndarray | None = None
    ) -> "CheckedArray":
        stored = split.arrays[name]
        file = array_file_name(stored, split.folder)
        return cls(dataset, split, name, stored, dataset.band(name), file, rows)

    @property
    def layout(self) -> Layout:
        return self.dataset.layout

    @property
    def files(self) -> list[str]:
        """The names of all of its files in findings, without a channel."""
        return [file_name(path, self.split.folder) for path in self.stored.paths]

    @property
    def dtype(self) -> np.dtype:
        return self.stored.dtype

    @property
    def n_patches(self) -> int:
        return self.stored.shape[0] if self.rows is None else len(self.rows)

    @property
    def n_pixels(self) -> int:
        """The number of pixels of a valid window."""
        height, width = self.layout.valid.size
        return height * width

    @cached_property
    def why_not_measured(self) -> str | None:
        """Why patches of one number can be natural in this array; None if they are not."""
        known = self.layout.band(self.name)
        return why_not_measured(self.layout, None if known is None else self.band)

    @cached_property
    def holes(self) -> frozenset[int]:
        """Positions of patches that were never written to the disk."""
        measured = why_not_measured(self.layout, self.layout.band(self.name)) is None
        holes = patches_in_holes(self.stored, measured=measured)
        if self.rows is not None:
            holes = np.flatnonzero(np.isin(self.rows, holes)).tolist()
        return frozenset(holes)

    def row(self, k: int) -> int:
        """Return the number in the split of the patch at a position."""
        return k if self.rows is None else int(self.rows[k])

    def count(
        self, class_lut: np.ndarray | None, threads: int, advance: Advance
    ) -> tuple[scan.ArrayCounts, ClassColumns]:
        """Read every byte, and count what the checks need; with a ``class_lut`` also the classes.

        Classes are counted for some thousands of patches at a time: 256 counts of each of a
        million patches would take 2 GB, and few of them are other than 0.
        """
        columns: ClassColumns = {}
        step = max(1, self.n_patches if class_lut is None else _BLOCK)
        parts = []
        for start in range(0, self.n_patches, step):
            stop = min(start + step, self.n_patches)
            whole = stop - start == self.n_patches
            counts = scan.count_array(
                self.dataset if whole else self.dataset.subset(np.arange(start, stop)),
                self.name,
                whole=True,
                checksum=True,
                class_lut=class_lut,
                threads=threads,
                advance=advance,
            )
            if counts.class_counts is not None:
                for k in np.flatnonzero(counts.class_counts.any(axis=0)).tolist():
                    column = columns.setdefault(k, np.zeros(self.n_patches, np.uint32))
                    column[start:stop] = counts.class_counts[:, k]
            parts.append(replace(counts, class_counts=None))
        if self.rows is None:
            advance(self.stored.exception_bytes)
        if len(parts) == 1:
            return parts[0], columns
        patches = np.concatenate([part.patches for part in parts])
        histogram = sum((part.histogram for part in parts), np.zeros_like(parts[0].histogram))
        return replace(parts[0], patches=patches, histogram=histogram), columns

    def read_patch(self, k: int) -> np.ndarray:
        """Return a stored patch, (row, column), by plain reads; TruncatedError past the end."""
        whole = Window(0, 0, *self.layout.patch)
        return np.ascontiguousarray(self.stored.read_window(self.row(k), whole))

    def read_stored(self, k: int) -> np.ndarray:
        """Return the pixels that the array's file stores of a patch, as `read_patch` does."""
        whole = Window(0, 0, *self.stored.size)
        return np.ascontiguousarray(self.stored.read_stored(self.row(k), whole))

    def skipped(self, check: str, reason: str) -> SkippedCheck:
        return SkippedCheck(check, self.split.name, self.file, reason)

    def found(
        self, check: str, patches: Iterable[int], message: str, advice: str = ""
    ) -> Iterator[Finding]:
        """Yield one finding, unless there are no such patches."""
        numbers = patches if isinstance(patches, (range, np.ndarray)) else tuple(patches)
        if self.rows is not None and len(numbers):
            numbers = self.rows[np.asarray(numbers)]
        if len(numbers):
            yield make_finding(check, self.split.name, self.file, numbers, message, advice)


def sample_numbers(n: int, most: int) -> list[int]:
    """Return up to ``most`` of the numbers 0..n-1, evenly, with the first and the last."""
    if not n:
        return []
    return sorted(set(np.linspace(0, n - 1, min(n, most)).astype(int).tolist()))
