"""Layouts from TOML files; docs/layouts.md has the format.

Every error names the line and the key.  layout.py checks the layout itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LayoutError
from .band import Band, EntryError, LayoutFile, Window
from .toml_arrays import read_arrays
from .toml_keys import LAYOUT_KEYS, TEXT, TEXTS, is_list_of, is_text
from .toml_label_maps import read_label_maps
from .toml_lines import KeyPath, load
from .toml_table import Requirement, Table

# Each is compared with the files of a folder.
_MOST_ARRAYS = 10_000


@dataclass(frozen=True)
class Description:
    """The contents of a layout's TOML file: the values of the fields, and their lines."""

    fields: Mapping[str, Any]
    file: LayoutFile
    _layout: Table
    _tables: Mapping[str, KeyPath]  # where the table of each array is

    def locate(self, error: EntryError) -> LayoutError:
        """Return the error with the file, line and key of the entry that it is about."""
        at: KeyPath = () if error.array is None else self._tables[error.array]
        return self._layout.error(f"{error.key}: {error}", *at, error.key)


def read(path: Path) -> Description:
    """Return the description in a TOML file; LayoutError, with line and key, if it is wrong."""
    values, lines = load(path)
    layout = Table(path, lines, (), values, "a layout")
    given = layout.check(LAYOUT_KEYS, ("name", "patch", "arrays"))
    bands, tables = _arrays(layout, given["arrays"])
    names = {band.name: band.kind for band in bands}
    fields = {
        "name": given["name"],
        "patch": tuple(given["patch"]),
        "valid": Window(*given.get("valid", (0, 0, *given["patch"]))),
        "bands": tuple(bands),
        "presets": _presets(layout, given.get("presets", {}), names),
        "label_maps": read_label_maps(layout, given.get("label_maps", {}), names),
        "aliases": _aliases(layout, given.get("aliases", {}), names),
        "prefixes": tuple(given.get("prefixes", ())),
    }
    # "" has no line of its own, but that of the table.
    array_lines = {
        (name, key): layout.line("arrays", k, key)
        for name, (_, k) in tables.items()
        for key in ("", *given["arrays"][k])
    }
    return Description(fields, LayoutFile(path.absolute(), array_lines), layout, tables)


def _arrays(layout: Table, given: list[Any]) -> tuple[list[Band], dict[str, KeyPath]]:
    """Return the arrays, and where the table of each is."""
    bands: list[Band] = []
    tables: dict[str, KeyPath] = {}
    for k, values in enumerate(given):
        table = layout.inner("arrays", k, title="[[arrays]]", values=values)
        key = "names" if "names" in table.values else "name"
        for band in read_arrays(table):
            bands.append(band)
            if len(bands) > _MOST_ARRAYS:
                raise table.error(f"more than {_MOST_ARRAYS:,} arrays; a layout may have so many")
            if band.name in tables:
                raise table.error(f"{band.name} is in the layout twice", key)
            tables[band.name] = table.at
    return bands, tables


def _presets(
    layout: Table, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, tuple[tuple[str, ...], ...]]:
    names_or_lists: Requirement = (
        lambda x: is_list_of(is_text, x) or is_list_of(TEXTS[0], x),
        "a list of names, or several such lists",
    )
    presets = {}
    for preset, bands in given.items():
        layout.require(names_or_lists, bands, "presets", preset)
        choices = [bands] if isinstance(bands[0], str) else bands
        presets[preset] = tuple(
            tuple(layout.array_name(name, names, "presets", preset) for name in choice)
            for choice in choices
        )
    return presets


def _aliases(layout: Table, given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    aliases = {}
    for alias, name in given.items():
        layout.require(TEXT, name, "aliases", alias)
        aliases[alias] = layout.array_name(name, names, "aliases", alias)
    return aliases
