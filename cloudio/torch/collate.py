"""Batches from samples, for torch's DataLoader."""

from collections.abc import Sequence
from typing import Any, cast

import torch

from ..errors import RequestError
from ..reading.batch import Batch, MaskedBatch
from .tensors import as_tensor, as_tensors


def collate(batch: Batch[Any] | Sequence[Batch[Any]]) -> Batch[torch.Tensor]:
    """Turn what a DataLoader fetched from a Reader or a `Dataset` into a Batch of tensors.

    For ``DataLoader(reader, collate_fn=cloudio.torch.collate)``: a batch is then one read, and its
    tensors share the memory of its arrays.  A list of samples, as a dataset that wraps a Reader
    returns it, is stacked.  A MaskedBatch stays one; bfloat16 arrays become bfloat16 tensors.
    RequestError for anything else.
    """
    if isinstance(batch, (Batch, MaskedBatch)):
        return as_tensors(cast(Batch[Any], batch))
    kinds = list({type(sample) for sample in batch}) if isinstance(batch, (list, tuple)) else []
    if len(kinds) != 1 or not issubclass(kinds[0], (Batch, MaskedBatch)):
        names = " and ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise RequestError(
            f"{type(batch).__name__} of {names}; collate takes a Batch, or a list of samples of a "
            "Reader or Dataset"
        )
    return cast(Batch[Any], kinds[0](*map(_stack, zip(*batch, strict=True))))


def _stack(samples: Sequence[Any]) -> Any:
    """Return one tensor of the samples' arrays, or of their index numbers."""
    parts = list(map(as_tensor, samples))
    return None if parts[0] is None else torch.stack(parts)
