"""What a call may ask for: types, sizes, threads, origins, symmetries and outputs, checked.

Shared by readers (reader.py) and by the functions on any arrays (arrays.py).  What is returned is
what the kernels take; RequestError says what was given and what is needed.
"""

import importlib.util
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _kernels
from .errors import RequestError

FLOATS = ("float32", "float16", "bfloat16")
STORED = ("int16", "uint16", "uint8")
LAYOUTS = ("NCHW", "NHWC")
_INT64 = np.dtype(np.int64)
_MOST = np.iinfo(_INT64).max
_BITS = np.dtype(np.uint16)
_LARGEST = {"float32": 3.4028234663852886e38, "float16": 65504.0, "bfloat16": 3.3895313892515355e38}
_SEQUENCES = list, tuple
_BOOLS = bool, np.bool_
# Rows of an aligned batch leave the CPU in whole cache lines.
_LINE = 64


def is_whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def is_number(number: Any) -> bool:
    """Whether that is a finite number that a float can be."""
    return _is_real(number) and math.isfinite(number)


def choice(what: str, given: Any) -> bool:
    if not isinstance(given, (bool, np.bool_)):
        raise RequestError(f"{what}={given!r}; True or False is needed")
    return bool(given)


# ---- types and layouts ---------------------------------------------------------------------------


def image_dtype(asked: Any) -> str:
    """The name of a type that images can have."""
    # Only ml_dtypes teaches numpy the name bfloat16.
    if isinstance(asked, str) and asked == "bfloat16":
        return asked
    return one_of("dtype", asked, (*FLOATS, *STORED), "a float, or as stored, ")


def class_dtype(asked: Any) -> np.dtype[Any]:
    return np.dtype(one_of("label_dtype", asked, ("uint8", "int64")))


def one_of(what: str, asked: Any, names: Sequence[str], but: str = "") -> str:
    """The name of the type that ``asked`` is, of these, in this machine's byte order."""
    try:
        given = np.dtype(asked)
    except TypeError:
        given = None
    # Equal types have equal names; a name alone does not tell the byte order.
    if given is None or given.name not in names or not given.isnative:
        raise RequestError(f"{what}={asked!r}; {but}{', '.join(names)} can be had")
    return str(given.name)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """numpy's type of that name; of bfloat16, where ml_dtypes is missing, that of its bits."""
    if name != "bfloat16":
        return np.dtype(name)
    if importlib.util.find_spec("ml_dtypes") is None:
        return _BITS
    import ml_dtypes

    bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return bfloat16


def check_layout(layout: Any) -> str:
    if layout not in LAYOUTS:
        raise RequestError(f"layout={layout!r}; {' or '.join(map(repr, LAYOUTS))} can be had")
    return str(layout)


def image_shape(layout: str, n_bands: int, size: tuple[int, int]) -> tuple[int, ...]:
    return (*size, n_bands) if layout == "NHWC" else (n_bands, *size)


# ---- numbers -------------------------------------------------------------------------------------


def window_size(size: Any, patch: tuple[int, int]) -> tuple[int, int]:
    """(height, width), where a window of that size fits a patch."""
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(is_whole(side) for side in pair):
        raise RequestError(f"size={size!r}; a whole number or (height, width) is needed")
    height, width = patch
    if not (1 <= pair[0] <= height and 1 <= pair[1] <= width):
        raise RequestError(f"size={size!r}; 1 x 1 to {height} x {width} pixels are needed")
    return int(pair[0]), int(pair[1])


def per_band(what: str, given: Any, n_bands: int) -> list[float]:
    """One finite number per band, of one for all or as many."""
    try:
        kind = np.asarray(given).dtype.kind
        numbers = np.asarray(given, dtype=np.float64) if kind in "iuf" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise RequestError(f"{what}={given!r}; a number or one per band is needed")
    if numbers.ndim == 0:
        numbers = np.full(n_bands, numbers)
    if numbers.shape != (n_bands,):
        raise RequestError(f"{what} has shape {numbers.shape}; there are {n_bands} bands")
    if not np.isfinite(numbers).all():
        raise RequestError(f"{what}={given!r}; finite numbers are needed")
    return [float(x) for x in numbers]


