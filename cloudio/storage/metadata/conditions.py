"""Conditions on columns of metadata: which fields equal a value, for columns of any type."""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..._utils.numbers import in_default_floats, is_number
from ..._utils.text import listed, shown, suggest
from ...errors import RequestError
from .columns import typed_column
from .dates import looks_like_date, parse_period
from .values import is_empty, list_values

_CONTENTS = {"i": "whole numbers", "f": "numbers", "M": "dates", "U": "text", "O": "text"}
_SHOWN = 200  # characters of a condition in a message


def check_conditions(where: Mapping[str, Any], index: Any, names: Sequence[str]) -> None:
    """Raise RequestError for a condition that may be meant as an index, or the reverse."""
    if isinstance(index, (str, Mapping)) or callable(index):
        column = "cloud_coverage" if "cloud_coverage" in names else next(iter(names), "column")
        if isinstance(index, str) and index in names:
            column = index
        raise RequestError(
            f"subset({shown(index)}); pass patch numbers such as [0, 3], a mask, or a condition on "
            f"a column of the metadata such as {column}=value"
        )
    if "index" in where:  # positions, or the column of that name?
        raise RequestError(
            "subset(index=...) is ambiguous; pass positions as the first argument, or select "
            'by the column: subset(ds.metadata["index"] == 7)'
        )


def find_columns(names: Sequence[str], asked: Any, where: Any) -> list[str]:
    """Return the columns of these names, or of one name; RequestError if one does not exist."""
    if isinstance(asked, str):
        asked = [asked]
    if not isinstance(asked, Iterable):
        raise RequestError(f"names={asked!r}; names must be columns, such as ['roi_id']")
    return [_find_column(names, name, where) for name in asked]


def _find_column(names: Sequence[str], name: Any, where: Any) -> str:
    """Return that column's name; RequestError, which names all columns, if there is none."""
    if not names:
        raise RequestError(
            f"there is no column {name!r}; not every split of {where} has a metadata.csv"
        )
    if not isinstance(name, str) or name not in names:
        raise RequestError(
            f"there is no column {name!r}; the metadata of {where} has {listed(names)}"
            f"{suggest(name, names)}"
        )
    return name


@in_default_floats
def column_text(column: np.ndarray) -> list[str]:
    """Return each field as text, the same for equal fields of columns of different types.

    3 and 3.0 are "3"; spaces at the ends of text do not count; empty fields are "".
    """
    if column.dtype.kind == "M":
        return _date_text(column)
    if column.dtype.kind == "f":
        return [_number_text(number) for number in column.astype(np.float64).tolist()]
    return [str(field).strip() for field in column.tolist()]


def _date_text(column: np.ndarray) -> list[str]:
    dates = column.astype("M8[us]").astype(str).tolist()
    if column.dtype == "M8[ns]":
        rest = (column.astype(np.int64) % 1000).tolist()
        dates = [f"{d}{k:03}" if k else d for d, k in zip(dates, rest, strict=True)]
    return ["" if date.startswith("NaT") else date for date in dates]


def _number_text(number: float) -> str:
    if number != number:
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


def equals_any(name: str, column: np.ndarray, wanted: Any) -> np.ndarray:
    """Return which fields of a column equal a value, or one of a collection of values.

    None, and "", NaN or NaT, are empty fields.  Dates may be text; one without a day or a time
    equals all dates in it.  RequestError if the column cannot equal such a value, or if a value
    looks like a date and so does the text of the column.
    """
    values = list_values(wanted)
    kind = column.dtype.kind
    for value in values:
        if not is_empty(value) and not _FITS[kind](value):
            _refuse(name, column, wanted, value)
    filled = {value for value in values if not is_empty(value)}
    found = _dates(column, filled) if kind == "M" else _in(column, filled)
    if kind in "UO":
        for value in filled:
            _refuse_date_in_text(name, column, value)
    if any(map(is_empty, values)):
        found |= np.array([not text for text in column_text(column)], bool)
    return found


# ---- what a column can equal ---------------------------------------------------------------------


