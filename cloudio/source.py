"""One flat file, open and mapped: its size is checked, its pages are read-only."""

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


class Source:
    """A file of patches, mapped: ``array`` is (patch, row, column), read-only, without a copy.

    The mapping lives as long as any array that views it; the descriptor, by which a reader asks
    for the size again, as long as this object.  OSError where the file cannot be opened or mapped;
    TruncatedError where it holds less than ``shape`` needs, LayoutError where more.
    """

    __slots__ = ("_descriptor", "array", "n_bytes", "path")

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.n_bytes = n_bytes = int(np.prod(shape)) * dtype.itemsize
        found = os.fstat(self._descriptor).st_size
        if found < n_bytes:
            raise self.truncated(n_bytes)
        if found > n_bytes:
            raise LayoutError(f"{path} now holds {found:,} bytes; it held {n_bytes:,} before")
        pages = mmap.mmap(self._descriptor, n_bytes, access=mmap.ACCESS_READ, **_ONE_DESCRIPTOR)
        self.array = np.frombuffer(pages, dtype).reshape(shape)

    def fileno(self) -> int:
        return self._descriptor

    def truncated(self, needed: int | None = None) -> TruncatedError:
        """The error to raise where the file holds less than ``needed``, or than is mapped."""
        needed = self.array.nbytes if needed is None else needed
        return TruncatedError(
            f"{self.path} holds {os.fstat(self._descriptor).st_size:,} bytes; it held {needed:,} "
            "when the data set was opened"
        )

    def __del__(self) -> None:
        # Unset where os.open failed.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)
