"""Manifests: the sizes and checksums of every array, as JSON, and what has changed since."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.files import check_writable, write_file
from ..errors import RequestError
from ..reading.scan import CHECKSUM
from ..storage.discovery import METADATA_CSV, Split
from .files import file_name, metadata_file
from .report import Finding, finding

_FORMAT = "cloudio manifest 1"
_ENTRY = {"split": str, "folder": str, "file": str, "bytes": int}
_ARRAY = _ENTRY | {"array": str, "dtype": str, "patches": int, "checksums": str}

Sums = Mapping[tuple[str, str], np.ndarray]


def describe(root: Path, layout: str, splits: Sequence[Split], sums: Sums) -> dict[str, Any]:
    """What a manifest says of arrays; their ``checksums`` are 16 digits a patch, where known."""
    from .._version import __version__

    arrays = [
        {
            "split": split.name,
            "folder": split.folder.relative_to(root).as_posix(),
            "array": name,
            "file": (split.folder.relative_to(root) / file_name(array, split.folder)).as_posix(),
            "bytes": array.start + math.prod(array.shape) * array.dtype.itemsize,
            "dtype": array.dtype.newbyteorder("<").str,
            "patches": array.shape[0],
            "checksums": _hex(sums.get((split.name, name))),
        }
        for split in splits
        for name, array in split.arrays.items()
    ]
    return {
        "format": _FORMAT,
        "checksum": CHECKSUM,
        "layout": layout,
        "written by": {"cloudio": __version__, "numpy": np.__version__},
        "arrays": arrays,
        "metadata": [_of_csv(root, split) for split in splits if split.metadata],
    }


def _of_csv(root: Path, split: Split) -> dict[str, Any]:
    path = metadata_file(split)
    written = path.read_bytes()
    return {
        "split": split.name,
        "folder": split.folder.relative_to(root).as_posix(),
        "file": path.relative_to(root).as_posix(),
        "bytes": len(written),
        "sha256": hashlib.sha256(written).hexdigest(),
    }


def _hex(sums: np.ndarray | None) -> str:
    return "" if sums is None else sums.astype(">u8").tobytes().hex()


def write(path: Path, manifest: Mapping[str, Any], *, force: bool = False) -> None:
    """Write a manifest, all of it or nothing; of a link, what it leads to.

    Arrays without checksums, which could not be read, are left out.  FileExistsError where a file
    is there by now, without ``force``.
    """
    manifest = {**manifest, "arrays": [e for e in manifest["arrays"] if e["checksums"]]}
    write_file(path, json.dumps(manifest, indent=1) + "\n", force=force)


def check_target(path: Path, *, force: bool = False, against: Path | None = None) -> None:
    """Find out before a long pass whether a manifest can be written, and replaces nothing else.

    ``against``: the one that is compared with, which is not to be lost; ``force``: others may be.
    """
    if against is not None and _same(path, against):
        raise RequestError(
            f"manifest={os.fspath(path)!r} is what is compared with; name another file"
        )
    check_writable(path, force=force)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return one.resolve() == other.resolve()


def read(path: Path, layout: str) -> dict[str, Any]:
    """A manifest of a data set of that layout; RequestError where it is none."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8
        raise RequestError(f"{path} is no manifest: {error}") from None
    if not isinstance(held, dict) or not str(held.get("format", "")).startswith("cloudio manifest"):
        raise RequestError(f"{path} is no manifest; cloudio verify --manifest FILE writes one")
    if held["format"] != _FORMAT:
        raise RequestError(f"{path} is a {held['format']!r}; this cloudio reads {_FORMAT!r}")
    if held.get("checksum") != CHECKSUM:
        raise RequestError(
            f"{path} has checksums of {held.get('checksum')!r}; this cloudio has {CHECKSUM!r}: "
            "compare with the version that wrote it, or write a new one"
        )
    if held.get("layout") != layout:
        raise RequestError(f"{path} is of the layout {held.get('layout')!r}, not {layout!r}")
    for what, entry in (("arrays", _ARRAY), ("metadata", _ENTRY | {"sha256": str})):
        if fault := _entries_fault(held.get(what), entry):
            raise RequestError(f"{path}: {what}{fault}")
    return held


def _entries_fault(entries: Any, types: Mapping[str, type]) -> str | None:
    if not isinstance(entries, list):
        return " is missing, or no list"
    keys: set[tuple[str, str]] = set()
    for k, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return f"[{k}] is no entry"
        for key, kind in types.items():
            value = entry.get(key)
            if not isinstance(value, kind) or isinstance(value, bool):
                return f"[{k}] has no {key!r} that is {kind.__name__}"
            if isinstance(value, int) and value < 0:
                return f"[{k}] has {value} {key}"
        if "checksums" in types and not _are_sums(entry["checksums"], entry["patches"]):
            return f"[{k}]: checksums are no 16 digits a patch"
        if _key(entry) in keys:
            return f"[{k}]: {' '.join(_key(entry))} is there twice"
        keys.add(_key(entry))
    return None


def _are_sums(digits: str, n_patches: int) -> bool:
    return 0 < len(digits) == 16 * n_patches and set(digits) <= set("0123456789abcdef")


def compare(
    before: Mapping[str, Any], now: Mapping[str, Any], known: Sequence[Finding], root: Path
) -> Iterator[Finding]:
    """What is not as it was, of files in ``root`` about which nothing is ``known`` yet."""
    told = {(f.split, f.file) for f in known if f.severity == "error" or f.check == "missing"}
    told |= {(f.split, METADATA_CSV) for f in known if f.check == "no-metadata"}
    for what in ("arrays", "metadata"):
        old, new = ({_key(entry): entry for entry in held[what]} for held in (before, now))
        for key, entry in old.items():
            if not told.isdisjoint([(entry["split"], _below(entry)), key]):
                continue
            if key in new:
                yield from _compare(entry, new[key])
            elif what == "arrays" or not (root / entry["file"]).exists():
                yield finding(
                    "manifest-missing", entry["split"], _below(entry), (), "it is not there"
                )
        for key, entry in new.items():
            if key not in old:
                yield finding("manifest-new", entry["split"], _below(entry), (), "it is new")


def _key(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["split"], entry.get("array", METADATA_CSV)


def _below(entry: Mapping[str, Any]) -> str:
    """The file as findings name it, below the folder of its split."""
    return str(entry["file"]).removeprefix(f"{entry['folder']}/")


def _compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    split, file = new["split"], _below(new)
    for key in ("bytes", "dtype", "sha256"):
        if old.get(key) != new.get(key):
            check = "manifest-bytes" if key == "sha256" else "manifest-size"
            words = {
                "bytes": f"{new['bytes']:,} bytes; there were {old['bytes']:,}",
                "dtype": f"{new.get('dtype')}; it was {old.get('dtype')}",
                "sha256": "other bytes",
            }
            yield finding(check, split, file, (), words[key])
            return
    one, two = (np.frombuffer(bytes.fromhex(e.get("checksums", "")), ">u8") for e in (old, new))
    if not len(two):  # not read
        return
    if len(one) != len(two):
        what = f"{len(two):,} patches; there were {len(one):,}"
        yield finding("manifest-size", split, file, (), what)
    elif len(patches := np.flatnonzero(one != two)):
        yield finding("manifest-bytes", split, file, patches, "other bytes")
