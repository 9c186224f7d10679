"""Values of conditions: those of pandas, torch and other libraries as Python's and numpy's."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# Types are told by their names and methods, so that neither library is imported.
_EMPTY_IN_PANDAS = frozenset(("NaTType", "NAType"))
_FLOATS = float, np.floating, np.datetime64


def list_values(wanted: Any) -> list[Any]:
    """Return the values of a condition as a list, each of Python or numpy where there is one.

    A list, set, array, tensor, pandas Series or the like has several; everything else is one value.
    """
    if isinstance(wanted, np.ndarray):
        wanted = wanted[()] if wanted.ndim == 0 else list(wanted)
    elif hasattr(wanted, "tolist") and not isinstance(wanted, np.generic):
        wanted = wanted.tolist()  # of a Series, an Index or a tensor
    # A table is none: its elements are the names of its columns.
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping))
    if several and getattr(wanted, "ndim", 1) == 1:
        return [_plain(value) for value in wanted]
    return [_plain(wanted)]


def is_empty(value: Any) -> bool:
    """Return whether a value stands for an empty field: None, "", NaN or NaT."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, _FLOATS) and bool(value != value))


def _plain(value: Any) -> Any:
    """Return one value as one of Python or numpy; dates with a zone in UTC."""
    if type(value).__name__ in _EMPTY_IN_PANDAS:
        return None
    if hasattr(value, "to_datetime64"):  # a Timestamp
        value = value.to_datetime64()
    elif hasattr(value, "freqstr"):  # a Period, such as the month 2019-06
        value = str(value)
    elif hasattr(value, "tolist") and not isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()  # a tensor of one number
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value
