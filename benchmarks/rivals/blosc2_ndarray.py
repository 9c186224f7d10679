"""blosc2: one NDArray of all bands, a chunk for each patch, compressed or not, in mapped files.

Blosc2's own threads decode the blocks of a window
(https://www.blosc.org/python-blosc2/reference/ndarray.html); the file is mapped (``mmap_mode``).

Tried, at 224 and 509: LZ4 with shuffle or bitshuffle, BloscLZ, Zstd, and no compression; blocks of
64 x 64 to 512 x 512 pixels, and of 64 whole rows; chunks of one band.  LZ4 with bitshuffle is the
fastest that compresses well; blocks of 128 x 128 have the fewest pixels around a small window.
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import put, stored_patches

# Not "cold": a mapped file that is open stays in memory in part, and reading instead of mapping
# costs 1.3 times as much with LZ4, and 3.7 times as much without.
SUITES = ("formats",)


def _array(folder, name, shape, dtype, level):
    import blosc2

    filters = [blosc2.Filter.BITSHUFFLE if level else blosc2.Filter.NOFILTER]
    block = (1,) * (len(shape) - 2) + tuple(min(128, n) for n in shape[-2:])
    cparams = blosc2.CParams(codec=blosc2.Codec.LZ4, clevel=level, filters=filters)
    where = {"urlpath": str(folder / name), "mode": "w", "contiguous": True}
    chunks = (1, *shape[1:])
    return blosc2.empty(shape, dtype, chunks=chunks, blocks=block, cparams=cparams, **where)


def _convert(task, folder, level):
    n, height, width = task.bands[0].shape
    dtype = np.result_type(*(band.dtype for band in task.bands))
    shape = n, len(task.bands), height, width
    image = _array(folder, "image.b2nd", shape, dtype, level)
    if task.label is not None:
        dtype = np.dtype(task.label.dtype)
        label = _array(folder, "label.b2nd", (n, height, width), dtype, level)
    for patch, (pixels, codes) in enumerate(stored_patches(task)):
        image[patch] = pixels
        if codes is not None:
            label[patch] = codes


@contextmanager
def opened(task):
    import blosc2

    blosc2.set_nthreads(task.threads)
    how = {"mode": "r", "mmap_mode": "r", "dparams": blosc2.DParams(nthreads=task.threads)}
    stored = blosc2.open(str(task.converted / "image.b2nd"), **how)
    codes = None
    if task.label is not None:
        codes = blosc2.open(str(task.converted / "label.b2nd"), **how)
    image, label = task.allocate()

    def read(k):
        for s, (patch, rows, cols) in enumerate(task.windows(k)):
            pixels = stored[patch, :, rows, cols]
            if codes is None:
                put(task, image[s], None, pixels, None)
            else:
                put(task, image[s], label[s], pixels, codes[patch, rows, cols])
        return image, label

    yield read


def _rival(name, level):
    def convert(task, folder):
        _convert(task, folder, level)

    return Rival(name, opened, SUITES, ("blosc2", "numpy"), convert=convert)


RIVALS = [_rival("blosc2, LZ4", 5), _rival("blosc2, not compressed", 0)]
