"""Layouts, tables, headers, manifests, results and states that somebody may have written to harm.

Valid ones with odd values, and then with bytes that are changed, moved or repeated.  Run as a
script it goes on for as long as it is told: ``python hostile_files.py SECONDS [SEED]``.
"""

import copy
import json
import pickle
import random
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import cloudio
from cloudio import CloudioError, Layout, stats
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml
from cloudio.loading.state import check_state
from cloudio.storage.headers.npy import read_header
from cloudio.storage.metadata.csv_file import MetadataFile
from cloudio.storage.metadata.table import MetadataTable
from cloudio.verification.manifest_diff import compare
from cloudio.verification.manifest_reader import read_manifest

CHECKSUM = "cloudio.scan 1, 64 bits of each patch"
ODD = (
    *(0, 1, -1, 2, 255, 256, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63) - 1, 10**30),
    *(0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), True, False),
    *("", "a", "../x", "/etc/passwd", "a\0b", "*/*/*", "{name}", "[", "\x1b[2J", "\u202e"),
    "x" * 2000,
    *("ignore", "unknown", "uint8", "float32", "int16", "band", "label", "-1", "9" * 18, "\ud800"),
    *([], [[]], [1, 2], ["a", "b"], [None], {}, {"a": 1}, {"": {}}, {"1": "ignore"}, None),
)  # fmt: skip


def change_values(rng, value, odds=0.06):
    """Return a value with some of its parts replaced, removed or repeated."""
    if rng.random() < odds:
        return copy.deepcopy(rng.choice(ODD))
    if isinstance(value, dict):
        entries = [(k, change_values(rng, v, odds)) for k, v in value.items()]
        entries = [e for e in entries if rng.random() > odds / 2]
        if rng.random() < odds:
            entries.append((str(rng.choice(ODD)), rng.choice(ODD)))
        return dict(entries)
    if isinstance(value, list):
        parts = [change_values(rng, v, odds) for v in value]
        if parts and rng.random() < odds:
            parts += [rng.choice(parts)] * rng.choice((1, 2, 50))
        return parts
    return value


def change_bytes(rng, content, marks):
    """Return bytes with a few places changed, cut out, repeated, or with a mark put in."""
    content = bytearray(content)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at, n = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 8, 40))
        what = rng.randrange(5)
        if what == 0:
            del content[at : at + n]
        elif what == 1:
            content[at:at] = content[at : at + n] * rng.choice((1, 3, 300))
        elif what == 2:
            content[at:at] = rng.choice(marks) * rng.choice((1, 1, 2, 2000))
        elif what == 3 and at < len(content):
            content[at] = rng.randrange(256)
        else:
            to = rng.randrange(len(content) + 1)
            content[to:to] = content[at : at + n]
    return bytes(content)


# ---- layouts -------------------------------------------------------------------------------------

LAYOUT = {
    "name": "x",
    "patch": [4, 4],
    "valid": [0, 0, 4, 4],
    "prefixes": ["L1_"],
    "arrays": [
        {"name": "a", "dtype": "uint8", "scale": 0.5, "nodata": 0, "unit": "dB", "wavelength": 490},
        {"names": ["L1_b", "L1_c"], "dtype": "int16", "file": "s*.dat", "stacked": True},
        {"name": "d", "dtype": "uint8", "file": "{name}.dat", "channel": 1, "channels": 3},
        {"name": "e", "dtype": "int16", "scale_factor": 0.1, "add_offset": 5.0},
        {"name": "l", "kind": "label", "dtype": "uint8"},
        {"name": "q", "kind": "label", "dtype": "uint16"},
    ],
    "presets": {"p": ["a", "e"], "two": [["L1_b"], ["a"]]},
    "aliases": {"other": "a"},
    "label_maps": {
        "l": {
            "one": {"classes": {"0": 0, "1": 1, "9": "ignore"}, "names": ["c", "d"]},
            "two": {"threshold": 40, "top": 100},
            "three": {"classes": ["c", "d"], "colors": ["#000000", "#ffffff"]},
        },
        "q": {"bits": {"fields": [{"bits": [8, 9], "equals": 3, "class": 1}], "unlisted": 0}},
    },
}
_TOML_MARKS = (
    *(b"[", b"]", b"{", b"}", b'"', b"'", b'"""', b"'''", b"#", b"\n", b"\r\n", b"=", b".", b","),
    *(b"\\", b"a.", b"\x00", b"\xff", b"1979-05-27T07:32:00Z", b"0xff", b"1e400", b"[[arrays]]\n"),
)