def _is_date(value: Any) -> bool:
    if isinstance(value, str):
        return parse_period(value) is not None
    return isinstance(value, (datetime.date, np.datetime64))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_FITS: dict[str, Callable[[Any], bool]] = {
    "i": is_number,
    "f": is_number,
    "M": _is_date,
    "U": _is_text,
    "O": _is_text,
}


def _refuse(name: str, column: np.ndarray, wanted: Any, value: Any) -> NoReturn:
    """Raise RequestError: what the column holds, and what may be meant."""
    kind = column.dtype.kind
    holds = f"{name} holds {_CONTENTS[kind]}"
    hint = ""
    if kind in "if" and isinstance(value, str):
        number = typed_column([value])
        if number.dtype.kind in "if":
            hint = f"; give the number {number[0]}"
    elif kind == "M":
        hint = "; give a date such as '2020-06-25', a month '2020-06' or a year '2020'"
    elif kind in "UO" and not isinstance(value, (str, bytes)):
        if isinstance(value, (datetime.date, np.datetime64)):
            hint = _odd_date(column)
        elif str(value) in column.tolist():
            hint = f"; give the text {str(value)!r}"
        elif is_number(value):
            hint = _odd_number(column)
    given = repr(wanted)
    if len(given) > _SHOWN or "\n" in given:  # a long list, or a table
        given = f"{type(wanted).__name__} with {value!r}"
    raise RequestError(f"{name}={given}; {holds}, and cannot equal it{hint}")


def _refuse_date_in_text(name: str, column: np.ndarray, value: str) -> None:
    """Raise RequestError if a date is meant, and fields of text mean dates of another form.

    Text that equals the value is found; text that begins with it, or looks like a date of another
    form, would be missed without a word.
    """
    value = value.strip()
    if parse_period(value) is None and not looks_like_date(value):
        return
    fields = [field.strip() for field in column.tolist()]
    longer = [field for field in fields if field.startswith(value) and field != value]
    if not any(map(looks_like_date, longer)) and (
        value in fields or not any(map(looks_like_date, fields))
    ):
        return
    raise RequestError(
        f"{name}={value!r}; {name} holds text, not dates, so that only the same text equals "
        f"it{_odd_date(column)}; write all of them as 2019-06-01 or 2019-06-01T10:20:30Z, or "
        "select by a mask"
    )


def _odd_date(column: np.ndarray) -> str:
    """Return which field keeps a column of text from being dates."""
    for k, field in enumerate(column.tolist()):
        if field.strip() and typed_column([field]).dtype.kind != "M":
            return f": {field!r} of patch {k} is no ISO date"
    return ""


def _odd_number(column: np.ndarray) -> str:
    """Return which field keeps a column of text from being numbers, if others look like some."""
    fields = column.tolist()
    for k, field in enumerate(fields):
        if field.strip() and typed_column([field]).dtype.kind not in "if":
            return f": {field!r} of patch {k} is not a number" if field[:1].isdigit() else ""
    return ""


# ---- comparisons ---------------------------------------------------------------------------------


def _in(column: np.ndarray, values: set[Any]) -> np.ndarray:
    """Return which fields are one of ``values``; spaces at the ends of text do not count.

    Python's equality is exact between whole numbers and others.
    """
    fields = column.tolist()
    if column.dtype.kind in "UO":
        fields, values = [f.strip() for f in fields], {value.strip() for value in values}
    return np.fromiter((field in values for field in fields), bool, len(column))


def _dates(column: np.ndarray, values: set[Any]) -> np.ndarray:
    """Return which dates lie in one of ``values``, each of which is a day, an hour or the like."""
    found = np.zeros(len(column), bool)
    for value in values:
        date = parse_period(value) if isinstance(value, str) else np.datetime64(value)
        assert date is not None
        if date.dtype == "M8[ns]" != column.dtype and date == date.astype("M8[us]"):
            date = date.astype("M8[us]")  # nanoseconds have no room for the year 9999
        coarser = np.can_cast(date.dtype, column.dtype, "safe")
        found |= (column.astype(date.dtype) if coarser else column) == date
    return found
