"""Look-ups of label codes: numpy's and ours, each in one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cloudio._core import kernels, runtime
from cloudio._core.plans import Remap
from cloudio.bench.candidates import LOOK_UPS
from cloudio.bench.timing import Candidate

#: Pixels of a look-up: one label of 512 x 512.
SIDE = 512


def label_and_table(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """One patch of random codes of one byte, and a table of classes of ``dtype``."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (1, SIDE, SIDE), np.uint8)
    return codes, rng.integers(0, 256, 256).astype(dtype)


def look_ups(codes: np.ndarray, table: np.ndarray) -> list[Candidate]:
    """All candidates, cloudio last; ``out`` is an array (1, row, column)."""

    def numpy(name: str) -> Candidate:
        def run(out: np.ndarray) -> np.ndarray:
            LOOK_UPS[name](table, codes, out)
            return out

        return Candidate(name, 1, run)

    remap = Remap([[codes]], [[None]], [table], [(0, 0, SIDE, SIDE)], 0)
    index, origin = np.zeros(1, np.int64), np.zeros(2, np.int64)

    def cloudio(out: np.ndarray) -> np.ndarray:
        kernels.run([remap], [out], index, origin, None, 1)
        return out

    return [*map(numpy, LOOK_UPS), Candidate("cloudio", 1, cloudio)]


@contextmanager
def using(isa: str) -> Iterator[None]:
    """Use that instruction set, and afterwards the one before."""
    before = runtime.isa()
    runtime.use(isa)
    yield
    runtime.use(before)
