"""A data set without its readers: splits, arrays, metadata and open files.

storage/discovery.py finds the files of a folder; storage/open_files.py opens them.
"""

import types
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from .._core import kernels
from .._utils.text import counted, listed, suggest
from .._utils.types import Index
from ..errors import RequestError
from ..layouts.band import Band, Window
from ..layouts.band_checks import stored_as
from ..layouts.layout import Layout
from ..storage.arrays import OpenArray
from ..storage.diagnostics import check_unknown_array, diagnose_files
from ..storage.discovery import Split, locate_patches
from ..storage.metadata.conditions import check_conditions, equals_any, find_columns
from ..storage.metadata.table import Columns, MetadataTable
from ..storage.open_files import OpenFiles
from .arguments.indexing import resolve_index, resolve_index_or_mask


def check_dataset(given: Any, what: str = "ds") -> None:
    """Raise RequestError unless that is a Dataset."""
    if not isinstance(given, Collection):
        hint = ""
        if isinstance(getattr(given, "dataset", None), Collection):
            hint = f", such as {what}.dataset"
        raise RequestError(
            f"{what} is of type {type(given).__name__}; {what} must be a Dataset, as "
            f"cloudio.open(path) returns{hint}"
        )


class Collection:
    """The contents of a data set: splits, arrays and open files.  `Dataset` adds readers."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        splits: Sequence[Split],
        *,
        index: np.ndarray | None = None,
        open_files: OpenFiles,
        table: MetadataTable | None = None,
    ) -> None:
        self.path = path
        self.layout = layout
        self._splits = tuple(splits)
        self._index = index
        self._open_files = open_files
        self._table = table or MetadataTable([split.metadata for split in self._splits])
        stored = sum(split.n_patches for split in self._splits)
        self._n_patches = stored if index is None else len(index)

    # ---- contents ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of patches."""
        return self._n_patches

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The arrays that every split has, in the layout's order; unknown arrays come last."""
        common = set.intersection(*(set(split.arrays) for split in self._splits))
        known = [band.name for band in self.layout.bands if band.name in common]
        return (*known, *sorted(common.difference(known)))

    @property
    def splits(self) -> Mapping[str, range | np.ndarray]:
        """The patch numbers of each split: a range, or int64 positions for a subset."""
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
        """The folder of each split."""
        return types.MappingProxyType({split.name: split.folder for split in self._splits})

    @property
    def valid_window(self) -> Window:
        """The part of a stored patch that holds valid pixels."""
        return self.layout.valid

    @cached_property
    def metadata(self) -> Mapping[str, np.ndarray]:
        """The columns of metadata.csv, each a read-only array (patch,).

        It has the columns that every split has; none if a split has no metadata.csv.  Whole numbers
        are int64, numbers with gaps float64 with NaN, ISO dates datetime64 in UTC with NaT,
        everything else is text.  Words such as NA or NULL are gaps of numbers and dates.  It is a
        dict that cannot be changed; it copies and pickles as a plain one.
        """
        return Columns(self.metadata_columns(self.metadata_names))

    @property
    def metadata_names(self) -> tuple[str, ...]:
        """The columns of `metadata`, without reading them."""
        return self._table.names

    def metadata_columns(self, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Return some columns of `metadata`, without reading the others.

        Parameters
        ----------
        names : str or sequence of str
            Columns of metadata.csv.

        Returns
        -------
        mapping of str to ndarray, (patch,)
            As in `metadata`.

        Raises
        ------
        RequestError
            If there is no such column.
        LayoutError
            If metadata.csv has a wrong row, or other rows than when the data set was opened.
        """
        names = find_columns(self.metadata_names, names, self.path)
        return self._table.columns(names, self._index)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about unusual files; `cloudio.open` warns of those that change numbers."""
        return tuple(each.text for each in diagnose_files(self._splits, self.layout))

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the stored type of an array.

        Parameters
        ----------
        name : str
            The array, in any spelling that `find` knows.

        Returns
        -------
        dtype
            The same in every split.

        Raises
        ------
        RequestError
            If there is no such array, or splits store different types.
        """
        name = self.find(name)
        found = {split.arrays[name].dtype: split.name for split in self._splits}
        if len(found) > 1:
            each = listed(f"{dtype} in {split}" for dtype, split in found.items())
            raise RequestError(f"{name} is {each}; read these splits separately: ds.split(...)")
        return next(iter(found))

    def band(self, name: str) -> Band:
        """Return what the layout knows of an array, with the stored type of its files.

        Parameters
        ----------
        name : str
            The array, in any spelling that `find` knows.

        Returns
        -------
        Band
            If the stored type is not the layout's, ``scale`` is None for a band.

        Raises
        ------
        RequestError
            If there is no such array, or splits store different types.
        """
        name = self.find(name)
        known, dtype = self.layout.band(name), self.dtype(name)
        return stored_as(known or Band(name, dtype=dtype.name, scale=None), dtype)

    def find(self, name: str) -> str:
        """Return the full name of an array.

        Parameters
        ----------
        name : str
            A name in any case, with or without its prefix and zero padding, or an alias.

        Returns
        -------
        str
            The name in `names`.

        Raises
        ------
        RequestError
            If no array matches, or several do.
        """
        if not isinstance(name, str):
            raise RequestError(
                f"{name!r} is not the name of an array; ds.reader() reads patches, and "
                "ds.subset(index) selects them"
            )
        if all(name in split.arrays for split in self._splits):
            return name
        if not self.layout.matches(name, self.names):
            check_unknown_array(name, self._splits, self.layout, self.metadata_names, self.path)
        return self.layout.find(name, self.names, str(self.path))

    # ---- parts -------------------------------------------------------------------------------

    def split(self, name: str) -> Self:
        """Return one split as a data set.

        Parameters
        ----------
        name : str
            The name of the split, as in `splits`.

        Returns
        -------
        Dataset
            A view: it shares the open files.

        Raises
        ------
        RequestError
            If there is no such split.
        """
        start = 0
        for split in self._splits:
            stop = start + split.n_patches
            if split.name == name:
                index = self._index
                if index is not None:
                    index = index[(index >= start) & (index < stop)] - start
                return self._derive((split,), index)
            start = stop
        names = [split.name for split in self._splits]
        hint = suggest(name, names)
        raise RequestError(f"there is no split {name!r}; {self.path} has {listed(names)}{hint}")

    def subset(self, index: Index | None = None, /, **where: Any) -> Self:
        """Return some of the patches as a data set.

        Parameters
        ----------
        index : int, sequence of int, or bool array (patch,), optional
            Patch numbers, as in `Reader.read`, or a mask.  Order and repeats are kept.
        **where
            Columns of `metadata`, each with the value that it must equal, or a collection of
            values: ``cloud_coverage="cloudy", land_cover=(20, 30)``.  A date may be text
            (``"2019-06-01"``, or ``"2019-06"`` for the whole month); None is an empty field.  All
            conditions must hold.

        Returns
        -------
        Dataset
            A view, which may be empty.  Only the index is copied.

        Raises
        ------
        RequestError, IndexError
            If the index, a column or a value is wrong.
        """
        check_conditions(where, index, self.metadata_names)
        if index is None and not where:
            raise RequestError("subset() needs an index, a mask, or a condition on the metadata")
        n = len(self)
        chosen: np.ndarray = np.arange(n) if index is None else resolve_index_or_mask(index, n)
        columns = self.metadata_columns(list(where))
        for name, wanted in where.items():
            chosen = chosen[equals_any(name, columns[name], wanted)[chosen]]
        return self._derive(self._splits, chosen if self._index is None else self._index[chosen])

    def _derive(self, splits: tuple[Split, ...], index: np.ndarray | None) -> Self:
        table = self._table.part([split.metadata for split in splits])
        files = self._open_files
        return type(self)(
            self.path, self.layout, splits, index=index, open_files=files, table=table
        )

    # ---- pixels ------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a read-only view of an array's file, (patch, row, column); for one split only.

        Of an array with a repeat it has the rows and columns that are stored.
        """
        name = self.find(name)
        if len(self._splits) > 1 or self._index is not None:
            split = self._splits[0].name
            what = f"has {counted(len(self._splits), 'split')}"
            use = f"ds.split({split!r})[{name!r}]"
            if self.is_subset:
                what, use = "is a subset", "a split of the whole data set"
            raise RequestError(
                f"ds[{name!r}] is a view of one file, but this data set {what}; use {use}, or "
                f"ds.reader({name!r})"
            )
        return self.open_arrays(name)[0].array

    @property
    def io(self) -> str:
        """How pixels are read: ``"mmap"``, from mapped pages, or ``"pread"``, by position."""
        return self._open_files.io

    def close(self) -> None:
        """Close all files.  The data set, its parts and their readers cannot read any more.

        Reads in other threads end first.  Arrays from ``ds[name]`` stay valid.
        """
        self._open_files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_arrays(self, name: str, io: str | None = None) -> list[OpenArray]:
        """Return the open files of an array, one per split.

        Parameters
        ----------
        name : str
            The full name of the array.
        io : {"mmap", "pread", "direct"}, optional
            By default the data set's own.

        Returns
        -------
        list of OpenArray
            In the order of the splits.

        Raises
        ------
        RequestError
            After `close`.
        """
        return [self._open_files.get(split.arrays[name], io or self.io) for split in self._splits]

    @property
    def is_subset(self) -> bool:
        """Whether an index selects the patches, as after `subset`."""
        return self._index is not None

    def stored_index(self, index: np.ndarray) -> np.ndarray:
        """Return the stored patches of patches of a subset.

        Parameters
        ----------
        index : ndarray of int64, (sample,)
            Patch numbers; negative ones are resolved in place.

        Returns
        -------
        ndarray of int64, (sample,)
            Numbers over all splits, as stored.
        """
        assert self._index is not None
        kernels.resolve(index, self._n_patches)
        stored_index: np.ndarray = self._index[index]
        return stored_index

    def locate(self, index: Index) -> list[tuple[str, int]]:
        """Return the split of each patch, and its number in the files of that split.

        Parameters
        ----------
        index : int or sequence of int
            Patch numbers, as in `Reader.read`.

        Returns
        -------
        list of (str, int)
            The name of the split, and the patch number in it.

        Raises
        ------
        IndexError
            If a patch does not exist.
        """
        index = resolve_index(index, len(self))
        stored_index = index if self._index is None else self._index[index]
        which, rows = locate_patches(self._splits, stored_index)
        return [(self._splits[k].name, int(row)) for k, row in zip(which, rows, strict=True)]
