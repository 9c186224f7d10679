"""numpy that counts: the idiom, and the best that we know, by one patch after another.

Sums of float64 are exact: the squares of a patch's int16 come to less than 2 ** 53.  np.bincount
counts codes of labels.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..suite.counting import N_CLASSES
from ..suite.rival import Rival


def moments(n, total, squares, scale):
    """Return mean and deviation from the number of pixels, their sum, and that of their squares."""
    # math.sqrt takes integers of any size, and of a whole data set they need more than 64 bits.
    return total / n * scale, math.sqrt(n * squares - total**2) / n * scale


@contextmanager
def counted(task):
    bands = [task.windows(band) for band in task.bands]
    label, source = (one and (one.table, task.windows(one)) for one in (task.label, task.source))
    patches = range(task.n_patches)

    def sums(part, which):
        total, squares = 0, 0
        for k in which:
            pixels = part[k].astype(np.float64).ravel()
            total += int(pixels.sum())
            # Not a dot product: that of BLAS starts threads of its own.
            squares += int(np.einsum("i,i", pixels, pixels))
        return total, squares

    def classes(array, k):
        table, codes = array
        # np.take is three times as fast as table[codes]; without "clip" it checks and copies.
        return np.take(table, codes[k], mode="clip")

    def pairs(which):
        counts = np.zeros((N_CLASSES + 1) ** 2, np.int64)
        for k in which:
            both = classes(label, k) * np.uint8(N_CLASSES + 1) + classes(source, k)
            counts += np.bincount(both.ravel(), minlength=len(counts))
        return counts

    def per_class(k):
        found = classes(label, k)
        return [np.count_nonzero(found == c) for c in range(N_CLASSES)]

    with ThreadPoolExecutor(task.threads) as pool:
        parts = [range(k, task.n_patches, task.threads) for k in range(task.threads)]

        def read(_):
            if task.question == "bands":
                found = []
                for part, band in zip(bands, task.bands, strict=True):
                    both = zip(*pool.map(sums, [part] * len(parts), parts), strict=True)
                    found.append(moments(part.size, *map(sum, both), band.scale))
                return np.array(found).T
            if task.question == "classes":
                return np.array(list(pool.map(per_class, patches)))
            joint = sum(pool.map(pairs, parts)).reshape(N_CLASSES + 1, -1)
            return joint[:N_CLASSES, :N_CLASSES]

        yield read


@contextmanager
def idiom(task):
    mapped = {one.name: task.windows(one) for one in task.arrays}

    def read(_):
        if task.question == "bands":
            arrays = ((mapped[band.name], band.scale) for band in task.bands)
            found = [(a.mean() * scale, a.std() * scale) for a, scale in arrays]
            return np.array(found).T
        label = task.label.table[mapped[task.label.name]]
        if task.question == "classes":
            return np.stack([(label == c).sum(axis=(1, 2)) for c in range(N_CLASSES)], axis=1)
        source = task.source.table[mapped[task.source.name]]
        masks = [source == c for c in range(N_CLASSES)]
        return np.array([[((label == c) & m).sum() for m in masks] for c in range(N_CLASSES)])

    yield read


RIVALS = [
    Rival("numpy, the idiom of statistics", idiom, ("stats",), ("numpy",), threads=1),
    Rival("numpy by patch, in threads", counted, ("stats",), ("numpy",)),
    Rival("numpy by patch, 1 thread", counted, ("stats",), ("numpy",), threads=1),
]
