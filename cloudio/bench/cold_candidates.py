"""Implementations of one batch whose pages are on the disk: numpy's, torch's and ours.

Each opens its files again for each run, so that no page is mapped while pages are evicted.
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

from .._utils.types import IO
from ..errors import CloudioError
from ..reading.batch import Batch
from ..reading.dataset import open
from .candidates import cast_then_multiply, unit_step
from .cold_workload import (
    PAGE,
    ColdCandidate,
    ColdWorkload,
    FileArray,
    Outputs,
    Read,
    drained,
    open_files,
    started_pool,
)
from .page_cache import free_shared_bytes, interrupts_for_parent
from .timing import with_threads
from .workload import Workload

BASELINE = "baseline (fancy index, float64) *"
TORCH = "torch DataLoader"
# Of 2 to 32, the fastest at 509, and within 2 % of it at 224; with the kernel's own readahead
# instead of POSIX_FADV_RANDOM all were slower at 509.
_POOL_THREADS = 16
_WORKERS = 2
# Parts of a batch for torch's workers: several each, so that both are busy to the end.
_PARTS = 8


# ---- numpy ---------------------------------------------------------------------------------------


@contextmanager
def _mapped(workload: ColdWorkload) -> Iterator[list[tuple[mmap.mmap, np.ndarray]]]:
    """Give a mapping of each array; the pages are released at the end."""
    found = [array.mapped() for array in workload.arrays]
    try:
        yield found
    finally:
        for pages, _ in found:
            pages.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _baseline(workload: ColdWorkload) -> Iterator[Read]:
    """Read as people write it: whole patches, scaled in float64, then cropped and cast."""

    def run(_: Outputs) -> Outputs:
        bands = []
        for (__, array), (step, unit) in zip(maps, steps, strict=True):
            patches = step(array[workload.index], unit)
            crops = [patches[k, rows, cols] for k, (_, rows, cols) in enumerate(workload.windows)]
            bands.append(np.stack(crops).astype(np.float32))
        return Batch(np.stack(bands, axis=1), None, workload.index)

    steps = [unit_step([scale]) for scale in workload.scales]
    with _mapped(workload) as maps:
        yield run


@contextmanager
def _advised(workload: ColdWorkload) -> Iterator[Read]:
    """Request the pages of all windows, then read them by the best numpy in one thread."""

    def run(out: Outputs) -> Outputs:
        for window in workload.windows:
            for (pages, _), array in zip(maps, workload.arrays, strict=True):
                offset, n_bytes = array.span(window)
                first = offset // PAGE * PAGE
                pages.madvise(mmap.MADV_WILLNEED, first, offset + n_bytes - first)
        for k, window in enumerate(workload.windows):
            for b, (_, pixels) in enumerate(maps):
                cast_then_multiply(pixels[window], workload.scales[b], out.image[k, b])
        return out

    with _mapped(workload) as maps:
        yield run


@contextmanager
def _pread(workload: ColdWorkload) -> Iterator[Read]:
    """Read each window in one call into a thread's buffer; the same thread scales it."""

    def run(out: Outputs) -> Outputs:
        tasks = deque((k, b) for k in range(len(workload)) for b in range(len(workload.bands)))
        list(pool.map(partial(samples, out, tasks), buffers))
        return out

    def samples(out: Outputs, tasks: deque[tuple[int, int]], buffer: mmap.mmap) -> None:
        with memoryview(buffer) as memory:
            for k, b in drained(tasks):
                array = workload.arrays[b]
                offset, n_bytes = array.span(workload.windows[k])
                if os.preadv(files[array.path], [memory[:n_bytes]], offset) != n_bytes:
                    raise CloudioError(f"{array.path} ends within a window")
                window: np.ndarray = np.ndarray(
                    workload.size, array.dtype, buffer, strides=array.strides[1:]
                )
                cast_then_multiply(window, workload.scales[b], out.image[k, b])

    longest = max(array.span(workload.windows[0])[1] for array in workload.arrays)
    with open_files(workload) as files, started_pool(_POOL_THREADS) as pool:
        buffers = [mmap.mmap(-1, longest) for _ in range(_POOL_THREADS)]
        yield run


