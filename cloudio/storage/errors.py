"""Errors of files: raised where one is opened or read, or collected while a folder is scanned."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .._core import files as core_files
from .._core import kernels
from .._utils.text import escape_lines, gigabytes
from ..errors import (
    CloudioError,
    LayoutError,
    ReadError,
    RequestError,
    TruncatedError,
    error_reason,
    read_error,
)

_OPEN_FILES = (errno.EMFILE, errno.ENFILE)
_REOPEN = "open the data set again"
_MODIFIED = (
    "the file was written to while it was in use, so the pixels read may be old, new or mixed; "
    f"{_REOPEN}"
)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Why a file or folder is refused: ``error`` is what `cloudio.open` raises.

    ``kind`` is one of the checks in verification/check_table.py, about ``path``; "nothing" is that
    of a folder without any array file.  ``patches`` are
    those that the file does not hold completely; ``arrays`` are those that it should hold.
    """

    kind: str
    path: Path
    error: LayoutError | OSError
    patches: range = range(0)
    arrays: tuple[str, ...] = ()
    split: str = ""

    @property
    def reason(self) -> str:
        """The message of the error, without ``path``."""
        return error_reason(self.error)

    def with_text(self, text: str) -> "FileProblem":
        """Return the same problem with more text at the end of its message."""
        old = self.error
        if not text or not isinstance(old, LayoutError):
            return self
        text = escape_lines(text)
        error = LayoutError(path=old.path)
        # Set afterwards, because a message of several lines is made one by the class.
        error.args = (f"{old}{text}",)
        error.reason = None if old.reason is None else f"{old.reason}{text}"
        return replace(self, error=error)


def error_from_fault(fault: tuple[core_files.File, int, int, int]) -> ReadError:
    """Return the error for a fault of the kernels: file, patch or -1, offset, code."""
    file, number, begin, code = fault
    patch, offset = (number, begin) if number >= 0 else (None, None)
    if code == kernels.TRUNCATED:
        return truncated_error(file.path, _size(file), file.n_bytes, patch, offset)
    if code == kernels.MODIFIED:
        return read_error(errno.EBUSY, _MODIFIED, file.path, patch=patch, offset=offset)
    reason = f"{os.strerror(code)}{_position(patch, offset)}"
    return read_error(code, reason, file.path, patch=patch, offset=offset)


def truncated_error(
    path: Path, found: int, needed: int, patch: int | None = None, offset: int | None = None
) -> TruncatedError:
    """Return the error of a file that has ``found`` bytes and had ``needed``."""
    now = f"holds {found:,} bytes" if found < needed else "was shorter for a while"
    reason = f"{now}; it held {needed:,} when the data set was opened{_position(patch, offset)}"
    return TruncatedError.about(path, reason, patch=patch, offset=offset)


def refused_error(error: OSError, path: Path, *, maps: bool = False) -> ReadError:
    """Return the error of a file that the system does not open, or map, with what to do."""
    code, reason = error.errno or 0, error.strerror or str(error)
    if code in _OPEN_FILES:
        whose = "this process" if code == errno.EMFILE else "this machine"
        reason = (
            f"{whose} cannot open more files{_limit()}; a reader opens one for each array of each "
            "split. Close data sets that you no longer use, or raise the limit (ulimit -n)"
        )
    elif maps and code in (errno.ENOMEM, errno.EAGAIN):
        reason = (
            f"it cannot be mapped into the memory of this process{_mapping_limit()}; open the data "
            "set with io='pread', whose readers map nothing, or raise the limit"
        )
    elif code == errno.ENODEV:
        reason = (
            "its file system does not support memory mapping; open the data set with io='pread'"
        )
    return read_error(code, reason, path)


@contextmanager
def system_errors_explained() -> Iterator[None]:
    """Make errors of the system in the block ReadErrors, with their file or folder.

    Those that are about the number of open files say what to do.
    """
    try:
        yield
    except OSError as error:
        is_explained = isinstance(error, CloudioError) and error.errno not in _OPEN_FILES
        if is_explained or error.errno is None or not error.filename:
            raise
        raise refused_error(error, Path(error.filename)) from None


def closed_error(path: Path, named: Path | None = None) -> RequestError:
    """Return the error of a closed file; the message names ``named``, such as its folder."""
    return RequestError(f"{named or path} is closed; {_REOPEN}", path=path)


def request_error(error: ValueError) -> RequestError:
    """Return the RequestError for a ValueError of the kernels; a closed file's has its path."""
    return RequestError(str(error), path=getattr(error, "path", None))


def _position(patch: int | None, offset: int | None) -> str:
    if patch is None:
        return ""
    return f": patch {patch}, from byte {offset or 0:,} on"


def _size(file: core_files.File) -> int:
    try:
        return file.size()
    except (OSError, ValueError):  # removed or closed in the meantime
        return 0


def _limit() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    return f" than the limit of {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"


def _mapping_limit() -> str:
    """Return which limit of mappings is reached, as far as the system shows it."""
    try:
        import resource
    except ImportError:
        return ""
    n_bytes = resource.getrlimit(resource.RLIMIT_AS)[0]
    if n_bytes != resource.RLIM_INFINITY:
        return f" (ulimit -v limits it to {gigabytes(n_bytes)} GB)"
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        with open("/proc/self/maps", "rb") as maps:
            n = sum(1 for _ in maps)
    except OSError:
        return ""
    # The kernel counts some that it does not list.
    return f" (it has {n:,} mappings; vm.max_map_count allows {most:,})" if n > most - 64 else ""
