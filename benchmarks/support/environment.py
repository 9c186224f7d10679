"""What the environment says: which data set to read, and how many samples a smoke run reads."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cloudio import Dataset
from cloudio.bench.workload import open_data

#: Samples of a batch where only the answers matter; None for as many as a benchmark needs.
N_SMOKE = int(os.environ.get("CLOUDIO_BENCH_SAMPLES", "0")) or None


@contextmanager
def bench_data(extra: Sequence[str] = ()) -> Iterator[tuple[Dataset, str]]:
    """The data set of CLOUDIO_BENCH_DATA and its description; or a synthetic one with ``extra``."""
    path = os.environ.get("CLOUDIO_BENCH_DATA")
    with open_data(Path(path) if path else None, extra) as found:
        yield found
