"""Which files a folder has, and which arrays and splits they are.

Names are the layout's to know, what files hold is inference.py's; nothing is opened here but
metadata.csv.
"""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import LayoutError
from ..layouts.band import Band, check_shared_file
from ..layouts.layout import Layout
from .inference import (
    ArrayFile,
    FileProblem,
    InspectedFile,
    find_ambiguity,
    infer_arrays,
    inspect_file,
    shape_problem,
)
from .metadata import read_columns
from .npy import read_header

METADATA_CSV = "metadata.csv"
_SPLITS = ("train", "val", "test")
_ENDINGS = (".dat", ".npy")
_MARKED = re.compile(r"(train|val|test)_(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Split:
    """One folder's worth of patches; ``notes`` say what is unusual about its files.

    ``ambiguity`` says what else they may hold, where only their sizes tell what they hold.
    """

    name: str
    folder: Path
    n_patches: int
    arrays: dict[str, ArrayFile]
    metadata: dict[str, list[str]]  # as written; empty where there is no metadata.csv
    notes: tuple[str, ...] = ()
    ambiguity: str | None = None


@dataclass(frozen=True, slots=True)
class _Files:
    """What lies in a folder: files by stem, and those that match the patterns of the layout."""

    folder: Path
    named: dict[str, Path]
    placed: dict[str, list[Path]]
    csv: Path
    left_out: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.named) or any(self.placed.values())


def find_splits(root: Path, layout: Layout) -> list[Split]:
    """The splits of a folder, in the order train, val, test, then by name.

    LayoutError where there is none, or where files do not fit together.
    """
    splits, faults = scan_folder(root, layout)
    for fault in faults:
        raise fault.error
    return splits


def scan_folder(root: Path, layout: Layout) -> tuple[list[Split], list[FileProblem]]:
    """The splits of a folder as far as their files fit together, and why others are left out.

    The first fault is what `find_splits` raises.  LayoutError where there is nothing at all.
    """
    faults: list[FileProblem] = []
    groups = _groups(root, layout, faults)
    if not groups and not faults:
        files = _files(root, layout, faults)
        _placed(files, layout, faults)  # which names a pattern, where there is one
        others = "".join(f"; {reason}" for reason in files.left_out)
        where = f"no .dat or .npy files in {root}, nor in folders in it{others}"
        faults = faults or [FileProblem("folder", root, LayoutError(where))]
    order = {name: k for k, name in enumerate(_SPLITS)}
    splits: list[Split] = []
    for name in sorted(groups, key=lambda name: (order.get(name, len(order)), name)):
        own: list[FileProblem] = []
        splits += filter(None, [_split(name, groups[name], layout, own)])
        faults += (replace(fault, split=name) for fault in own)
    return splits, faults


def _groups(root: Path, layout: Layout, faults: list[FileProblem]) -> dict[str, _Files]:
    """The files of each split."""
    files = _files(root, layout, faults)
    groups: dict[str, _Files] = {}
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        name = split_name(folder.name)
        if files and name not in _SPLITS:
            continue
        try:
            inner = _files(folder, layout, faults)
        except PermissionError as error:
            # Such as lost+found, which every ext4 disk has; of a split it is worth an error.
            if name in _SPLITS:
                faults.append(FileProblem("folder", folder, error, split=name))
            continue
        # A split whose arrays have places of their own, and are not there, is told so below.
        if inner or (inner.placed and name in _SPLITS and not files):
            if files and not groups:
                both = f"{root} has files of its own beside the split {folder}"
                faults.append(FileProblem("folder", root, LayoutError(both)))
            if name in groups:
                both = f"{folder} and {groups[name].folder} are both the split {name!r}"
                faults.append(FileProblem("folder", folder, LayoutError(both), split=name))
                continue
            groups[name] = inner
    return groups if groups or not files else _marked(files, faults)


def _marked(files: _Files, faults: list[FileProblem]) -> dict[str, _Files]:
    """The splits of one folder: one, or several told apart as train_B01.dat, val_B01.dat, ..."""
    groups: dict[str, _Files] = {}
    for stem, path in files.named.items():
        match = _MARKED.fullmatch(stem)
        # A pattern matches one file of a folder, so that the folder is one split.
        if match is None or files.placed:
            break
        name = match[1].lower()
        csv = files.folder / f"{name}_{METADATA_CSV}"
        own = groups.setdefault(name, replace(files, named={}, csv=csv)).named
        if match[2] in own:
            both = f"{path} and {own[match[2]]} are both {match[2]} of {name}"
            faults.append(FileProblem("doubled", path, LayoutError(both), split=name))
            continue
        own[match[2]] = path
    else:
        if files.csv.exists():
            if len(groups) > 1:
                beside = (
                    f"{files.csv} is beside the splits {', '.join(groups)}; each needs its own, "
                    f"such as {next(iter(groups.values())).csv.name}"
                )
                faults.append(FileProblem("metadata", files.csv, LayoutError(beside)))
            else:
                groups = {name: replace(own, csv=files.csv) for name, own in groups.items()}
        if groups:
            return groups
    return {split_name(files.folder.name): files}


