"""Arrays that numpy saved: .npz, with or without compression, and .npy."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...._utils.files import open_bytes, open_raw
from ....errors import LayoutError, TruncatedError
from ....storage.headers.npy import Header, parse_header
from .container import Container, StoredArray, read_errors, type_name

# Bytes that are decompressed at a time where they are skipped.
_CHUNK = 1 << 20
# Of the header of a file in a zip archive: its length, and where the lengths of the name and of
# what follows it are.
_LOCAL_HEADER, _LENGTHS = 30, slice(26, 30)


@dataclass(frozen=True, slots=True)
class _Saved:
    """An array in a file.  ``start``: its first byte; in what is decompressed, if it has to be."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def entry_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize


def _described(name: str, saved: _Saved) -> StoredArray:
    return StoredArray(name, saved.shape, saved.dtype, type_name(saved.dtype))


def _read_entries(path: Path, name: str, saved: _Saved, start: int, stop: int) -> np.ndarray:
    """Return entries of an array that is not compressed."""
    if saved.fortran:  # each entry is spread over the whole file
        mapped = np.memmap(path, saved.dtype, "r", saved.start, saved.shape, "F")
        return np.ascontiguousarray(mapped[start:stop])
    with open_raw(path) as file:
        file.seek(saved.start + start * saved.entry_bytes)
        held = file.read((stop - start) * saved.entry_bytes)
    return _as_entries(path, name, held, saved, start, stop)


def _as_entries(
    path: Path, name: str, held: bytes, saved: _Saved, start: int, stop: int
) -> np.ndarray:
    if len(held) < (stop - start) * saved.entry_bytes:
        raise TruncatedError.about(path, f"ends within {name}, after entry {start}")
    return np.ndarray((stop - start, *saved.shape[1:]), saved.dtype, held)


class NpyContainer(Container):
    """A .npy file, whose one array has the name of the file without its ending."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open_bytes(path) as file:
            shape, fortran, dtype = parse_header(path, file)
            header = Header(dtype, shape, file.tell(), file.size)
        self._saved = _Saved(dtype, shape, fortran, header.start)
        if not dtype.hasobject and (problem := header.size_problem):
            raise LayoutError.about(path, problem)

    def names(self) -> Sequence[str]:
        return [self.path.stem]

    def describe(self, name: str) -> StoredArray | None:
        found = name.strip("/").removesuffix(".npy") in ("", self.path.stem)
        return _described(self.path.stem, self._saved) if found else None

    def read(self, name: str, start: int, stop: int, rest: tuple[slice, ...] = ()) -> np.ndarray:
        entries = _read_entries(self.path, name, self._saved, start, stop)
        return entries[(slice(None), *rest)]

    def close(self) -> None:
        pass


class NpzContainer(Container):
    """A .npz file.

    A compressed array can only be read from its begin, so entries are decompressed up to those that
    are wanted; what follows is kept for the next read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with read_errors(path):
            self._zip = zipfile.ZipFile(path)
        self._saved: dict[str, _Saved] = {}
        self._streams: dict[str, Any] = {}

    def names(self) -> Sequence[str]:
        return [name[:-4] for name in self._zip.namelist() if name.endswith(".npy")]

    def describe(self, name: str) -> StoredArray | None:
        name = name.strip("/").removesuffix(".npy")
        if f"{name}.npy" not in self._zip.namelist():
            return None
        return _described(name, self._find(name))

    def _find(self, name: str) -> _Saved:
        if (known := self._saved.get(name)) is None:
            with read_errors(self.path, name), self._zip.open(f"{name}.npy") as file:
                shape, fortran, dtype = parse_header(self.path, file)
                start = file.tell()
            if not self._is_compressed(name):
                start += self._begin(name)
            known = self._saved[name] = _Saved(dtype, shape, fortran, start)
        return known

    def _is_compressed(self, name: str) -> bool:
        return self._zip.getinfo(f"{name}.npy").compress_type != zipfile.ZIP_STORED

    def _begin(self, name: str) -> int:
        """Return where the bytes of a member begin that is not compressed."""
        header = self._zip.getinfo(f"{name}.npy").header_offset
        with open_raw(self.path) as file:
            file.seek(header)
            lengths = file.read(_LOCAL_HEADER)[_LENGTHS]
        own, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
        return header + _LOCAL_HEADER + own + extra

    def read(self, name: str, start: int, stop: int, rest: tuple[slice, ...] = ()) -> np.ndarray:
        name = name.strip("/").removesuffix(".npy")
        saved = self._find(name)
        if not self._is_compressed(name):
            entries = _read_entries(self.path, name, saved, start, stop)
        elif saved.fortran:
            raise LayoutError.about(
                self.path,
                f"has {name} compressed and in Fortran order; save it again: "
                "numpy.savez(path, name=numpy.ascontiguousarray(array))",
            )
        else:
            with read_errors(self.path, name):
                entries = self._decompress(name, saved, start, stop)
        return entries[(slice(None), *rest)]

    def _decompress(self, name: str, saved: _Saved, start: int, stop: int) -> np.ndarray:
        begin = saved.start + start * saved.entry_bytes
        stream = self._streams.pop(name, None)
        if stream is None or stream.tell() > begin:
            if stream is not None:
                stream.close()
            stream = self._zip.open(f"{name}.npy")
        while (left := begin - stream.tell()) > 0 and stream.read(min(left, _CHUNK)):
            pass
        held = stream.read((stop - start) * saved.entry_bytes)
        self._streams[name] = stream  # only of a read that went well
        return _as_entries(self.path, name, held, saved, start, stop)

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._zip.close()
