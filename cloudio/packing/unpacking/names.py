"""Names of the files that are written; what metadata.csv says never leads out of the folder."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
# Devices of Windows, whatever follows the dot.
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
# File systems take 255 bytes; suffixes follow.
_MOST_BYTES = 120
_SUFFIX = re.compile(
    r"\.(tiff?|jp2|vrt|img|png|jpe?g|bmp|webp|gif|npy|npz|h5|hdf5?|nc|zarr)$", re.I
)


def safe_name(text: str) -> str:
    """Return a text as a part of a file name that every system takes; "" if nothing is left."""
    text = "".join(x if x.isprintable() else "_" for x in _FORBIDDEN.sub("_", text))
    text = text.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore")
    text = text.strip(". ")
    return f"{text}_" if _DEVICE.match(text) else text


def file_key(name: str) -> str:
    """Return what two names share that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def patch_stems(
    columns: Mapping[str, Sequence[str] | None], n: int, suffixes: Sequence[str]
) -> list[str]:
    """Return the stem of the files of each patch of a split.

    It is that of ``file``, with row and column where a scene has been cut; the first of these that
    every patch has, and that makes each file another one: the stem, ``id``, the path of ``file``
    with ``_`` for each ``/``, the number of the patch.
    """
    files, ids = columns.get("file"), columns.get("id")
    ends = _positions(columns, n)
    candidates: list[Iterable[str]] = []
    if files is not None:
        candidates.append(map(_join, map(_stem, files), ends))
    if ids is not None:
        candidates.append(map(_join, ids, ends))
    if files is not None:
        candidates.append(map(_join, (_SUFFIX.sub("", x.strip()) for x in files), ends))
    for candidate in candidates:
        stems = list(map(safe_name, candidate))
        if all(stems) and are_distinct(stems, suffixes):
            return stems
    width = max(4, len(str(n - 1)))
    return [f"{k:0{width}d}" for k in range(n)]


def scene_stems(scenes: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """Return the stem of the files of each scene, from its name."""
    paths = [_SUFFIX.sub("", name.strip()) for name in scenes]
    for candidate in (map(_stem, scenes), paths):
        stems = list(map(safe_name, candidate))
        if all(stems) and are_distinct(stems, suffixes):
            return stems
    width = len(str(len(scenes) - 1))
    return [f"scene_{k:0{width}d}" for k in range(len(scenes))]


def distinct(names: Iterable[str]) -> list[str]:
    """Return names for files or folders; those that would be the same get a number."""
    taken: set[str] = set()
    found = []
    for name in names:
        safe = base = safe_name(name) or "_"
        k = 1
        while file_key(safe) in taken:
            k += 1
            safe = f"{base}_{k}"
        taken.add(file_key(safe))
        found.append(safe)
    return found


def are_distinct(stems: Sequence[str], suffixes: Sequence[str]) -> bool:
    """Return whether each stem with each suffix is another file on every system."""
    keys = [file_key(stem) for stem in stems]
    return len({key + file_key(x) for key in keys for x in suffixes}) == len(keys) * len(suffixes)


def _positions(columns: Mapping[str, Sequence[str] | None], n: int) -> list[str]:
    """Return "_row_column" of each tile, "" of a patch that is none."""
    rows, cols = columns.get("scene_row"), columns.get("scene_col")
    if rows is None or cols is None:
        return [""] * n
    return [f"_{r}_{c}" if r and c else "" for r, c in zip(rows, cols, strict=True)]


def _stem(path: str) -> str:
    return _SUFFIX.sub("", PurePosixPath(path.strip().replace("\\", "/")).name)


def _join(stem: str, end: str) -> str:
    return stem + end if stem.strip(". ") else ""
