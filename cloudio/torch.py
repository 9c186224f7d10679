"""PyTorch's door: batches as tensors that share the memory of the arrays they come from."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("cloudio.torch needs PyTorch: pip install 'cloudio[torch]'") from error

from .reader import Batch, MaskedBatch, Reader
from .request import index_numbers

_BITS = np.dtype(np.uint16)


def collate(batch: Batch[Any] | Sequence[Batch[Any]]) -> Batch[torch.Tensor]:
    """Turn what a DataLoader fetched from a Reader into a Batch of tensors.

    For ``DataLoader(reader, collate_fn=cloudio.torch.collate)``: there a batch is one read, and
    its tensors are its arrays, not copies.  A list of samples, as a dataset that wraps a Reader
    hands on, is stacked.  A MaskedBatch stays one; bfloat16 arrays become bfloat16 tensors.
    """
    if isinstance(batch, (Batch, MaskedBatch)):
        return cast(Batch[torch.Tensor], type(batch)(*map(_tensor, batch)))
    columns = zip(*batch, strict=True)
    return type(batch[0])(*map(_stacked, columns))


def read(reader: Reader, index: Any, origin: Any = None, symmetry: Any = None) -> Batch[Any]:
    """Read a batch into new tensors; as `Reader.read`, and in bfloat16 without ml_dtypes too.

    ``index``, ``origin`` and ``symmetry`` may be tensors.
    """
    index, origin, symmetry = (
        given.numpy() if isinstance(given, torch.Tensor) else given
        for given in (index, origin, symmetry)
    )
    numbers = index_numbers(index, len(reader))
    n = len(numbers)
    kind = getattr(torch, reader.dtype_name)
    image = torch.empty((n, *reader.image_shape), dtype=kind)
    bits = image.view(torch.uint16) if kind is torch.bfloat16 else image
    label = valid = None
    if reader.label_shape is not None:
        kind = getattr(torch, reader.label_dtype.name)
        label = torch.empty((n, *reader.label_shape), dtype=kind)
    out = [bits.numpy(), None if label is None else label.numpy()]
    if reader.valid:
        valid = torch.empty((n, *reader.size), dtype=torch.uint8)
        out += [None, valid.numpy()]
    resolved = torch.as_tensor(reader.read(numbers, origin, symmetry, tuple(out)).index)
    if valid is None:
        return Batch(image, label, resolved)
    return cast(Batch[Any], MaskedBatch(image, label, resolved, valid))


def _tensor(array: Any) -> Any:
    if isinstance(array, np.ndarray) and array.dtype.name == "bfloat16":
        return torch.as_tensor(array.view(_BITS)).view(torch.bfloat16)
    return None if array is None else torch.as_tensor(array)


def _stacked(samples: Sequence[Any]) -> Any:
    """One tensor of as many samples: of arrays, or of numbers of patches."""
    tensors = list(map(_tensor, samples))
    return None if tensors[0] is None else torch.stack(tensors)
