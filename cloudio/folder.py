"""Which files a folder has, and which arrays and splits they are.

Names are the layout's to know, what files hold is stored.py's; nothing is opened here but
metadata.csv.
"""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import LayoutError
from .layout import Band, Layout, share
from .metadata import read_columns
from .npy import read_header
from .stored import Array, arrays_of, look_at, other_reading, shape_fault

METADATA = "metadata.csv"
_SPLITS = ("train", "val", "test")
_ENDINGS = (".dat", ".npy")
_MARKED = re.compile(r"(train|val|test)_(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Split:
    """One folder's worth of patches; ``notes`` say what is unusual about its files.

    ``other`` says what else these may hold, where they have only their sizes to tell.
    """

    name: str
    folder: Path
    n_patches: int
    arrays: dict[str, Array]
    metadata: dict[str, list[str]]  # as written; empty where there is no metadata.csv
    notes: tuple[str, ...] = ()
    other: str | None = None


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


def splits_of(root: Path, layout: Layout) -> list[Split]:
    """The splits of a folder, in the order train, val, test, then by name.

    LayoutError where there is none, or where files do not fit together.
    """
    groups = _groups(root, layout)
    if not groups:
        files = _files(root, layout)
        list(_placed(files, layout))  # which names a pattern, where there is one
        others = "".join(f"; {reason}" for reason in files.left_out)
        raise LayoutError(f"no .dat or .npy files in {root}, nor in folders in it{others}")
    order = {name: k for k, name in enumerate(_SPLITS)}
    names = sorted(groups, key=lambda name: (order.get(name, len(order)), name))
    return [_split(name, groups[name], layout) for name in names]


def _groups(root: Path, layout: Layout) -> dict[str, _Files]:
    """The files of each split."""
    files = _files(root, layout)
    groups: dict[str, _Files] = {}
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        name = split_name(folder.name)
        if files and name not in _SPLITS:
            continue
        try:
            inner = _files(folder, layout)
        except PermissionError:
            # Such as lost+found, which every ext4 disk has; of a split it is worth an error.
            if name in _SPLITS:
                raise
            continue
        # A split whose arrays have places of their own, and are not there, is told so below.
        if inner or (inner.placed and name in _SPLITS and not files):
            if files:
                raise LayoutError(f"{root} has files of its own beside the split {folder}")
            if name in groups:
                raise LayoutError(f"{folder} and {groups[name].folder} are both the split {name!r}")
            groups[name] = inner
    return _marked(files) if files else groups


def _marked(files: _Files) -> dict[str, _Files]:
    """The splits of one folder: one, or several told apart as train_B01.dat, val_B01.dat, ..."""
    groups: dict[str, _Files] = {}
    for stem, path in files.named.items():
        match = _MARKED.fullmatch(stem)
        # A pattern matches one file of a folder, so that the folder is one split.
        if match is None or files.placed:
            break
        name = match[1].lower()
        csv = files.folder / f"{name}_{METADATA}"
        own = groups.setdefault(name, replace(files, named={}, csv=csv)).named
        if match[2] in own:
            raise LayoutError(f"{path} and {own[match[2]]} are both {match[2]} of {name}")
        own[match[2]] = path
    else:
        if files.csv.exists():
            if len(groups) > 1:
                raise LayoutError(
                    f"{files.csv} is beside the splits {', '.join(groups)}; each needs its own, "
                    f"such as {next(iter(groups.values())).csv.name}"
                )
            groups = {name: replace(own, csv=files.csv) for name, own in groups.items()}
        if groups:
            return groups
    return {split_name(files.folder.name): files}


def _files(folder: Path, layout: Layout) -> _Files:
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
            raise LayoutError(f"{entry} and {named[entry.stem]} have the same name")
        named[entry.stem] = entry
    return _Files(folder, named, placed, folder / METADATA, tuple(left_out))


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
        fault = shape_fault(read_header(path).shape, layout)
    except LayoutError as error:
        return f"left out: {error}"
    return fault and f"left out: {path} {fault}"


def split_name(folder: str) -> str:
    """``high_train`` is the release's name of ``train``."""
    match = re.fullmatch(r"(?:high_)?(train|val|test)", folder.lower())
    return match[1] if match else folder


def _split(name: str, files: _Files, layout: Layout) -> Split:
    """Prove that the files of one split fit together."""
    metadata = read_columns(files.csv) if files.csv.exists() else {}
    n_rows = len(next(iter(metadata.values()), []))
    held: dict[Path, dict[str, Band | None]] = {}
    paths: dict[str, Path] = {}
    for array, path in (*_placed(files, layout), *_named(files, layout)):
        if array in paths:
            raise LayoutError(f"{path} and {paths[array]} are both {array}")
        paths[array] = path
        others = held.setdefault(path, {})
        band = layout.band(array)
        if band is not None:
            share(band, filter(None, others.values()), path)
        others[array] = band
    stored = [look_at(path, bands) for path, bands in held.items()]
    if files.csv.exists() and not n_rows:
        raise LayoutError(f"{files.csv} has no rows; it needs one per patch, or not to be there")
    n_patches, arrays = arrays_of(stored, layout, n_rows, files.csv)
    other = None if n_rows else other_reading(stored, layout, n_patches)
    if other is not None:
        other = f"{other}; a {files.csv.name} with a row per patch would tell"
    return Split(name, files.folder, n_patches, arrays, metadata, files.left_out, other)


def _named(files: _Files, layout: Layout) -> Iterator[tuple[str, Path]]:
    """The arrays whose files are found by their names."""
    for stem, path in files.named.items():
        yield layout.name_of_file(stem), path


def _placed(files: _Files, layout: Layout) -> Iterator[tuple[str, Path]]:
    """The arrays that say where they lie; LayoutError where that is not one file."""
    for band in layout.bands:
        if band.pattern is None:
            continue
        found = files.placed[band.pattern]
        if len(found) != 1:
            what = "nothing" if not found else " and ".join(os.fspath(path) for path in found[:2])
            raise LayoutError(
                f"{layout.where(band.name, 'file')}file = {band.file!r} of {band.name} matches "
                f"{what} in {files.folder}; one file is needed"
            )
        yield band.name, found[0]
