"""What names, sizes and metadata.csv tell of a data set; no pixel is looked at."""

import errno
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ..layouts.band import Band
from ..layouts.layout import Layout
from ..storage.discovery import METADATA_CSV, Split, split_name
from ..storage.inference import ArrayFile, FileProblem
from .report import Finding, finding

# Of metadata.csv: places, and scenes of the satellite.
_GROUPS = {"roi_id": "shared-roi", "s2_id": "shared-scene"}

# Zeros that such tools look for at once, and leave out: 4 KiB to this many.
_LEFT_OUT = 64 << 10


def file_name(array: ArrayFile, folder: Path) -> str:
    """The file of an array as findings name it: below the split's folder, and its channel."""
    path = array.path.relative_to(folder) if array.path.is_relative_to(folder) else array.path
    channel = "" if array.channel is None else f"[{array.channel}]"
    return f"{path.as_posix()}{channel}"


def metadata_file(split: Split) -> Path:
    """Where the metadata of a split lies; beside files of other splits it has the split's name."""
    own = split.folder / f"{split.name}_{METADATA_CSV}"
    return own if own.exists() else split.folder / METADATA_CSV


def of_faults(
    faults: Iterable[FileProblem], splits: Sequence[Split], root: Path
) -> Iterator[Finding]:
    """Why `cloudio.open` refuses the folder."""
    folders = {split.name: split.folder for split in splits}
    n_patches = {split.name: split.n_patches for split in splits}
    for fault in faults:
        folder = folders.get(fault.split) or _folder_of(fault, root)
        path = fault.path.relative_to(folder if fault.path.is_relative_to(folder) else root)
        why = str(fault.error).replace(f"{folder}{os.sep}", "")
        if fault.kind not in ("doubled", "folder"):
            why = why.removeprefix(f"{path.as_posix()} ").removeprefix(f"{path.as_posix()}, ")
        patches: Iterable[int] = fault.patches
        if fault.kind == "rows":
            n_rows = _rows_of(fault.path)
            why = f"{n_rows:,} rows; the files hold {n_patches.get(fault.split, 0):,} patches"
            patches = ()
        yield finding(fault.kind, fault.split, path.as_posix(), patches, why)


def _folder_of(fault: FileProblem, root: Path) -> Path:
    """The folder of a split of which nothing is left: the one in the root that is named so."""
    if fault.kind != "folder" and fault.path.is_relative_to(root):
        parts = fault.path.relative_to(root).parts
        if len(parts) > 1 and split_name(parts[0]) == fault.split:
            return root / parts[0]
    return root


def _rows_of(csv: Path) -> int:
    from ..storage.metadata import read_columns

    return len(next(iter(read_columns(csv).values()), []))


def of_names(
    splits: Sequence[Split], faults: Sequence[FileProblem], layout: Layout
) -> Iterator[Finding]:
    """Arrays that are missing, and files that nobody knows."""
    lost: dict[str, set[str]] = {split.name: set() for split in splits}
    for fault in faults:
        lost.setdefault(fault.split, set()).update(fault.arrays)
    there = {split.name: set(split.arrays) | lost[split.name] for split in splits}
    known = [band.name for band in layout.bands]
    everywhere = set().union(*there.values())
    for split in splits:
        for name in (name for name in known if name in everywhere - there[split.name]):
            having = [other for other in splits if name in other.arrays]
            others = ", ".join(other for other, names in there.items() if name in names)
            file = file_name(having[0].arrays[name], having[0].folder) if having else name
            yield finding("missing", split.name, file, (), f"{name} is only in {others}")
        for name, array in split.arrays.items():
            if layout.band(name) is None:
                what = f"taken as {array.dtype}"
                yield finding("unknown", split.name, file_name(array, split.folder), (), what)
        for note in split.notes:
            what = note.removeprefix("left out: ").removeprefix(f"{split.folder}{os.sep}")
            file, _, why = what.partition(" ")
            yield finding("left-out", split.name, file, (), why)
    yield from _incomplete(everywhere, layout)


def _incomplete(names: set[str], layout: Layout) -> Iterator[Finding]:
    """Groups of which more than half is there: who wants a few bands keeps only these.

    Parts of larger groups aside, such as the three colours of all bands.
    """
    groups = [set(group) for choices in layout.presets.values() for group in choices]
    for preset, choices in layout.presets.items():
        for group in choices:
            lacking = [name for name in group if name not in names]
            is_part = any(set(group) < other for other in groups)
            if lacking and len(lacking) * 2 < len(group) and not is_part:
                what = f"{preset} has {len(group) - len(lacking)} of {len(group)} arrays: no "
                yield finding("incomplete", "", "", (), what + ", ".join(lacking))


def of_types(splits: Sequence[Split], layout: Layout) -> Iterator[Finding]:
    """Element types, as sizes or headers tell them, that are not the layout's."""
    for split in splits:
        for name, array in split.arrays.items():
            band = layout.band(name)
            if band is None or array.dtype == band.dtype:
                continue
            by = "header" if array.start else "size"
            what = f"{array.dtype} by its {by}; {layout.name} has {band.dtype}"
            check = "label-type" if band.kind == "label" else "type"
            yield finding(check, split.name, file_name(array, split.folder), (), what)


