"""Predictions of a model as content: an array with an entry for each patch."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._utils.files import close_descriptor, open_regular
from ..._utils.numbers import whole_numbers
from ..._utils.paths import is_file, local_path, not_found
from ..._utils.tensors import as_host_array, check_not_masked
from ..._utils.text import counted, shown
from ...errors import MissingFileError, RequestError
from ...layouts.band import Window
from ...layouts.layout import Layout
from ...reading.arguments.indexing import centered_origin
from ..sample import ArrayInfo
from .contents import Content, Pixels, check_nodata
from .names import safe_name
from .patches import Patches

# Types that GeoTIFFs have, by kind.
_STORED = "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"
# Where whole numbers of 64 bits go, in this order.
_NARROWER = "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"
# Bytes that are looked through at a time.
_CHUNK = 64 << 20


class PredictedPixels(Pixels):
    """An array (patch, channel, row, column), of which a part of each patch is written."""

    def __init__(
        self, array: np.ndarray, dtype: np.dtype[Any], windows: np.ndarray, part: Window
    ) -> None:
        self._array, self._dtype, self._corners, self._part = array, dtype, windows, part

    def window(self, k: int) -> Window:
        row, col = self._corners[k if len(self._corners) > 1 else 0].tolist()
        return Window(row, col, *self._part.size)

    def read(self, k: int, part: Window) -> np.ndarray:
        row, col = self._part.row + part.row, self._part.col + part.col
        pixels = self._array[k][..., row : row + part.height, col : col + part.width]
        return np.ascontiguousarray(pixels, self._dtype)


def predicted_content(
    patches: Patches,
    predictions: Any,
    name: str,
    origin: Any,
    nodata: float | None,
    *,
    narrow: bool,
) -> Content:
    """Return the content that predictions are.

    ``narrow``: whether whole numbers of 64 bits get the smallest type that holds them.
    """
    array = _load(predictions)
    n = len(patches)
    if array.ndim not in (3, 4):
        raise RequestError(
            f"predictions have shape {array.shape}; they must be (n, height, width), or "
            "(n, channel, height, width)"
        )
    if len(array) != n:
        raise RequestError(
            f"predictions have {counted(len(array), 'entry').replace('entrys', 'entries')} for "
            f"{counted(n, 'patch')}; give one for each, and index= if they are of some patches"
        )
    if not array.size:
        raise RequestError(f"predictions have shape {array.shape}, which has no pixels")
    size = array.shape[-2], array.shape[-1]
    corners, part = _windows(size, patches.ds.layout, origin, n)
    dtype = _stored_type(array, nodata, narrow=narrow)
    checked = None if nodata is None else check_nodata(nodata, dtype, "the predictions")
    channels = (name,) if array.ndim == 3 else tuple(f"{name}_{k}" for k in range(array.shape[1]))
    pixels = PredictedPixels(array if array.ndim == 4 else array[:, None], dtype, corners, part)
    infos = (ArrayInfo("label", checked),) * len(channels)
    suffix = f"_{check_name(name)}"
    return Content(suffix, dtype, channels, infos, checked, array.ndim == 4, pixels)


def check_name(name: object) -> str:
    """Return the name of predictions; RequestError if it cannot be a part of a file name."""
    if isinstance(name, str) and name and safe_name(name) == name:
        return name
    raise RequestError(
        f"name={shown(name)}; it becomes a part of file names, so it must be text such as 'cloud', "
        "without / and the like"
    )


# ---- the array -----------------------------------------------------------------------------------


def _load(given: Any) -> np.ndarray:
    """Return the array, or that of a .npy file, mapped."""
    if isinstance(given, (str, os.PathLike)):
        return _map(local_path(given, "predictions"))
    given = as_host_array("predictions", given)
    check_not_masked("predictions", given)
    try:
        return np.asarray(given)
    except ValueError:
        raise RequestError(
            "predictions have rows of different lengths; they must be one array"
        ) from None


def _map(path: Path) -> np.ndarray:
    if not is_file(path):
        missing = not_found(path, "file")
        raise MissingFileError(2, str(missing), os.fspath(path), path=path, reason=str(missing))
    # Before numpy opens it: it would wait for a FIFO.
    close_descriptor(open_regular(path, RequestError))
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TypeError) as error:
        reason = f"is no .npy file of numbers: {' '.join(str(error).split())}"
        raise RequestError.about(path, reason) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise RequestError.about(path, "is an .npz file; save one array as .npy")
    return array


def _stored_type(array: np.ndarray, nodata: float | None, *, narrow: bool) -> np.dtype[Any]:
    """Return the type in which predictions are written, which holds each of them."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.name in _STORED:
        return dtype
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.name == "float16":
        return np.dtype(np.float32)
    if dtype.kind in "iu":
        return _narrowest(array, nodata) if narrow else dtype
    raise RequestError(f"predictions are of type {array.dtype}; they must be numbers")


