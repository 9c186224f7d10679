"""Data sets: opened from a folder, read by readers, pickled as paths."""

import functools
import os
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Never, Unpack, overload

import numpy as np

from .._utils import tables
from .._utils.keywords import explain_unknown
from .._utils.machine import warn_about_variables
from .._utils.text import escape_controls
from .._utils.types import IO, AxisOrder, ElementType, FilePath, KeyNames, Numbers, Scale, Size
from .._utils.warn import suppressed
from ..errors import LayoutError, RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.digest import layout_digest
from ..layouts.layout import Layout
from ..storage.diagnostics import warn_about_files
from ..storage.discovery import Split
from ..storage.errors import FileProblem, system_errors_explained
from ..storage.files import is_remote
from ..storage.open_files import OpenFiles
from ..storage.opening.scan import scan_path
from .arguments.options import READER_KEYWORDS, NamedReaderSettings, ReaderSettings
from .batch import Batch, MaskedBatch
from .collection import Collection
from .description import describe_window, group_rows
from .reader import Reader
from .selection import Bands, Labels


class _Explained(Collection):
    """Errors that say what to write for common wrong guesses."""

    if not TYPE_CHECKING:  # type checkers know what a data set has

        @functools.wraps(Collection.__init__)
        def __new__(cls, *args: Any, **kwargs: Any) -> "Dataset":
            if "open_files" not in kwargs:
                raise TypeError("a Dataset is made by cloudio.open, such as cloudio.open('data/')")
            return super().__new__(cls)

        def __getattr__(self, name: str) -> Never:
            raise AttributeError(self._describe_missing(name), name=name, obj=self)

    def _describe_missing(self, name: str) -> str:
        hint = ""
        if not name.startswith("_"):
            if name in self.splits:
                hint = f"; ds.split({name!r}) returns that split"
            elif name in self.metadata_names:
                hint = f"; ds.metadata[{name!r}] is that column"
            elif name in self.names:
                hint = f"; ds.reader({name!r}) reads that array"
        return f"{type(self).__name__!r} object has no attribute {name!r}{hint}"


class Dataset(_Explained):
    """Patches of one or more splits, and the arrays that all of these splits have.

    `cloudio.open` returns it; `split` and `subset` give parts of it.  Patches are numbered from 0,
    split after split.  Files are opened when they are first read, and stay open until `close` or
    the end of a ``with`` block.

    Notes
    -----
    A data set is immutable, threads may share it, and forked processes may use it.  It pickles as a
    path (and, for a subset, its index), for other processes with the same version of cloudio.
    """

    # Batches have a label if the reader has labels, and a mask if valid=True.  With keys= they are
    # dicts.  ``labels`` follows ``bands``, or is given by name.

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        labels: None = ...,
        *,
        valid: Literal[False] = ...,
        **settings: Unpack[ReaderSettings],
    ) -> Reader[Batch[np.ndarray]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None,
        labels: Labels,
        *,
        valid: Literal[False] = ...,
        **settings: Unpack[ReaderSettings],
    ) -> Reader[Batch[np.ndarray, Never]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        *,
        labels: Labels,
        valid: Literal[False] = ...,
        **settings: Unpack[ReaderSettings],
    ) -> Reader[Batch[np.ndarray, Never]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        labels: None = ...,
        *,
        valid: Literal[True],
        **settings: Unpack[ReaderSettings],
    ) -> Reader[MaskedBatch[np.ndarray]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None,
        labels: Labels,
        *,
        valid: Literal[True],
        **settings: Unpack[ReaderSettings],
    ) -> Reader[MaskedBatch[np.ndarray, Never]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        *,
        labels: Labels,
        valid: Literal[True],
        **settings: Unpack[ReaderSettings],
    ) -> Reader[MaskedBatch[np.ndarray, Never]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        labels: Labels | None = ...,
        *,
        keys: KeyNames,
        valid: bool = ...,
        **settings: Unpack[NamedReaderSettings],
    ) -> Reader[dict[str, Any]]: ...

    @overload
    def reader(
        self,
        bands: Bands | None = ...,
        labels: Labels | None = ...,
        *,
        keys: KeyNames | None = ...,
        valid: bool,
        **settings: Unpack[NamedReaderSettings],
    ) -> Reader[Any]: ...

    @explain_unknown(READER_KEYWORDS)
    def reader(
        self,
        bands: Bands | None = None,
        labels: Labels | None = None,
        *,
        size: Size = None,
        dtype: ElementType = "float32",
        layout: AxisOrder = "NCHW",
        scale: Scale = "reflectance",
        mean: Numbers | None = None,
        std: Numbers | None = None,
        label_dtype: ElementType = "uint8",
        ignore: int = 255,
        threads: int | None = None,
        clip: tuple[float | None, float | None] | None = None,
        fill: float | None = None,
        valid: bool = False,
        evict: bool = False,
        keys: KeyNames | None = None,
    ) -> Reader[Any]:
        """Return a reader of these bands and labels.

        Parameters
        ----------
        bands : str or sequence of str, optional
            A preset, a name, or a sequence of these.  By default the layout's first preset, in
            CloudSEN12 ``"L1C"``, or all bands.
        labels : str, sequence of str, or mapping, optional
            Names, or a mapping of names to rules.
        size, dtype, layout, scale, mean, std
            As in `Reader`.
        label_dtype, ignore, threads, clip, fill, valid, evict, keys
            As in `Reader`.

        Returns
        -------
        Reader
            It is immutable and can be shared by threads.

        Raises
        ------
        RequestError
            If a setting is not possible.
        """
        return Reader(
            self,
            bands,
            labels,
            size=size,
            dtype=dtype,
            layout=layout,
            scale=scale,
            mean=mean,
            std=std,
            label_dtype=label_dtype,
            ignore=ignore,
            threads=threads,
            clip=clip,
            fill=fill,
            valid=valid,
            evict=evict,
            keys=keys,
        )

    @property
    def stored_splits(self) -> tuple[Split, ...]:
        """The splits as they lie on disk, with all of their patches: files and metadata.csv."""
        return self._splits

    def __reduce__(self) -> tuple[Any, ...]:
        counts = {split.name: split.n_patches for split in self._splits}
        return _reopen, (
            os.fspath(self.path),
            _layout_state(self.layout),
            counts,
            self._index,
            self.io,
        )

    # ---- text --------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return the splits in one line, then the window, arrays by group, and warnings."""
        parts = ", ".join(f"{name} {len(which):,}" for name, which in self.splits.items())
        return "\n".join(
            [
                escape_controls(
                    f"<cloudio.Dataset {self.layout.name} at {self.path}: {len(self):,} patches "
                    f"({parts}), {len(self.names)} arrays>"
                ),
                describe_window(self),
                tables.text(group_rows(self), {1, 3}),
                *(f"warning: {warning}" for warning in self.warnings),
            ]
        )

    def _repr_html_(self) -> str:
        """Return the same as HTML."""
        splits = [
            (name, f"{len(which):,}", str(self.folders[name]))
            for name, which in self.splits.items()
        ]
        title = (
            f"cloudio.Dataset {self.layout.name}: {len(self):,} patches, {len(self.names)} arrays"
        )
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        return "\n".join(
            [
                f"<div><strong>{escape(escape_controls(title))}</strong><br>{escape(describe_window(self))}",
                tables.html([("split", "patches", "folder"), *splits], {1}),
                tables.html(group_rows(self), {1, 3}),
                f"warnings<ul>{warnings}</ul></div>" if warnings else "no warnings</div>",
            ]
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
    io: IO,
) -> Dataset:
    """Open a pickled data set again; LayoutError if files or layout have changed since."""
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


