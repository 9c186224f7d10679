"""Checks of a layout's arrays: each entry, and arrays that share a file."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from .._utils.numbers import is_finite, is_real, is_whole
from .._utils.text import listed, suggest
from .band import DTYPES, Band, EntryError, Window

_MOST_REPEAT = 1 << 15  # of the kernels, which keep the phases of both axes in one number
_NUMBERS = (
    *("scale", "offset", "scale_factor", "add_offset"),
    *("nodata", "wavelength", "channel", "channels"),
)
_PLAIN = frozenset({int, float, type(None)})
_ROUNDED = 1e-6  # a quotient of two decimals may differ so from the whole number that is meant


def can_hold(dtype: str, number: float | None) -> bool:
    """Return whether a type can hold that number, if there is one; float32 may round it."""
    if number is None or math.isnan(number):  # NaN means no data in any type
        return True
    if dtype == "float32":
        return math.isinf(number) or abs(number) <= float(np.finfo(np.float32).max)
    limits = np.iinfo(dtype)
    return limits.min <= number <= limits.max and number == int(number)


def stored_as(band: Band, dtype: np.dtype[Any] | str) -> Band:
    """Return what is known of an array whose files store another type than the layout's."""
    # numpy compares dtypes faster than it names them.
    if dtype == band.dtype or (name := np.dtype(dtype).name) == band.dtype:
        return band
    scale = 1.0 if band.kind == "label" else None
    # The nodata number is the same in any type that can hold it.
    nodata = band.nodata if can_hold(name, band.nodata) else None
    return replace(
        band,
        dtype=name,
        scale=scale,
        offset=0.0,
        nodata=nodata,
        scale_factor=None,
        add_offset=None,
    )


def in_plain_numbers(band: Band) -> Band:
    """Return the band with numbers of Python in place of numbers of numpy."""
    given = {key: getattr(band, key) for key in _NUMBERS}
    if all(type(number) in _PLAIN for number in given.values()):
        return band
    known = {key: number for key, number in given.items() if number is not None}
    plain: dict[str, Any] = {key: int(x) if is_whole(x) else float(x) for key, x in known.items()}
    return replace(band, **plain)


def band_problems(band: Band) -> Iterator[tuple[str, str]]:
    """Yield each wrong key of an array, and the message that follows the array's name."""
    if band.kind not in ("band", "label"):
        yield "kind", f"has kind {band.kind!r}; kind must be 'band' or 'label'"
    if band.dtype not in DTYPES:
        wrong = f"has dtype {band.dtype!r}; dtype must be one of {listed(DTYPES)}"
        # float64 is no misspelled float32.
        known = isinstance(band.dtype, str) and band.dtype in np.sctypeDict
        yield "dtype", wrong if known else f"{wrong}{suggest(band.dtype, DTYPES)}"
    yield from _scale_problems(band)
    if band.nodata is not None and not is_real(band.nodata):
        yield "nodata", f"has nodata {band.nodata!r}; nodata must be a number or None"
    elif band.dtype in DTYPES and not can_hold(band.dtype, band.nodata):
        yield (
            "nodata",
            f"has nodata {band.nodata!r}, which {band.dtype} cannot hold; nodata is as stored",
        )
    if band.wavelength is not None and not (is_finite(band.wavelength) and band.wavelength > 0):
        yield (
            "wavelength",
            f"has wavelength {band.wavelength!r}; wavelength must be in nm, above 0, or None",
        )
    if band.unit is not None and not isinstance(band.unit, str):
        yield "unit", f"has unit {band.unit!r}; unit must be a string, or None"
    if band.file is not None and not (_is_below(band.file) and _is_below(band.pattern)):
        yield (
            "file",
            f"has file {band.file!r}; file must be a name or pattern inside the split's folder",
        )
    if (band.channel is None) != (band.channels is None):
        key, other = ("channel", "channels") if band.channels is None else ("channels", "channel")
        yield key, f"has a {key} but no {other}; a stacked file needs both"
    elif band.channel is not None and band.channels is not None:
        if not is_whole(band.channels) or band.channels < 1:
            yield (
                "channels",
                f"has channels {band.channels!r}; channels must be a whole number, 1 or more",
            )
        elif not is_whole(band.channel) or not 0 <= band.channel < band.channels:
            yield "channel", f"has channel {band.channel!r}; channel must be 0..{band.channels - 1}"
    if band.channel_axis not in ("first", "last"):
        yield (
            "channel_axis",
            f"has channel_axis {band.channel_axis!r}; channel_axis must be 'first' or 'last'",
        )
    elif band.channel_axis == "last" and band.channel is None and band.channels is None:
        yield (
            "channel_axis",
            "has channel_axis 'last' but no channel and channels; only a stacked file "
            "(stacked = true in TOML) has channels",
        )
    yield from _repeat_problems(band)


