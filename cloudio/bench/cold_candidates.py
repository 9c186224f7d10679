"""Ways to read one batch whose pages are on the disk: numpy's, torch's and ours.

Each opens everything anew for each run, so that no page is mapped while pages are evicted.  Where
windows lie, and how fast the disk alone is, are cold_work.py's; what is timed and when, cold.py's.
"""

import importlib.util
import math
import mmap
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..errors import CloudioError
from ..reading.batch import Batch
from ..reading.dataset import open
from .candidates import IDIOM, Work, cast_then_multiply, divisors, named
from .cold_workload import PAGE, ColdWork, Outs, Run, Stored, Way, drained, files_of, started
from .page_cache import shared_room

# Of 2 to 32, the fastest at 509, and within 2 % of it at 224; with the kernel's own reading ahead
# instead of POSIX_FADV_RANDOM all were slower at 509.
_POOL_THREADS = 16
_WORKERS = 2
# Parts that torch's workers are given of a batch: several each, so that both are busy to the end.
_PARTS = 8
# ---- numpy ---------------------------------------------------------------------------------------


@contextmanager
def _mapped(work: ColdWork) -> Iterator[list[tuple[mmap.mmap, np.ndarray]]]:
    """A mapping of each array, whose pages are let go in the end."""
    found = [array.mapped() for array in work.arrays]
    try:
        yield found
    finally:
        for pages, _ in found:
            pages.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _idiom(work: ColdWork) -> Iterator[Run]:
    """What people write: whole patches of a band, divided in float64, then cropped and cast."""

    def run(_: Outs) -> Outs:
        bands = []
        for (__, array), divisor in zip(maps, divisors(work.scales), strict=True):
            patches = array[work.index] / divisor
            crops = [patches[k, rows, cols] for k, (_, rows, cols) in enumerate(work.windows)]
            bands.append(np.stack(crops).astype(np.float32))
        return Batch(np.stack(bands, axis=1), None, work.index)

    with _mapped(work) as maps:
        yield run


@contextmanager
def _advised(work: ColdWork) -> Iterator[Run]:
    """All windows asked for, then numpy's best in one thread."""

    def run(out: Outs) -> Outs:
        for window in work.windows:
            for (pages, _), place in zip(maps, work.arrays, strict=True):
                offset, n_bytes = place.span(window)
                first = offset // PAGE * PAGE
                pages.madvise(mmap.MADV_WILLNEED, first, offset + n_bytes - first)
        for k, window in enumerate(work.windows):
            for b, (_, array) in enumerate(maps):
                cast_then_multiply(array[window], work.scales[b], out.image[k, b])
        return out

    with _mapped(work) as maps:
        yield run


@contextmanager
def _pread(work: ColdWork) -> Iterator[Run]:
    """Each window read at once into a thread's buffer, and scaled from there by the same thread."""

    def run(out: Outs) -> Outs:
        tasks = deque((k, b) for k in range(len(work)) for b in range(len(work.bands)))
        list(pool.map(partial(samples, out, tasks), buffers))
        return out

    def samples(out: Outs, tasks: deque[tuple[int, int]], buffer: mmap.mmap) -> None:
        with memoryview(buffer) as memory:
            for k, b in drained(tasks):
                array = work.arrays[b]
                offset, n_bytes = array.span(work.windows[k])
                if os.preadv(files[array.path], [memory[:n_bytes]], offset) != n_bytes:
                    raise CloudioError(f"{array.path} ends within a window")
                window: np.ndarray = np.ndarray(
                    work.size, array.dtype, buffer, strides=array.strides[1:]
                )
                cast_then_multiply(window, work.scales[b], out.image[k, b])

    longest = max(array.span(work.windows[0])[1] for array in work.arrays)
    with files_of(work) as files, started(_POOL_THREADS) as pool:
        buffers = [mmap.mmap(-1, longest) for _ in range(_POOL_THREADS)]
        yield run


# ---- torch ---------------------------------------------------------------------------------------


