"""Data sets: opened from a folder, read by readers, pickled as paths."""

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
from ..storage.errors import FileProblem
from ..storage.files import is_remote
from ..storage.open_files import OpenFiles
from .collection import Collection
from .reader import Reader

# This file describes the folder that holds it.
LAYOUT_TOML = "cloudio.toml"


class Dataset(Collection):
    """Patches of one or more splits, and the arrays that all of these have.

    `cloudio.open` makes one.  ``len(ds)`` is the number of patches; the patches of the second split
    follow those of the first.  A file is opened when it is first needed.  It stays open until
    `close` or the end of a ``with`` block, and as long as anything uses it.  Immutable; threads may
    share it, a forked child may use it, and it pickles as a path (and, for a subset, its index).
    A pickle is for other processes with the same version of cloudio.
    """

    def reader(self, bands: Any = "L1C", labels: Any = None, **settings: Any) -> Reader:
        """Return a reader of these bands and labels; `Reader` explains every setting."""
        return Reader(self, bands, labels, **settings)

    def __reduce__(self) -> tuple[Any, ...]:
        counts = {split.name: split.n_patches for split in self._splits}
        return _reopen, (
            os.fspath(self.path),
            _layout_state(self.layout),
            counts,
            self._index,
            self.io,
        )


def _layout_state(layout: Layout) -> Layout | tuple[str, str] | None:
    """Return None for CloudSEN12; path and digest of a layout from a file, which may be large."""
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
    """Open a pickled data set again; LayoutError where files or layout have changed since."""
    if isinstance(layout, tuple):
        toml, known = layout
        layout = Layout.from_toml(toml)
        if layout_digest(layout) != known:
            raise LayoutError(f"{toml} has changed since {path} was pickled")
    # Not None: the folder may have a cloudio.toml by now.
    with suppressed():  # the process that pickled it has warned
        whole = open(path, layout=CLOUDSEN12 if layout is None else layout, io=io)
    splits = [split for split in whole._splits if split.name in counts]
    found = {split.name: split.n_patches for split in splits}
    if found != counts:
        raise LayoutError(f"{path} has patches {found}; it had {counts} when it was pickled")
    return Dataset(whole.path, whole.layout, splits, index=index, open_files=whole._open_files)


# ---- opening -------------------------------------------------------------------------------------


def open(
    path: str | os.PathLike[str],
    *,
    layout: Layout | str | os.PathLike[str] | None = None,
    io: str = "mmap",
) -> Dataset:
    """Open a folder of patches: one split, or a root whose sub-folders are splits.

    ``layout``: a `Layout` or the path of a TOML file that describes the files; None means
    ``cloudio.toml`` in that same folder, and CloudSEN12 if there is none.  ``io``: ``"mmap"`` reads
    pixels from mapped pages; ``"pread"`` reads the same bits by position, for files that may
    change or lie on a network; ``"auto"`` is ``"pread"`` if a split lies on a network or is served
    by a process (FUSE), else ``"mmap"``.

    No pixel is read, except a few where sizes allow two numbers of patches.  Element types and the
    number of patches follow from headers, from the sizes of flat files, and from metadata.csv if
    there is one.  LayoutError where these do not fit together; OSError where something cannot be
    read.  A CloudioWarning, once for a path, where they may not be what was meant: types that the
    layout does not have, sizes of another number of patches, arrays that a split lacks.
    """
    if io not in ("mmap", "pread", "auto"):
        raise RequestError(f"io={io!r}; io must be 'mmap', 'pread' or 'auto'")
    root, layout = _locate(path, layout)
    splits = find_splits(root, layout)
    if io == "auto":
        files = (next(iter(split.arrays.values())).path for split in splits)
        io = "pread" if any(map(is_remote, files)) else "mmap"
    ds = Dataset(root, layout, splits, open_files=OpenFiles(io))
    warn_about_files(root, splits, layout)
    return ds


def open_partial(
    path: str | os.PathLike[str], *, layout: Layout | str | os.PathLike[str] | None = None
) -> tuple[Dataset, list[Split], list[FileProblem]]:
    """Open the files of a folder that fit together, and return the problems of the others.

    `open` raises the first problem.  So does this function where not even one array fits.  Files
    are read by position: one that ends early, or lies on a failing disk, raises an error and kills
    nothing.
    """
    root, layout = _locate(path, layout)
    splits, problems = scan_folder(root, layout)
    if not splits:
        raise problems[0].error
    return Dataset(root, layout, splits, open_files=OpenFiles("pread")), splits, problems


def _locate(
    path: str | os.PathLike[str], layout: Layout | str | os.PathLike[str] | None
) -> tuple[Path, Layout]:
    """Return the folder, and the layout for it."""
    if isinstance(layout, (str, os.PathLike)):
        layout = _read_layout(Path(layout))
    if layout is not None and not isinstance(layout, Layout):
        raise RequestError(
            f"layout={layout!r}; layout must be a cloudio.Layout or the path of a TOML file"
        )
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {root}")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file; give the folder of the .dat or .npy files")
    # A link keeps its name, which may be that of a split; ".." names nothing.
    root = root.resolve() if ".." in root.parts else root.absolute()
    return root, _find_layout(root) if layout is None else layout


def _read_layout(path: Path) -> Layout:
    if path.is_file():
        return Layout.from_toml(path)
    if path.suffix.lower() == ".toml":
        raise FileNotFoundError(f"there is no layout file {path}")
    raise RequestError(
        f"layout={os.fspath(path)!r}; layout must be a cloudio.Layout or the path of a TOML file"
    )


def _find_layout(root: Path) -> Layout:
    """Return the layout that lies in a folder, or CloudSEN12."""
    path = root / LAYOUT_TOML
    # "cloudio info --toml . > cloudio.toml": the shell makes the file before anything is read.
    if os.path.isfile(path) and path.stat().st_size:
        return Layout.from_toml(path)
    return CLOUDSEN12
