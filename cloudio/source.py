"""Files of patches, open and mapped: sizes are checked, pages are read-only."""

import math
import mmap
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .errors import LayoutError, TruncatedError

# A mapping keeps a second descriptor of its own, where it can be told not to.
_ONE_DESCRIPTOR: dict[str, Any] = (
    {"trackfd": False} if sys.version_info >= (3, 13) and sys.platform != "win32" else {}
)


def size_of(path: Path) -> int:
    """Bytes in a file of a data set; LayoutError where it is no regular file or is empty."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is a link to a file that does not exist") from None
    if not stat.S_ISREG(status.st_mode):
        raise LayoutError(f"{path} is not a regular file")
    if status.st_size == 0:
        raise LayoutError(f"{path} is empty")
    return status.st_size


class File:
    """A file of patches, mapped: ``array`` is ``shape``, read-only, without a copy.

    ``start`` is where its first pixel is, in bytes.  The mapping lives as long as any array that
    views it; the descriptor, by which a reader asks for the size again, as long as this object.
    OSError where the file cannot be opened or mapped; TruncatedError where it holds less than
    ``n_bytes``, which is all of it, LayoutError where more.
    """

    __slots__ = ("_descriptor", "array", "n_bytes", "path")

    def __init__(
        self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], start: int = 0
    ) -> None:
        self.path = path
        count = math.prod(shape)
        self.n_bytes = start + count * dtype.itemsize
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        found = os.fstat(self._descriptor).st_size
        if found < self.n_bytes:
            raise self.truncated()
        if found > self.n_bytes:
            raise LayoutError(f"{path} now holds {found:,} bytes; it held {self.n_bytes:,} before")
        pages = mmap.mmap(
            self._descriptor, self.n_bytes, access=mmap.ACCESS_READ, **_ONE_DESCRIPTOR
        )
        self.array = np.frombuffer(pages, dtype, count, start).reshape(shape)

    def fileno(self) -> int:
        return self._descriptor

    def truncated(self) -> TruncatedError:
        """The error to raise where the file holds less than is mapped."""
        return TruncatedError(
            f"{self.path} holds {os.fstat(self._descriptor).st_size:,} bytes; it held "
            f"{self.n_bytes:,} when the data set was opened"
        )

    def __del__(self) -> None:
        # Unset where os.open failed.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class Source:
    """One array of a mapped file, all of it or a channel: ``array`` is (patch, row, column).

    ``n_bytes`` is what the whole file must hold for every pixel of ``array`` to be safe to touch.
    Keeps the file open; channels of one file share its mapping and its descriptor.
    """

    __slots__ = ("_file", "array", "n_bytes", "path")

    def __init__(self, file: File, channel: int | None = None) -> None:
        self._file = file
        self.path = file.path
        self.n_bytes = file.n_bytes
        self.array = file.array if channel is None else file.array[:, channel]

    def fileno(self) -> int:
        return self._file.fileno()

    def truncated(self) -> TruncatedError:
        """The error to raise where the file holds less than is mapped."""
        return self._file.truncated()
