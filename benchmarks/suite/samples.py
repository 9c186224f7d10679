"""What rivals with data of their own share: patches to convert, and batches read by samples.

Needs numpy alone, and Python 3.10, as task.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from .task import Task

#: Returns the pixels (band, row, column) and codes (row, column) of one window, as they are stored.
#: Without a label in the task, the codes are None.
Crop = Callable[[int, slice, slice], tuple[Any, Any]]


def stored_patches(task: Task) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield the pixels (band, row, column) and codes of each whole patch, one patch in memory."""
    bands = [band.mapped() for band in task.bands]
    codes = None if task.label is None else task.label.mapped()
    for patch in range(task.n_patches):
        pixels = np.stack([band[patch] for band in bands])
        yield pixels, None if codes is None else np.array(codes[patch])


def put(task: Task, image: np.ndarray, label: Any, pixels: Any, codes: Any) -> None:
    """Write one sample: scaled pixels into ``image``, and classes into ``label``.

    Band by band, since a band is still in the cache when it is scaled.
    """
    for band, stored, scale in zip(image, pixels, task.scales, strict=True):
        band[...] = stored
        band *= scale
    if task.label is not None:
        # With its default mode, np.take writes to a copy of its output first.
        np.take(task.label.table, codes, out=label, mode="clip")


@contextmanager
def by_sample(task: Task, crop: Crop) -> Iterator[Callable[[int], Any]]:
    """Read batches by ``crop``, one sample after another, or a sample on each of some threads."""
    image, label = task.allocate()
    labels = [None] * task.batch_size if label is None else label

    def one(s: int, window: tuple[int, slice, slice]) -> None:
        put(task, image[s], labels[s], *crop(*window))

    with ThreadPoolExecutor(task.threads) if task.threads > 1 else nullcontext() as pool:
        run = map if pool is None else pool.map

        def read(k: int) -> tuple[np.ndarray, np.ndarray | None]:
            list(run(one, range(task.batch_size), task.windows(k)))
            return image, label

        yield read
