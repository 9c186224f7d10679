"""The parts of a layout: arrays with type, scale and file, and the valid window."""

import glob
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

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
        unknown.
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

    def __post_init__(self) -> None:
        # One object for every NaN, because tuples that hold the same object are equal.
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
        """The pattern ``file`` with the array's name filled in; None without ``file``."""
        return None if self.file is None else self.file.replace("{name}", glob.escape(self.name))


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """The TOML file of a layout, and the line of each key of each array."""

    path: Path
    lines: Mapping[tuple[str, str], int]
