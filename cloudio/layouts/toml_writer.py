"""A layout as a TOML file, for people to read and for toml_reader.py to read back."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from .._utils.numbers import in_default_floats, is_whole
from .band import Band
from .labels import LabelMap
from .layout import Layout

_WIDTH = 100
# A larger float is written with an exponent, because its last digits mean nothing.
_EXACT = 1e15


@in_default_floats
def to_toml(layout: Layout) -> str:
    """Return the TOML of a layout; read back, it is an equal layout."""
    valid = layout.valid
    head = [
        f"name = {_text(layout.name)}",
        f"patch = {_list(layout.patch)}  # height, width",
        f"valid = {_list((valid.row, valid.col, *valid.size))}  # row, column, height, width",
    ]
    if layout.prefixes:
        head.append(f"prefixes = {_list(layout.prefixes, 'prefixes = ')}")
    parts = ["\n".join(head)]
    parts += ["\n".join(_arrays(list(alike))) for alike in _group_alike(layout.bands)]
    presets = {
        name: choices[0] if len(choices) == 1 else choices
        for name, choices in layout.presets.items()
    }
    for title, entries in (("presets", presets), ("aliases", layout.aliases)):
        if entries:
            parts.append("\n".join([f"[{title}]", *_entries(entries)]))
    for array, policies in layout.label_maps.items():
        for policy, label_map in policies.items():
            title = ".".join(map(_key, ("label_maps", array, policy)))
            parts.append("\n".join([f"[{title}]", *_entries(_policy(label_map))]))
    return "\n\n".join(parts) + "\n"


def _group_alike(bands: Iterable[Band]) -> Iterable[Iterable[Band]]:
    """Group neighbors that differ only in name, wavelength and, in one file, channel."""

    def common(band: Band) -> tuple[Band, bool, object]:
        one_file = band.channel is None or (band.file is not None and "{name}" not in band.file)
        rest = replace(band, name="", wavelength=None, channel=None, channels=None)
        return rest, band.wavelength is None, band.channels if one_file else band.name

    return (list(alike) for _, alike in groupby(bands, common))


def _arrays(bands: list[Band]) -> list[str]:
    """Return one [[arrays]]: the entries that bands share, and the lists of those that differ."""
    band, several = bands[0], len(bands) > 1
    entries: dict[str, Any] = {}
    if several:
        entries["names"] = [band.name for band in bands]
    else:
        entries["name"] = band.name
    if band.kind != "band":
        entries["kind"] = band.kind
    entries["dtype"] = band.dtype
    if band.file is not None:
        entries["file"] = band.file
    channels = [band.channel for band in bands]
    if len(channels) == band.channels and channels == list(range(band.channels)):
        entries["stacked"] = True
    elif band.channels is not None:
        entries["channels"] = band.channels
        entries["channel"] = channels if several else band.channel
    if band.channel_axis != "first":
        entries["channel_axis"] = band.channel_axis
    if band.is_native:
        entries["repeat"] = band.repeat
    if band.phase != 0:
        entries["phase"] = band.phase
    if band.exceptions is not None:
        entries["exceptions"] = band.exceptions
    entries |= _scaling(band)
    if band.nodata is not None:
        entries["nodata"] = band.nodata
    if band.unit is not None:
        entries["unit"] = band.unit
    waves = [band.wavelength for band in bands if band.wavelength is not None]
    if waves:
        entries |= {"wavelengths": waves} if several else {"wavelength": waves[0]}
    return ["[[arrays]]", *_entries(entries)]


def _scaling(band: Band) -> dict[str, Any]:
    """Return scale and offset, or scale_factor and add_offset; without those that are usual."""
    entries: dict[str, Any] = {}
    if band.scale_factor is not None:
        entries["scale_factor"] = band.scale_factor
    if band.add_offset is not None:
        entries["add_offset"] = band.add_offset
    if entries:
        return entries
    if band.scale != 1:
        entries["scale"] = "unknown" if band.scale is None else band.scale
    if band.offset:
        entries["offset"] = band.offset
    return entries


def _policy(label_map: LabelMap) -> dict[str, Any]:
    named = {"names": label_map.names, "colors": label_map.colors}
    return _codes(label_map) | {key: entries for key, entries in named.items() if entries}


def _codes(label_map: LabelMap) -> dict[str, Any]:
    if found := label_map.as_threshold:
        at, top = found
        return {"threshold": at} | ({} if top == 100 else {"top": top})
    more = {} if label_map.unlisted is None else {"unlisted": label_map.unlisted}
    if fields := label_map.fields:
        return {"fields": [_bit_field(field) for field in fields]} | more
    listed = {str(code): "ignore" if to is None else to for code, to in label_map.classes.items()}
    return {"classes": listed} | more


def _bit_field(field: Mapping[str, Any]) -> dict[str, Any]:
    return {**field, "class": "ignore" if field["class"] is None else field["class"]}


# ---- values --------------------------------------------------------------------------------------


def _entries(entries: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value, f'{_key(key)} = ')}" for key, value in entries.items()]


def _value(value: Any, before: str = "") -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_entries(value))} }}" if value else "{}"
    if isinstance(value, (tuple, list)):
        return _list(value, before)
    whole = is_whole(value) or (float(value).is_integer() and abs(value) < _EXACT)
    return repr(int(value) if whole else float(value))


def _list(values: Iterable[Any], before: str = "") -> str:
    """Return a list on one line, or on several where it is too long."""
    words = [_value(value) for value in values]
    if len(line := f"[{', '.join(words)}]") + len(before) <= _WIDTH:
        return line
    lines = ["["]
    for word in words:
        if lines[-1] == "[" or len(lines[-1]) + len(word) + 2 > _WIDTH:
            lines.append("   ")
        lines[-1] += f" {word},"
    return "\n".join([*lines, "]"])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, and TOML escapes one more character.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(x if x.isprintable() else _escape(ord(x)) for x in quoted)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
