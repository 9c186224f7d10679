"""What has changed since a manifest was written."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.paths import exists
from ..storage.metadata.csv_file import METADATA_CSV
from .manifest import entry_key
from .report import Finding, make_finding


def compare(
    before: Mapping[str, Any], now: Mapping[str, Any], findings: Sequence[Finding], root: Path
) -> Iterator[Finding]:
    """Report what differs between two manifests of ``root``, except files with ``findings``."""
    reported = {
        (f.split, f.file) for f in findings if f.severity == "error" or f.check == "missing"
    }
    reported |= {(f.split, METADATA_CSV) for f in findings if f.check == "no-metadata"}
    for section in ("arrays", "metadata"):
        old, new = ({entry_key(e): e for e in manifest[section]} for manifest in (before, now))
        for key, entry in old.items():
            if not reported.isdisjoint([(entry["split"], _file_in_split(entry)), key]):
                continue
            if key in new:
                yield from _compare_entries(entry, new[key])
            elif section == "arrays" or not exists(root / entry["file"]):
                yield _entry_finding("manifest-missing", entry, "the file is missing")
        for key, entry in new.items():
            if key not in old:
                yield _entry_finding("manifest-new", entry, "the file is new")


def _compare_entries(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    if old["bytes"] != new["bytes"]:
        message = f"{new['bytes']:,} bytes; it had {old['bytes']:,}"
        yield _entry_finding("manifest-size", new, message)
    elif old.get("dtype") != new.get("dtype"):
        message = f"{new.get('dtype')}; it was {old.get('dtype')}"
        yield _entry_finding("manifest-size", new, message)
    elif old.get("sha256") != new.get("sha256"):
        yield _entry_finding("manifest-bytes", new, "other bytes")
    else:
        yield from _compare_checksums(old, new)


def _compare_checksums(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    before, now = (np.frombuffer(bytes.fromhex(e.get("checksums", "")), ">u8") for e in (old, new))
    if not len(now):  # not read
        return
    if len(before) != len(now):
        message = f"{len(now):,} patches; it had {len(before):,}"
        yield _entry_finding("manifest-size", new, message)
    elif len(patches := np.flatnonzero(before != now)):
        yield _entry_finding("manifest-bytes", new, "other bytes", patches.tolist())


def _entry_finding(
    check: str, entry: Mapping[str, Any], message: str, patches: Sequence[int] = ()
) -> Finding:
    return make_finding(check, entry["split"], _file_in_split(entry), patches, message)


def _file_in_split(entry: Mapping[str, Any]) -> str:
    """Return the file as findings name it, below the folder of its split."""
    return str(entry["file"]).removeprefix(f"{entry['folder']}/")