def clip_limits(clip: Any) -> tuple[float | None, float | None]:
    """(least, most), either of which may be None."""
    if clip is None:
        return None, None
    pair = tuple(clip) if isinstance(clip, (tuple, list, np.ndarray)) else ()
    if len(pair) != 2 or not all(x is None or (_is_real(x) and not math.isnan(x)) for x in pair):
        raise RequestError(f"clip={clip!r}; (least, most) is needed, numbers or None")
    lo, hi = (None if limit is None else float(limit) for limit in pair)
    for limit in (lo, hi):
        if limit is not None and math.isfinite(limit) and overflows([limit]):
            raise RequestError(f"clip={clip!r} overflows float32")
    if lo is not None and hi is not None and lo > hi:
        raise RequestError(f"clip={clip!r} is reversed; (least, most) is needed")
    return lo, hi


def fill_value(fill: Any, dtype: str) -> float | None:
    """The number itself, where ``dtype`` holds it."""
    if fill is None:
        return None
    if not _is_real(fill):
        raise RequestError(f"fill={fill!r}; a number is needed")
    if math.isfinite(fill) and abs(fill) > _LARGEST[dtype]:
        raise RequestError(f"fill={fill!r} overflows {dtype}")
    return float(fill)


def _is_real(given: Any) -> bool:
    """Whether that is a number that a float can be, NaN among them."""
    if isinstance(given, (int, np.integer)):
        return not isinstance(given, bool) and abs(int(given)) < 2**1023
    return isinstance(given, (float, np.floating))


def overflows(numbers: Sequence[float]) -> bool:
    """Whether one of these is no finite number of float32."""
    with np.errstate(over="ignore"):
        return not np.isfinite(np.array(numbers).astype(np.float32)).all()


# ---- threads -------------------------------------------------------------------------------------


def threads_to_use(threads: int | None) -> int:
    """How many threads a read may use: as told, or by CLOUDIO_THREADS, or one per CPU."""
    said = "threads"
    given: Any = threads
    if given is None:
        said = "CLOUDIO_THREADS"
        given = os.environ.get(said) or available_cpus()
        if isinstance(given, str) and given.isdecimal():
            given = int(given)
    if not is_whole(given) or not 1 <= given < 2**31:
        raise RequestError(f"{said}={given!r}; a whole number from 1 on is needed")
    return int(given)


def available_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ---- which, where, and which way round -----------------------------------------------------------


