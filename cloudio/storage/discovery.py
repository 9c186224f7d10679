"""The splits of a folder: their arrays, their metadata, and what is wrong with their files.

Of a file only the first bytes are read, and metadata.csv.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._utils.paths import exists
from .._utils.text import listed, suggest
from ..errors import LayoutError
from ..layouts.band import Band
from ..layouts.band_checks import SharedFile
from ..layouts.layout import FileNames, Layout
from .arrays import ArrayFile
from .errors import FileProblem
from .headers.formats import format_of
from .inference import find_ambiguity, infer_arrays
from .inspection import InspectedFile, inspect_file
from .listing import FolderFiles, LeftOut, list_splits, sort_splits
from .metadata.csv_file import MetadataFile
from .native import add_tables


@dataclass(frozen=True, slots=True)
class Split:
    """The patches of one folder, and their arrays.

    ``metadata`` is ``csv``, which is read when its columns are asked for; None if there is none.
    ``ambiguity`` says what else the files may hold, if only their sizes show what they hold.
    ``doubt`` says what speaks against the layout.
    """

    name: str
    folder: Path
    n_patches: int
    arrays: dict[str, ArrayFile]
    metadata: MetadataFile | None
    csv: Path
    left_out: tuple[LeftOut, ...] = ()
    ambiguity: str | None = None
    doubt: str | None = None


def locate_patches(
    splits: Sequence[Split], stored_index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which split has each patch, by its number over all splits, and its number there."""
    sizes = np.array([split.n_patches for split in splits])
    stops = np.cumsum(sizes)
    which = np.searchsorted(stops, stored_index, side="right")
    return which, stored_index - (stops - sizes)[which]


def scan_folder(
    root: Path, layout: Layout, *, check_rows: bool = False
) -> tuple[list[Split], list[FileProblem]]:
    """Return the splits as far as their files fit together, and why other files are left out.

    The splits are in the order train, val, test, then by name.  `cloudio.open` raises the first
    problem.  An empty folder is a problem too, and with ``check_rows`` each wrong row of a
    metadata.csv.
    """
    problems: list[FileProblem] = []
    own, groups = list_splits(root, layout, problems)
    if not groups and not problems:
        _arrays_by_pattern(own, layout, problems)  # its problem names the pattern, if there is one
        problems = problems or [_nothing_in(own, layout)]
    splits: list[Split] = []
    for name in sort_splits(groups):
        found: list[FileProblem] = []
        splits += filter(None, [_split(name, groups[name], layout, found, check_rows)])
        problems += (replace(problem, split=name) for problem in found)
    return splits, problems


def _nothing_in(files: FolderFiles, layout: Layout) -> FileProblem:
    """Return the problem of a folder without an array: "nothing" if there is no file for one."""
    root, where = files.folder, f"in {files.folder} or its sub-folders"
    if not files.left_out:
        message = f"there are no .dat or .npy files {where}"
        return FileProblem("nothing", root, LayoutError(message, path=root))
    reasons: dict[str, list[str]] = {}
    for file in files.left_out:
        reasons.setdefault(file.reason, []).append(os.fspath(file.path))
    left_out = "; ".join(f"{listed(paths)} {reason}" for reason, paths in reasons.items())
    message = f"there is no array of {layout.name} {where}; left out: {left_out}"
    return FileProblem("folder", root, LayoutError(message, path=root))


def _split(
    name: str, files: FolderFiles, layout: Layout, problems: list[FileProblem], check_rows: bool
) -> Split | None:
    """Return one split of the files that fit together; None if no array is left.

    ``problems`` of this split are added; there are none yet.
    """
    metadata = _metadata(files.csv, problems, check_rows)
    n_rows = 0 if metadata is None else metadata.n_rows
    has_no_rows = exists(files.csv) and not n_rows and not problems
    inspected = _inspect_files(files, layout, problems)
    if has_no_rows:
        reason = "has no rows; write a row per patch, or remove the file"
        problems.append(FileProblem("metadata", files.csv, LayoutError.about(files.csv, reason)))
    n_patches, arrays, misfits = infer_arrays(inspected, layout, n_rows, files.csv)
    # Where sizes do not fit the rows, or only as another type, a wrong row may be the reason.
    if n_rows and not check_rows and (misfits or _has_other_types(arrays, layout)):
        problems.clear()
        return _split(name, files, layout, problems, check_rows=True)
    if n_rows and misfits:
        n_by_files, by_files, fewer = infer_arrays(inspected, layout, 0, files.csv)
        if len(fewer) < len(misfits):  # the rows are wrong rather than the files
            misfits = [FileProblem("rows", files.csv, misfits[0].error), *fewer]
            n_patches, arrays, metadata = n_by_files, by_files, None
    arrays, incomplete = add_tables(arrays, files, layout, name, n_patches)
    problems += [*misfits, *incomplete]
    if not arrays:
        return None
    is_certain = n_rows or any(len(array.paths) > 1 for array in arrays.values())
    ambiguity = None if is_certain else find_ambiguity(inspected, layout, n_patches)
    return Split(
        name, files.folder, n_patches, arrays, metadata, files.csv, files.left_out, ambiguity
    )


