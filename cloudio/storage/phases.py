"""Where the stored pixels of each patch are repeated from: a table of phases in a .npy file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.files import open_raw
from .._utils.numbers import MOST_INT64
from ..errors import LayoutError
from .errors import truncated_error
from .headers.npy import read_header_and_order

# In the column of rows: the patch is an exception, and its number is in the column of columns.
EXCEPTION = -1


@dataclass(frozen=True, slots=True)
class PhaseFile:
    """A file with the phases of each patch: an array of whole numbers (patch, 2).

    ``strides`` are those of the array, in bytes; its first number is at byte ``start``.  A phase is
    below ``repeat``, (rows, columns).  A row (-1, e) means exception e of ``n_exceptions``; if
    there are none, ``no_exceptions`` says why, for a message.

    A *place* is both phases in one number, as the kernels take them: that of rows times the repeat
    of columns, plus that of columns; or -1 - e.
    """

    path: Path
    dtype: np.dtype[Any]
    n_patches: int
    start: int
    strides: tuple[int, int]
    repeat: tuple[int, int]
    n_exceptions: int = 0
    no_exceptions: str = ""

    @classmethod
    def inspect(
        cls, path: Path, repeat: tuple[int, int], n_patches: int, split: str
    ) -> "PhaseFile":
        """Return the file by its header; LayoutError if it is no table of so many patches."""
        header, fortran = read_header_and_order(path)
        shape, item = header.shape, header.dtype.itemsize
        if header.dtype.kind not in "iu":
            reason = f"is {header.dtype}; phases must be whole numbers, such as int32"
            raise LayoutError.about(path, reason)
        if len(shape) != 2 or shape[1] != 2:
            reason = f"has shape {shape}; phases must be (patch, 2): those of rows and of columns"
            raise LayoutError.about(path, reason)
        if shape[0] != n_patches:
            reason = f"has {shape[0]:,} rows; {split} has {n_patches:,} patches"
            raise LayoutError.about(path, reason)
        if problem := header.size_problem:
            raise LayoutError.about(path, problem)
        strides = (item, n_patches * item) if fortran else (2 * item, item)
        return cls(path, header.dtype, n_patches, header.start, strides, repeat)

    def place(self, k: int) -> int:
        """Return the place of patch k, by a read of its row alone; LayoutError if it is wrong."""
        patch_step, axis_step = self.strides
        held = self._read(self.start + k * patch_step, axis_step + self.dtype.itemsize)
        return int(self._places(self._rows(held, 1), k)[0])

    def places(self) -> np.ndarray:
        """Return the places of all patches, int32; LayoutError if one is wrong."""
        return self._places(self.read(), 0)

    def read(self) -> np.ndarray:
        """Return the numbers as they are, int64 (patch, 2)."""
        held = self._read(self.start, 2 * self.n_patches * self.dtype.itemsize)
        return self._rows(held, self.n_patches)

    def wrong_patches(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of the rows that are neither phases nor exceptions that exist."""
        is_exception = rows[:, 0] == EXCEPTION
        are_phases = ((rows >= 0) & (rows < self.repeat)).all(axis=1)
        exists = (rows[:, 1] >= 0) & (rows[:, 1] < self.n_exceptions)
        return np.flatnonzero(~np.where(is_exception, exists, are_phases))

    def wrong_row(self, k: int, row: np.ndarray) -> str:
        """Return what is wrong with the row of patch k, for a message about the file."""
        rows, cols = row.tolist()
        if rows != EXCEPTION:
            most = self.repeat[0] - 1, self.repeat[1] - 1
            return (
                f"has the phase ({rows}, {cols}) for patch {k}; the phase of rows must be "
                f"0..{most[0]} and that of columns 0..{most[1]}, or (-1, e) for exception e"
            )
        if not self.n_exceptions:
            return (
                f"says with (-1, {cols}) that patch {k} is an exception, but {self.no_exceptions}"
            )
        return (
            f"says with (-1, {cols}) that patch {k} is exception {cols}; there are exceptions "
            f"0..{self.n_exceptions - 1}"
        )

    def _places(self, rows: np.ndarray, first: int) -> np.ndarray:
        if len(wrong := self.wrong_patches(rows)):
            k = first + int(wrong[0])
            raise LayoutError.about(self.path, self.wrong_row(k, rows[wrong[0]]), patch=k)
        is_exception = rows[:, 0] == EXCEPTION
        places = np.where(is_exception, -1 - rows[:, 1], rows[:, 0] * self.repeat[1] + rows[:, 1])
        return places.astype(np.int32)

    def _read(self, begin: int, n_bytes: int) -> bytes:
        needed = self.start + 2 * self.n_patches * self.dtype.itemsize
        with open_raw(self.path) as file:
            found = file.size
            if found > needed:
                reason = f"now holds {found:,} bytes; it held {needed:,} before"
                raise LayoutError.about(self.path, reason)
            file.seek(begin)
            held: bytes = file.read(n_bytes)
        if found < needed or len(held) < n_bytes:
            raise truncated_error(self.path, found, needed)
        return held

    def _rows(self, held: bytes, n: int) -> np.ndarray:
        rows: np.ndarray = np.ndarray((n, 2), self.dtype, held, 0, self.strides)
        if rows.dtype.kind == "u":  # a larger one is wrong anyway
            rows = np.minimum(rows, np.array(MOST_INT64, np.uint64))
        return rows.astype(np.int64)
