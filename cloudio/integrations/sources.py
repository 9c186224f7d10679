"""Data sets and readers as tasks carry them: a few bytes, opened once in each process."""

import pickle
from pathlib import Path
from typing import Any

from .._utils.paths import status_of
from ..reading.copies import description, restore
from ..reading.dataset import Dataset
from ..reading.reader import Reader
from ..storage.open_files import OpenFiles

# What this process has opened last, by key.  There is no lock, because a forked child could find it
# held by a thread that it does not have.  If two threads open a source at once, both use the first.
_opened: dict[str, Any] = {}
_MOST_OPEN = 8


class Source:
    """A data set or a reader that tasks share.

    Attributes
    ----------
    data : bytes
        Its pickle: a path and settings.
    key : str
        A digest of the path, the layout, the settings, and the sizes and times of the files.  When
        a file changes, the key is another one, so that nothing old is taken for it.
    """

    __slots__ = "data", "key"

    def __init__(self, data: bytes, key: str) -> None:
        self.data, self.key = data, key

    def open(self) -> Any:
        """Return the data set or the reader, which this process may have opened before."""
        found = _opened.get(self.key)
        if found is None:
            found = _opened.setdefault(self.key, pickle.loads(self.data))
            for key in list(_opened)[:-_MOST_OPEN]:
                _opened.pop(key, None)  # tasks that read from it still hold it
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.data, self.key)


def whole_dataset(ds: Dataset) -> Dataset:
    """Return the data set with all patches as stored, which reads by position.

    Dask counts mapped pages as memory of a worker, and stops a worker that maps more than its
    limit, although the system would take them away.
    """
    return Dataset(ds.path, ds.layout, ds.stored_splits, open_files=OpenFiles("pread"))


def whole_reader(reader: Reader[Any]) -> Reader[Any]:
    """Return a reader of the whole data set, with one thread if no number was chosen."""
    kind, ds, settings, added = description(reader)
    settings["threads"] = settings["threads"] or 1
    return restore(kind, whole_dataset(ds), settings, added)


def file_states(ds: Dataset) -> list[tuple[str, int, int] | str]:
    """Return the size and the time of the last change of each file."""
    paths: dict[Path, None] = {}
    for split in ds.stored_splits:
        for array in split.arrays.values():
            paths |= dict.fromkeys(array.paths)
        paths[split.csv] = None
    states: list[tuple[str, int, int] | str] = []
    for path in paths:
        found = status_of(path)
        states.append(str(path) if found is None else (str(path), found.st_size, found.st_mtime_ns))
    return states
