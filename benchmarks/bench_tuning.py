"""Where do the numbers of `Tuning` in cloudio/_core/runtime.pyx come from?

The rows that are prefetched and the size of a tile are swept around their defaults.  The two
thresholds are questions of yes or no at every size of the output: past the cache or through it,
one thread or all; the default belongs where the answer changes.  Every number is put back.
"""

from collections.abc import Callable

import pytest
from timed import Timed

from cloudio import Batch, Dataset
from cloudio._core import runtime
from cloudio.bench.candidates import by_cloudio
from cloudio.bench.timing import Candidate, check
from cloudio.bench.workload import N_SAMPLES, Workload, bands_of

DEFAULTS = runtime.tune()
KIB = [64 << k for k in range(10)]
NEVER = 1 << 60


def sized(data: Dataset, kib: int) -> Workload:
    """A batch of crops, each 64 KiB of output, with that much output in all."""
    return Workload(data, bands_of(data)[:4], None, (64, 64), kib // 64)


def prepared(workload: Workload, threads: int) -> tuple[Candidate, Batch]:
    """The read and its output; the answer is right with the numbers that are tried."""
    workload.warm()
    candidate, out = by_cloudio(workload, threads), workload.allocate()
    check(candidate, out, workload.expected())
    return candidate, out


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("times", [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])
@pytest.mark.parametrize("name", ["rows_ahead", "tile_bytes"])
def test_sweep(
    timed: Timed, tuned: Callable[..., object], data: Dataset, name: str, times: float,
    n_threads: int,
) -> None:  # fmt: skip
    value = int(DEFAULTS[name] * times)
    tuned(**{name: value})
    workload = Workload(data, bands_of(data), None, (224, 224), N_SAMPLES)
    candidate, out = prepared(workload, n_threads)
    timed(f"{name}, {n_threads} threads", candidate, out)


@pytest.mark.parametrize("threaded", [False, True], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("kib", KIB)
def test_thread_bytes(
    timed: Timed, tuned: Callable[..., object], data: Dataset, kib: int, threaded: bool
) -> None:
    tuned(thread_bytes=1 if threaded else NEVER)
    candidate, out = prepared(sized(data, kib), 2)
    timed(f"thread_bytes: {kib:6} KiB", candidate, out)


@pytest.mark.parametrize("consumed", [False, True], ids=["left", "consumed"])
@pytest.mark.parametrize("streamed", [False, True], ids=["cached", "streamed"])
@pytest.mark.parametrize("kib", KIB)
def test_stream_bytes(
    timed: Timed, tuned: Callable[..., object], data: Dataset, kib: int, streamed: bool,
    consumed: bool,
) -> None:  # fmt: skip
    """Consumed: every pixel is read again at once, as by a normalization on the CPU."""
    tuned(stream_bytes=1 if streamed else NEVER)
    read, out = prepared(sized(data, kib), 1)

    def read_and_consume(out: Batch) -> Batch:
        read.run(out)
        out.image.max()
        return out

    candidate = Candidate(read.name, 1, read_and_consume) if consumed else read
    timed(f"stream_bytes: {kib:6} KiB, {'consumed' if consumed else 'left'}", candidate, out)
