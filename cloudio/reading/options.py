"""What a call may ask for: types, sizes, threads, origins, symmetries and outputs, checked.

Shared by readers (reader.py) and by the functions on any arrays (gather.py).  What is returned is
what the kernels take; RequestError says what was given and what is needed.
"""

import math
from typing import Any

import numpy as np

from .._utils.numbers import dtype_name, is_real, is_whole, overflows_float32
from ..errors import RequestError

FLOAT_DTYPES = ("float32", "float16", "bfloat16")
STORED_DTYPES = ("int16", "uint16", "uint8")
LAYOUTS = ("NCHW", "NHWC")
_LARGEST = {"float32": 3.4028234663852886e38, "float16": 65504.0, "bfloat16": 3.3895313892515355e38}


# ---- types and layouts ---------------------------------------------------------------------------


def image_dtype(asked: Any) -> str:
    """The name of a type that images can have."""
    # Only ml_dtypes teaches numpy the name bfloat16.
    if isinstance(asked, str) and asked == "bfloat16":
        return asked
    return dtype_name("dtype", asked, (*FLOAT_DTYPES, *STORED_DTYPES), "a float, or as stored, ")


def class_dtype(asked: Any) -> np.dtype[Any]:
    return np.dtype(dtype_name("label_dtype", asked, ("uint8", "int64")))


def check_layout(layout: Any) -> str:
    if layout not in LAYOUTS:
        raise RequestError(f"layout={layout!r}; {' or '.join(map(repr, LAYOUTS))} can be had")
    return str(layout)


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


def clip_limits(clip: Any) -> tuple[float | None, float | None]:
    """(least, most), either of which may be None."""
    if clip is None:
        return None, None
    pair = tuple(clip) if isinstance(clip, (tuple, list, np.ndarray)) else ()
    if len(pair) != 2 or not all(x is None or (is_real(x) and not math.isnan(x)) for x in pair):
        raise RequestError(f"clip={clip!r}; (least, most) is needed, numbers or None")
    lo, hi = (None if limit is None else float(limit) for limit in pair)
    for limit in (lo, hi):
        if limit is not None and math.isfinite(limit) and overflows_float32([limit]):
            raise RequestError(f"clip={clip!r} overflows float32")
    if lo is not None and hi is not None and lo > hi:
        raise RequestError(f"clip={clip!r} is reversed; (least, most) is needed")
    return lo, hi


def fill_value(fill: Any, dtype: str) -> float | None:
    """The number itself, where ``dtype`` holds it."""
    if fill is None:
        return None
    if not is_real(fill):
        raise RequestError(f"fill={fill!r}; a number is needed")
    if math.isfinite(fill) and abs(fill) > _LARGEST[dtype]:
        raise RequestError(f"fill={fill!r} overflows {dtype}")
    return float(fill)
