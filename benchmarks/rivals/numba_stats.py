"""numba that counts: loops over pixels, patches in parallel, each with counts of its own.

https://numba.readthedocs.io/en/stable/user/parallel.html
"""

from contextlib import contextmanager

import numpy as np

from ..suite.counting import N_CLASSES
from ..suite.rival import Rival
from .numpy_stats import moments

N = N_CLASSES + 1


@contextmanager
def opened(task):
    import numba

    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))

    @numba.njit(parallel=True, nogil=True)
    def sums(pixels):
        total, squares = 0, 0
        for k in numba.prange(pixels.shape[0]):
            for y in range(pixels.shape[1]):
                row = pixels[k, y]
                for x in range(row.shape[0]):
                    pixel = np.int64(row[x])
                    total += pixel
                    squares += pixel * pixel
        return total, squares

    @numba.njit(parallel=True, nogil=True)
    def pairs(label, table, source, other):
        counts = np.zeros((label.shape[0], N, N), np.int64)
        for k in numba.prange(label.shape[0]):
            for y in range(label.shape[1]):
                for x in range(label.shape[2]):
                    counts[k, table[label[k, y, x]], other[source[k, y, x]]] += 1
        return counts

    def read(_):
        if task.question == "bands":
            parts = ((task.windows(band), band.scale) for band in task.bands)
            return np.array([moments(p.size, *sums(p), scale) for p, scale in parts]).T
        source = task.source or task.label
        one, other = task.windows(task.label), task.windows(source)
        counts = pairs(one, task.label.table, other, source.table)[:, :N_CLASSES, :N_CLASSES]
        if task.question == "classes":
            return np.ascontiguousarray(counts.diagonal(axis1=1, axis2=2))
        return counts.sum(axis=0)

    read(0)  # compiles
    yield read


RIVALS = [Rival("numba, parallel sums and counts", opened, ("stats",), ("numba", "numpy"))]
