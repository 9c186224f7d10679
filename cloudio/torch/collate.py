"""Batches from samples, for torch's DataLoader."""

from collections.abc import Sequence
from typing import Any, overload

import torch

from ..errors import RequestError
from ..reading.batch import Batch, L, MaskedBatch
from .tensors import as_tensor, as_tensors


@overload
def collate(  # type: ignore[overload-overlap]  # of an empty sequence
    batch: Batch[Any, L, Any] | Sequence[Batch[Any, L, Any]],
) -> Batch[torch.Tensor, L]: ...


@overload
def collate(
    batch: MaskedBatch[Any, L, Any] | Sequence[MaskedBatch[Any, L, Any]],
) -> MaskedBatch[torch.Tensor, L]: ...


def collate(batch: Any) -> Any:
    """Return a batch of tensors of what a DataLoader has fetched from a `Reader` or `Dataset`.

    Use it as ``DataLoader(reader, collate_fn=cloudio.torch.collate)``; each batch is then one read.

    Parameters
    ----------
    batch : Batch, or sequence of Batch
        A batch, or a list of samples, such as a data set that wraps a `Reader` returns; they are
        stacked.

    Returns
    -------
    Batch or MaskedBatch
        The tensors of a batch share the memory of its arrays.  bfloat16 arrays become bfloat16
        tensors.

    Raises
    ------
    RequestError
        If ``batch`` is anything else.
    """
    if isinstance(batch, (Batch, MaskedBatch)):
        return as_tensors(batch)
    kinds = list({type(sample) for sample in batch}) if isinstance(batch, (list, tuple)) else []
    if len(kinds) != 1 or not issubclass(kinds[0], (Batch, MaskedBatch)):
        names = " and ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise RequestError(
            f"{type(batch).__name__} of {names}; collate takes a Batch, or a list of samples of a "
            "Reader or Dataset"
        )
    return kinds[0](*map(_stack, zip(*batch, strict=True)))


def _stack(samples: Sequence[Any]) -> Any:
    """Return one tensor of the samples' arrays, or of their index numbers."""
    parts = list(map(as_tensor, samples))
    return None if parts[0] is None else torch.stack(parts)