def as_toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return text.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(k)} = {as_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return "[]" if value is None else repr(value)


def layout_bytes(rng):
    values = change_values(rng, LAYOUT, rng.choice((0, 0.01, 0.06)))
    lines = []
    for key, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, list) and value and all(isinstance(x, dict) for x in value):
            for entry in value:
                lines += [f"[[{key}]]", *(f"{as_toml(k)} = {as_toml(v)}" for k, v in entry.items())]
        else:
            lines.insert(0, f"{as_toml(key)} = {as_toml(value)}")
    return change_bytes(rng, "\n".join(lines).encode(), _TOML_MARKS)


def use_layout(path):
    (path / "cloudio.toml").rename(path / "l.toml")
    layout = Layout.from_toml(path / "l.toml")
    layout_digest(layout)
    pickle.loads(pickle.dumps(layout))
    again = path / "again.toml"
    again.write_text(to_toml(layout), encoding="utf-8")
    assert Layout.from_toml(again) == layout
    (path / "a.dat").write_bytes(bytes(64))
    (path / "s1.dat").write_bytes(bytes(256))
    (path / "d.dat").write_bytes(bytes(192))
    ds = cloudio.open(path, layout=layout)
    repr(ds), ds._repr_html_(), ds.warnings
    for name in ds.names:
        array = ds.open_arrays(name)
        assert array[0].file.n_bytes <= 256
    for name in ds.names:
        ds.reader([name], scale=None)
    ds.close()


# ---- metadata.csv --------------------------------------------------------------------------------

_CSV_MARKS = (b",", b'"', b"\n", b"\r", b"\r\n", b'""', b" ", b";", b"\t", b"\x00", b"\xff", b"9")
_FIELDS = (
    *("1", "-7", "0.5", "1e400", "inf", "nan", "NA", "", "abc", "2019-06-01", "2019-13-01", "007"),
    *("9999-12-31T23:59:59.999999999Z", "1677-09-21T00:12:43.145224193", "0000-01-01"),
    *("2020-02-30 10:00+14:00", "2020-01-01T10:00-15:00", '"a,b"', '"a\nb"', '"a""b"', "9" * 400),
    *("0001-01-01T00:00-14:00", "9999-12-31T23:59+14:00", "2262-04-11T23:47:16.854775808"),
    *("Ü", "\u202e", "x" * 1500, "1" * 19),
)


def table_bytes(rng):
    n = rng.choice((1, 2, 3, 8))
    names = rng.sample(("index", "date", "cloud coverage", "roi_id", "", "a", "\u202e", "Z"), n)
    one_kind = [rng.choices(_FIELDS, k=rng.choice((1, 2))) for _ in names]
    rows = [[rng.choice(kind) for kind in one_kind] for _ in range(rng.choice((0, 1, 2, 9, 40)))]
    text = rng.choice(("\n", "\r\n", "\r")).join(",".join(row) for row in [names, *rows])
    return change_bytes(rng, text.encode() + b"\n" * rng.randrange(2), _CSV_MARKS)


def use_table(path):
    file = MetadataFile.inspect(path / "metadata.csv")
    columns = MetadataTable([file]).columns(file.names)
    assert all(len(column) == file.n_rows for column in columns.values())


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


