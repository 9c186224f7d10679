"""Files that are opened only if they are regular, and written completely or not at all."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import CloudioError, LayoutError, RequestError
from .paths import local_path
from .text import escape_controls

# Without O_NONBLOCK a FIFO is waited for; without O_NOCTTY a terminal may become that of a daemon.
_FLAGS = os.O_RDONLY | sum(getattr(os, x, 0) for x in ("O_BINARY", "O_NONBLOCK", "O_NOCTTY"))
_CHUNK = 1 << 20
# A manifest has 16 digits for each patch and array, statistics numbers for each patch and class.
_MOST_JSON_BYTES, _MOST_JSON_VALUES = 1 << 30, 50_000_000


# ---- reading -------------------------------------------------------------------------------------


def open_regular(path: str | os.PathLike[str], error: type[CloudioError] = LayoutError) -> int:
    """Return the descriptor of a file that is open for reading; never waits for another process.

    ``error`` if it is no regular file: a FIFO or a device could have no end, and opening a device
    may change something.  A link to a regular file is followed.
    """
    _check_regular(path, os.stat(path), error)
    try:
        descriptor = os.open(path, _FLAGS)
    except BlockingIOError:  # another process has a lease on the file, and is told to give it back
        descriptor = os.open(path, _FLAGS & ~getattr(os, "O_NONBLOCK", 0))
    try:
        _check_regular(path, os.fstat(descriptor), error)  # again: it may be another file by now
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_bytes(
    path: str | os.PathLike[str], error: type[CloudioError] = LayoutError, *, buffering: int = -1
) -> IO[bytes]:
    """Return a regular file that is open for reading; the errors of `open_regular`."""
    descriptor = open_regular(path, error)
    try:
        return open(descriptor, "rb", buffering=buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_chunks(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the bytes of a regular file, up to the size that it has when it is opened."""
    with open_bytes(path, buffering=0) as file:
        yield from _chunks(file, os.fstat(file.fileno()).st_size)


def _chunks(file: IO[bytes], left: int) -> Iterator[bytes]:
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def read_whole(path: Path, most: int, error: type[CloudioError] = LayoutError) -> bytes:
    """Return the bytes of a regular file; ``error`` if it has more than ``most``."""
    with open_bytes(path, error, buffering=0) as file:
        if (size := os.fstat(file.fileno()).st_size) > most:
            raise error.about(path, f"has {size:,} bytes; it may have {most:,}")
        return b"".join(_chunks(file, size))


def read_json(path: Path, wrong: str) -> Any:
    """Return what a JSON file holds; RequestError, which says ``wrong``, if it is none.

    A file that is larger than any is refused too.
    """
    content = read_whole(path, _MOST_JSON_BYTES, RequestError)
    n_values = sum(map(content.count, (b",", b"[", b"{")))
    if n_values > _MOST_JSON_VALUES:
        reason = f"has {n_values:,} values; it may have {_MOST_JSON_VALUES:,}"
        raise RequestError.about(path, reason)
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        raise RequestError.about(path, wrong) from None


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

    FileExistsError if something is there, without ``force``; RequestError if it is no
    regular file, with ``force`` too; FileNotFoundError if its folder is missing;
    PermissionError if that may not be written to.
    """
    path = local_path(path)
    if path.is_dir():
        raise RequestError(f"{path} is a folder; give the path of a file")
    if path.exists():
        if not path.is_file():
            raise RequestError(f"{path} is not a regular file; give the path of one")
        if not force:
            raise _taken(path)
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            escape_controls(f"{path.name} cannot be written: there is no folder {folder}")
        )
    if not os.access(folder, os.W_OK):
        message = f"{path.name} cannot be written: no permission to write in {folder}"
        raise PermissionError(escape_controls(message))


def write_file(
    path: str | os.PathLike[str], content: str | bytes | memoryview, *, force: bool = False
) -> None:
    """Write a file, all of it or nothing; text is UTF-8.

    The content is written beside ``path``, flushed to the disk and renamed.  After an error an
    existing file is unchanged.  A link is followed.  Raises the errors of `check_writable`, and
    OSError.
    """
    path = local_path(path)
    check_writable(path, force=force)
    target = path.resolve()
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _private_folder(target) as folder:
        # A file in a private folder gets the rights of any other new file.
        partial = folder / target.name
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, partial)
        check_writable(path, force=force)  # again: it took a while
        _move(partial, target, path, force=force)
    _flush_folder(target.parent)


def check_new_folder(path: Path) -> None:
    """Raise FileExistsError if anything has that name, FileNotFoundError without its parent."""
    if os.path.lexists(path):
        raise FileExistsError(
            escape_controls(f"{path} exists already; give the path of a new folder")
        )
    if not path.parent.is_dir():
        message = f"{path.name} cannot be made: there is no folder {path.parent}"
        raise FileNotFoundError(escape_controls(message))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder that becomes ``path`` at the end, and is removed after an error.

    Raises the errors of `check_new_folder`, at the start and at the end.
    """
    check_new_folder(path)
    with _private_folder(path) as private:
        folder = private / path.name
        folder.mkdir()
        yield folder
        check_new_folder(path)  # again, for renaming would replace an empty folder
        _flush_tree(folder)
        os.rename(folder, path)
    _flush_folder(path.parent)


@contextmanager
def _private_folder(path: Path) -> Iterator[Path]:
    """Give a folder of its own beside ``path``; it is removed with everything in it."""
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.partial-", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _taken(path: Path) -> FileExistsError:
    return FileExistsError(
        escape_controls(f"{path} exists already; force=True or --force replaces it")
    )


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
