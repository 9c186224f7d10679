"""Arrays that numpy saved: .npy and .npz."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy_format

from ..._utils.files import open_bytes
from ...errors import LayoutError, ReadError
from ...storage.headers.npy import read_any_header
from ..arguments import check_choice
from .packages import reason_of
from .raster import Channel, Raster, Window


class NpyRaster(Raster):
    """A .npy file of one image: (row, column), (channel, row, column) or (row, column, channel).

    Windows are read from a memory map.
    """

    def __init__(self, path: Path, channel_axis: Literal["first", "last"] | None = None) -> None:
        header = read_any_header(path)
        if problem := header.size_problem:
            raise LayoutError.about(path, problem)
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

    def _close(self) -> None:
        self._pixels = np.empty((0, 0, 0))


class NpzRaster(Raster):
    """A .npz file of one image; the channels have the names of its arrays.

    An array (row, column) is a channel; one of three axes is as in a .npy file, and its channels
    are called "name_1", "name_2" and so on.  All have the same rows and columns.
    """

    def __init__(self, path: Path, channel_axis: Literal["first", "last"] | None = None) -> None:
        self._stream = open_bytes(path)
        try:
            with _damage(path):
                self._file = np.load(self._stream, allow_pickle=False)
            shapes = _headers(path, self._file)
            channels, self._places, self._axes = [], [], {}
            shape = None
            for name, (array_shape, dtype) in shapes.items():
                where = f"{path}, array {name!r},"
                check_type(where, dtype)
                axis = self._axes[name] = channel_axis_of(where, array_shape, channel_axis)
                n, *size = shape_first(array_shape, axis)
                if shape not in (None, size):
                    reason = f"has {size[0]} x {size[1]} pixels, unlike the ones before it"
                    raise LayoutError.about(where, reason)
                shape = size
                names = [name] if axis is None else [f"{name}_{k + 1}" for k in range(n)]
                channels += [Channel(each, dtype.newbyteorder("=")) for each in names]
                self._places += [(name, k) for k in range(n)]
            if shape is None or 0 in shape or not channels:
                raise LayoutError.about(path, "has no pixels")
        except BaseException:
            self._stream.close()
            raise
        super().__init__(path, (shape[0], shape[1]), channels)

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        arrays: dict[str, np.ndarray] = {}
        planes = []
        for name, k in (self._places[channel] for channel in channels):
            if name not in arrays:
                with _damage(self.path):
                    arrays[name] = channels_first(self._file[name], self._axes[name])
            planes.append(copied(arrays[name], [k], window)[0])
        return np.stack(planes)

    def _close(self) -> None:
        self._file.close()
        self._stream.close()


def _headers(path: Path, file: Any) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and type of each array of a .npz file, without its pixels."""
    found = {}
    with _damage(path):
        for name in file.files:
            entry = name if name in file.zip.namelist() else f"{name}.npy"
            with file.zip.open(entry) as content:
                version = npy_format.read_magic(content)
                read = {(1, 0): npy_format.read_array_header_1_0}.get(
                    version, npy_format.read_array_header_2_0
                )
                shape, _, dtype = read(content)
                found[name] = (shape, dtype)
    return found


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Make errors of numpy and zipfile in the block ReadErrors about ``path``."""
    try:
        yield
    except Exception as error:
        reason = f"is damaged, or no .npz file: {reason_of(error)}"
        raise ReadError.about(path, reason) from None


def check_type(path: str | Path, dtype: np.dtype[Any]) -> None:
    """Raise LayoutError unless pixels are numbers, and no complex ones."""
    if dtype.kind not in "biuf":
        raise LayoutError.about(path, f"has elements of {dtype}; pixels are bool, int or float")


def channel_axis_of(
    path: str | Path, shape: tuple[int, ...], given: Literal["first", "last"] | None
) -> Literal["first", "last"] | None:
    """Return where the channels of an array are; None if it has none.  LayoutError in doubt."""
    check_choice("channel_axis", given, ("first", "last", None))
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


def shape_first(shape: tuple[int, ...], axis: Literal["first", "last"] | None) -> tuple[int, ...]:
    """Return the shape (channel, row, column) that `channels_first` makes of an array's."""
    if axis is None:
        return (1, *shape)
    return shape if axis == "first" else (shape[2], *shape[:2])


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
