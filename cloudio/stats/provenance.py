"""Provenance: which pixels a result was counted from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layouts.band import Window
from ..reading.dataset import Dataset


@dataclass(frozen=True)
class Provenance:
    """Which patches, arrays and window were counted; not the values of their pixels.

    ``splits`` are numbers of patches.  ``index`` is a digest of which patches they are.
    ``arrays``: name -> element type.
    """

    layout: str
    patch: tuple[int, int]
    window: Window
    splits: Mapping[str, int]
    index: str
    arrays: Mapping[str, str]

    @classmethod
    def of(cls, ds: Dataset, arrays: Sequence[str], window: Window | None = None) -> "Provenance":
        index = np.arange(len(ds), dtype=np.int64)
        stored = ds.stored_index(index) if ds.is_subset else index
        return cls(
            ds.layout.name,
            ds.layout.patch,
            ds.valid_window if window is None else window,
            {name: len(which) for name, which in ds.splits.items()},
            hashlib.sha256(stored.astype("<i8").tobytes()).hexdigest()[:16],
            {name: ds.dtype(name).name for name in arrays},
        )

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "Provenance":
        window = Window(**entries["window"])
        return cls(**(dict(entries) | {"patch": tuple(entries["patch"]), "window": window}))

    def fits(self, ds: Dataset) -> bool:
        """Whether a data set has these patches and arrays, by number, name and type."""
        if not all(name in ds.names for name in self.arrays):
            return False
        return Provenance.of(ds, list(self.arrays), self.window) == self

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.splits.items())
        row, col, (height, width) = self.window.row, self.window.col, self.window.size
        return (
            f"{self.layout}, {sum(self.splits.values()):,} patches ({splits}), "
            f"{height} x {width} pixels from ({row}, {col})"
        )
