"""The limits that no candidate can beat: a copy of as many bytes, and plain reads of the disk.

The copy limit is for pages that are in memory, the disk limit for pages that are not.
"""

import mmap
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .._core import kernels
from .._core.plans import Gather
from ..reading.batch import Batch
from .cold_workload import (
    CHUNK,
    PAGE,
    ColdCandidate,
    ColdWorkload,
    Outputs,
    Read,
    drained,
    open_files,
    started_pool,
)
from .timing import Candidate, with_threads
from .workload import Workload

COPY_LIMIT, DISK_LIMIT = "copy limit", "disk limit"
#: Reads at once, of which the fastest is the disk limit.
DEPTHS = 1, 2, 4, 8, 16, 32
# int16 in a row of the copies: 2 KiB, about two rows of a valid window.
N_COLS = 1024


# ---- memory --------------------------------------------------------------------------------------


def copy_limits(
    workload: Workload, pool: ThreadPoolExecutor, threads: int, spare: Batch[np.ndarray]
) -> list[Candidate]:
    """Two plain copies of (read + written) / 2 bytes, so that as many move; the faster counts.

    They copy the memory of ``spare``, another output.  A patch that the workload reads twice is
    copied twice, so that the cache helps neither more than the other.
    """
    n_values = (workload.bytes_read + workload.bytes_written) // (4 * len(workload))
    n_cols = min(N_COLS, n_values)
    shape = n_values // n_cols, n_cols
    patches, index = np.unique(workload.index, return_inverse=True)
    if 2 * shape[0] * shape[1] * len(workload) > spare.image.nbytes:
        # Bands of four bytes and a label: more than the image holds.
        source, target = (np.zeros((len(workload), *shape), np.int16) for _ in range(2))
        return copies(source[: len(patches)], index, lambda _: target, pool, threads)
    source = _as_int16(spare, len(patches), shape)
    return copies(source, index, lambda out: _as_int16(out, len(workload), shape), pool, threads)


def copies(
    source: np.ndarray,
    index: np.ndarray,
    target_of: Callable[[Any], np.ndarray],
    pool: ThreadPoolExecutor,
    threads: int,
) -> list[Candidate]:
    """``source[index]``, int16 (sample, row, column), into ``target_of(out)``: by two copies.

    One is np.copyto, whose samples are dealt out to the threads; the other is streamed, past the
    cache.
    """
    gather = Gather([[source]], [[None]], None, None)
    origin, shares = np.zeros(2, np.int64), min(threads, len(index))

    def samples(target: np.ndarray, first: int) -> None:
        for k in range(first, len(index), shares):
            np.copyto(target[k], source[index[k]])

    def copyto(out: Any) -> Any:
        list(pool.map(partial(samples, target_of(out)), range(shares)))
        return out

    def streamed(out: Any) -> Any:
        kernels.run([gather], [target_of(out)[:, None]], index, origin, None, threads)
        return out

    return [
        Candidate(with_threads("np.copyto", threads), threads, copyto),
        Candidate(with_threads("streamed copy", threads), threads, streamed),
    ]


def _as_int16(batch: Batch[np.ndarray], n: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the beginning of an image's memory."""
    flat = batch.image.reshape(-1).view(np.int16)
    return flat[: n * shape[0] * shape[1]].reshape(n, *shape)


# ---- the disk ------------------------------------------------------------------------------------


def disk_limits(workload: ColdWorkload) -> list[ColdCandidate]:
    """Plain reads of the pages that hold the windows, several at once; the fastest counts.

    They go through the page cache, and past it where the file system allows that; into buffers
    that exist, by threads that exist.
    """
    found = [by_disk(depth, 0) for depth in DEPTHS]
    if _allows_direct_reads(workload):
        found += [by_disk(depth, os.O_DIRECT) for depth in DEPTHS]
    return found


def by_disk(depth: int, flags: int) -> ColdCandidate:
    @contextmanager
    def opened(workload: ColdWorkload) -> Iterator[Read]:
        def run(_: Outputs) -> None:
            requests = deque(workload.requests)
            list(pool.map(lambda buffer: read(requests, buffer), buffers))

        def read(requests: deque[tuple[Path, int, int]], buffer: mmap.mmap) -> None:
            with memoryview(buffer) as memory:
                for path, offset, n_bytes in drained(requests):
                    os.preadv(files[path], [memory[:n_bytes]], offset)

        with open_files(workload, flags) as files, started_pool(depth) as pool:
            buffers = [mmap.mmap(-1, CHUNK) for _ in range(depth)]
            yield run

    return ColdCandidate(f"{'O_DIRECT' if flags else 'page cache'}, {depth} at once", opened)


def _allows_direct_reads(workload: ColdWorkload) -> bool:
    path, offset, _ = workload.requests[0]
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
