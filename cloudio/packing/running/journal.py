"""The journal of a run: what has been packed and is on the disk, so that a run can be resumed."""

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import LayoutError, RequestError

JOURNAL = "journal"
_FORMAT = "cloudio journal 1"


class Journal:
    """Lines of JSON, each with its own checksum; the first one says what is packed.

    Lines are added after what they tell of is on the disk.  A line that was cut by a crash, and
    all after it, are dropped when the journal is opened.  One process at a time has it open.
    """

    def __init__(self, path: Path, *, new: bool) -> None:
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | (os.O_CREAT | os.O_EXCL if new else 0)
        self.path = path
        self._file = os.fdopen(os.open(path, flags, 0o666), "r+b")
        try:
            _lock(self._file.fileno(), path)
        except BaseException:
            self._file.close()
            raise

    def begin(self, head: dict[str, Any], *, new: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        """Write the first line; or compare it, and yield the others as `entries` does.

        ``head`` tells the ``source`` and the ``plan`` of the run.  RequestError if the journal is
        that of another one.
        """
        head = {"format": _FORMAT, "written by": __version__, **head}
        if new:
            self.append([head])
            return
        entries = self.entries()
        _, found = next(entries, (0, {}))
        for key, what in _COMPARED.items():
            if found and found.get(key) != head[key]:
                raise RequestError(
                    f"{self.path.parent} is an unfinished run with {what}; remove it to begin "
                    "anew, or give the options of that run",
                    path=self.path.parent,
                )
        if not found:
            self.append([head])
        yield from entries

    def entries(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield where each whole line begins, and what it says; the file ends after the last."""
        self._file.seek(0)
        end = 0
        for line in self._file:
            content = _parse(line)
            if content is None:
                break
            yield end, content
            end += len(line)
        self._file.seek(end)
        self._file.truncate()

    def entry_at(self, offset: int) -> dict[str, Any]:
        """Return what the line that begins there says."""
        self._file.seek(offset)
        content = _parse(self._file.readline())
        if content is None:
            raise LayoutError.about(self.path, f"has changed: byte {offset:,} begins no whole line")
        return content

    def append(self, entries: Iterable[dict[str, Any]]) -> list[int]:
        """Add lines at the end, flush them to the disk, and return where each begins."""
        self._file.seek(0, os.SEEK_END)
        offset, offsets, lines = self._file.tell(), [], []
        for entry in entries:
            content = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
            text = content.encode("utf-8", "surrogatepass")  # names of files may be no UTF-8
            lines.append(b"%08x %b\n" % (zlib.crc32(text), text))
            offsets.append(offset)
            offset += len(lines[-1])
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())
        return offsets

    def close(self) -> None:
        """Close the file; all that was added is on the disk."""
        with suppress(OSError):
            self._file.close()


_COMPARED = {
    "format": "another version of cloudio",
    "source": "other samples: files were added, removed or changed, or other ones are given",
    "plan": "other arrays, types, sizes or options",
}


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None if it is cut or damaged."""
    crc, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
        return None
    content = json.loads(text)
    return content if isinstance(content, dict) else None


def _lock(descriptor: int, path: Path) -> None:
    """Keep other processes out until the file is closed; a process that ends lets go of it."""
    try:
        import fcntl
    except ImportError:  # Windows: files that are open there cannot be renamed or removed
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RequestError(
            f"{path.parent} is being packed by another process; wait for it, or stop it", path=path
        ) from None
    except OSError:  # a file system without locks
        pass
