"""Files of a data set: their sizes are checked, and each is opened and mapped once."""

import mmap
import os
import stat
import sys
from pathlib import Path
from typing import Any

from .._core import files as core_files
from .._utils.files import close_descriptor, open_regular
from .._utils.paths import status_of
from ..errors import LayoutError, MissingFileError
from .errors import closed_error, refused_error, truncated_error

# A mapping keeps a second descriptor, unless this argument says not to.
_ONE_DESCRIPTOR: dict[str, Any] = (
    {"trackfd": False} if sys.version_info >= (3, 13) and sys.platform != "win32" else {}
)


def file_size(path: Path) -> int:
    """Return the bytes of a file; LayoutError if it is no regular file or is empty."""
    status = status_of(path)
    if status is None:
        raise MissingFileError.about(path, "is a link to a file that does not exist")
    if not stat.S_ISREG(status.st_mode):
        raise LayoutError.about(path, "is not a regular file")
    if status.st_size == 0:
        raise LayoutError.about(path, "is empty")
    return status.st_size


def is_remote(path: Path) -> bool:
    """Return whether a file lies on a network, or is served by a process (FUSE)."""
    descriptor = _open(path)
    try:
        return core_files.is_remote(descriptor)
    finally:
        close_descriptor(descriptor)


class File(core_files.File):
    """An open file, and the mapping that its views share; readers have their own mapping."""

    @property
    def pages(self) -> mmap.mmap:
        # If several threads map it at once, all use the first mapping.
        kept: mmap.mmap | None = vars(self).get("_pages")
        return kept or vars(self).setdefault("_pages", self._mapped())

    def _mapped(self) -> mmap.mmap:
        # The descriptor's number could belong to another file by now, so the object is compared.
        try:
            descriptor = self.duplicate()
        except ValueError:
            raise closed_error(self.path) from None
        except OSError as error:
            raise refused_error(error, self.path) from None
        try:
            return mmap.mmap(descriptor, self.n_bytes, access=mmap.ACCESS_READ, **_ONE_DESCRIPTOR)
        except OSError as error:
            raise refused_error(error, self.path, maps=True) from None
        finally:
            close_descriptor(descriptor)

    def close(self) -> None:
        """Close the file for readers; ``pages`` stays as long as any view of it."""
        vars(self).pop("_pages", None)
        super().close()


def open_file(path: Path, n_bytes: int, io: str) -> File:
    """Open a file of ``n_bytes`` for ``io``: "mmap", "pread", or "direct", past the page cache.

    ReadError if it cannot be opened or mapped; TruncatedError if it holds less, LayoutError if it
    holds more.
    """
    descriptor = _open(path)
    try:
        found = os.fstat(descriptor).st_size
    except OSError as error:
        close_descriptor(descriptor)
        raise refused_error(error, path) from None
    if found == n_bytes:
        try:
            return File(descriptor, path, n_bytes, io == "mmap", io == "direct")
        except OSError as error:
            raise refused_error(error, path, maps=io == "mmap") from None
    close_descriptor(descriptor)
    if found < n_bytes:
        raise truncated_error(path, found, n_bytes)
    raise LayoutError.about(path, f"now holds {found:,} bytes; it held {n_bytes:,} before")


def _open(path: Path) -> int:
    try:
        return open_regular(path)
    except OSError as error:
        raise refused_error(error, path) from None
