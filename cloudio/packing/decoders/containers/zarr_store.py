"""Zarr stores, formats 2 and 3, read by zarr."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...._utils.paths import is_file
from ..packages import need_package
from .container import ATTRIBUTES, Container, StoredArray, read_errors, type_name


class ZarrContainer(Container):
    """A Zarr store, a folder or a zip file; an array that is the whole store is named "/"."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        zarr = need_package("zarr", path, "a Zarr store")
        self._store: Any = None
        with read_errors(path):
            if is_file(path):
                self._store = zarr.storage.ZipStore(os.fspath(path), mode="r")
            self._root = zarr.open(self._store or os.fspath(path), mode="r")

    def names(self) -> Sequence[str]:
        with read_errors(self.path):
            return ["/"] if hasattr(self._root, "shape") else [*_walk(self._root, "/")]

    def describe(self, name: str) -> StoredArray | None:
        with read_errors(self.path, name):
            array = self._get(name)
            if array is None or not hasattr(array, "shape"):
                return None
            dtype = np.dtype(array.dtype)
            attributes = {key: array.attrs[key] for key in ATTRIBUTES if key in array.attrs}
            if _has_fill_of_xarray(array):
                attributes.setdefault("_FillValue", array.fill_value)
            block = array.chunks[0] if array.chunks else 1
            shown = f"/{name.strip('/')}"
            return StoredArray(shown, array.shape, dtype, type_name(dtype), block, attributes)

    def read(self, name: str, start: int, stop: int, rest: tuple[slice, ...] = ()) -> np.ndarray:
        with read_errors(self.path, f"{name}, entries {start} to {stop - 1}"):
            array: Any = self._get(name)
            return np.asarray(array[(slice(start, stop), *rest)])

    def _get(self, name: str) -> Any:
        name = name.strip("/")
        if hasattr(self._root, "shape"):
            return None if name else self._root
        try:
            return self._root[name] if name else None
        except KeyError:
            return None

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


def _walk(group: Any, above: str) -> Iterator[str]:
    for name, _ in sorted(group.arrays(), key=lambda item: str(item[0])):
        yield f"{above}{name}"
    for name, below in sorted(group.groups(), key=lambda item: str(item[0])):
        yield from _walk(below, f"{above}{name}/")


def _has_fill_of_xarray(array: Any) -> bool:
    """Return whether the fill value of the store means no data.

    In format 2 xarray keeps _FillValue there.  0 is what zarr itself writes for every array.
    """
    version = getattr(getattr(array, "metadata", None), "zarr_format", 2)
    return version == 2 and "_ARRAY_DIMENSIONS" in array.attrs and bool(array.fill_value)
