"""A data set: patches of one or more splits, and the arrays that all of these have.

Which files a folder has is folder.py's to find out, files are source.py's to open, and how to read
them is reader.py's to decide.
"""

import dataclasses
import math
import os
import types
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, advice, doubts
from .cloudsen12 import CLOUDSEN12
from .errors import LayoutError, RequestError
from .folder import Split, splits_of, survey
from .layout import Band, Layout, Window, holds
from .metadata import column_of, matches, typed
from .reprs import dataset_html, dataset_text
from .request import picks, resolved
from .source import File, Source, is_remote, open_file
from .stored import Array, Fault
from .toml_text import digest

if TYPE_CHECKING:
    from .reader import Reader

# The layout of the folder it lies in.
LAYOUT = "cloudio.toml"


class Dataset:
    """Patches of one or more splits, and the arrays that all of these have.

    Made by `cloudio.open`.  ``len(ds)`` is the number of patches; patch k of the second split
    follows the last of the first.  Files are opened when first needed and stay so until `close`,
    the end of a ``with`` block, or while anything uses them.  Immutable; threads may share it, a
    forked child may go on using it, and it pickles as a path (and, for a subset, its index).
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        splits: Sequence[Split],
        *,
        index: np.ndarray | None = None,
        sources: "_Sources",
    ) -> None:
        self.path = path
        self.layout = layout
        self._splits = tuple(splits)
        self._index = index
        self._sources = sources
        stored = sum(split.n_patches for split in self._splits)
        self._n_patches = stored if index is None else len(index)

    # ---- what there is -----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n_patches

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Arrays that every split has, in the layout's order; those it does not know come last."""
        common = set.intersection(*(set(split.arrays) for split in self._splits))
        known = [band.name for band in self.layout.bands if band.name in common]
        return (*known, *sorted(common.difference(known)))

    @property
    def splits(self) -> Mapping[str, range | np.ndarray]:
        """Which patches each split has: a range, or for a subset an array of positions."""
        parts: dict[str, range | np.ndarray] = {}
        start = 0
        for split in self._splits:
            stop = start + split.n_patches
            parts[split.name] = (
                range(start, stop)
                if self._index is None
                else np.flatnonzero((self._index >= start) & (self._index < stop))
            )
            start = stop
        return types.MappingProxyType(parts)

    @property
    def folders(self) -> Mapping[str, Path]:
        """Where the files of each split lie."""
        return types.MappingProxyType({split.name: split.folder for split in self._splits})

    @property
    def valid_window(self) -> Window:
        """Where a patch holds real pixels."""
        return self.layout.valid

    @cached_property
    def metadata(self) -> Mapping[str, np.ndarray]:
        """One read-only array per column of metadata.csv, in patch order.

        Columns that every split has; none where a split has no metadata.csv.

        Whole numbers are int64, numbers with gaps float64 with NaN, ISO dates datetime64 with
        NaT, everything else text.
        """
        tables = [split.metadata for split in self._splits]
        shared = [name for name in tables[0] if all(name in table for table in tables)]
        whole = {name: typed([x for table in tables for x in table[name]]) for name in shared}
        if self._index is not None:
            whole = {name: column[self._index] for name, column in whole.items()}
        for column in whole.values():
            column.setflags(write=False)
        return types.MappingProxyType(whole)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the files, one sentence each.

        `cloudio.open` has warned of those that change numbers.
        """
        return tuple(doubt.text for doubt in doubts.of_files(self._splits, self.layout))

    def dtype(self, name: str) -> np.dtype[Any]:
        """The stored type of an array; RequestError where splits differ."""
        name = self.find(name)
        found = {split.arrays[name].dtype: split.name for split in self._splits}
        if len(found) > 1:
            each = ", ".join(f"{dtype} in {split}" for dtype, split in found.items())
            raise RequestError(f"{name} is {each}; read these splits one by one")
        return next(iter(found))

    def band(self, name: str) -> Band:
        """What is known of an array: its row of the layout, corrected by what the files say."""
        name = self.find(name)
        known, dtype = self.layout.band(name), self.dtype(name).name
        if known is None:
            return Band(name, "band", dtype, scale=None)
        if known.dtype == dtype:
            return known
        scale = 1.0 if known.kind == "label" else None
        # The number that means no data is the same in any type that can hold it.
        nodata = known.nodata if holds(dtype, known.nodata) else None
        return dataclasses.replace(known, dtype=dtype, scale=scale, offset=0.0, nodata=nodata)

    def find(self, name: str) -> str:
        """The array that ``name`` means, in any spelling; RequestError where none or several."""
        if not isinstance(name, str):
            raise RequestError(
                f"{name!r} is no name of an array; ds.reader() reads patches, ds.subset(index) "
                "picks them"
            )
        if not self.layout.matches(name, self.names):
            for split in self._splits:
                if found := self.layout.matches(name, split.arrays):
                    lacking = ", ".join(s.name for s in self._splits if found[0] not in s.arrays)
                    raise RequestError(
                        f"{found[0]} is not in {lacking} of {self.path}; "
                        f"ds.split({split.name!r}) has it"
                    )
        return self.layout.find(name, self.names, str(self.path))

    # ---- parts -------------------------------------------------------------------------------

    def split(self, name: str) -> "Dataset":
        """One split, as a data set of its own."""
        start = 0
        for split in self._splits:
            stop = start + split.n_patches
            if split.name == name:
                index = self._index
                if index is not None:
                    index = index[(index >= start) & (index < stop)] - start
                return self._view((split,), index)
            start = stop
        names = ", ".join(split.name for split in self._splits)
        raise RequestError(f"no split {name!r}; {self.path} has {names}")

    def subset(self, index: Any = None, /, **where: Any) -> "Dataset":
        """The patches of ``index``, in that order, as a data set of their own.

        ``index`` is what `Reader.read` takes, or a mask: a boolean per patch.  Its order and
        repeats are kept; nothing is copied but the index.  Keywords are columns of `metadata` and
        the value that they must equal, or a collection of values: ``cloud_coverage="cloudy",
        land_cover=(20, 30)``.  A date may be text (``"2019-06-01"``, ``"2019-06"`` for all of that
        month), None is an empty field.  Where several things are asked for, all must be true; where
        no patch is left, the data set is empty.
        """
        if "index" in where:  # positions, or the column of that name?
            raise RequestError(
                "subset(index=...) could mean two things; positions are the first argument, the "
                'column is asked for by a mask: subset(ds.metadata["index"] == 7)'
            )
        if index is None and not where:
            raise RequestError("subset() needs an index, a mask, or a condition on the metadata")
        picked = np.arange(len(self)) if index is None else picks(index, len(self))
        for name, wanted in where.items():
            column = column_of(self.metadata, name, self.path)
            picked = picked[matches(name, column, wanted)[picked]]
        return self._view(self._splits, picked if self._index is None else self._index[picked])

    def _view(self, splits: tuple[Split, ...], index: np.ndarray | None) -> "Dataset":
        return Dataset(self.path, self.layout, splits, index=index, sources=self._sources)

    # ---- pixels ------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> np.ndarray:
        """An array of a one-split data set, (patch, row, column): a read-only view of its file."""
        name = self.find(name)
        if len(self._splits) > 1 or self._index is not None:
            raise RequestError(
                f"{name} is a view of one file, and this data set is "
                + ("a subset of one" if len(self._splits) == 1 else "several splits")
                + "; take ds.split(name) of the whole data set, or ds.reader"
            )
        return self.sources(name)[0].array

    @property
    def io(self) -> str:
        """How pixels are had: ``"mmap"``, from mapped pages, or ``"pread"``, read by position."""
        return self._sources.io

    def close(self) -> None:
        """Close all files, also those of its parts and of their readers, which then read no more.

        Reads under way in other threads end first.  Views by ``ds[name]`` stay.
        """
        self._sources.close()

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sources(self, name: str, io: str | None = None) -> list[Source]:
        """The open files of an array, one per split; RequestError once they are closed.

        For the data set's engine, or for another one.
        """
        return [self._sources.get(split.arrays[name], io or self.io) for split in self._splits]

    @property
    def is_subset(self) -> bool:
        """Whether patches are picked by an index, as `subset` does."""
        return self._index is not None

    def stored_index(self, numbers: np.ndarray) -> np.ndarray:
        """Which stored patches those of a subset are; ``numbers`` is resolved."""
        assert self._index is not None
        _kernels.resolve(numbers, self._n_patches)
        stored: np.ndarray = self._index[numbers]
        return stored

    def locate(self, index: Any) -> list[tuple[str, int]]:
        """The split of each patch of ``index``, and its number in the files of that split."""
        numbers = resolved(index, len(self))
        stored = numbers if self._index is None else self._index[numbers]
        stops = np.cumsum([split.n_patches for split in self._splits])
        which = np.searchsorted(stops, stored, side="right")
        return [
            (self._splits[k].name, int(number - (stops[k] - self._splits[k].n_patches)))
            for k, number in zip(which, stored, strict=True)
        ]

    def reader(self, bands: Any = "L1C", labels: Any = None, **settings: Any) -> "Reader":
        """Decide what to read, and how; see `Reader` for every setting."""
        from .reader import Reader

        return Reader(self, bands, labels, **settings)

    # ---- as a thing --------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        counts = {split.name: split.n_patches for split in self._splits}
        return _reopen, (os.fspath(self.path), _pickled(self.layout), counts, self._index, self.io)

    def __repr__(self) -> str:
        return dataset_text(self)

    def _repr_html_(self) -> str:
        return dataset_html(self)


def _pickled(layout: Layout) -> Layout | tuple[str, str] | None:
    """None for CloudSEN12; of a layout from a file its path and digest, for it can be large."""
    if layout is CLOUDSEN12:
        return None
    if layout.origin is None:
        return layout
    return os.fspath(layout.origin.path), digest(layout)


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
        if digest(layout) != known:
            raise LayoutError(f"{toml} now has another layout than when {path} was pickled")
    # Not None: the folder may have got a layout of its own.
    with advice.hushed():  # whoever pickled it has been told
        whole = open(path, layout=CLOUDSEN12 if layout is None else layout, io=io)
    splits = [split for split in whole._splits if split.name in counts]
    found = {split.name: split.n_patches for split in splits}
    if found != counts:
        raise LayoutError(f"{path} now has patches {found}; it had {counts} when it was pickled")
    return Dataset(whole.path, whole.layout, splits, index=index, sources=whole._sources)


class _Sources:
    """Files opened once and closed together, however many readers, parts and threads ask for them.

    No lock, for a forked child could find it held by a thread that it does not have: of two
    threads that open a file at once, the later one closes its own and takes the other's.
    """

    def __init__(self, io: str) -> None:
        self.io = io
        self._files: dict[tuple[Path, str], File] = {}
        self._arrays: dict[tuple[Path, str, int | None], Source] = {}
        self._closed = False

    def get(self, array: Array, io: str) -> Source:
        key = array.path, io, array.channel
        if self._closed:  # what a thread has opened since is closed too
            raise RequestError(f"{array.path.parent} is closed; open the data set anew")
        if source := self._arrays.get(key):
            return source
        file = self._files.get(key[:2])
        if file is None:
            n_bytes = array.start + math.prod(array.shape) * array.dtype.itemsize
            file = open_file(array.path, n_bytes, io)
            file = self._files.setdefault(key[:2], file)
            if self._closed:  # meanwhile
                file.close()
        source = Source(file, array.dtype, array.shape, array.start, array.channel)
        return self._arrays.setdefault(key, source)

    def close(self) -> None:
        self._closed = True
        self._arrays.clear()
        for file in list(self._files.values()):
            file.close()
        self._files.clear()


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
    splits = splits_of(root, layout)
    if io == "auto":
        files = (next(iter(split.arrays.values())).path for split in splits)
        io = "pread" if any(map(is_remote, files)) else "mmap"
    ds = Dataset(root, layout, splits, sources=_Sources(io))
    doubts.warn_of_files(root, splits, layout)
    return ds


def inspect(
    path: str | os.PathLike[str], *, layout: Layout | str | os.PathLike[str] | None = None
) -> tuple[Dataset, list[Split], list[Fault]]:
    """Open what fits together of a folder, whose files need not: its splits, and why not all of it.

    The first fault is what `open` raises.  Where not even one array is left, that is raised.  Read
    by position: a file that ends early or lies on a failing disk is an error, and kills nothing.
    """
    root, layout = _located(path, layout)
    splits, faults = survey(root, layout)
    if not splits:
        raise faults[0].error
    return Dataset(root, layout, splits, sources=_Sources("pread")), splits, faults


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
