"""Checks of files on the disk: whether they may be read, and holes in sparse files."""

import errno
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ..._utils.files import open_bytes
from ..._utils.paths import is_file
from ...errors import CloudioError, LayoutError, error_reason
from ...layouts.layout import Layout
from ...storage.arrays import ArrayFile
from ...storage.discovery import Split
from ...storage.headers.formats import format_of
from ...storage.opening.location import LAYOUT_TOML
from ...storage.phases import EXCEPTION, PhaseFile
from ..file_names import array_file_name, file_name, without_channel
from ..meaning import why_not_measured
from ..report import Finding, make_finding

# Tools that leave out zeros check blocks of 4 KiB up to this size.
_SPARSE_BLOCK = 64 << 10


def check_access(split: Split) -> Iterator[Finding]:
    """Report files that may not be read."""
    for path, array in {array.path: array for array in split.arrays.values()}.items():
        try:
            open_bytes(path).close()
        except (OSError, LayoutError) as error:
            file = without_channel(array_file_name(array, split.folder))
            yield make_finding("unreadable", split.name, file, (), error_reason(error))


def check_formats(split: Split) -> Iterator[Finding]:
    """Report files of another format whose size fits, which `cloudio.open` did not look into.

    `open` reads no pixels from a disk, and so not the first bytes of a file that look like these.
    """
    for path, array in {array.path: array for array in split.arrays.values()}.items():
        if not array.start and (found := format_of(path)):
            file = without_channel(array_file_name(array, split.folder))
            message = f"is {found.name}, not flat pixels; {found.advice}"
            yield make_finding("format", split.name, file, (), message)


def check_links(split: Split, root: Path) -> Iterator[Finding]:
    """Report links to files outside of the data set, and a link to a split outside of it."""
    inside, folder = root.resolve(), split.folder.resolve()
    if not folder.is_relative_to(inside):
        yield make_finding("link", split.name, "", (), f"the folder is a link to {folder}")
        inside = folder
    names = {array.path: array_file_name(array, split.folder) for array in split.arrays.values()}
    for array in split.arrays.values():
        names |= {path: file_name(path, split.folder) for path in array.paths[1:]}
    for path in (split.csv, split.folder / LAYOUT_TOML, root / LAYOUT_TOML):
        if is_file(path):
            below = path.is_relative_to(split.folder)
            names[path] = path.relative_to(split.folder).as_posix() if below else path.name
    for path, name in names.items():
        target = path.resolve()
        if not target.is_relative_to(inside):
            message = f"a link into {target.parent}"
            yield make_finding("link", split.name, without_channel(name), (), message)


def check_holes(split: Split, layout: Layout) -> Iterator[Finding]:
    """Report patches that lie in holes of a sparse file."""
    seen: set[Path] = set()
    for name, array in split.arrays.items():
        if array.path in seen:
            continue
        seen.add(array.path)
        band = layout.band(name)
        if patches := patches_in_holes(array, measured=why_not_measured(layout, band) is None):
            file = without_channel(array_file_name(array, split.folder))
            status = array.path.stat()
            message = f"{status.st_blocks * 512:,} of {status.st_size:,} bytes are on the disk"
            yield make_finding("holes", split.name, file, patches, message)


def patches_in_holes(array: ArrayFile, *, measured: bool) -> list[int]:
    """Return which patches lie in holes; none if the system does not know holes.

    An eighth of a patch must be missing, so that a few rows of zeros do not count.  In arrays that
    are not ``measured``, such as labels, zeros are natural, and some copying tools leave out all
    zeros: there, holes count only if other zeros of the file are written.  Patches that are stored
    whole in another file may be holes.
    """
    try:
        status = array.path.stat()
        # A compressed file has fewer blocks too, so the holes themselves are looked up.
        if not hasattr(os, "SEEK_HOLE") or status.st_blocks * 512 >= status.st_size:
            return []
        with open_bytes(array.path) as file:
            holes = list(_find_holes(file.fileno(), status.st_size))
            if holes and not measured and not _has_written_zeros(file, holes, status.st_size):
                return []
    except (OSError, LayoutError):  # no permission to read, or a file system without holes
        return []
    patch_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    missing: Counter[int] = Counter()
    for begin, end in holes:
        begin, end = max(begin - array.start, 0), end - array.start
        for patch in range(begin // patch_bytes, -(-end // patch_bytes)):
            missing[patch] += min(end, (patch + 1) * patch_bytes) - max(begin, patch * patch_bytes)
    whole = _stored_whole(array) if missing else set()
    return sorted(k for k, n in missing.items() if n * 8 >= patch_bytes and k not in whole)


def _stored_whole(array: ArrayFile) -> set[int]:
    """Return the patches that are exceptions."""
    if array.native is None or not isinstance(phase := array.native.phase, PhaseFile):
        return set()
    try:
        return set(np.flatnonzero(phase.read()[:, 0] == EXCEPTION).tolist())
    except (CloudioError, OSError):  # which is reported
        return set()


def _has_written_zeros(file: IO[bytes], holes: Sequence[tuple[int, int]], size: int) -> bool:
    """Return whether the file has written zeros that a tool like cp --sparse would leave out."""
    begins = [0, *(end for _, end in holes)]
    for begin, end in zip(begins, [*(begin for begin, _ in holes), size], strict=True):
        for block in range(-(-begin // _SPARSE_BLOCK), end // _SPARSE_BLOCK):
            file.seek(block * _SPARSE_BLOCK)
            if not any(file.read(_SPARSE_BLOCK)):
                return True
    return False


def _find_holes(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    position = 0
    while position < size:
        begin = os.lseek(descriptor, position, os.SEEK_HOLE)
        if begin >= size:
            return
        try:
            position = os.lseek(descriptor, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but the hole up to the end
                raise
            position = size
        yield begin, position
