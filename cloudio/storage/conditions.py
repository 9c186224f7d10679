"""Conditions on columns of metadata: which fields equal a value, whatever type a column has."""

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .._utils.numbers import is_number
from .._utils.text import suggest
from ..errors import RequestError
from .metadata import DATE

# What may stand for dates in a condition: also a year, or a month of one.
_PERIOD = re.compile(rf"\d{{4}}(-\d\d)?|{DATE.pattern}", re.ASCII)
_CONTENTS = {"i": "whole numbers", "f": "numbers", "M": "dates", "U": "text"}


def find_column(metadata: Mapping[str, np.ndarray], name: Any, where: Any) -> np.ndarray:
    """Return the column of that name; RequestError, which names all columns, if there is none."""
    if not metadata:
        raise RequestError(
            f"there is no column {name!r}; not every split of {where} has a metadata.csv"
        )
    if not isinstance(name, str) or name not in metadata:
        raise RequestError(
            f"there is no column {name!r}; the metadata of {where} has {', '.join(metadata)}"
            f"{suggest(name, metadata)}"
        )
    return metadata[name]


def column_text(column: np.ndarray) -> list[str]:
    """Return each field as text, the same for equal fields of columns of different types.

    3 and 3.0 are "3"; spaces at the ends of text do not count; empty fields are "".
    """
    if column.dtype.kind == "M":
        dates = column.astype("M8[us]").astype(str).tolist()
        return ["" if date == "NaT" else date for date in dates]
    if column.dtype.kind == "f":
        return [_number_text(number) for number in column.astype(np.float64).tolist()]
    return [str(field).strip() for field in column.tolist()]


def _number_text(number: float) -> str:
    if number != number:
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


def equals_any(name: str, column: np.ndarray, wanted: Any) -> np.ndarray:
    """Return which fields of a column equal a value, or one of a collection of values.

    None, and "", NaN or NaT, are empty fields.  Dates may be text; one without a day or a time
    equals all dates in it.  RequestError if the column cannot equal such a value.
    """
    if isinstance(wanted, np.ndarray):
        wanted = wanted[()] if wanted.ndim == 0 else list(wanted)
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping))
    values = list(wanted) if several else [wanted]
    kind = column.dtype.kind
    if not all(_is_empty(value) or _FITS[kind](value) for value in values):
        contents = f"{_CONTENTS[kind]} ({column.dtype})"
        raise RequestError(f"{name}={wanted!r}; {name} holds {contents}, and cannot equal it")
    filled = {value for value in values if not _is_empty(value)}
    found = _dates(column, filled) if kind == "M" else _in(column, filled)
    if any(map(_is_empty, values)):
        found |= np.array([not text for text in column_text(column)], bool)
    return found


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, _TIMES_AND_NUMBERS) and value != value)


_TIMES_AND_NUMBERS = float, np.floating, np.datetime64


def _is_date(value: Any) -> bool:
    if isinstance(value, str):
        return _period(value) is not None
    if isinstance(value, datetime.datetime):
        return value.tzinfo is None
    return isinstance(value, (datetime.date, np.datetime64))


_FITS: dict[str, Callable[[Any], bool]] = {
    "i": is_number,
    "f": is_number,
    "M": _is_date,
    "U": lambda value: isinstance(value, str),
}


def _in(column: np.ndarray, values: set[Any]) -> np.ndarray:
    """Return which fields are one of ``values``; spaces at the ends of text do not count.

    Python's equality is exact between whole numbers and others.
    """
    fields = column.tolist()
    if column.dtype.kind == "U":
        fields, values = [f.strip() for f in fields], {value.strip() for value in values}
    return np.fromiter((field in values for field in fields), bool, len(column))


def _dates(column: np.ndarray, values: set[Any]) -> np.ndarray:
    """Return which dates lie in one of ``values``, each of which is a day, an hour or the like."""
    found = np.zeros(len(column), bool)
    for value in values:
        date = _period(value) if isinstance(value, str) else np.datetime64(value)
        assert date is not None
        coarser = np.can_cast(date.dtype, column.dtype, "safe")
        found |= (column.astype(date.dtype) if coarser else column) == date
    return found


def _period(text: str) -> np.datetime64 | None:
    """Return the date that a text is, in the unit of the text; None if it is none."""
    if not _PERIOD.fullmatch(text.strip()):
        return None
    try:
        return np.datetime64(text.strip().rstrip("Z"))
    except ValueError:
        return None