def _files(folder: Path, layout: Layout, faults: list[FileProblem]) -> _Files:
    patterns = dict.fromkeys(band.pattern for band in layout.bands if band.pattern is not None)
    placed = {pattern: _matches(folder, pattern) for pattern in patterns}
    taken = {path for paths in placed.values() for path in paths}
    named: dict[str, Path] = {}
    left_out: list[str] = []
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() not in _ENDINGS or entry.name.startswith(".") or entry in taken:
            continue
        if reason := _no_array(entry, layout):
            left_out.append(reason)
            continue
        if entry.stem in named:
            both = f"{entry} and {named[entry.stem]} have the same name"
            faults.append(
                FileProblem("doubled", entry, LayoutError(both), split=split_name(folder.name))
            )
            continue
        named[entry.stem] = entry
    return _Files(folder, named, placed, folder / METADATA_CSV, tuple(left_out))


def _matches(folder: Path, pattern: str) -> list[Path]:
    found = (folder / name for name in sorted(glob.glob(pattern, root_dir=folder)))
    return [path for path in found if not path.is_dir()]


def _no_array(path: Path, layout: Layout) -> str | None:
    """Why a .npy file that the layout does not know is no array of patches, where it is none.

    People keep means, weights and the like beside their data; a flat file has only its size to
    tell, and is refused where that does not fit.
    """
    marked = _MARKED.fullmatch(path.stem)
    stems = [path.stem, marked[2]] if marked else [path.stem]
    if path.suffix.lower() != ".npy" or any(
        layout.band(layout.name_of_file(stem)) is not None for stem in stems
    ):
        return None
    try:
        fault = shape_problem(read_header(path).shape, layout)
    except LayoutError as error:
        return f"left out: {error}"
    return fault and f"left out: {path} {fault}"


def split_name(folder: str) -> str:
    """``high_train`` is the release's name of ``train``."""
    match = re.fullmatch(r"(?:high_)?(train|val|test)", folder.lower())
    return match[1] if match else folder


def _split(name: str, files: _Files, layout: Layout, faults: list[FileProblem]) -> Split | None:
    """One split of the files that fit together; None where no array is left."""
    metadata = _metadata(files.csv, faults)
    unread = bool(faults)
    n_rows = len(next(iter(metadata.values()), []))
    held: dict[Path, dict[str, Band | None]] = {}
    paths: dict[str, Path] = {}
    for array, path in (*_placed(files, layout, faults), *_named(files, layout)):
        if array in paths:
            both = f"{path} and {paths[array]} are both {array}"
            faults.append(FileProblem("doubled", path, LayoutError(both)))
            continue
        others = held.setdefault(path, {})
        band = layout.band(array)
        try:
            if band is not None:
                check_shared_file(band, filter(None, others.values()), path)
        except LayoutError as error:
            faults.append(FileProblem("doubled", path, error))
            continue
        paths[array], others[array] = path, band
    looked = [inspect_file(path, bands) for path, bands in held.items()]
    faults += (fault for fault in looked if isinstance(fault, FileProblem))
    stored = [file for file in looked if isinstance(file, InspectedFile)]
    if files.csv.exists() and not n_rows and not unread:
        none = f"{files.csv} has no rows; it needs one per patch, or not to be there"
        faults.append(FileProblem("metadata", files.csv, LayoutError(none)))
    n_patches, arrays, misfits = infer_arrays(stored, layout, n_rows, files.csv)
    if n_rows and misfits:
        n_files, by_files, fewer = infer_arrays(stored, layout, 0, files.csv)
        if len(fewer) < len(misfits):  # the rows are wrong rather than the files
            misfits = [FileProblem("rows", files.csv, misfits[0].error), *fewer]
            n_patches, arrays, metadata = n_files, by_files, {}
    faults += misfits
    if not arrays:
        return None
    ambiguity = None if n_rows else find_ambiguity(stored, layout, n_patches)
    if ambiguity is not None:
        ambiguity = f"{ambiguity}; a {files.csv.name} with a row per patch would tell"
    return Split(name, files.folder, n_patches, arrays, metadata, files.left_out, ambiguity)


def _metadata(csv: Path, faults: list[FileProblem]) -> dict[str, list[str]]:
    if not csv.exists():
        return {}
    try:
        return read_columns(csv)
    except (LayoutError, OSError) as error:
        faults.append(FileProblem("metadata", csv, error))
        return {}


def _named(files: _Files, layout: Layout) -> Iterator[tuple[str, Path]]:
    """The arrays whose files are found by their names."""
    for stem, path in files.named.items():
        yield layout.name_of_file(stem), path


def _placed(files: _Files, layout: Layout, faults: list[FileProblem]) -> list[tuple[str, Path]]:
    """The arrays that say where they lie; a fault where that is not one file."""
    placed: list[tuple[str, Path]] = []
    for band in layout.bands:
        if band.pattern is None:
            continue
        found = files.placed[band.pattern]
        if len(found) == 1:
            placed.append((band.name, found[0]))
            continue
        what = "nothing" if not found else " and ".join(os.fspath(path) for path in found[:2])
        error = LayoutError(
            f"{layout.where(band.name, 'file')}file = {band.file!r} of {band.name} matches "
            f"{what} in {files.folder}; one file is needed"
        )
        kind = "doubled" if found else "missing"
        path = found[1] if found else files.folder / str(band.file)
        faults.append(FileProblem(kind, path, error, arrays=(band.name,)))
    return placed
