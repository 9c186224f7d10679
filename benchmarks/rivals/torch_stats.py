"""torch that counts: sums of float64, which are exact, and torch.bincount of classes.

https://docs.pytorch.org/docs/stable/generated/torch.bincount.html
"""

from contextlib import contextmanager

import numpy as np

from ..suite.counting import N_CLASSES
from ..suite.rival import Rival
from .numpy_stats import moments

N = N_CLASSES + 1


@contextmanager
def opened(task):
    import torch

    torch.set_num_threads(task.threads)

    mapped = {one.name: task.windows(one) for one in task.arrays}

    def patches(array):
        """Yield the pixels of each patch; torch views no memory that is read-only."""
        return (torch.from_numpy(patch.copy()).reshape(-1) for patch in mapped[array.name])

    def classes(array):
        table = torch.from_numpy(array.table)
        return (table.index_select(0, codes.int()) for codes in patches(array))

    def read(_):
        if task.question == "bands":
            found = []
            for band in task.bands:
                n, total, squares = 0, 0, 0
                for pixels in map(torch.Tensor.double, patches(band)):
                    n += len(pixels)
                    total += int(pixels.sum())
                    squares += int(pixels.dot(pixels))
                found.append(moments(n, total, squares, band.scale))
            return np.array(found).T
        if task.question == "classes":
            counts = [torch.bincount(one, minlength=N) for one in classes(task.label)]
            return torch.stack(counts)[:, :N_CLASSES].numpy()
        counts = torch.zeros(N * N, dtype=torch.int64)
        for one, other in zip(classes(task.label), classes(task.source), strict=True):
            counts += torch.bincount(one * N + other, minlength=N * N)
        return counts.reshape(N, N)[:N_CLASSES, :N_CLASSES].numpy()

    yield read


RIVALS = [Rival("torch, sums and bincount", opened, ("stats",), ("torch", "numpy"))]
