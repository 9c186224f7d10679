"""torch's DataLoader: the dataset that people write, and the fastest that was found.

Usual: ``__getitem__`` maps a patch to tensors, and torch stacks them.  Best: ``__getitems__`` reads
a whole batch (https://docs.pytorch.org/docs/stable/data.html) into a ring of batches that lie in
shared memory from the start, and workers send no more than which one.
Tried and slower: samples read in place and stacked by torch (0.8 of the usual time), and
``__getitems__`` into new memory of the worker or new shared memory, whose pages fault each time.
Workers are forked: a spawned one would get copies of the files.  They have one thread each.
"""

import warnings
from contextlib import closing, contextmanager
from functools import partial

import numpy as np

from ..suite.rival import Rival

AHEAD = 2  # batches that each worker reads ahead, the default of DataLoader


class Usual:
    def __init__(self, task):
        self.maps = [band.mapped() for band in task.bands]
        self.scales = task.scales[:, None, None]
        self.codes = None if task.label is None else task.label.mapped()
        self.table = None if task.label is None else task.label.table
        self.windows = [window for k in range(task.n_batches) for window in task.windows(k)]

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, i):
        import torch

        window = self.windows[i]
        image = np.stack([array[window] for array in self.maps]).astype(np.float32) * self.scales
        if self.codes is None:
            return [torch.from_numpy(image)]
        return [torch.from_numpy(image), torch.from_numpy(self.table[self.codes[window]])]


class Best(Usual):
    def __init__(self, task):
        import torch

        super().__init__(task)
        n_slots = AHEAD * task.workers + 1  # one more, which the consumer has
        out = [torch.from_numpy(part) for part in task.allocate() if part is not None]
        self.ring = [torch.stack([part] * n_slots).share_memory_() for part in out]

    def __getitems__(self, samples):
        slot = samples[0] // len(samples) % len(self.ring[0])
        image, *label = (part[slot].numpy() for part in self.ring)
        for s, i in enumerate(samples):
            for b, array in enumerate(self.maps):
                image[s, b] = array[self.windows[i]]
                image[s, b] *= self.scales[b]
            if label:
                np.take(self.table, self.codes[self.windows[i]], out=label[0][s], mode="clip")
        return slot

    def batch(self, slot):
        return [part[slot] for part in self.ring]


@contextmanager
def opened(task, kind):
    from torch.utils.data import DataLoader

    data, more = kind(task), {}
    if task.workers:
        more = {"multiprocessing_context": "fork", "prefetch_factor": AHEAD}
    if kind is Best:
        more["collate_fn"] = data.batch if not task.workers else int

    def endless():
        loader = DataLoader(data, task.batch_size, num_workers=task.workers, **more)
        while True:
            yield from loader

    with warnings.catch_warnings(), closing(endless()) as batches:
        warnings.simplefilter("ignore")  # more workers than CPUs are intended

        def read(_):
            found = next(batches)
            image, *label = data.batch(found) if isinstance(found, int) else found
            return image, label[0] if label else None

        yield read


def _rivals():
    for n in 0, 2, 4:
        for kind, how in ((Usual, "__getitem__"), (Best, "__getitems__")):
            name = f"torch DataLoader, {how}, {n} workers"
            yield Rival(
                name, partial(opened, kind=kind), ("loader",), ("torch",), threads=1, workers=n
            )


RIVALS = list(_rivals())
