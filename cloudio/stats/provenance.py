"""Provenance: which pixels a result was counted from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from .._utils.json_files import refuse
from .._utils.text import escape_controls
from ..errors import RequestError
from ..layouts.band import Window
from ..reading.dataset import Dataset
from .coverage import Coverage
from .serialize import (
    floats_from_plain,
    int_from_plain,
    int_or_none_from_plain,
    text_from_plain,
)

T = TypeVar("T")


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
    covers : Coverage or None
        The patch numbers themselves, which `cloudio.stats.merge` needs.  None if the result was
        saved by a version that did not write them.  Equality does not compare it, because ``index``
        has its digest.
    nodata : mapping of str to (float or None), or None
        The no-data number of each array, by name, which `cloudio.stats.merge` compares.  None if
        the result was saved by a version that did not write them.  Equality does not compare it.
    channels : mapping of str to (int or None), or None
        The channel of each array in its file, by name, which `cloudio.stats.merge` compares where
        both results have one.  None for an array with a file of its own.  Else like ``nodata``.
    """

    layout: str
    patch: tuple[int, int]
    window: Window
    splits: Mapping[str, int]
    index: str
    arrays: Mapping[str, str]
    covers: Coverage | None = field(default=None, compare=False)
    nodata: Mapping[str, float | None] | None = field(default=None, compare=False)
    channels: Mapping[str, int | None] | None = field(default=None, compare=False)

    @property
    def missing(self) -> Mapping[str, Sequence[int]]:
        """The patches of each split that are not counted: numbers in the split.

        Splits without such patches are left out.  It raises RequestError if ``covers`` is None.
        """
        if self.covers is None:
            raise RequestError(
                "this result was saved by an earlier version of cloudio, and does not say which "
                "patches it counts"
            )
        return self.covers.missing()

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
        numbers = ds.stored_index(index) if ds.is_subset else index
        stored = {split.name: split.n_patches for split in ds.stored_splits}
        bands = {name: ds.band(name) for name in arrays}
        return cls(
            ds.layout.name,
            ds.layout.patch,
            ds.valid_window if window is None else window,
            {name: len(which) for name, which in ds.splits.items()},
            digest_of(numbers),
            {name: ds.dtype(name).name for name in arrays},
            Coverage.of(stored, numbers if ds.is_subset else None),
            {name: _as_float(band.nodata) for name, band in bands.items()},
            {name: band.channel for name, band in bands.items()},
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
        splits = {name: int_from_plain(n) for name, n in entries["splits"].items()}
        covers = Coverage.from_plain(entries["covers"]) if "covers" in entries else None
        index = text_from_plain(entries["index"])
        if covers is not None:
            is_alike = covers.n_by_split() == splits and digest_of(covers.numbers()) == index
            refuse(not is_alike, "other patches than it covers")
        return cls(
            text_from_plain(entries["layout"]),
            (height, width),
            Window(*map(int_from_plain, sides)),
            splits,
            index,
            {name: text_from_plain(dtype) for name, dtype in entries["arrays"].items()},
            covers,
            _nodata_from_plain(entries.get("nodata")),
            _channels_from_plain(entries.get("channels")),
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
        stored = {} if self.covers is None else self.covers.stored
        splits = ", ".join(_of(n, stored.get(name), f"{name} ") for name, n in self.splits.items())
        total = _of(sum(self.splits.values()), sum(stored.values()) if stored else None)
        row, col, (height, width) = self.window.row, self.window.col, self.window.size
        return escape_controls(
            f"{self.layout}, {total} patches ({splits}), "
            f"{height} x {width} pixels from ({row}, {col})"
        )


def _nodata_from_plain(entries: Any) -> dict[str, float | None] | None:
    if entries is None:
        return None
    return {
        name: None if number is None else _as_float(floats_from_plain([number], (1,))[0])
        for name, number in entries.items()
    }


def _channels_from_plain(entries: Any) -> dict[str, int | None] | None:
    if entries is None:
        return None
    return {name: int_or_none_from_plain(channel) for name, channel in entries.items()}


def _as_float(number: float | None) -> float | None:
    """Return equal numbers as the same: 0, 0.0 and -0.0 as 0.0."""
    return None if number is None else float(number) + 0.0


def digest_of(numbers: np.ndarray) -> str:
    """Return the digest of patch numbers that `Provenance.index` is."""
    return hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()[:16]


def _of(n: int, stored: int | None, name: str = "") -> str:
    """Return a number of patches, and of how many if there are more."""
    return f"{name}{n:,}" if stored is None or n >= stored else f"{name}{n:,} of {stored:,}"


def of_arrays(provenance: Provenance, arrays: Mapping[str, str]) -> Provenance:
    """Return the provenance of some of the arrays; it names no others."""
    nodata, channels = provenance.nodata, provenance.channels
    return replace(
        provenance, arrays=arrays, nodata=_some(nodata, arrays), channels=_some(channels, arrays)
    )


def _some(given: Mapping[str, T] | None, names: Mapping[str, str]) -> Mapping[str, T] | None:
    return None if given is None else {name: given[name] for name in names if name in given}


def of_patches(provenance: Provenance, covers: Coverage) -> Provenance:
    """Return the provenance of other patches."""
    splits, index = covers.n_by_split(), digest_of(covers.numbers())
    return replace(provenance, splits=splits, index=index, covers=covers)


def of_all(parts: Sequence[Provenance], covers: Coverage) -> Provenance:
    """Return the provenance of all patches, of parts that `check_arrays` has compared."""
    nodata = [each.nodata for each in parts if each.nodata is not None]
    channels: dict[str, int | None] = {}
    for each in (each.channels for each in parts if each.channels is not None):
        for name, channel in each.items():
            channels[name] = channel if channels.get(name) is None else channels[name]
    first = replace(parts[0], nodata=nodata[0] if nodata else None, channels=channels or None)
    return of_patches(first, covers)


def check_arrays(provenance: Provenance, others: Sequence[Provenance]) -> None:
    """Raise RequestError unless all results have the same no-data numbers and channels of arrays.

    ``others`` are of the same arrays or some of them.  What an earlier version did not write is not
    known, and not compared.  An array that is a channel of a file can have a file of its own in a
    copy of the data set.
    """
    parts = (provenance, *others)
    for name in provenance.arrays:
        nodata = [each.nodata[name] for each in parts if each.nodata and name in each.nodata]
        channels = [each.channels.get(name) for each in parts if each.channels]
        _check_alike("nodata", name, nodata)
        _check_alike("channel", name, [number for number in channels if number is not None])


def _check_alike(what: str, name: str, numbers: Sequence[float | None]) -> None:
    if other := [number for number in numbers if repr(number) != repr(numbers[0])]:
        raise RequestError(
            f"the results have {what} {numbers[0]} and {other[0]} of {name}; they must be of one "
            "layout"
        )
