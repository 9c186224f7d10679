"""Layouts, tables, headers, manifests, results and states that somebody may have written to harm.

`PARSERS` has, for each kind, valid files to begin with, what changes them, and what reads and uses
them.  Changes keep the form of a file more often than not: they replace, move and repeat values,
keys and fields; others change bytes.  ``fuzzed_parsers.py`` tries millions of such files.
"""

import ast
import contextlib
import csv
import dataclasses
import datetime
import decimal
import fractions
import io
import json
import os
import pickle
import random
import shutil
import struct
import tempfile
import tomllib
import types
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

import cloudio
from cloudio import CloudioError, CloudioWarning, Layout, LayoutError, RequestError, stats
from cloudio.layouts import toml_lines
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml
from cloudio.storage.headers.npy import read_any_header, read_header
from cloudio.storage.metadata import csv_file
from cloudio.storage.metadata.csv_file import MetadataFile
from cloudio.storage.metadata.table import MetadataTable
from cloudio.storage.phases import PhaseFile
from cloudio.verification.manifest_diff import compare
from cloudio.verification.manifest_reader import read_manifest

CHECKSUM = "cloudio.scan 1, 64 bits of each patch"
ODD = (
    *(0, 1, -1, 2, 255, 256, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63) - 1, 10**30),
    *(10**309, 10**4000),
    *(0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), True, False),
    *("", "a", "../x", "/etc/passwd", "a\0b", "*/*/*", "{name}", "[", "\x1b[2J", "\u202e"),
    "x" * 2000,
    *("ignore", "unknown", "uint8", "float32", "int16", "band", "label", "-1", "9" * 18, "\ud800"),
    *([], [[]], [1, 2], ["a", "b"], [None], {}, {"a": 1}, {"": {}}, {"1": "ignore"}, None),
)  # fmt: skip


class Parser(NamedTuple):
    """What reads files of one kind."""

    name: str  # of the file
    refusal: type[CloudioError]
    seeds: tuple[bytes, ...]
    change: Callable[[random.Random, bytes], bytes]
    use: Callable[[Path], None]  # the folder with the file


# ---- changes -------------------------------------------------------------------------------------


def parts_of(value):
    """All values in a value, from the outermost to the innermost."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(part for each in inner for part in parts_of(each))]


class Words:
    """Values and keys that may be put into others: those of some values, and odd ones."""

    def __init__(self, values):
        self._parts = [part for value in values for part in parts_of(value)]
        self._keys = [key for part in self._parts if isinstance(part, dict) for key in part]

    def value(self, rng):
        return rng.choice(self._parts if self._parts and rng.random() < 0.5 else ODD)

    def key(self, rng):
        return (
            rng.choice(self._keys)
            if self._keys and rng.random() < 0.8
            else str(rng.choice(ODD[:-12]))
        )


def change_values(rng, value, words, odds):
    """Return a value with some of its parts replaced, removed, moved or repeated."""
    if rng.random() < odds:
        return words.value(rng)
    if isinstance(value, dict):
        entries = [(k, change_values(rng, v, words, odds)) for k, v in value.items()]
        entries = [entry for entry in entries if rng.random() > odds / 2]
        if rng.random() < 2 * odds:
            entries.append((words.key(rng), words.value(rng)))
        if rng.random() < odds:
            rng.shuffle(entries)
        return dict(entries)
    if isinstance(value, list):
        parts = [change_values(rng, v, words, odds) for v in value]
        parts = [part for part in parts if rng.random() > odds / 2]
        if parts and rng.random() < 2 * odds:
            parts += [rng.choice(parts)] * rng.choice((1, 1, 2, 50))
        return parts
    return value


def change_bytes(rng, content, marks):
    """Return bytes with a few places changed, cut out, repeated, or with a mark put in."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, n = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 8, 40))
        what = rng.randrange(5)
        if what == 0:
            del content[at : at + n]
        elif what == 1:
            content[at:at] = content[at : at + n] * rng.choice((1, 1, 3, 30))
        elif what == 2:
            content[at:at] = rng.choice(marks) * rng.choice((1, 1, 1, 1, 2, 2, 3, 20, 1000))
        elif what == 3 and at < len(content):
            content[at] = rng.randrange(256)
        else:
            to = rng.randrange(len(content) + 1)
            content[to:to] = content[at : at + n]
    return bytes(content)


