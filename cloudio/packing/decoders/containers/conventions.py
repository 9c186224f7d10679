"""Attributes as CF, NetCDF and xarray mean them: no data, scale, unit, unsigned, classes."""

import base64
import binascii
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...._utils.numbers import is_finite
from ...._utils.text import shown
from ...._utils.warn import warn_once
from ....errors import LayoutError
from ...sample import ArrayInfo
from ..raster import held_nodata
from .container import StoredArray


def stored_type(array: StoredArray) -> np.dtype[Any]:
    """Return the type of the numbers: ``_Unsigned`` says that signed ones are meant otherwise."""
    assert array.dtype is not None
    dtype = array.dtype.newbyteorder("=")
    unsigned = str(array.attributes.get("_Unsigned", "false")).lower() == "true"
    return np.dtype(f"u{dtype.itemsize}") if unsigned and dtype.kind == "i" else dtype


def read_infos(
    path: Path, array: StoredArray, kind: Literal["band", "label"], n_channels: int
) -> list[ArrayInfo]:
    """Return what is known of each channel; LayoutError for attributes that say no numbers.

    An attribute has one number, or one for each channel.
    """
    factors = _per_channel(path, array, "scale_factor", n_channels)
    summands = _per_channel(path, array, "add_offset", n_channels)
    missing = _missing(path, array, n_channels)
    unit = array.attributes.get("units")
    unit = _text(unit) if isinstance(unit, (str, bytes)) else None
    infos = []
    for factor, summand, nodata in zip(factors, summands, missing, strict=True):
        if not (factor is None or (is_finite(factor) and factor)):
            raise _wrong(path, array, "scale_factor", factor, "a number other than 0")
        if not (summand is None or is_finite(summand)):
            raise _wrong(path, array, "add_offset", summand, "a number")
        if (factor in (None, 1), summand in (None, 0)) == (True, True):
            factor = summand = None
        infos.append(ArrayInfo(kind, nodata, factor, summand, "" if unit == "1" else unit))
    return infos


def class_names(path: Path, array: StoredArray) -> dict[int, str]:
    """Return names of codes: those of the type, or of flag_values and flag_meanings."""
    values, meanings = (array.attributes.get(key) for key in ("flag_values", "flag_meanings"))
    if values is None or not isinstance(meanings, (str, bytes)):
        return dict(array.codes)
    words = _text(meanings).split()
    codes = _numbers(path, array, "flag_values", values)
    if len(words) != len(codes) or not all(float(code).is_integer() for code in codes):
        return dict(array.codes)
    return {int(code): word for code, word in zip(codes, words, strict=True)}


def _missing(path: Path, array: StoredArray, n_channels: int) -> Sequence[float | None]:
    """Return the number that means no data in each channel, as its type holds it."""
    fill = _per_channel(path, array, "_FillValue", n_channels)
    other = _per_channel(path, array, "missing_value", n_channels)
    dtype = stored_type(array)
    fill, other = ([_as_held(number, dtype) for number in some] for some in (fill, other))
    if None not in fill and None not in other and repr(fill) != repr(other):
        text = (
            f"{path}, {array.name} has _FillValue {fill[0]} and missing_value {other[0]}; only "
            f"{fill[0]} is taken for no data"
        )
        warn_once((text,), text)
    return [b if a is None else a for a, b in zip(fill, other, strict=True)]


def _as_held(number: float | None, dtype: np.dtype[Any]) -> float | None:
    if number is not None and dtype.kind == "u" and number < 0:  # written as a signed one
        number += 2 ** (8 * dtype.itemsize)
    return held_nodata(number, dtype)


def _per_channel(
    path: Path, array: StoredArray, key: str, n_channels: int
) -> Sequence[float | None]:
    value = array.attributes.get(key)
    if value is None:
        return [None] * n_channels
    numbers = _numbers(path, array, key, value)
    if len(set(map(repr, numbers))) == 1:
        return [numbers[0]] * n_channels
    if len(numbers) != n_channels:
        what = "one number" if n_channels == 1 else f"one number, or {n_channels} for its channels"
        raise _wrong(path, array, key, value, what)
    return numbers


def _numbers(path: Path, array: StoredArray, key: str, value: Any) -> list[float]:
    """Return the numbers of an attribute: one, several, or one as text."""
    if isinstance(value, (str, bytes)):
        return [_number(path, array, key, _text(value))]
    found = np.ravel(np.asarray(value))
    if found.dtype.kind not in "biuf" or not found.size:
        raise _wrong(path, array, key, value, "a number")
    return [x.item() for x in found]


def _number(path: Path, array: StoredArray, key: str, text: str) -> float:
    """Return a number that JSON has as text, such as "NaN", or xarray as bytes in base64."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        number: float = struct.unpack("<d", base64.b64decode(text, validate=True))[0]
        return number
    except (struct.error, binascii.Error):
        raise _wrong(path, array, key, text, "a number") from None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _wrong(path: Path, array: StoredArray, key: str, value: Any, must: str) -> LayoutError:
    return LayoutError.about(path, f"{array.name} has {key} {shown(value)}; it must be {must}")
