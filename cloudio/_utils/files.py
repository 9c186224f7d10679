"""Files that are opened only if they are regular, and written completely or not at all."""

import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import (
    CloudioError,
    ExistingFileError,
    LayoutError,
    MissingFolderError,
    ReadError,
    RequestError,
    WriteError,
    WritePermissionError,
    read_error,
    write_error,
)
from .paths import exists, is_file, is_folder, local_path, remove_folder

# Without O_NONBLOCK a FIFO is waited for; without O_NOCTTY a terminal may become that of a daemon.
_FLAGS = os.O_RDONLY | sum(getattr(os, x, 0) for x in ("O_BINARY", "O_NONBLOCK", "O_NOCTTY"))
_CHUNK = 1 << 20
# As Linux follows; more are a circle.
_MOST_LINKS = 40


# ---- reading -------------------------------------------------------------------------------------


def open_regular(path: str | os.PathLike[str], error: type[CloudioError] = LayoutError) -> int:
    """Return the descriptor of a file that is open for reading; never waits for another process.

    ``error`` if it is no regular file: a FIFO or a device could have no end, and opening a device
    may change something.  A link to a regular file is followed.  ReadError if the system refuses.
    """
    with read_errors(path):
        _check_regular(path, os.stat(path), error)
        try:
            descriptor = os.open(path, _FLAGS)
        except BlockingIOError:  # another process has a lease on it, and is told to give it back
            descriptor = os.open(path, _FLAGS & ~getattr(os, "O_NONBLOCK", 0))
        try:
            # Again: it may be another file by now.
            _check_regular(path, os.fstat(descriptor), error)
        except BaseException:
            close_descriptor(descriptor)
            raise
    return descriptor


@contextmanager
def read_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make errors of the system in the block ReadErrors about ``path``."""
    try:
        yield
    except CloudioError:
        raise
    except OSError as error:
        raise read_error(error.errno or 0, error.strerror or str(error), path) from None


def close_descriptor(descriptor: int) -> None:
    """Close what was only read: it is closed, whatever the system says of it."""
    with suppress(OSError):
        os.close(descriptor)


class RegularFile(io.FileIO):
    """A regular file that is open for reading; its errors are ReadErrors, with the path.

    ``read`` returns all bytes that it is asked for, also where the system returns some.
    """

    def __init__(self, path: str | os.PathLike[str], error: type[CloudioError]) -> None:
        self._path = path
        descriptor = open_regular(path, error)
        try:
            with read_errors(path):
                super().__init__(descriptor, "rb")
        except BaseException:
            close_descriptor(descriptor)
            raise

    @property
    def size(self) -> int:
        """The bytes that it has now."""
        with read_errors(self._path):
            return os.fstat(self.fileno()).st_size

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with read_errors(self._path):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with read_errors(self._path):
            return super().readall()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        with read_errors(self._path):
            found = super().read(size)
            while found and len(found) < size and (more := super().read(size - len(found))):
                found += more
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with read_errors(self._path):
            return super().seek(offset, whence)

    def tell(self) -> int:
        with read_errors(self._path):
            return super().tell()

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class BufferedFile(io.BufferedReader):
    """A `RegularFile` with a buffer."""

    def __init__(self, file: RegularFile) -> None:
        super().__init__(file)
        self._file = file

    @property
    def size(self) -> int:
        """The bytes that it has now."""
        return self._file.size


def open_raw(path: str | os.PathLike[str], error: type[CloudioError] = LayoutError) -> RegularFile:
    """Return a regular file that is open for reading, without a buffer; errors: `open_regular`."""
    return RegularFile(path, error)


def open_bytes(
    path: str | os.PathLike[str], error: type[CloudioError] = LayoutError
) -> BufferedFile:
    """Return a regular file that is open for reading; the errors of `open_regular`."""
    return BufferedFile(RegularFile(path, error))


def read_chunks(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the bytes of a regular file, up to the size that it has when it is opened."""
    with open_raw(path) as file:
        yield from _chunks(file, file.size)


def _chunks(file: RegularFile, left: int) -> Iterator[bytes]:
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def read_whole(path: Path, most: int, error: type[CloudioError] = LayoutError) -> bytes:
    """Return the bytes of a regular file; ``error`` if it has more than ``most``."""
    with open_raw(path, error) as file:
        if (size := file.size) > most:
            raise error.about(path, f"has {size:,} bytes; it may have {most:,}")
        return b"".join(_chunks(file, size))