def _has_other_types(arrays: dict[str, ArrayFile], layout: Layout) -> bool:
    known = {band.name: band.dtype for band in layout.bands}
    return any(name in known and array.dtype != known[name] for name, array in arrays.items())


def _metadata(csv: Path, problems: list[FileProblem], check_rows: bool) -> MetadataFile | None:
    """Return metadata.csv, unless it has no rows; ``check_rows``: a wrong row is a problem."""
    if not exists(csv):
        return None
    try:
        if found := format_of(csv):
            raise LayoutError.about(csv, f"is {found.name}, not a table; {found.advice}")
        metadata = MetadataFile.inspect(csv)
        if check_rows:
            metadata.read(())
    except (LayoutError, OSError) as error:
        problems.append(FileProblem("metadata", csv, error))
        return None
    return metadata if metadata.n_rows else None


def _inspect_files(
    files: FolderFiles, layout: Layout, problems: list[FileProblem]
) -> list[InspectedFile]:
    """Return the files of all arrays, each inspected once."""
    bands: dict[Path, dict[str, Band | None]] = {}
    paths: dict[str, Path] = {}
    shared: dict[Path, SharedFile] = {}
    known = {band.name: band for band in layout.bands}
    for name, path in (
        *_arrays_by_pattern(files, layout, problems),
        *_arrays_by_stem(files, layout),
    ):
        if name in paths:
            both = f"{path} and {paths[name]} are both {name}; keep one of them"
            problems.append(FileProblem("doubled", path, LayoutError(both, path=path)))
            continue
        band, others = known.get(name), bands.setdefault(path, {})
        try:
            if band is not None:
                shared.setdefault(path, SharedFile(path)).add(band)
        except LayoutError as error:
            problems.append(FileProblem("doubled", path, error))
            continue
        paths[name], others[name] = path, band
    inspected = [
        inspect_file(path, bands_of_file, files.headers.get(path))
        for path, bands_of_file in bands.items()
    ]
    problems += (each for each in inspected if isinstance(each, FileProblem))
    return [each for each in inspected if isinstance(each, InspectedFile)]


def _arrays_by_stem(files: FolderFiles, layout: Layout) -> Iterator[tuple[str, Path]]:
    """Return the arrays whose files are found by their names."""
    names = FileNames(layout)
    for stem, path in files.by_stem.items():
        yield names.find(stem), path


def _arrays_by_pattern(
    files: FolderFiles, layout: Layout, problems: list[FileProblem]
) -> list[tuple[str, Path]]:
    """Return the arrays with a pattern in the layout; a problem if it does not match one file."""
    arrays: list[tuple[str, Path]] = []
    for band in layout.bands:
        if band.pattern is None:
            continue
        found = files.by_pattern[band.pattern]
        if len(found) == 1:
            arrays.append((band.name, found[0]))
            continue
        hint = ""
        if not found and not problems:  # the first one helps with the others
            here = sorted(path.name for path in files.folder.iterdir() if path.is_file())
            hint = f"; the folder has {listed(here)}{suggest(str(band.file), here)}"
        what = "nothing" if not found else " and ".join(os.fspath(path) for path in found[:2])
        path = found[1] if found else files.folder / str(band.file)
        error = LayoutError(
            f"{layout.where(band.name, 'file')}file = {band.file!r} of {band.name} matches "
            f"{what} in {files.folder}; it must match exactly one file{hint}",
            path=path,
        )
        kind = "doubled" if found else "missing"
        problems.append(FileProblem(kind, path, error, arrays=(band.name,)))
    return arrays