def of_sizes(split: Split) -> Iterator[Finding]:
    """What the sizes of a split leave open."""
    if split.ambiguity is not None:
        yield finding("ambiguous", split.name, "", (), split.ambiguity.partition(";")[0])


def of_metadata(splits: Sequence[Split], faults: Sequence[FileProblem]) -> Iterator[Finding]:
    """metadata.csv: there or not, its columns, its index, and what splits share."""
    told = {fault.split for fault in faults if fault.kind in ("metadata", "rows")}
    having = [split for split in splits if split.metadata]
    columns = {column for split in having for column in split.metadata}
    for split in splits:
        file = metadata_file(split).name
        if not split.metadata and having and split.name not in told:
            others = ", ".join(other.name for other in having)
            yield finding("no-metadata", split.name, file, (), f"only {others} have it")
        if split.metadata and (lacking := sorted(columns.difference(split.metadata))):
            yield finding("columns", split.name, file, (), f"no {', '.join(lacking)}")
        index = split.metadata.get("index", [])
        often = {number for number, n in Counter(index).items() if n > 1}
        if twice := [row for row, number in enumerate(index) if number in often]:
            what = f"index {', '.join(sorted(often)[:3])}{' ...' if len(often) > 3 else ''}"
            yield finding("index", split.name, file, twice, f"{what} more than once")
    for column, check in _GROUPS.items():
        yield from _shared(having, column, check)


def _shared(splits: Sequence[Split], column: str, check: str) -> Iterator[Finding]:
    """Values of a column that patches of several splits have; empty fields aside."""
    where: dict[str, dict[str, list[int]]] = {}
    for split in splits:
        for row, value in enumerate(split.metadata.get(column, [])):
            if value.strip():
                where.setdefault(value.strip(), {}).setdefault(split.name, []).append(row)
    shared = {value: places for value, places in where.items() if len(places) > 1}
    for split in splits:
        own = [value for value, places in shared.items() if split.name in places]
        if not own:
            continue
        rows = sorted(row for value in own for row in shared[value][split.name])
        others = {name for value in own for name in shared[value]} - {split.name}
        also = ", ".join(other.name for other in splits if other.name in others)
        first = ", ".join(own[:2]) + (f" and {len(own) - 2:,} more" if len(own) > 2 else "")
        what = f"{len(own):,} {column} also in {also}: {first}"
        yield finding(check, split.name, metadata_file(split).name, rows, what)


def of_access(split: Split) -> Iterator[Finding]:
    """Files that may not be read."""
    for path, array in {array.path: array for array in split.arrays.values()}.items():
        try:
            open(path, "rb").close()
        except OSError as error:
            file = file_name(array, split.folder).partition("[")[0]
            yield finding("unreadable", split.name, file, (), str(error.strerror))


def of_holes(split: Split, layout: Layout) -> Iterator[Finding]:
    """Patches that lie in holes of a sparse file."""
    seen: set[Path] = set()
    for name, array in split.arrays.items():
        if array.path in seen:
            continue
        seen.add(array.path)
        if patches := holes(array, layout.band(name)):
            file = file_name(array, split.folder).partition("[")[0]
            status = array.path.stat()
            held = f"{status.st_blocks * 512:,} of {status.st_size:,} bytes are on the disk"
            yield finding("holes", split.name, file, patches, held)


def holes(array: ArrayFile, band: Band | None) -> list[int]:
    """Which patches are not all on the disk; none where the system cannot tell.

    So that a few rows of zeros are none, an eighth of a patch must be missing.  Where zeros are
    natural, as in labels and land cover, holes count only if other zeros of the file are written:
    some tools that copy files leave all of them out.
    """
    measured = band is not None and (band.wavelength is not None or band.dtype == "float32")
    try:
        status = array.path.stat()
        # Where blocks are compressed they are fewer too, so that the holes are asked for.
        if not hasattr(os, "SEEK_HOLE") or status.st_blocks * 512 >= status.st_size:
            return []
        with open(array.path, "rb") as file:
            gaps = list(_holes(file.fileno(), status.st_size))
            if gaps and not measured and not _has_zeros(file, gaps, status.st_size):
                return []
    except OSError:  # the file may not be read, or its file system knows no holes
        return []
    n_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    missing: Counter[int] = Counter()
    for begin, end in gaps:
        begin, end = max(begin - array.start, 0), end - array.start
        for patch in range(begin // n_bytes, -(-end // n_bytes)):
            missing[patch] += min(end, (patch + 1) * n_bytes) - max(begin, patch * n_bytes)
    return sorted(patch for patch, n in missing.items() if n * 8 >= n_bytes)


def _has_zeros(file: IO[bytes], gaps: Sequence[tuple[int, int]], size: int) -> bool:
    """Whether zeros are written, where a tool that leaves them out would not have."""
    begins = [0, *(end for _, end in gaps)]
    for begin, end in zip(begins, [*(begin for begin, _ in gaps), size], strict=True):
        for block in range(-(-begin // _LEFT_OUT), end // _LEFT_OUT):
            file.seek(block * _LEFT_OUT)
            if not any(file.read(_LEFT_OUT)):
                return True
    return False


def _holes(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    at = 0
    while at < size:
        begin = os.lseek(descriptor, at, os.SEEK_HOLE)
        if begin >= size:
            return
        try:
            at = os.lseek(descriptor, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but the hole up to the end
                raise
            at = size
        yield begin, at
