"""Coordinates of patches that are found when they are read: their split, and where they lie."""

import asyncio
import os
from functools import cached_property
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter

from ...packing.decoders.georeference import Georeference
from ...packing.unpacking.patches import Patches
from ...packing.unpacking.places import Places
from ...reading.dataset import Dataset
from ...storage.discovery import locate_patches
from .keys import parse_patches

#: Columns of metadata.csv that say where a patch lies.
CRS_COLUMNS = ("crs", *(f"proj{sep}{name}" for name in ("epsg", "code") for sep in ":_"))
TRANSFORM_COLUMNS = ("geotransform", "proj:transform", "proj_transform")


class Coordinate(BackendArray):
    """A coordinate (patch,) or (patch, number), whose values a subclass finds."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)

    def _find(self, patches: np.ndarray) -> np.ndarray:
        """Return the values of these patches, (patch, ...)."""
        raise NotImplementedError

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    async def async_getitem(self, key: ExplicitIndexer) -> Any:
        return await asyncio.to_thread(self.__getitem__, key)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = parse_patches(key[0], self.shape[0])
        found = self._find(chosen.reshape(-1))
        found = found.reshape(chosen.shape + found.shape[1:])
        taken: np.ndarray = found[(..., *key[1:])] if key[1:] else found
        return taken


class SplitArray(Coordinate):
    """The name of each patch's split, or its folder."""

    def __init__(self, dataset: Dataset, kind: str) -> None:
        self.dataset, self.kind = dataset, kind
        folders = [os.fspath(folder) for folder in dataset.folders.values()]
        is_folder = kind == "folder"
        self._values = np.array(folders, object) if is_folder else np.array([*dataset.splits])
        super().__init__((len(dataset),), self._values.dtype)

    def _find(self, patches: np.ndarray) -> np.ndarray:
        return self.of_stored(stored_numbers(self.dataset, patches))

    def of_stored(self, numbers: np.ndarray) -> np.ndarray:
        """Return those of patches that are numbered as they are stored, over all splits."""
        which, _ = locate_patches(self.dataset.stored_splits, numbers)
        values: np.ndarray = self._values[which]
        return values

    def __reduce__(self) -> tuple[Any, ...]:
        return SplitArray, (self.dataset, self.kind)


def stored_numbers(ds: Dataset, patches: np.ndarray | None = None) -> np.ndarray:
    """Return the numbers of patches as they are stored, over all splits; by default of all."""
    patches = np.arange(len(ds)) if patches is None else patches
    return ds.stored_index(patches.astype(np.int64)) if ds.is_subset else patches


class PlaceTable:
    """Where each patch lies: found when it is first asked for, and kept."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._found: dict[int, Georeference] = {}

    def __getitem__(self, k: int) -> Georeference:
        """Return the georeference of patch k; LayoutError if a column is wrong."""
        found = self._found.get(k)
        return self._found.setdefault(k, self._places[k].at(0, 0)) if found is None else found

    @cached_property
    def _places(self) -> Places:
        return Places(Patches(self.dataset, np.arange(len(self.dataset))))

    def __reduce__(self) -> tuple[Any, ...]:
        return PlaceTable, (self.dataset,)


class PlaceArray(Coordinate):
    """The reference system of each patch as text, (patch,), or its transform, (patch, 6).

    The transform is that of the stored patch, in GDAL's order: x0, dx, rx, y0, ry, dy.
    """

    def __init__(self, table: PlaceTable, kind: str) -> None:
        self.table, self.kind = table, kind
        n = len(table.dataset)
        if kind == "crs":
            super().__init__((n,), object)
        else:
            super().__init__((n, 6), np.float64)

    def _find(self, patches: np.ndarray) -> np.ndarray:
        found = np.empty((len(patches), *self.shape[1:]), self.dtype)
        for k, patch in enumerate(patches.tolist()):
            place = self.table[patch]
            if self.kind == "crs":
                found[k] = place.crs or ""
            else:
                found[k] = np.nan if place.transform is None else place.transform
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return PlaceArray, (self.table, self.kind)
