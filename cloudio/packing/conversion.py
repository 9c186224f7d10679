"""Stored types: which one holds an array of another type, and conversions that lose nothing."""

from collections.abc import Sequence

import numpy as np

from ..layouts.band import DTYPES

# What is tried for a type that cloudio does not store, in this order.
_FOR_LABELS = ("uint8", "int8", "int16", "uint16")
_FOR_UNSIGNED = ("uint16", "float32")
_FOR_SIGNED = ("int16", "uint16", "float32")
_ALWAYS = {"bool": "uint8", "float16": "float32"}
# Whole numbers up to here are exact as float32.
_MOST_IN_FLOAT32 = 1 << 24


class LossError(Exception):
    """A conversion would change a number: ``number``, at ``where`` (row, column).

    ``nodata``: the number that means no data, if it would become that one.
    """

    def __init__(self, number: object, where: tuple[int, int], nodata: float | None = None) -> None:
        super().__init__(number, where)
        self.number, self.where, self.nodata = number, where, nodata


def choose_type(kind: str, pixels: Sequence[np.ndarray], *, lossy: bool = False) -> str | None:
    """Return the type to store arrays of one type in, from some of them; None if none is exact.

    ``lossy``: bands that no type holds exactly are float32.
    """
    dtype = pixels[0].dtype
    name = dtype.newbyteorder("=").name
    if name in DTYPES and not (kind == "label" and dtype.kind == "f"):
        return name
    if name in _ALWAYS and not (kind == "label" and dtype.kind == "f"):
        return _ALWAYS[name]
    choices: tuple[str, ...] = _FOR_SIGNED if dtype.kind == "i" else _FOR_UNSIGNED
    if kind == "label":
        choices = _FOR_LABELS
    elif dtype.kind == "f":
        choices = ("float32",)
    rounded = "float32" if lossy and kind == "band" else None
    return next((each for each in choices if all(_is_exact(p, each) for p in pixels)), rounded)


def _is_exact(pixels: np.ndarray, dtype: str) -> bool:
    try:
        convert(pixels, np.dtype(dtype))
    except LossError:
        return False
    return True


def convert(
    pixels: np.ndarray, dtype: np.dtype, *, lossy: bool = False, nodata: float | None = None
) -> np.ndarray:
    """Return pixels (row, column) as another type, contiguous; LossError if a number changes.

    NaN stays NaN.  ``lossy``: fractions are rounded, to nearest even; numbers that are out of the
    range of the type, and NaN for whole numbers, are LossErrors all the same, and so is a number
    that would become ``nodata``.
    """
    if pixels.dtype == dtype:
        return np.ascontiguousarray(pixels)
    source = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if lossy and source.dtype.kind == "f" and dtype.kind != "f":
        source = np.rint(source)
    with np.errstate(all="ignore"):
        converted = np.ascontiguousarray(source, dtype)
        if dtype.kind == "f":
            changed = _changed_in_floats(source, converted, lossy)
        else:
            changed = converted != source
            if source.dtype.kind in "iu" and source.dtype.kind != dtype.kind:
                # numpy compares int64 with uint64 as float64
                changed |= (source < 0) | (converted < 0)
    if changed.any():
        raise _loss(pixels, changed)
    if lossy and nodata is not None:
        lost = (converted == nodata) & (pixels != nodata) & (pixels != converted)
        if lost.any():
            raise _loss(pixels, lost, nodata)
    return converted


def _loss(pixels: np.ndarray, changed: np.ndarray, nodata: float | None = None) -> LossError:
    row, col = (int(x) for x in np.argwhere(changed)[0])
    return LossError(pixels[row, col].item(), (row, col), nodata)


def _changed_in_floats(source: np.ndarray, converted: np.ndarray, lossy: bool) -> np.ndarray:
    if source.dtype.kind in "iub":
        changed = np.zeros(source.shape, bool)
        if not lossy and source.dtype.itemsize > 2:
            changed = (source > _MOST_IN_FLOAT32) | (source < -_MOST_IN_FLOAT32)
    elif lossy:
        changed = np.isinf(converted) & ~np.isinf(source)
    else:
        changed = (converted != source) & ~np.isnan(source)
    return changed
