"""What a data set looks like on disk: tables of literals, and how names in them are found.

The tables of CloudSEN12 are in cloudsen12.py; tables from files are toml.py's; which files are
there is folder.py's to say.
"""

import glob
import math
import numbers
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from .errors import LayoutError, RequestError
from .labels import LabelMap

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
class Origin:
    """The file a layout was read from, and the line of each key of each array."""

    path: Path
    lines: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Layout:
    """How patches lie in flat files, one per array and split.

    ``patch`` is the stored (height, width); ``valid`` the part of it that holds real pixels.  A
    preset names bands in order, or several such lists, of which the first that is there is meant.
    ``label_maps`` holds, for a label, its map under each policy.  ``aliases`` are other names of
    arrays; ``prefixes`` the groups a name may leave out, in the order they are tried for files.
    LayoutError where the window leaves the patch, an array is named twice or of another type than
    uint8, int8, uint16, int16 and float32, or two arrays do not fit into one file.
    """

    name: str
    patch: tuple[int, int]
    valid: Window
    bands: tuple[Band, ...]
    presets: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    label_maps: Mapping[str, Mapping[str, LabelMap]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    origin: Origin | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.patch, tuple) or not (
            len(self.patch) == 2 and all(_is_whole(n) and n >= 1 for n in self.patch)
        ):
            raise EntryError(f"patch = {self.patch}; (height, width) is needed", "patch")
        _check_forms(self)
        for what, first, extent, whole in (
            ("rows", self.valid.row, self.valid.height, self.patch[0]),
            ("columns", self.valid.col, self.valid.width, self.patch[1]),
        ):
            if first < 0 or extent < 1 or first + extent > whole:
                raise EntryError(
                    f"the valid window has {what} {first}..{first + extent - 1}; the patch has "
                    f"0..{whole - 1}",
                    "valid",
                )
        names = [band.name for band in self.bands]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise EntryError(f"{', '.join(twice)} is in the layout twice", "name", twice[0])
        for band in self.bands:
            for key, fault in _faults(band):
                raise EntryError(f"{band.name} {fault}", key, band.name)
        together: dict[str, list[Band]] = {}
        for band in self.bands:
            if band.pattern is not None:
                share(band, together.setdefault(band.pattern, []), band.pattern)
                together[band.pattern].append(band)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "Layout":
        """The layout that a TOML file describes; docs/layouts.md has the format.

        LayoutError, naming the file, the line and the key, where it describes none; OSError where
        it cannot be read.
        """
        from .toml import read

        return read(Path(path))

    def where(self, array: str, key: str) -> str:
        """The file and the line that say so, to begin a sentence with; "" where there are none."""
        if self.origin is None:
            return ""
        return f"{self.origin.path}, line {self.origin.lines[array, key]}: "

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


def _check_forms(layout: Layout) -> None:
    """Prove that the entries of a layout are of the types its fields say."""
    valid = layout.valid
    if not isinstance(valid, Window) or not all(
        _is_whole(n) for n in (valid.row, valid.col, *valid.size)
    ):
        raise EntryError(f"valid = {valid!r}; a Window of whole numbers is needed", "valid")
    if odd := [band for band in layout.bands if not isinstance(band, Band)]:
        raise EntryError(f"bands holds {odd[0]!r}; a Band is needed", "bands")
    if isinstance(layout.prefixes, str):
        raise EntryError(f"prefixes = {layout.prefixes!r}; a tuple of texts is needed", "prefixes")
    for preset, choices in layout.presets.items():
        if isinstance(choices, str) or any(isinstance(choice, str) for choice in choices):
            raise EntryError(
                f"presets[{preset!r}] = {choices!r}; a tuple of tuples of names is needed",
                "presets",
            )
    for name, maps in layout.label_maps.items():
        if not isinstance(maps, Mapping) or not all(
            isinstance(label_map, LabelMap) for label_map in maps.values()
        ):
            raise EntryError(
                f"label_maps[{name!r}] = {maps!r}; a LabelMap for each policy is needed",
                "label_maps",
            )


def _key(name: str) -> str:
    """A name without case and zero padding."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", name.lower())


def _is_whole(number: Any) -> bool:
    return isinstance(number, numbers.Integral) and not isinstance(number, bool)


def _is_number(number: Any) -> bool:
    # A float holds no larger whole number.
    real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    return real and not (_is_whole(number) and abs(number) >= 2**1023)


def holds(dtype: str, number: float | None) -> bool:
    """Whether a type has that number, or there is none; float32 may round it."""
    if number is None or math.isnan(number):  # NaN is no data in any type, if one has it
        return True
    if dtype == "float32":
        return math.isinf(number) or abs(number) <= float(np.finfo(np.float32).max)
    limits = np.iinfo(dtype)
    return limits.min <= number <= limits.max and number == int(number)


def _is_finite(number: Any) -> bool:
    return _is_number(number) and math.isfinite(number)


def _faults(band: Band) -> Iterator[tuple[str, str]]:
    """The keys of an array that are wrong, and what to say after its name."""
    if band.kind not in ("band", "label"):
        yield "kind", f"has kind {band.kind!r}; 'band' or 'label' is needed"
    if band.dtype not in DTYPES:
        yield "dtype", f"is {band.dtype!r}; {', '.join(DTYPES)} are read"
    if band.scale is not None and not (_is_finite(band.scale) and band.scale):
        yield "scale", f"has scale {band.scale!r}; a finite number but 0, or None, is needed"
    if not _is_finite(band.offset):
        yield "offset", f"has offset {band.offset!r}; a finite number is needed"
    if band.scale is None and band.offset:
        yield "offset", f"has offset {band.offset!r} but no known scale, which would follow it"
    if band.nodata is not None and not _is_number(band.nodata):
        yield "nodata", f"has nodata {band.nodata!r}; a number or None is needed"
    elif band.dtype in DTYPES and not holds(band.dtype, band.nodata):
        yield "nodata", f"has nodata {band.nodata!r}, which {band.dtype} cannot hold"
    if band.wavelength is not None and not (_is_finite(band.wavelength) and band.wavelength > 0):
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
        if not _is_whole(band.channels) or band.channels < 1:
            yield "channels", f"has channels {band.channels!r}; a whole number from 1 on is needed"
        elif not _is_whole(band.channel) or not 0 <= band.channel < band.channels:
            yield "channel", f"has channel {band.channel!r}; 0..{band.channels - 1} are there"


def _is_below(file: Any) -> bool:
    """Whether a file name or pattern stays in the folder that it is looked for in."""
    if not isinstance(file, str) or not file:
        return False
    parts = PurePath(file)
    return not parts.anchor and ".." not in parts.parts


def share(band: Band, others: Iterable[Band], file: object) -> None:
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
