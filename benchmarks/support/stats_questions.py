"""What the benchmarks of statistics share: a question, its data, its check, and its limits.

All candidates go over the valid window of every patch of a split whose pages are in memory;
``run`` returns an answer, which `wrong` compares with that of plain numpy.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cloudio import Dataset
from cloudio.bench.limits import N_COLS, copies
from cloudio.bench.timing import Candidate, with_threads

# Rows of a part of the copies: 512 KiB.
_N_ROWS = 256
READING = "reading alone"
#: What is compared with the label that every data set of benchmarks has.
SOURCE, REFERENCE = "LABEL_sen2cor", "LABEL_manual_hq"


class Question(NamedTuple):
    """One question, its candidates and the bytes that they read; ``limits`` copy as many."""

    name: str
    n_bytes: int
    ours: list[Candidate]
    numpy: list[Candidate]
    baselines: list[Candidate]
    limits: list[Candidate]
    expected: Any


class Data:
    """The first ``n`` patches of a split: as a data set, and as views of their valid windows."""

    def __init__(self, split: Dataset, n: int | None = None) -> None:
        self.n = len(split) if n is None else min(n, len(split))
        self.split = split
        self.ds = split if self.n == len(split) else split.subset(range(self.n))

    def windows(self, name: str) -> np.ndarray:
        window = self.split.valid_window
        rows = slice(window.row, window.row + window.height)
        return self.split[name][: self.n, rows, window.col : window.col + window.width]


def wrong(answer: Any, expected: Any) -> bool:
    """Whether whole numbers differ, or floats by more than 1e-12 of themselves."""
    answer, expected = np.asarray(answer), np.asarray(expected)
    if expected.dtype.kind in "iu":
        return not np.array_equal(answer, expected)
    return answer.shape != expected.shape or not np.allclose(answer, expected, rtol=1e-12, atol=0)


def in_threads(
    pool: ThreadPoolExecutor, threads: int, n: int, count: Callable[[range], Any]
) -> Any:
    """The sum of ``count`` over ``threads`` parts of the patches."""
    return sum(pool.map(count, [range(k, n, threads) for k in range(threads)]))


def limits(n_bytes: int, pool: ThreadPoolExecutor, threads: int) -> list[Candidate]:
    """Two plain copies of ``n_bytes``, of which the faster is the copy limit; and reading alone.

    No pass that counts is faster than one that only reads.  The copy is what all other benchmarks
    are compared with.
    """
    n = max(1, n_bytes // (2 * _N_ROWS * N_COLS))
    source, target = (np.full((n, _N_ROWS, N_COLS), k, np.int16) for k in range(2))

    def read(_: Any) -> int:
        parts = [slice(k * n // threads, (k + 1) * n // threads) for k in range(threads)]
        words = source.reshape(n, -1).view(np.uint64)
        found = pool.map(lambda part: np.bitwise_xor.reduce(words[part], axis=None), parts)
        return int(np.bitwise_xor.reduce(list(found)))

    reading = Candidate(with_threads(READING, threads), threads, read)
    return [*copies(source, np.arange(n), lambda _: target, pool, threads), reading]
