"""The open files of a data set, shared by all of its parts and readers."""

import math
from pathlib import Path

from ..errors import RequestError
from .files import File, OpenArray, open_file
from .inference import ArrayFile


class OpenFiles:
    """Files opened once and closed together, however many readers, parts and threads ask for them.

    No lock, for a forked child could find it held by a thread that it does not have: of two
    threads that open a file at once, the later one closes its own and takes the other's.
    """

    def __init__(self, io: str) -> None:
        self.io = io
        self._files: dict[tuple[Path, str], File] = {}
        self._arrays: dict[tuple[Path, str, int | None], OpenArray] = {}
        self._closed = False

    def get(self, array: ArrayFile, io: str) -> OpenArray:
        key = array.path, io, array.channel
        if self._closed:  # what a thread has opened since is closed too
            raise RequestError(f"{array.path.parent} is closed; open the data set anew")
        if source := self._arrays.get(key):
            return source
        file = self._files.get(key[:2])
        if file is None:
            n_bytes = array.start + math.prod(array.shape) * array.dtype.itemsize
            file = open_file(array.path, n_bytes, io)
            file = self._files.setdefault(key[:2], file)
            if self._closed:  # meanwhile
                file.close()
        source = OpenArray(file, array.dtype, array.shape, array.start, array.channel)
        return self._arrays.setdefault(key, source)

    def close(self) -> None:
        self._closed = True
        self._arrays.clear()
        for file in list(self._files.values()):
            file.close()
        self._files.clear()
