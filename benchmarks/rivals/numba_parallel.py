"""numba: one compiled loop in all threads, over every band and label of every sample.

The loops run over one row at a time, which numba writes as SIMD, and ``prange`` over the samples'
bands: https://numba.readthedocs.io/en/stable/user/parallel.html and performance-tips.html there.
numba has no float16 on CPUs: an intrinsic asks LLVM for it, which rounds in SIMD, too
(https://numba.readthedocs.io/en/stable/extending/high-level.html).  If bands come last, ``prange``
runs over rows, whose stored numbers are interleaved first and then scaled.
Tried and slower: loops over windows of two axes, a slice times a scalar as one expression (it
makes a copy first), a second parallel loop for the labels, and to scale before bands come last.
"""

from contextlib import contextmanager
from functools import cache

import numpy as np

from ..suite.rival import Rival


@cache
def compiled(dtype):
    import numba

    rounded = float16_bits() if dtype == "float16" else numba.njit(lambda x: x)

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
                        out[x] = rounded(pixels[x] * scale)
            elif codes is not None:
                for y in range(height):
                    stored, classes = codes[patches[s], row + y, col : col + width], label[s, y]
                    for x in range(width):
                        classes[x] = table[stored[x]]

    return gather


def float16_bits():
    import numba
    from llvmlite import ir
    from numba.extending import intrinsic

    @intrinsic
    def bits(_, x):
        def built(_, builder, __, given):
            half = builder.fptrunc(given[0], ir.HalfType())
            return builder.bitcast(half, ir.IntType(16))

        return numba.uint16(numba.float32), built

    return numba.njit(lambda x: bits(x))


@cache
def compiled_pixels():
    import numba

    @numba.njit(parallel=True, nogil=True)
    def gather(maps, scales, _, __, patches, origins, image, ___):
        height, width, n_bands = image.shape[1:]
        for j in numba.prange(len(patches) * height):
            s, y = j // height, j % height
            row, col = origins[s, 0] + y, origins[s, 1]
            stored, out = np.empty((width, n_bands), np.int16), image[s, y]
            for b in range(n_bands):
                pixels = maps[b][patches[s], row, col : col + width]
                for x in range(width):
                    stored[x, b] = pixels[x]
            for x in range(width):
                for b in range(n_bands):
                    out[x, b] = stored[x, b] * scales[b]

    return gather


@cache
def compiled_label():
    import numba

    @numba.njit(parallel=True, nogil=True)
    def gather(_, __, codes, table, patches, origins, ___, label):
        height, width = label.shape[1:]
        for j in numba.prange(len(patches) * height):
            s, y = j // height, j % height
            row, col = origins[s, 0] + y, origins[s, 1]
            stored, classes = codes[patches[s], row, col : col + width], label[s, y]
            for x in range(width):
                classes[x] = table[stored[x]]

    return gather


@contextmanager
def opened(task):
    import numba

    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))
    gather = compiled(task.dtype)
    if not task.bands or task.channels_last:
        gather = compiled_pixels() if task.bands else compiled_label()
    image, label = task.allocate()
    maps = tuple(band.mapped() for band in task.bands)
    codes, table = (task.label.mapped(), task.label.table) if task.label else (None, None)
    out = image.view(np.uint16) if task.dtype == "float16" else image

    def gathered(patches, origins):
        gather(maps, task.scales, codes, table, patches, origins, out, label)
        return image, label

    gathered(task.index[0, :0], task.origin[0, :0])  # no patch: compiles
    yield lambda k: gathered(task.index[k], task.origin[k])


RIVALS = [Rival("numba, parallel", opened, ("warm", "outputs", "cold", "small"), ("numba",))]
