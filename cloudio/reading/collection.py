"""Patches of one or more splits, and the arrays that all of these have.

Which files a folder has is known from storage/discovery.py; storage/open_files.py opens them.
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np

from .._core import kernels
from .._utils import tables
from .._utils.text import gigabytes
from ..errors import RequestError
from ..layouts.band import Band, Window, can_hold
from ..layouts.layout import Layout
from ..storage.diagnostics import diagnose_files
from ..storage.discovery import Split
from ..storage.files import OpenArray
from ..storage.metadata import equals_any, find_column, typed_column
from ..storage.open_files import OpenFiles
from .indexing import resolve_index, resolve_index_or_mask

# The layout of the folder it lies in.
LAYOUT = "cloudio.toml"


class Collection:
    """What a data set holds, below the readers that `Dataset` adds: splits, arrays, open files."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        splits: Sequence[Split],
        *,
        index: np.ndarray | None = None,
        sources: "OpenFiles",
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
        whole = {
            name: typed_column([x for table in tables for x in table[name]]) for name in shared
        }
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
        return tuple(doubt.text for doubt in diagnose_files(self._splits, self.layout))

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
        nodata = known.nodata if can_hold(dtype, known.nodata) else None
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

    def split(self, name: str) -> Self:
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

    def subset(self, index: Any = None, /, **where: Any) -> Self:
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
        picked = np.arange(len(self)) if index is None else resolve_index_or_mask(index, len(self))
        for name, wanted in where.items():
            column = find_column(self.metadata, name, self.path)
            picked = picked[equals_any(name, column, wanted)[picked]]
        return self._view(self._splits, picked if self._index is None else self._index[picked])

    def _view(self, splits: tuple[Split, ...], index: np.ndarray | None) -> Self:
        return type(self)(self.path, self.layout, splits, index=index, sources=self._sources)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sources(self, name: str, io: str | None = None) -> list[OpenArray]:
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
        kernels.resolve(numbers, self._n_patches)
        stored: np.ndarray = self._index[numbers]
        return stored

    def locate(self, index: Any) -> list[tuple[str, int]]:
        """The split of each patch of ``index``, and its number in the files of that split."""
        numbers = resolve_index(index, len(self))
        stored = numbers if self._index is None else self._index[numbers]
        stops = np.cumsum([split.n_patches for split in self._splits])
        which = np.searchsorted(stops, stored, side="right")
        return [
            (self._splits[k].name, int(number - (stops[k] - self._splits[k].n_patches)))
            for k, number in zip(which, stored, strict=True)
        ]

    # ---- as a thing --------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Splits in one line, then the window, arrays by group, and all that is unusual."""
        parts = ", ".join(f"{name} {len(which):,}" for name, which in self.splits.items())
        return "\n".join(
            [
                f"<cloudio.Dataset {self.layout.name} at {self.path}: {len(self):,} patches "
                f"({parts}), {len(self.names)} arrays>",
                self._geometry(),
                tables.text(self._groups(), {1, 3}),
                *(f"warning: {said}" for said in self.warnings),
            ]
        )

    def _repr_html_(self) -> str:
        """The same as HTML."""
        splits = [
            (name, f"{len(which):,}", str(self.folders[name]))
            for name, which in self.splits.items()
        ]
        title = (
            f"cloudio.Dataset {self.layout.name}: {len(self):,} patches, {len(self.names)} arrays"
        )
        said = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        return "\n".join(
            [
                f"<div><strong>{escape(title)}</strong><br>{escape(self._geometry())}",
                tables.html([("split", "patches", "folder"), *splits], {1}),
                tables.html(self._groups(), {1, 3}),
                f"warnings<ul>{said}</ul></div>" if said else "no warnings</div>",
            ]
        )

    def _geometry(self) -> str:
        (height, width), valid = self.layout.patch, self.valid_window
        return (
            f"patches of {height} x {width}, valid window {valid.height} x {valid.width} from "
            f"({valid.row}, {valid.col}); io {self.io}"
        )

    def _groups(self) -> list[Sequence[str]]:
        """Arrays by the group their names begin with: how many, of which types, how much."""
        height, width = self.layout.patch
        parts = [self.split(name) for name in self.splits]
        found: dict[str, list[str]] = {}
        for name in self.names:
            group = next((p for p in self.layout.prefixes if name.startswith(p)), "")
            found.setdefault(group, []).append(name)
        rows: list[Sequence[str]] = [("group", "arrays", "stored", "GB", "names")]
        for group, names in found.items():
            stored = {f"{part.dtype(name)}" for name in names for part in parts}
            n_bytes = sum(
                len(part) * height * width * part.dtype(name).itemsize
                for name in names
                for part in parts
            )
            short = " ".join(name.removeprefix(group) for name in names)
            row = group.rstrip("_") or "-", str(len(names)), "/".join(sorted(stored))
            rows.append((*row, gigabytes(n_bytes), short))
        return rows
