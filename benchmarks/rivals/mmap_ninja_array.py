"""mmap_ninja: all bands of a patch in one mapped array, so that a window is one slice.

Patches of one shape are for its `numpy.memmap`, those of many shapes for its `RaggedMmap`:
https://github.com/hristo-vrigazov/mmap.ninja.
Tried and slower: the bands of a sample at once (a band is still in the cache when it is scaled),
``np.multiply`` from int16, and slices of the `numpy.memmap` itself, each of which is a new one.
"""

import os
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival


def convert(task, folder):
    os.environ["TQDM_DISABLE"] = "1"
    from mmap_ninja import numpy as np_ninja

    def stacked(arrays):
        maps = [array.mapped() for array in arrays]
        return (np.stack([array[p] for array in maps]) for p in range(task.n_patches))

    n = task.n_patches
    np_ninja.from_generator(folder / "image", stacked(task.bands), 64, n)
    if task.label is not None:
        np_ninja.from_generator(folder / "label", stacked([task.label]), 64, n)


@contextmanager
def opened(task):
    from mmap_ninja import numpy as np_ninja

    image, label = task.allocate()
    patches = np.asarray(np_ninja.open_existing(task.converted / "image"))
    codes = None
    if task.label is not None:
        codes = np.asarray(np_ninja.open_existing(task.converted / "label"))[:, 0]

    def read(k):
        for s, (patch, rows, cols) in enumerate(task.windows(k)):
            for b, pixels in enumerate(patches[patch, :, rows, cols]):
                image[s, b] = pixels
                image[s, b] *= task.scales[b]
            if codes is not None:
                np.take(task.label.table, codes[patch, rows, cols], out=label[s], mode="clip")
        return image, label

    yield read


RIVALS = [Rival("mmap_ninja", opened, ("formats",), ("mmap_ninja",), convert=convert, threads=1)]