class _Samples:
    """The usual data set class: a sample is the crops of all bands, scaled, as a tensor.

    Where one is None the mappings' pages are let go, so that they can be evicted.
    """

    def __init__(self, arrays: Sequence[Stored], scales: Sequence[np.float32]) -> None:
        self.arrays = arrays
        self.scales = np.array(scales)[:, None, None]
        self.maps: list[tuple[mmap.mmap, np.ndarray]] = []

    def __getitem__(self, window: tuple[int, slice, slice] | None) -> Any:
        import torch

        if not self.maps:
            self.maps = [array.mapped() for array in self.arrays]
        if window is None:
            for pages, _ in self.maps:
                pages.madvise(mmap.MADV_DONTNEED)
            return torch.zeros(1)
        image = np.stack([array[window] for _, array in self.maps]).astype(np.float32)
        image *= self.scales
        return torch.from_numpy(image)


class _Loader:
    """A DataLoader whose workers live on from run to run, started before the first.

    Counted is an epoch of ``_PARTS`` batches, from ``iter`` to the last one's arrival.
    """

    def __init__(self, work: ColdWork) -> None:
        from torch.utils.data import DataLoader

        self.batches: list[list[Any]] = []
        self.loader: Any = DataLoader(
            _Samples(work.arrays, work.scales),  # type: ignore[arg-type]
            batch_sampler=self.batches,
            num_workers=_WORKERS,
            persistent_workers=True,
            # A forked worker would have inherited what this process has mapped.
            multiprocessing_context="spawn",
        )
        self.let_go()

    def close(self) -> None:
        del self.loader

    def let_go(self) -> None:
        """No worker has a page mapped: batches go round, so each worker gets one of these."""
        self.batches[:] = [[None]] * _WORKERS
        list(self.loader)

    @contextmanager
    def opened(self, work: ColdWork) -> Iterator[Run]:
        n = math.ceil(len(work) / _PARTS)
        self.batches[:] = [work.windows[k : k + n] for k in range(0, len(work), n)]
        try:
            yield lambda _: list(self.loader)
        finally:
            self.let_go()


def _joined(batches: list[Any], out: Outs) -> Outs:
    """torch's batches as one."""
    n = 0
    for batch in batches:
        out.image[n : n + len(batch)] = batch.numpy()
        n += len(batch)
    return out


def _has_torch(work: ColdWork) -> bool:
    """Installed, and with room where its workers leave their answers."""
    return has_torch() and shared_room() > work.bytes_written


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


# ---- all of them ---------------------------------------------------------------------------------


def by_cloudio(name: str, work: Work, threads: int, io: str, prefetch: bool) -> Way:
    """cloudio by one of its engines; what is opened is one split, from its folder."""
    folder, layout = next(iter(work.dataset.folders.values())), work.dataset.layout

    @contextmanager
    def opened(work: ColdWork) -> Iterator[Run]:
        def run(out: Outs) -> Outs:
            if prefetch:
                reader.prefetch(work.index, work.origin)
            answer: Outs = reader.read(work.index, work.origin, out=out)
            return answer

        with open(folder, layout=layout, io=io) as dataset:
            reader = dataset.reader(work.bands, size=work.size, scale=work.scales, threads=threads)
            yield run

    return Way(named(name, threads), opened)


@contextmanager
def ways(work: ColdWork, threads: int) -> Iterator[list[Way]]:
    """Every contender for batches of these bands; torch only where it is installed."""
    found = [
        Way(IDIOM, _idiom, ulps=1),
        Way("numpy after MADV_WILLNEED", _advised),
        Way(f"os.preadv and numpy, {_POOL_THREADS} threads", _pread),
    ]
    ours = [
        by_cloudio("cloudio mmap + prefetch", work, threads, "mmap", True),
        by_cloudio("cloudio mmap", work, threads, "mmap", False),
        by_cloudio("cloudio pread", work, threads, "pread", False),
    ]
    if not _has_torch(work):
        yield found + ours
        return
    with closing(_Loader(work)) as loader:
        torch = Way(f"torch DataLoader, {_WORKERS} workers", loader.opened, answer=_joined)
        yield [*found, torch, *ours]
