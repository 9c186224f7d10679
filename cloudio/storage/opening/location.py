"""The folder that is opened, and the layout for it."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..._utils.paths import exists, is_file, is_folder, local_path, not_found, status_of
from ..._utils.text import escape_controls, listed
from ...errors import LayoutError, RequestError
from ...layouts.cloudsen12 import CLOUDSEN12
from ...layouts.layout import Layout
from ..headers.formats import format_of
from ..listing import SPLITS, list_files, split_name

LAYOUT_TOML = "cloudio.toml"


@dataclass(frozen=True, slots=True)
class Location:
    """The folder that is opened, and its layout.

    ``assumed``: nobody says that it has this layout.  ``doubts`` are by folder: what speaks against
    the layout.
    """

    root: Path
    layout: Layout
    assumed: bool = False
    doubts: tuple[tuple[Path, str], ...] = ()


def locate(
    path: str | os.PathLike[str], layout: Layout | str | os.PathLike[str] | None
) -> Location:
    """Return the folder, and the layout for it: what is given, or what is found there."""
    if isinstance(layout, (str, os.PathLike)):
        layout = _read_layout(local_path(layout, "layout"))
    if layout is not None and not isinstance(layout, Layout):
        raise RequestError(
            f"layout={layout!r}; layout must be a cloudio.Layout or the path of a TOML file"
        )
    root = local_path(path)
    if not exists(root):
        raise not_found(root)
    if not is_folder(root):
        raise _no_folder(root)
    # A link keeps its name, which may be that of a split; ".." names nothing.
    root = root.resolve() if ".." in root.parts else root.absolute()
    return _find_layout(root) if layout is None else Location(root, layout)


def _no_folder(path: Path) -> NotADirectoryError:
    """Return the error of a file that is given instead of a folder."""
    if path.suffix.lower() == ".toml":
        advice = f"give the folder of the data, and this file as layout={os.fspath(path)!r}"
    elif (found := format_of(path)) and found.name != "a .npy file":
        advice = f"it is {found.name}; {found.advice}"
    else:
        advice = f"give the folder of the .dat or .npy files, {path.parent}"
    return NotADirectoryError(escape_controls(f"{path} is a file; {advice}"))


def _read_layout(path: Path) -> Layout:
    if is_file(path):
        return Layout.from_toml(path)
    if is_folder(path):
        found = path / LAYOUT_TOML
        example = f", such as {found}" if is_file(found) else ""
        raise RequestError(
            f"layout={os.fspath(path)!r} is a folder; give the path of a TOML file{example}"
        )
    if path.suffix.lower() == ".toml":
        raise not_found(path, "layout file")
    raise RequestError(
        f"layout={os.fspath(path)!r}; layout must be a cloudio.Layout or the path of a TOML file"
    )


# ---- layouts that are found ----------------------------------------------------------------------


def _find_layout(root: Path) -> Location:
    """Return the layout of a folder: its own, that of the root whose split it is, that of all its
    splits, else CloudSEN12.
    """
    if layout := _layout_in(root):
        return Location(root, layout, doubts=tuple(_contradictions(root, layout)))
    for folder in dict.fromkeys((root, root.resolve())):  # a link may lead to a split
        if layout := _layout_above(folder):
            return Location(root, layout)
    if layout := _layout_of_splits(root):
        return Location(root, layout)
    return Location(root, CLOUDSEN12, assumed=True)


def _layout_in(folder: Path) -> Layout | None:
    path = folder / LAYOUT_TOML
    # "cloudio info --toml . > cloudio.toml": the shell makes the file before anything is read.
    status = status_of(path)
    if status is not None and stat.S_ISREG(status.st_mode) and status.st_size:
        return Layout.from_toml(path)
    return None


def _layout_above(folder: Path) -> Layout | None:
    """Return the layout of the folder above, if it describes this one as a split."""
    is_named = split_name(folder.name) in SPLITS
    try:
        layout = None if folder.parent == folder else _layout_in(folder.parent)
    except LayoutError:
        if is_named:
            raise
        return None  # it may belong to other data
    if layout is None or is_named:
        return layout
    is_split = _has_arrays(folder, layout, known=True) and not _has_arrays(folder.parent, layout)
    return layout if is_split else None


def _has_arrays(folder: Path, layout: Layout, *, known: bool = False) -> bool:
    """Return whether a folder has files that may be arrays; ``known``: an array of the layout."""
    try:
        files = list_files(folder, layout, [])
    except PermissionError:
        return False
    if not known:
        return bool(files)
    return any(files.by_pattern.values()) or any(
        layout.band(layout.name_of_file(stem)) for stem in files.by_stem
    )


def _folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if not f.name.startswith(".") and is_folder(f))


def _same(one: Layout, other: Layout) -> bool:
    """Return whether layouts differ in nothing but their names."""
    return replace(one, name="") == replace(other, name="")


def _contradictions(root: Path, layout: Layout) -> Iterator[tuple[Path, str]]:
    """Yield the splits that have a layout of their own, other than that of the root."""
    for folder in _folders(root):
        with suppress(LayoutError):  # a broken one is not used here
            own = _layout_in(folder)
            if own and not _same(layout, own) and _has_arrays(folder, own):
                here, there = root / LAYOUT_TOML, folder / LAYOUT_TOML
                yield folder, f"it is read as {here} says; {there} says otherwise"


def _own_layout(folder: Path) -> Layout | None:
    """Return the layout in a folder; a broken one counts only if there are arrays."""
    try:
        return _layout_in(folder)
    except LayoutError:
        if _has_arrays(folder, CLOUDSEN12):
            raise
        return None


def _layout_of_splits(root: Path) -> Layout | None:
    """Return the one layout that all splits of a root have; None if none has one.

    LayoutError if they differ, or if a split has none.
    """
    layouts = {folder: _own_layout(folder) for folder in _folders(root)}
    found = {f: own for f, own in layouts.items() if own and _has_arrays(f, own)}
    named = [f for f in layouts if split_name(f.name) in SPLITS and _has_arrays(f, CLOUDSEN12)]
    # Beside splits without a layout, a folder with one is another data set.
    if not found or (named and not found.keys() & named) or _has_arrays(root, CLOUDSEN12):
        return None
    (first, layout), *others = found.items()
    for folder, other in others:
        if not _same(layout, other):
            raise LayoutError(
                f"{first / LAYOUT_TOML} and {folder / LAYOUT_TOML} differ; open each split alone, "
                f"or write one layout for all into {root / LAYOUT_TOML}",
                path=folder / LAYOUT_TOML,
            )
    if without := [f.name for f in layouts if f not in found and _has_arrays(f, layout)]:
        raise LayoutError(
            f"{first / LAYOUT_TOML} describes {listed(f.name for f in found)}, but "
            f"{listed(without)} of {root} has no {LAYOUT_TOML}; if it describes all splits, move "
            f"it to {root / LAYOUT_TOML}, else open each split alone",
            path=first / LAYOUT_TOML,
        )
    return layout
