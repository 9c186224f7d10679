"""Manifests: the sizes and checksums of every array, as JSON."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.files import check_writable, read_chunks, write_file
from .._version import __version__
from ..errors import RequestError
from ..reading.scan import CHECKSUM
from ..storage.discovery import Split
from ..storage.metadata.csv_file import METADATA_CSV
from .file_names import array_file_name

FORMAT = "cloudio manifest 1"


def describe(
    root: Path,
    layout: str,
    splits: Sequence[Split],
    checksums: Mapping[tuple[str, str], np.ndarray],
) -> dict[str, Any]:
    """Return the manifest of a data set.

    ``checksums``: (split, array) -> a number for each patch, 16 digits in the manifest.  An array
    without them has "" there.
    """
    arrays = [
        {
            "split": split.name,
            "folder": split.folder.relative_to(root).as_posix(),
            "array": name,
            "file": (
                split.folder.relative_to(root) / array_file_name(array, split.folder)
            ).as_posix(),
            "bytes": array.start + math.prod(array.shape) * array.dtype.itemsize,
            "dtype": array.dtype.newbyteorder("<").str,
            "patches": array.shape[0],
            "checksums": _to_hex(checksums.get((split.name, name))),
        }
        for split in splits
        for name, array in split.arrays.items()
    ]
    return {
        "format": FORMAT,
        "checksum": CHECKSUM,
        "layout": layout,
        "written by": {"cloudio": __version__, "numpy": np.__version__},
        "arrays": arrays,
        "metadata": [_metadata_entry(root, split) for split in splits if split.metadata],
    }


def _metadata_entry(root: Path, split: Split) -> dict[str, Any]:
    path = split.csv
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in read_chunks(path):
        digest.update(chunk)
        n_bytes += len(chunk)
    return {
        "split": split.name,
        "folder": split.folder.relative_to(root).as_posix(),
        "file": path.relative_to(root).as_posix(),
        "bytes": n_bytes,
        "sha256": digest.hexdigest(),
    }


def _to_hex(checksums: np.ndarray | None) -> str:
    return "" if checksums is None else checksums.astype(">u8").tobytes().hex()


def entry_key(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the split and the array of an entry, or the split and metadata.csv."""
    return entry["split"], entry.get("array", METADATA_CSV)


def write_manifest(path: Path, manifest: Mapping[str, Any], *, force: bool = False) -> None:
    """Write a manifest, all of it or nothing; a link is followed.

    Arrays without checksums, which could not be read, are left out.  FileExistsError if a file
    exists by now, without ``force``.
    """
    manifest = {**manifest, "arrays": [e for e in manifest["arrays"] if e["checksums"]]}
    write_file(path, json.dumps(manifest, indent=1) + "\n", force=force)


def check_target(path: Path, *, force: bool = False, against: Path | None = None) -> None:
    """Raise, before a long pass, if a manifest cannot be written or would replace another file.

    With ``force`` it may replace a file, but never ``against``, the manifest to compare with.
    """
    if against is not None and _is_same_file(path, against):
        raise RequestError(
            f"manifest={os.fspath(path)!r} is the file to compare with; give another file name"
        )
    check_writable(path, force=force)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one.resolve() == other.resolve()
