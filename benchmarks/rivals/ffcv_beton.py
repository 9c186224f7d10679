"""FFCV, and a stand-in for it where it does not build.

FFCV compiles its loader with numba, over a mapped .beton file (https://docs.ffcv.io).  Its wheel
is built from source and needs OpenCV and libjpeg-turbo, which it uses for pictures alone.  The row
"FFCV" is that loader with its own decoder for arrays, which copies whole patches; numba crops and
scales them.  A loader reads batches ahead in a thread of its own, in the order of the task.

The stand-in is not FFCV's code: it is what a decoder written for this work would do in it, a loop
of numba over all threads that crops and scales in one go, from a mapped file with the bands of a
patch beside each other.
"""

from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import stored_patches
from .numba_parallel import compiled


def _dtype(task):
    return np.result_type(*(band.dtype for band in task.bands))


def _shape(task):
    n, height, width = task.bands[0].shape
    return n, len(task.bands), height, width


# ---- FFCV ----------------------------------------------------------------------------------------


class _Patches:
    """What FFCV's writer converts, in worker processes: an indexed data set."""

    def __init__(self, task):
        self.task = task

    def __len__(self):
        return self.task.n_patches

    def __getitem__(self, patch):
        image = np.stack([band.mapped()[patch] for band in self.task.bands])
        if self.task.label is None:
            return (image,)
        return image, np.array(self.task.label.mapped()[patch])


def convert(task, folder):
    from ffcv.fields import NDArrayField
    from ffcv.writer import DatasetWriter

    _, *shape = _shape(task)
    fields = {"image": NDArrayField(_dtype(task), tuple(shape))}
    n_bytes = int(np.prod(shape)) * _dtype(task).itemsize
    if task.label is not None:
        fields["label"] = NDArrayField(np.dtype(task.label.dtype), tuple(shape[1:]))
        n_bytes *= 2
    # A sample must fit in a page, which is a power of two.
    page = max(1 << 23, 1 << (n_bytes - 1).bit_length())
    writer = DatasetWriter(str(folder / "patches.beton"), fields, page_size=page)
    writer.from_indexed_dataset(_Patches(task))


@contextmanager
def opened(task):
    import numba
    from ffcv.fields.decoders import NDArrayDecoder
    from ffcv.loader import Loader, OrderOption

    names = ["image"] if task.label is None else ["image", "label"]
    loader = Loader(
        str(task.converted / "patches.beton"),
        batch_size=task.batch_size,
        num_workers=task.threads,
        os_cache=True,
        order=OrderOption.SEQUENTIAL,
        indices=task.index.ravel(),
        pipelines={name: [NDArrayDecoder()] for name in names},
    )
    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))
    crop = compiled()
    image, label = task.allocate()
    table = None if label is None else task.label.table
    samples = np.arange(task.batch_size)
    batches = None

    def read(k):
        nonlocal batches
        if batches is None:  # from now on it reads ahead
            batches = iter(loader)
        pixels, *codes = (np.asarray(part) for part in next(batches))
        bands = tuple(pixels[:, b] for b in range(len(task.bands)))
        codes = codes[0] if codes else None
        crop(bands, task.scales, codes, table, samples, task.origin[k], image, label)
        return image, label

    yield read


# ---- the stand-in --------------------------------------------------------------------------------


def convert_pages(task, folder):
    with open(folder / "image.bin", "wb") as image, open(folder / "label.bin", "wb") as label:
        for pixels, codes in stored_patches(task):
            image.write(pixels.astype(_dtype(task), copy=False))
            if codes is not None:
                label.write(codes)


@contextmanager
def opened_pages(task):
    import numba

    numba.set_num_threads(min(task.threads, numba.config.NUMBA_NUM_THREADS))
    gather = compiled(task.dtype)
    image, label = task.allocate()
    stored = np.memmap(task.converted / "image.bin", _dtype(task), "r", shape=_shape(task))
    bands = tuple(stored[:, b] for b in range(len(task.bands)))
    codes, table = None, None
    if task.label is not None:
        table, shape = task.label.table, task.label.shape
        codes = np.memmap(task.converted / "label.bin", task.label.dtype, "r", shape=shape)

    def gathered(patches, origins):
        gather(bands, task.scales, codes, table, patches, origins, image, label)
        return image, label

    gathered(task.index[0, :0], task.origin[0, :0])  # compiles, and reads nothing
    yield lambda k: gathered(task.index[k], task.origin[k])


SUITES = "formats", "cold"
RIVALS = [
    Rival(
        "FFCV",
        opened,
        SUITES,
        ("ffcv", "torch", "numba", "numpy"),
        environment="ffcv",
        convert=convert,
        note="copies whole patches, ahead of the reader",
    ),
    Rival(
        "FFCV's way, in numba",
        opened_pages,
        SUITES,
        ("numba", "numpy"),
        convert=convert_pages,
        note="a stand-in: not FFCV's code",
    ),
]
