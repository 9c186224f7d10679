"""A folder walked once: the files that patterns match, and the images that none does."""

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...._utils.files import read_errors
from ...._utils.text import shown
from ....errors import RequestError
from ....storage.opening.pack_command import IMAGE_ENDINGS
from .patterns import Pattern, State, Values

#: Endings of files that are images, in lower case.
IMAGE_SUFFIXES = IMAGE_ENDINGS | {".vrt", ".img", ".npy", ".npz"}
# Folders that are no images to pack: of a run of pack that has not ended, and of what it has made.
_UNFINISHED, _LAYOUT = ".packing", "cloudio.toml"
Taker = Callable[[int, str, Values], None]
_DEEPEST = 64
# Links can lead to the same folders again and again.
_MOST_LINKED = 100_000


@dataclass
class Listing:
    """What is wrong below a folder; paths have ``/`` and begin in the folder.

    ``others``: images that no pattern matches.  ``twice``: paths that two patterns match alike,
    with their numbers.  ``broken``: paths that match and are no files, such as links that lead
    nowhere.
    """

    others: list[str] = field(default_factory=list)
    twice: list[tuple[str, int, int]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def list_folder(
    root: Path, patterns: Sequence[Pattern], take: Taker, ignore: Sequence[str] = ()
) -> Listing:
    """Find the files below a folder that patterns match; return what is wrong.

    ``take`` is called with the number of a pattern, a path and the values of its fields.  A file
    that several patterns match is that of the one with the most literal characters.  Hidden files
    and folders, packed data sets, and folders that a link leads to and no pattern, are left out.
    So is what ``ignore`` matches: ``*`` and fields stand for any text in a path, with folders.
    ReadError if a folder cannot be read.
    """
    return _Walk(root, patterns, take, ignore).walk()


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way: its path below the root, and the states of each pattern in it."""

    path: str
    depth: int
    states: tuple[Sequence[State], ...]
    #: Device and inode of the folders above that links led from; None where no link did.
    above: frozenset[tuple[int, int]] | None = None


class _Walk:
    def __init__(
        self, root: Path, patterns: Sequence[Pattern], take: Taker, ignore: Sequence[str]
    ) -> None:
        globs = [re.sub(r"\{\w+\}", "*", text.rstrip("/")) for text in ignore]
        self._ignored = re.compile("|".join(map(fnmatch.translate, globs))) if globs else None
        self._root, self._patterns, self._found = os.fspath(root), patterns, take
        self._listing = Listing()
        self._suffixes = IMAGE_SUFFIXES.union(pattern.suffix.lower() for pattern in patterns) - {""}
        self._n_linked = 0

    def walk(self) -> Listing:
        waiting = [_Folder("", 0, tuple(pattern.start() for pattern in self._patterns))]
        while waiting:
            folder = waiting.pop()
            waiting += reversed(list(self._look_at(folder)))
        return self._listing

    def _look_at(self, folder: _Folder) -> Iterator[_Folder]:
        """Take the files of a folder; yield the folders in it that are to be walked."""
        where = os.path.join(self._root, folder.path)
        with read_errors(where):
            with os.scandir(where) as entries:
                every = sorted(entries, key=lambda entry: entry.name)
            if folder.depth and any(entry.name == _LAYOUT for entry in every):
                return
            for entry in every:
                path = f"{folder.path}/{entry.name}" if folder.path else entry.name
                if self._is_ignored(path):
                    continue
                if entry.is_dir():
                    yield from self._enter(folder, entry.name, path, is_link=entry.is_symlink())
                else:
                    self._take(folder, entry, path)

    def _is_ignored(self, path: str) -> bool:
        # With a slash before it, so that **/a.png is also a file of the folder itself.
        ignored = self._ignored
        return ignored is not None and any(map(ignored.match, (path, f"/{path}")))

    def _enter(self, folder: _Folder, name: str, path: str, *, is_link: bool) -> Iterator[_Folder]:
        states = tuple(
            pattern.enter(some, name) if some else some
            for pattern, some in zip(self._patterns, folder.states, strict=True)
        )
        if name.endswith(_UNFINISHED):
            return
        if not any(states) and (is_link or name.startswith(".")):
            return
        if folder.depth == _DEEPEST:
            raise RequestError(
                f"{self._root} has folders that are {_DEEPEST} deep, such as {shown(path, 200)}; "
                "pack a folder below it"
            )
        above = folder.above
        if is_link:
            self._n_linked += 1
            if self._n_linked > _MOST_LINKED:
                raise RequestError(f"{self._root} has more than {_MOST_LINKED:,} links to folders")
            above = self._above(folder.path)
        if above is not None:
            own = self._identity(path)
            if own in above:  # the link leads to a folder above it
                return
            above |= {own}
        yield _Folder(path, folder.depth + 1, states, above)

    def _take(self, folder: _Folder, entry: os.DirEntry[str], path: str) -> None:
        matches = [
            (-pattern.n_literal, k, values)
            for k, (pattern, some) in enumerate(zip(self._patterns, folder.states, strict=True))
            if some and (values := pattern.match(some, entry.name)) is not None
        ]
        if not matches:
            is_image = os.path.splitext(entry.name)[1].lower() in self._suffixes
            if is_image and not entry.name.startswith("."):
                self._listing.others.append(path)
            return
        if not entry.is_file():
            self._listing.broken.append(path)
            return
        matches.sort(key=lambda match: match[:2])
        _, k, values = matches[0]
        if len(matches) > 1 and matches[1][0] == matches[0][0]:
            self._listing.twice.append((path, k, matches[1][1]))
        else:
            self._found(k, path, values)

    def _above(self, path: str) -> frozenset[tuple[int, int]]:
        """Return the identities of a folder and of those above it, up to the root."""
        parts = path.split("/") if path else []
        return frozenset(self._identity("/".join(parts[:k])) for k in range(len(parts) + 1))

    def _identity(self, path: str) -> tuple[int, int]:
        where = os.path.join(self._root, path)
        with read_errors(where):
            status = os.stat(where)
        if not stat.S_ISDIR(status.st_mode):
            raise RequestError(f"{where} is no folder any more; start again")
        return status.st_dev, status.st_ino