def _check_regular(
    path: str | os.PathLike[str], status: os.stat_result, error: type[CloudioError]
) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise error.about(path, "is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise error.about(path, "is not a regular file; copy its content into one")


# ---- writing -------------------------------------------------------------------------------------


def check_writable(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise the errors of `write_file`, before the content is computed.

    RequestError if something is there that is no regular file.  Else WriteErrors: of the kind of
    FileExistsError if a file is there, without ``force``; of FileNotFoundError if its folder is
    missing; of PermissionError if that may not be written to.
    """
    path = local_path(path)
    with _write_errors(path):
        if is_folder(path):
            raise RequestError(f"{path} is a folder; give the path of a file", path=path)
        if exists(path):
            if not is_file(path):
                message = f"{path} is not a regular file; give the path of one"
                raise RequestError(message, path=path)
            if not force:
                raise _taken(path)
        _check_folder(path, _followed(path).parent)


def _check_folder(path: Path, folder: Path) -> None:
    if not is_folder(folder):
        message = f"{path} cannot be written: there is no folder {folder.absolute()}; make it first"
        raise MissingFolderError(message, path=path)
    if not os.access(folder, os.W_OK):
        kind: type[WriteError] = WritePermissionError
        reason = f"no permission to write in {folder.absolute()}"
        if hasattr(os, "ST_RDONLY") and os.statvfs(folder).f_flag & os.ST_RDONLY:
            kind, reason = WriteError, f"the file system of {folder.absolute()} is read-only"
        raise kind(f"{path} cannot be written: {reason}", path=path)


def write_file(
    path: str | os.PathLike[str],
    content: str | bytes | memoryview,
    *,
    force: bool = False,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a file, all of it or nothing; text is UTF-8.

    The content is written beside ``path``, flushed to the disk and renamed.  After an error an
    existing file is unchanged.  A link is followed.  Raises the errors of `check_writable`, and
    WriteError.  ``check`` is called with the path before anything is written, and right before
    the file is replaced.
    """
    path = local_path(path)

    def check_all() -> None:
        check_writable(path, force=force)
        if check is not None:
            check(path)

    data = content.encode("utf-8") if isinstance(content, str) else content
    with _write_errors(path):
        check_all()
        target = _followed(path)
        with _private_folder(target) as folder:
            # A file in a private folder gets the rights of any other new file.
            partial = folder / target.name
            with open(partial, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if exists(target):
                shutil.copymode(target, partial)
            check_all()  # again: it took a while
            _move(partial, target, path, force=force)
        _flush_folder(target.parent)


def check_new_folder(path: Path) -> None:
    """Raise a WriteError of the kind of FileExistsError if anything has that name, and of the
    kind of FileNotFoundError without its parent.
    """
    with _write_errors(path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        else:
            message = f"{path} exists already; give the path of a new folder"
            raise ExistingFileError(message, path=path)
        if not is_folder(path.parent):
            where = path.parent.absolute()
            message = f"{path} cannot be made: there is no folder {where}; make it first"
            raise MissingFolderError(message, path=path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder that becomes ``path`` at the end, and is removed after an error.

    Raises the errors of `check_new_folder`, at the start and at the end; errors of the system in
    the block are WriteErrors about ``path``.
    """
    check_new_folder(path)
    with _write_errors(path), _private_folder(path) as private:
        folder = private / path.name
        folder.mkdir()
        yield folder
        move_folder(folder, path)


def move_folder(folder: Path, path: Path) -> None:
    """Give a folder its final name, once all of it is on the disk; errors: `check_new_folder`."""
    check_new_folder(path)  # renaming would replace an empty folder
    _flush_tree(folder)
    os.rename(folder, path)
    _flush_folder(path.parent)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Make errors of the system in the block WriteErrors about ``path``."""
    try:
        yield
    except (RequestError, WriteError):
        raise
    except OSError as error:
        code, reason = error.errno or 0, error.strerror or str(error)
        if isinstance(error, ReadError):
            reason = error.reason or reason
        raise write_error(code, f"cannot be written: {reason}", path) from None


def _followed(path: Path) -> Path:
    """Return where a link leads, perhaps to nothing; a path that is none as it is.

    Not `Path.resolve`, which takes a link that cannot be read for a file, to be replaced.
    """
    for _ in range(_MOST_LINKS):
        try:
            path = path.parent / os.readlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return path
        except OSError as error:
            if error.errno != errno.EINVAL:  # no link
                raise
            return path
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


@contextmanager
def _private_folder(path: Path) -> Iterator[Path]:
    """Give a folder of its own beside ``path``; it is removed with everything in it."""
    folder = path.parent / f".{path.name[:40]}.partial-{secrets.token_hex(8)}"
    try:  # before the folder is there: an interrupt may come at any moment, at its making too
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            remove_folder(folder)
        finally:  # after an interrupt
            remove_folder(folder)


def _move(partial: Path, target: Path, path: Path, *, force: bool) -> None:
    if not force:
        try:
            os.link(partial, target)  # which, unlike renaming, replaces nothing
            return
        except FileExistsError:
            raise _taken(path) from None
        except OSError:  # not every file system has links
            pass
    os.replace(partial, target)


def _taken(path: Path) -> WriteError:
    return ExistingFileError(f"{path} exists already; force=True or --force replaces it", path=path)


def _flush_tree(folder: Path) -> None:
    """Flush a folder and all in it to the disk, so that after a power cut it is whole or absent."""
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb+") as file:
                os.fsync(file.fileno())
        _flush_folder(Path(where))


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder; not every system and file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
