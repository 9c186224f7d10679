"""What the numbers of an array can be, as its layout and its pixels say.

Some checks are skipped because of it, and the report says so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layouts.band import Band
from ..layouts.layout import Layout

# Numbers without a unit, and reflectance, are not below zero.
_UNITS_FROM_ZERO = (None, "", "reflectance")
# In other units, such as m, mm and percent, patches of one number are natural: sea, no rain.
_UNITS_THAT_VARY = (*_UNITS_FROM_ZERO, "dB", "K", "degC", "°C")
# Land cover and masks have fewer different numbers than this.
_MIN_DISTINCT = 65
# Of reflectance fewer pixels are below zero; of dB, degrees or indexes more can be.
_SIGNED_SHARE = 0.25
# Numbers this close to the largest and to the smallest one: unsigned numbers, read as signed.
_NEAR_WRAP = 64

_UNKNOWN = "not in the layout"
_UNIT = "a unit in which patches of one number are natural"
_NO_WAVELENGTH = "no wavelength, which other bands have"
_FEW_NUMBERS = "few different numbers, as codes of classes have"
_SIGNED_NUMBERS = "a quarter of the pixels or more is below zero"
#: Why patches of one number each, such as the angle of the sun, are not reported.
NUMBER_PER_PATCH = "every patch has one number of its own"
#: Why no codes of a label are checked.
NO_LABEL_MAP = "no label map"


@dataclass(frozen=True)
class SkippedCheck:
    """A check that was skipped for an array, because what it would report can be meant.

    Attributes
    ----------
    check : str
        The name of the check.
    split : str
        The split.
    file : str
        The file, as in `Finding`.
    reason : str
        Why.
    """

    check: str
    split: str
    file: str
    reason: str


def why_not_measured(layout: Layout, band: Band | None) -> str | None:
    """Return why patches of one number can be natural in an array; None if they are not.

    Reflectance varies from pixel to pixel, and so do most floats.  Land cover and elevation may
    not.  Units and wavelengths tell reflectance from the rest; in a layout without any, all bands
    count.
    """
    if band is None:
        return _UNKNOWN
    if band.wavelength is not None:
        return None
    if band.unit not in _UNITS_THAT_VARY:
        return _UNIT
    if band.dtype == "float32":
        return None
    return _NO_WAVELENGTH if band.kind == "label" or layout.has_wavelengths else None


def why_codes(band: Band, dtype: np.dtype[Any], histogram: np.ndarray) -> str | None:
    """Return why an array may hold codes of classes; None if it holds measurements."""
    if band.wavelength is not None or dtype.kind == "f":
        return None
    return _FEW_NUMBERS if np.count_nonzero(histogram) < _MIN_DISTINCT else None


def can_be_below_zero(band: Band) -> bool:
    """Return whether the layout gives a unit in which numbers below zero are usual, such as dB."""
    return band.unit not in _UNITS_FROM_ZERO


def why_below_zero(
    band: Band, dtype: np.dtype[Any], histogram: np.ndarray, records: np.ndarray
) -> str | None:
    """Return why numbers below zero seem to be meant in a band; None if they do not."""
    if band.wavelength is not None or _is_wrapped(dtype, histogram):
        return None
    n_data = int(records["data"].sum())
    return _SIGNED_NUMBERS if records["negative"].sum() >= _SIGNED_SHARE * n_data else None


def _is_wrapped(dtype: np.dtype[Any], histogram: np.ndarray) -> bool:
    """Return whether numbers lie close to both ends of a signed type, its ends aside."""
    if dtype.kind != "i":
        return False
    middle = len(histogram) // 2  # the smallest number, by its bits
    top = histogram[middle - 1 - _NEAR_WRAP : middle - 1]
    bottom = histogram[middle + 1 : middle + 1 + _NEAR_WRAP]
    return bool(top.any() and bottom.any())
