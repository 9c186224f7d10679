"""SPDL: a pipeline whose threads each read a batch, into batches that come back.

https://facebookresearch.github.io/spdl/latest/getting_started/index.html: stages are functions that
release the GIL, here numpy's, with as many at once as threads; the source gives each a batch of
memory that the consumer has left.
Tried and slower: new memory for each batch (1.5 times the CPU time), samples that are aggregated
and stacked (4 times), and samples written into a batch by one task each.
"""

from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np

from ..suite.rival import Rival

WAITING = 2  # batches that wait for the consumer


@contextmanager
def opened(task):
    from spdl.pipeline import PipelineBuilder

    maps = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()
    free = SimpleQueue()
    for _ in range(task.threads + WAITING + 2):
        free.put(task.allocate())

    def source():
        k = 0
        while (out := free.get()) is not None:
            yield k % task.n_batches, out
            k += 1

    def fill(job):
        k, (image, label) = job
        for s, window in enumerate(task.windows(k)):
            for b, array in enumerate(maps):
                image[s, b] = array[window]
                image[s, b] *= task.scales[b]
            if codes is not None:
                np.take(task.label.table, codes[window], out=label[s], mode="clip")
        return image, label

    builder = PipelineBuilder().add_source(source())
    builder.pipe(fill, concurrency=task.threads, output_order="input")
    pipeline = builder.add_sink(WAITING).build(num_threads=task.threads)
    last = []

    def read(_):
        if last:
            free.put(last.pop())
        last.append(pipeline.get_item())
        return last[0]

    with pipeline.auto_stop():
        try:
            yield read
        finally:
            free.put(None)


RIVALS = [Rival("SPDL", opened, ("loader",), ("spdl",))]
