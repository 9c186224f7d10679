"""Files and folders, written completely or not at all, that replace others only by force."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RequestError
from .paths import local_path


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
        raise FileNotFoundError(f"{path.name} cannot be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path.name} cannot be written: no permission to write in {folder}")


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


def check_new_folder(path: Path) -> None:
    """Raise FileExistsError if anything has that name, FileNotFoundError without its parent."""
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already; give the path of a new folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.name} cannot be made: there is no folder {path.parent}")


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
        os.rename(folder, path)


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
    return FileExistsError(f"{path} exists already; force=True or --force replaces it")
