"""Arrays that numpy saved: .npy."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import LayoutError, RequestError
from ...storage.headers.npy import read_any_header
from .raster import Channel, Raster, Window


class NpyRaster(Raster):
    """A .npy file of one image: (row, column), (channel, row, column) or (row, column, channel).

    Windows are read from a memory map.
    """

    def __init__(self, path: Path, channel_axis: Literal["first", "last"] | None = None) -> None:
        header = read_any_header(path)
        if header.size != header.needed:
            raise LayoutError.about(
                path,
                f"holds {header.size:,} bytes; by its header ({header.dtype}, shape "
                f"{header.shape}) it must hold {header.needed:,}",
            )
        check_type(path, header.dtype)
        axis = channel_axis_of(path, header.shape, channel_axis)
        if 0 in header.shape:
            raise LayoutError.about(path, f"has no pixels: its shape is {header.shape}")
        self._pixels = channels_first(np.load(path, mmap_mode="r", allow_pickle=False), axis)
        n, height, width = self._pixels.shape
        dtype = header.dtype.newbyteorder("=")
        super().__init__(path, (height, width), [Channel(None, dtype)] * n)

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        return copied(self._pixels, channels, window)

    def close(self) -> None:
        self._pixels = np.empty((0, 0, 0))


def check_type(path: Path, dtype: np.dtype[Any]) -> None:
    """Raise LayoutError unless pixels are numbers, and no complex ones."""
    if dtype.kind not in "biuf":
        raise LayoutError.about(path, f"has elements of {dtype}; pixels are bool, int or float")


def channel_axis_of(
    path: Path, shape: tuple[int, ...], given: Literal["first", "last"] | None
) -> Literal["first", "last"] | None:
    """Return where the channels of an array are; None if it has none.  LayoutError in doubt."""
    if given not in (None, "first", "last"):
        raise RequestError(f"channel_axis={given!r}; it must be 'first', 'last' or None")
    if len(shape) == 2:
        return None
    if len(shape) != 3:
        reason = f"has the shape {shape}; an image is (row, column) or (channel, row, column)"
        raise LayoutError.about(path, reason)
    if given is None and shape[0] > shape[2]:
        raise LayoutError.about(
            path,
            f"has the shape {shape}, so its channels may be the first or the last axis: give "
            "channel_axis='last' if the last one has the channels, else channel_axis='first'",
        )
    return given or "first"


def channels_first(array: np.ndarray, axis: Literal["first", "last"] | None) -> np.ndarray:
    """Return an array as (channel, row, column), without a copy."""
    if axis is None:
        return array[None]
    return array if axis == "first" else np.moveaxis(array, 2, 0)


def copied(pixels: np.ndarray, channels: list[int], window: Window | None) -> np.ndarray:
    """Return a copy of some channels, of a window, in this machine's byte order."""
    row, col, height, width = window or (0, 0, *pixels.shape[1:])
    part = pixels[:, row : row + height, col : col + width]
    out = np.empty((len(channels), height, width), pixels.dtype.newbyteorder("="))
    for k, channel in enumerate(channels):
        out[k] = part[channel]
    return out
