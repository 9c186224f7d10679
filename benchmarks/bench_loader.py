"""How near does a Loader come to reads in a loop, by how many batches it builds ahead?

Nothing computes between the batches here; `cloudio bench --train` asks how long one waits who does.
CLOUDIO_BENCH_SAMPLES makes a batch smaller, where only the answers matter.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from conftest import Timed

from cloudio import Dataset, Loader
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender, Work, check

SMOKE = os.environ.get("CLOUDIO_BENCH_SAMPLES")
CASES = {"13 bands, 509 x 509 x 16": (13, 509, 16), "13 bands, 224 x 224 x 32": (13, 224, 32),
         "3 bands, 64 x 64 x 8": (3, 64, 8)}  # fmt: skip
PREFETCH = 0, 1, 2, 4
# Of an epoch, which is not to end while it is timed.
N_BATCHES = 20_000
# Of these, reads in a loop are told where windows lie.
N_DRAWN = 100


@contextmanager
def batches_of(loader: Loader, ahead: int | None) -> Iterator[Contender]:
    """Each run is one more batch: by the loader, or where ``ahead`` is None by reads like its."""
    if ahead is not None:
        batches = iter(loader)
        yield Contender(f"Loader, prefetch={ahead}", 1, lambda _: next(batches))
        batches.close()
        return
    n = loader.batch_size
    drawn = cycle([loader.samples(range(k, k + n)) for k in range(0, N_DRAWN * n, n)])

    def read(out: Any) -> Any:
        return loader.reader.read(*next(drawn), out=out)

    yield Contender("reader.read in a loop", 1, read)


@pytest.mark.parametrize("ahead", [None, *PREFETCH], ids=lambda n: "read" if n is None else str(n))
@pytest.mark.parametrize("case", CASES)
def test_batches(timed: Timed, data: Dataset, threads: int, case: str, ahead: int | None) -> None:
    n_bands, side, n = CASES[case]
    n, bands, size = int(SMOKE or n), bench.bands_of(data)[:n_bands], (side, side)
    patches = np.arange(min(len(data), 2 * n))
    Work(data, bands, None, size, 0, at=(patches, np.zeros((len(patches), 2), int))).warm()
    reader = Work(data, bands, None, size, 1).reader(threads)
    index = np.resize(patches, N_BATCHES * n)
    loader = Loader(reader, n, index=index, prefetch=ahead or 0)
    first, origin, _ = loader.samples(range(n))
    assert origin is not None
    work = Work(data, bands, None, size, n, at=(first, origin))
    out = work.allocate()
    with ExitStack() as stack:
        way = stack.enter_context(batches_of(loader, ahead))
        check(way, out, work.expected())
        timed(f"batches of {case}", way, out)
