"""TOML with the line of each key, which tomllib does not give."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._utils.files import read_whole
from .._utils.numbers import in_default_floats
from .._utils.paths import exists, not_found
from .._utils.text import not_utf8, shown
from ..errors import LayoutError

# A layout of 1,000 arrays, each with all of its keys, has 300,000 bytes.
_MOST_BYTES = 4 << 20
# Brackets in brackets, and parts of a key; the format needs four.
_DEEPEST = 16
# A string that does not end goes on to the end of its line or of the text.
_TOKEN = re.compile(
    r"""(?P<strings>\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\Z)|'{3}(?:[^']|'(?!''))*+(?:'{3,5}|\Z)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*+"?|'[^'\n]*+'?|\#[^\n]*+)"""
    r"""|(?P<dot>\.)|(?P<mark>[\[\]{},=])|(?P<end>\n)""",
    re.DOTALL,
)

# Keys without quotes, with a value or as the name of a table.
_KEYS = r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+"
_PLAIN = re.compile(rf"[ \t]*({_KEYS})[ \t]*+=")
_PLAIN_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEYS})[ \t]*+\]")

# Keys, and numbers in lists, from the top of a file down.
KeyPath = tuple[str | int, ...]


@in_default_floats
def load(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return what a TOML file holds, and the line of each key; LayoutError if it is no TOML.

    What is in a list or in { } may be left out: it has the line of the key.
    """
    if not exists(path):
        raise not_found(path, "layout file")
    content = read_whole(path, _MOST_BYTES)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LayoutError.about(path, not_utf8(error)) from None
    statements = list(_statements(path, text))
    try:
        return tomllib.loads(text), _lines(statements)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except ValueError as error:  # of Python, about numbers of thousands of digits
        raise LayoutError(f"{path}: {error}", path=path) from None


def _syntax_error(path: Path, text: str, message: str) -> LayoutError:
    """Return tomllib's message as an error with the line."""
    where = r"(.*) \(at (?:line (\d+), column \d+|end of document)\)"
    found = re.fullmatch(where, message, re.DOTALL)
    what, number = (found[1], found[2]) if found else (message, None)
    lines = text.removesuffix("\n").split("\n")
    line = min(int(number or len(lines)), len(lines))
    statement = lines[line - 1].strip()
    hint = _syntax_hint(text, statement)
    return LayoutError.about(path, f"{what}: {shown(statement, 300)}{hint}", line=line)


def _syntax_hint(text: str, line: str) -> str:
    """Return what is probably meant by a line that is not TOML."""
    if len(line) > 300:
        return ""
    if text.lstrip().startswith("{") or re.match(r"-?\s*[\w-]+\s*:(\s|$)", line):
        return "; this is not TOML: write key = value, as docs/layouts.md shows"
    key, _, value = (part.strip() for part in line.partition("="))
    value = value.partition("#")[0].strip()
    if not value:
        return ""
    if value.count('"') % 2 or value.count("'") % 2:
        return "; a closing quote is missing"
    if value.startswith("{") and "}" not in value:
        return "; a table in { } must be on one line"
    if re.fullmatch(r"[+-]?\d+,\d+", value):
        return f"; write a decimal point: {key} = {value.replace(',', '.')}"
    if value.lower() in ("nan", "inf", "true", "false", "-nan", "-inf"):
        return f"; TOML has it in lower case: {key} = {value.lower()}"
    if value in ("None", "null", "NULL"):
        return f'; TOML has no {value}: leave {key} out, or write scale = "unknown"'
    if re.fullmatch(r"[A-Za-z_][\w.*{}/ -]*", value):
        return f'; text needs quotes: {key} = "{value}"'
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ""
    return f"; {key} is there twice"


# ---- lines ---------------------------------------------------------------------------------------


def _statements(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with its first line: keys with their values, and [tables].

    A statement ends where a line ends outside of strings and brackets.  LayoutError if brackets or
    keys are nested deeper than in any layout; tomllib's time grows with the square of that.
    """
    begin, first, line = 0, 1, 1
    depth = n_dots = 0
    for token in _TOKEN.finditer(text):
        kind, mark = token.lastgroup, token.group()
        if kind == "strings":
            line += mark.count("\n")
        elif kind == "dot":
            n_dots += 1
        elif kind == "mark":
            depth += (mark in "[{") - (mark in "]}")
            n_dots = 0
        else:  # the end of a line
            line += 1
            n_dots = 0
            if depth <= 0:
                yield first, text[begin : token.end()]
                begin, first, depth = token.end(), line, 0
        if depth > _DEEPEST or n_dots > _DEEPEST:
            raise LayoutError.about(path, f"is nested more than {_DEEPEST} deep", line=line)
    yield first, text[begin:]


def _lines(statements: Iterable[tuple[int, str]]) -> dict[KeyPath, int]:
    """Return the line of each key, from statements that are valid TOML, each by itself."""
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for first, text in statements:
        if plain := _PLAIN.match(text):  # as most are; the parser takes longer
            keys = plain[1].split(".")
            for n in range(1, len(keys) + 1):
                found.setdefault((*table, *keys[:n]), first)
        elif text.lstrip().startswith("["):
            table = _table(*_header(text), counts)
            for n in range(1, len(table) + 1):
                found.setdefault(table[:n], first)
        else:
            for key_path in _keys(tomllib.loads(text)):
                found.setdefault((*table, *key_path), first)
    return found


def _header(text: str) -> tuple[list[str], bool]:
    """Return the keys of [a.b] or [[a.b]], and whether it is the latter."""
    if plain := _PLAIN_HEADER.match(text):
        return plain[2].split("."), plain[1] == "[["
    keys, values = list[str](), tomllib.loads(text)
    while isinstance(values, dict) and values:
        ((key, values),) = values.items()
        keys.append(key)
    return keys, isinstance(values, list)


def _table(keys: Sequence[str], is_list: bool, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the table that a header opens; in an array of tables, with its number."""
    table: KeyPath = ()
    for k, key in enumerate(keys, 1):
        table = (*table, key)
        if is_list and k == len(keys):
            counts[table] = counts.get(table, -1) + 1
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
