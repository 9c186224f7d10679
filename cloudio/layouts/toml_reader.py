"""Layouts from TOML files: what the keys mean.  docs/layouts.md has the format.

Every fault is told with its line and key.  What a layout itself must be is proved by layout.py;
how one is written is toml_writer.py's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._utils.numbers import is_real, is_whole
from ..errors import LayoutError, RequestError
from .band import Band, EntryError, LayoutFile, Window
from .labels import LabelMap
from .toml_lines import Kind, Place, Table, load


@dataclass(frozen=True)
class Description:
    """What a TOML file says of a layout: the values of its fields, and where each stands."""

    fields: Mapping[str, Any]
    file: LayoutFile
    _whole: Table
    _places: Mapping[str, Place]  # of each array's table

    def fault(self, error: EntryError) -> LayoutError:
        """The error, with the file, line and key of the entry that it is about."""
        at: Place = () if error.array is None else self._places[error.array]
        return self._whole.fault(f"{error.key}: {error}", *at, error.key)


def read(path: Path) -> Description:
    """The description in a TOML file; LayoutError with file, line and key where there is none."""
    values, lines = load(path)
    whole = Table(path, lines, (), values, "a layout")
    given = whole.checked(_LAYOUT, ("name", "patch", "arrays"))
    bands: list[Band] = []
    places: dict[str, Place] = {}
    for k, values in enumerate(given["arrays"]):
        table = whole.inner("arrays", k, title="[[arrays]]", values=values)
        made = _bands(table)
        bands += made
        key = "names" if "names" in table.values else "name"
        for band in made:
            if band.name in places:
                raise table.fault(f"{band.name} is in the layout twice", key)
            places[band.name] = table.at
    names = {band.name: band.kind for band in bands}
    fields = {
        "name": given["name"],
        "patch": tuple(given["patch"]),
        "valid": Window(*given.get("valid", (0, 0, *given["patch"]))),
        "bands": tuple(bands),
        "presets": _presets(whole, given.get("presets", {}), names),
        "label_maps": _label_maps(whole, given.get("label_maps", {}), names),
        "aliases": _aliases(whole, given.get("aliases", {}), names),
        "prefixes": tuple(given.get("prefixes", ())),
    }
    lines_of = {(name, key): whole.line(*at, key) for name, at in places.items() for key in _ARRAY}
    return Description(fields, LayoutFile(path.absolute(), lines_of), whole, places)


# ---- keys ----------------------------------------------------------------------------------------


def _is_text(x: Any) -> bool:
    return isinstance(x, str) and x != ""


def _are(one: Callable[[Any], bool], x: Any, n: int | None = None) -> bool:
    return isinstance(x, list) and all(map(one, x)) and (len(x) == n if n else x != [])


_TEXT: Kind = _is_text, "a text"
_TEXTS: Kind = lambda x: _are(_is_text, x), "a list of texts"
_NUMBER: Kind = is_real, "a number"
_WHOLE: Kind = is_whole, "a whole number"
_TABLE: Kind = lambda x: isinstance(x, dict), "a table"
_CLASS: Kind = lambda x: is_whole(x) or x == "ignore", "a class, or 'ignore',"

_LAYOUT: dict[str, Kind] = {
    "name": _TEXT,
    "patch": (lambda x: _are(is_whole, x, 2), "[height, width]"),
    "valid": (lambda x: _are(is_whole, x, 4), "[row, column, height, width]"),
    "prefixes": _TEXTS,
    "arrays": (lambda x: _are(_TABLE[0], x), "a list of tables, [[arrays]],"),
    "presets": _TABLE,
    "aliases": _TABLE,
    "label_maps": _TABLE,
}
_ARRAY: dict[str, Kind] = {
    "name": _TEXT,
    "names": _TEXTS,
    "kind": (lambda x: x in ("band", "label"), "'band' or 'label'"),
    "dtype": _TEXT,
    "scale": (lambda x: is_real(x) or x == "unknown", "a number, or 'unknown',"),
    "offset": _NUMBER,
    "nodata": _NUMBER,
    "wavelength": _NUMBER,
    "wavelengths": (lambda x: _are(is_real, x), "a list of numbers"),
    "file": _TEXT,
    "stacked": (lambda x: isinstance(x, bool), "true or false"),
    "channel": (
        lambda x: is_whole(x) or _are(is_whole, x),
        "a whole number, or of names one each,",
    ),
    "channels": _WHOLE,
}
_POLICY: dict[str, Kind] = {
    "classes": _TABLE,
    "unlisted": _CLASS,
    "threshold": _WHOLE,
    "top": _WHOLE,
}


# ---- arrays --------------------------------------------------------------------------------------


def _bands(table: Table) -> list[Band]:
    """The arrays of one [[arrays]]."""
    given = table.checked(_ARRAY, ("dtype",))
    if ("name" in given) == ("names" in given):
        said = "both 'name' and 'names'" if "name" in given else "neither 'name' nor 'names'"
        raise table.fault(f"[[arrays]] has {said}; one of them is needed", "names")
    several = "names" in given
    names: list[str] = given["names"] if several else [given["name"]]
    ours, theirs = ("wavelengths", "wavelength") if several else ("wavelength", "wavelengths")
    if theirs in given:
        raise table.fault(
            f"{theirs} with {'names' if several else 'name'}; {ours} is meant", theirs
        )
    waves = given.get(ours, [None] * len(names))
    waves = _each(table, ours, waves if several or ours not in given else [waves], names)
    channels, numbers = _channels(table, given, names)
    scale = given.get("scale", 1.0)
    nodata = given.get("nodata")
    return [
        Band(
            name,
            kind=given.get("kind", "band"),
            dtype=given["dtype"],
            scale=None if scale == "unknown" else float(scale),
            nodata=None if nodata is None else float(nodata),
            wavelength=None if wave is None else float(wave),
            offset=float(given.get("offset", 0)),
            file=given.get("file"),
            channel=number,
            channels=channels,
        )
        for name, wave, number in zip(names, waves, numbers, strict=True)
    ]


def _channels(
    table: Table, given: Mapping[str, Any], names: Sequence[str]
) -> tuple[int | None, Sequence[int | None]]:
    """How many channels the file has, and which of them each array is."""
    stacked = given.get("stacked", "channel" in given or "channels" in given)
    if not stacked:
        for key in ("channel", "channels"):
            if key in given:
                raise table.fault(f"{key} with stacked = false; it is of a stacked file", key)
        return None, [None] * len(names)
    if "channel" not in given:
        if "channels" in given and given["channels"] != len(names):
            raise table.fault(
                f"channels = {given['channels']}, of which {len(names)} have names; 'channel', "
                "which says which, is needed",
                "channels",
            )
        numbers: Sequence[int] = range(len(names))
    else:
        if "channels" not in given:
            raise table.fault("channel without 'channels', which is needed", "channel")
        numbers = given["channel"]
        numbers = _each(table, "channel", [numbers] if is_whole(numbers) else numbers, names)
    if len(names) > 1 and ("file" not in given or "{name}" in given["file"]):
        raise table.fault(
            "names that are stacked are in one file; 'file' without {name} is needed", "file"
        )
    return given.get("channels", len(names)), numbers


def _each(table: Table, key: str, given: Any, names: Sequence[str]) -> Any:
    if len(given) != len(names):
        raise table.fault(f"{key} has {len(given)} entries; there are {len(names)} names", key)
    return given


# ---- what is said of arrays ----------------------------------------------------------------------


def _known(whole: Table, name: str, names: Mapping[str, str], *at: str | int) -> str:
    if name not in names:
        raise whole.fault(f"{'.'.join(map(str, at))}: no array {name!r} in [[arrays]]", *at)
    return name


def _presets(
    whole: Table, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, tuple[tuple[str, ...], ...]]:
    kind: Kind = (
        lambda x: _are(_is_text, x) or _are(_TEXTS[0], x),
        "a list of names, or several such lists,",
    )
    presets = {}
    for preset, bands in given.items():
        whole.need(kind, bands, "presets", preset)
        choices = [bands] if isinstance(bands[0], str) else bands
        presets[preset] = tuple(
            tuple(_known(whole, name, names, "presets", preset) for name in choice)
            for choice in choices
        )
    return presets


def _aliases(whole: Table, given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {
        alias: _known(whole, whole.need(_TEXT, name, "aliases", alias), names, "aliases", alias)
        for alias, name in given.items()
    }


def _label_maps(
    whole: Table, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, dict[str, LabelMap]]:
    maps: dict[str, dict[str, LabelMap]] = {}
    for array, policies in given.items():
        at = "label_maps", array
        if names[_known(whole, array, names, *at)] != "label":
            raise whole.fault(f"{'.'.join(at)}: {array} is a band; kind = 'label' is needed", *at)
        whole.need(_TABLE, policies, *at)
        maps[array] = {}
        for policy, values in policies.items():
            whole.need(_TABLE, values, *at, policy)
            title = f"[label_maps.{array}.{policy}]"
            maps[array][policy] = _label_map(whole.inner(*at, policy, title=title, values=values))
    return maps


def _label_map(table: Table) -> LabelMap:
    given = table.checked(_POLICY)
    if ("classes" in given) == ("threshold" in given):
        said = "both" if "classes" in given else "neither"
        raise table.fault(
            f"{table.title} has {said} 'classes' and 'threshold'; one of them is needed"
            if said == "both"
            else f"{table.title} has neither 'classes' nor 'threshold'; one of them is needed"
        )
    odd = "unlisted" if "threshold" in given else "top"
    if odd in given:
        other = "classes" if odd == "unlisted" else "threshold"
        raise table.fault(f"{odd} goes with '{other}', which {table.title} has not", odd)
    if "threshold" in given:
        try:
            return LabelMap.threshold(given["threshold"], top=given.get("top", 100))
        except RequestError as error:
            raise table.fault(str(error), "threshold") from None
    classes: dict[int, int | None] = {}
    for code, to in given["classes"].items():
        if not re.fullmatch(r"-?\d{1,18}", code, re.ASCII):
            raise table.fault(f"classes: code {code!r}; a whole number is needed", "classes", code)
        if int(code) in classes:
            raise table.fault(f"classes: code {int(code)} is there twice", "classes", code)
        classes[int(code)] = _class(table.need(_CLASS, to, "classes", code))
    return LabelMap(classes, unlisted=_class(given.get("unlisted", "ignore")))


def _class(given: Any) -> int | None:
    return None if given == "ignore" else given
