"""Tensors of PyTorch where numpy's arrays are expected.  torch itself is not imported here."""

import sys
from typing import Any

from ..errors import RequestError


def is_tensor(given: Any) -> bool:
    """Return whether that is a tensor of PyTorch."""
    torch = sys.modules.get("torch")
    # A torch whose import has failed, or is not finished, has no tensors.
    kind = getattr(torch, "Tensor", None)
    return kind is not None and isinstance(given, kind)


def as_host_array(what: str, given: Any) -> Any:
    """Return a tensor as the numpy array over its memory; anything else as it is.

    Raises RequestError for a tensor that numpy cannot see: on a device, or of a type of its own.
    """
    if not is_tensor(given):
        return given
    if given.device.type != "cpu":
        raise RequestError(f"{what} is a tensor on {given.device}; pass {what}.cpu()")
    try:
        return given.detach().numpy()
    except (TypeError, RuntimeError):  # such as bfloat16, or a sparse tensor
        raise RequestError(
            f"{what} is a {given.layout} tensor of {given.dtype}, which numpy cannot hold; convert "
            "it first"
        ) from None
