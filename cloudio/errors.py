"""All errors and warnings of cloudio.

IndexError, for the number of a patch that is out of range, is Python's.
"""

import os
from pathlib import Path
from typing import Any, Self


class CloudioError(Exception):
    """The base of all errors of cloudio.

    ``path`` is the file that an error is about, ``patch`` the number of the patch within that
    file, ``offset`` the first byte of it that is concerned, and ``reason`` the message without the
    path.  Each is None where it is not known, or where the error is about no file.
    """

    path: Path | None = None
    patch: int | None = None
    offset: int | None = None
    reason: str | None = None

    def __init__(
        self,
        *args: Any,
        path: str | os.PathLike[str] | None = None,
        patch: int | None = None,
        offset: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(*args)
        # Kept in the instance: what is there is pickled and copied with an exception.
        if path is not None:
            self.path = Path(path)
        if patch is not None:
            self.patch = patch
        if offset is not None:
            self.offset = offset
        if reason is not None:
            self.reason = reason

    @classmethod
    def about(
        cls,
        path: str | os.PathLike[str],
        reason: str,
        *,
        line: int | None = None,
        patch: int | None = None,
        offset: int | None = None,
    ) -> Self:
        """Make an error whose message is the path, the line if there is one, and the reason."""
        if line is not None:
            reason = f"line {line}: {reason}"
        message = f"{os.fspath(path)}{' ' if line is None else ', '}{reason}"
        return cls(message, path=path, patch=patch, offset=offset, reason=reason)


class LayoutError(CloudioError, ValueError):
    """The files of a data set do not fit together, or do not fit its layout."""


class RequestError(CloudioError, ValueError):
    """A call asks for something that is not possible; nothing has been written."""


class ReadError(CloudioError, OSError):
    """A file cannot be opened or read; ``errno`` and ``filename`` are those of any OSError."""


class TruncatedError(ReadError):
    """A file holds less than when it was opened."""


class MissingFileError(ReadError, FileNotFoundError):
    """A file is not there."""


class FilePermissionError(ReadError, PermissionError):
    """A file may not be read."""


class ReadTimeoutError(ReadError, TimeoutError):
    """The system of a file, such as a server, did not answer in time."""


# What `except PermissionError` and the like go on catching.
_KINDS: dict[type[OSError], type[ReadError]] = {
    FileNotFoundError: MissingFileError,
    PermissionError: FilePermissionError,
    TimeoutError: ReadTimeoutError,
}


def read_error(
    code: int,
    reason: str,
    path: str | os.PathLike[str],
    *,
    patch: int | None = None,
    offset: int | None = None,
) -> ReadError:
    """Make the error of the number ``code`` of the system, which says ``reason`` of a file."""
    kind = _KINDS.get(type(OSError(code, reason)), ReadError)
    name = os.fspath(path)
    return kind(code, reason, name, path=path, patch=patch, offset=offset, reason=reason)


def error_reason(error: Exception) -> str:
    """Return the message of an error, without the path that it is about."""
    if isinstance(error, CloudioError) and error.reason is not None:
        return error.reason
    if isinstance(error, OSError) and error.strerror is not None:
        return str(error.strerror)
    return str(error)


class CloudioWarning(UserWarning):
    """Numbers may not be what they seem; each is given once per process, data set and matter."""
