"""Candidates for the mean and deviation of bands: ours, the best of numpy, what people write."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from stats_questions import Data, Question, in_threads, limits

from cloudio import stats
from cloudio.bench.timing import Candidate, with_threads
from cloudio.bench.workload import bands_of


def count_bands(data: Data, pool: ThreadPoolExecutor, threads: int) -> Question:
    """(mean and std, band): ours counts extremes, percentiles and histograms besides."""
    names = bands_of(data.split)
    maps = [data.windows(name) for name in names]
    scales = np.array([data.split.band(name).scale for name in names])
    n = data.n

    def ours(threads: int) -> Candidate:
        def run(_: Any) -> np.ndarray:
            found = stats.bands(data.ds, names, threads=threads)
            return np.stack([found.mean, found.std])

        return Candidate(with_threads("cloudio", threads), threads, run)

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

    def bincount(threads: int) -> Candidate:
        def run(_: Any) -> np.ndarray:
            found = [
                of_histogram(
                    counted(part, range(n))
                    if threads == 1
                    else in_threads(pool, threads, n, lambda which, part=part: counted(part, which))
                )
                for part in maps
            ]
            return np.array(found).T * scales

        return Candidate(with_threads("np.bincount of uint16 views", threads), threads, run)

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
            Candidate("np.unique(return_counts=True)", 1, unique),
            Candidate("memmap / 10000, mean and std of its axes", 1, whole),
            Candidate("np.stack(...) / 10000 a patch, summed", 1, stacked),
        ],
        limits(n_bytes, pool, threads),
        np.array([[part.mean(dtype="f8"), part.std(dtype="f8")] for part in maps]).T * scales,
    )
