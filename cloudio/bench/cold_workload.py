"""One batch whose pages are on the disk: where its windows are, and how fast the disk alone can be.

Ways to read it are cold_ways.py's; what is timed, and in which order, is cold.py's.
"""

import contextlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..reading.batch import Batch
from ..reading.dataset import Dataset
from .candidates import Work

PAGE = mmap.PAGESIZE
#: Reads at once, of which the roof is the fastest.
DEPTHS = 1, 2, 4, 8, 16, 32
# The most that one request of the roof asks for.
_CHUNK = 1 << 20

Outs = Batch[np.ndarray]
Run = Callable[[Outs], Any]


@dataclass(frozen=True)
class Way:
    """A way to read: ``opened(work)`` is a context whose value reads the batch when called.

    What lies before that call is not timed.  ``answer`` makes of what it returns a Batch like
    ``out``, off the clock.
    """

    name: str
    opened: Callable[["ColdWork"], AbstractContextManager[Run]]
    ulps: int = 0
    answer: Callable[[Any, Outs], Outs] = lambda found, _: found


# ---- where the pixels are ------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """An array (patch, row, column) in its file: where it begins, and its steps, in bytes."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...]

    def mapped(self) -> tuple[mmap.mmap, np.ndarray]:
        """A mapping of its own, as np.memmap would make it, and the array in it."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            pages = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return pages, np.ndarray(self.shape, self.dtype, pages, self.start, self.strides)

    def rows(self, window: tuple[int, slice, slice]) -> tuple[np.ndarray, int]:
        """Where in the file each row of a window begins, and how many bytes it has."""
        patch, rows, cols = window
        at, row, pixel = self.strides
        first = self.start + patch * at + cols.start * pixel
        return first + np.arange(rows.start, rows.stop) * row, (cols.stop - cols.start) * pixel

    def span(self, window: tuple[int, slice, slice]) -> tuple[int, int]:
        """Offset and bytes from a window's first pixel to its last."""
        patch, rows, cols = window
        at, row, pixel = self.strides
        offset = self.start + patch * at + rows.start * row + cols.start * pixel
        n_bytes = (rows.stop - rows.start - 1) * row + (cols.stop - cols.start) * pixel
        return offset, n_bytes


def stored(dataset: Dataset, name: str) -> Stored:
    """Where an array of a data set of one split lies; no page is touched."""
    source = dataset.open_arrays(name)[0]
    _, start, shape, strides = source.buffer_spec
    return Stored(source.file.path, source.dtype, shape, start, strides)


class ColdWork(Work):
    """A batch, and where its windows are in the files: ``arrays``, one per band.

    ``requests`` are what the disk must be asked for, in the order of the files: path, offset and
    bytes of whole pages, each page once.
    """

    def __init__(
        self, dataset: Dataset, bands: Sequence[str], size: tuple[int, int], n: int, *, seed: int
    ) -> None:
        super().__init__(dataset, bands, None, size, n, seed=seed)
        self.arrays = [stored(dataset, name) for name in self.bands]
        self.requests = [
            (path, start, min(_CHUNK, stop - start))
            for path in sorted({array.path for array in self.arrays})
            for first, last in self._pages(path)
            for start, stop in ((at, last) for at in range(first, last, _CHUNK))
        ]

    def _pages(self, path: Path) -> list[tuple[int, int]]:
        """Runs of pages of a file that hold windows."""
        begins, ends = [], []
        for array in self.arrays:
            if array.path == path:
                for window in self.windows:
                    at, n_bytes = array.rows(window)
                    begins.append(at // PAGE * PAGE)
                    ends.append(-(-(at + n_bytes) // PAGE) * PAGE)
        first, last = np.concatenate(begins), np.concatenate(ends)
        order = np.argsort(first)
        first, last = first[order], np.maximum.accumulate(last[order])
        new = np.flatnonzero(first[1:] > last[:-1]) + 1
        starts, stops = first[[0, *new]], last[[*(new - 1), -1]]
        return list(zip(starts.tolist(), stops.tolist(), strict=True))

    @property
    def page_bytes(self) -> int:
        return sum(n_bytes for _, _, n_bytes in self.requests)


# ---- the disk ------------------------------------------------------------------------------------


@contextmanager
def files_of(work: ColdWork, flags: int = 0) -> Iterator[dict[Path, int]]:
    """Descriptors by which exactly what is asked for is read, and nothing ahead."""
    with ExitStack() as stack:
        files: dict[Path, int] = {}
        for array in work.arrays:
            if array.path not in files:
                files[array.path] = descriptor = os.open(array.path, os.O_RDONLY | flags)
                stack.callback(os.close, descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield files


@contextmanager
def started(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads have all been started."""
    together = threading.Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: together.wait(), range(threads)))
        yield pool


def drained(tasks: deque[Any]) -> Iterator[Any]:
    """Each task once, among all threads that draw from the same deque."""
    with contextlib.suppress(IndexError):
        while True:
            yield tasks.popleft()


def disk(work: ColdWork) -> list[Way]:
    """Plain reads of the pages that hold the windows, by depth: the fastest is the roof.

    Through the page cache, and past it where the file system allows that; into buffers that are
    there, by threads that are there.
    """
    found = [by_disk(depth, 0) for depth in DEPTHS]
    if _reads_past_the_cache(work):
        found += [by_disk(depth, os.O_DIRECT) for depth in DEPTHS]
    return found


def by_disk(depth: int, flags: int) -> Way:
    @contextmanager
    def opened(work: ColdWork) -> Iterator[Run]:
        def run(_: Outs) -> None:
            requests = deque(work.requests)
            list(pool.map(lambda buffer: read(requests, buffer), buffers))

        def read(requests: deque[tuple[Path, int, int]], buffer: mmap.mmap) -> None:
            with memoryview(buffer) as memory:
                for path, offset, n_bytes in drained(requests):
                    os.preadv(files[path], [memory[:n_bytes]], offset)

        with files_of(work, flags) as files, started(depth) as pool:
            buffers = [mmap.mmap(-1, _CHUNK) for _ in range(depth)]
            yield run

    how = "O_DIRECT" if flags else "page cache"
    return Way(f"{how}, {depth} at once", opened)


def _reads_past_the_cache(work: ColdWork) -> bool:
    path, offset, _ = work.requests[0]
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return False
    try:
        with mmap.mmap(-1, PAGE) as page, memoryview(page) as memory:
            return os.preadv(descriptor, [memory], offset) > 0
    except OSError:
        return False
    finally:
        os.close(descriptor)
