"""The devices of torch that a loader copies to."""

import re
from typing import Any

import torch

from ..errors import RequestError


def has_accelerator() -> bool:
    """Return whether there is a device that copies from pinned memory."""
    return bool(getattr(torch, "accelerator", torch.cuda).is_available())


def parse_device(device: Any) -> Any:
    """Return the torch.device; RequestError if it cannot be used."""
    try:
        parsed = torch.device(device)
        if parsed.type != "cuda":
            torch.empty(0, device=parsed)
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        if type(device) is str and re.fullmatch(r"gpu(:\d+)?", device, re.IGNORECASE):
            raise RequestError(
                f"device={device!r}; give {device.lower().replace('gpu', 'cuda')!r} or 'cpu'"
            ) from None
        reason = re.split(r"[.:]?\s*\n|\. ", str(error))[0]
        raise RequestError(f"device={device!r} cannot be used: {reason}") from None
    if parsed.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n == 0 or (parsed.index or 0) >= n:
            raise RequestError(f"device={device!r}, but torch finds {n or 'no'} CUDA devices")
    return parsed
