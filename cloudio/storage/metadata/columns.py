"""Columns of metadata.csv as numpy arrays: numbers, dates or text."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._utils.numbers import in_default_floats
from .dates import parse_dates

# Digits with leading zeros are a name, and so are more digits than a float64 distinguishes.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[-+]?\d+)?|[-+]?inf",
    re.ASCII | re.IGNORECASE,
)
# What R, SQL, pandas and spreadsheets write for a missing number or date, in lower case.
_MISSING = frozenset(
    ("na", "n/a", "<na>", "#n/a", "nan", "-nan", "nat", "null", "none", "nil", r"\n")
)
_NAN = frozenset(("nan", "-nan"))
# A text array gives every row the room of the longest, four bytes a character.
_MOST_CHARACTERS = 1000
# Beyond these bytes it may give no more than so many times the room that the fields need.
_MOST_BYTES, _MOST_ROOM = 256 << 20, 16


def typed_column(column: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return a column as int64, float64, datetime64 or text, the first that all fields allow.

    Empty fields are NaN, NaT or "", and so are words for a missing value, such as NA, among numbers
    and dates.  Among text they are text, and so is a column of nothing else.
    """
    fields = [field.strip() for field in column]
    if all(map(_WHOLE.fullmatch, fields)) and fields:
        return np.array(list(map(int, fields)), np.int64)
    first = next((field for field in fields if field and field.lower() not in _MISSING), None)
    # Most columns of text are told by their first field.
    if first is None or _NUMBER.fullmatch(first) or parse_dates([first]) is not None:
        gaps = ["" if field.lower() in _MISSING else field for field in fields]
        if first is None:
            words = {field.lower() for field in fields if field}
            if words and words <= _NAN:
                return np.full(len(fields), np.nan)
        elif (numbers := _numbers(gaps)) is not None:
            return numbers
        elif (dates := parse_dates(gaps)) is not None:
            return dates
    return _text(column)


@in_default_floats
def _numbers(fields: Sequence[str]) -> np.ndarray[Any, Any] | None:
    if not all(map(_NUMBER.fullmatch, filter(None, fields))):
        return None
    numbers = np.array([float(field or "nan") for field in fields])
    # Digits that become infinity are names, such as 12e400.
    infinite = np.flatnonzero(np.isinf(numbers)).tolist()
    return numbers if all("inf" in fields[k].lower() for k in infinite) else None


def _text(column: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return text; as objects if a field is long, such as an outline, and most others are not."""
    longest = max(map(len, column), default=0)
    n_bytes = 4 * longest * len(column)
    is_sparse = n_bytes > _MOST_BYTES and n_bytes > _MOST_ROOM * 4 * sum(map(len, column))
    is_long = longest > _MOST_CHARACTERS or is_sparse
    return np.array(column, dtype=object if is_long else str)