def _repeat_problems(band: Band) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how stored pixels are repeated."""
    if not _is_one_or_pair(band.repeat, 1):
        yield (
            "repeat",
            f"has repeat {band.repeat!r}; repeat must be a whole number, 1 or more, or a pair of "
            "them (rows, columns)",
        )
        return
    if isinstance(band.phase, str):
        if not (_is_below(band.phase) and _is_below(band.phase_pattern)):
            yield (
                "phase",
                f"has phase {band.phase!r}; a file of phases must be a name or pattern inside the "
                "split's folder",
            )
        elif not band.is_native:
            yield (
                "phase",
                f"has phase {band.phase!r} but repeat 1; only an array with a larger repeat has "
                "phases",
            )
    elif not _is_one_or_pair(band.phase, 0):
        yield (
            "phase",
            f"has phase {band.phase!r}; phase must be a whole number, 0 or more, a pair of them "
            "(rows, columns), or the name of a .npy file",
        )
    elif any(p >= n for p, n in zip(band.phases or (0, 0), band.repeats, strict=True)):
        rows, cols = band.repeats
        each = f"0..{rows - 1}" + ("" if rows == cols else f" for rows, 0..{cols - 1} for columns")
        yield (
            "phase",
            f"has phase {band.phase!r} but repeat {band.repeat!r}; phase must be below repeat: "
            f"{each}",
        )
    if band.exceptions is None:
        return
    if not (_is_below(band.exceptions) and _is_below(band.exceptions_pattern)):
        yield (
            "exceptions",
            f"has exceptions {band.exceptions!r}; exceptions must be a name or pattern inside the "
            "split's folder",
        )
    elif not isinstance(band.phase, str):
        yield (
            "exceptions",
            f"has exceptions {band.exceptions!r} but no file of phases, which says which patches "
            "they are; phase must be the name of a .npy file",
        )


def repeat_problem(band: Band, valid: Window) -> str | None:
    """Return the message for a repeat larger than the valid window or than possible, or None."""
    height, width = valid.size
    limits = min(height, _MOST_REPEAT), min(width, _MOST_REPEAT)
    if all(n <= most for n, most in zip(band.repeats, limits, strict=True)):
        return None
    rows, cols = limits
    most = f"{rows}" if rows == cols else f"{rows} rows and {cols} columns"
    return (
        f"has repeat {band.repeat!r}; the valid window is {height} x {width}, so repeat must be "
        f"at most {most}"
    )


def _is_one_or_pair(value: Any, least: int) -> bool:
    numbers = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    return all(is_whole(number) and number >= least for number in numbers)


def _scale_problems(band: Band) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how stored numbers become those in ``unit``."""
    factor, summand = band.scale_factor, band.add_offset
    if factor is not None and not (is_finite(factor) and factor):
        yield (
            "scale_factor",
            f"has scale_factor {factor!r}; scale_factor must be a finite number other than 0",
        )
    if summand is not None and not is_finite(summand):
        yield "add_offset", f"has add_offset {summand!r}; add_offset must be a finite number"
    if band.scale is not None and not (is_finite(band.scale) and band.scale):
        yield (
            "scale",
            f"has scale {band.scale!r}; scale must be a finite number other than 0, or None "
            '("unknown" in TOML)',
        )
    elif not is_finite(band.offset):
        yield "offset", f"has offset {band.offset!r}; offset must be a finite number"
    elif band.scale is None and band.offset:
        yield "offset", f"has offset {band.offset!r} but an unknown scale (None); give both"
    elif summand is None and band.dtype != "float32" and band.scale not in (None, 1):
        yield from _fractional_offset(band)


def _fractional_offset(band: Band) -> Iterator[tuple[str, str]]:
    """Yield an offset that stored whole numbers cannot have, as it is meant in scaled units."""
    if float(band.offset).is_integer() or band.scale is None:
        return
    in_units = f"scale_factor = {band.scale:.12g} and add_offset = {band.offset:.12g}"
    stored = band.offset / band.scale
    is_near = math.isfinite(stored) and abs(stored - round(stored)) < _ROUNDED
    as_stored = f" (offset = {stored:.0f})" if is_near else ""
    yield (
        "offset",
        f"has offset {band.offset!r}, which is no whole number, but is added to stored "
        f"{band.dtype} before the scale: (x + offset) * scale. If it is in scaled units, as in "
        f"STAC, xarray and GDAL, write {in_units}{as_stored}; else add_offset = "
        f"{band.offset * band.scale:.12g}",
    )


def _is_below(file: Any) -> bool:
    """Return whether a file name or pattern stays inside the folder."""
    if not isinstance(file, str) or not file or "\0" in file:
        return False
    parts = PurePath(file)
    return not parts.anchor and ".." not in parts.parts


class SharedFile:
    """The arrays of one file; EntryError unless all of them can be in it, each as one channel."""

    def __init__(self, file: object) -> None:
        self._file = file
        self._by_channel: dict[int | None, Band] = {}

    def add(self, band: Band) -> None:
        """Add an array; its dtype and channels must be those of the first."""
        first = next(iter(self._by_channel.values()), None)
        if first is not None:
            self._check(band, first)
        if twin := self._by_channel.get(band.channel):
            both = self._both(twin, band)
            raise EntryError(
                f"{both} as channel {band.channel}; channels must differ", "channel", band.name
            )
        self._by_channel[band.channel] = band

    def _check(self, band: Band, first: Band) -> None:
        both = self._both(first, band)
        if band.channel is None or first.channel is None:
            raise EntryError(f"{both}; each needs a channel and channels", "file", band.name)
        for key in ("dtype", "channels", "channel_axis", "repeat"):
            one, two = getattr(first, key), getattr(band, key)
            if one != two:
                raise EntryError(f"{both}, but their {key} is {one} and {two}", key, band.name)

    def _both(self, one: Band, other: Band) -> str:
        return f"{one.name} and {other.name} are both in {self._file}"