def centred(
    size: tuple[int, int], corner: tuple[int, int], extent: tuple[int, int], patch: tuple[int, int]
) -> np.ndarray:
    """The origin that centres ``size`` on a window, moved into the patch if it must be."""
    return np.array(
        [
            min(max(first + (whole - side) // 2, 0), stored - side)
            for first, whole, side, stored in zip(corner, extent, size, patch, strict=True)
        ],
        _INT64,
    )


def index_numbers(index: Any, n_patches: int) -> np.ndarray:
    """The numbers of patches as int64, (n,), in which negative ones still count from the end."""
    if type(index) is np.ndarray and index.dtype.char in "QL" and (index > _MOST).any():
        k = int(index.argmax())
        raise IndexError(f"index[{k}] = {index[k]}; there are {n_patches} patches")
    given = whole_numbers("index", index)
    if given.ndim == 1:
        return given
    if given.ndim > 1:
        raise RequestError(f"index has shape {given.shape}; one dimension is needed")
    return given.reshape(1)


def resolved(index: Any, n_patches: int) -> np.ndarray:
    """Numbers 0..n_patches - 1; IndexError where one is out of range."""
    numbers = index_numbers(index, n_patches)
    _kernels.resolve(numbers, n_patches)
    return numbers


def picks(index: Any, n_patches: int) -> np.ndarray:
    """Numbers as `resolved` gives them, of an index or of a mask with a boolean per patch."""
    try:
        mask = np.asarray(index)
    except ValueError:  # rows of different lengths, which whole_numbers refuses
        return resolved(index, n_patches)
    if mask.dtype != np.bool_:
        return resolved(index, n_patches)
    if mask.shape != (n_patches,):
        raise RequestError(f"the mask has shape {mask.shape}; ({n_patches},) is needed")
    return np.flatnonzero(mask)


def corners(origin: Any, n: int) -> np.ndarray:
    """The origins as int64, (2,) or (n, 2)."""
    given = whole_numbers("origin", origin)
    if given.shape != (2,) and given.shape != (n, 2):
        raise RequestError(f"origin has shape {given.shape}; (2,) or ({n}, 2) is needed")
    return given


def symmetries(symmetry: Any, n: int) -> np.ndarray:
    """The numbers of symmetries as int64, () or (n,)."""
    given = whole_numbers("symmetry", symmetry)
    if given.shape != () and given.shape != (n,):
        raise RequestError(f"symmetry has shape {given.shape}; one number or ({n},) is needed")
    return given


def whole_numbers(what: str, given: Any) -> np.ndarray:
    """A new contiguous int64 array; past what int64 holds, the largest number that it does."""
    listed = isinstance(given, _SEQUENCES)
    try:
        # What is made of a list is contiguous anyway.
        numbers = np.array(given) if listed else np.array(given, order="C")
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"{what} is no array of whole numbers: {error}") from None
    if numbers.dtype is not _INT64:
        numbers = _as_int64(what, numbers)
    if listed:
        for number in given:
            if type(number) is not int:
                _refuse_bools(what, given)
                break
    return numbers


def _as_int64(what: str, numbers: np.ndarray) -> np.ndarray:
    if numbers.dtype.kind not in "iu" and numbers.size:
        mask = " (of a mask, np.flatnonzero gives them)" if numbers.dtype.kind == "b" else ""
        raise RequestError(f"{what} is of {numbers.dtype}; whole numbers are needed{mask}")
    # No patch has a number or a row past int64; the largest that it holds is refused as well.
    if numbers.dtype.kind == "u" and numbers.itemsize == _INT64.itemsize:
        numbers = np.minimum(numbers, np.uint64(_MOST))
    return numbers.astype(_INT64)


def _refuse_bools(what: str, given: Sequence[Any]) -> None:
    """RequestError where True or False is among numbers, which numpy would take for 1 or 0."""
    for part in given:
        if isinstance(part, _SEQUENCES):
            _refuse_bools(what, part)
        elif isinstance(part, _BOOLS):
            raise RequestError(f"{what} holds True or False; whole numbers are needed")


# ---- outputs -------------------------------------------------------------------------------------


def allocate_image(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An uninitialised image, aligned; RequestError where numpy has no such type here."""
    stored = numpy_dtype(dtype)
    if dtype == "bfloat16" and stored == _BITS:
        raise RequestError(
            "arrays of bfloat16 need the package ml_dtypes: pip install 'cloudio[bfloat16]'; "
            "without it pass out= with an image of uint16, which gets the bits, or use "
            "cloudio.torch"
        )
    return aligned(shape, stored)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -_kernels.address(memory) % _LINE)


def check_image(image: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse what is no image of that shape and type; bfloat16 may come as uint16, its bits."""
    if dtype.name == "bfloat16" and isinstance(image, np.ndarray) and image.dtype == _BITS:
        dtype = _BITS
    check_out("image", image, shape, dtype)


def check_out(what: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(array, np.ndarray):
        raise RequestError(f"out: {what} is {type(array).__name__}; a numpy array is needed")
    if array.shape != shape or (array.dtype is not dtype and array.dtype != dtype):
        raise RequestError(f"out: {what} is {array.shape} {array.dtype}; {shape} {dtype} is needed")
    flags = array.flags
    if not flags.c_contiguous:
        raise RequestError(f"out: {what} has strides {array.strides}; it must be contiguous")
    if not flags.writeable:
        raise RequestError(f"out: {what} is read-only")


def refuse_files(outs: Iterable[Any], sources: Iterable[int | str | Path | None]) -> None:
    """Refuse to write into a mapping of a file that is read, of which descriptor or name is given.

    As np.memmap shows it; a bare mmap object does not tell its file.
    """
    if not (names := list(filter(None, map(file_behind, outs)))):
        return
    read = [status for status in map(_status, sources) if status is not None]
    for name in names:
        status = _status(name)
        if status is not None and any(os.path.samestat(status, other) for other in read):
            raise RequestError(f"out is mapped from {name}, which is read")


def _status(file: int | str | Path | None) -> os.stat_result | None:
    """None for a file that is gone: then nobody else finds it by that name."""
    try:
        return None if file is None else os.stat(file)
    except FileNotFoundError:
        return None


def file_behind(array: Any) -> str | None:
    """The file that an array is mapped from, if np.memmap did that."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.filename is not None:
            return os.fspath(array.filename)
        array = array.base
    return None


def for_kernels(image: np.ndarray, dtype: str) -> np.ndarray:
    """The image as a buffer the kernels know: bfloat16 has no letter among buffers."""
    return image.view(_BITS) if dtype == "bfloat16" else image
