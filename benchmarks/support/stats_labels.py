"""Candidates that count labels: pixels per class, and the agreement of two labels."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from stats_questions import REFERENCE, SOURCE, Data, Question, in_threads, limits

from cloudio import stats
from cloudio.bench.timing import Candidate, with_threads


def count_classes(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(patch, class): pixels of the four classes of a label."""
    codes = data.windows(REFERENCE)
    n = data.n

    def ours(threads: int) -> Candidate:
        def run(_: Any) -> np.ndarray:
            return stats.classes(data.ds, REFERENCE, threads=threads).per_patch

        return Candidate(with_threads("cloudio", threads), threads, run)

    def bincount(_: Any) -> np.ndarray:
        return np.stack([np.bincount(codes[k].ravel(), minlength=4)[:4] for k in range(n)])

    def bincount_in_threads(_: Any) -> np.ndarray:
        rows = pool.map(lambda k: np.bincount(codes[k].ravel(), minlength=4)[:4], range(n))
        return np.stack(list(rows))

    def unique(_: Any) -> np.ndarray:
        found = np.zeros((n, 4), np.int64)
        for k in range(n):
            values, counts = np.unique(codes[k], return_counts=True)
            found[k, values[values < 4]] = counts[values < 4]
        return found

    def counter(_: Any) -> np.ndarray:
        found = [Counter(codes[k].ravel().tolist()) for k in range(n)]
        return np.array([[one[c] for c in range(4)] for one in found])

    expected = np.stack([[(codes[k] == c).sum() for c in range(4)] for k in range(n)])
    return Question(
        "pixels per patch and class",
        codes.nbytes,
        [ours(threads), ours(1)],
        [
            Candidate("np.bincount", 1, bincount),
            Candidate(with_threads("np.bincount", threads), threads, bincount_in_threads),
        ],
        [
            Candidate("np.unique(return_counts=True)", 1, unique),
            Candidate("collections.Counter", 1, counter),
        ],
        limits(codes.nbytes, pool, threads),
        expected,
    )


def compare_labels(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(reference, source): pixels by the classes of both."""
    reference = data.windows(REFERENCE)
    source, n = data.windows(SOURCE), data.n
    labels = {SOURCE: "card"}
    maps = data.split.layout.label_maps
    table, look_up = (
        maps[name]["card"].table(data.split.dtype(name), np.dtype(np.uint8), 4, name)
        for name in (REFERENCE, SOURCE)
    )

    def ours(threads: int) -> Candidate:
        def run(_: Any) -> np.ndarray:
            return stats.agreement(data.ds, labels, REFERENCE, threads=threads)[SOURCE].matrix

        return Candidate(with_threads("cloudio", threads), threads, run)

    def counted(which: range) -> np.ndarray:
        joint = np.zeros(25, np.int64)
        for k in which:
            both = table[reference[k]] * np.uint8(5) + look_up[source[k]]
            joint += np.bincount(both.ravel(), minlength=25)
        return joint

    def bincount(_: Any) -> np.ndarray:
        return counted(range(n)).reshape(5, 5)[:4, :4]

    def bincount_in_threads(_: Any) -> np.ndarray:
        joint: np.ndarray = in_threads(pool, threads, n, counted)
        return joint.reshape(5, 5)[:4, :4]

    def masks(_: Any) -> np.ndarray:
        one, other = table[reference], look_up[source]
        return np.array([[((one == i) & (other == j)).sum() for j in range(4)] for i in range(4)])

    n_bytes = reference.nbytes + source.nbytes
    return Question(
        "agreement of two labels",
        n_bytes,
        [ours(threads), ours(1)],
        [
            Candidate("np.bincount of pairs", 1, bincount),
            Candidate(with_threads("np.bincount of pairs", threads), threads, bincount_in_threads),
        ],
        [Candidate("((a == i) & (b == j)).sum()", 1, masks)],
        limits(n_bytes, pool, threads),
        masks(None),
    )
