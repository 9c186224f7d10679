"""When does a second thread pay? What does a read cost beside a busy thread, or another read?"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from busy_reads import N_TASKS, busy_thread, shared_reads, two_reads
from timed import Timed

from cloudio import Dataset
from cloudio.bench.candidates import by_cloudio
from cloudio.bench.timing import check
from cloudio.bench.workload import N_SAMPLES, Workload, bands_of, label_of


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_samples", [1, 4, 16, 64])
@pytest.mark.parametrize("size", [64, 224])
def test_threads_by_output(
    timed: Timed, data: Dataset, size: int, n_samples: int, threads: int
) -> None:
    workload = Workload(data, bands_of(data)[:4], None, (size, size), n_samples)
    workload.warm()
    out, candidate = workload.allocate(), by_cloudio(workload, threads)
    check(candidate, out, workload.expected())
    timed(f"threads, {workload.bytes_written // 1024:6} KiB of output", candidate, out)


@pytest.mark.parametrize("at", [0, 1, 2], ids=["one call", "a task each", f"{N_TASKS} tasks"])
@pytest.mark.parametrize("neighbor", ["idle", "busy"])
def test_beside_a_python_thread(
    timed: Timed, data: Dataset, pool: ThreadPoolExecutor, threads: int, neighbor: str, at: int
) -> None:
    workload = Workload(data, bands_of(data), label_of(data), (224, 224), N_SAMPLES)
    workload.warm()
    out, candidate = workload.allocate(), shared_reads(workload, pool, threads)[at]
    check(candidate, out, workload.expected())
    with busy_thread() if neighbor == "busy" else nullcontext():
        timed(f"beside a Python thread that is {neighbor}", candidate, out)


@pytest.mark.parametrize("how", ["one after the other", "at once"])
def test_two_reads(
    timed: Timed, data: Dataset, pool: ThreadPoolExecutor, threads: int, how: str
) -> None:
    """A quarter of a batch and the rest, each with all threads, by two Python threads."""
    workload = Workload(data, bands_of(data), label_of(data), (224, 224), N_SAMPLES)
    workload.warm()
    out, candidate = workload.allocate(), two_reads(workload, pool, threads, how == "at once")
    check(candidate, out, workload.expected())
    timed("two reads", candidate, out)
