"""PyTorch's door: batches as tensors that share the memory of the arrays they come from."""

from collections.abc import Sequence
from typing import Any

try:
    import torch
except ImportError as error:
    raise ImportError("cloudio.torch needs PyTorch: pip install 'cloudio[torch]'") from error

from .reader import Batch


def collate(batch: Batch[Any] | Sequence[Batch[Any]]) -> Batch[torch.Tensor]:
    """Turn what a DataLoader fetched from a Reader into a Batch of tensors.

    For ``DataLoader(reader, collate_fn=cloudio.torch.collate)``: there a batch is one read, and
    its tensors are its arrays, not copies.  A list of samples, as a dataset that wraps a Reader
    hands on, is stacked.
    """
    if not isinstance(batch, Batch):
        images, labels, indexes = zip(*batch, strict=True)
        label = None if labels[0] is None else torch.stack([torch.as_tensor(x) for x in labels])
        return Batch(
            torch.stack([torch.as_tensor(x) for x in images]), label, torch.as_tensor(indexes)
        )
    label = None if batch.label is None else torch.as_tensor(batch.label)
    return Batch(torch.as_tensor(batch.image), label, torch.as_tensor(batch.index))
