"""metadata.csv as text: its rows are counted when a data set is opened, its fields read later."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Self

from ..._utils.files import BufferedFile, open_bytes
from ..._utils.text import listed, not_utf8
from ...errors import LayoutError

METADATA_CSV = "metadata.csv"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# Rows and fields that are held as lists at a time, and bytes that are counted at a time.
_ROWS, _FIELDS = 4096, 1_000_000
_CHUNK = 4 << 20
# A million rows have 200 MB.  A line may hold the outline of a place.
_MOST_BYTES, _MOST_LINE, _MOST_COLUMNS = 4 << 30, 16 << 20, 65_536
# A field as the csv module reads it with skipinitialspace, and what ends it.
_FIELD = re.compile(r' *+(?:"([^"]*+(?:""[^"]*+)*+)"|(?!")([^,\r\n]*+))(,|\r\n?|\n|\Z)')
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """A metadata.csv: a header of ``names``, and ``n_rows`` rows that are read when needed."""

    path: Path
    names: tuple[str, ...]
    n_rows: int

    @classmethod
    def inspect(cls, path: Path) -> Self:
        """Return the file with its names and number of rows; LayoutError if its header is wrong.

        Rows of a wrong length are found by `read`.
        """
        names = _read_header(path)
        if not names:
            return cls(path, (), 0)
        if not names[-1]:  # only all fields show whether this is a column
            columns = read_columns(path)
            return cls(path, tuple(columns), len(next(iter(columns.values()))))
        return cls(path, tuple(names), count_rows(path))

    def read(self, names: Iterable[str] | None = None) -> dict[str, list[str]]:
        """Return columns as they are written; all of them, or those of ``names``.

        LayoutError if a row is wrong, or the columns or the number of rows have changed.
        """
        wanted = set(self.names if names is None else names)
        columns = read_columns(self.path, wanted)
        if lost := [name for name in self.names if name in wanted and name not in columns]:
            reason = (
                f"has no column {lost[0]!r}; it had one when the data set was opened. Open it again"
            )
            raise LayoutError.about(self.path, reason)
        for column in columns.values():
            if len(column) != self.n_rows:
                reason = (
                    f"has {len(column):,} rows; it had {self.n_rows:,} when the data set was "
                    "opened. Open it again"
                )
                raise LayoutError.about(self.path, reason)
        return columns


# ---- all fields ----------------------------------------------------------------------------------


def read_columns(path: Path, names: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Return columns of a CSV file as they are written, without blank lines.

    All of them, or those of ``names`` that the file has.  Left out are spaces after a comma and
    around a name, and a last column that is nothing but a comma at the end of each line.
    LayoutError, which names the line, if a row has more or fewer fields than the header, or where
    anything but commas separates columns.
    """
    rows = _rows(path)
    header = _check_names(path, next(rows, []))
    wanted = set(header if names is None else names)
    last = len(header) - 1 if len(header) > 1 and not header[-1] else None  # to be left out?
    columns = {k: list[str]() for k, name in enumerate(header) if name in wanted or k == last}
    n_rows = 0
    step = max(1, min(_ROWS, _FIELDS // max(1, len(header))))
    while some := list(islice(rows, step)):
        if set(map(len, some)) != {len(header)}:
            raise _wrong_length(path, len(header), n_rows, some)
        n_rows += len(some)
        for k, column in columns.items():
            column += [row[k] for row in some]
    if last is not None:
        if not any(columns[last]):
            del columns[last]
        else:
            _refuse_twice(path, header)
    return {header[k]: column for k, column in columns.items() if header[k] in wanted}


def _wrong_length(path: Path, n_fields: int, n_before: int, rows: list[list[str]]) -> LayoutError:
    """Return the error of the first of ``rows`` that has not ``n_fields``."""
    k, row = next((k, row) for k, row in enumerate(rows) if len(row) != n_fields)
    line, _ = next(islice(_numbered_rows(path), 1 + n_before + k, None))
    reason = f"{len(row)} fields, but the header has {n_fields}"
    return LayoutError.about(path, reason, line=line)


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield each row that is not blank, the header first."""
    n_rows = 0
    with open_bytes(path) as opened, _as_text(opened) as file:
        if not opened.size:  # those of /proc have bytes, but may have no end
            return
        lines = csv.reader(file, strict=True, skipinitialspace=True)
        try:
            for row in filter(None, lines):
                n_rows += 1
                yield row
            return
        except csv.Error as error:
            # The limit of a field is the same for all users of the module: it stays as it is.
            if "field limit" not in str(error):
                raise LayoutError.about(path, str(error), line=lines.line_num) from None
        except UnicodeDecodeError:
            pass  # the whole text has the line
    yield from (row for _, row in islice(_numbered_rows(path), n_rows, None))


def _numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that the csv module would, and their lines; fields may have any length."""
    try:
        with _open_text(path) as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise LayoutError.about(path, not_utf8(error)) from None
    position, line, row = 0, 1, list[str]()
    while position < len(text) or row:
        found = _FIELD.match(text, position)
        if found is None:
            raise LayoutError.about(path, "a quoted field does not end as it must", line=line)
        quoted, plain, end = found.groups()
        row.append(plain if quoted is None else quoted.replace('""', '"'))
        position = found.end()
        line += len(_LINE_END.findall(found.group()))
        if end != ",":
            if len(row) > 1 or found.group() != end:  # not a blank line
                yield line - bool(end), row
            row = []


def _open_text(path: Path) -> IO[str]:
    """Open the file; LayoutError if it is no regular file, which could have no end."""
    return _as_text(open_bytes(path))


def _as_text(file: BufferedFile) -> IO[str]:
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


# ---- the header and the number of rows -----------------------------------------------------------


def _read_header(path: Path) -> list[str]:
    with open_bytes(path) as file:
        size = file.size
        if not size:
            return []
        if size > _MOST_BYTES:
            reason = f"has {size:,} bytes; it may have {_MOST_BYTES:,}"
            raise LayoutError.about(path, reason)
        _check_line(path, file.readline(_MOST_LINE))
    return _check_names(path, next(_rows(path), []))


def _check_names(path: Path, header: list[str]) -> list[str]:
    """Return the names of a header; LayoutError if two are the same, or if it is but one field."""
    if len(header) > _MOST_COLUMNS:
        reason = f"has {len(header):,} columns; it may have {_MOST_COLUMNS:,}"
        raise LayoutError.about(path, reason)
    names = [name.strip() for name in header]
    for mark, separator in _SEPARATORS.items():
        if len(names) == 1 and mark in names[0]:
            reason = f"is separated by {separator} ({mark!r}); it must be separated by commas"
            raise LayoutError.about(path, reason)
    _refuse_twice(path, names if len(names) == 1 or names[-1:] != [""] else names[:-1])
    return names


def _refuse_twice(path: Path, names: list[str]) -> None:
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise LayoutError.about(path, f"has a column twice: {listed(map(repr, twice))}")


def count_rows(path: Path) -> int:
    """Return the number of rows below the header, blank lines aside.

    Bytes are counted, which takes a tenth of the time that the csv module needs.  Only that module
    knows what a quote within a field or after several spaces means, so it counts such files.
    """
    n_lines, is_open = 0, False  # is_open: a quoted field goes on
    with open_bytes(path) as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        # A chunk ends where a line ends, so that no quote is cut from what is before or after it.
        while chunk := file.read(_CHUNK) + _check_line(path, file.readline(_MOST_LINE)):
            text = chunk
            if b'"' in chunk or is_open:
                text, is_open = _collapse_quoted(chunk, is_open)
                n_usual = text.count(b',"') + text.count(b', "') + text.count(b'\n"')
                if text.count(b'"') != n_usual + text.startswith(b'"'):
                    return _count_read_rows(path)
            elif b"\r" in chunk:
                text = _plain_line_ends(chunk)
            lines = text.count(b"\n")
            if b"\n\n" in text or text.startswith(b"\n"):
                lines = sum(map(bool, text.split(b"\n")[:-1]))
            n_lines += lines
            is_last_line = not is_open and not text.endswith(b"\n")
            n_lines += is_last_line
    return _count_read_rows(path) if is_open else max(n_lines - 1, 0)


def _check_line(path: Path, line: bytes) -> bytes:
    """Return the line, or the rest of one; LayoutError if it is longer than any."""
    if len(line) == _MOST_LINE and not line.endswith(b"\n"):
        raise LayoutError.about(path, f"has a line of more than {_MOST_LINE:,} bytes")
    return line


def _collapse_quoted(chunk: bytes, is_open: bool) -> tuple[bytes, bool]:
    """Return a chunk with one quote for each quoted field, and whether the last field goes on."""
    parts = chunk.split(b'"')
    outside = [b"", *parts[1::2]] if is_open else parts[::2]
    is_open ^= len(parts) % 2 == 0
    text = _plain_line_ends(b'"'.join([*outside, b""] if is_open else outside))
    while b'""' in text:  # a quote that is written twice is one in the field
        text = text.replace(b'""', b'"')
    return text, is_open


def _plain_line_ends(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _count_read_rows(path: Path) -> int:
    names = _read_header(path)
    if not names:
        return 0
    return len(read_columns(path, names[:1])[names[0]])
