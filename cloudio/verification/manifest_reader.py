"""Manifests that are read: every entry is validated."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._utils.json_files import read_json
from .._utils.paths import exists, is_folder, not_found
from .._utils.text import shown
from ..errors import RequestError
from ..reading.scan import CHECKSUM
from .manifest import FORMAT, entry_key

# Of a path; longer ones cannot be opened.
_MOST = 4096
_ENTRY = {"split": str, "folder": str, "file": str, "bytes": int}
_NO_DIGIT = re.compile("[^0-9a-f]")
_ARRAY_ENTRY = _ENTRY | {"array": str, "dtype": str, "patches": int, "checksums": str}
_METADATA_ENTRY = _ENTRY | {"sha256": str}


_WRITES_ONE = "cloudio verify data/ --manifest FILE writes one"


def read_manifest(path: Path, layout: str) -> dict[str, Any]:
    """Return the manifest of a data set of that layout; RequestError if the file is none."""
    if not exists(path):
        raise FileNotFoundError(f"{not_found(path, 'manifest')}; {_WRITES_ONE}")
    if is_folder(path):
        raise RequestError(
            f"{path} is a folder; give the file that cloudio verify --manifest FILE wrote"
        )
    manifest = read_json(path, f"is not a manifest; {_WRITES_ONE}")
    if not isinstance(manifest, dict) or not str(manifest.get("format", "")).startswith(
        "cloudio manifest"
    ):
        raise RequestError(f"{path} is not a manifest; {_WRITES_ONE}")
    if manifest["format"] != FORMAT:
        raise RequestError(
            f"{path} has the format {shown(manifest['format'])}; this cloudio reads {FORMAT!r}"
        )
    if manifest.get("checksum") != CHECKSUM:
        raise RequestError(
            f"{path} has checksums of the kind {shown(manifest.get('checksum'))}, but this cloudio "
            f"computes {CHECKSUM!r}; use the version that wrote it, or write a new manifest"
        )
    if manifest.get("layout") != layout:
        raise RequestError(
            f"{path} is the manifest of a data set of the layout {shown(manifest.get('layout'))}, "
            f"not {layout!r}"
        )
    for section, types in (("arrays", _ARRAY_ENTRY), ("metadata", _METADATA_ENTRY)):
        if fault := _find_fault(manifest.get(section), types):
            raise RequestError(f"{path}: {section}{fault}")
        # Only what is checked is used.
        manifest[section] = [{key: entry[key] for key in types} for entry in manifest[section]]
    return manifest


def _find_fault(entries: Any, types: Mapping[str, type]) -> str | None:
    """Return what is wrong with a list of entries, and where; None if nothing is."""
    if not isinstance(entries, list):
        return " is missing, or is not a list"
    keys: set[tuple[str, str]] = set()
    for k, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return f"[{k}] is not an entry"
        for key, kind in types.items():
            value = entry.get(key)
            if not isinstance(value, kind) or isinstance(value, bool):
                return f"[{k}] needs {key!r} of type {kind.__name__}"
            if isinstance(value, int) and not 0 <= value < 2**63:
                return f"[{k}] has {key}={shown(value)}; it must be 0 or more, and below 2**63"
            if isinstance(value, str) and key != "checksums" and len(value) > _MOST:
                return f"[{k}] has {key}={shown(value)}; it must have {_MOST:,} characters or less"
        if "checksums" in types and not _are_checksums(entry["checksums"], entry["patches"]):
            return f"[{k}]: checksums must be 16 hexadecimal digits per patch"
        known = entry_key({name: entry[name] for name in types})  # others are not checked
        if known in keys:
            return f"[{k}]: {' '.join(known)} occurs twice"
        keys.add(known)
    return None


def _are_checksums(digits: str, n_patches: int) -> bool:
    return 0 < len(digits) == 16 * n_patches and not _NO_DIGIT.search(digits)
