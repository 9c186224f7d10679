"""Files that are written at known places by several threads, and the room that they need."""

import errno
import os
import threading
from pathlib import Path

from ..._utils.paths import free_bytes
from ..._utils.text import gigabytes
from ...errors import write_error

#: The errors of a disk, or of a limit, that has no room left.
FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG


def check_room(needed: int, folder: Path) -> None:
    """Raise WriteError if the disk of a folder has no room for so many bytes."""
    free = free_bytes(folder)
    if free is not None and needed > free:
        reason = (
            f"the disk is too full: {gigabytes(needed)} GB are needed, {gigabytes(free)} GB "
            "are free"
        )
        raise write_error(errno.ENOSPC, reason, folder)


def allocate(descriptor: int, size: int) -> None:
    """Give a file that size, and room on the disk where the system can."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
    os.ftruncate(descriptor, size)


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all bytes at an offset."""
    while len(data):
        n = _pwrite(descriptor, data, offset)
        data, offset = data[n:], offset + n


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return the bytes from an offset on; fewer where the file ends."""
    parts = []
    while size and (part := _pread(descriptor, size, offset)):
        parts.append(part)
        size, offset = size - len(part), offset + len(part)
    return b"".join(parts)


_position = threading.Lock()


def _pwrite(descriptor: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _position:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    with _position:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)
