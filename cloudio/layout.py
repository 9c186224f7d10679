"""What a data set looks like on disk: tables of literals, and how names in them are found.

The tables of CloudSEN12 are in cloudsen12.py; which files are there is dataset.py's to say.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import LayoutError, RequestError
from .labels import LabelMap

_DTYPES = ("uint8", "int8", "uint16", "int16", "float32")


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


@dataclass(frozen=True, slots=True)
class Band:
    """One array of a layout, be it a band or a label.

    ``scale`` takes a stored number to the array's unit (reflectance, dB, m, ...); None where
    that is not known.  ``nodata`` is the stored number that means none.  ``wavelength`` is the
    centre in nm, of Sentinel-2A.
    """

    name: str
    kind: Literal["band", "label"] = "band"
    dtype: str = "int16"
    scale: float | None = 1.0
    offset: float = 0.0
    nodata: float | None = None
    wavelength: float | None = None


@dataclass(frozen=True)
class Layout:
    """How patches lie in flat files, one per array and split.

    ``patch`` is the stored (height, width); ``valid`` the part of it that holds real pixels.  A
    preset names bands in order, or several such lists, of which the first that is there is meant.
    ``label_maps`` holds, for a label, its map under each policy.  ``aliases`` are other names of
    arrays; ``prefixes`` the groups a name may leave out, in the order they are tried for files.
    LayoutError where the window leaves the patch, or an array is named twice or of another type
    than uint8, int8, uint16, int16 and float32.
    """

    name: str
    patch: tuple[int, int]
    valid: Window
    bands: tuple[Band, ...]
    presets: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    label_maps: Mapping[str, Mapping[str, LabelMap]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, first, extent, whole in (
            ("rows", self.valid.row, self.valid.height, self.patch[0]),
            ("columns", self.valid.col, self.valid.width, self.patch[1]),
        ):
            if first < 0 or extent < 1 or first + extent > whole:
                raise LayoutError(
                    f"the valid window has {what} {first}..{first + extent - 1}; the patch has "
                    f"0..{whole - 1}"
                )
        names = [band.name for band in self.bands]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise LayoutError(f"{', '.join(twice)} is in the layout twice")
        for band in self.bands:
            if band.dtype not in _DTYPES:
                raise LayoutError(f"{band.name} is {band.dtype!r}; {', '.join(_DTYPES)} are read")

    def band(self, name: str) -> Band | None:
        """The array of exactly that name, or None."""
        return next((band for band in self.bands if band.name == name), None)

    def name_of_file(self, stem: str) -> str:
        """The array that a file of that stem holds; the stem itself where the layout has none."""
        names = [band.name for band in self.bands]
        found = self.matches(stem, names)
        for prefix in self.prefixes:
            if len(found) > 1:
                found = [name for name in found if name.startswith(prefix)] or found
        return found[0] if len(found) == 1 else stem

    def matches(self, asked: str, names: Iterable[str]) -> list[str]:
        """All of ``names`` that ``asked`` can mean, closest reading first.

        As written; else without regard to case and zero padding (``b04`` is ``B4``); else as an
        alias; else with the group left out (``B4`` is ``L1C_B4`` and ``L2A_B4``).
        """
        names = list(names)
        if asked in names:
            return [asked]
        wanted = _key(asked)
        aliases = {_key(alias): _key(name) for alias, name in self.aliases.items()}
        for reading in (wanted, aliases.get(wanted, wanted)):
            if found := [name for name in names if _key(name) == reading]:
                return found
        return [name for name in names if wanted in self._without_prefix(name)]

    def _without_prefix(self, name: str) -> list[str]:
        return [_key(name[len(p) :]) for p in self.prefixes if name.startswith(p)]

    def find(self, asked: str, names: Iterable[str], where: str) -> str:
        """The one of ``names`` that ``asked`` means; RequestError where that is none or several."""
        names = list(names)
        found = self.matches(asked, names)
        if len(found) == 1:
            return found[0]
        if found:
            raise RequestError(f"{asked!r} can be {' or '.join(found)} in {where}; name one")
        raise RequestError(f"no array {asked!r}; {where} has {', '.join(names)}")


def _key(name: str) -> str:
    """A name without case and zero padding."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", name.lower())
