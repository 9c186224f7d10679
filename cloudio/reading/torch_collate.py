"""What torch's own collate does with samples of readers, where only torch is imported.

`cloudio.torch.collate` does more; importing `cloudio.torch` puts it in the place of this.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import RequestError
from .batch import Batch, MaskedBatch

#: Types that torch's own collate takes only where somebody has told it how.
COLLATED = (Batch, MaskedBatch)


def explain_to_torch() -> None:
    """Tell torch's own collate how to make a batch of samples, if a DataLoader may be at work."""
    if "torch.utils.data" in sys.modules:
        register(_collate)


def register(collate: Callable[..., Any], replace: bool = False) -> None:
    """Make torch's own collate call ``collate`` for samples that are batches, and keep dates."""
    module = sys.modules.get("torch.utils.data._utils.collate")
    functions = getattr(module, "default_collate_fn_map", None)  # it may move one day
    if functions is not None and (replace or Batch not in functions):
        functions.update(dict.fromkeys(COLLATED, collate))
        # torch has no type for them; where it learns one, that is used.
        functions.setdefault(np.datetime64, _collate_dates)


def _collate(samples: Any, *, collate_fn_map: Any = None) -> Any:
    """Return a batch of tensors; over the memory of the batch that the samples share, if any."""
    torch_data = sys.modules["torch.utils.data"]
    try:
        if (batch := getattr(samples, "batch", None)) is not None:
            return torch_data.default_convert(batch)
        parts = zip(*samples, strict=True)
        return type(samples[0])(
            *(None if part[0] is None else torch_data.default_collate(part) for part in parts)
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise RequestError(
            f"torch cannot collate these samples ({error}); pass "
            "collate_fn=cloudio.torch.collate to the DataLoader"
        ) from None


def _collate_dates(dates: Any, *, collate_fn_map: Any = None) -> np.ndarray:
    return np.array(dates)