def changer(read, write, seeds, marks):
    """Return what changes a file: about one of its values, or many, or its bytes."""
    words = Words(seeds)

    def change(rng, content):
        if rng.random() < 0.75:
            # Not what is deeper than these functions go.
            with contextlib.suppress(ValueError, RecursionError):
                value = read(content)
                odds = rng.choice((0, 1, 1, 1, 2, 5)) / (1 + len(parts_of(value)))
                return write(rng, change_values(rng, value, words, odds))
        return change_bytes(rng, content, marks)

    return change


# ---- layouts -------------------------------------------------------------------------------------

_HEAD = {"name": "x", "patch": [4, 4]}
LAYOUTS = (
    {
        **_HEAD,
        "valid": [0, 0, 4, 4],
        "prefixes": ["L1_"],
        "arrays": [
            {"name": "a", "dtype": "uint8", "scale": 0.5, "nodata": 0, "wavelength": 490},
            {"names": ["L1_b", "L1_c"], "dtype": "int16", "file": "s*.dat", "stacked": True},
        ],
        "presets": {"p": ["a"], "two": [["L1_b"], ["a"]]},
        "aliases": {"other": "a"},
    },
    {
        **_HEAD,
        "arrays": [
            {"name": "d", "dtype": "uint8", "file": "{name}.dat", "channel": 1, "channels": 3},
            {"name": "e", "dtype": "int16", "scale_factor": 0.1, "add_offset": 5.0, "unit": "dB"},
            {"names": ["f", "g"], "dtype": "float32", "wavelengths": [1, 2], "offset": -100},
        ],
    },
    {
        **_HEAD,
        "arrays": [{"name": "l", "kind": "label", "dtype": "uint8"}],
        "label_maps": {
            "l": {
                "one": {"classes": {"0": 0, "1": 1, "9": "ignore"}, "names": ["c", "d"]},
                "two": {"threshold": 40, "top": 100},
                "three": {"classes": ["c", "d"], "colors": ["#000000", "#ffffff"]},
            },
        },
    },
    {
        **_HEAD,
        "arrays": [{"name": "q", "kind": "label", "dtype": "uint16", "scale": "unknown"}],
        "label_maps": {
            "q": {"bits": {"fields": [{"bits": [8, 9], "equals": 3, "class": 1}], "unlisted": 0}},
        },
    },
    {
        **_HEAD,
        "valid": [0, 1, 3, 3],
        "arrays": [
            {"name": "a", "dtype": "uint8", "repeat": 2, "phase": "p{name}.npy"},
            {"name": "d", "dtype": "uint8", "repeat": [1, 3], "phase": [0, 2], "file": "d.dat"},
            {
                "names": ["f", "g"],
                "dtype": "int16",
                "repeat": 3,
                "phase": "p*.npy",
                "exceptions": "e/{name}.npy",
            },
        ],
    },
)
_TOML_MARKS = (
    *(b"[", b"]", b"{", b"}", b'"', b"'", b'"""', b"'''", b"#", b"\n", b"\r\n", b"=", b".", b","),
    *(b"\\", b"a.", b"\x00", b"\xff", b"1979-05-27T07:32:00Z", b"0xff", b"1e400", b"[[arrays]]\n"),
)


