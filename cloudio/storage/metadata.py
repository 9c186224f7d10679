"""metadata.csv as columns of numpy arrays, and conditions on them: row k describes patch k."""

import csv
import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.numbers import is_number
from ..errors import LayoutError, RequestError

# What a column must be made of to be more than text. Digits after leading zeros are a name, and so
# are more of them than a float64 tells apart; nanoseconds would leave no room for the year 9999.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[-+]?\d+)?|[-+]?inf|nan", re.ASCII | re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?Z?", re.ASCII)
# What may stand for dates in a condition: also a year, or a month of one.
_PERIOD = re.compile(rf"\d{{4}}(-\d\d)?|{_DATE.pattern}", re.ASCII)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_HOLDS = {"i": "whole numbers", "f": "numbers", "M": "dates", "U": "text"}


# ---- reading -------------------------------------------------------------------------------------


def read_columns(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file as they are written, without the blank lines.

    Spaces after a comma, around a name, and a last column that is nothing but a comma at the end of
    each line are no part of it.  LayoutError, naming the line, where a row has more or fewer fields
    than the header; and where columns are separated by anything but commas.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True, skipinitialspace=True)
        rows = []
        try:
            names = [name.strip() for name in next(filter(None, lines), [])]
            _refuse_other_separators(path, names)
            for row in filter(None, lines):
                if len(row) != len(names):
                    raise LayoutError(
                        f"{path}, line {lines.line_num}: {len(row)} fields; "
                        f"the header has {len(names)}"
                    )
                rows.append(row)
        except csv.Error as error:
            raise LayoutError(f"{path}, line {lines.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise LayoutError(f"{path} is not UTF-8: {error}") from None
    if len(names) > 1 and not names[-1] and not any(row[-1] for row in rows):
        del names[-1]
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise LayoutError(f"{path} names a column twice: {', '.join(map(repr, twice))}")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _refuse_other_separators(path: Path, names: list[str]) -> None:
    """LayoutError where the header is one name that looks like several."""
    for mark, separator in _SEPARATORS.items():
        if len(names) == 1 and mark in names[0]:
            raise LayoutError(f"{path} is separated by {separator} ({mark!r}); commas are needed")


def typed_column(column: list[str]) -> np.ndarray[Any, Any]:
    """A column as int64, float64, datetime64 or text, whichever all its fields allow.

    Empty fields are NaN, NaT or "".  A column of nothing but empty fields is text.
    """
    fields = [field.strip() for field in column]
    filled = [field for field in fields if field]
    if not filled:
        return np.array(fields, dtype=str)
    if len(filled) == len(fields) and all(map(_WHOLE.fullmatch, filled)):
        return np.array([int(field) for field in fields], np.int64)
    if all(map(_NUMBER.fullmatch, filled)):
        numbers = np.array([float(field or "nan") for field in fields])
        # Digits that come out as infinity are names, such as 12e400.
        if not any(
            np.isinf(x) and "inf" not in f.lower() for x, f in zip(numbers, fields, strict=True)
        ):
            return numbers
    if all(map(_DATE.fullmatch, filled)):
        try:
            units = {np.datetime64(field.rstrip("Z")).dtype for field in filled}
            dates = [field.rstrip("Z") or "NaT" for field in fields]
            return np.array(dates, np.result_type(*units))
        except ValueError:  # such as a thirteenth month
            pass
    return np.array(column, dtype=str)


# ---- asking --------------------------------------------------------------------------------------


def find_column(metadata: Mapping[str, np.ndarray], name: Any, where: Any) -> np.ndarray:
    """The column of that name; RequestError, naming those that there are, where there is none."""
    if not metadata:
        raise RequestError(f"no column {name!r}; {where} has no metadata.csv in every split")
    if not isinstance(name, str) or name not in metadata:
        raise RequestError(f"no column {name!r}; the metadata of {where} has {', '.join(metadata)}")
    return metadata[name]


def column_text(column: np.ndarray) -> list[str]:
    """Each field as text, the same for equal fields of columns of different types.

    3 and 3.0 are "3"; spaces at the ends of text do not count; empty fields are "".
    """
    if column.dtype.kind == "M":
        dates = column.astype("M8[us]").astype(str).tolist()
        return ["" if date == "NaT" else date for date in dates]
    if column.dtype.kind == "f":
        return [_word(number) for number in column.astype(np.float64).tolist()]
    return [str(field).strip() for field in column.tolist()]


def _word(number: float) -> str:
    if number != number:
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


def equals_any(name: str, column: np.ndarray, wanted: Any) -> np.ndarray:
    """Which fields of a column equal a value, or one of a collection of values.

    None, and "", NaN or NaT, are empty fields.  Dates may be text; one without a day or a time
    equals all dates in it.  RequestError where the column cannot equal such a value.
    """
    if isinstance(wanted, np.ndarray):
        wanted = wanted[()] if wanted.ndim == 0 else list(wanted)
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping))
    values = list(wanted) if several else [wanted]
    kind = column.dtype.kind
    if not all(_is_empty(value) or _FITS[kind](value) for value in values):
        raise RequestError(
            f"{name}={wanted!r}; {name} holds {_HOLDS[kind]} ({column.dtype}), and cannot equal it"
        )
    filled = {value for value in values if not _is_empty(value)}
    found = _dates(column, filled) if kind == "M" else _in(column, filled)
    if any(map(_is_empty, values)):
        found |= np.array([not word for word in column_text(column)], bool)
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
    """By Python's equality, which is exact between whole numbers and others.

    Spaces at the ends of text do not count.
    """
    fields = column.tolist()
    if column.dtype.kind == "U":
        fields, values = [f.strip() for f in fields], {value.strip() for value in values}
    return np.fromiter((field in values for field in fields), bool, len(column))


def _dates(column: np.ndarray, values: set[Any]) -> np.ndarray:
    """Which dates lie in one of these, each a day, an hour, ... as far as it says."""
    found = np.zeros(len(column), bool)
    for value in values:
        date = _period(value) if isinstance(value, str) else np.datetime64(value)
        assert date is not None
        coarser = np.can_cast(date.dtype, column.dtype, "safe")
        found |= (column.astype(date.dtype) if coarser else column) == date
    return found


def _period(text: str) -> np.datetime64 | None:
    """The date that a text is, with the unit that it is written in."""
    if not _PERIOD.fullmatch(text.strip()):
        return None
    try:
        return np.datetime64(text.strip().rstrip("Z"))
    except ValueError:
        return None
