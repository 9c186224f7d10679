"""The one set of checks of numbers that a caller gives; and of the names of types.

`is_...` answers, and `check_...` gives the number itself or raises RequestError.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RequestError

INT64 = np.dtype(np.int64)
MOST_INT64 = np.iinfo(INT64).max
_SEQUENCES = list, tuple
_BOOLS = bool, np.bool_
# What is a number to Python or numpy, but not to people.
_NO_NUMBERS = bool, np.bool_, np.timedelta64


def is_whole(number: Any) -> bool:
    """Whether that is a whole number: of Python or numpy, but neither a bool nor a span of time."""
    return isinstance(number, numbers.Integral) and not isinstance(number, _NO_NUMBERS)


def is_number(number: Any) -> bool:
    """Whether that is a real number of any size, NaN and infinity among them; no bool."""
    return isinstance(number, numbers.Real) and not isinstance(number, _NO_NUMBERS)


def is_real(number: Any) -> bool:
    """Whether that is a number that a float can be, NaN and infinity among them."""
    if is_whole(number):
        return bool(abs(int(number)) < 2**1023)
    return is_number(number)


def is_finite(number: Any) -> bool:
    """Whether that is a number that a float can be, and neither NaN nor infinite."""
    return is_real(number) and math.isfinite(number)


def check_bool(what: str, given: Any) -> bool:
    """Return the bool itself; RequestError for anything else, 0 and 1 included."""
    if not isinstance(given, _BOOLS):
        raise RequestError(f"{what}={given!r}; True or False is needed")
    return bool(given)


def check_whole(
    what: str,
    given: Any,
    least: int | None = None,
    most: int | None = None,
    *,
    needed: str = "",
) -> int:
    """Return the whole number itself; RequestError for anything but ``least`` to ``most``.

    ``needed`` says in the message what is needed, in place of the limits.
    """
    if is_whole(given) and (least is None or given >= least) and (most is None or given <= most):
        return int(given)
    limits = "" if least is None else f" from {least} on" if most is None else f" {least}..{most}"
    raise RequestError(f"{what}={given!r}; {needed or f'a whole number{limits}'} is needed")


def dtype_name(what: str, asked: Any, names: Sequence[str], but: str = "") -> str:
    """Return the name of the type ``asked``, one of ``names``, in this machine's byte order."""
    try:
        given = np.dtype(asked)
    except TypeError:
        given = None
    # Equal types have equal names; a name alone does not tell the byte order.
    if given is None or given.name not in names or not given.isnative:
        raise RequestError(f"{what}={asked!r}; {but}{', '.join(names)} can be had")
    return str(given.name)


def per_band(what: str, given: Any, n_bands: int) -> list[float]:
    """Return a finite number for each band, given one for all or one for each."""
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


def overflows_float32(numbers: Sequence[float]) -> bool:
    """Whether one of these is past the finite numbers of float32."""
    with np.errstate(over="ignore"):
        return not np.isfinite(np.array(numbers).astype(np.float32)).all()


def whole_numbers(what: str, given: Any) -> np.ndarray:
    """Return a new contiguous int64 array; what is past int64 becomes its largest number."""
    listed = isinstance(given, _SEQUENCES)
    try:
        # What is made of a list is contiguous anyway.
        numbers = np.array(given) if listed else np.array(given, order="C")
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"{what} is no array of whole numbers: {error}") from None
    if numbers.dtype is not INT64:
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
    if numbers.dtype.kind == "u" and numbers.itemsize == INT64.itemsize:
        numbers = np.minimum(numbers, np.uint64(MOST_INT64))
    return numbers.astype(INT64)


def _refuse_bools(what: str, given: Sequence[Any]) -> None:
    """RequestError where True or False is among numbers, which numpy would take for 1 or 0."""
    for part in given:
        if isinstance(part, _SEQUENCES):
            _refuse_bools(what, part)
        elif isinstance(part, _BOOLS):
            raise RequestError(f"{what} holds True or False; whole numbers are needed")
