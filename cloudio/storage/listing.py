"""The files of a folder that may be arrays, and the split of each: found by their names.

Only the header of a .npy file that the layout does not know is read as well.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._utils.paths import exists, is_folder
from .._utils.text import listed
from ..errors import LayoutError
from ..layouts.layout import FileNames, Layout
from .errors import FileProblem
from .headers.npy import Header, read_header
from .inspection import shape_problem
from .patterns import PatternFinder

METADATA_CSV = "metadata.csv"
SPLITS = ("train", "val", "test")
_ENDINGS = (".dat", ".npy")
_SPLIT_PREFIX = re.compile(r"(train|val|test)_(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A .npy file that is not one of the arrays, and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The files of one split in a folder.

    ``by_stem``: those that are found by their names.  ``by_pattern``: all that match each pattern
    of the layout.  ``headers``: of .npy files that the layout does not know.  ``tables``: what
    matches each pattern of phases and of exceptions.
    """

    folder: Path
    by_stem: dict[str, Path]
    by_pattern: dict[str, list[Path]]
    csv: Path
    left_out: tuple[LeftOut, ...] = ()
    headers: dict[Path, Header] = field(default_factory=dict)
    tables: dict[str, list[Path]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_stem) or any(self.by_pattern.values())


def can_name_split(name: object) -> bool:
    """Return whether that is a name for a new folder of a split: no path, not hidden or empty."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and re.fullmatch(r"(?!\.)[^/\\]+", name) is not None
    )


def split_name(folder: str) -> str:
    """Return the split of a folder of that name; the release names train ``high_train``."""
    match = re.fullmatch(r"(?:high_)?(train|val|test)", folder.lower())
    return match[1] if match else folder


def without_split(stem: str) -> str:
    """Return the stem of a file without a split in front: B01 of train_B01."""
    match = _SPLIT_PREFIX.fullmatch(stem)
    return match[2] if match else stem


def sort_splits(names: Iterable[str]) -> list[str]:
    """Return the names of splits in the order of data sets: train, val, test, then by name."""
    order = {name: k for k, name in enumerate(SPLITS)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def list_splits(
    root: Path, layout: Layout, problems: list[FileProblem]
) -> tuple[FolderFiles, dict[str, FolderFiles]]:
    """Return the files of the folder itself, and those of each split in it.

    If there is no split, what is left out in folders below it is left out in the folder itself.
    What is wrong is added to ``problems``.
    """
    own = list_files(root, layout, problems)
    tables = {path for paths in own.tables.values() for path in paths}
    left_out = [*own.left_out]
    splits: dict[str, FolderFiles] = {}
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not is_folder(folder):
            continue
        name = split_name(folder.name)
        if own and name not in SPLITS:
            continue
        try:
            files = list_files(folder, layout, problems, tables)
        except PermissionError as error:
            # Such as lost+found, which every ext4 disk has; for a split it is an error.
            if name in SPLITS:
                problems.append(FileProblem("folder", folder, error, split=name))
            continue
        # Where all arrays of a split have patterns and none is there, the split says so later.
        if not files and (own or not files.by_pattern or name not in SPLITS):
            left_out += files.left_out
            continue
        if own and not splits:
            both = f"{root} has array files beside the split {folder}; move them into a split"
            problems.append(FileProblem("folder", root, LayoutError(both, path=root)))
        if name in splits:
            both = f"{folder} and {splits[name].folder} are both the split {name!r}; rename one"
            twice = LayoutError(both, path=folder)
            problems.append(FileProblem("folder", folder, twice, split=name))
            continue
        splits[name] = files
    if own and not splits:
        splits = _split_by_prefix(own, problems)
    return own if splits else replace(own, left_out=tuple(left_out)), splits


def list_files(
    folder: Path, layout: Layout, problems: list[FileProblem], others: Iterable[Path] = ()
) -> FolderFiles:
    """Return the files of a folder; two files with the same name are a problem.

    ``others`` are files that belong to something else.
    """
    finder, names = PatternFinder(folder), FileNames(layout)
    by_pattern = _find(finder, (band.pattern for band in layout.bands))
    tables = _find(
        finder, (p for band in layout.bands for p in (band.phase_pattern, band.exceptions_pattern))
    )
    taken = {path for paths in (*by_pattern.values(), *tables.values()) for path in paths}
    taken |= {*others}
    files = FolderFiles(folder, {}, by_pattern, folder / METADATA_CSV, tables=tables)
    left_out: list[LeftOut] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _ENDINGS or path.name.startswith(".") or path in taken:
            continue
        if reason := _not_an_array(path, names, files.headers):
            left_out.append(LeftOut(path, reason))
        elif path.stem in files.by_stem:
            both = f"{path} and {files.by_stem[path.stem]} are the same array; keep one of them"
            error = LayoutError(both, path=path)
            problems.append(FileProblem("doubled", path, error, split=split_name(folder.name)))
        else:
            files.by_stem[path.stem] = path
    return replace(files, left_out=tuple(left_out))


def _find(finder: PatternFinder, patterns: Iterable[str | None]) -> dict[str, list[Path]]:
    """Return the files that match each pattern."""
    return {p: finder.find(p) for p in dict.fromkeys(patterns) if p is not None}


def _not_an_array(path: Path, names: FileNames, headers: dict[Path, Header]) -> str | None:
    """Return why a .npy file that the layout does not know is not an array, else None.

    People keep means, weights and the like beside their data.  A flat file has no header, so it
    is never left out, and is refused if its size does not fit.
    """
    marked = _SPLIT_PREFIX.fullmatch(path.stem)
    stems = [path.stem, marked[2]] if marked else [path.stem]
    if any(names.is_known(stem) for stem in stems) or path.suffix.lower() != ".npy":
        return None
    try:
        header = read_header(path)
    except LayoutError as error:
        return error.reason
    headers[path] = header
    return shape_problem(header.shape, names.layout)


def _split_by_prefix(files: FolderFiles, problems: list[FileProblem]) -> dict[str, FolderFiles]:
    """Return the splits of one folder: one, or several named train_B01.dat, val_B01.dat, ..."""
    splits: dict[str, FolderFiles] = {}
    whole = {split_name(files.folder.name): files}
    for stem, path in files.by_stem.items():
        match = _SPLIT_PREFIX.fullmatch(stem)
        # A pattern matches one file of a folder, so that the folder is one split.
        if match is None or files.by_pattern or files.tables:
            return whole
        name = match[1].lower()
        csv = files.folder / f"{name}_{METADATA_CSV}"
        by_stem = splits.setdefault(name, replace(files, by_stem={}, csv=csv)).by_stem
        if match[2] in by_stem:
            both = f"{path} and {by_stem[match[2]]} are both {match[2]} of {name}; keep one of them"
            problems.append(FileProblem("doubled", path, LayoutError(both, path=path), split=name))
            continue
        by_stem[match[2]] = path
    if len(splits) > 1 and exists(files.csv):
        reason = (
            f"is beside the splits {listed(splits)}; each split needs its own file, "
            f"such as {next(iter(splits.values())).csv.name}"
        )
        error = LayoutError.about(files.csv, reason)
        problems.append(FileProblem("metadata", files.csv, error))
    elif exists(files.csv):
        splits = {name: replace(split, csv=files.csv) for name, split in splits.items()}
    return splits or whole
