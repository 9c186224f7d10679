"""Labels that are pictures of colors: the class of each color, and its name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..._utils.json_files import read_json
from ..._utils.numbers import is_whole
from ..._utils.paths import exists, local_path, not_found
from ..._utils.text import counted, listed, shown
from ...errors import RequestError
from ...layouts.toml_lines import load
from ...storage.metadata.csv_file import read_columns

Color = tuple[int, int, int]
_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_NUMBERS = re.compile(r"\(?\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*\)?")
_MOST_CODE = 65535
_COLUMNS = {"r": "red", "g": "green", "b": "blue"}
_FORM = 'such as {"255,0,0": 1, "#0000ff": 2}'
# Formats that change colors when they are saved.
_LOSSY = (".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class ColorTable:
    """The code of each color, and names of codes."""

    codes: Mapping[Color, int]
    names: Mapping[int, str]

    @classmethod
    def of(cls, entries: Iterable[tuple[Any, Any, Any]], where: str) -> Self:
        """Return the table of colors, codes and names, None for none; RequestError if one is wrong.

        ``where`` is what messages begin with.
        """
        codes: dict[Color, int] = {}
        names: dict[int, str] = {}
        for color, code, name in entries:
            rgb = _parse_color(color, where)
            number = _parse_code(code, color, where)
            if codes.setdefault(rgb, number) != number:
                raise RequestError(
                    f"{where} gives {_show(rgb)} two classes, {codes[rgb]} and {number}"
                )
            if name not in (None, "") and names.setdefault(number, str(name)) != str(name):
                both = f"{names[number]!r} and {str(name)!r}"
                raise RequestError(f"{where} gives the class {number} two names, {both}")
        if not codes:
            raise RequestError(f"{where} has no colors; it must give the class of each, {_FORM}")
        return cls(codes, names)

    def codes_of(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """Return the codes of (3, row, column) colors, in the smallest type that holds all codes.

        RequestError, which names the file, if a pixel has a color that is not in the table.
        """
        known = np.array([_packed(color) for color in self.codes], np.uint32)
        order = np.argsort(known)
        known = known[order]
        most = max(self.codes.values())
        codes = np.array([*self.codes.values()], np.uint8 if most < 256 else np.uint16)[order]
        packed = _pack(pixels)
        place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
        wrong = known[place] != packed
        if wrong.any():
            raise RequestError.about(path, _unlisted_message(packed[wrong], path))
        found: np.ndarray = codes[place]
        return found


def read_classes(classes: Mapping[Any, Any] | str | Path) -> dict[str, ColorTable]:
    """Return the tables of colors by label, "" for all labels, from a mapping or a file.

    A mapping has a color as its key, (255, 0, 0), "255,0,0" or "#ff0000", and as its value the
    class: a number, or a number and a name, (1, "water").  Or it maps labels to such mappings.  A
    CSV file has the columns r, g, b and class, and may have name.  A JSON file has a list of such
    records, or a mapping; a TOML file a mapping, or a list of such tables.  RequestError if
    anything is wrong.
    """
    if not isinstance(classes, (Mapping, str, Path)):
        raise RequestError(
            f"classes is of type {type(classes).__name__}; it must be a mapping, {_FORM}, or a file"
        )
    if isinstance(classes, Mapping):
        return _from_mapping(classes, "classes")
    path = local_path(classes, "classes")
    if not exists(path):
        raise not_found(path, "file of classes")
    suffix, where = path.suffix.lower(), f"classes: {path}"
    if suffix == ".csv":
        columns = read_columns(path)
        records = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        return {"": ColorTable.of(_from_records(records, where), where)}
    if suffix == ".json":
        held = read_json(path, "is no JSON of classes")
    elif suffix == ".toml":
        held, _ = load(path)
    else:
        raise RequestError(f"{where} has the ending {suffix!r}; it must be .csv, .json or .toml")
    if isinstance(held, Mapping) and len(held) == 1:  # the name of a list, as [[classes]] in TOML
        (value,) = held.values()
        is_list = isinstance(value, list) and all(isinstance(x, Mapping) for x in value)
        held = value if is_list else held
    if isinstance(held, list):
        return {"": ColorTable.of(_from_records(held, where), where)}
    return _from_mapping(held, where)


def _from_mapping(held: Any, where: str) -> dict[str, ColorTable]:
    if not isinstance(held, Mapping):
        raise RequestError(f"{where} is {shown(held)}; it must be a mapping, {_FORM}")
    inner = [isinstance(value, Mapping) and "class" not in value for value in held.values()]
    if held and all(inner):
        return {
            str(label): ColorTable.of(_pairs(value), f"{where}, {label}")
            for label, value in held.items()
        }
    return {"": ColorTable.of(_pairs(held), where)}


def _pairs(held: Mapping[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for color, value in held.items():
        if isinstance(value, Mapping):
            yield color, value.get("class"), value.get("name")
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            yield color, *value
        else:
            yield color, value, None


def _from_records(records: Sequence[Any], where: str) -> Iterator[tuple[Any, Any, Any]]:
    for record in records:
        if not isinstance(record, Mapping):
            raise RequestError(
                f"{where} has the entry {shown(record)}; it must have r, g, b and class"
            )
        color = record.get("color")
        if color is None:
            color = tuple(record.get(short, record.get(long)) for short, long in _COLUMNS.items())
        if "class" not in record or (isinstance(color, tuple) and None in color):
            raise RequestError(
                f"{where} has {listed(record) or 'no columns'}; it must have r, g, b and class, "
                "and may have name"
            )
        yield color, record["class"], record.get("name")


def _parse_color(given: Any, where: str) -> Color:
    parts: Sequence[Any] = ()
    if isinstance(given, str):
        if match := _HEX.fullmatch(given.strip()):
            parts = [int(digits, 16) for digits in match.groups()]
        elif match := _NUMBERS.fullmatch(given.strip()):
            parts = match.groups()
    elif isinstance(given, (tuple, list)):
        parts = given
    numbers = [_whole(part) for part in parts]
    if len(numbers) != 3 or not all(n is not None and 0 <= n <= 255 for n in numbers):
        raise RequestError(
            f"{where} has the color {shown(given)}; a color is (255, 0, 0), '255,0,0' or '#ff0000'"
        )
    red, green, blue = (int(n) for n in numbers if n is not None)
    return red, green, blue


def _parse_code(given: Any, color: Any, where: str) -> int:
    code = _whole(given)
    if code is None or not 0 <= code <= _MOST_CODE:
        raise RequestError(
            f"{where} gives {shown(color)} the class {shown(given)}; a class is a whole number "
            f"from 0 to {_MOST_CODE}"
        )
    return code


def _whole(given: Any) -> int | None:
    """Return a whole number that is given as such or as text; None if it is none."""
    if isinstance(given, str):
        text = given.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return int(given) if is_whole(given) else None


# ---- colors of pixels ----------------------------------------------------------------------------


def colors_message(pixels: np.ndarray) -> str:
    """Return what to do with a label of colors whose classes are not known."""
    found, counts = _counted_colors(_pack(pixels))
    colors = [
        f"{_show(color)} in {counted(n, 'pixel')}" for color, n in zip(found, counts, strict=True)
    ]
    return (
        f"is a label of colors, {listed(colors)}; classes= (--classes) gives the number of each, "
        'such as {"255,0,0": 1}, or a CSV file with the columns r,g,b,class,name'
    )


def colors_of_palette(pixels: np.ndarray, palette: np.ndarray, path: Path) -> np.ndarray:
    """Return (3, row, column) colors of numbers of a palette; RequestError if it has no such."""
    if (most := int(pixels.max())) >= len(palette):
        reason = f"has pixels of {most}, and a palette of {counted(len(palette), 'color')}"
        raise RequestError.about(path, f"{reason}; save it again with all of its colors")
    return np.moveaxis(palette[pixels], -1, 0)


def _unlisted_message(packed: np.ndarray, path: Path) -> str:
    found, counts = _counted_colors(packed)
    (color, n), more = (found[0], counts[0]), len(found) - 1
    others = f" and {counted(more, 'other color')}" if more else ""
    advice = "add it to them"
    if path.suffix.lower() in _LOSSY:
        advice = "this format changes colors: save labels as PNG or TIFF"
    return (
        f"has the color {_show(color)} in {counted(n, 'pixel')}{others}, which classes= "
        f"(--classes) does not list; {advice}"
    )


def _counted_colors(packed: np.ndarray) -> tuple[list[Color], list[int]]:
    """Return the colors of pixels, the most frequent first, and the number of each."""
    values, counts = np.unique(packed, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    colors = [(x >> 16, x >> 8 & 255, x & 255) for x in values[order].tolist()]
    return colors, counts[order].tolist()


def _pack(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = pixels.astype(np.uint32)
    packed: np.ndarray = red << 16 | green << 8 | blue
    return packed


def _packed(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _show(color: Color) -> str:
    return f"({color[0]}, {color[1]}, {color[2]})"
