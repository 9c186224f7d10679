"""Data sets: opened, read by readers, pickled as paths."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.warn import suppressed
from ..errors import LayoutError, RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.digest import layout_digest
from ..layouts.layout import Layout
from ..storage.diagnostics import warn_about_files
from ..storage.discovery import Split, find_splits, scan_folder
from ..storage.files import is_remote
from ..storage.inference import FileProblem
from ..storage.open_files import OpenFiles
from .collection import Collection
from .reader import Reader

# The layout of the folder it lies in.
LAYOUT = "cloudio.toml"


class Dataset(Collection):
    """Patches of one or more splits, and the arrays that all of these have.

    Made by `cloudio.open`.  ``len(ds)`` is the number of patches; patch k of the second split
    follows the last of the first.  Files are opened when first needed and stay so until `close`,
    the end of a ``with`` block, or while anything uses them.  Immutable; threads may share it, a
    forked child may go on using it, and it pickles as a path (and, for a subset, its index).
    """

    def reader(self, bands: Any = "L1C", labels: Any = None, **settings: Any) -> Reader:
        """Decide what to read, and how; see `Reader` for every setting."""
        return Reader(self, bands, labels, **settings)

    def __reduce__(self) -> tuple[Any, ...]:
        counts = {split.name: split.n_patches for split in self._splits}
        return _reopen, (os.fspath(self.path), _pickled(self.layout), counts, self._index, self.io)


def _pickled(layout: Layout) -> Layout | tuple[str, str] | None:
    """None for CloudSEN12; of a layout from a file its path and digest, for it can be large."""
    if layout is CLOUDSEN12:
        return None
    if layout.file is None:
        return layout
    return os.fspath(layout.file.path), layout_digest(layout)


def _reopen(
    path: str,
    layout: Layout | tuple[str, str] | None,
    counts: dict[str, int],
    index: np.ndarray | None,
    io: str,
) -> Dataset:
    """The data set that was pickled; LayoutError where files or layout have changed since."""
    if isinstance(layout, tuple):
        toml, known = layout
        layout = Layout.from_toml(toml)
        if layout_digest(layout) != known:
            raise LayoutError(f"{toml} now has another layout than when {path} was pickled")
    # Not None: the folder may have got a layout of its own.
    with suppressed():  # whoever pickled it has been told
        whole = open(path, layout=CLOUDSEN12 if layout is None else layout, io=io)
    splits = [split for split in whole._splits if split.name in counts]
    found = {split.name: split.n_patches for split in splits}
    if found != counts:
        raise LayoutError(f"{path} now has patches {found}; it had {counts} when it was pickled")
    return Dataset(whole.path, whole.layout, splits, index=index, sources=whole._sources)


# ---- opening -------------------------------------------------------------------------------------


def open(
    path: str | os.PathLike[str],
    *,
    layout: Layout | str | os.PathLike[str] | None = None,
    io: str = "mmap",
) -> Dataset:
    """Open a folder of patches: one split, or a root whose sub-folders are splits.

    ``layout``: what its files are, as a `Layout` or the path of a TOML file; None means
    ``cloudio.toml`` in that same folder, and CloudSEN12 where there is none.  ``io``: ``"mmap"``,
    pixels from mapped pages; ``"pread"``, the same bits through reads by position, for files that
    may change or lie on a network; ``"auto"``, the latter where a split lies on a network or is
    served by a process (FUSE), else the former.

    No pixel is read, but for a few where sizes allow two numbers of patches.  Element types and the
    number of patches follow from headers and from the sizes of flat files, and from metadata.csv
    where there is one.  LayoutError where these do not fit together; OSError where something cannot
    be read.  A CloudioWarning, once for a path, where they may not be what was meant: types that
    the layout does not have, sizes of another number of patches, arrays that a split lacks.
    """
    if io not in ("mmap", "pread", "auto"):
        raise RequestError(f"io={io!r}; 'mmap', 'pread' or 'auto' is needed")
    root, layout = _located(path, layout)
    splits = find_splits(root, layout)
    if io == "auto":
        files = (next(iter(split.arrays.values())).path for split in splits)
        io = "pread" if any(map(is_remote, files)) else "mmap"
    ds = Dataset(root, layout, splits, sources=OpenFiles(io))
    warn_about_files(root, splits, layout)
    return ds


def inspect(
    path: str | os.PathLike[str], *, layout: Layout | str | os.PathLike[str] | None = None
) -> tuple[Dataset, list[Split], list[FileProblem]]:
    """Open what fits together of a folder, whose files need not: its splits, and why not all of it.

    The first fault is what `open` raises.  Where not even one array is left, that is raised.  Read
    by position: a file that ends early or lies on a failing disk is an error, and kills nothing.
    """
    root, layout = _located(path, layout)
    splits, faults = scan_folder(root, layout)
    if not splits:
        raise faults[0].error
    return Dataset(root, layout, splits, sources=OpenFiles("pread")), splits, faults


def _located(
    path: str | os.PathLike[str], layout: Layout | str | os.PathLike[str] | None
) -> tuple[Path, Layout]:
    """The folder, and the layout that is meant for it."""
    if isinstance(layout, (str, os.PathLike)):
        layout = _layout_at(Path(layout))
    if layout is not None and not isinstance(layout, Layout):
        raise RequestError(f"layout={layout!r}; a cloudio.Layout is needed, or a TOML file")
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"no folder {root}")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file; a folder of .dat or .npy files is needed")
    # A link keeps its name, which may be that of a split; ".." names nothing.
    root = root.resolve() if ".." in root.parts else root.absolute()
    return root, _layout_in(root) if layout is None else layout


def _layout_at(path: Path) -> Layout:
    if path.is_file():
        return Layout.from_toml(path)
    if path.suffix.lower() == ".toml":
        raise FileNotFoundError(f"no layout {path}")
    raise RequestError(f"layout={os.fspath(path)!r}; a cloudio.Layout is needed, or a TOML file")


def _layout_in(root: Path) -> Layout:
    """The layout that lies in a folder, or CloudSEN12."""
    path = root / LAYOUT
    # "cloudio info --toml . > cloudio.toml": the shell makes the file before anything is read.
    if os.path.isfile(path) and path.stat().st_size:
        return Layout.from_toml(path)
    return CLOUDSEN12
