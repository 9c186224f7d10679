"""How near does a Loader come to reads in a loop, by how many batches it prefetches?

Nothing computes between the batches here; `cloudio bench --train` asks how long a consumer waits
that computes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from environment import N_SMOKE
from timed import Timed

from cloudio import Dataset, Loader
from cloudio.bench.timing import Candidate, check
from cloudio.bench.workload import Workload, bands_of, warm_patches

# Bands, side and samples of a batch.
CASES = {
    "13 bands, 509 x 509 x 16": (13, 509, 16),
    "13 bands, 224 x 224 x 32": (13, 224, 32),
    "3 bands, 64 x 64 x 8": (3, 64, 8),
}
PREFETCH = 0, 1, 2, 4
# Of an epoch, which is not to end while it is timed.
N_BATCHES = 20_000
# Batches whose windows are known to the reads in a loop; then they come again.
N_DRAWN = 100


@contextmanager
def batches_of(loader: Loader, prefetch: int | None) -> Iterator[Candidate]:
    """Each run is one more batch: of the loader, or where ``prefetch`` is None by the same read."""
    if prefetch is not None:
        batches = iter(loader)
        yield Candidate(f"Loader, prefetch={prefetch}", 1, lambda _: next(batches))
        batches.close()
        return
    n = loader.batch_size
    drawn = cycle([loader.samples(range(k, k + n)) for k in range(0, N_DRAWN * n, n)])

    def read(out: Any) -> Any:
        return loader.reader.read(*next(drawn), out=out)

    yield Candidate("reader.read in a loop", 1, read)


@pytest.mark.parametrize(
    "prefetch", [None, *PREFETCH], ids=lambda n: "read" if n is None else str(n)
)
@pytest.mark.parametrize("case", CASES)
def test_batches(
    timed: Timed, data: Dataset, threads: int, case: str, prefetch: int | None
) -> None:
    n_bands, side, n = CASES[case]
    n, bands, size = N_SMOKE or n, bands_of(data)[:n_bands], (side, side)
    patches = np.arange(min(len(data), 2 * n))
    warm_patches(data, bands, patches)
    reader = Workload(data, bands, None, size, 1).reader(threads)
    index = np.resize(patches, N_BATCHES * n)
    loader = Loader(reader, n, index=index, prefetch=prefetch or 0)
    first, origin, _ = loader.samples(range(n))
    assert origin is not None
    workload = Workload(data, bands, None, size, n, at=(first, origin))
    out = workload.allocate()
    with batches_of(loader, prefetch) as candidate:
        check(candidate, out, workload.expected())
        timed(f"batches of {case}", candidate, out)