def header_bytes(rng):
    entries = [
        ("'descr'", rng.choice(_DESCRS[:2] if rng.random() < 0.7 else _DESCRS)),
        ("'fortran_order'", rng.choice(("False", "False", "True", "0", "None"))),
        ("'shape'", rng.choice(_SHAPES[:2] if rng.random() < 0.7 else _SHAPES)),
    ]
    if rng.random() < 0.1:
        entries.append((rng.choice(("3", "'x'", "None", "()")), "4"))
    rng.shuffle(entries)
    text = "{" + ", ".join(f"{k}: {v}" for k, v in entries) + ", }"
    text = change_bytes(rng, text.encode(), _NPY_MARKS)
    text += b" " * (-(len(text) + 10) % 64)
    version = rng.choice((1, 1, 1, 2, 3, 4))
    length = rng.choice((len(text), len(text), len(text), 2**16 - 1, 2**32 - 1, 0))
    width = "<H" if version == 1 else "<I"
    size = struct.pack(width, min(length, 2**16 - 1) if version == 1 else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(rng.choice((0, 32, 64)))


def use_header(path):
    header = read_header(path / "a.npy")
    assert header.needed == header.size == (path / "a.npy").stat().st_size
    assert all(type(n) is int and n >= 0 for n in header.shape)


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


def manifest_bytes(rng):
    changed = change_values(rng, MANIFEST, rng.choice((0, 0.02, 0.06)))
    return change_bytes(rng, json.dumps(changed).encode(), _JSON_MARKS)


def use_manifest(path):
    for finding in compare(read_manifest(path / "m.json", "x"), MANIFEST, (), path):
        repr(finding)


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
)


def result_bytes(rng):
    changed = change_values(rng, rng.choice(RESULTS), rng.choice((0, 0.02, 0.06)))
    return change_bytes(rng, json.dumps(changed).encode(), _JSON_MARKS)


def use_result(path):
    result = stats.load(path / "r.json")
    with np.errstate(all="ignore"):
        str(result), repr(result), result._repr_html_()
    (path / "r.json").write_text(result.json(), encoding="utf-8")
    assert stats.load(path / "r.json") == result


STATE = {
    "version": 1,
    "seed": 0,
    "shuffle": 1,
    "patches": 8,
    "crops_per_patch": 1,
    "replacement": 0,
    "weights": 0,
    "data": 7,
    "epoch": 3,
    "position": 4,
}


def state_bytes(rng):
    return pickle.dumps(change_values(rng, STATE, rng.choice((0.02, 0.1))))


def use_state(path):
    state = pickle.loads((path / "state").read_bytes())
    epoch, position = check_state(state, STATE, 8)
    assert 0 <= epoch < 2**63
    assert 0 <= position <= 8


# ---- running -------------------------------------------------------------------------------------

#: What makes a file of each kind, the name of that file, and what reads and uses it.
KINDS = {
    "layout": (layout_bytes, "cloudio.toml", use_layout),
    "table": (table_bytes, "metadata.csv", use_table),
    "header": (header_bytes, "a.npy", use_header),
    "manifest": (manifest_bytes, "m.json", use_manifest),
    "result": (result_bytes, "r.json", use_result),
    "state": (state_bytes, "state", use_state),
}


def try_one(kind, content, folder):
    """Return whether the content is accepted; errors of cloudio refuse it, others are raised."""
    _, name, use = KINDS[kind]
    for left in folder.iterdir():
        left.unlink()
    (folder / name).write_bytes(content)
    try:
        use(folder)
    except CloudioError as error:
        if len(str(error)) > 20_000:
            raise AssertionError("an endless message") from None
        return False
    return True


def main(seconds, seed=0):
    warnings.simplefilter("ignore")
    counts = {kind: [0, 0, 0, 0.0] for kind in KINDS}  # tried, accepted, findings, slowest
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        while time.monotonic() < end:
            for kind, (make, *_) in KINDS.items():
                seed += 1
                content = make(random.Random(f"{kind} {seed}"))
                begin, count = time.perf_counter(), counts[kind]
                try:
                    count[1] += try_one(kind, content, Path(name))
                except Exception as error:
                    count[2] += 1
                    if count[2] < 4:
                        print(kind, seed, type(error).__name__, str(error)[:200], flush=True)
                count[0] += 1
                count[3] = max(count[3], time.perf_counter() - begin)
    for kind, (tried, accepted, found, slowest) in counts.items():
        print(f"{kind}: {tried:,} tried, {accepted:,} accepted, {found} findings, {slowest:.3f} s")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