# ---- torch ---------------------------------------------------------------------------------------


class _Samples:
    """The usual data set class: a sample is the crops of all bands, scaled, as a tensor.

    The sample None releases the pages of the mappings, so that they can be evicted.
    """

    def __init__(self, arrays: Sequence[FileArray], scales: Sequence[np.float32]) -> None:
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
    """A DataLoader whose workers live from run to run; they are started before the first.

    Timed is an epoch of ``_PARTS`` batches, from ``iter`` to the arrival of the last one.
    """

    def __init__(self, workload: ColdWorkload) -> None:
        from torch.utils.data import DataLoader

        self.batches: list[list[Any]] = []
        self.loader: Any = DataLoader(
            _Samples(workload.arrays, workload.scales),  # type: ignore[arg-type]
            batch_sampler=self.batches,
            num_workers=_WORKERS,
            persistent_workers=True,
            # A forked worker would inherit the mappings of this process.
            multiprocessing_context="spawn",
        )
        with interrupts_for_parent():
            batches = self._releasing()
        list(batches)

    def close(self) -> None:
        del self.loader

    def release(self) -> None:
        list(self._releasing())

    def _releasing(self) -> Iterator[Any]:
        """Let every worker release its pages: batches go round, so each worker gets one."""
        self.batches[:] = [[None]] * _WORKERS
        return iter(self.loader)

    @contextmanager
    def opened(self, workload: ColdWorkload) -> Iterator[Read]:
        n = math.ceil(len(workload) / _PARTS)
        self.batches[:] = [workload.windows[k : k + n] for k in range(0, len(workload), n)]
        try:
            yield lambda _: list(self.loader)
        finally:
            self.release()


def _joined(batches: list[Any], out: Outputs) -> Outputs:
    """Return torch's batches as one."""
    n = 0
    for batch in batches:
        out.image[n : n + len(batch)] = batch.numpy()
        n += len(batch)
    return out


def _can_use_torch(workload: ColdWorkload) -> bool:
    """Return whether torch is installed and shared memory has room for its workers' batches."""
    return has_torch() and free_shared_bytes() > workload.bytes_written


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


# ---- all of them ---------------------------------------------------------------------------------


def by_cloudio(
    name: str, workload: Workload, threads: int, io: IO, prefetch: bool
) -> ColdCandidate:
    """Read with cloudio by one of its engines; it opens one split, from its folder."""
    folder, layout = next(iter(workload.dataset.folders.values())), workload.dataset.layout

    @contextmanager
    def opened(workload: ColdWorkload) -> Iterator[Read]:
        def run(out: Outputs) -> Outputs:
            if prefetch:
                reader.prefetch(workload.index, workload.origin)
            answer: Outputs = reader.read(workload.index, workload.origin, out=out)
            return answer

        with open(folder, layout=layout, io=io) as dataset:
            reader = dataset.reader(
                workload.bands, size=workload.size, scale=workload.scales, threads=threads
            )
            yield run

    return ColdCandidate(with_threads(name, threads), opened)


@contextmanager
def cold_candidates(workload: ColdWorkload, threads: int) -> Iterator[list[ColdCandidate]]:
    """Return every candidate for batches of these bands; torch only if it is installed."""
    numpy = [
        ColdCandidate(BASELINE, _baseline, ulps=1),
        ColdCandidate("numpy after MADV_WILLNEED", _advised),
        ColdCandidate(f"os.preadv and numpy, {_POOL_THREADS} threads", _pread),
    ]
    ours = [
        by_cloudio("cloudio mmap + prefetch", workload, threads, "mmap", True),
        by_cloudio("cloudio mmap", workload, threads, "mmap", False),
        by_cloudio("cloudio pread", workload, threads, "pread", False),
    ]
    if not _can_use_torch(workload):
        yield numpy + ours
        return
    with closing(_Loader(workload)) as loader:
        torch = ColdCandidate(f"{TORCH}, {_WORKERS} workers", loader.opened, answer=_joined)
        yield [*numpy, torch, *ours]
