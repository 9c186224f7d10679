"""Files of patches, open: sizes are checked, and what goes wrong with one is put into words."""

import errno
import math
import mmap
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._core import files as core_files
from .._core import kernels
from ..errors import LayoutError, RequestError, TruncatedError

# A mapping keeps a second descriptor of its own, where it can be told not to.
_ONE_DESCRIPTOR: dict[str, Any] = (
    {"trackfd": False} if sys.version_info >= (3, 13) and sys.platform != "win32" else {}
)


def file_size(path: Path) -> int:
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


def is_remote(path: Path) -> bool:
    """Whether a file lies on a network, or is served by a process (FUSE)."""
    descriptor = _open(path)
    try:
        return core_files.is_remote(descriptor)
    finally:
        os.close(descriptor)


class File(core_files.File):
    """An open file, and the mapping that views of it share; readers have their own."""

    @property
    def pages(self) -> mmap.mmap:
        # Of threads that map it at once, the first one's mapping is everybody's.
        kept: mmap.mmap | None = vars(self).get("_pages")
        return kept or vars(self).setdefault("_pages", self._mapped())

    def _mapped(self) -> mmap.mmap:
        # A number alone could, by the time it is mapped, be that of another file.
        try:
            descriptor = self.duplicate()
        except ValueError:
            raise RequestError(f"{self.path} is closed; open the data set anew") from None
        except OSError as error:
            raise _refusal(error, self.path) from None
        try:
            return mmap.mmap(descriptor, self.n_bytes, access=mmap.ACCESS_READ, **_ONE_DESCRIPTOR)
        except OSError as error:
            raise _refusal(error, self.path) from None
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close what readers use; ``pages`` stays as long as any view of it."""
        vars(self).pop("_pages", None)
        super().close()


def open_file(path: Path, n_bytes: int, io: str) -> File:
    """Open a file that holds ``n_bytes``, for "mmap", "pread" or "direct", reads past the cache.

    OSError where it cannot be opened or mapped; TruncatedError where it holds less, LayoutError
    where more.
    """
    descriptor = _open(path)
    found = os.fstat(descriptor).st_size
    if found == n_bytes:
        try:
            return File(descriptor, path, n_bytes, io == "mmap", io == "direct")
        except OSError as error:
            raise _refusal(error, path) from None
    os.close(descriptor)
    if found < n_bytes:
        raise _truncated(path, found, n_bytes)
    raise LayoutError(f"{path} now holds {found:,} bytes; it held {n_bytes:,} before")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _refusal(error, path) from None


def _refusal(error: OSError, path: Path) -> OSError:
    """What to raise where the system neither opens nor maps a file: its name, and a way out."""
    what = error.strerror
    if error.errno in (errno.EMFILE, errno.ENFILE):
        whose = "this process" if error.errno == errno.EMFILE else "this machine"
        what = (
            f"{whose} may open no more files{_limit()}; a reader needs one for each array of each "
            "split. Close data sets that are no longer needed, or raise the limit (ulimit -n)"
        )
    elif error.errno == errno.ENODEV:
        what = "its file system maps no files; io='pread' reads them"
    return OSError(error.errno, what, os.fspath(path))


def _limit() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    return f" than {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"


class OpenArray:
    """One array of an open file, all of it or a channel: ``array`` is (patch, row, column).

    ``extent`` is what the kernels take: format, where the first pixel is, shape, strides; in bytes.
    Keeps the file open; channels of one file share it.
    """

    def __init__(
        self,
        file: File,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        start: int = 0,
        channel: int | None = None,
    ) -> None:
        self.file, self.dtype = file, dtype
        n, *between, height, width = shape
        plane = height * width * dtype.itemsize
        strides = plane * math.prod(between), width * dtype.itemsize, dtype.itemsize
        begin = start + plane * (channel or 0)
        self.buffer_spec = dtype.char, begin, (n, height, width), strides

    @property
    def array(self) -> np.ndarray:
        """A read-only view, without a copy, and always the same; what it views lives with it."""
        if (view := vars(self).get("_array")) is None:
            _, begin, shape, strides = self.buffer_spec
            made = np.ndarray(shape, self.dtype, self.file.pages, begin, strides)
            view = vars(self).setdefault("_array", made)
        array: np.ndarray = view
        return array


def plan_inputs(sources: Sequence[Sequence[OpenArray]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """The arrays and files of a plan: of each array its sources, one per split."""
    extents = [[source.buffer_spec for source in row] for row in sources]
    return extents, [[source.file for source in row] for row in sources]


def error_from_fault(fault: tuple[core_files.File, int, int, int]) -> OSError:
    """What to raise for a fault that the kernels met: file, patch or -1, offset, code."""
    file, patch, offset, code = fault
    where = f": patch {patch}, from byte {offset:,} on" if patch >= 0 else ""
    if code == kernels.ENDED:
        return _truncated(file.path, _size(file), file.n_bytes, where)
    if code == kernels.WRITTEN:
        return OSError(
            errno.EBUSY,
            "the file was written to while it was in use: what was read may be neither old nor "
            "new; open the data set anew",
            os.fspath(file.path),
        )
    return OSError(code, f"{os.strerror(code)}{where}", os.fspath(file.path))


def _size(file: core_files.File) -> int:
    try:
        return file.size()
    except (OSError, ValueError):  # gone meanwhile
        return 0


def _truncated(path: Path, found: int, needed: int, where: str = "") -> TruncatedError:
    now = f"holds {found:,} bytes" if found < needed else "held less for a while"
    return TruncatedError(f"{path} {now}; it held {needed:,} when the data set was opened{where}")
