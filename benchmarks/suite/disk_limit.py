"""The disk limit: plain reads of the pages that hold the windows of a batch, several at once."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from .rival import Read
from .task import Task

_CHUNK = 1 << 20


def by_disk(depth: int, flags: int) -> Callable:
    """Return the ``opened`` of a rival that reads the pages of the windows into buffers."""

    @contextmanager
    def opened(task: Task) -> Iterator[Read]:
        with ExitStack() as stack:
            files = {}
            for path in {array.path for array in task.arrays}:
                files[path] = os.open(path, os.O_RDONLY | flags)
                stack.callback(os.close, files[path])
                os.posix_fadvise(files[path], 0, 0, os.POSIX_FADV_RANDOM)
            pool = stack.enter_context(ThreadPoolExecutor(depth))
            buffers = [memoryview(mmap.mmap(-1, _CHUNK)) for _ in range(depth)]
            batches = [requests(task, k) for k in range(task.n_batches)]

            def share(k: int, first: int) -> None:
                for path, offset, n_bytes in batches[k][first::depth]:
                    os.preadv(files[path], [buffers[first][:n_bytes]], offset)

            def read(k: int) -> tuple[None, None]:
                list(pool.map(share, [k] * depth, range(depth)))
                return None, None

            yield read

    return opened


def requests(task: Task, k: int) -> list[tuple[Path, int, int]]:
    """Return path, offset and bytes of the pages of batch ``k``, each page once."""
    found = []
    height, width = task.size
    for array in task.arrays:
        patch, row, col = array.strides
        first = array.start + task.index[k] * patch + task.origin[k] @ (row, col)
        first = (first[:, None] + np.arange(height) * row).ravel()
        last = first + (width - 1) * col + np.dtype(array.dtype).itemsize
        order = np.argsort(first)
        begins = first[order] // mmap.PAGESIZE * mmap.PAGESIZE
        ends = np.maximum.accumulate(-(-last[order] // mmap.PAGESIZE) * mmap.PAGESIZE)
        new = np.flatnonzero(begins[1:] > ends[:-1]) + 1
        for begin, end in zip(begins[[0, *new]], ends[[*(new - 1), -1]], strict=True):
            found += [
                (array.path, at, min(_CHUNK, int(end) - at))
                for at in range(int(begin), int(end), _CHUNK)
            ]
    return found
