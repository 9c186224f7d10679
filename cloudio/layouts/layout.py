"""A layout: how a data set is stored, and how the names of its arrays are found.

cloudsen12.py has the tables of CloudSEN12, toml_reader.py reads tables from files, and
storage/discovery.py finds the files of a folder.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from .._utils.numbers import is_whole
from .._utils.paths import local_path
from .._utils.text import listed, suggest
from ..errors import RequestError
from .band import Band, EntryError, LayoutFile, Window
from .band_checks import SharedFile, band_problems, in_plain_numbers, repeat_problem
from .labels import LabelMap


@dataclass(frozen=True)
class Layout:
    """How the patches of a data set are stored: flat files, one for each array and split.

    Parameters
    ----------
    name : str
        The name of the data set.
    patch : tuple of int
        (height, width) of a stored patch, in pixels.
    valid : Window
        The part of a stored patch that holds valid pixels.
    bands : tuple of Band
        The arrays, bands and labels, in the order of `Dataset.names`.
    presets : mapping of str to tuple of tuple of str, optional
        Names for lists of bands.  Of several lists the first whose bands all exist is used.
    label_maps : mapping of str to mapping of str to LabelMap, optional
        Label -> policy -> map.  The first policy is the default.
    aliases : mapping of str to str, optional
        Other names of arrays.
    prefixes : tuple of str, optional
        Groups of arrays that a name may leave out: ``"L1C_"`` lets ``"B4"`` mean L1C_B4.  For file
        names they are tried in this order.

    Raises
    ------
    LayoutError
        If the window is not inside the patch, a name occurs twice, an array is wrong, or two arrays
        cannot be in one file.
    """

    name: str
    patch: tuple[int, int]
    valid: Window
    bands: tuple[Band, ...]
    presets: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    label_maps: Mapping[str, Mapping[str, LabelMap]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    file: LayoutFile | None = field(default=None, init=False, compare=False, repr=False)
    _by_name: dict[str, Band] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.patch, tuple) or not (
            len(self.patch) == 2 and all(is_whole(n) and n >= 1 for n in self.patch)
        ):
            raise EntryError(f"patch = {self.patch}; patch must be (height, width)", "patch")
        _check_types(self)
        for what, first, extent, whole in (
            ("rows", self.valid.row, self.valid.height, self.patch[0]),
            ("columns", self.valid.col, self.valid.width, self.patch[1]),
        ):
            if extent < 1:
                raise EntryError(
                    f"the valid window has {extent} {what}; it must have 1 or more", "valid"
                )
            if first < 0 or first + extent > whole:
                raise EntryError(
                    f"the valid window has {what} {first}..{first + extent - 1}, but the patch has "
                    f"{what} 0..{whole - 1}",
                    "valid",
                )
        names = Counter(band.name for band in self.bands)
        if twice := sorted(name for name, n in names.items() if n > 1):
            raise EntryError(
                f"{listed(twice)} is in the layout twice; names must differ", "name", twice[0]
            )
        for band in self.bands:
            for key, reason in band_problems(band):
                raise EntryError(f"{band.name} {reason}", key, band.name)
            if larger := repeat_problem(band, self.valid):
                raise EntryError(f"{band.name} {larger}", "repeat", band.name)
        together: dict[str, SharedFile] = {}
        for band in self.bands:
            if band.pattern is not None:
                together.setdefault(band.pattern, SharedFile(band.pattern)).add(band)
        self._set_plain()
        object.__setattr__(self, "_by_name", {band.name: band for band in self.bands})

    def _set_plain(self) -> None:
        """Replace the numbers of numpy, which JSON does not hold, by those of Python."""
        valid = self.valid.row, self.valid.col, *self.valid.size
        object.__setattr__(self, "patch", tuple(map(int, self.patch)))
        object.__setattr__(self, "valid", Window(*map(int, valid)))
        object.__setattr__(self, "bands", tuple(map(in_plain_numbers, self.bands)))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "Layout":
        """Return the layout that a TOML file describes.

        Parameters
        ----------
        path : str or path
            The file; docs/layouts.md has the format.

        Returns
        -------
        Layout
            Equal to one that is written in Python.

        Raises
        ------
        LayoutError
            If the file describes no layout; the message has the line and the key.
        OSError
            If the file cannot be read.
        """
        from . import toml_reader  # imported here, because tomllib is slow and few need it

        described = toml_reader.read(local_path(path))
        try:
            layout = cls(**described.fields)
        except EntryError as error:
            raise described.locate(error) from None
        object.__setattr__(layout, "file", described.file)
        return layout

    @cached_property
    def has_wavelengths(self) -> bool:
        """Whether the layout gives the wavelength of any array."""
        return any(band.wavelength is not None for band in self.bands)

    def where(self, array: str, key: str) -> str:
        """Return the TOML file and line of a key, to begin a message with.

        Parameters
        ----------
        array, key : str
            The array, and the key of it.

        Returns
        -------
        str
            "" if the layout was not read from a file.
        """
        if self.file is None:
            return ""
        lines = self.file.lines
        return f"{self.file.path}, line {lines.get((array, key), lines[array, ''])}: "

    def band(self, name: str) -> Band | None:
        """Return the array with exactly that name.

        Parameters
        ----------
        name : str
            The full name.

        Returns
        -------
        Band or None
            None if there is no such array.
        """
        return self._by_name.get(name)

    def stored_size(self, band: Band | None) -> tuple[int, int]:
        """Return the rows and columns that a file stores of each patch of an array.

        Parameters
        ----------
        band : Band or None
            The array; None for one that the layout does not know.

        Returns
        -------
        tuple of int
            ``patch``; with a repeat, the pixels that cover the valid window in any phase.
        """
        if band is None or not band.is_native:
            return self.patch
        rows, cols = (
            (side + 2 * (repeat - 1)) // repeat
            for side, repeat in zip(self.valid.size, band.repeats, strict=True)
        )
        return rows, cols

    def name_of_file(self, stem: str) -> str:
        """Return the array that a file belongs to, by the file's name.

        Parameters
        ----------
        stem : str
            The file name without its ending.

        Returns
        -------
        str
            The array's name, or ``stem`` if none or several match.
        """
        if stem in self._by_name:
            return stem
        return FileNames(self).find(stem)

    def matches(self, asked: str, names: Iterable[str]) -> list[str]:
        """Return the names that a name can mean, by the first of these rules that finds any.

        The rules: as written; without regard to case and zero padding (``b04`` is ``B4``); as an
        alias; without the prefix (``B4`` is ``L1C_B4`` and ``L2A_B4``).

        Parameters
        ----------
        asked : str
            The name to look up.
        names : iterable of str
            The names to choose from.

        Returns
        -------
        list of str
            All matches of that rule, or an empty list.
        """
        names = list(names)
        if asked in names:
            return [asked]
        return Spellings(self, names).matches(asked)

    def find(self, asked: str, names: Iterable[str], where: str) -> str:
        """Return the one name that a name means.

        Parameters
        ----------
        asked : str
            The name to look up, as in `matches`.
        names : iterable of str
            The names to choose from.
        where : str
            Where the names are, for the message.

        Returns
        -------
        str
            One of ``names``.

        Raises
        ------
        RequestError
            If no name matches, or several do.
        """
        names = list(names)
        found = self.matches(asked, names)
        if len(found) == 1:
            return found[0]
        if found:
            raise RequestError(
                f"{asked!r} is ambiguous; in {where} it can be {listed(found, ' or ')}: give one"
            )
        present = set(names)
        # A name may leave out its prefix, and so may one that is misspelled.
        spellings = [
            *names,
            *(n[len(p) :] for n in names for p in self.prefixes if n.startswith(p)),
            *(alias for alias, name in self.aliases.items() if name in present),
            *(
                preset
                for preset, choices in self.presets.items()
                if any(present.issuperset(choice) for choice in choices)
            ),
        ]
        hint = suggest(asked, spellings)
        raise RequestError(f"there is no array {asked!r}; {where} has {listed(names)}{hint}")


class Spellings:
    """The names of a layout's arrays by their spellings, for many look-ups."""

    def __init__(self, layout: Layout, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._aliases = {_key(alias): _key(name) for alias, name in layout.aliases.items()}
        self._by_key: dict[str, list[str]] = {}
        self._without_prefix: dict[str, list[str]] = {}
        for name in self._names:
            self._by_key.setdefault(_key(name), []).append(name)
            shorter = (_key(name[len(p) :]) for p in layout.prefixes if name.startswith(p))
            for key in dict.fromkeys(shorter):
                self._without_prefix.setdefault(key, []).append(name)

    def matches(self, asked: str) -> list[str]:
        """Return what `Layout.matches` does."""
        if asked in self._names:
            return [asked]
        wanted = _key(asked)
        for key in (wanted, self._aliases.get(wanted, wanted)):
            if found := self._by_key.get(key):
                return [*found]
        return [*self._without_prefix.get(wanted, ())]


class FileNames:
    """The arrays of ``layout`` by the names of files."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._known = {band.name for band in layout.bands}
        self._spellings = Spellings(layout, [band.name for band in layout.bands])

    def find(self, stem: str) -> str:
        """Return what `Layout.name_of_file` does."""
        found = self._spellings.matches(stem)
        for prefix in self.layout.prefixes:
            if len(found) > 1:
                found = [name for name in found if name.startswith(prefix)] or found
        return found[0] if len(found) == 1 else stem

    def is_known(self, stem: str) -> bool:
        """Return whether a file belongs to an array of the layout."""
        return self.find(stem) in self._known


def _check_types(layout: Layout) -> None:
    """Raise EntryError unless the entries of a layout have the types of its fields."""
    if isinstance(layout.bands, Band) or not isinstance(layout.bands, Iterable):
        raise EntryError(f"bands = {layout.bands!r}; bands must be a tuple of Bands", "bands")
    valid = layout.valid
    if not isinstance(valid, Window) or not all(
        is_whole(n) for n in (valid.row, valid.col, *valid.size)
    ):
        raise EntryError(f"valid = {valid!r}; valid must be a Window of whole numbers", "valid")
    if odd := [band for band in layout.bands if not isinstance(band, Band)]:
        raise EntryError(f"bands holds {odd[0]!r}; it must hold Bands", "bands")
    if isinstance(layout.prefixes, str):
        raise EntryError(
            f"prefixes = {layout.prefixes!r}; prefixes must be a tuple of strings", "prefixes"
        )
    for preset, choices in layout.presets.items():
        if isinstance(choices, str) or any(isinstance(choice, str) for choice in choices):
            raise EntryError(
                f"presets[{preset!r}] = {choices!r}; it must be a tuple of tuples of names",
                "presets",
            )
    for name, maps in layout.label_maps.items():
        if not isinstance(maps, Mapping) or not all(
            isinstance(label_map, LabelMap) for label_map in maps.values()
        ):
            raise EntryError(
                f"label_maps[{name!r}] = {maps!r}; it must map each policy to a LabelMap",
                "label_maps",
            )


# Every file of a folder is compared with all names.
@lru_cache(4096)
def _key(name: str) -> str:
    """Return a name in lower case and without zero padding."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", name.lower())
