"""Tables of a TOML file, checked key by key."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._utils.text import shown, suggest
from ..errors import LayoutError
from .toml_lines import KeyPath

# A test of a value, and the words for it in a message.
Requirement = tuple[Callable[[Any], bool], str]
# Of a string; names are much shorter.
_MOST_CHARACTERS = 1000


class Table:
    """One table of a TOML file; its errors name the file and the line."""

    def __init__(
        self, path: Path, lines: Mapping[KeyPath, int], at: KeyPath, values: Any, title: str
    ) -> None:
        self._path, self._lines = path, lines
        self.at, self.values, self.title = at, values, title

    def array_name(self, name: str, names: Collection[str], *at: str | int) -> str:
        """Return the name; LayoutError if it is not in ``names``."""
        if name not in names:
            key, hint = ".".join(map(str, at)), suggest(name, names)
            raise self.error(f"{key}: [[arrays]] has no array {shown(name)}{hint}", *at)
        return name

    def inner(self, *at: str | int, title: str, values: Any) -> "Table":
        """Return a table in this one."""
        return Table(self._path, self._lines, (*self.at, *at), values, title)

    def line(self, *at: str | int) -> int:
        """Return the line of a key; of a missing key the line of its table."""
        key_path = (*self.at, *at)
        while key_path and key_path not in self._lines:
            key_path = key_path[:-1]
        return self._lines.get(key_path, 1)

    def error(self, message: str, *at: str | int) -> LayoutError:
        """Return the error of a key of this table."""
        return LayoutError.about(self._path, message, line=self.line(*at))

    def require(self, requirement: Requirement, value: Any, *at: str | int) -> Any:
        """Return the value of a key; LayoutError if it fails the test."""
        key = ".".join(map(str, at))
        if any(len(text) > _MOST_CHARACTERS for text in _texts(value)):
            message = f"{key} has a string of more than {_MOST_CHARACTERS:,} characters"
            raise self.error(message, *at)
        if not requirement[0](value):
            raise self.error(f"{key} = {shown(value, 300)}; {key} must be {requirement[1]}", *at)
        return value

    def check(self, keys: Mapping[str, Requirement], needed: Sequence[str] = ()) -> dict[str, Any]:
        """Return the values; LayoutError if a key is unknown, wrong, or missing."""
        for key, value in self.values.items():
            if key not in keys:
                hint = self._explain(key, keys) or suggest(key, keys)
                message = f"unknown key {shown(key)}; {self.title} has {', '.join(keys)}{hint}"
                raise self.error(message, key)
            self.require(keys[key], value, key)
        for key in needed:
            if key not in self.values:
                raise self.error(f"{self.title} needs the key {key!r}{self._explain_missing(key)}")
        return dict(self.values)

    def _explain(self, key: str, keys: Collection[str]) -> str:
        """Return what may be meant by a key that the table does not have."""
        if "classes" in keys and re.fullmatch(r"-?\d+", key):  # [label_maps.ARRAY.classes]
            policy = f"label_maps.{self.at[1]}" if len(self.at) > 1 else "label_maps.ARRAY"
            return (
                f"; codes belong to the classes of a policy: write [{policy}.map], and below it "
                "classes = { 0 = 0, 1 = 1 }"
            )
        if self.at[:1] == ("arrays",) and key in ("patch", "valid", "prefixes"):
            return f"; write {key} above the first [[arrays]]"
        return ""

    def _explain_missing(self, key: str) -> str:
        """Return where a missing key of the layout stands: below the header of another table."""
        for at, line in self._lines.items():
            if not self.at and key != "name" and at[0] == "arrays" and at[-1] == key:
                return f"; that of line {line} is below [[arrays]]: write it above"
        return ""


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings of a value, those of keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
