"""Where do the numbers of `Tuning` in cloudio/_kernels.pyx come from?

Rows asked for ahead and the size of a strip are swept around their defaults.  The two thresholds
are questions of yes or no at every size of the output: past the cache or through it, one thread
or all; the default belongs where the answer turns.  Every number is put back.
"""

from collections.abc import Callable

import pytest
from conftest import Timed

from cloudio import Batch, Dataset
from cloudio._core import kernels
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender, Work, by_cloudio, check

DEFAULTS = kernels.tune()
KIB = [64 << k for k in range(10)]
NEVER = 1 << 60


def sized(data: Dataset, kib: int) -> Work:
    """A batch of crops, each 64 KiB of output, with that much output in all."""
    return Work(data, bench.bands_of(data)[:4], None, (64, 64), kib // 64)


def prepared(work: Work, threads: int) -> tuple[Contender, Batch]:
    """The read and its output, once the answer is right under the numbers that are tried."""
    work.warm()
    way, out = by_cloudio(work, threads), work.allocate()
    check(way, out, work.expected())
    return way, out


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("times", [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])
@pytest.mark.parametrize("name", ["rows_ahead", "tile_bytes"])
def test_sweep(
    timed: Timed, tuned: Callable[..., object], data: Dataset, name: str, times: float,
    n_threads: int,
) -> None:  # fmt: skip
    value = int(DEFAULTS[name] * times)
    tuned(**{name: value})
    work = Work(data, bench.bands_of(data), None, (224, 224), bench.N_SAMPLES)
    way, out = prepared(work, n_threads)
    timed(f"{name}, {n_threads} threads", way, out)


@pytest.mark.parametrize("woken", [False, True], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("kib", KIB)
def test_thread_bytes(
    timed: Timed, tuned: Callable[..., object], data: Dataset, kib: int, woken: bool
) -> None:
    tuned(thread_bytes=1 if woken else NEVER)
    way, out = prepared(sized(data, kib), 2)
    timed(f"thread_bytes: {kib:6} KiB", way, out)


@pytest.mark.parametrize("consumed", [False, True], ids=["left", "consumed"])
@pytest.mark.parametrize("streamed", [False, True], ids=["cached", "streamed"])
@pytest.mark.parametrize("kib", KIB)
def test_stream_bytes(
    timed: Timed, tuned: Callable[..., object], data: Dataset, kib: int, streamed: bool,
    consumed: bool,
) -> None:  # fmt: skip
    """Consumed: every pixel is read again at once, as a normalisation on the CPU would."""
    tuned(stream_bytes=1 if streamed else NEVER)
    read, out = prepared(sized(data, kib), 1)

    def read_and_consume(out: Batch) -> Batch:
        read.run(out)
        out.image.max()
        return out

    way = Contender(read.name, 1, read_and_consume) if consumed else read
    timed(f"stream_bytes: {kib:6} KiB, {'consumed' if consumed else 'left'}", way, out)
