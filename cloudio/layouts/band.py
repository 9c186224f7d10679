"""What a layout is made of: arrays with type, scale and place on disk, and the valid window."""

import glob
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import LayoutError

DTYPES = ("uint8", "int8", "uint16", "int16", "float32")


class EntryError(LayoutError):
    """One entry of a layout is wrong: ``key`` of ``array``, or of the layout where that is None.

    By these a TOML file finds its line.
    """

    def __init__(
        self, message: str, key: str = "", array: str | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
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
    ``wavelength`` is the center in nm, of Sentinel-2A.  ``unit`` is the unit of the scaled numbers,
    such as ``"dB"``: ``""`` for numbers without one, None where it is not known.

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
    unit: str | None = None

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
