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


def image(
    arrays: Sequence[np.ndarray],
    index: Sequence[int],
    origins: Sequence[tuple[int, int]],
    size: tuple[int, int],
    scale: Sequence[float],
    offset: Sequence[float],
) -> np.ndarray:
    """(sample, band, row, column) float32: one multiplication, one addition, where not of 0."""
    out = np.empty((len(index), len(arrays), *size), np.float32)
    with np.errstate(all="ignore"):
        for k, (i, (row, col)) in enumerate(zip(index, origins, strict=True)):
            for b, array in enumerate(arrays):
                window = array[i, row : row + size[0], col : col + size[1]]
                pixels = window.astype(np.float32) * np.float32(scale[b])
                out[k, b] = pixels + np.float32(offset[b]) if offset[b] else pixels
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
