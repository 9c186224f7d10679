"""numba that counts: loops over pixels, patches in parallel, each with counts of its own.

A function takes one row, whose pixels lie side by side: LLVM makes vectors of it, which it does not
of a view with three strides (2 times slower).  Equal codes are often neighbors, and a counter that
was just stored is slow to load again: pixels take turns in four tables (2 times faster).

Sums are less than what cloudio.stats counts of bands; the second rival counts as much.

https://numba.readthedocs.io/en/stable/user/parallel.html
"""

from contextlib import contextmanager
from functools import partial

import numpy as np

from ..suite.counting import N_CLASSES
from ..suite.rival import Rival
from .numpy_stats import moments

N, LANES = N_CLASSES + 1, 4


def sums_of(task):
    """Return a function: the sum of all pixels, and that of their squares."""
    import numba

    row, col, height, width = task.window

    @numba.njit(nogil=True)
    def sums_of_row(pixels):
        total, squares = 0, 0
        for x in range(pixels.size):
            pixel = np.int64(pixels[x])
            total += pixel
            squares += pixel * pixel
        return total, squares

    @numba.njit(parallel=True, nogil=True)
    def sums(pixels):
        total, squares = 0, 0
        for k in numba.prange(pixels.shape[0]):
            for y in range(row, row + height):
                one, square = sums_of_row(pixels[k, y, col : col + width])
                total += one
                squares += square
        return total, squares

    return sums


def histograms_of(task):
    """Return a function: the same from a histogram, which has the percentiles, too."""
    import numba

    row, col, height, width = task.window
    threads = task.threads
    numbers = np.arange(1 << 16).astype(np.uint16).view(np.int16).astype(np.int64)

    @numba.njit(nogil=True)
    def count_row(pixels, counts):
        last = pixels.size // 2 * 2
        for x in range(0, last, 2):
            counts[pixels[x], 0] += 1
            counts[pixels[x + 1], 1] += 1
        for x in range(last, pixels.size):
            counts[pixels[x], 0] += 1

    @numba.njit(parallel=True, nogil=True)
    def count(pixels):
        counts = np.zeros((threads, 1 << 16, 2), np.uint32)
        for thread in numba.prange(threads):
            for k in range(thread, pixels.shape[0], threads):
                for y in range(row, row + height):
                    count_row(pixels[k, y, col : col + width], counts[thread])
        return counts

    def sums(pixels):
        counts = count(pixels.view(np.uint16)).sum(axis=(0, 2), dtype=np.int64)
        return int(counts @ numbers), int(counts @ numbers**2)

    return sums


def counts_of(task):
    """Return two functions: counts of codes, and of pairs of classes, of each patch."""
    import numba

    row, col, height, width = task.window

    @numba.njit(nogil=True)
    def count_row(one, table, two, other, counts):
        last = one.size // LANES * LANES
        for x in range(0, last, LANES):
            for lane in range(LANES):
                counts[lane, table[one[x + lane]], other[two[x + lane]]] += 1
        for x in range(last, one.size):
            counts[0, table[one[x]], other[two[x]]] += 1

    @numba.njit(parallel=True, nogil=True)
    def pairs(label, table, source, other):
        counts = np.zeros((label.shape[0], LANES, N, N), np.uint32)
        for k in numba.prange(label.shape[0]):
            for y in range(row, row + height):
                one, two = label[k, y, col : col + width], source[k, y, col : col + width]
                count_row(one, table, two, other, counts[k])
        return counts

    @numba.njit(nogil=True)
    def count_codes(codes, counts):
        last = codes.size // LANES * LANES
        for x in range(0, last, LANES):
            for lane in range(LANES):
                counts[lane, codes[x + lane]] += 1
        for x in range(last, codes.size):
            counts[0, codes[x]] += 1

    @numba.njit(parallel=True, nogil=True)
    def codes(label):
        counts = np.zeros((label.shape[0], LANES, 256), np.uint32)
        for k in numba.prange(label.shape[0]):
            for y in range(row, row + height):
                count_codes(label[k, y, col : col + width], counts[k])
        return counts

    return codes, pairs


@contextmanager
def opened(task, sums_of=sums_of):
    import numba

    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))
    sums, (codes, pairs) = sums_of(task), counts_of(task)
    # Mapped once: new mappings of each pass would be filled with pages again.
    bands = [(band.mapped(), band.scale) for band in task.bands]
    label, source = (one and (one.mapped(), one.table) for one in (task.label, task.source))
    n = task.n_patches * task.window[2] * task.window[3]

    def read(_):
        if task.question == "bands":
            return np.array([moments(n, *sums(pixels), scale) for pixels, scale in bands]).T
        if task.question == "classes":
            is_class = label[1][:, None] == np.arange(N_CLASSES)
            return codes(label[0]).sum(axis=1, dtype=np.int64) @ is_class.astype(np.int64)
        counts = pairs(*label, *source).sum(axis=(0, 1), dtype=np.int64)
        return counts[:N_CLASSES, :N_CLASSES]

    read(0)  # compiles
    yield read


RIVALS = [
    Rival("numba, parallel sums and counts", opened, ("stats",), ("numba", "numpy")),
    Rival(
        "numba, parallel histograms",
        partial(opened, sums_of=histograms_of),
        ("stats",),
        ("numba", "numpy"),
    ),
]
