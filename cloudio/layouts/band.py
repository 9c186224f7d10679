"""The parts of a layout: arrays with type, scale and file, and the valid window."""

import glob
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from .._core.runtime import DefaultFloats
from .._utils.numbers import in_default_floats, is_finite, is_whole
from ..errors import LayoutError

DTYPES = ("uint8", "int8", "uint16", "int16", "float32")


class EntryError(LayoutError):
    """One entry of a layout is wrong: ``key`` of ``array``, or of the layout if that is None.

    The TOML reader finds the line of the entry by them.
    """

    def __init__(
        self, message: str, key: str = "", array: str | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.key = key
        self.array = array


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels of a patch.

    Parameters
    ----------
    row, col : int
        The first row and column, counted from 0.
    height, width : int
        The size in pixels.

    Examples
    --------
    >>> cloudio.Window(row=1, col=1, height=509, width=509).size
    (509, 509)
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """The size as (height, width), in pixels."""
        return self.height, self.width


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One array of a layout: a band or a label.

    Parameters
    ----------
    name : str
        The name of the array.
    kind : {"band", "label"}
        Whether it holds measurements or codes of classes.
    dtype : {"uint8", "int8", "uint16", "int16", "float32"}
        The element type that files store.
    scale, offset : float
        ``(x + offset) * scale`` is the stored number x in ``unit``.  ``scale`` is None if it is
        unknown.  In files of whole numbers ``offset`` is a whole number too, unless ``scale`` is 1.
    nodata : float, optional
        The stored number that means no data; NaN is possible.
    wavelength : float, optional
        The center wavelength in nm, for CloudSEN12 of Sentinel-2A.
    file : str, optional
        The file name below the split's folder, or a glob pattern that exactly one file must match;
        ``{name}`` stands for the array's name.  By default ``<name>.dat`` or ``<name>.npy`` in any
        spelling, and the file may be missing.
    channel, channels : int, optional
        The array is ``channel`` of ``channels`` in a stacked file (patch, channel, row,
        column).  By default it is the whole file.
    unit : str, optional
        The unit of scaled numbers, such as ``"dB"``; "" for numbers without one, None if it is
        unknown.
    scale_factor, add_offset : float, optional
        The same in the terms of CF, NetCDF, STAC and GDAL, instead of ``scale`` and ``offset``:
        ``x * scale_factor + add_offset``.  One alone means a factor of 1, or an offset of 0.  From
        them follow ``scale`` and ``offset``.
    channel_axis : {"first", "last"}
        "last": the stacked file is (patch, row, column, channel), each pixel with its channels side
        by side, as pictures are often stored.
    repeat : int or tuple of int
        How many rows and columns of the patch one stored pixel covers, a number for both or (rows,
        columns): 2 for a band of 20 m in patches of 10 m.  If it is not 1, the file holds only the
        pixels that cover the valid window: `Layout.stored_size` says how many.  Outside the valid
        window the array reads as 0.
    phase : int, tuple of int or str
        In which row and column of its stored pixel the valid window begins, from 0 to repeat - 1:
        for all patches, or the name of a ``.npy`` file below the split's folder.  This is an array
        (patch, 2) of integers, the phases of rows and columns of each patch; a row (-1, e) says
        that the patch is stored whole, as number e of ``exceptions``.
    exceptions : str, optional
        The name of a ``.npy`` file below the split's folder, with the patches that are not
        repeated: (exception, row, column) of the patch's size.  Only with a file of phases.
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
    unit: str | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    channel_axis: Literal["first", "last"] = "first"
    repeat: int | tuple[int, int] = 1
    phase: int | tuple[int, int] | str = 0
    exceptions: str | None = None

    def __post_init__(self) -> None:
        self._take_cf_pair()
        for key in ("repeat", "phase"):
            object.__setattr__(self, key, _shorten_pair(getattr(self, key)))
        # One object for every NaN, because tuples that hold the same object are equal.
        if self.nodata is not None and self.nodata != self.nodata:
            object.__setattr__(self, "nodata", math.nan)

    def _take_cf_pair(self) -> None:
        """Set scale and offset from scale_factor and add_offset, if these are given."""
        pair = self.scale_factor, self.add_offset
        if pair == (None, None):
            return
        factor = 1.0 if self.scale_factor is None else self.scale_factor
        summand = 0.0 if self.add_offset is None else self.add_offset
        if not (is_finite(factor) and factor and is_finite(summand)):
            return  # band_checks.py refuses it
        with DefaultFloats():
            own = float(factor), float(summand) / float(factor)
        # Copies and pickles have both, and then they agree.
        if (self.scale, self.offset) not in ((1.0, 0.0), own):
            raise EntryError(
                f"{self.name} has scale_factor or add_offset and also scale or offset; give one "
                "pair: x * scale_factor + add_offset, or (x + offset) * scale",
                "add_offset" if self.scale_factor is None else "scale_factor",
                self.name,
            )
        object.__setattr__(self, "scale", own[0])
        object.__setattr__(self, "offset", own[1])

    @property
    @in_default_floats
    def factors(self) -> tuple[float, float] | None:
        """The factor and the summand of stored numbers, ``x * factor + summand``.

        None if the scale is unknown.
        """
        if self.scale is None:
            return None
        if self.add_offset is not None:
            return self.scale, float(self.add_offset)
        return self.scale, self.offset * self.scale

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
        """The pattern ``file`` with the array's name filled in; None without ``file``."""
        return self._with_name(self.file)

    @property
    def is_native(self) -> bool:
        """Whether the file holds pixels that are repeated, not whole patches."""
        return self.repeat != 1

    @property
    def repeats(self) -> tuple[int, int]:
        """``repeat`` as (rows, columns)."""
        return _as_pair(self.repeat)

    @property
    def phases(self) -> tuple[int, int] | None:
        """``phase`` as (rows, columns); None if a file has those of each patch."""
        return None if isinstance(self.phase, str) else _as_pair(self.phase)

    @property
    def phase_pattern(self) -> str | None:
        """The pattern of the file of phases with the array's name filled in, if there is one."""
        return self._with_name(self.phase) if isinstance(self.phase, str) else None

    @property
    def exceptions_pattern(self) -> str | None:
        """The pattern ``exceptions`` with the array's name filled in; None without exceptions."""
        return self._with_name(self.exceptions)

    def _with_name(self, pattern: str | None) -> str | None:
        return None if pattern is None else pattern.replace("{name}", glob.escape(self.name))


def _as_pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _shorten_pair(value: Any) -> Any:
    """Return a pair of equal whole numbers as one, so that equal bands are written alike."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_whole, value)):
        first, second = map(int, value)
        return first if first == second else (first, second)
    return int(value) if is_whole(value) else value


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """The TOML file of a layout, and the line of each key of each array; of "" its table's."""

    path: Path
    lines: Mapping[tuple[str, str], int]
