"""numba: one compiled loop in all threads, over every band and label of every sample.

The loops run over one row at a time, which numba writes as SIMD, and ``prange`` over the samples'
bands: https://numba.readthedocs.io/en/stable/user/parallel.html and performance-tips.html there.
Tried and slower: loops over windows of two axes, a slice times a scalar as one expression (it
makes a copy first), and a second parallel loop for the labels.
"""

from contextlib import contextmanager
from functools import cache

from ..suite.rival import Rival


@cache
def compiled():
    import numba

    @numba.njit(parallel=True, nogil=True)
    def gather(maps, scales, codes, table, patches, origins, image, label):
        n_bands, (height, width) = len(maps), image.shape[2:]
        n_arrays = n_bands if codes is None else n_bands + 1
        for j in numba.prange(len(patches) * n_arrays):
            s, b = j // n_arrays, j % n_arrays
            row, col = origins[s, 0], origins[s, 1]
            if b < n_bands:
                scale = scales[b]
                for y in range(height):
                    pixels, out = maps[b][patches[s], row + y, col : col + width], image[s, b, y]
                    for x in range(width):
                        out[x] = pixels[x] * scale
            elif codes is not None:
                for y in range(height):
                    stored, classes = codes[patches[s], row + y, col : col + width], label[s, y]
                    for x in range(width):
                        classes[x] = table[stored[x]]

    return gather


@contextmanager
def opened(task):
    import numba

    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))
    gather = compiled()
    image, label = task.allocate()
    maps = tuple(band.mapped() for band in task.bands)
    codes, table = (task.label.mapped(), task.label.table) if task.label else (None, None)

    def gathered(patches, origins):
        gather(maps, task.scales, codes, table, patches, origins, image, label)
        return image, label

    gathered(task.index[0, :0], task.origin[0, :0])  # no patch: compiles
    yield lambda k: gathered(task.index[k], task.origin[k])


RIVALS = [Rival("numba, parallel", opened, ("warm", "cold", "small"), ("numba",))]
