"""Where patches lie on the ground, as coordinates: found patch by patch when they are read."""

import asyncio
from functools import cached_property
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter

from ...packing.decoders.georeference import Georeference
from ...packing.unpacking.patches import Patches
from ...packing.unpacking.places import Places
from ...reading.dataset import Dataset
from .keys import parse_patches

#: Columns of metadata.csv that say where a patch lies.
CRS_COLUMNS = ("crs", *(f"proj{sep}{name}" for name in ("epsg", "code") for sep in ":_"))
TRANSFORM_COLUMNS = ("geotransform", "proj:transform", "proj_transform")


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


class PlaceArray(BackendArray):
    """The reference system of each patch as text, (patch,), or its transform, (patch, 6).

    The transform is that of the stored patch, in GDAL's order: x0, dx, rx, y0, ry, dy.
    """

    def __init__(self, table: PlaceTable, kind: str) -> None:
        self.table, self.kind = table, kind
        n = len(table.dataset)
        self.shape = (n,) if kind == "crs" else (n, 6)
        self.dtype = np.dtype(object if kind == "crs" else np.float64)

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    async def async_getitem(self, key: ExplicitIndexer) -> Any:
        return await asyncio.to_thread(self.__getitem__, key)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = parse_patches(key[0], self.shape[0])
        out = np.empty((chosen.size, *self.shape[1:]), self.dtype)
        for k, patch in enumerate(chosen.reshape(-1).tolist()):
            place = self.table[patch]
            if self.kind == "crs":
                out[k] = place.crs or ""
            else:
                out[k] = np.nan if place.transform is None else place.transform
        out = out.reshape(chosen.shape + out.shape[1:])
        taken: np.ndarray = out[(..., *key[1:])] if key[1:] else out
        return taken

    def __reduce__(self) -> tuple[Any, ...]:
        return PlaceArray, (self.table, self.kind)
