"""Pinned memory: pages that stay in place, so that a device can copy from them."""

from typing import Any, cast

import numpy as np
import torch

from .._core.pool import Pool
from ..reading.batch import Batch


def allocate_pinned(n_bytes: int) -> np.ndarray:
    """Return memory that a device can copy from while the CPU goes on."""
    memory: np.ndarray = torch.empty(
        n_bytes, dtype=torch.uint8, device="cpu", pin_memory=True
    ).numpy()
    return memory


class PinnedPool(Pool):
    """Pinned memory for tensors that callers copy themselves, at any time.

    A copy may still run when its tensor dies.  torch's allocator knows of the copy and keeps the
    memory until it ends.  So the memory of a dead tensor goes back to torch, never to this pool.
    """

    n_free: int = 1  # there is always some

    def lend(self) -> list[Any]:
        self.begin()
        return list(map(allocate_pinned, self.sizes))


def pinned_tensors(batch: Batch[Any], view_dtype: Any = None) -> Batch[Any]:
    """As `as_tensors`, for memory of a `PinnedPool`: views of the tensors that torch allocated."""
    image, label, index, *valid = cast(Any, batch)
    tensor = _view(image) if view_dtype is None else _view(image).view(view_dtype)
    label = None if label is None else _view(label)
    return type(batch)(tensor, label, torch.from_numpy(index), *map(_view, valid))


def _view(array: np.ndarray) -> Any:
    memory: Any = array.base  # the numpy array of a tensor's bytes
    dtype = getattr(torch, array.dtype.name)
    return memory.base[: array.nbytes].view(dtype).view(array.shape)
