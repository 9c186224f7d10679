"""Names and colors of classes 0, 1, ..., checked."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import RequestError

_COLOR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


def parse_class_names(names: Any) -> tuple[str, ...]:
    """Return the names; RequestError unless they are different strings."""
    parsed = _strings("names", names)
    if "" in parsed or len({*parsed}) < len(parsed):
        raise RequestError(f"names={names!r}; names must differ, and none may be empty")
    return parsed


def parse_class_colors(colors: Any) -> tuple[str, ...]:
    """Return the colors in lower case; RequestError unless they are written as #rrggbb."""
    parsed = _strings("colors", colors)
    for color in parsed:
        if not _COLOR.fullmatch(color):
            raise RequestError(f"colors has {color!r}; a color must be written as '#rrggbb'")
    return tuple(color.lower() for color in parsed)


def check_each_class(what: str, given: Sequence[str], classes: Iterable[int]) -> None:
    """Raise RequestError if a class of a map has no name or no color among those given."""
    if given and (most := max(classes, default=-1)) >= len(given):
        raise RequestError(
            f"{what} has {len(given)} of the {most + 1} classes 0..{most} that the map gives; give "
            "one for each, and map codes to ignore to None"
        )


def describe_class(names: Sequence[str], k: int) -> str:
    """Return a class with its name, if it has one: "class 1 (thick cloud)"."""
    return f"class {k} ({names[k]})" if 0 <= k < len(names) else f"class {k}"


def _strings(what: str, given: Any) -> tuple[str, ...]:
    listed = isinstance(given, Sequence) and not isinstance(given, str)
    if not listed or not all(isinstance(entry, str) for entry in given):
        raise RequestError(
            f"{what}={given!r}; {what} must be a sequence of strings, one for each class from 0 on"
        )
    return tuple(given)
