"""grain: a `MapDataset` of batches, read by threads or by worker processes.

https://google-grain.readthedocs.io/en/latest/tutorials/dataset_basic_tutorial.html.  Each element
is a whole batch, so that nothing is stacked: in threads into a ring of batches, in workers into a
`SharedMemoryArray`, which grain hands over without a copy.
Tried and slower: samples with ``.batch`` (twice the CPU time), and new memory for each batch.
"""

import gc
import multiprocessing
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival

AHEAD = 2  # batches that are read ahead, in each worker or for all threads


class Batches:
    """Reads batch ``k``; a worker process gets a copy, and maps the files itself."""

    def __init__(self, task):
        self.task = task
        self.is_open = False

    def __getstate__(self):
        return {"task": self.task, "is_open": False}

    def open(self):
        task = self.task
        self.maps = [band.mapped() for band in task.bands]
        self.codes = None if task.label is None else task.label.mapped()
        self.ring = None
        if multiprocessing.parent_process() is None:
            self.ring = [task.allocate() for _ in range(AHEAD + task.threads + 1)]
        self.is_open = True

    def memory(self, k):
        if self.ring:
            return self.ring[k % len(self.ring)]
        from grain.multiprocessing import SharedMemoryArray

        task = self.task
        shape = task.batch_size, len(task.bands), *task.size
        image = SharedMemoryArray(shape, np.float32)
        if task.label is None:
            return image, None
        return image, SharedMemoryArray((task.batch_size, *task.size), np.uint8)

    def __call__(self, k):
        if not self.is_open:
            self.open()
        task, (image, label) = self.task, self.memory(k)
        pixels = np.asarray(image)
        for s, window in enumerate(task.windows(k % task.n_batches)):
            for b, array in enumerate(self.maps):
                pixels[s, b] = array[window]
                pixels[s, b] *= task.scales[b]
            if label is not None:
                classes = np.asarray(label)[s]
                np.take(task.label.table, self.codes[window], out=classes, mode="clip")
        return [image] if label is None else [image, label]


@contextmanager
def opened(task):
    import grain
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    batches = Batches(task)
    if not task.workers:
        batches.open()
    options = grain.ReadOptions(num_threads=task.threads, prefetch_buffer_size=AHEAD)
    if task.workers:
        # A worker reads ahead by itself; shared memory that a thread of it has is never unlinked.
        options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    # Ten times more batches than are read, so that the last ones are read ahead like the others.
    data = grain.MapDataset.range(10 * task.n_batches).map(batches).to_iter_dataset(options)
    if task.workers:
        data = data.mp_prefetch(grain.MultiprocessingOptions(task.workers, AHEAD))
    iterators = [iter(data)]

    def read(_):
        image, *label = next(iterators[0])
        return image, label[0] if label else None

    try:
        yield read
    finally:
        iterators.pop().close()
        # Its cycles are deleted now, because their __del__ fails when Python ends.
        gc.collect()


RIVALS = [
    Rival("grain, in threads", opened, ("loader",), ("grain",)),
    Rival("grain, 2 workers", opened, ("loader",), ("grain",), threads=1, workers=2),
]