_BY_READER = "ds.reader(...) of the data set has it"
_OPEN_KEYWORDS = {
    **dict.fromkeys(("split", "splits"), "cloudio.open(path).split('train') returns one split"),
    **dict.fromkeys(("mode", "readonly"), "files are only read: leave it out"),
    **dict.fromkeys(("mmap", "mmap_mode"), "io='mmap' is the default; io='pread' maps nothing"),
    **dict.fromkeys(("bands", "labels", "size", "scale", "dtype", "threads"), _BY_READER),
}


@explain_unknown(_OPEN_KEYWORDS)
def open(path: FilePath, *, layout: Layout | FilePath | None = None, io: IO = "mmap") -> Dataset:
    """Open a folder of patches and return it as a data set.

    Parameters
    ----------
    path : str or path
        A split folder, or a root whose sub-folders are splits.
    layout : Layout, str or path, optional
        A `Layout`, or the TOML file of one.  By default ``cloudio.toml`` in the folder, or in the
        root of a split, or in all splits of a root; else CloudSEN12, if names with metadata.csv or
        padding show it.
    io : {"mmap", "pread", "auto"}
        "mmap" reads pixels from mapped pages.  "pread" reads the same bits by position, for files
        that may change or lie on a network.  "auto" is "pread" if a split lies on a network or is
        served by a process (FUSE), else "mmap".

    Returns
    -------
    Dataset
        No pixel has been read, except a few if sizes fit two numbers of patches, or if CloudSEN12
        without its metadata.csv is assumed.

    Raises
    ------
    LayoutError
        If the files do not fit together, or do not fit the layout, or nothing shows their layout.
    RequestError
        If ``layout`` or ``io`` is wrong.
    OSError
        If something is missing or cannot be read.

    Notes
    -----
    Element types and the number of patches follow from .npy headers, from the sizes of flat files,
    and from metadata.csv if there is one.  A CloudioWarning, once for a path, says if the files may
    not be what they seem: an assumed layout, other types than the layout's, sizes that fit two
    numbers of patches, or arrays that a split lacks.
    """
    if not isinstance(io, str) or io not in ("mmap", "pread", "auto"):
        raise RequestError(f"io={io!r}; io must be 'mmap', 'pread' or 'auto'")
    with system_errors_explained():
        location, splits, problems = scan_path(path, layout)
        for problem in problems:
            raise problem.error
        if io == "auto":
            files = (next(iter(split.arrays.values())).path for split in splits)
            io = "pread" if any(map(is_remote, files)) else "mmap"
    warn_about_variables()
    ds = Dataset(location.root, location.layout, splits, open_files=OpenFiles(io))
    warn_about_files(ds.path, splits, ds.layout)
    return ds


def open_partial(
    path: str | os.PathLike[str], *, layout: Layout | str | os.PathLike[str] | None = None
) -> tuple[Dataset, list[Split], list[FileProblem]]:
    """Open the files of a folder that fit together, and return the problems of the others.

    `open` raises the first problem; this function does so only if not even one array fits.  Files
    are read by position, so that a file that ends early, or lies on a failing disk, raises an
    error.
    """
    with system_errors_explained():
        location, splits, problems = scan_path(path, layout, check_rows=True)
        if not splits:
            raise problems[0].error
    files = OpenFiles("pread")
    return Dataset(location.root, location.layout, splits, open_files=files), splits, problems
