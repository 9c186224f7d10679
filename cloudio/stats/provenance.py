"""Provenance: which pixels a result was counted from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._utils.text import escape_controls
from ..layouts.band import Window
from ..reading.dataset import Dataset
from .serialize import int_from_plain, text_from_plain


@dataclass(frozen=True)
class Provenance:
    """The patches, arrays and window that a result was counted from, but not their pixel values.

    Attributes
    ----------
    layout : str
        The name of the layout.
    patch : tuple of int
        (height, width) of a stored patch, in pixels.
    window : Window
        The pixels of each patch that were counted.
    splits : mapping of str to int
        The number of patches of each split.
    index : str
        A digest of the patch numbers, 16 hexadecimal digits of SHA-256.
    arrays : mapping of str to str
        The element type of each array, by name.
    """

    layout: str
    patch: tuple[int, int]
    window: Window
    splits: Mapping[str, int]
    index: str
    arrays: Mapping[str, str]

    @classmethod
    def of(cls, ds: Dataset, arrays: Sequence[str], window: Window | None = None) -> "Provenance":
        """Return the provenance of a result counted from these arrays of a data set.

        Parameters
        ----------
        ds : Dataset
            The patches that were counted.
        arrays : sequence of str
            The arrays that were counted.
        window : Window, optional
            The pixels that were counted.  By default the valid window.

        Returns
        -------
        Provenance
            What `fits` compares.
        """
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
        """Return the provenance that ``entries`` describe.

        Parameters
        ----------
        entries : mapping
            Its part of the parsed JSON of a result.

        Returns
        -------
        Provenance
            Equal to the one that was saved.
        """
        sides = (entries["window"][key] for key in ("row", "col", "height", "width"))
        height, width = map(int_from_plain, entries["patch"])
        return cls(
            text_from_plain(entries["layout"]),
            (height, width),
            Window(*map(int_from_plain, sides)),
            {name: int_from_plain(n) for name, n in entries["splits"].items()},
            text_from_plain(entries["index"]),
            {name: text_from_plain(dtype) for name, dtype in entries["arrays"].items()},
        )

    def fits(self, ds: Dataset) -> bool:
        """Return whether a data set has the same patches and arrays.

        Parameters
        ----------
        ds : Dataset
            The data set to compare.

        Returns
        -------
        bool
            True if layout, splits, patch numbers, and names and types of the arrays are
            equal.  Pixel values are not compared.
        """
        if not set(ds.names).issuperset(self.arrays):
            return False
        return Provenance.of(ds, list(self.arrays), self.window) == self

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {n:,}" for name, n in self.splits.items())
        row, col, (height, width) = self.window.row, self.window.col, self.window.size
        return escape_controls(
            f"{self.layout}, {sum(self.splits.values()):,} patches ({splits}), "
            f"{height} x {width} pixels from ({row}, {col})"
        )