def as_toml(rng, value):
    """A value on the right of a key, in one of the forms that TOML has for it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, str):
        if rng.random() < 0.1 and value.isprintable() and "'" not in value:
            return f"'{value}'" if rng.random() < 0.5 else f"'''{value}'''"
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        text = text.encode("utf-8", "replace").decode()
        return f'""{text}""' if rng.random() < 0.05 else text
    if isinstance(value, dict):
        entries = (f"{as_toml_key(rng, k)} = {as_toml(rng, v)}" for k, v in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        between = rng.choice((", ", ",", ",\n  ", ", # and\n"))
        end = rng.choice(("", ",", "\n")) if value else ""
        return "[" + between.join(as_toml(rng, part) for part in value) + end + "]"
    if (
        isinstance(value, int)
        and value >= 0
        and (rng.random() < 0.05 or value.bit_length() > 13_000)
    ):
        return rng.choice((hex, oct, bin))(value)  # decimals of Python have 4,300 digits
    return "[]" if value is None else repr(value)


def as_toml_key(rng, key):
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    plain = json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
    plain = plain.encode("utf-8", "replace").decode()
    return key if bare and rng.random() < 0.9 else plain


def toml_lines_of(rng, values, table=()):
    """The lines of a table: its own keys, then tables and arrays of tables, or dotted keys."""
    own, below = [], []
    for key, value in values.items():
        at = (*table, as_toml_key(rng, key))
        if isinstance(value, dict) and value and rng.random() < 0.7:
            if rng.random() < 0.8:
                below += [f"[{'.'.join(at)}]", *toml_lines_of(rng, value, at)]
            else:
                own += [
                    f"{at[-1]}.{as_toml_key(rng, k)} = {as_toml(rng, v)}" for k, v in value.items()
                ]
        elif is_tables(value) and rng.random() < 0.9:
            for entry in value:
                below += [f"[[{'.'.join(at)}]]", *toml_lines_of(rng, entry, at)]
        else:
            own.append(f"{at[-1]} = {as_toml(rng, value)}")
    if rng.random() < 0.1:
        own.insert(rng.randrange(len(own) + 1), rng.choice(("", "# [x]", "\t# '''", " ")))
    return own + below


def is_tables(value):
    return isinstance(value, list) and value and all(isinstance(x, dict) for x in value)


def layout_bytes(rng, values):
    lines = toml_lines_of(rng, values) if isinstance(values, dict) else []
    return rng.choice(("\n", "\n", "\r\n")).join(lines).encode("utf-8", "replace")


def paths_of(value):
    """Where the keys and entries of a TOML file are."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield (key,)
        yield from ((key, *path) for path in paths_of(inner))


def use_layout(folder):
    content = (folder / "cloudio.toml").read_bytes()
    (folder / "cloudio.toml").rename(folder / "l.toml")
    of_content = zlib.crc32(content)
    if of_content % 4 == 0:
        values, lines = toml_lines.load(folder / "l.toml")
        n_lines = content.count(b"\n") + 1
        for path in paths_of(values):
            assert 1 <= lines.get(path, lines[path[:1]]) <= n_lines
    layout = Layout.from_toml(folder / "l.toml")
    layout_digest(layout)
    assert pickle.loads(pickle.dumps(layout)) == layout
    again = folder / "again.toml"
    again.write_text(to_toml(layout), encoding="utf-8")
    assert Layout.from_toml(again) == layout
    if of_content % 16 == 1:  # which takes longer
        open_with(layout, folder)


def open_with(layout, folder):
    (folder / "a.dat").write_bytes(bytes(64))
    (folder / "s1.dat").write_bytes(bytes(256))
    (folder / "d.dat").write_bytes(bytes(192))
    (folder / "l.dat").write_bytes(bytes(64))
    (folder / "pa.npy").write_bytes(npy_file(header_text("'|u1'", "(4, 2)"), 8))
    try:
        with cloudio.open(folder, layout=layout) as ds:
            repr(ds), ds._repr_html_(), ds.warnings
            for name in ds.names:
                assert ds.open_arrays(name)[0].file.n_bytes <= 256
            for name in ds.names:
                ds.reader([name], scale=None)
    except CloudioError:
        pass


# ---- metadata.csv --------------------------------------------------------------------------------

_CSV_MARKS = (b",", b'"', b"\n", b"\r", b"\r\n", b'""', b" ", b";", b"\t", b"\x00", b"\xff", b"9")
_FIELDS = (
    *("1", "-7", "0.5", "1e400", "inf", "nan", "NA", "", "abc", "2019-06-01", "2019-13-01", "007"),
    *("9999-12-31T23:59:59.999999999Z", "1677-09-21T00:12:43.145224193", "0000-01-01"),
    *("2020-02-30 10:00+14:00", "2020-01-01T10:00-15:00", '"a,b"', '"a\nb"', '"a""b"', "9" * 400),
    *("0001-01-01T00:00-14:00", "9999-12-31T23:59+14:00", "2262-04-11T23:47:16.854775808"),
    *("2019-06-01T10:00:00.123456789Z", "2019-06", "1e5", "+.5", "\u0661", "2019-06-01T10:20:30.5"),
    *("Ü", "\u202e", "x" * 1500, "1" * 19),
)
_NAMES = ("index", "date", "cloud coverage", "roi_id", "", "a", "\u202e", "Z")
TABLES = (
    b"index,date,roi_id\n0,2019-06-01,ROI_1\n1,2019-06-02,ROI_2\n",
    b'index,"a ""b""",c\r\n0,"x,y",1.5\r\n1,"x\r\ny",NA\r\n',
    b"\xef\xbb\xbfname,\nx,\ny,\n",
    b"date\n2019-06-01T10:20:30.123456Z\n\n2019-06-01 10:20+02:00\n",
    b"a, b\n1, 2\n3, 4\n",
)


