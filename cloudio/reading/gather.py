"""The kernels on any arrays: what readers do, for authors of other loaders.

No data set, no layout: arrays, scales and tables are the caller's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._core import kernels
from .._core.plans import BasePlan, Gather, Remap
from .._utils.machine import resolve_threads
from .._utils.numbers import overflows_float32, per_band
from ..errors import RequestError
from ..layouts.labels import LabelMap
from .indexing import centered_origin, parse_index, parse_origin, parse_symmetry
from .options import FLOAT_DTYPES, check_layout, class_dtype, image_dtype, window_size
from .outputs import (
    allocate_aligned,
    allocate_image,
    check_image,
    check_not_mapped,
    check_out,
    image_shape,
    kernel_buffer,
    mapped_file,
    numpy_dtype,
)


def gather(
    arrays: Any,
    index: Any,
    *,
    size: int | tuple[int, int] | None = None,
    origin: Any = None,
    scale: float | Sequence[float] | None = None,
    offset: float | Sequence[float] | None = None,
    symmetry: Any = None,
    dtype: Any = "float32",
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Return the patches ``index`` of several arrays as one image, (sample, band, row, column).

    ``arrays``: a sequence of arrays (patch, row, column), or one (patch, band, row, column), of
    uint8, int8, int16, uint16 or float32 in this machine's byte order; pixels of a row must be
    contiguous, as in any memmap and most views of one.  ``size``: (height, width), an int for a
    square, None for whole patches.  ``origin``: the (row, column) of the first pixel, one for all
    or (n, 2); None is the centre.  ``symmetry``: 0..7, as in `Reader.read`.

    A pixel is ``float32(x) * scale + offset``, rounded to float32 after each step, then to
    ``dtype``: float32, float16 or bfloat16.  ``scale`` and ``offset``: a number or one per array;
    None changes nothing.  Under a dtype that all arrays have, int16, uint16 or uint8, the numbers
    come as they are stored.  ``layout``: ``"NCHW"`` or ``"NHWC"``.  ``out``: an array of the right
    shape and type, which is returned; under bfloat16 it may be uint16, and gets the bits.

    IndexError or RequestError, and nothing written, where anything is wrong.  Threads may call at
    once, with an ``out`` each.  Each call proves its arrays anew, some 2 us each: who reads the
    same ones over and over is better served by a reader.
    """
    bands = _bands(arrays)
    patch = bands[0].shape[1], bands[0].shape[2]
    window = patch if size is None else window_size(size, patch)
    numbers = parse_index(index, len(bands[0]))
    name = image_dtype(dtype)
    shape = (len(numbers), *image_shape(check_layout(layout), len(bands), window))
    if name in FLOAT_DTYPES:
        factors = per_band("scale", 1.0 if scale is None else scale, len(bands))
        summands = per_band("offset", 0.0 if offset is None else offset, len(bands))
        if overflows_float32(factors + summands):
            raise RequestError(f"scale={scale!r}, offset={offset!r} overflow float32")
        how: dict[str, Any] = {"scale": factors, "offset": summands, "to": name}
    else:
        for what, given in (("scale", scale), ("offset", offset)):
            if given is not None:
                raise RequestError(f"{what}={given!r} with dtype={name!r}, numbers as stored")
        if other := [band.dtype for band in bands if band.dtype != numpy_dtype(name)]:
            raise RequestError(f"an array is {other[0]}, not {name}; a float dtype reads any")
        how = {"scale": None, "offset": None}
    try:
        plan = Gather(
            [[band] for band in bands], [[None]] * len(bands), **how, interleaved=layout == "NHWC"
        )
    except ValueError as error:
        raise RequestError(str(error)) from None
    if out is None:
        out = allocate_image(shape, name)
    check_image(out, shape, numpy_dtype(name))
    check_not_mapped([out], map(mapped_file, bands))
    _run(plan, kernel_buffer(out, name), numbers, origin, symmetry, window, patch, threads)
    return out


