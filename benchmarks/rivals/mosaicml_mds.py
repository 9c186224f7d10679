"""MosaicML Streaming: MDS shards without compression on the local disk, patches by index.

`LocalDataset` is its class for shards that are here already, with access by index
(https://docs.mosaicml.com/projects/streaming/en/stable/api_reference/streaming.html); the columns
are arrays of a fixed type and shape, which MDS stores as their bytes alone.  Every patch is read
as a whole, then cropped.  Samples are read on several threads.

Tried: `StreamingDataset`, which has the same access by index and more to do for it.
"""

import sys
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import by_sample, stored_patches


def _streaming():
    try:
        import torchvision  # noqa: F401
    except Exception:
        # Only its part for pictures, which nothing here uses, needs torchvision.  torchvision is
        # not installed here: its wheel does not load beside a torch built for another device.
        sys.modules.setdefault("streaming.vision", ModuleType("streaming.vision"))
    import streaming

    return streaming


def _column(dtype, shape):
    return f"ndarray:{np.dtype(dtype).name}:{','.join(map(str, shape))}"


def convert(task, folder):
    size = task.bands[0].shape[1:]
    dtype = np.result_type(*(band.dtype for band in task.bands))
    columns = {"image": _column(dtype, (len(task.bands), *size))}
    if task.label is not None:
        columns["label"] = _column(task.label.dtype, size)
    with _streaming().MDSWriter(out=str(folder), columns=columns) as shards:
        for parts in stored_patches(task):
            shards.write(dict(zip(columns, parts)))  # noqa: B905  (codes may be None)


@contextmanager
def opened(task):
    stored = _streaming().LocalDataset(str(task.converted))

    def crop(patch, rows, cols):
        sample = stored[patch]
        pixels = sample["image"][:, rows, cols]
        return pixels, None if task.label is None else sample["label"][rows, cols]

    with by_sample(task, crop) as read:
        yield read


RIVALS = [
    Rival(
        "MosaicML Streaming, MDS",
        opened,
        ("formats", "cold"),
        ("mosaicml-streaming", "numpy"),
        environment="streaming",
        convert=convert,
        note="reads whole patches",
    )
]