def change_table(rng, content):
    """Fields, columns and rows, or bytes."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    except (ValueError, csv.Error):
        rows = []
    rows = [row for row in rows if row]
    if not rows or rng.random() < 0.4:
        return change_bytes(rng, content, _CSV_MARKS)
    what = rng.randrange(5)
    if what == 0:  # a column of one or two kinds
        kind = rng.choices(_FIELDS, k=rng.choice((1, 1, 2)))
        rows = [[*row, rng.choice(kind if k else _NAMES)] for k, row in enumerate(rows)]
    elif what == 1:
        rows = rows[: rng.choice((1, 2, 3))] + rows * rng.choice((1, 1, 2, 10))
    elif what == 2:
        at = rng.randrange(8)
        rows = [row[:at] + row[at + 1 :] for row in rows]
    else:
        row = rng.choice(rows)
        at = rng.randrange(len(row))
        row[at : rng.choice((at, at + 1, len(row)))] = rng.choices(_FIELDS, k=1)
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None))
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    if quoting is None:
        text = end.join(map(",".join, rows)) + rng.choice(("", end))
    else:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)
        text = file.getvalue()
    return text.encode()


def use_table(folder):
    path = folder / "metadata.csv"
    file = MetadataFile.inspect(path)
    read = file.read()
    columns = MetadataTable([file]).columns(file.names)
    assert all(len(column) == file.n_rows for column in columns.values())
    if (
        file.n_rows % 2 and path.stat().st_size < 100_000
    ):  # fields that are too long for the csv module
        rows = list(csv_file._rows(path))
        assert rows == [row for _, row in csv_file._numbered_rows(path)]
    # As a program that keeps to the rules writes it.
    with open(path, "w", encoding="utf-8", newline="") as again:
        csv.writer(again, quoting=csv.QUOTE_ALL).writerows(
            [read, *zip(*read.values(), strict=True)]
        )
    if file.names and "" not in file.names:
        assert MetadataFile.inspect(path).read() == read


# ---- .npy ----------------------------------------------------------------------------------------

_NPY_MARKS = (
    *(b"(", b")", b"[", b"{", b"'", b"-", b"+", b"~", b"L", b"*", b"1", b"9", b",", b":"),
    *(b"\\", b" "),
    *(b"not ", b"1+", b"None", b"True", b"lambda:", b"\x00", b"\xff", b"'descr': '<i2', "),
)  # fmt: skip
_SHAPES = (
    *("(2, 4, 4)", "(2, 4, 4,)", "(-1, 4, 4)", "(9223372036854775807, 9223372036854775807)"),
    *("()", "(True, 4)", "(2L, 4, 4)", "2", "(0, 99999999999999999999)", "[2, 4, 4]", "None"),
)
_DESCRS = (
    *("'<i2'", "'|u1'", "'>f4'", "'|O'", "[('a', '<i2')]", "'<U99999999999'", "'V0'", "3"),
    "'i4,i4'",
    *("[[[[[]]]]]", "('<i2', (2, 3))", "'M8[ns]'", "'<f2'", "{'names': ['a'], 'formats': ['i4']}"),
)  # fmt: skip


def npy_file(text, n_bytes, version=(1, 0), length=None):
    """A .npy file whose header is ``text``, padded as numpy does."""
    wide = version[0] > 1
    text += b" " * (-(len(text) + (12 if wide else 10)) % 64)
    length = min(len(text) if length is None else length, 2**32 - 1 if wide else 2**16 - 1)
    size = struct.pack("<I" if wide else "<H", length)
    return b"\x93NUMPY" + bytes(version) + size + text + bytes(n_bytes)


def header_text(descr="'<i2'", shape="(2, 4, 4)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()


HEADERS = (
    npy_file(header_text(), 64),
    npy_file(header_text("'|u1'"), 32, (2, 0)),
    npy_file(header_text("'<f4'", "(1, 2, 2)"), 16, (3, 0)),
    npy_file(header_text("'|i1'", "(2, 1, 4, 4)", "True"), 32),
    npy_file(header_text("[('a', '<i2'), ('b', '|u1', (2,))]", "(2L, 4L)"), 32),
)


def change_header(rng, content):
    """Entries of the header and the pixels behind it, or bytes."""
    wide = content[6:7] != b"\x01"
    begin = 12 if wide else 10
    length = int.from_bytes(content[8:begin], "little")
    text, n_bytes = content[begin : begin + length].rstrip(b" \n"), len(content) - begin - length
    what = rng.randrange(5)
    if what == 0 or n_bytes < 0:
        return change_bytes(rng, content, _NPY_MARKS)[:20_000]
    if what == 1:
        text = change_bytes(rng, text, _NPY_MARKS)[:20_000]
    elif what == 2:
        text = header_text(rng.choice(_DESCRS), rng.choice(_SHAPES), rng.choice(("False", "1")))
    elif what == 3:
        try:
            entries = ast.literal_eval(text.decode())
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            entries = {}
        text = repr(change_values(rng, entries, Words(()), 0.1)).encode("utf-8", "replace")
    n_bytes = rng.choice((n_bytes, n_bytes, 0, 16, 32, 64, 128))
    length = rng.choice((None, None, None, None, 0, 2**16 - 1, 2**32 - 1))
    version = rng.choice(((1, 0), (1, 0), (2, 0), (3, 0), (4, 0), (1, 1)))
    return npy_file(text, n_bytes, version, length)


def use_header(folder):
    path = folder / "a.npy"
    any_header = read_any_header(path)
    header = read_header(path)
    assert header == any_header
    assert header.needed == header.size == path.stat().st_size
    assert all(type(n) is int and n >= 0 for n in header.shape)
    # numpy reads what it writes of the same type and shape as the same array.
    np.save(folder / "b.npy", np.empty(header.shape, header.dtype))
    again = read_header(folder / "b.npy")
    assert (again.dtype, again.shape) == (header.dtype, header.shape)


PHASES = (
    npy_file(header_text("'<i4'", "(2, 2)"), 16),
    npy_file(header_text("'|u1'", "(2, 2)", "True"), 0) + bytes([0, 1, 1, 2]),
    npy_file(header_text("'<i8'", "(2, 2)"), 0) + struct.pack("<4q", 1, 2, -1, 0),
    npy_file(header_text("'>u8'", "(2, 2)"), 0) + struct.pack(">4Q", 1, 2, 0, 2**64 - 1),
)


def change_phases(rng, content):
    """The header, or the numbers."""
    if rng.random() < 0.5:
        return change_header(rng, content)
    return content[:-4] + bytes(rng.choice((0, 1, 2, 255)) for _ in range(4))


def use_phases(folder):
    table = PhaseFile.inspect(folder / "p.npy", (2, 3), 2, "train")
    for n in (0, 1):
        table = dataclasses.replace(table, n_exceptions=n, no_exceptions="there are none")
        rows, wrong = table.read(), table.wrong_patches(table.read())
        for k in range(2):
            place = None
            with contextlib.suppress(LayoutError):
                place = table.place(k)
            assert (place is None) == (k in wrong)
            if place is not None:
                assert -n <= place < 6
                assert rows[k].tolist() == ([-1, -1 - place] if place < 0 else [*divmod(place, 3)])
    assert table.places().dtype == np.int32


# ---- manifests, results and states ---------------------------------------------------------------

_ENTRY = {"split": "s", "folder": "s", "file": "s/a.dat", "bytes": 64}
MANIFEST = {
    "format": "cloudio manifest 1",
    "checksum": CHECKSUM,
    "layout": "x",
    "written by": {"cloudio": "1", "numpy": "2"},
    "arrays": [
        {**_ENTRY, "array": "a", "dtype": "<i2", "patches": 2, "checksums": "0f" * 16},
        {**_ENTRY, "array": "b", "dtype": "|u1", "patches": 1, "checksums": "a0" * 8},
    ],
    "metadata": [{**_ENTRY, "file": "s/metadata.csv", "sha256": "x"}],
}
_JSON_MARKS = (b"[", b"]", b"{", b"}", b'"', b",", b":", b"1", b"9", b"NaN", b"\\ud800", b"\xff")


def json_bytes(rng, value):
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")


def use_manifest(folder):
    manifest = read_manifest(folder / "m.json", "x")
    for finding in compare(manifest, MANIFEST, (), folder):
        repr(finding), str(finding)
    (folder / "m.json").write_text(json.dumps(manifest))
    assert read_manifest(folder / "m.json", "x") == manifest


_OF = {
    "layout": "x",
    "patch": [4, 4],
    "window": {"row": 0, "col": 0, "height": 4, "width": 4},
    "splits": {"train": 2},
    "index": "0123456789abcdef",
    "arrays": {"a": "int16"},
}
_MAP = {"classes": [[0, 0], [1, 1], [9, None]], "unlisted": None, "names": ["c", "d"]}
_CLASSES = {
    "kind": "ClassStats",
    "label": "l",
    "label_map": _MAP,
    "classes": [0, 1],
    "names": ["c", "d"],
    "per_patch": [[3, 4], [5, 6]],
    "ignored_per_patch": [0, 1],
    "of": _OF,
}
_BANDS = {
    "kind": "BandStats",
    "names": ["a"],
    "count": [3],
    "n_nodata": [0],
    "n_nan": [0],
    "min": [0.0],
    "max": [2.5],
    "mean": ["nan"],
    "std": ["inf"],
    "percents": [5.0, 95.0],
    "percentiles": [[0.0, 2.0]],
    "scale": [1.0],
    "offset": [0.0],
    "histograms": [[[0, 1, 2], [1, 1, 1]]],
    "of": _OF,
}
_PART = {**_OF, "covers": {"stored": {"train": 9}, "runs": [[0, 1], [7, 1]]}}
_FLOATS = {
    **_BANDS,
    "histograms": [None],
    "of": {**_PART, "arrays": {"a": "float32"}},
    "floats": [
        {
            "minimum": 0.0,
            "maximum": 2.5,
            "total": "7/2",
            "squares": "29/4",
            "upper": [[32768, 49024], [1, 2]],
        }
    ],
    "pending": ["a"],
}
_LOWER = {
    "kind": "LowerHalves",
    "names": ["a"],
    "upper": [[32768, 49024]],
    "keys": [[[2147483648, 3212836864], [1, 2]]],
    "of": _FLOATS["of"],
}
_AGREEMENT = {
    "kind": "Agreement",
    "source": "l",
    "reference": "q",
    "source_map": _MAP,
    "reference_map": _MAP,
    "names": ["c", "d"],
    "says": [True, True],
    "matrix": [[1, 2], [3, 4]],
    "per_patch": [[[1, 2], [3, 4]]],
    "ignored": 1,
    "ignored_by_reference": 1,
    "ignored_by_source": 0,
    "of": _OF,
}
RESULTS = (
    *(_CLASSES, _BANDS, _AGREEMENT),
    {"kind": "Several", "parts": {"l": _CLASSES, "q": _CLASSES, "a": _AGREEMENT}},
    *(_FLOATS, _LOWER, {**_CLASSES, "of": _PART}, {**_AGREEMENT, "per_patch": None, "of": _PART}),
)


def use_result(folder):
    result = stats.load(folder / "r.json")
    for part in (result, *(result.values() if isinstance(result, stats.ResultSet) else ())):
        str(part), repr(part), part._repr_html_()
        for name, value in vars(type(part)).items():
            if isinstance(value, property) and name != "balanced_per_patch":
                getattr(part, name)
    (folder / "r.json").write_text(result.json(), encoding="utf-8")
    assert stats.load(folder / "r.json") == result
    with contextlib.suppress(RequestError):
        stats.merge([result])


STATE = {
    "version": 1,
    "seed": 0,
    "shuffle": 1,
    "patches": 7,
    "crops_per_patch": 1,
    "replacement": 0,
    "weights": 0,
    "data": 7,
    "epoch": 3,
    "position": 4,
}
TORCH_STATE = {"version": 1, "seed": 0, "patches": 7, "epoch": 3}
#: What a state may hold that JSON has no words for.
_OBJECTS = {
    "<int64>": np.int64(3),
    "<uint64>": np.uint64(2**64 - 1),
    "<bool>": np.True_,
    "<array>": np.arange(3),
    "<one>": np.array(1),
    "<none>": np.array([], np.int64),
    "<strings>": np.array(["1"]),
    "<date>": np.datetime64("2019-06-01"),
    "<delta>": np.timedelta64(3, "D"),
    "<masked>": np.ma.masked,
    "<bytes>": b"x",
    "<complex>": 1j,
    "<decimal>": decimal.Decimal("NaN"),
    "<signaling>": decimal.Decimal("sNaN"),
    "<fraction>": fractions.Fraction(1, 3),
    "<huge>": 10**5000,
    "<object>": object(),
    "<tuple>": (1, 2),
    "<set>": {1},
    "<proxy>": types.MappingProxyType({"version": 1}),
}


def with_objects(value):
    """The value with objects for their names, as values and as keys."""
    if isinstance(value, dict):
        entries = ((with_objects(k), with_objects(v)) for k, v in value.items())
        return {k if k.__hash__ else str(k): v for k, v in entries}
    if isinstance(value, list):
        return [with_objects(part) for part in value]
    return _OBJECTS.get(value, value) if isinstance(value, str) else value


def state_bytes(rng, value):
    if isinstance(value, dict) and value and rng.random() < 0.3:
        value = {**value, rng.choice([*value]): rng.choice([*_OBJECTS])}
    return json_bytes(rng, value)


@cache
def resumable():
    """A loader, and a data set of torch where there is one, of seven patches; their states."""
    folder = tempfile.mkdtemp()
    (Path(folder) / "a.dat").write_bytes(bytes(7 * 16))
    layout = Layout("x", (4, 4), cloudio.Window(0, 0, 4, 4), (cloudio.Band("a", dtype="uint8"),))
    reader = cloudio.open(folder, layout=layout, io="pread").reader(["a"], size=2)
    loaders = [cloudio.Loader(reader, 2)]
    try:
        from cloudio.torch import Dataset
    except ImportError:
        pass
    else:
        loaders.append(Dataset(reader))
    shutil.rmtree(folder)
    return [(loader, loader.state_dict()) for loader in loaders]


def use_state(folder):
    """Every one of the loaders takes the state, or refuses it."""
    try:
        state = with_objects(json.loads((folder / "state").read_bytes()))
    except (ValueError, RecursionError):
        raise RequestError("not a state") from None
    refused, n_accepted = None, 0
    for loader, own in resumable():
        # A file that was written before knows no digest of these patches.
        if isinstance(state, dict) and type(state.get("data")) is int:
            state = {**state, **{key: own[key] for key in own if key == "data"}}
        try:
            loader.load_state_dict(state)
        except RequestError as error:
            refused = error
        else:
            n_accepted += 1
            again = loader.state_dict()
            assert all(type(number) is int for number in again.values())
            assert 0 <= again["epoch"] < 2**63
            loader.load_state_dict(again)
            assert loader.state_dict() == again
    if not n_accepted:
        raise refused


# ---- all of them ---------------------------------------------------------------------------------


def of_values(name, refusal, values, read, write, marks, use):
    rng = random.Random(0)
    seeds = tuple(write(rng, value) for value in values)
    return Parser(name, refusal, seeds, changer(read, write, values, marks), use)


def read_toml(content):
    return tomllib.loads(content.decode())


PARSERS = {
    "layout": of_values(
        "cloudio.toml", LayoutError, LAYOUTS, read_toml, layout_bytes, _TOML_MARKS, use_layout
    ),
    "table": Parser("metadata.csv", LayoutError, TABLES, change_table, use_table),
    "header": Parser("a.npy", LayoutError, HEADERS, change_header, use_header),
    "phases": Parser("p.npy", LayoutError, PHASES, change_phases, use_phases),
    "manifest": of_values(
        "m.json", RequestError, (MANIFEST,), json.loads, json_bytes, _JSON_MARKS, use_manifest
    ),
    "result": of_values(
        "r.json", RequestError, RESULTS, json.loads, json_bytes, _JSON_MARKS, use_result
    ),
    "state": of_values(
        "state", RequestError, (STATE, TORCH_STATE), json.loads, state_bytes, _JSON_MARKS, use_state
    ),
}


def some_file(kind, seed):
    """A file of a kind, drawn from a seed."""
    rng = random.Random(f"{kind} {seed}")
    content = rng.choice(PARSERS[kind].seeds)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        content = PARSERS[kind].change(rng, content)
    return content


def try_one(kind, content, folder):
    """Return whether a file is accepted.

    The error of its kind refuses it; others are raised, and so are warnings that are not ours.
    """
    parser = PARSERS[kind]
    for left in os.listdir(folder):
        os.unlink(folder / left)
    (folder / parser.name).write_bytes(content)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", CloudioWarning)
        try:
            parser.use(folder)
        except parser.refusal as error:
            if len(str(error)) > 20_000:
                raise AssertionError("an endless message") from None
            return False
        finally:
            for warning in warned:
                raise warning.message
    return True