def remap(
    array: np.ndarray,
    index: Any,
    table: Any,
    *,
    size: int | tuple[int, int] | None = None,
    origin: Any = None,
    symmetry: Any = None,
    dtype: Any = "uint8",
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Return the classes ``table[code]`` of the patches ``index``, (sample, row, column).

    ``array``: codes (patch, row, column) of one or two bytes; a code is its bits read as unsigned,
    so -1 of int8 is 255.  ``table``: the class of every code, 256 or 65,536 whole numbers that
    ``dtype``, uint8 or int64, holds; `LabelMap.table` makes one.  The rest is as in `gather`.
    """
    (codes,) = _bands([array])
    stored, name = codes.dtype, class_dtype(dtype)
    if stored.kind not in "iu" or stored.itemsize > 2:
        raise RequestError(f"array is {stored}; codes of one or two bytes are needed")
    classes = _table(table, 256**stored.itemsize, name)
    patch = codes.shape[1], codes.shape[2]
    window = patch if size is None else window_size(size, patch)
    numbers = parse_index(index, len(codes))
    try:
        plan = Remap([[codes]], [[None]], [classes], [(0, 0, *patch)], 0)
    except ValueError as error:
        raise RequestError(str(error)) from None
    shape = (len(numbers), *window)
    if out is None:
        out = allocate_aligned(shape, name)
    check_out("label", out, shape, name)
    check_not_mapped([out], [mapped_file(codes)])
    _run(plan, out, numbers, origin, symmetry, window, patch, threads)
    return out


def _bands(arrays: Any) -> list[np.ndarray]:
    """Arrays (patch, row, column), of several or of one that is stacked."""
    if isinstance(arrays, np.ndarray):
        if arrays.ndim != 4:
            raise RequestError(
                f"arrays has shape {arrays.shape}; one array is (patch, band, row, column), "
                "or give a sequence of arrays (patch, row, column)"
            )
        arrays = [arrays[:, k] for k in range(arrays.shape[1])]
    if not isinstance(arrays, Sequence) or not len(arrays):
        raise RequestError(f"arrays={arrays!r}; a sequence of arrays is needed")
    for k, band in enumerate(arrays):
        if not isinstance(band, np.ndarray) or band.ndim != 3 or 0 in band.shape[1:]:
            what = f"of shape {band.shape}" if isinstance(band, np.ndarray) else type(band).__name__
            raise RequestError(f"arrays[{k}] is {what}; an array (patch, row, column) is needed")
        if not band.dtype.isnative:
            raise RequestError(
                f"arrays[{k}] is {band.dtype.str}, of another byte order than this machine's; "
                f"convert it: array.astype({band.dtype.newbyteorder('=').str!r})"
            )
    return list(arrays)


def _table(table: Any, n_codes: int, dtype: np.dtype[Any]) -> np.ndarray:
    if isinstance(table, (LabelMap, Mapping)):
        raise RequestError(
            f"table is a {type(table).__name__}, which need not name every code; "
            "LabelMap(...).table(array.dtype, dtype, ignore, name) makes a total table of one"
        )
    try:
        given = np.asarray(table)
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"table is no array of classes: {error}") from None
    if given.shape != (n_codes,) or given.dtype.kind not in "iu":
        raise RequestError(
            f"table has shape {given.shape} and type {given.dtype}; {n_codes} whole numbers are "
            "needed, a class for every code"
        )
    limits = np.iinfo(dtype)
    if given.min() < limits.min or given.max() > limits.max:
        raise RequestError(
            f"table has classes {given.min()}..{given.max()}; {dtype} holds "
            f"{limits.min}..{limits.max}"
        )
    return np.ascontiguousarray(given, dtype)


def _run(
    plan: BasePlan,
    out: np.ndarray,
    numbers: np.ndarray,
    origin: Any,
    symmetry: Any,
    window: tuple[int, int],
    patch: tuple[int, int],
    threads: int | None,
) -> None:
    n = len(numbers)
    where = (
        centered_origin(window, (0, 0), patch, patch) if origin is None else parse_origin(origin, n)
    )
    how = None if symmetry is None else parse_symmetry(symmetry, n)
    try:
        kernels.run((plan,), (out,), numbers, where, how, resolve_threads(threads))
    except ValueError as error:
        raise RequestError(str(error)) from None
