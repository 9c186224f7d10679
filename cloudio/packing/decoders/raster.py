"""An opened image file: its channels, where it lies, and reads of channels and windows."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ..._utils.text import listed
from ...errors import RequestError
from ..sample import ArrayInfo
from .georeference import Georeference

#: First row, first column, height, width, in pixels.
Window = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Channel:
    """What a file says of one channel.

    ``name`` is None if it has none.  ``nodata`` is a stored number that the type holds.
    ``wavelength`` is in nm.  ``meaning``: "data"; "alpha", how opaque a pixel is; "mask", 255 where
    a pixel is valid and else 0, which a file keeps beside its bands; "palette", data that are
    numbers of colors.
    """

    name: str | None
    dtype: np.dtype[Any]
    nodata: float | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    unit: str | None = None
    wavelength: float | None = None
    meaning: Literal["data", "alpha", "mask", "palette"] = "data"

    def info(self, kind: Literal["band", "label"] = "band") -> ArrayInfo:
        """Return what a sample says of an array that has this channel's pixels."""
        return ArrayInfo(
            kind=kind,
            nodata=self.nodata,
            scale_factor=self.scale_factor,
            add_offset=self.add_offset,
            unit=self.unit,
            wavelength=self.wavelength,
        )


class Raster(ABC):
    """An opened file of one image, and a context manager that closes it.

    ``shape`` is (height, width).  ``channels`` are in the order of the file.  Threads may share a
    raster: one reads at a time.  It does not pickle; open the path again.
    """

    path: Path
    shape: tuple[int, int]
    channels: tuple[Channel, ...]
    georeference: Georeference
    date: str | None

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        channels: Sequence[Channel],
        georeference: Georeference | None = None,
        date: str | None = None,
    ) -> None:
        self.path = path
        self.shape = shape
        self.channels = tuple(channels)
        self.georeference = georeference or Georeference()
        self.date = date
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def attributes(self) -> dict[str, object]:
        """What metadata.csv says of the image: crs, geotransform, left, ..., date, where known."""
        return self.attributes_of(None)

    def attributes_of(self, window: Window | None) -> dict[str, object]:
        """Return the attributes of a window, with its own transform and bounds."""
        row, col, height, width = window or (0, 0, *self.shape)
        found = self.georeference.moved(row, col).attributes(height, width)
        return found if self.date is None else {**found, "date": self.date}

    def read(
        self, channels: Sequence[int] | None = None, window: Window | None = None
    ) -> np.ndarray:
        """Return pixels (channel, row, column), an array of its own in this machine's byte order.

        ``channels`` are numbers from 0, None is all.  Channels of several types are read one type
        at a time.  A ReadError or LayoutError names a file that is damaged.
        """
        numbers = range(len(self.channels)) if channels is None else channels
        self._check(numbers, window)
        with self._lock:
            if self._is_closed:
                raise RequestError.about(self.path, "is closed; open it again")
            return self._read(list(numbers), window)

    def palette(self) -> np.ndarray:
        """Return the colors of a palette, (number, 3) of 8 bits, that a channel has numbers of."""
        with self._lock:
            if self._is_closed:
                raise RequestError.about(self.path, "is closed; open it again")
            return self._palette()

    def _palette(self) -> np.ndarray:
        """Return the colors of a palette; no other thread reads."""
        return np.empty((0, 3), np.uint8)

    @abstractmethod
    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        """Return pixels; what is asked for has been checked, and no other thread reads."""

    def close(self) -> None:
        """Close the file, once no thread reads it; it cannot be read then."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._close()

    @abstractmethod
    def _close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check(self, numbers: Sequence[int], window: Window | None) -> None:
        n = len(self.channels)
        if not numbers or min(numbers) < 0 or max(numbers) >= n:
            reason = f"channels={listed(numbers)}; its channels are 0 to {n - 1}"
            raise RequestError.about(self.path, reason)
        types = {self.channels[k].dtype for k in numbers}
        if len(types) > 1:
            reason = f"has channels of several types, {listed(sorted(map(str, types)))}"
            raise RequestError.about(self.path, f"{reason}; read those of one type at a time")
        if window is not None:
            row, col, height, width = window
            rows, cols = self.shape
            inside = 0 <= row <= rows - height and 0 <= col <= cols - width
            if not inside or height < 1 or width < 1:
                reason = f"has {rows} x {cols} pixels; a window of {height} x {width} at row {row},"
                raise RequestError.about(self.path, f"{reason} column {col} is not inside it")

    def __repr__(self) -> str:
        rows, cols = self.shape
        return f"<{type(self).__name__} {self.path}: {len(self.channels)} x {rows} x {cols}>"


def held_nodata(nodata: float | None, dtype: np.dtype[Any]) -> float | None:
    """Return a nodata number as ``dtype`` stores it; None if it cannot be any pixel's."""
    if nodata is None:
        return None
    if dtype.kind == "f":
        # A file has it in decimals: the pixels have the nearest number.
        with np.errstate(over="ignore"):
            return float(dtype.type(nodata))
    if dtype.kind == "b":
        return nodata if nodata in (0, 1) else None
    if nodata != nodata or nodata in (float("inf"), float("-inf")) or nodata != int(nodata):
        return None
    limits = np.iinfo(dtype)
    return int(nodata) if limits.min <= int(nodata) <= limits.max else None
