"""Checks of the numbers, bools and dtypes that a caller passes.

`is_...` returns a bool; `check_...` returns the value itself or raises RequestError.
"""

import functools
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .._core.runtime import DefaultFloats
from ..errors import RequestError
from .tensors import as_host_array, check_not_masked, numpy_name
from .text import counted, listed, shown, suggest

P = ParamSpec("P")
R = TypeVar("R")
INT64 = np.dtype(np.int64)
MOST_INT64 = np.iinfo(INT64).max
_SEQUENCES = list, tuple
_BOOLS = bool, np.bool_
# Subclasses of numbers in Python or numpy that are not accepted as numbers.
_NO_NUMBERS = bool, np.bool_, np.timedelta64


def in_default_floats(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function compute as at the start of a program, whatever its caller has set since.

    Numbers are rounded to nearest, subnormals are kept, and numpy only warns.  Python reads and
    writes decimal fractions wrongly in another rounding mode.
    """

    @functools.wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        with DefaultFloats(), np.errstate(all="warn", under="ignore"):
            return function(*args, **kwargs)

    return computed


def is_whole(number: Any) -> bool:
    """Return whether that is an int of Python or numpy; a bool or a timedelta64 is none."""
    return isinstance(number, numbers.Integral) and not isinstance(number, _NO_NUMBERS)


def is_int64(number: Any) -> bool:
    """Return whether that is a whole number of 64 bits, with its sign."""
    return is_whole(number) and -(2**63) <= number <= MOST_INT64


def is_number(number: Any) -> bool:
    """Return whether that is a real number of any size, NaN and infinity included; no bool."""
    return isinstance(number, numbers.Real) and not isinstance(number, _NO_NUMBERS)


def is_real(number: Any) -> bool:
    """Return whether that is a number in the range of a float, NaN and infinity included."""
    if is_whole(number):
        return bool(abs(int(number)) < 2**1023)
    return is_number(number)


def is_finite(number: Any) -> bool:
    """Return whether that is a finite number in the range of a float."""
    return is_real(number) and math.isfinite(number)


def check_bool(what: str, given: Any) -> bool:
    """Return the bool; RequestError for anything else, 0 and 1 included."""
    if not isinstance(given, _BOOLS):
        raise RequestError(f"{what}={given!r}; {what} must be True or False")
    return bool(given)


def check_whole(
    what: str,
    given: Any,
    least: int | None = None,
    most: int | None = None,
    *,
    needed: str = "",
) -> int:
    """Return the whole number; RequestError for anything but ``least`` to ``most``.

    ``needed`` replaces the limits in the message.
    """
    if is_whole(given) and (least is None or given >= least) and (most is None or given <= most):
        return int(given)
    limits = ""
    if least is not None:
        limits = f", {least} or more" if most is None else f" from {least} to {most}"
    raise RequestError(f"{what}={given!r}; {what} must be {needed or f'a whole number{limits}'}")


def dtype_name(what: str, given: Any, names: Sequence[str], note: str = "") -> str:
    """Return the name of the dtype ``given``, one of ``names``, in this machine's byte order.

    ``note`` ends the message of the RequestError.
    """
    name = numpy_name(given)
    if isinstance(name, str) and name in names:  # numpy may lack bfloat16
        return name
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = None
    # The name does not show the byte order.
    if dtype is None or dtype.name not in names or not dtype.isnative:
        hint = suggest(given, names) if dtype is None else ""
        raise RequestError(f"{what}={given!r}; {what} must be one of {listed(names)}{note}{hint}")
    return str(dtype.name)


def per_band(what: str, given: Any, n_bands: int) -> list[float]:
    """Return a finite number for each band; ``given`` is one number, or one per band."""
    given = as_host_array(what, given)
    try:
        kind = np.asarray(given).dtype.kind
        numbers = np.asarray(given, dtype=np.float64) if kind in "iuf" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise RequestError(f"{what}={given!r}; {what} must be a number, or one number per band")
    if numbers.ndim == 0:
        numbers = np.full(n_bands, numbers)
    if numbers.shape != (n_bands,):
        raise RequestError(
            f"{what} has shape {numbers.shape}, but there {'is' if n_bands == 1 else 'are'} "
            f"{counted(n_bands, 'band')}; give one number, or one per band"
        )
    if not np.isfinite(numbers).all():
        raise RequestError(f"{what}={given!r}; {what} must be finite")
    return [float(x) for x in numbers]


def overflows_float32(numbers: Sequence[float]) -> bool:
    """Return whether one of these is too large for float32."""
    with np.errstate(over="ignore", under="ignore"):
        return not np.isfinite(np.array(numbers).astype(np.float32)).all()


def whole_numbers(what: str, given: Any) -> np.ndarray:
    """Return a new contiguous int64 array; a number too large for int64 becomes its largest."""
    listed = isinstance(given, _SEQUENCES)
    if not listed and type(given) is not np.ndarray:
        given = as_host_array(what, given)
    try:
        # An array that numpy makes of a list is contiguous.
        numbers = np.array(given) if listed else np.array(given, order="C")
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"{what} must be an array of whole numbers: {error}") from None
    if numbers.dtype is not INT64:
        numbers = _as_int64(what, numbers, given)
    if listed:
        for number in given:
            if type(number) is not int:
                _check_parts(what, given)
                break
    return numbers


# What whole numbers are, of an argument that is none, and what others may mean by it.
_EXAMPLES = {
    "index": "whole numbers, such as [0, 3, 5]",
    "origin": "whole numbers, (row, col)",
    "symmetry": "whole numbers from 0 to 7",
}
_MEANT = {
    ("symmetry", "d4"): "; 'd4' is an option of Loader",
    ("symmetry", "flip"): "; 'flip' is an option of Loader",
}


def _as_int64(what: str, numbers: np.ndarray, given: Any) -> np.ndarray:
    if numbers.dtype.kind not in "iuMmbfc" and numbers.size:  # text, or any object
        needed = _EXAMPLES.get(what, "whole numbers")
        hint = _MEANT.get((what, given), "") if isinstance(given, str) else ""
        if isinstance(given, (set, frozenset)):
            hint = "; a set has no order, so pass sorted(...)"
        elif isinstance(given, slice):
            hint = "; reader[0:4] reads a slice"
        elif numbers.dtype.kind == "O" and all(map(is_whole, numbers.ravel())):
            hint = "; it is too large"
        raise RequestError(f"{what}={shown(given)}; {what} must be {needed}{hint}")
    if numbers.dtype.kind not in "iu" and numbers.size:
        hint = ": for a mask, pass np.flatnonzero(mask)" if numbers.dtype.kind == "b" else ""
        raise RequestError(f"{what} has dtype {numbers.dtype}; it must hold whole numbers{hint}")
    # No patch or row has a number that large, so the bounds checks refuse the largest too.
    if numbers.dtype.kind == "u" and numbers.itemsize == INT64.itemsize:
        numbers = np.minimum(numbers, np.uint64(MOST_INT64))
    return numbers.astype(INT64)


def _check_parts(what: str, given: Sequence[Any]) -> None:
    """Raise RequestError for bools, which numpy reads as 1 and 0, and for parts with a mask."""
    for part in given:
        check_not_masked(what, part)
        if isinstance(part, _SEQUENCES):
            _check_parts(what, part)
        elif isinstance(part, _BOOLS):
            raise RequestError(f"{what} holds True or False; it must hold whole numbers")
