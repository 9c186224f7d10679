"""cloudio's loaders: batches that a thread of the same process prepares, two ahead.

The windows of a task are those that such a loader draws.  docs/guides/train.md advises it.
"""

from contextlib import contextmanager
from functools import partial

from ..suite.rival import Rival
from .cloudio_reader import reader_of


@contextmanager
def opened(task, torch=False):
    if torch:
        from cloudio.torch import Loader
    else:
        from cloudio import Loader

    index = task.index.reshape(-1)
    loader = Loader(
        reader_of(task), task.batch_size, shuffle=False, seed=task.seed, index=index, prefetch=2
    )
    batches = iter(loader)

    def read(_):
        batch = next(batches)
        return batch.image, batch.label

    yield read


RIVALS = [
    Rival("cloudio.Loader", opened, ("loader",), ("numpy",)),
    Rival("cloudio.torch.Loader", partial(opened, torch=True), ("loader",), ("torch",)),
]
