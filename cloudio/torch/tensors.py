"""Arrays as torch's tensors over the same memory, and memory that torch makes.

Imported by torch.py, which says what is needed where there is no torch.
"""

from typing import Any, cast

import numpy as np
import torch

from .._core.pool import Pool
from ..reading.batch import Batch, MaskedBatch
from ..reading.indexing import parse_index
from ..reading.reader import Reader


def tensor(array: Any, bits_of: Any = None) -> Any:
    """A tensor over an array's memory; None and tensors as they are, and any number's own.

    ``bits_of``: the type whose bits the array holds; else it tells its type itself.
    """
    if array is None or isinstance(array, torch.Tensor):
        return array
    if not isinstance(array, np.ndarray):
        return torch.as_tensor(array, device="cpu")
    if array.dtype.name == "bfloat16":
        array, bits_of = array.view(np.uint16), torch.bfloat16
    # Not as_tensor, which copies to the default device.
    made = torch.from_numpy(array)
    return made if bits_of is None else made.view(bits_of)


def tensors(batch: Batch[Any], bits_of: Any = None) -> Batch[Any]:
    """A batch of tensors; ``bits_of`` is for its image."""
    image, *others = batch
    return type(batch)(tensor(image, bits_of), *map(tensor, others))


def read(
    reader: Reader, index: Any, origin: Any, symmetry: Any, shared: bool = False
) -> Batch[Any]:
    """`Reader.read` into new tensors; ``shared``: in memory that other processes can be sent."""
    numbers = parse_index(index, len(reader))
    n = len(numbers)
    image = _empty((n, *reader.image_shape), reader.dtype_name, shared)
    bits = image.view(torch.uint16) if image.dtype is torch.bfloat16 else image
    label = valid = None
    if reader.label_shape is not None:
        label = _empty((n, *reader.label_shape), reader.label_dtype.name, shared)
    out = [bits.numpy(), None if label is None else label.numpy()]
    if reader.valid:
        valid = _empty((n, *reader.size), "uint8", shared)
        out += [None, valid.numpy()]
    resolved = torch.from_numpy(reader.read(numbers, origin, symmetry, tuple(out)).index)
    if valid is None:
        return Batch(image, label, resolved)
    return cast(Batch[Any], MaskedBatch(image, label, resolved, valid))


def _empty(shape: tuple[int, ...], kind: str, shared: bool) -> Any:
    made = torch.empty(shape, dtype=getattr(torch, kind), device="cpu")
    return made.share_memory_() if shared else made


# ---- page-locked memory --------------------------------------------------------------------------


def allocate_pinned(n_bytes: int) -> np.ndarray:
    """Memory that a device can copy from while the CPU goes on."""
    memory: np.ndarray = torch.empty(
        n_bytes, dtype=torch.uint8, device="cpu", pin_memory=True
    ).numpy()
    return memory


class PinnedPool(Pool):
    """Page-locked memory for tensors that callers copy themselves, when they like.

    A copy may still be under way when its tensor dies.  torch's allocator knows of it, and keeps
    the memory until then; so what dies goes back to that one, never to this.
    """

    n_free: int = 1  # there is always some to be had

    def lend(self) -> list[Any]:
        self.begun += 1
        return list(map(allocate_pinned, self.sizes))


def pinned_tensors(batch: Batch[Any], bits_of: Any = None) -> Batch[Any]:
    """As `tensors`, of `PinnedPool` memory: views of the tensors that torch made it of."""
    image, label, index, *valid = cast(Any, batch)
    made = _view(image) if bits_of is None else _view(image).view(bits_of)
    label = None if label is None else _view(label)
    return type(batch)(made, label, torch.from_numpy(index), *map(_view, valid))


def _view(array: np.ndarray) -> Any:
    whole: Any = array.base  # the array of a tensor's bytes
    kind = getattr(torch, array.dtype.name)
    return whole.base[: array.nbytes].view(kind).view(array.shape)
