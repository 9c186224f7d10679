"""cloudio: one call of a reader for each batch, into an output that exists."""

from contextlib import contextmanager

import cloudio

from ..suite.rival import Rival


def reader_of(task):
    dataset = cloudio.open(task.path).split(task.split)
    bands = [band.name for band in task.bands]
    label = None if task.label is None else task.label.name
    return dataset.reader(bands, label, size=task.size, threads=task.threads)


@contextmanager
def opened(task):
    reader = reader_of(task)
    out = reader.allocate(task.batch_size)
    # Like the outputs of all others: its pages are mapped before the clock starts.
    out.image.fill(0)

    def read(k):
        reader.read(task.index[k], task.origin[k], out=out)
        return out.image, out.label

    yield read


RIVALS = [
    Rival("cloudio, all threads", opened, ("warm", "cold", "formats", "small"), ("numpy",)),
    Rival("cloudio, 1 thread", opened, ("warm", "small"), ("numpy",), threads=1),
]
