"""numexpr: numpy copies the windows as float32, and numexpr multiplies them in all threads.

numexpr has no int16, and evaluates whole arrays: https://numexpr.readthedocs.io/en/latest/user_guide.html.
Tried and slower: ``a * s`` for each window (it converts int16 to int32 first), the windows of a
sample or of a batch copied as int16, and expressions that are compiled once (`NumExpr`).
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival

NOTE = "numexpr has no lookup in a table: numpy's take reads the labels"


@contextmanager
def opened(task):
    import numexpr

    numexpr.set_num_threads(task.threads)
    image, label = task.allocate()
    maps = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()
    scales = task.scales[:, None, None]

    def read(k):
        for s, window in enumerate(task.windows(k)):
            for b, array in enumerate(maps):
                image[s, b] = array[window]
            numexpr.evaluate("a * s", {"a": image[s], "s": scales}, {}, out=image[s])
            if codes is not None:
                np.take(task.label.table, codes[window], out=label[s], mode="clip")
        return image, label

    yield read


RIVALS = [Rival("numexpr", opened, ("warm",), ("numexpr",), note=NOTE)]
