"""Ways to count a data set: the idioms people write, the best of numpy, ours, and the roof.

All of them go over the valid window of every patch of a split whose pages are in memory; ``run``
returns an answer, which `wrong` compares with that of the plainest numpy.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cloudio import Dataset, stats
from cloudio._core import kernels
from cloudio._core.plans import Gather
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender, named

# int16 in a row of the roof's copies, and rows of a part: 2 KiB each, 512 KiB together.
_COLS, _ROWS = 1024, 256
READING = "reading alone"
#: What is compared with the label that every data set of benchmarks has.
SOURCE, _REFERENCE = "LABEL_sen2cor", "LABEL_manual_hq"


class Question(NamedTuple):
    """One question, the ways to answer it and how many bytes they read; ``roof`` copies as many."""

    name: str
    n_bytes: int
    ours: list[Contender]
    numpy: list[Contender]
    idioms: list[Contender]
    roof: list[Contender]
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


def questions(
    split: Dataset, pool: ThreadPoolExecutor, threads: int, n_patches: int | None = None
) -> list[Question]:
    """Bands, classes and agreement, every answer checked; AssertionError where one is wrong."""
    data = Data(split, n_patches)
    made = [ask(data, pool, threads) for ask in (_bands, _classes, _agreement)]
    for question in made:
        for way in (*question.ours, *question.numpy, *question.idioms):
            if wrong(way.run(None), question.expected):
                raise AssertionError(f"{question.name}: {way.name} has another answer than numpy")
    return made


def wrong(answer: Any, expected: Any) -> bool:
    """Whether whole numbers differ, or floats by more than 1e-12 of themselves."""
    answer, expected = np.asarray(answer), np.asarray(expected)
    if expected.dtype.kind in "iu":
        return not np.array_equal(answer, expected)
    return answer.shape != expected.shape or not np.allclose(answer, expected, rtol=1e-12, atol=0)


def _in_threads(
    pool: ThreadPoolExecutor, threads: int, n: int, count: Callable[[range], Any]
) -> Any:
    """The sum of what is counted of ``threads`` parts of the patches."""
    return sum(pool.map(count, [range(k, n, threads) for k in range(threads)]))


# ---- bands ---------------------------------------------------------------------------------------


def _bands(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(mean and std, band): ours counts extremes, percentiles and histograms besides."""
    names = bench.bands_of(data.split)
    maps = [data.windows(name) for name in names]
    scales = np.array([data.split.band(name).scale for name in names])
    n = data.n

    def ours(threads: int) -> Contender:
        def run(_: Any) -> np.ndarray:
            found = stats.bands(data.ds, names, threads=threads)
            return np.stack([found.mean, found.std])

        return Contender(named("cloudio", threads), threads, run)

    def of_histogram(counts: np.ndarray) -> tuple[float, float]:
        values = np.arange(65536).astype("u2").view("i2").astype(np.float64)
        mean = (counts @ values) / counts.sum()
        return mean, np.sqrt((counts @ (values - mean) ** 2) / counts.sum())

    def counted(part: np.ndarray, which: range) -> np.ndarray:
        counts = np.zeros(65536, np.int64)
        for k in which:
            codes = np.ascontiguousarray(part[k]).view("u2")
            counts += np.bincount(codes.ravel(), minlength=65536)
        return counts

    def bincount(threads: int) -> Contender:
        def run(_: Any) -> np.ndarray:
            found = [
                of_histogram(
                    counted(part, range(n))
                    if threads == 1
                    else _in_threads(
                        pool, threads, n, lambda which, part=part: counted(part, which)
                    )
                )
                for part in maps
            ]
            return np.array(found).T * scales

        return Contender(named("np.bincount of uint16 views", threads), threads, run)

    def unique(_: Any) -> np.ndarray:
        found = []
        for part in maps:
            values, counts = np.unique(part, return_counts=True)
            mean = (values.astype(np.float64) @ counts) / counts.sum()
            found.append((mean, np.sqrt(((values - mean) ** 2 @ counts) / counts.sum())))
        return np.array(found).T * scales

    def stacked(_: Any) -> np.ndarray:
        # One patch of all bands at a time is as little as it can hold; whole files do not fit.
        total, squares, size = 0.0, 0.0, maps[0][0].size * n
        for k in range(n):
            image = np.stack([part[k] for part in maps]) / 10000
            total = total + image.mean(axis=(1, 2)) * image[0].size
        mean = total / size
        for k in range(n):
            image = np.stack([part[k] for part in maps]) / 10000
            squares = squares + ((image - mean[:, None, None]) ** 2).sum(axis=(1, 2))
        return np.stack([mean, np.sqrt(squares / size)]) * (scales * 10000)

    def whole(_: Any) -> np.ndarray:
        found = []
        for part in maps:
            band = part / 10000
            found.append((band.mean(axis=(0, 1, 2)), band.std(axis=(0, 1, 2))))
        return np.array(found).T * (scales * 10000)

    n_bytes = sum(part.nbytes for part in maps)
    return Question(
        f"mean and std of {len(names)} bands",
        n_bytes,
        [ours(threads), ours(1)],
        [bincount(1), bincount(threads)],
        [
            Contender("np.unique(return_counts=True)", 1, unique),
            Contender("memmap / 10000, mean and std of its axes", 1, whole),
            Contender("np.stack(...) / 10000 a patch, summed", 1, stacked),
        ],
        copies(n_bytes, pool, threads),
        np.array([[part.mean(dtype="f8"), part.std(dtype="f8")] for part in maps]).T * scales,
    )


