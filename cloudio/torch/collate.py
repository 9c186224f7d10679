"""Batches from samples, for torch's DataLoader."""

from collections.abc import Sequence
from typing import Any, cast

import torch

from ..errors import RequestError
from ..reading.batch import Batch, MaskedBatch
from . import tensors


def collate(batch: Batch[Any] | Sequence[Batch[Any]]) -> Batch[torch.Tensor]:
    """Turn what a DataLoader fetched from a Reader or a `Dataset` into a Batch of tensors.

    For ``DataLoader(reader, collate_fn=cloudio.torch.collate)``: there a batch is one read, and
    its tensors are its arrays, not copies.  A list of samples, as a dataset that wraps a Reader
    hands on, is stacked.  A MaskedBatch stays one; bfloat16 arrays become bfloat16 tensors.
    RequestError of anything else.
    """
    if isinstance(batch, (Batch, MaskedBatch)):
        return tensors.tensors(cast(Batch[Any], batch))
    kinds = list({type(sample) for sample in batch}) if isinstance(batch, (list, tuple)) else []
    if len(kinds) != 1 or not issubclass(kinds[0], (Batch, MaskedBatch)):
        of = " and ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise RequestError(
            f"{type(batch).__name__} of {of}; a Batch is needed, or a list of samples as a Reader "
            "or a Dataset gives them"
        )
    return cast(Batch[Any], kinds[0](*map(_stacked, zip(*batch, strict=True))))


def _stacked(samples: Sequence[Any]) -> Any:
    """One tensor of as many samples: of arrays, or of numbers of patches."""
    parts = list(map(tensors.tensor, samples))
    return None if parts[0] is None else torch.stack(parts)
