"""What a read must equal, in plain numpy, one sample and one array at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cloudio import Window


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal in type, shape and every bit: NaN payloads and signs of zero too."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tobytes() == other.tobytes()


def orient(plane: np.ndarray, symmetry: int) -> np.ndarray:
    """Rows and columns flipped and turned, as documented."""
    return np.rot90(np.fliplr(plane) if symmetry >= 4 else plane, symmetry % 4)


def image(
    arrays: Sequence[np.ndarray],
    index: Sequence[int],
    origins: Sequence[tuple[int, int]],
    size: tuple[int, int],
    scale: Sequence[float],
    offset: Sequence[float],
    *,
    clip: tuple[float | None, float | None] = (None, None),
    nodata: Sequence[float | None] = (),
    fill: float | None = None,
    symmetries: Sequence[int] | None = None,
) -> np.ndarray:
    """(sample, band, row, column) float32: one multiplication, one addition, where not of 0.

    Then limits, then no data; rows and columns are turned last.
    """
    out = np.empty((len(index), len(arrays), *size), np.float32)
    with np.errstate(all="ignore"):
        for k, (i, (row, col)) in enumerate(zip(index, origins, strict=True)):
            for b, array in enumerate(arrays):
                stored = array[i, row : row + size[0], col : col + size[1]].astype(np.float32)
                pixels = stored * np.float32(scale[b])
                if np.float32(offset[b]) != 0:
                    pixels = pixels + np.float32(offset[b])
                for limit, beyond in zip(clip, (np.less, np.greater), strict=True):
                    if limit is not None:
                        limit = np.float32(limit)
                        pixels = np.where(beyond(pixels, limit), limit, pixels)
                if fill is not None:
                    pixels = np.where(missing(stored, nodata[b]), np.float32(fill), pixels)
                out[k, b] = pixels if symmetries is None else orient(pixels, symmetries[k])
    return out


def missing(stored: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where a float32 array holds no data."""
    none = np.isnan(stored)
    return none if nodata is None else none | (stored == np.float32(nodata))


def valid(
    arrays: Sequence[np.ndarray],
    index: Sequence[int],
    origins: Sequence[tuple[int, int]],
    size: tuple[int, int],
    window: Window,
    nodata: Sequence[float | None],
    symmetries: Sequence[int],
) -> np.ndarray:
    """(sample, row, column) uint8: 1 inside the window, where every array holds data."""
    out = np.empty((len(index), *size), np.uint8)
    for k, (i, (row, col)) in enumerate(zip(index, origins, strict=True)):
        real = np.zeros(arrays[0].shape[1:], bool)
        real[window.row : window.row + window.height, window.col : window.col + window.width] = True
        for array, none in zip(arrays, nodata, strict=True):
            real &= ~missing(array[i].astype(np.float32), none)
        out[k] = orient(real[row : row + size[0], col : col + size[1]], symmetries[k])
    return out


def label(
    array: np.ndarray,
    index: Sequence[int],
    origins: Sequence[tuple[int, int]],
    size: tuple[int, int],
    classes: Mapping[int, int] | None,
    valid: Window,
    ignore: int,
    dtype: Any,
) -> np.ndarray:
    """(sample, row, column): listed codes to classes, the rest and the frame to ``ignore``.

    ``classes`` None: codes as they are stored.  Codes are compared as unsigned numbers.
    """
    out = np.empty((len(index), *size), dtype)
    for k, (i, (row, col)) in enumerate(zip(index, origins, strict=True)):
        stored = np.array(array[i, row : row + size[0], col : col + size[1]])
        if classes is None:
            out[k] = stored.astype(dtype)
            continue
        codes = stored.view(f"u{array.itemsize}").astype(np.int64)
        out[k] = ignore
        for code, to in classes.items():
            out[k][codes == code % 256**array.itemsize] = to
        rows, cols = np.arange(row, row + size[0]), np.arange(col, col + size[1])
        out[k][(rows < valid.row) | (rows >= valid.row + valid.height)] = ignore
        out[k][:, (cols < valid.col) | (cols >= valid.col + valid.width)] = ignore
    return out
