"""The arrays that reads write to: new ones, or the caller's, checked."""

import importlib.util
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._core import buffers
from ..._utils.tensors import is_masked, is_tensor
from ...errors import RequestError

_BITS = np.dtype(np.uint16)
_UINT8 = np.dtype(np.uint8)
# Rows of an aligned batch leave the CPU in whole cache lines.
_CACHE_LINE = 64


# ---- types and shapes ----------------------------------------------------------------------------


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return numpy's type of that name; uint16 for bfloat16 where ml_dtypes is missing."""
    if name != "bfloat16":
        return np.dtype(name)
    if importlib.util.find_spec("ml_dtypes") is None:
        return _BITS
    import ml_dtypes

    bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return bfloat16


def image_shape(layout: str, n_bands: int, size: tuple[int, int]) -> tuple[int, ...]:
    return (*size, n_bands) if layout == "NHWC" else (n_bands, *size)


def kernel_buffer(image: np.ndarray, dtype: str) -> np.ndarray:
    """Return the image as the kernels take it: buffers have no letter for bfloat16."""
    return image.view(_BITS) if dtype == "bfloat16" else image


# ---- new arrays ----------------------------------------------------------------------------------


def allocate_image(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return an uninitialized, aligned image; RequestError if numpy lacks the type."""
    stored = numpy_dtype(dtype)
    if dtype == "bfloat16" and stored == _BITS:
        raise RequestError(
            "numpy arrays of bfloat16 need the package ml_dtypes: pip install 'cloudio[bfloat16]'; "
            "without it, pass out= with an image of uint16, which gets the bits, or use "
            "cloudio.torch"
        )
    return allocate_aligned(shape, stored)


def allocate_aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return an uninitialized array that begins at a cache line."""
    memory = np.empty(math.prod(shape) * dtype.itemsize + _CACHE_LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -buffers.address(memory) % _CACHE_LINE)


# ---- the caller's arrays -------------------------------------------------------------------------


def check_image(image: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """As `check_out`, for an image; one of bfloat16 may be uint16, its bits."""
    if dtype.isbuiltin != 1 and isinstance(image, np.ndarray) and image.dtype == _BITS:
        dtype = _BITS  # bfloat16 is the only type that numpy does not have
    check_out("image", image, shape, dtype)


def check_out(what: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise RequestError unless that is a writable, contiguous array of this shape and type."""
    if not isinstance(array, np.ndarray):
        hint = "; tensor.numpy() is one over the same memory" if is_tensor(array) else ""
        raise RequestError(f"out: {what} is {type(array).__name__}; it must be a numpy array{hint}")
    if type(array) is not np.ndarray and is_masked(array):
        raise RequestError(f"out: {what} is a masked array; it must be its .data, or another array")
    if array.shape != shape or (array.dtype is not dtype and array.dtype != dtype):
        raise RequestError(
            f"out: {what} is {array.shape} {array.dtype}; it must be {shape} {dtype}"
        )
    flags = array.flags
    if not flags.c_contiguous:
        raise RequestError(f"out: {what} has strides {array.strides}; it must be contiguous")
    if not flags.writeable:
        raise RequestError(f"out: {what} is read-only; it must be writable")


def check_not_mapped(outs: Iterable[Any], files: Iterable[int | str | Path | None]) -> None:
    """Raise RequestError if an output is mapped from one of the files that are read.

    ``files`` are descriptors or paths.  np.memmap knows its file; a bare mmap object does not.
    """
    if not (names := list(filter(None, map(mapped_file, outs)))):
        return
    read = [status for status in map(_status, files) if status is not None]
    for name in names:
        status = _status(name)
        if status is not None and any(os.path.samestat(status, other) for other in read):
            raise RequestError(
                f"out is mapped from {name}, which this call reads; give other memory"
            )


def mapped_file(array: Any) -> str | None:
    """Return the file that an array is mapped from, if np.memmap mapped it."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.filename is not None:
            return os.fspath(array.filename)
        array = array.base
    return None


def _status(file: int | str | Path | None) -> os.stat_result | None:
    """Return the status of a file; None if it is gone, because then no name leads to it."""
    try:
        return None if file is None else os.stat(file)
    except FileNotFoundError:
        return None


# ---- batches -------------------------------------------------------------------------------------

Arrays = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


class BatchArrays:
    """The arrays of a batch, image, label and mask: allocated, or the caller's, checked.

    ``image`` and ``label`` are the shape of one sample and the type, ``valid`` is the shape of one
    mask; None if batches have no such array.  Outputs must not be mapped from ``files``.
    """

    def __init__(
        self,
        image: tuple[tuple[int, ...], str],
        label: tuple[tuple[int, ...], np.dtype[Any]] | None,
        valid: tuple[int, int] | None,
        files: Sequence[Path],
    ) -> None:
        self._image_shape, self._dtype_name = image
        self._dtype = numpy_dtype(self._dtype_name)
        self._native = self._dtype_name != "bfloat16"
        self._label, self._valid, self._files = label, valid, files

    def allocate(self, n: int) -> Arrays:
        """Return new arrays for ``n`` samples."""
        if self._native:
            image = allocate_aligned((n, *self._image_shape), self._dtype)
        else:
            image = allocate_image((n, *self._image_shape), self._dtype_name)
        label = valid = None
        if self._label is not None:
            shape, dtype = self._label
            label = allocate_aligned((n, *shape), dtype)
        if self._valid is not None:
            valid = allocate_aligned((n, *self._valid), _UINT8)
        return image, label, valid

    def check(self, out: Any, n: int) -> Arrays:
        """Return the arrays of ``out``; RequestError if they do not fit ``n`` samples."""
        if not isinstance(out, tuple):
            out = (out, None)
        if self._valid is not None and len(out) != 4:
            raise RequestError(f"out is a tuple of {len(out)}; it must be a MaskedBatch")
        if self._valid is None and len(out) not in (2, 3):
            raise RequestError(
                f"out is a tuple of {len(out)}; it must be a Batch or (image, label)"
            )
        image, label, valid = out[0], out[1], None if self._valid is None else out[3]
        if self._native:
            check_out("image", image, (n, *self._image_shape), self._dtype)
        else:
            check_image(image, (n, *self._image_shape), self._dtype)
        if self._label is not None:
            shape, dtype = self._label
            check_out("label", label, (n, *shape), dtype)
        elif label is not None:
            raise RequestError("out has a label, but this reader reads no labels")
        if self._valid is not None:
            check_out("valid", valid, (n, *self._valid), _UINT8)
        check_not_mapped((image, label, valid), self._files)
        return image, label, valid
