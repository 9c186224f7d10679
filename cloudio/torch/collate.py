"""Batches from samples, for torch's DataLoader."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import torch
from torch.utils import data

from .._utils.text import listed
from ..errors import RequestError
from ..reading.batch import Batch, L, MaskedBatch
from ..reading.samples import SampleList
from ..reading.torch_collate import register
from .tensors import as_tensor, as_tensors


@overload
def collate(  # type: ignore[overload-overlap]  # of an empty sequence
    batch: Batch[Any, L, Any] | Sequence[Batch[Any, L, Any]],
) -> Batch[torch.Tensor, L]: ...


@overload
def collate(  # type: ignore[overload-overlap]
    batch: MaskedBatch[Any, L, Any] | Sequence[MaskedBatch[Any, L, Any]],
) -> MaskedBatch[torch.Tensor, L]: ...


@overload
def collate(batch: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]: ...


def collate(batch: Any) -> Any:
    """Return a batch of tensors of what a DataLoader has fetched from a `Reader` or `Dataset`.

    Use it as ``DataLoader(reader, collate_fn=cloudio.torch.collate)``; each batch is then one read.

    Parameters
    ----------
    batch : list of samples, Batch, or dict
        The samples that a `Reader` or `Dataset` gives a DataLoader, which share one batch; samples
        of any origin, which are stacked; or a batch.  Samples may lie in dicts, tuples and lists,
        such as those of ``StackDataset``.  What is beside them is collated as torch does.

    Returns
    -------
    Batch, MaskedBatch, dict or list
        The tensors of a batch share the memory of its arrays.  bfloat16 arrays become bfloat16
        tensors.

    Raises
    ------
    RequestError
        If ``batch`` is anything else.
    """
    if isinstance(batch, SampleList):
        batch = batch.batch
    if isinstance(batch, (Batch, MaskedBatch, dict)):
        return as_tensors(batch)
    if not isinstance(batch, Sequence) or isinstance(batch, str) or not batch:
        kind = type(batch).__name__
        raise RequestError(f"{kind if batch else f'{kind} of nothing'}; {_TAKEN}")
    return _collate(batch)


_TAKEN = (
    "collate takes the samples of a Reader or Dataset as a list, also in dicts, tuples and lists, "
    "or a batch"
)

# The parts of a batch, for messages.
_NAMES = ("images", "labels", "index", "masks")


def _collate(samples: Sequence[Any]) -> Any:
    """Return a batch of samples that have the same structure."""
    first = samples[0]
    if isinstance(first, (np.ndarray, torch.Tensor)):
        return _stack("arrays", samples)
    if isinstance(first, np.datetime64):
        return np.array(samples)
    if not isinstance(first, (Mapping, list, tuple)):
        try:
            return data.default_collate(list(samples))
        except (TypeError, ValueError, RuntimeError) as error:
            raise RequestError(
                f"{type(first).__name__} cannot be collated ({error}); {_TAKEN}"
            ) from None
    kinds = {type(sample) for sample in samples}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise RequestError(f"a list of {names}; the samples of a batch must be of one kind")
    if isinstance(first, Mapping):
        if any(sample.keys() != first.keys() for sample in samples):
            raise RequestError(
                "the samples have different keys; those of a batch must have the same: "
                f"{listed(sorted({str(name) for sample in samples for name in sample}))}"
            )
        return {name: _collate([sample[name] for sample in samples]) for name in first}
    if len({len(sample) for sample in samples}) > 1:
        raise RequestError("the samples have different lengths; a batch needs the same")
    parts = list(zip(*samples, strict=True))
    if isinstance(first, (Batch, MaskedBatch)):
        return type(first)(*map(_stack, _NAMES[: len(parts)], parts))
    # As torch does: a list also of tuples.
    made = map(_collate, parts)
    return type(first)(*made) if hasattr(first, "_fields") else list(made)


def _stack(name: str, parts: Sequence[Any]) -> Any:
    """Return one tensor of a part of each sample; None if no sample has it."""
    n_missing = sum(part is None for part in parts)
    if n_missing == len(parts):
        return None
    if n_missing:
        raise RequestError(
            f"{n_missing} of {len(parts)} samples have no {name}; all samples of a batch must be "
            "read with labels, or all without"
        )
    tensors = list(map(as_tensor, parts))
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) > 1:
        raise RequestError(
            f"the {name} of the samples differ in shape: {listed(shapes, ' and ')}; read them with "
            "the same size, bands, labels and layout"
        )
    return data.default_collate(tensors)  # in a worker, into shared memory


def collate_for_torch(samples: Any, *, collate_fn_map: Any = None) -> Any:
    """As `collate`, for torch's own collate."""
    return collate(samples)


register(collate_for_torch, replace=True)
