"""The patches that are unpacked: where each is stored, and its columns of metadata.csv as text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import LayoutError
from ...layouts.band import Window
from ...reading.dataset import Dataset
from ...storage.arrays import OpenArray
from ...storage.discovery import Split, locate_patches


class Patches:
    """Some patches of a data set, by their position among the chosen ones.

    Parameters
    ----------
    ds : Dataset
        A data set, a split or a subset of one.
    index : ndarray of int64, (patch,)
        Which of its patches, each once.

    Notes
    -----
    ``which`` and ``rows`` say which split has a patch, and its number in the files there;
    ``stored_index`` has its number over all splits.
    """

    def __init__(self, ds: Dataset, index: np.ndarray) -> None:
        self.ds, self.index = ds, index
        self.stored_index = ds.stored_index(index.copy()) if ds.is_subset else index
        self.which, self.rows = locate_patches(ds.stored_splits, self.stored_index)
        self._columns: dict[tuple[int, str], Sequence[str] | None] = {}

    def __len__(self) -> int:
        return len(self.index)

    def split(self, k: int) -> Split:
        """Return the split that has patch k."""
        splits: Sequence[Split] = self.ds.stored_splits
        return splits[int(self.which[k])]

    def text(self, k: int, name: str) -> str:
        """Return a field of patch k as it is written; "" if there is no such column."""
        column = self.column(int(self.which[k]), name)
        return "" if column is None else column[self.rows[k]].strip()

    def column(self, which: int, name: str) -> Sequence[str] | None:
        """Return a column of a split as it is written; None if it has none of that name."""
        key = which, name
        if key not in self._columns:
            file = self.ds.stored_splits[which].metadata
            has = file is not None and name in file.names
            self._columns[key] = file.read([name])[name] if file is not None and has else None
        return self._columns[key]

    def error(self, k: int, reason: str) -> LayoutError:
        """Return an error about the row of patch k in metadata.csv."""
        return LayoutError.about(self.csv(k), f"patch {self.rows[k]} {reason}")

    def csv(self, k: int) -> Path:
        """Return the metadata.csv with the row of patch k."""
        return self.split(k).csv

    def open(self, name: str) -> "StoredArray":
        """Return an array of these patches."""
        return StoredArray(self, self.ds.open_arrays(name, "pread"))


class StoredArray:
    """An array of `Patches`, of which windows are read by position."""

    def __init__(self, patches: Patches, files: Sequence[OpenArray]) -> None:
        self._patches, self._files = patches, files

    def read(self, k: int, window: Window) -> np.ndarray:
        """Return a window of patch k as it is stored; TruncatedError if the file ends before."""
        which, row = int(self._patches.which[k]), int(self._patches.rows[k])
        return self._files[which].stored.read_window(row, window)
