"""All errors and warnings of cloudio.

A patch number out of range is Python's own IndexError.
"""

import os
import sys
from pathlib import Path
from typing import Any, Self


def escape_controls(text: str) -> str:
    """Return ``text`` on one line: characters that are not printed, such as \\n, as escapes."""
    if text.isprintable():
        return text
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in text)


def escape_lines(text: str) -> str:
    """Return the lines of ``text``, each with escapes."""
    return "\n".join(map(escape_controls, text.split("\n")))


def _escaped(text: str) -> str:
    """Return a text on one line, but a traceback, which DataLoader sends, on several."""
    is_traceback = "Traceback (most recent call last):\n" in text
    return escape_lines(text) if is_traceback else escape_controls(text)


class CloudioError(Exception):
    """The base of all errors of cloudio.

    Parameters
    ----------
    *args
        The message, as of any exception; of a `ReadError` errno, reason and file name.
    path : str or path, optional
        The file that the error is about.
    patch : int, optional
        The number of the patch in that file.
    offset : int, optional
        The first byte of the file that is concerned.
    reason : str, optional
        The message without the path.

    Notes
    -----
    ``path`` (a Path), ``patch``, ``offset`` and ``reason`` are attributes too.  Each is None if it
    is unknown, or if the error is about no file.
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
        # More arguments than the message are those of an OSError, which shows a file name escaped.
        shown = (_escaped(args[0]),) if len(args) == 1 and isinstance(args[0], str) else args
        super().__init__(*shown)
        # Kept in the instance: what is there is pickled and copied with an exception.
        if path is not None:
            self.path = Path(path)
        if patch is not None:
            self.patch = patch
        if offset is not None:
            self.offset = offset
        if reason is not None:
            self.reason = _escaped(reason)

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
        """Return an error whose message is the path, the line if there is one, and the reason.

        Parameters
        ----------
        path : str or path
            The file that the error is about.
        reason : str
            The rest of the message.
        line : int, optional
            The line of a text file, counted from 1.
        patch : int, optional
            The number of the patch in the file.
        offset : int, optional
            The first byte of the file that is concerned.

        Returns
        -------
        CloudioError
            An error of the class on which the method is called.
        """
        if line is not None:
            reason = f"line {line}: {reason}"
        message = f"{os.fspath(path)}{' ' if line is None else ', '}{reason}"
        return cls(message, path=path, patch=patch, offset=offset, reason=reason)


class LayoutError(CloudioError, ValueError):
    """The files of a data set do not fit together, or do not fit its layout."""


class RequestError(CloudioError, ValueError):
    """An argument is wrong, or a call asks for something impossible; nothing has been written."""


class ReadError(CloudioError, OSError):
    """A file cannot be opened or read; ``errno`` and ``filename`` are those of any OSError."""


class TruncatedError(ReadError):
    """A file has become shorter since it was opened."""


class MissingFileError(ReadError, FileNotFoundError):
    """A file does not exist."""


class FilePermissionError(ReadError, PermissionError):
    """There is no permission to read a file."""


class ReadTimeoutError(ReadError, TimeoutError):
    """The storage of a file, such as a server, did not answer in time."""


class WriteError(CloudioError, OSError):
    """A file or folder cannot be written; what was there before is unchanged."""


class ExistingFileError(WriteError, FileExistsError):
    """A file or folder is not written, because one of that name exists."""


class MissingFolderError(WriteError, FileNotFoundError):
    """The folder for a file does not exist."""


class WritePermissionError(WriteError, PermissionError):
    """There is no permission to write a file."""


# So that `except PermissionError` and the like catch these errors too.
_KINDS: dict[type[OSError], type[ReadError]] = {
    FileNotFoundError: MissingFileError,
    PermissionError: FilePermissionError,
    TimeoutError: ReadTimeoutError,
}
_WRITE_KINDS: dict[type[OSError], type[WriteError]] = {
    FileExistsError: ExistingFileError,
    FileNotFoundError: MissingFolderError,
    PermissionError: WritePermissionError,
}


def read_error(
    code: int,
    reason: str,
    path: str | os.PathLike[str],
    *,
    patch: int | None = None,
    offset: int | None = None,
) -> ReadError:
    """Return the error of the system's number ``code``, with ``reason`` as the message."""
    kind = _KINDS.get(type(OSError(code, reason)), ReadError)
    name = os.fspath(path)
    return kind(code, reason, name, path=path, patch=patch, offset=offset, reason=reason)


def write_error(code: int, reason: str, path: str | os.PathLike[str]) -> WriteError:
    """Return the error of the system's number ``code`` for a file that is written."""
    kind = _WRITE_KINDS.get(type(OSError(code, reason)), WriteError)
    return kind(code, reason, os.fspath(path), path=path, reason=reason)


def error_reason(error: Exception) -> str:
    """Return the message of an error, without the path that it is about."""
    if isinstance(error, CloudioError) and error.reason is not None:
        return error.reason
    if isinstance(error, OSError) and error.strerror is not None:
        return str(error.strerror)
    return str(error)


def import_failure(package: str, error: ImportError) -> BaseException:
    """Return what to raise where the compiled modules of ``package``, a folder, are missing.

    An ImportError; for ``python -m cloudio`` a SystemExit, which prints its message alone.
    """
    source = os.path.dirname(package)
    if os.path.exists(os.path.join(source, "setup.py")):
        text = (
            f"this is the source of cloudio in {source}, and its compiled modules are missing or "
            "of an earlier state. To use an installed cloudio, start Python in another folder; to "
            f"use the source, build it there: pip install -e . ({error})"
        )
    else:
        text = (
            f"the compiled modules of cloudio in {package} cannot be imported. Install it again "
            f"for this Python: pip install --force-reinstall cloudio ({error})"
        )
    # What Python has there while it looks for the module to run.
    if sys.argv[:1] == ["-m"] and "cloudio" in sys.orig_argv:
        return SystemExit(f"cloudio: {text}")
    return ImportError(text)


class CloudioWarning(UserWarning):
    """Numbers may not be what they seem; given once per process, data set and subject."""
