"""The files of a run of `compact`: those that are read, and those that are written."""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..._utils.files import close_descriptor, open_regular, read_errors
from ...errors import RequestError, TruncatedError, write_error
from ..running.disk import FULL, allocate, check_room, read_at, write_at

_COPIED = 8 << 20
# Linux reads no more ahead at a time than a disk takes in one request.
_AHEAD = 128 << 10


class Inputs:
    """Files that are read at known places by several threads; each is opened once."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}
        self._local = threading.local()

    def open(self, path: Path) -> int:
        """Return the descriptor of a file."""
        if (found := self._open.get(path)) is None:
            mine = open_regular(path)
            found = self._open.setdefault(path, mine)
            if found != mine:  # another thread was first
                close_descriptor(mine)
        return found

    def ahead(self, path: Path, offset: int, n_bytes: int) -> None:
        """Let the system read what is needed soon."""
        if hasattr(os, "posix_fadvise"):
            descriptor, end = self.open(path), offset + n_bytes
            with suppress(OSError):
                for at in range(offset, end, _AHEAD):
                    n = min(_AHEAD, end - at)
                    os.posix_fadvise(descriptor, at, n, os.POSIX_FADV_WILLNEED)

    def patch(self, path: Path, k: int, offset: int, n_bytes: int) -> memoryview:
        """Return the bytes of patch k, in a buffer of this thread that the next call fills again.

        TruncatedError if the file ends before.
        """
        buffer: memoryview = getattr(self._local, "buffer", memoryview(b""))
        if len(buffer) != n_bytes:
            buffer = self._local.buffer = memoryview(bytearray(n_bytes))
        with read_errors(path):
            n = _read_into(self.open(path), buffer, offset)
        if n < n_bytes:
            raise TruncatedError.about(path, f"ends within patch {k}", patch=k)
        return buffer

    def release(self, path: Path) -> None:
        """Close a file that nobody reads now; it is opened again where it is needed."""
        if (descriptor := self._open.pop(path, None)) is not None:
            close_descriptor(descriptor)

    def close(self) -> None:
        while self._open:
            close_descriptor(self._open.popitem()[1])


def _read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill a buffer from an offset on; return the bytes that there are."""
    done = 0
    while done < len(buffer):
        if hasattr(os, "preadv"):
            n = os.preadv(descriptor, [buffer[done:]], offset + done)
        else:
            part = read_at(descriptor, len(buffer) - done, offset + done)
            n = len(part)
            buffer[done : done + n] = part
        if not n:
            break
        done += n
    return done


class Outputs:
    """Files below a folder that are written at known places; each has its size from the start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, int] = {}
        self._written: set[str] = set()  # since the last `sync`

    def reserve(self, sizes: Mapping[str, int], *, done: bool) -> None:
        """Give files their sizes; WriteError if the disk has no room for all of them.

        ``done``: whether a journal tells of bytes in them; RequestError if one is shorter.
        """
        held = {name: self._held(name) for name in sizes}
        if done:
            self._check(sizes)
        check_room(sum(max(0, size - held[name]) for name, size in sizes.items()), self.folder)
        for name, size in sizes.items():
            descriptor = self._opened(name)
            try:
                allocate(descriptor, size)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                reason = f"the disk is too full: {size:,} bytes are needed for {name}"
                raise write_error(error.errno or 0, reason, self.folder) from None

    def _held(self, name: str) -> int:
        """Return the bytes that a file has on the disk."""
        try:
            status = os.stat(self.folder / name)
        except FileNotFoundError:
            return 0
        blocks = getattr(status, "st_blocks", None)
        return status.st_size if blocks is None else min(status.st_size, blocks * 512)

    def _check(self, sizes: Mapping[str, int]) -> None:
        for name, size in sizes.items():
            path = self.folder / name
            found = path.stat().st_size if path.exists() else 0
            if found != size:
                raise RequestError(
                    f"{path} has {found:,} bytes, but by the journal of the run it has {size:,}: "
                    "it was moved or changed. The run cannot be resumed; remove "
                    f"{self.folder.parent} to begin anew",
                    path=path,
                )

    def _opened(self, name: str) -> int:
        if name not in self._open:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._open[name] = os.open(path, flags, 0o666)
        return self._open[name]

    def write(self, name: str, data: memoryview, offset: int) -> None:
        """Write bytes of a file that has its size; WriteError if that fails."""
        try:
            write_at(self._open[name], data, offset)
        except OSError as error:
            self._fail(error, name)
        self._written.add(name)

    def copy(self, path: Path, source: int, name: str, offset: int, n_bytes: int) -> None:
        """Copy bytes of another file to the same place, without reading them where possible."""
        target, done = self._open[name], 0
        try:
            while done < n_bytes and hasattr(os, "copy_file_range"):
                at = offset + done
                n = os.copy_file_range(source, target, n_bytes - done, at, at)
                if not n:
                    break
                done += n
                self._written.add(name)
        except OSError as error:
            if error.errno in FULL:
                self._fail(error, name)
            # Not every two file systems can; a file that cannot be read fails below.
        while done < n_bytes:
            with read_errors(path):
                part = read_at(source, min(_COPIED, n_bytes - done), offset + done)
            if not part:
                raise TruncatedError.about(path, "has become shorter while it was copied")
            self.write(name, memoryview(part), offset + done)
            done += len(part)

    def _fail(self, error: OSError, name: str) -> None:
        reason = f"cannot be written: {error.strerror or error}"
        raise write_error(error.errno or 0, reason, self.folder / name) from None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if name in self._open:
            os.close(self._open.pop(name))
        with suppress(FileNotFoundError):
            os.remove(self.folder / name)

    def sync(self) -> None:
        """Flush all that has been written to the disk; other threads may go on writing."""
        flush = getattr(os, "fdatasync", os.fsync)
        for name in list(self._written):
            self._written.discard(name)  # first: what is written meanwhile is for the next time
            flush(self._open[name])

    def close(self) -> None:
        """Close the files; what has been written stays."""
        while self._open:
            with suppress(OSError):
                os.close(self._open.popitem()[1])


def file_bytes(path: Path) -> int:
    """Return the size of a file that is copied."""
    with read_errors(path):
        return os.stat(path).st_size
