"""cloudio: one call of a reader for each batch, into an output that exists."""

from contextlib import contextmanager

import cloudio

from ..suite.rival import Rival


def reader_of(task):
    dataset = cloudio.open(task.path).split(task.split)
    bands = [band.name for band in task.bands]
    label = None if task.label is None else task.label.name
    layout = "NHWC" if task.channels_last else "NCHW"
    return dataset.reader(
        bands, label, size=task.size, threads=task.threads, dtype=task.dtype, layout=layout
    )


@contextmanager
def opened(task):
    with (by_reader if task.bands else by_remap)(task) as read:
        yield read


@contextmanager
def by_reader(task):
    reader = reader_of(task)
    out = reader.allocate(task.batch_size)
    # Like the outputs of all others: its pages are mapped before the clock starts.
    out.image.fill(0)

    def read(k):
        reader.read(task.index[k], task.origin[k], out=out)
        return out.image, out.label

    yield read


@contextmanager
def by_remap(task):
    """A label alone needs no reader."""
    codes = cloudio.open(task.path).split(task.split)[task.label.name]
    _, label = task.allocate()
    table, size, threads = task.label.table, task.size, task.threads

    def read(k):
        where = {"size": size, "origin": task.origin[k]}
        cloudio.remap(codes, task.index[k], table, **where, out=label, threads=threads)
        return None, label

    yield read


SUITES = "warm", "outputs", "cold", "formats", "small"
RIVALS = [
    Rival("cloudio, all threads", opened, SUITES, ("numpy",)),
    Rival("cloudio, 1 thread", opened, ("warm", "outputs", "small"), ("numpy",), threads=1),
]
