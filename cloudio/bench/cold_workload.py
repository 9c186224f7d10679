"""One batch whose pages are on the disk: the places of its windows in the files, and their pages.

The candidates that read it are in cold_candidates.py, the speed of the disk in limits.py.
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
from .workload import Workload

PAGE = mmap.PAGESIZE
#: The most bytes of one request.
CHUNK = 1 << 20

Outputs = Batch[np.ndarray]
Read = Callable[[Outputs], Any]


@dataclass(frozen=True)
class ColdCandidate:
    """An implementation to time: ``opened(workload)`` is a context whose value reads the batch.

    Only the call of that value is timed.  ``answer`` turns what it returns into a Batch like
    ``out``, off the clock.
    """

    name: str
    opened: Callable[["ColdWorkload"], AbstractContextManager[Read]]
    ulps: int = 0
    answer: Callable[[Any, Outputs], Outputs] = lambda found, _: found


# ---- where the pixels are ------------------------------------------------------------------------


@dataclass(frozen=True)
class FileArray:
    """An array (patch, row, column) in its file: where it begins, and its strides, in bytes."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...]

    def mapped(self) -> tuple[mmap.mmap, np.ndarray]:
        """Return a new mapping, as np.memmap makes it, and the array in it."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            pages = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return pages, np.ndarray(self.shape, self.dtype, pages, self.start, self.strides)

    def rows(self, window: tuple[int, slice, slice]) -> tuple[np.ndarray, int]:
        """Return the file offset of each row of a window, and the bytes of a row."""
        patch, rows, cols = window
        patch_bytes, row_bytes, pixel = self.strides
        first = self.start + patch * patch_bytes + cols.start * pixel
        n_bytes = (cols.stop - cols.start - 1) * pixel + self.dtype.itemsize
        return first + np.arange(rows.start, rows.stop) * row_bytes, n_bytes

    def span(self, window: tuple[int, slice, slice]) -> tuple[int, int]:
        """Return the offset and bytes from a window's first pixel to its last."""
        patch, rows, cols = window
        patch_bytes, row_bytes, pixel = self.strides
        offset = self.start + patch * patch_bytes + rows.start * row_bytes + cols.start * pixel
        n_bytes = (rows.stop - rows.start - 1) * row_bytes + (cols.stop - cols.start - 1) * pixel
        return offset, n_bytes + self.dtype.itemsize


def file_array(dataset: Dataset, name: str) -> FileArray:
    """Where an array of a data set of one split lies; no page is touched."""
    source = dataset.open_arrays(name)[0]
    _, start, shape, strides = source.buffer_spec
    return FileArray(source.file.path, source.dtype, shape, start, strides)


class ColdWorkload(Workload):
    """A batch, and where its windows lie in the files: ``arrays``, one per band.

    ``requests`` are what the disk has to read, in the order of the files: path, offset and bytes
    of whole pages, each page once.
    """

    def __init__(
        self, dataset: Dataset, bands: Sequence[str], size: tuple[int, int], n: int, *, seed: int
    ) -> None:
        super().__init__(dataset, bands, None, size, n, seed=seed)
        self.arrays = [file_array(dataset, name) for name in self.bands]
        self.requests = [
            (path, start, min(CHUNK, stop - start))
            for path in sorted({array.path for array in self.arrays})
            for first, last in self._pages(path)
            for start, stop in ((at, last) for at in range(first, last, CHUNK))
        ]

    def _pages(self, path: Path) -> list[tuple[int, int]]:
        """Ranges of a file whose pages hold windows: each from an offset to an offset."""
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


# ---- reading them --------------------------------------------------------------------------------


@contextmanager
def open_files(workload: ColdWorkload, flags: int = 0) -> Iterator[dict[Path, int]]:
    """Descriptors without readahead: the kernel reads exactly what is requested."""
    with ExitStack() as stack:
        files: dict[Path, int] = {}
        for array in workload.arrays:
            if array.path not in files:
                files[array.path] = descriptor = os.open(array.path, os.O_RDONLY | flags)
                stack.callback(os.close, descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield files


@contextmanager
def started_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
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
