"""The files of the arrays: made in their full size, and written row by row at known places."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...errors import RequestError, write_error
from ..plan import PackedArray, Plan
from .disk import FULL, allocate, check_room, read_at, write_at

# All shapes fit, so that the pixels stay where they are when the number of patches is known later.
_HEADER_BYTES = 128
_COPIED = 16 << 20


class RowFiles:
    """The open files of one data set that is being written; each thread and process may write.

    Row k of a split is patch k of each of its arrays.
    """

    def __init__(self, folder: Path, plan: Plan, splits: Iterable[str]) -> None:
        self.folder, self._plan = folder, plan
        self._start = 0 if plan.flat else _HEADER_BYTES
        self._height, self._width = plan.patch
        self._open: dict[tuple[str, str], int] = {}
        self._names = {array.file: array for array in plan.arrays}
        try:
            for split in splits:
                (folder / split).mkdir(exist_ok=True)
                for name in self._names:
                    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
                    self._open[split, name] = os.open(folder / split / name, flags, 0o666)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files; what has been written stays."""
        while self._open:
            with suppress(OSError):
                os.close(self._open.popitem()[1])

    def plane_bytes(self, array: PackedArray) -> int:
        return self._height * self._width * array.dtype.itemsize

    def row_bytes(self, array: PackedArray) -> int:
        """The bytes of a patch in the file of an array: all channels."""
        return self.plane_bytes(array) * (array.channels or 1)

    # ---- size ------------------------------------------------------------------------------------

    def reserve(self, rows: Mapping[str, int]) -> None:
        """Give files room for that many rows; WriteError if the disk has no room for all."""
        wanted = {
            (split, name): self._start + n * self.row_bytes(array)
            for split, n in rows.items()
            for name, array in self._names.items()
        }
        held = {key: os.fstat(self._open[key]).st_size for key in wanted}
        missing = {key: size for key, size in wanted.items() if held[key] < size}
        needed = sum(size - held[key] for key, size in missing.items())
        check_room(needed, self.folder)
        for key, size in missing.items():
            try:
                allocate(self._open[key], size)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise self._too_full(error, needed) from None

    def _too_full(self, error: OSError, needed: int) -> Exception:
        reason = f"the disk is too full: {needed:,} bytes more are needed"
        return write_error(error.errno or 0, reason, self.folder)

    def check_rows(self, rows: Mapping[str, int]) -> None:
        """Raise RequestError if a file is too short for rows that a journal tells of."""
        for (split, name), descriptor in self._open.items():
            needed = rows[split] and self._start + rows[split] * self.row_bytes(self._names[name])
            if (size := os.fstat(descriptor).st_size) < needed:
                raise RequestError(
                    f"{self.folder / split / name} has {size:,} bytes, but by the journal of the "
                    f"run it has {needed:,}: it was moved or changed. The run cannot be resumed; "
                    f"remove {self.folder.parent} to begin anew",
                    path=self.folder / split / name,
                )

    # ---- rows ------------------------------------------------------------------------------------

    def write(self, split: str, row: int, planes: Sequence[np.ndarray]) -> None:
        """Write the arrays of a patch, in the order of the plan; WriteError if that fails."""
        for array, plane in zip(self._plan.arrays, planes, strict=True):
            descriptor, offset = self._open[split, array.file], self._offset(array, row)
            try:
                write_at(descriptor, plane.data.cast("B"), offset)
            except OSError as error:
                reason = f"cannot be written: {error.strerror or error}"
                path = self.folder / split / array.file
                raise write_error(error.errno or 0, reason, path) from None

    def read(self, split: str, row: int, array: PackedArray) -> bytes:
        """Return the stored bytes of one array of a patch."""
        return read_at(
            self._open[split, array.file], self.plane_bytes(array), self._offset(array, row)
        )

    def _offset(self, array: PackedArray, row: int) -> int:
        return (
            self._start
            + row * self.row_bytes(array)
            + (array.channel or 0) * self.plane_bytes(array)
        )

    def sync(self) -> None:
        """Flush all that has been written to the disk."""
        flush = getattr(os, "fdatasync", os.fsync)
        for descriptor in self._open.values():
            flush(descriptor)

    # ---- the end ---------------------------------------------------------------------------------

    def finish(self, kept: Mapping[str, Sequence[int]]) -> None:
        """Keep these rows of each split, in their order, and write the headers of .npy files.

        May be interrupted and called again: a file of more rows is replaced by one of fewer.
        """
        for (split, name), descriptor in list(self._open.items()):
            array, rows = self._names[name], kept[split]
            size = self._start + len(rows) * self.row_bytes(array)
            is_begin = all(k == row for k, row in enumerate(rows))
            if is_begin:
                os.ftruncate(descriptor, size)
            elif os.fstat(descriptor).st_size != size:
                self._squeeze(split, name, rows)
            if not self._plan.flat:
                header = memoryview(self._header(name, len(rows)))
                write_at(self._open[split, name], header, 0)

    def _squeeze(self, split: str, name: str, rows: Sequence[int]) -> None:
        """Replace a file by one that has some of its rows."""
        path = self.folder / split / name
        part = path.with_name(f"{name}.part")
        n_bytes = self.row_bytes(self._names[name])
        source = self._open[split, name]
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        target = os.open(part, flags, 0o666)
        try:
            for k, row in enumerate(rows):
                for at in range(0, n_bytes, _COPIED):
                    size = min(_COPIED, n_bytes - at)
                    chunk = read_at(source, size, self._start + row * n_bytes + at)
                    write_at(target, memoryview(chunk), self._start + k * n_bytes + at)
            if not self._plan.flat:
                write_at(target, memoryview(self._header(name, len(rows))), 0)
            os.fsync(target)
        except BaseException as error:
            os.close(target)
            with suppress(OSError):
                os.remove(part)
            if isinstance(error, OSError) and error.errno in FULL:
                raise self._too_full(error, self._start + len(rows) * n_bytes) from None
            raise
        # Closed first: some systems replace no open file.
        os.close(target)
        os.close(self._open.pop((split, name)))
        os.replace(part, path)
        self._open[split, name] = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))

    def _header(self, name: str, n_rows: int) -> bytes:
        array = self._names[name]
        between = () if array.channels is None else (array.channels,)
        shape = (n_rows, *between, self._height, self._width)
        text = f"{{'descr': {array.dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}"
        text = text.ljust(_HEADER_BYTES - 11) + "\n"
        return b"\x93NUMPY\x01\x00" + (len(text)).to_bytes(2, "little") + text.encode("ascii")
