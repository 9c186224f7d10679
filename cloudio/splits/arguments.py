"""The arguments of `make_splits`, checked and brought into one form."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from .._utils.numbers import check_whole, is_number
from ..errors import RequestError
from ..reading.dataset import Dataset
from ..storage.metadata.conditions import column_text


def parse_shares(shares: Any) -> dict[str, Fraction]:
    """Return shares as exact fractions of their decimal digits, by sorted name; they sum to 1."""
    if not isinstance(shares, Mapping) or not shares:
        raise RequestError(
            f"shares={shares!r}; shares must map each split to its share, such as "
            "{'train': 0.8, 'val': 0.2}"
        )
    for name, share in shares.items():
        if not isinstance(name, str) or not name:
            raise RequestError(f"{name!r} cannot name a split; give a string that is not empty")
        if not is_number(share) or not 0 < share < 1e18:
            raise RequestError(f"shares[{name!r}]={share!r}; a share must be a number above 0")
    exact = {name: Fraction(repr(float(shares[name]))) for name in sorted(shares)}
    total = sum(exact.values(), Fraction(0))
    if abs(total - 1) > Fraction(1, 10**6):
        raise RequestError(
            f"the shares sum to {float(total):.10g}; they must sum to 1, such as "
            "{'train': 0.8, 'val': 0.2}"
        )
    return {name: share / total for name, share in exact.items()}


def parse_seed(seed: Any) -> int:
    return check_whole("seed", seed, 0, 2**64 - 1, needed="a whole number from 0 to 2**64 - 1")


def text_columns(ds: Dataset, names: Any, hint: str) -> dict[str, list[str]]:
    """Return the fields of these columns of metadata, as text.

    ``hint`` ends the message about a column that does not exist, unless another is suggested.
    """
    if isinstance(names, str):
        names = (names,)
    if names is not None and not isinstance(names, (list, tuple, set, frozenset)):
        raise RequestError(
            f"columns {names!r}; they must be the name of a column, a list of names, or None"
        )
    try:
        columns = ds.metadata_columns(list(names or ()))
    except RequestError as error:
        text = str(error)
        raise RequestError(text if text.endswith("?") else f"{text}; {hint}") from None
    return {name: column_text(column) for name, column in columns.items()}


def stratum_values(ds: Dataset, stratify: Any) -> list[str]:
    """Return the value of each patch as text; "" for every patch without ``stratify``."""
    if stratify is None:
        return [""] * len(ds)
    if isinstance(stratify, str):
        return column_text(ds.metadata_columns([stratify])[stratify])
    try:
        values = np.asarray(stratify)
    except ValueError as error:  # rows of different lengths
        raise RequestError(f"stratify cannot be made an array: {error}") from None
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat):
        values = values.astype(str)  # pandas keeps strings as objects
    if values.shape != (len(ds),) or values.dtype.kind not in "biufUM":
        raise RequestError(
            f"stratify has shape {values.shape} and dtype {values.dtype}; it must be the name of "
            f"a column, or an array with a number, date or string for each of {len(ds)} patches"
        )
    return column_text(values)
