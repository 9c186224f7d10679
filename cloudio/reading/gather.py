"""The kernels on any arrays, for authors of other loaders: `gather` for bands, `remap` for labels.

Neither needs a data set or a layout: arrays, scales and tables are the caller's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, SupportsIndex

import numpy as np

from .._core import kernels
from .._core.plans import BasePlan, Gather, Remap
from .._core.runtime import DefaultFloats
from .._utils.machine import resolve_threads
from .._utils.numbers import overflows_float32, per_band
from .._utils.tensors import as_host_array
from .._utils.text import listed, shown
from .._utils.types import (
    AxisOrder,
    ElementType,
    Index,
    Numbers,
    Origin,
    Phase,
    Repeat,
    Size,
    SupportsArray,
)
from ..errors import RequestError
from ..layouts.band import DTYPES
from ..layouts.labels import LabelMap
from .arguments.indexing import centered_origin, parse_index, parse_origin, parse_symmetry
from .arguments.options import (
    FLOAT_DTYPES,
    check_ignore,
    check_layout,
    parse_image_dtype,
    parse_label_dtype,
    parse_size,
)
from .arguments.outputs import (
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
from .arguments.repeats import repeat_array, repeat_arrays

# Types of labels.
_CODES = tuple(name for name in DTYPES if np.dtype(name).kind in "iu")
# A dtype is compared much faster than its name.
_TYPES = frozenset(map(np.dtype, DTYPES))
_ARRAYS = (np.ndarray, np.memmap)
_NUMBERS = (float, int, type(None))
_Factors = tuple[tuple[float, ...], tuple[float, ...]]


def gather(
    arrays: Sequence[SupportsArray] | SupportsArray,
    index: Index,
    *,
    size: Size = None,
    origin: Origin | None = None,
    scale: Numbers | None = None,
    offset: Numbers | None = None,
    symmetry: Index | None = None,
    dtype: ElementType = "float32",
    layout: AxisOrder = "NCHW",
    out: np.ndarray | None = None,
    threads: int | None = None,
    repeat: Repeat | None = None,
    phase: Phase | None = None,
) -> np.ndarray:
    """Return patches of several arrays as one image: crop, scale, flip, cast and interleave.

    Parameters
    ----------
    arrays : sequence of ndarray (patch, row, column), or one (patch, band, row, column)
        uint8, int8, int16, uint16 or float32 in this machine's byte order, with any strides: a
        channel of an array (patch, row, column, channel), ``array[..., k]``, is read in place.
        Tensors of PyTorch on the CPU and DataArrays of xarray are taken as the arrays that they
        hold.
    index : int, sequence of int or ndarray
        Patch numbers in any order, as in `Reader.read`.
    size : int or (height, width), optional
        The crop in pixels; an int is a square.  By default whole patches.
    origin : (row, col), or array (sample, 2), optional
        The first pixel of each window.  By default the window is centered.
    scale, offset : float or sequence of float, optional
        One number, or one per array: ``x * scale + offset``.  By default numbers are not changed.
        (``offset`` of a `Band` is added before the scale, its ``add_offset`` after it.)
    symmetry : int, or array (sample,), optional
        0 to 7, as in `Reader.read`.
    dtype : str or dtype
        "float32", "float16" or "bfloat16"; or "int16", "uint16" or "uint8" for numbers as stored,
        which all arrays must then have.
    layout : {"NCHW", "NHWC"}
        The order of the axes.
    out : ndarray, optional
        A contiguous array to fill, of the shape and type of the result.  For bfloat16 it may be
        uint16 and gets the bits.
    threads : int, optional
        As ``threads`` of `Reader`.
    repeat : int, or sequence with one entry per array, optional
        For arrays that are coarser than the patch: how many rows and columns of the patch a stored
        pixel fills.  An entry is a number or (rows, columns).  With ``repeat=[1, 2, 6]`` bands of
        10, 20 and 60 m make one image, and ``size`` and ``origin`` are in pixels of 10 m.
    phase : int, or sequence with one entry per array, optional
        How many rows and columns of the first stored pixel lie outside the patch; 0 by default.
        An entry is a number, (row, column), or an array (patch, 2) with a phase for each patch.

    Returns
    -------
    ndarray, (sample, band, row, column)
        ``out``, or a new array; (sample, row, column, band) with "NHWC".

    Raises
    ------
    RequestError, IndexError
        If an argument is wrong.  Arguments are validated before ``out`` is written.

    Notes
    -----
    A pixel is ``float32(x) * scale + offset``, rounded to float32 after each step, then to
    ``dtype``.  Threads may call at once, each with its own ``out``.  Each call checks every array
    again, which costs about 1 us per array, and keeps none of them.

    Pixel (y, x) of the patch is stored pixel ``(y + phase[0]) // repeat[0], (x + phase[1]) //
    repeat[1]``.  The patch is that of the arrays with repeat 1; the others must cover it, and have
    no more pixels than cover it in any phase, ``(side + 2 * (repeat - 1)) // repeat``.  If every
    array has a repeat, the patch is what all of them cover.
    """
    bands = _bands(arrays)
    sources: list[Any] = bands
    patch = bands[0].shape[1], bands[0].shape[2]
    if repeat is not None or phase is not None:
        sources, patch = repeat_arrays(bands, repeat, phase)
    window = patch if size is None else parse_size(size, patch)
    index = parse_index(index, len(bands[0]))
    dtype = parse_image_dtype(dtype)
    shape = (len(index), *image_shape(check_layout(layout), len(bands), window))
    factors = _factors(bands, dtype, scale, offset)
    try:
        inputs = [[source] for source in sources], [[None]] * len(sources)
        with DefaultFloats():  # numbers are rounded to float32
            plan = Gather(*inputs, **factors, interleaved=layout == "NHWC")
    except ValueError as error:
        raise RequestError(str(error)) from None
    if out is None:
        out = allocate_image(shape, dtype)
    check_image(out, shape, numpy_dtype(dtype))
    check_not_mapped([out], map(mapped_file, bands))
    _run(plan, kernel_buffer(out, dtype), index, origin, symmetry, window, threads)
    return out


def remap(
    array: SupportsArray,
    index: Index,
    table: Sequence[SupportsIndex] | SupportsArray | LabelMap | Mapping[int, int | None],
    *,
    size: Size = None,
    origin: Origin | None = None,
    symmetry: Index | None = None,
    dtype: ElementType = "uint8",
    ignore: int = 255,
    out: np.ndarray | None = None,
    threads: int | None = None,
    repeat: Repeat | None = None,
    phase: Phase | None = None,
) -> np.ndarray:
    """Return the classes ``table[code]`` of patches of a label array.

    Parameters
    ----------
    array : ndarray of codes, (patch, row, column)
        Whole numbers of one or two bytes.  A code is its bits read as unsigned: -1 of int8 is 255.
        A tensor or a DataArray is taken as by `gather`.
    index : int, sequence of int or ndarray
        Patch numbers in any order, as in `Reader.read`.
    table : LabelMap, mapping of int to int or None, or ndarray (256,) or (65536,)
        A `LabelMap`, or a mapping of codes to classes that makes one; or an array with the class of
        every code, whole numbers that ``dtype`` holds.
    size : int or (height, width), optional
        The crop in pixels; an int is a square.  By default whole patches.
    origin : (row, col), or array (sample, 2), optional
        The first pixel of each window.  By default the window is centered.
    symmetry : int, or array (sample,), optional
        0 to 7, as in `Reader.read`.
    dtype : {"uint8", "int64"}
        The element type of the classes.
    ignore : int
        The class of codes that a map does not list, and of those that it maps to None.  An array as
        ``table`` has a class for every code and does not use it.
    out : ndarray, optional
        A contiguous array to fill, of the shape and type of the result.
    threads : int, optional
        As ``threads`` of `Reader`.
    repeat : int or (rows, columns), optional
        For codes that are coarser than the patch, as by `gather`.
    phase : int, (row, column), or array (patch, 2), optional
        As by `gather`.

    Returns
    -------
    ndarray, (sample, row, column)
        ``out``, or a new array.

    Raises
    ------
    RequestError, IndexError
        If an argument is wrong.  Arguments are validated before ``out`` is written.
    """
    codes = _check_array("array", array, _CODES)
    stored, dtype = codes.dtype, parse_label_dtype(dtype, "dtype")
    check_ignore(ignore, dtype, "dtype")
    classes = _table(table, stored, dtype, ignore)
    source: Any = codes
    patch = codes.shape[1], codes.shape[2]
    if repeat is not None or phase is not None:
        source, patch = repeat_array(codes, repeat, phase)
    window = patch if size is None else parse_size(size, patch)
    index = parse_index(index, len(codes))
    try:
        plan = Remap([[source]], [[None]], [classes], [(0, 0, *patch)], 0)
    except ValueError as error:
        raise RequestError(str(error)) from None
    shape = (len(index), *window)
    if out is None:
        out = allocate_aligned(shape, dtype)
    check_out("label", out, shape, dtype)
    check_not_mapped([out], [mapped_file(codes)])
    _run(plan, out, index, origin, symmetry, window, threads)
    return out


def _bands(arrays: Any) -> list[np.ndarray]:
    """Return a list of arrays (patch, row, column), from such arrays or one (patch, band, ...)."""
    arrays = as_host_array("arrays", arrays)
    if isinstance(arrays, np.ndarray):
        if arrays.ndim != 4:
            raise RequestError(
                f"arrays has shape {arrays.shape}; it must be one array (patch, band, row, "
                "column), or a sequence of arrays (patch, row, column)"
            )
        arrays = [arrays[:, k] for k in range(arrays.shape[1])]
    if not isinstance(arrays, Sequence) or not len(arrays):
        raise RequestError(f"arrays={arrays!r}; arrays must be a sequence of arrays")
    return [
        array if _is_plain(array) else _check_array(f"arrays[{k}]", array)
        for k, array in enumerate(arrays)
    ]


def _is_plain(given: Any) -> bool:
    """Return whether that is an array (patch, row, column) as the kernels read it, at a glance."""
    return (
        type(given) in _ARRAYS
        and given.ndim == 3
        and given.dtype in _TYPES
        and 0 not in given.shape[1:]
    )


def _check_array(what: str, given: Any, dtypes: Sequence[str] = tuple(DTYPES)) -> np.ndarray:
    """Return the array (patch, row, column); RequestError if the kernels cannot read it."""
    array = as_host_array(what, given)
    if not isinstance(array, np.ndarray) or array.ndim != 3 or 0 in array.shape[1:]:
        kind = f"of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise RequestError(f"{what} is {kind}; it must be an array (patch, row, column)")
    if array.dtype.name not in dtypes:
        raise RequestError(f"{what} has dtype {array.dtype}; it must be one of {listed(dtypes)}")
    if not array.dtype.isnative:
        raise RequestError(
            f"{what} is {array.dtype.str}, of another byte order than this machine's; "
            f"convert it: array.astype({array.dtype.newbyteorder('=').str!r})"
        )
    return array


def _factors(bands: Sequence[np.ndarray], dtype: str, scale: Any, offset: Any) -> dict[str, Any]:
    """Return the arguments of `Gather` for these arrays, a scale and an offset."""
    if dtype in FLOAT_DTYPES:
        scales, offsets = _float_factors(scale, offset, len(bands))
        return {"scale": scales, "offset": offsets, "to": dtype}
    for option, value in (("scale", scale), ("offset", offset)):
        if value is not None:
            raise RequestError(
                f"{option}={value!r} with dtype={dtype!r}, which gives numbers as stored; leave "
                f"{option} out, or use a float dtype"
            )
    for k, band in enumerate(bands):
        if band.dtype != numpy_dtype(dtype):
            raise RequestError(
                f"arrays[{k}] has dtype {band.dtype}, not {dtype}; dtype='float32' reads any array"
            )
    return {"scale": None, "offset": None}


def _float_factors(scale: Any, offset: Any, n_bands: int) -> _Factors:
    """Return both for each array.  Numbers that were checked before are not checked again."""
    try:
        return _checked_before(_as_key(scale), _as_key(offset), n_bands)
    except (RequestError, TypeError):  # TypeError: no key
        return _checked_factors(scale, offset, n_bands)


def _as_key(given: Any) -> Any:
    """Return numbers such that equal keys mean equal numbers; a list, which has no hash, if not."""
    if type(given) in (list, tuple):
        return tuple(given) if all(type(x) is float for x in given) else list(given)
    return given if type(given) in _NUMBERS else [given]


def _checked_factors(scale: Any, offset: Any, n_bands: int) -> _Factors:
    scales = per_band("scale", 1.0 if scale is None else scale, n_bands)
    offsets = per_band("offset", 0.0 if offset is None else offset, n_bands)
    if not all(scales):
        raise RequestError(f"scale={scale!r}; scale must be numbers other than 0")
    if overflows_float32(scales + offsets):
        raise RequestError(f"scale={scale!r} or offset={offset!r} overflows float32")
    return tuple(scales), tuple(offsets)


# The kernels take -0.0 and 0.0, which are one key, for the same offset.
_checked_before = lru_cache(maxsize=64, typed=True)(_checked_factors)


def _table(table: Any, stored: np.dtype[Any], dtype: np.dtype[Any], ignore: int) -> np.ndarray:
    """Return the class of every code that an array of type ``stored`` can hold."""
    if isinstance(table, Mapping):
        table = LabelMap(table)
    if isinstance(table, LabelMap):
        return table.table(stored, dtype, ignore, "array")
    n_codes = 256**stored.itemsize
    table = as_host_array("table", table)
    try:
        classes = np.asarray(table)
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"table must be an array of classes: {error}") from None
    if classes.shape != (n_codes,) or classes.dtype.kind not in "iu":
        found = f"is {shown(table)}"
        if classes.ndim == 1 and classes.dtype.kind in "iufb":
            found = f"has {len(classes):,} entries of {classes.dtype}"
        raise RequestError(
            f"table {found}; it must be a mapping such as {{0: 0, 1: 1}}, a LabelMap, or "
            f"{n_codes:,} whole numbers, the class of every code"
        )
    limits = np.iinfo(dtype)
    if classes.min() < limits.min or classes.max() > limits.max:
        raise RequestError(
            f"table has classes {classes.min()}..{classes.max()}; {dtype} holds "
            f"{limits.min}..{limits.max}"
        )
    return np.ascontiguousarray(classes, dtype)


def _run(
    plan: BasePlan,
    out: np.ndarray,
    index: np.ndarray,
    origin: Any,
    symmetry: Any,
    size: tuple[int, int],
    threads: int | None,
) -> None:
    n, patch = len(index), (plan.patch_height, plan.patch_width)
    if origin is None:
        origin = centered_origin(size, (0, 0), patch, patch)
    else:
        origin = parse_origin(origin, n)
    symmetry = None if symmetry is None else parse_symmetry(symmetry, n)
    try:
        kernels.run((plan,), (out,), index, origin, symmetry, resolve_threads(threads))
    except ValueError as error:
        raise RequestError(str(error)) from None
