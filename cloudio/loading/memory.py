"""The memory of a loader's batches."""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._core.pool import Pool
from ..errors import RequestError
from ..reading.arguments.outputs import allocate_aligned
from ..reading.reader import Reader
from .prefetch import FREE_THREADED, IdlePools

_UINT8 = np.dtype(np.uint8)
_CACHE_LINE = 64
# Batches of at most the first are built several at once, in memory of at most the second.
_SMALL_BYTES, _GROUP_BYTES = 2 << 20, 8 << 20
# One batch that is kept keeps the memory of so many.
_MAX_IN_GROUP = 16
#: Shape and type of image, label and mask of one sample; None for what a reader lacks.
SampleArrays = Sequence[tuple[tuple[int, ...], np.dtype[Any]] | None]


def sample_arrays(reader: Reader[Any], image_dtype: np.dtype[Any]) -> SampleArrays:
    label = None if reader.label_shape is None else (reader.label_shape, reader.label_dtype)
    return [
        (reader.image_shape, image_dtype),
        label,
        (reader.size, _UINT8) if reader.valid else None,
    ]


def buffer_sizes(arrays: SampleArrays, n_samples: int) -> list[int]:
    """Return how many bytes each array of a batch has."""
    return [
        n_samples * math.prod(array[0]) * array[1].itemsize for array in arrays if array is not None
    ]


def batches_at_once(arrays: SampleArrays, batch_size: int) -> int:
    """Return how many batches one read builds, in memory that they share: 1 unless they are small.

    Each begins at a cache line, as if it had memory of its own.  Without a GIL each has that, since
    the thread that takes a batch makes its lease again.
    """
    sizes = buffer_sizes(arrays, batch_size)
    is_small = sum(sizes) <= _SMALL_BYTES
    if FREE_THREADED or not is_small or any(n_bytes % _CACHE_LINE for n_bytes in sizes):
        return 1
    return min(_MAX_IN_GROUP, _GROUP_BYTES // sum(sizes))


def take_idle(idle_pools: IdlePools) -> Pool | None:
    """Take an idle pool of this process, if there is one."""
    pool = None
    with contextlib.suppress(IndexError):
        while pool is None:
            process, idle = idle_pools.pop()
            # The parent's memory may be shared with it, and the parent still uses it.
            pool = idle if process == os.getpid() else None
    return pool


def allocate(function: Callable[[int], Any] | None, n_bytes: int) -> Any:
    """Return memory of the caller's function, checked, or our own if that is None."""
    if function is None:
        return allocate_aligned((n_bytes,), _UINT8)
    try:
        memory = function(n_bytes)
    except StopIteration as error:  # it would end the epoch without a message
        raise RuntimeError("allocate raised StopIteration") from error
    try:
        view = memoryview(memory)
        got = f"{'read-only, ' if view.readonly else ''}{view.nbytes} bytes"
        fits = view.c_contiguous and not view.readonly and view.nbytes >= n_bytes
    except TypeError:
        got, fits = type(memory).__name__, False
    if not fits:
        raise RequestError(
            f"allocate({n_bytes}) returned {got}; it must return at least {n_bytes} writable, "
            "contiguous bytes"
        )
    return memory
