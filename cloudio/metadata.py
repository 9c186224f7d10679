"""metadata.csv as columns of numpy arrays: row k describes patch k."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from .errors import LayoutError

# What a column must be made of to be more than text. Digits after leading zeros are a name, and so
# are more of them than a float64 tells apart; nanoseconds would leave no room for the year 9999.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[-+]?\d+)?|[-+]?inf|nan", re.ASCII | re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?Z?", re.ASCII)


def read_columns(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file as they are written, without the blank lines.

    LayoutError, naming the line, where a row has more or fewer fields than the header.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        rows = []
        try:
            names = next(filter(None, lines), [])
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
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise LayoutError(f"{path} names a column twice: {', '.join(map(repr, twice))}")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def typed(column: list[str]) -> np.ndarray[Any, Any]:
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
        return np.array([float(field or "nan") for field in fields])
    if all(map(_DATE.fullmatch, filled)):
        try:
            units = {np.datetime64(field.rstrip("Z")).dtype for field in filled}
            dates = [field.rstrip("Z") or "NaT" for field in fields]
            return np.array(dates, np.result_type(*units))
        except ValueError:  # such as a thirteenth month
            pass
    return np.array(column, dtype=str)
