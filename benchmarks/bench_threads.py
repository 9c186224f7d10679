"""When does a second thread pay, and what does a read cost beside a busy Python thread?"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from conftest import Timed
from small_candidates import N_TASKS, busy_thread, shared_reads

from cloudio import Dataset
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Work, by_cloudio, check


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_samples", [1, 4, 16, 64])
@pytest.mark.parametrize("size", [64, 224])
def test_threads_by_output(
    timed: Timed, data: Dataset, size: int, n_samples: int, threads: int
) -> None:
    work = Work(data, bench.bands_of(data)[:4], None, (size, size), n_samples)
    work.warm()
    out, way = work.allocate(), by_cloudio(work, threads)
    check(way, out, work.expected())
    timed(f"threads, {work.bytes_written // 1024:6} KiB of output", way, out)


@pytest.mark.parametrize("at", [0, 1, 2], ids=["one call", "a task each", f"{N_TASKS} tasks"])
@pytest.mark.parametrize("neighbour", ["idle", "busy"])
def test_beside_a_python_thread(
    timed: Timed, data: Dataset, pool: ThreadPoolExecutor, threads: int, neighbour: str, at: int
) -> None:
    work = Work(data, bench.bands_of(data), bench.label_of(data), (224, 224), bench.N_SAMPLES)
    work.warm()
    out, way = work.allocate(), shared_reads(work, pool, threads)[at]
    check(way, out, work.expected())
    with busy_thread() if neighbour == "busy" else nullcontext():
        timed(f"beside a Python thread that is {neighbour}", way, out)
