"""TOML with the line of each key, and tables checked key by key.

toml_reader.py knows what the keys mean.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LayoutError

# Keys, and numbers in lists, from the top of a file down.
Place = tuple[str | int, ...]
# What the value of a key must be, and how that is said.
Kind = tuple[Callable[[Any], bool], str]


def load(path: Path) -> "tuple[dict[str, Any], dict[Place, int]]":
    """What a TOML file holds, and the line of each key; LayoutError where it is no TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LayoutError(f"{path} is not UTF-8: {error}") from None
    try:
        return tomllib.loads(text), _lines(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(path, text, str(error)) from None
    except ValueError as error:  # of Python, about numbers of thousands of digits
        raise LayoutError(f"{path}: {error}") from None


def _syntax(path: Path, text: str, said: str) -> LayoutError:
    """What tomllib says, with the line it means."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", said, re.DOTALL)
    what, number = (found[1], found[2]) if found else (said, None)
    lines = text.splitlines() or [""]
    line = min(int(number or len(lines)), len(lines))
    return LayoutError(f"{path}, line {line}: {what}: {lines[line - 1].strip()!r}")


def _lines(text: str) -> dict[Place, int]:
    """The line on which each key of a TOML file stands.

    tomllib tells no lines of keys, but a statement, and nothing shorter, is TOML by itself: so
    lines are put together until they are, and what they then say is what stands there.
    """
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    pending, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        first = first if pending else number
        pending += line + "\n"
        try:
            values = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        statement, pending = pending.lstrip(), ""
        if statement.startswith("["):
            table = _header(values, counts)
            for n in range(1, len(table) + 1):
                found.setdefault(table[:n], first)
        else:
            for place in _keys(values):
                found.setdefault((*table, *place), first)
    return found


def _header(values: Any, counts: dict[Place, int]) -> Place:
    """The table that [a.b] or [[a]] opens; of an array of tables, with its number."""
    place: Place = ()
    while values:
        ((key, values),) = values.items()
        place = (*place, key)
        if isinstance(values, list):
            counts[place] = counts.get(place, -1) + 1
            values = values[0]
        if place in counts:
            place = (*place, counts[place])
    return place


def _keys(values: Any) -> list[Place]:
    inner = (
        values.items()
        if isinstance(values, dict)
        else enumerate(values)
        if isinstance(values, list)
        else ()
    )
    return [place for key, x in inner for place in ((key,), *((key, *p) for p in _keys(x)))]


class Table:
    """One table of the file, and how its faults are said."""

    def __init__(
        self, path: Path, lines: Mapping[Place, int], at: Place, values: Any, title: str
    ) -> None:
        self._path, self._lines = path, lines
        self.at, self.values, self.title = at, values, title

    def inner(self, *at: str | int, title: str, values: Any) -> "Table":
        return Table(self._path, self._lines, (*self.at, *at), values, title)

    def line(self, *at: str | int) -> int:
        """The line of a key; where it does not stand there, of what it would be in."""
        place = (*self.at, *at)
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def fault(self, message: str, *at: str | int) -> LayoutError:
        return LayoutError(f"{self._path}, line {self.line(*at)}: {message}")

    def need(self, kind: Kind, value: Any, *at: str | int) -> Any:
        if not kind[0](value):
            key = ".".join(map(str, at))
            raise self.fault(f"{key} = {value!r}; {kind[1]} is needed", *at)
        return value

    def checked(self, kinds: Mapping[str, Kind], needed: Sequence[str] = ()) -> dict[str, Any]:
        """The values, once every key is known and of its kind and none that is needed lacks."""
        for key, value in self.values.items():
            if key not in kinds:
                raise self.fault(f"no key {key!r}; {self.title} has {', '.join(kinds)}", key)
            self.need(kinds[key], value, key)
        for key in needed:
            if key not in self.values:
                raise self.fault(f"{self.title} has no {key!r}, which is needed")
        return dict(self.values)