def _narrowest(array: np.ndarray, nodata: float | None) -> np.dtype[Any]:
    """Return the first type that holds all whole numbers of an array, and no data.

    If none does, it is that of the array, and no data is refused.
    """
    step = max(1, _CHUNK // array[:1].nbytes)
    parts = (array[k : k + step] for k in range(0, len(array), step))
    lows, highs = zip(*((int(part.min()), int(part.max())) for part in parts), strict=True)
    low, high = min(lows), max(highs)
    if nodata is not None and nodata == nodata and abs(nodata) < 2**63 and nodata == int(nodata):
        low, high = min(low, int(nodata)), max(high, int(nodata))
    fits = (x for x in _NARROWER if np.iinfo(x).min <= low and high <= np.iinfo(x).max)
    return np.dtype(next(fits, array.dtype.name))


# ---- the window ----------------------------------------------------------------------------------


def _windows(
    size: tuple[int, int], layout: Layout, origin: Any, n: int
) -> tuple[np.ndarray, Window]:
    """Return the corners in the stored patch of what is written, and the part that it is.

    The part counts from the corner of the predictions.
    """
    valid, whole = layout.valid, Window(0, 0, *size)
    if origin is None:
        if size == valid.size:
            return np.array([[valid.row, valid.col]]), whole
        if size == layout.patch:
            return np.array([[valid.row, valid.col]]), valid
        raise RequestError(
            f"predictions are {size[0]} x {size[1]}; {_sizes(layout)}; give origin= for a part of "
            "a patch: 'center', or the (row, col) of its first pixel in the stored patch"
        )
    corners = _corners(origin, size, layout, n)
    outside = (corners < 0) | (corners + size > layout.patch)
    if outside.any():
        row, col = corners[outside.any(axis=1)][0].tolist()
        raise RequestError(
            f"origin=({row}, {col}); predictions of {size[0]} x {size[1]} there are not inside the "
            f"stored patch of {layout.patch[0]} x {layout.patch[1]}"
        )
    return corners, whole


def _corners(
    origin: str | Literal["center"] | Sequence[Any], size: tuple[int, int], layout: Layout, n: int
) -> np.ndarray:
    valid = layout.valid
    if isinstance(origin, str):
        if origin != "center":
            raise RequestError(f"origin={origin!r}; origin must be 'center' or (row, col)")
        if any(side > stored for side, stored in zip(size, layout.patch, strict=True)):
            raise RequestError(f"predictions are {size[0]} x {size[1]}; {_sizes(layout)}")
        corner = centered_origin(size, (valid.row, valid.col), valid.size, layout.patch)
        return corner[None]
    corners = whole_numbers("origin", origin)
    if corners.shape not in ((2,), (n, 2)):
        raise RequestError(
            f"origin has shape {corners.shape}; give one (row, col) for all patches, or {n} of "
            "them, one per patch"
        )
    return corners.reshape(-1, 2)


def _sizes(layout: Layout) -> str:
    (height, width), (rows, cols) = layout.patch, layout.valid.size
    stored = f"the stored patch is {height} x {width}"
    return (
        stored
        if layout.patch == layout.valid.size
        else f"{stored}, its valid window {rows} x {cols}"
    )
