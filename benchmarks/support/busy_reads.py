"""Reads beside a busy Python thread, in one call or split over a pool; and two at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from cloudio import Batch
from cloudio.bench.timing import Candidate
from cloudio.bench.workload import Workload

# More than the workers of a pool, as where every sample is a task.
N_TASKS = 16


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


def shared_reads(workload: Workload, pool: ThreadPoolExecutor, threads: int) -> list[Candidate]:
    """A batch in one call, or in parts that the workers of a pool read in one thread each."""
    together, alone = workload.reader(threads), workload.reader(1)

    def one_call(out: Batch) -> Batch:
        return together.read(workload.index, workload.origin, out=out)

    def parts(n: int) -> Candidate:
        bounds = np.linspace(0, len(workload), n + 1).astype(int).tolist()
        slices = [slice(*pair) for pair in pairwise(bounds)]

        def run(out: Batch) -> Batch:
            def read(part: slice) -> None:
                label = None if out.label is None else out.label[part]
                target = out.image[part], label
                alone.read(workload.index[part], workload.origin[part], out=target)

            list(pool.map(read, slices))
            return out

        return Candidate(f"{n} tasks for {threads} workers", threads, run)

    return [Candidate("one call", threads, one_call), parts(threads), parts(N_TASKS)]


def two_reads(
    workload: Workload, pool: ThreadPoolExecutor, threads: int, at_once: bool
) -> Candidate:
    """A quarter of the batch and the rest, each in one call of another thread."""
    reader, quarter = workload.reader(threads), len(workload) // 4

    def run(out: Batch) -> Batch:
        def read(part: slice) -> None:
            label = None if out.label is None else out.label[part]
            reader.read(workload.index[part], workload.origin[part], out=(out.image[part], label))

        parts = slice(0, quarter), slice(quarter, None)
        if at_once:
            list(pool.map(read, parts))
        else:
            for part in parts:
                pool.submit(read, part).result()
        return out

    return Candidate("at once" if at_once else "one after the other", threads, run)
