"""numpy at its best in threads: samples are dealt out to a pool, each written in place.

np.multiply casts and scales in one pass, through the buffer of the ufunc; it drops the GIL for
each window: https://numpy.org/doc/stable/reference/ufuncs.html
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival


@contextmanager
def opened(task):
    image, label = task.allocate()
    maps = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()

    def share(windows, first):
        for s in range(first, len(windows), task.threads):
            for b, array in enumerate(maps):
                np.multiply(array[windows[s]], task.scales[b], out=image[s, b], casting="unsafe")
            if codes is not None:
                np.take(task.label.table, codes[windows[s]], out=label[s], mode="clip")

    with ThreadPoolExecutor(task.threads) as pool:

        def read(k):
            windows = task.windows(k)
            list(pool.map(share, [windows] * task.threads, range(task.threads)))
            return image, label

        yield read


SUITES = "warm", "cold", "formats", "small"
RIVALS = [Rival("numpy, in threads", opened, SUITES, ("numpy",))]
