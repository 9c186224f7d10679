"""HDF5 files, NetCDF-4 among them, read by h5py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..packages import find_package, need_package
from .container import ATTRIBUTES, Container, StoredArray, read_errors, type_name


class Hdf5Container(Container):
    """An HDF5 file; its datasets are named by their paths, such as /train/images."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._h5py = need_package("h5py", path, "an HDF5 file")
        has_more = find_package("hdf5plugin")  # importing it adds its compressions
        self._hint = "" if has_more else "; hdf5plugin has more compressions"
        with read_errors(path):
            self._file = self._h5py.File(path, "r")

    def names(self) -> Sequence[str]:
        found: list[str] = []

        def add(name: str, item: Any) -> None:
            if isinstance(item, self._h5py.Dataset):
                found.append(f"/{name}")

        with read_errors(self.path):
            self._file.visititems(add)
        return found

    def describe(self, name: str) -> StoredArray | None:
        with read_errors(self.path, name):
            item = self._file.get(name) if name.strip("/") else None
            if not isinstance(item, self._h5py.Dataset):
                return None
            shown = f"/{name.strip('/')}"
            try:
                dtype, words = item.dtype, self._type_name(item.dtype)
            except TypeError:  # a type that numpy does not have
                return StoredArray(shown, item.shape or (), None, "of a type of HDF5 alone")
            enum = self._h5py.check_enum_dtype(dtype) or {}
            return StoredArray(
                shown,
                item.shape or (),
                dtype,
                words,
                item.chunks[0] if item.chunks else 1,
                {key: item.attrs[key] for key in ATTRIBUTES if key in item.attrs},
                {} if dtype.kind == "b" else {int(code): text for text, code in enum.items()},
            )

    def _type_name(self, dtype: np.dtype[Any]) -> str:
        if self._h5py.check_string_dtype(dtype) is not None:
            return "text"
        if self._h5py.check_vlen_dtype(dtype) is not None:
            return "lists of variable length"
        if self._h5py.check_ref_dtype(dtype) is not None:
            return "references"
        return type_name(dtype)

    def read(self, name: str, start: int, stop: int, rest: tuple[slice, ...] = ()) -> np.ndarray:
        with read_errors(self.path, f"{name}, entries {start} to {stop - 1}", self._hint):
            item = self._file[name]
            if self._h5py.check_string_dtype(item.dtype) is not None:
                item = item.asstr()
            return np.asarray(item[(slice(start, stop), *rest)])

    def close(self) -> None:
        self._file.close()
