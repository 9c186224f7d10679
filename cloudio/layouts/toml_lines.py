"""TOML with the line of each key, which tomllib does not give."""

import re
import tomllib
from pathlib import Path
from typing import Any

from .._utils.paths import not_found
from ..errors import LayoutError

# Keys, and numbers in lists, from the top of a file down.
KeyPath = tuple[str | int, ...]


def load(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return what a TOML file holds, and the line of each key; LayoutError if it is no TOML."""
    if not path.exists():
        raise not_found(path, "layout file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LayoutError.about(path, f"is not UTF-8: {error}") from None
    try:
        return tomllib.loads(text), _lines(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except ValueError as error:  # of Python, about numbers of thousands of digits
        raise LayoutError(f"{path}: {error}", path=path) from None


def _syntax_error(path: Path, text: str, message: str) -> LayoutError:
    """Return tomllib's message as an error with the line."""
    where = r"(.*) \(at (?:line (\d+), column \d+|end of document)\)"
    found = re.fullmatch(where, message, re.DOTALL)
    what, number = (found[1], found[2]) if found else (message, None)
    lines = text.splitlines() or [""]
    line = min(int(number or len(lines)), len(lines))
    return LayoutError.about(path, f"{what}: {lines[line - 1].strip()!r}", line=line)


def _lines(text: str) -> dict[KeyPath, int]:
    """Return the line of each key.

    A statement is valid TOML by itself, and no part of it is.  So lines are joined until they are
    valid TOML; their keys are on these lines.
    """
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
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
            for key_path in _keys(values):
                found.setdefault((*table, *key_path), first)
    return found


def _header(values: Any, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the table that [a.b] or [[a]] opens; of an array of tables, with its number."""
    table: KeyPath = ()
    while values:
        ((key, values),) = values.items()
        table = (*table, key)
        if isinstance(values, list):
            counts[table] = counts.get(table, -1) + 1
            values = values[0]
        if table in counts:
            table = (*table, counts[table])
    return table


def _keys(values: Any) -> list[KeyPath]:
    """Return all keys of a value, from the top down."""
    if isinstance(values, dict):
        entries = list(values.items())
    elif isinstance(values, list):
        entries = list(enumerate(values))
    else:
        return []
    found: list[KeyPath] = []
    for key, value in entries:
        found += [(key,), *((key, *inner) for inner in _keys(value))]
    return found
