"""The open files of a data set, shared by all of its parts and readers."""

from pathlib import Path

import numpy as np

from .arrays import ArrayFile, Native, OpenArray
from .errors import closed_error
from .files import File, open_file


class OpenFiles:
    """Files that are opened once and closed together, for all readers, parts and threads.

    There is no lock, because a forked child could find it held by a thread that it does not have.
    If two threads open a file at once, the later one closes its own and takes the other's.
    """

    def __init__(self, io: str) -> None:
        self.io = io
        self._files: dict[tuple[Path, str], File] = {}
        self._arrays: dict[tuple[Path, str, int | None], OpenArray] = {}
        self._places: dict[Native, int | np.ndarray] = {}
        self._closed = False

    def get(self, array: ArrayFile, io: str) -> OpenArray:
        """Return an array of an open file; RequestError after `close`.

        LayoutError if one of its phases is wrong.
        """
        key = array.path, io, array.channel
        if self._closed:  # what a thread has opened since is closed too
            raise closed_error(array.path, array.path.parent)
        if found := self._arrays.get(key):
            return found
        file = self._files.get(key[:2])
        if file is None:
            file = open_file(array.path, array.end, io)
            file = self._files.setdefault(key[:2], file)
            if self._closed:  # meanwhile
                file.close()
        native = array.native
        if native is None:
            return self._arrays.setdefault(key, OpenArray(file, array))
        if (places := self._places.get(native)) is None:
            places = self._places.setdefault(native, native.places())
        whole = None if native.exceptions is None else self.get(native.exceptions, io)
        return self._arrays.setdefault(key, OpenArray(file, array, places, whole))

    def close(self) -> None:
        """Close all files; reads under way in other threads end first."""
        self._closed = True
        self._arrays.clear()
        for file in list(self._files.values()):
            file.close()
        self._files.clear()
