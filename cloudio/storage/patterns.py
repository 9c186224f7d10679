"""The files of a folder that match a pattern of its layout, found in limited time."""

import fnmatch
import glob
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from .._utils.paths import is_folder
from ..errors import LayoutError

# 1,000 patterns in a folder of 20,000 files.  A link to its own folder gives */*/* no end.  To list
# a folder, or look for a name, takes as long as many comparisons.
_MOST_LOOKS, _OF_FOLDER, _OF_NAME = 25_000_000, 1000, 100
_DEEPEST = 32


class PatternFinder:
    """Finds files in one folder as `glob.glob` does, and lists each folder once.

    LayoutError if that would take more than some seconds.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[tuple[str, bool], list[str]] = {}
        self._looks = 0

    def find(self, pattern: str) -> list[Path]:
        """Return the files that match; folders are left out."""
        if pattern.endswith(("/", os.sep)):
            return []
        parts = PurePath(pattern).parts
        if len(parts) > _DEEPEST:
            reason = f"is searched {len(parts)} folders deep; {_DEEPEST} are the most"
            raise LayoutError.about(self._folder, reason)
        found = sorted(self._match(os.fspath(self._folder), "", parts))
        paths = (self._folder / name for name in found)
        return [path for path in paths if not is_folder(path)]

    def _match(self, root: str, below: str, parts: tuple[str, ...]) -> Iterator[str]:
        if not parts:
            yield below
            return
        part, rest = parts[0], parts[1:]
        if not glob.has_magic(part):
            self._count(_OF_NAME)
            path = os.path.join(below, part)
            whole = os.path.join(root, path)
            if is_folder(whole) if rest else os.path.lexists(whole):
                yield from self._match(root, path, rest)
            return
        names = self._listed(os.path.join(root, below), folders=bool(rest))
        self._count(len(names))
        if not part.startswith("."):
            names = [name for name in names if not name.startswith(".")]
        for name in fnmatch.filter(names, part):
            yield from self._match(root, os.path.join(below, name), rest)

    def _listed(self, folder: str, *, folders: bool) -> list[str]:
        """Return the names in a folder, or those of folders; none if it cannot be read."""
        if (names := self._names.get((folder, folders))) is None:
            self._count(_OF_FOLDER)
            try:
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if not folders or entry.is_dir()]
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                names = []
            self._names[folder, folders] = names
            self._count(10 * len(names))
        return names

    def _count(self, looks: int) -> None:
        self._looks += looks
        if self._looks > _MOST_LOOKS:
            reason = "has too many files for the patterns of its layout; write names instead"
            raise LayoutError.about(self._folder, reason)
