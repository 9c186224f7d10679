"""Contenders that only the benchmarks have: look-ups, one small read, reads beside a busy thread.

Those of the main job are in cloudio/contenders.py.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from cloudio import Batch
from cloudio._core import kernels
from cloudio._core.plans import Remap
from cloudio.bench.candidates import LOOK_UPS, SCALINGS, Contender, Work

#: Pixels of a look-up: one label of 512 x 512.
SIDE = 512
# More than the workers of a pool, as where every sample is a task.
N_TASKS = 16


# ---- look-ups ------------------------------------------------------------------------------------


def label_and_table(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """One patch of random codes of one byte, and a table of classes of ``dtype``."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (1, SIDE, SIDE), np.uint8)
    return codes, rng.integers(0, 256, 256).astype(dtype)


def look_ups(codes: np.ndarray, table: np.ndarray) -> list[Contender]:
    """numpy's ways and ours, each in one thread, into an array (1, row, column)."""

    def numpy(name: str) -> Contender:
        def run(out: np.ndarray) -> np.ndarray:
            LOOK_UPS[name](table, codes, out)
            return out

        return Contender(name, 1, run)

    remap = Remap([[codes]], [[None]], [table], [(0, 0, SIDE, SIDE)], 0)
    index, origin = np.zeros(1, np.int64), np.zeros(2, np.int64)

    def cloudio(out: np.ndarray) -> np.ndarray:
        kernels.run([remap], [out], index, origin, None, 1)
        return out

    return [*map(numpy, LOOK_UPS), Contender("cloudio", 1, cloudio)]


@contextmanager
def using(isa: str) -> Iterator[None]:
    """That instruction set, and afterwards the one before."""
    before = kernels.isa()
    kernels.use(isa)
    yield
    kernels.use(before)


# ---- one small window ----------------------------------------------------------------------------


def small_reads(work: Work) -> list[Contender]:
    """The first sample alone, by numpy with nothing that could be left out, and by cloudio."""
    patch, (row, col), (height, width) = int(work.index[0]), work.origin[0].tolist(), work.size

    def numpy(name: str) -> Contender:
        scale_into, maps, scales = SCALINGS[name], work.maps, work.scales

        def run(out: Batch) -> Batch:
            image = out.image[0]
            for b in range(len(maps)):
                window = maps[b][patch, row : row + height, col : col + width]
                scale_into(window, scales[b], image[b])
            return out

        return Contender(name, 1, run)

    # As any reader is made: it may use all threads, and should know better for so little.
    reader = work.dataset.reader(work.bands, size=work.size, scale=work.scales)

    def cloudio(out: Batch) -> Batch:
        return reader.read([patch], (row, col), out=out)

    return [*map(numpy, SCALINGS), Contender("cloudio", 1, cloudio)]


def repeated(way: Contender, n: int, isa: str | None = None) -> Contender:
    """The same ``n`` times, where once is too short for a clock; with that instruction set."""

    def run(out: Any) -> Any:
        with using(isa or kernels.isa()):
            for _ in range(n):
                way.run(out)
        return out

    return Contender(f"{way.name}, {isa}" if isa else way.name, way.threads, run)


# ---- beside a busy thread ------------------------------------------------------------------------


@contextmanager
def busy_thread() -> Iterator[None]:
    """One thread that never leaves the interpreter, as a training loop does not."""
    done = False

    def spin() -> None:
        while not done:
            pass

    spinner = threading.Thread(target=spin, daemon=True)
    spinner.start()
    try:
        yield
    finally:
        done = True
        spinner.join()


def shared_reads(work: Work, pool: ThreadPoolExecutor, threads: int) -> list[Contender]:
    """A batch in one call, or in parts that the workers of a pool read in one thread each."""
    together, alone = work.reader(threads), work.reader(1)

    def one_call(out: Batch) -> Batch:
        return together.read(work.index, work.origin, out=out)

    def parts(n: int) -> Contender:
        bounds = np.linspace(0, len(work), n + 1).astype(int).tolist()
        slices = [slice(*pair) for pair in pairwise(bounds)]

        def run(out: Batch) -> Batch:
            def read(part: slice) -> None:
                label = None if out.label is None else out.label[part]
                target = out.image[part], label
                alone.read(work.index[part], work.origin[part], out=target)

            list(pool.map(read, slices))
            return out

        return Contender(f"{n} tasks for {threads} workers", threads, run)

    return [Contender("one call", threads, one_call), parts(threads), parts(N_TASKS)]
