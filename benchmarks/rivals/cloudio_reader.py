"""cloudio: one call of a reader for each batch, into an output that exists."""

from contextlib import contextmanager

import cloudio

from ..suite.rival import Rival


@contextmanager
def opened(task):
    dataset = cloudio.open(task.path).split(task.split)
    reader = dataset.reader(
        [band.name for band in task.bands],
        None if task.label is None else task.label.name,
        size=task.size,
        threads=task.threads,
    )
    out = reader.allocate(task.batch_size)
    out.image.fill(0)

    def read(k):
        reader.read(task.index[k], task.origin[k], out=out)
        return out.image, out.label

    yield read


SUITES = "warm", "cold", "formats", "small"
RIVALS = [
    Rival("cloudio, all threads", opened, SUITES, ("numpy",)),
    Rival("cloudio, 1 thread", opened, ("warm", "small"), ("numpy",), threads=1),
]
