"""numpy as its experts write it: one window after another, into an output that exists.

float16 is computed in float32, one window at a time. If bands come last, they are interleaved as
they are stored, a block of rows at a time, and then scaled all at once.
Tried and slower: np.multiply straight to float16 with casting="unsafe", bands that are written one
by one into every pixel (2 to 3 times), and blocks of scaled planes that are transposed.
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival

ROWS = 64


def sampler(task, image, label):
    """Return what reads one window into sample ``s``; it has scratch memory for one thread."""
    maps = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()
    (height, width), n_bands = task.size, len(maps)
    plane = np.ones(task.size, np.float32)
    stored = np.ones((ROWS, width, n_bands), np.int16)
    scales = np.tile(task.scales, width)

    def planes(s, window):
        for b, array in enumerate(maps):
            to = image[s, b] if task.dtype == "float32" else plane
            to[...] = array[window]
            to *= task.scales[b]
            if to is plane:
                image[s, b] = plane

    def pixels(s, window):
        patch, rows, cols = window
        for y in range(0, height, ROWS):
            to = image[s, y : y + ROWS].reshape(-1, width * n_bands)
            block = stored[: len(to)]
            for b, array in enumerate(maps):
                block[..., b] = array[patch, rows.start + y : rows.start + y + len(to), cols]
            to[...] = block.reshape(to.shape)
            to *= scales

    def sample(s, window):
        (pixels if task.channels_last else planes)(s, window)
        if codes is not None:
            # With its default mode, np.take writes to a copy of its output first.
            np.take(task.label.table, codes[window], out=label[s], mode="clip")

    return sample


@contextmanager
def opened(task):
    image, label = task.allocate()
    sample = sampler(task, image, label)

    def read(k):
        for s, window in enumerate(task.windows(k)):
            sample(s, window)
        return image, label

    yield read


SUITES = "warm", "outputs", "cold", "small"
RIVALS = [Rival("numpy, in place", opened, SUITES, ("numpy",), threads=1)]
