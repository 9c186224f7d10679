"""metadata.csv as columns of numpy arrays: row k describes patch k."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LayoutError

METADATA_CSV = "metadata.csv"
# The fields of columns that are more than text.  Digits with leading zeros are a name, and so are
# more digits than a float64 distinguishes; nanoseconds would leave no room for the year 9999.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[-+]?\d+)?|[-+]?inf|nan", re.ASCII | re.IGNORECASE
)
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?Z?", re.ASCII)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_columns(path: Path) -> dict[str, list[str]]:
    """Return the columns of a CSV file as they are written, without blank lines.

    Left out are spaces after a comma and around a name, and a last column that is nothing but a
    comma at the end of each line.  LayoutError, which names the line, if a row has more or fewer
    fields than the header, or where anything but commas separates columns.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True, skipinitialspace=True)
        rows = []
        try:
            names = [name.strip() for name in next(filter(None, lines), [])]
            _refuse_other_separators(path, names)
            for row in filter(None, lines):
                if len(row) != len(names):
                    reason = f"{len(row)} fields, but the header has {len(names)}"
                    raise LayoutError.about(path, reason, line=lines.line_num)
                rows.append(row)
        except csv.Error as error:
            raise LayoutError.about(path, str(error), line=lines.line_num) from None
        except UnicodeDecodeError as error:
            raise LayoutError.about(path, f"is not UTF-8: {error}") from None
    if len(names) > 1 and not names[-1] and not any(row[-1] for row in rows):
        del names[-1]
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise LayoutError.about(path, f"has a column twice: {', '.join(map(repr, twice))}")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _refuse_other_separators(path: Path, names: list[str]) -> None:
    """Raise LayoutError if the header is one name that looks like several."""
    for mark, separator in _SEPARATORS.items():
        if len(names) == 1 and mark in names[0]:
            reason = f"is separated by {separator} ({mark!r}); it must be separated by commas"
            raise LayoutError.about(path, reason)


def typed_column(column: list[str]) -> np.ndarray[Any, Any]:
    """Return a column as int64, float64, datetime64 or text, the first that all fields allow.

    Empty fields are NaN, NaT or "".  A column with only empty fields is text.
    """
    fields = [field.strip() for field in column]
    filled = [field for field in fields if field]
    if not filled:
        return np.array(fields, dtype=str)
    if len(filled) == len(fields) and all(map(_WHOLE.fullmatch, filled)):
        return np.array([int(field) for field in fields], np.int64)
    if all(map(_NUMBER.fullmatch, filled)):
        numbers = np.array([float(field or "nan") for field in fields])
        # Digits that become infinity are names, such as 12e400.
        if not any(
            np.isinf(x) and "inf" not in f.lower() for x, f in zip(numbers, fields, strict=True)
        ):
            return numbers
    if all(map(DATE.fullmatch, filled)):
        try:
            units = {np.datetime64(field.rstrip("Z")).dtype for field in filled}
            dates = [field.rstrip("Z") or "NaT" for field in fields]
            return np.array(dates, np.result_type(*units))
        except ValueError:  # such as a thirteenth month
            pass
    return np.array(column, dtype=str)
