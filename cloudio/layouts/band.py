"""One array of a layout: its type, scale and place on disk, and the window that is valid."""

import glob
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from .._utils.numbers import is_finite, is_real, is_whole
from ..errors import LayoutError

DTYPES = ("uint8", "int8", "uint16", "int16", "float32")


class EntryError(LayoutError):
    """One entry of a layout is wrong: ``key`` of ``array``, or of the layout where that is None.

    What a file of layouts needs to name the line.
    """

    def __init__(self, message: str, key: str = "", array: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.array = array


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels of a patch: its first row and column, counted from 0, and its size."""

    row: int
    col: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One array of a layout, be it a band or a label.

    ``(x + offset) * scale`` is the stored number x in the array's unit (reflectance, dB, m, ...);
    ``scale`` is None where that is not known.  ``nodata`` is the stored number that means none.
    ``wavelength`` is the centre in nm, of Sentinel-2A.

    ``file`` is where the array lies: a file name or a glob pattern below the split's folder, in
    which ``{name}`` stands for the array's name, and which exactly one file must match.  None
    means ``<name>.dat`` or ``<name>.npy`` in any spelling, and that it need not be there.  The
    array is all of its file, or ``channel`` k of the ``channels`` of one that is stacked as
    (patch, channel, row, column).
    """

    name: str
    kind: Literal["band", "label"] = "band"
    dtype: str = "int16"
    scale: float | None = 1.0
    offset: float = 0.0
    nodata: float | None = None
    wavelength: float | None = None
    file: str | None = None
    channel: int | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        # One object for every NaN: tuples that hold the same one are equal.
        if self.nodata is not None and self.nodata != self.nodata:
            object.__setattr__(self, "nodata", math.nan)

    def _entries(self) -> tuple[Any, ...]:
        return tuple(getattr(self, entry.name) for entry in fields(self))

    def __eq__(self, other: object) -> bool:
        return self._entries() == other._entries() if isinstance(other, Band) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._entries())

    def __reduce__(self) -> tuple[Any, ...]:
        return Band, self._entries()

    @property
    def pattern(self) -> str | None:
        """``file`` with the array's name in its place."""
        return None if self.file is None else self.file.replace("{name}", glob.escape(self.name))


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """The file a layout was read from, and the line of each key of each array."""

    path: Path
    lines: Mapping[tuple[str, str], int]


def can_hold(dtype: str, number: float | None) -> bool:
    """Whether a type has that number, or there is none; float32 may round it."""
    if number is None or math.isnan(number):  # NaN is no data in any type, if one has it
        return True
    if dtype == "float32":
        return math.isinf(number) or abs(number) <= float(np.finfo(np.float32).max)
    limits = np.iinfo(dtype)
    return limits.min <= number <= limits.max and number == int(number)


def band_faults(band: Band) -> Iterator[tuple[str, str]]:
    """The keys of an array that are wrong, and what to say after its name."""
    if band.kind not in ("band", "label"):
        yield "kind", f"has kind {band.kind!r}; 'band' or 'label' is needed"
    if band.dtype not in DTYPES:
        yield "dtype", f"is {band.dtype!r}; {', '.join(DTYPES)} are read"
    if band.scale is not None and not (is_finite(band.scale) and band.scale):
        yield "scale", f"has scale {band.scale!r}; a finite number but 0, or None, is needed"
    if not is_finite(band.offset):
        yield "offset", f"has offset {band.offset!r}; a finite number is needed"
    if band.scale is None and band.offset:
        yield "offset", f"has offset {band.offset!r} but no known scale, which would follow it"
    if band.nodata is not None and not is_real(band.nodata):
        yield "nodata", f"has nodata {band.nodata!r}; a number or None is needed"
    elif band.dtype in DTYPES and not can_hold(band.dtype, band.nodata):
        yield "nodata", f"has nodata {band.nodata!r}, which {band.dtype} cannot hold"
    if band.wavelength is not None and not (is_finite(band.wavelength) and band.wavelength > 0):
        yield "wavelength", f"has wavelength {band.wavelength!r}; nm above 0, or None, are needed"
    if band.file is not None and not (_is_below(band.file) and _is_below(band.pattern)):
        yield (
            "file",
            f"has file {band.file!r}; a name or pattern in the split's folder is needed",
        )
    if (band.channel is None) != (band.channels is None):
        key, other = ("channel", "channels") if band.channels is None else ("channels", "channel")
        yield key, f"has a {key} but no {other}; a stacked file needs both"
    elif band.channel is not None and band.channels is not None:
        if not is_whole(band.channels) or band.channels < 1:
            yield "channels", f"has channels {band.channels!r}; a whole number from 1 on is needed"
        elif not is_whole(band.channel) or not 0 <= band.channel < band.channels:
            yield "channel", f"has channel {band.channel!r}; 0..{band.channels - 1} are there"


def _is_below(file: Any) -> bool:
    """Whether a file name or pattern stays in the folder that it is looked for in."""
    if not isinstance(file, str) or not file:
        return False
    parts = PurePath(file)
    return not parts.anchor and ".." not in parts.parts


def check_shared_file(band: Band, others: Iterable[Band], file: object) -> None:
    """Prove that an array and others can lie in one file, each a channel of its own."""
    for other in others:
        both = f"{other.name} and {band.name} are both in {file}"
        if band.channel is None or other.channel is None:
            raise EntryError(f"{both}; each needs its channel and channels", "file", band.name)
        for key in ("dtype", "channels"):
            one, two = getattr(other, key), getattr(band, key)
            if one != two:
                raise EntryError(f"{both}, but their {key} is {one} and {two}", key, band.name)
        if band.channel == other.channel:
            raise EntryError(f"{both}, as channel {band.channel}", "channel", band.name)