# ---- labels --------------------------------------------------------------------------------------


def _classes(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(patch, class): pixels of the four classes of a label."""
    codes = data.windows(_REFERENCE)
    n = data.n

    def ours(threads: int) -> Contender:
        def run(_: Any) -> np.ndarray:
            return stats.classes(data.ds, _REFERENCE, threads=threads).per_patch

        return Contender(named("cloudio", threads), threads, run)

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
            Contender("np.bincount", 1, bincount),
            Contender(named("np.bincount", threads), threads, bincount_in_threads),
        ],
        [
            Contender("np.unique(return_counts=True)", 1, unique),
            Contender("collections.Counter", 1, counter),
        ],
        copies(codes.nbytes, pool, threads),
        expected,
    )


def _agreement(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(reference, source): pixels by the classes of both."""
    reference = data.windows(_REFERENCE)
    source, n = data.windows(SOURCE), data.n
    asked = {SOURCE: "card"}
    maps = data.split.layout.label_maps
    table, look_up = (
        maps[name]["card"].table(data.split.dtype(name), np.dtype(np.uint8), 4, name)
        for name in (_REFERENCE, SOURCE)
    )

    def ours(threads: int) -> Contender:
        def run(_: Any) -> np.ndarray:
            return stats.agreement(data.ds, asked, _REFERENCE, threads=threads)[SOURCE].matrix

        return Contender(named("cloudio", threads), threads, run)

    def counted(which: range) -> np.ndarray:
        joint = np.zeros(25, np.int64)
        for k in which:
            both = table[reference[k]] * np.uint8(5) + look_up[source[k]]
            joint += np.bincount(both.ravel(), minlength=25)
        return joint

    def bincount(_: Any) -> np.ndarray:
        return counted(range(n)).reshape(5, 5)[:4, :4]

    def bincount_in_threads(_: Any) -> np.ndarray:
        joint: np.ndarray = _in_threads(pool, threads, n, counted)
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
            Contender("np.bincount of pairs", 1, bincount),
            Contender(named("np.bincount of pairs", threads), threads, bincount_in_threads),
        ],
        [Contender("((a == i) & (b == j)).sum()", 1, masks)],
        copies(n_bytes, pool, threads),
        masks(None),
    )


# ---- the roof ------------------------------------------------------------------------------------


def copies(n_bytes: int, pool: ThreadPoolExecutor, threads: int) -> Sequence[Contender]:
    """Two plain copies of ``n_bytes``, the faster of which is the roof; and reading alone.

    Reading is what a pass does, and cannot be beaten by one that counts; the copy is what every
    roof here is.
    """
    n = max(1, n_bytes // (2 * _ROWS * _COLS))
    source, target = (np.full((n, _ROWS, _COLS), k, np.int16) for k in range(2))
    gather = Gather([[source]], [[None]], None, None)
    index, origin = np.arange(n), np.zeros(2, np.int64)

    def copyto(_: Any) -> np.ndarray:
        parts = [slice(k * n // threads, (k + 1) * n // threads) for k in range(threads)]
        list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))
        return target

    def streamed(_: Any) -> np.ndarray:
        kernels.run([gather], [target[:, None]], index, origin, None, threads)
        return target

    def read(_: Any) -> int:
        parts = [slice(k * n // threads, (k + 1) * n // threads) for k in range(threads)]
        words = source.reshape(n, -1).view(np.uint64)
        seen = pool.map(lambda part: np.bitwise_xor.reduce(words[part], axis=None), parts)
        return int(np.bitwise_xor.reduce(list(seen)))

    return [
        Contender(named("np.copyto", threads), threads, copyto),
        Contender(named("streamed copy", threads), threads, streamed),
        Contender(named(READING, threads), threads, read),
    ]
