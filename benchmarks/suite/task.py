"""What a rival is asked to read: arrays in files, and the windows of every batch.

Needs numpy alone, and Python 3.10: a rival may live in an environment where nothing else installs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

IGNORE = 255


@dataclass(frozen=True)
class ArrayFile:
    """An array (patch, row, column) of a file: where its first byte lies, and its strides in bytes.

    ``scale`` makes float32 of a stored pixel of a band; ``classes`` makes uint8 of a stored code
    of a label, which is unsigned.
    """

    name: str
    path: Path
    dtype: str
    shape: tuple[int, int, int]
    start: int
    strides: tuple[int, int, int]
    scale: float = 1.0
    classes: tuple[int, ...] = ()

    @property
    def is_flat(self) -> bool:
        """Whether its pixels lie one after another, as np.memmap and torch.from_file need it."""
        n, item = self.shape, np.dtype(self.dtype).itemsize
        return self.strides == (n[1] * n[2] * item, n[2] * item, item)

    @cached_property
    def table(self) -> np.ndarray:
        """The uint8 class of every stored code."""
        return np.array(self.classes, np.uint8)

    def mapped(self) -> np.ndarray:
        """Return a new np.memmap of it, read-only."""
        dtype = np.dtype(self.dtype)
        steps = zip(self.shape, self.strides, strict=True)
        n_bytes = sum((n - 1) * step for n, step in steps) + dtype.itemsize
        flat = np.memmap(self.path, np.uint8, "r", self.start, (n_bytes,))
        return np.ndarray(self.shape, dtype, flat, 0, self.strides)


@dataclass(frozen=True)
class Task:
    """The batches that a rival reads, one after another, each from ``bands`` and ``label``.

    ``index`` is (batch, sample), the patches; ``origin`` is (batch, sample, 2), the first row and
    column of each window of ``size``.  ``threads`` are those that a rival may use in one process.
    ``workers`` are worker processes, for loaders that have them.  ``converted`` is the folder that
    the rival's `convert` filled, or None.  ``path`` is the data set, for those that open it by
    themselves, and ``split`` the part that ``index`` counts in.  Without ``label`` there is none,
    and without ``bands`` no image.  The windows are those that a cloudio.Loader with ``seed``
    draws for ``index``.

    ``dtype`` is that of the image: "float32", or "float16", to which the float32 numbers are
    rounded.  With ``channels_last`` the bands are its last axis.  Both are so only in the suite
    "outputs": who takes no part in it has float32, and bands before rows.
    """

    path: Path
    split: str
    bands: tuple[ArrayFile, ...]
    label: ArrayFile | None
    size: tuple[int, int]
    index: np.ndarray
    origin: np.ndarray
    threads: int
    workers: int = 0
    converted: Path | None = None
    seed: int = 0
    dtype: str = "float32"
    channels_last: bool = False

    @property
    def n_batches(self) -> int:
        return len(self.index)

    @property
    def batch_size(self) -> int:
        return int(self.index.shape[1])

    @property
    def n_patches(self) -> int:
        """The patches of the data set, which are 0 to ``n_patches - 1``."""
        return self.arrays[0].shape[0]

    @property
    def arrays(self) -> tuple[ArrayFile, ...]:
        return self.bands if self.label is None else (*self.bands, self.label)

    @cached_property
    def scales(self) -> np.ndarray:
        """The float32 factors of the bands."""
        return np.array([band.scale for band in self.bands], np.float32)

    def windows(self, k: int) -> list[tuple[int, slice, slice]]:
        """Return the windows of batch ``k``: patch, rows and columns."""
        height, width = self.size
        return [
            (int(patch), slice(row, row + height), slice(col, col + width))
            for patch, (row, col) in zip(self.index[k], self.origin[k].tolist(), strict=True)
        ]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(sample, band, row, column), or (sample, row, column, band)."""
        n = (len(self.bands),)
        pixel = (*self.size, *n) if self.channels_last else (*n, *self.size)
        return (self.batch_size, *pixel)

    def allocate(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return an image and a label of one batch whose pages are all mapped."""
        image, label = None, None
        if self.bands:
            image = np.full(self.image_shape, -1, self.dtype)
        if self.label is not None:
            label = np.full((self.batch_size, *self.size), IGNORE - 1, np.uint8)
        return image, label


def expected(task: Task, k: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return batch ``k`` by plain numpy, the answer that every rival must have.

    A float16 is the float32 product as ``astype`` rounds it: to the nearest, halves to even.
    """
    image, label = task.allocate()
    windows = task.windows(k)
    for b, (band, scale) in enumerate(zip(task.bands, task.scales, strict=True)):
        array = band.mapped()
        assert image is not None
        planes = image[..., b] if task.channels_last else image[:, b]
        for s, window in enumerate(windows):
            planes[s] = (array[window].astype(np.float32) * scale).astype(task.dtype)
    if task.label is not None and label is not None:
        array = task.label.mapped()
        for s, window in enumerate(windows):
            label[s] = task.label.table[array[window]]
    return image, label


def difference(given: Any, wanted: Sequence[np.ndarray | None], ulps: int = 0) -> str | None:
    """Return in words how an answer differs from numpy's, or None if it does not.

    Bit for bit; with ``ulps``, a pixel may differ by so many units in the last place.  An array has
    its pixels one after another: one in another order has left a part of the work to its user.
    """
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        return f"its answer is {type(given).__name__}, and no pair (image, label)"
    for what, mine, right in zip(("image", "label"), given, wanted, strict=True):
        if mine is None or right is None:
            if mine is not right:
                return f"no {what}" if mine is None else f"numpy has no {what}, and it has one"
            continue
        array = np.asarray(mine)
        if array.shape != right.shape or array.dtype != right.dtype:
            words = f"its {what} is {array.shape} {array.dtype}"
            return f"{words}; numpy's is {right.shape} {right.dtype}"
        if not array.flags.c_contiguous:
            return f"its {what} has strides {array.strides}; numpy's has {right.strides}"
        for k in _differing(array, right, ulps):
            return f"the {what} of sample {k} differs from numpy's"
    return None


def _differing(given: np.ndarray, right: np.ndarray, ulps: int) -> Iterator[int]:
    bits = f"u{right.itemsize}"
    for k in range(len(right)):
        mine, yours = given[k], right[k]
        same = mine.view(bits) == yours.view(bits)
        if ulps and right.dtype.kind == "f":
            same |= np.abs(mine - yours) <= ulps * np.spacing(np.abs(yours))
        if not same.all():
            yield k
