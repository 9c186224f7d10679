"""Whether a folder without a layout may be taken for the built-in data set.

Its own names and its metadata.csv, or its padding, show it.  Some of that is read with a warning,
none is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..._utils.files import open_raw
from ...errors import LayoutError
from ...layouts.cloudsen12 import RELEASE_COLUMNS
from ...layouts.layout import Layout
from ..arrays import ArrayFile
from ..discovery import Split
from ..errors import FileProblem
from ..listing import list_splits, without_split
from .contents import describe_contents
from .location import LAYOUT_TOML

# Files to sample, and patches of each.
_FILES, _PATCHES = 4, 3


def check_assumption(
    root: Path, layout: Layout, splits: Sequence[Split], problems: Sequence[FileProblem]
) -> tuple[list[Split], list[FileProblem]]:
    """Return the splits with what speaks against the layout, and the problems.

    If nothing speaks for it there is no split, and the problem says what the folder holds.
    """
    names = replace(layout, prefixes=(), aliases={})
    if not splits:
        return [], [_explain(root, layout, problems, names)]
    doubts = [_doubt(split, layout, names) for split in splits]
    if all(doubt is None for doubt in doubts):
        return [], [_refuse(root, layout)]
    return [
        replace(split, doubt=_UNSHOWN if doubt is None else doubt or None)
        for split, doubt in zip(splits, doubts, strict=True)
    ], list(problems)


_UNSHOWN = "nothing shows that it belongs to the same data set as the other splits"


def _is_own_name(path: Path, names: Layout, layout: Layout) -> bool:
    """Return whether a file has a name as the data set has them.

    That is the full name of an array in any case and zero padding, or that of an older copy, such
    as train_B02, train_target.
    """
    stem = without_split(path.stem)
    known = layout if stem != path.stem else names
    return bool(known.matches(stem, [band.name for band in layout.bands]))


def _doubt(split: Split, layout: Layout, names: Layout) -> str | None:
    """Return what speaks against the layout, "" if nothing does; None if nothing speaks for it."""
    known = {name: array for name, array in split.arrays.items() if layout.band(name)}
    own = any(_is_own_name(array.path, names, layout) for array in known.values())
    rows = split.metadata
    if known and rows and any(column in rows.names for column in RELEASE_COLUMNS):
        return ""
    padded = _has_padding(known, layout)
    if own and padded:
        return ""
    # Other arrays beside them belong to another data set, which has some of the names.
    if own and len(known) == len(split.arrays) and not split.left_out:
        return (
            f"no layout is given or found, and it is read as {layout.name} by the names of its "
            "files alone: neither a metadata.csv of that data set nor its padding of zeros is there"
        )
    if known and not own and (rows or padded):
        name, array = next(iter(known.items()))
        return (
            f"no layout is given or found, and it is read as {layout.name}, although its names are "
            f"not those of that data set ({array.path.name} is taken for {name})"
        )
    return None


def _explain(
    root: Path, layout: Layout, problems: Sequence[FileProblem], names: Layout
) -> FileProblem:
    """Return the problem of a folder without a split, with what it has and may be."""
    first = problems[0]
    if not isinstance(first.error, LayoutError) or first.kind in ("format", "unreadable"):
        return first
    _, groups = list_splits(root, layout, [])
    paths = (path for files in groups.values() for path in files.by_stem.values())
    if any(_is_own_name(path, names, layout) for path in paths):
        return first.with_text(
            f"; no layout is given or found, so {layout.name} is assumed: describe other data in "
            f"{root / LAYOUT_TOML}"
        )
    if first.kind == "nothing":
        return first.with_text(f". {describe_contents(root)}")
    return _refuse(root, layout)


def _refuse(root: Path, layout: Layout) -> FileProblem:
    """Return why a folder is not read: nothing says which layout it has."""
    example = layout.bands[0].name
    reason = (
        f"has no layout: layout= (--layout) is not given, there is no {LAYOUT_TOML}, and it is not "
        f"taken for {layout.name}, whose files have names such as {example}.dat. "
    )
    problem = FileProblem("folder", root, LayoutError.about(root, reason))
    return problem.with_text(describe_contents(root))


# ---- padding -------------------------------------------------------------------------------------


def _has_padding(arrays: dict[str, ArrayFile], layout: Layout) -> bool:
    """Return whether sampled patches have zeros around the valid window, and others in it."""
    # Bands first: the zeros of labels and the like may be codes.
    names = sorted(arrays, key=lambda name: getattr(layout.band(name), "wavelength", None) is None)
    shown = False
    for name in names[:_FILES]:
        try:
            for outside, inside in _sample(arrays[name], layout):
                if outside.any() or not outside.size:
                    return False
                shown = shown or bool(inside.any())
        except (OSError, ValueError):  # which reading reports
            continue
    return shown


def _sample(array: ArrayFile, layout: Layout) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers outside and inside the valid window, of some rows of some patches."""
    _, begin, (n, height, _), (patch_bytes, row_bytes, _) = array.buffer_spec
    valid = layout.valid
    below, right = valid.row + valid.height, valid.col + valid.width
    beyond = {valid.row - 1, below}.intersection(range(height))
    with open_raw(array.path) as file:
        for patch in {n * k // _PATCHES for k in range(_PATCHES)}:
            rows = {}
            for row in {height // 2, 0, height - 1, *beyond}:
                file.seek(begin + patch * patch_bytes + row * row_bytes)
                rows[row] = np.frombuffer(file.read(row_bytes), array.dtype)
            middle = rows.pop(height // 2)
            outside = [middle[: valid.col], middle[right:]]
            outside += [pixels for row, pixels in rows.items() if not valid.row <= row < below]
            yield np.concatenate(outside), middle[valid.col : right]
