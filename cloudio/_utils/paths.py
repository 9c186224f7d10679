"""Paths: what is there, and those that a caller passes.

``~`` is expanded; URLs are refused with what to do instead; a path that is not there is an error
with the most similar path.
"""

import errno
import os
import re
import shutil
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import RequestError, read_error
from .text import closest, escape_controls

# Two letters or more, as C:/ is a drive; pathlib makes one slash of two.  fsspec may chain several.
_URL = re.compile(r"(?:[a-z]\w*::)*([a-z][a-z0-9+.-]+):/+(?=[^/]|$)|[a-z]\w*::", re.IGNORECASE)
_GDAL = re.compile(r"/vsi[a-z0-9_]+/")
# Names of a folder that are compared with one that is not there.
_N_COMPARED = 1000


# ---- what is there -------------------------------------------------------------------------------

# Errors that mean that there is nothing; the last two numbers are of Windows.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_ABSENT_WINDOWS = (21, 123, 1921)


def status_of(path: str | os.PathLike[str]) -> os.stat_result | None:
    """Return what the system says of a path, links followed; None if nothing is there.

    ReadError if it cannot say: a file on a failing disk is not absent.  `Path.exists`, `os.path`
    and their like answer False then, depending on the Python.
    """
    try:
        return os.stat(path)
    except ValueError:  # no file has such a name: it holds a NUL, or half a character
        return None
    except OSError as error:
        if error.errno in _ABSENT or getattr(error, "winerror", None) in _ABSENT_WINDOWS:
            return None
        # What may not be entered is the folder.
        at = os.path.dirname(path) or path if error.errno == errno.EACCES else path
        raise read_error(error.errno or 0, error.strerror or str(error), at) from None


def exists(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to anything; ReadError if the system cannot say."""
    return status_of(path) is not None


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a regular file; ReadError if the system cannot say."""
    status = status_of(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a folder; ReadError if the system cannot say."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that are free on the disk of a folder; not every file system says it."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, as far as the system lets it."""
    for _ in range(3):  # a system that has failed once may do it the next time
        if os.path.lexists(folder):
            with suppress(OSError):  # which it raises although errors are ignored
                shutil.rmtree(folder, ignore_errors=True)


# ---- what is given -------------------------------------------------------------------------------


def local_path(given: Any, what: str = "path") -> Path:
    """Return the path with ``~`` expanded; RequestError for anything but a path of this machine."""
    if not isinstance(given, (str, os.PathLike)):
        hint = "; pass its .path" if isinstance(getattr(given, "path", None), Path) else ""
        raise RequestError(
            f"{what} is {'None' if given is None else 'of type ' + type(given).__name__}; {what} "
            f"must be a str or a pathlib.Path{hint}"
        )
    text = os.fsdecode(given)
    if not text or "\0" in text:
        raise RequestError(
            f"{what}={text!r}; {what} must be the path of a file or folder, such as '.'"
        )
    if advice := _advice(text):
        raise RequestError(f"{what}={_as_url(text)!r} is {advice}")
    return Path(os.path.expanduser(text))


def _advice(text: str) -> str:
    """Return what a path is that leads to no file of this machine, and what to do; else ""."""
    if (gdal := _GDAL.match(text)) and not os.path.isdir(gdal[0]):
        return "a path of GDAL; unpack or download the files, and give the path of their folder"
    url = _URL.match(text)
    if url is None or os.path.lexists(text.partition("/")[0]):  # a folder may be named "a:"
        return ""
    scheme = (url[1] or "").lower()
    if scheme == "file":
        from urllib.parse import unquote

        return f"a URL; give the path itself: {unquote('/' + text[url.end() :])}"
    how = "download the files, or mount their storage as a folder"
    if scheme == "hf":
        how = "download the files (huggingface_hub.snapshot_download returns their folder)"
    return f"a URL, but cloudio reads and writes files of this machine; {how}, and give a path"


def _as_url(text: str) -> str:
    """Return the URL as it was before pathlib made one slash of two."""
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]+):/(?=[^/])", r"\1://", text)


def not_found(path: str | os.PathLike[str], kind: str = "folder") -> FileNotFoundError:
    """Return the error for a path that does not exist; it has the most similar path that does."""
    path = Path(path)
    place, similar = "", None
    with suppress(OSError):  # the current folder is gone, or the folder above cannot be read
        place = "" if path.is_absolute() else f" in the current folder, {os.getcwd()}"
        similar = _most_similar(path, folders=kind == "folder")
    hint = "" if similar is None else f"; did you mean {similar}?"
    return FileNotFoundError(escape_controls(f"there is no {kind} {path}{place}{hint}"))


def _most_similar(path: Path, *, folders: bool) -> Path | None:
    """Return the path that exists and differs from ``path`` in one similar name."""
    missing = path
    while not os.path.lexists(missing.parent):
        missing = missing.parent
    folders = folders or missing != path
    with os.scandir(missing.parent) as entries:
        names = [e.name for e in islice(entries, _N_COMPARED) if not folders or e.is_dir()]
    name = closest(missing.name, names)
    if name is None:
        return None
    found = missing.with_name(name)
    whole = found / path.relative_to(missing)
    return whole if whole.exists() else found if found.is_dir() else None
