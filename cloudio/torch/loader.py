"""The loader whose batches are tensors: on the CPU, in pinned memory, or on a device.

transfer.py hands the batches out; scaling.py scales stored numbers on a device.
"""

import re
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from .._core.pool import Pool
from .._utils.numbers import check_bool
from ..errors import RequestError
from ..loading import loader
from ..loading.iteration import BatchIterator
from ..loading.prefetch import TransferHook
from ..reading.reader import Reader, check_reader
from .pinned import PinnedPool, allocate_pinned
from .scaling import Scaling, stored_reader
from .transfer import COPIES_AT_ONCE, StreamCopies, TensorHook


class Loader(loader.Loader):
    """A `cloudio.Loader` of tensors: the same batches, the same bytes, in the same order.

    ``options`` are those of `cloudio.Loader`.  Without a ``device`` tensors lie on the CPU, in the
    memory they were read into, which is used again once the last tensor over it is gone, views
    included.  ``bfloat16`` needs no ml_dtypes.  ``index`` is int64, and always on the CPU.

    ``pin_memory``: read into pinned memory, from which copies to a device need not wait
    (``tensor.to(device, non_blocking=True)``); memory that such a copy still reads is not
    overwritten.  ``device``: where tensors go.  For ``"cuda"`` or ``"cuda:1"`` they are read into
    pinned memory and copied on a stream of the loader's own, one batch ahead if that batch is built
    when the one before it is handed out.  The caller's current stream waits for the copy.  The
    caller waits only if two earlier copies have not ended: no more run at once, in memory beside
    that of ``prefetch``.  For other devices a batch is copied when the caller asks for it.

    ``scale_on``: ``"cpu"``, or ``"device"``: numbers are read and copied as they are stored, half
    the bytes or a quarter, and `device` (None is the CPU) scales, normalizes, clips, rounds and
    fills them.  The bits are the same if the device keeps subnormals: CUDA does, a CPU does unless
    ``torch.set_flush_denormal(True)`` was called, other devices may not.  All bands must be stored
    in one type of whole numbers.

    `state_dict` counts what has been handed out, not what was copied ahead.
    """

    def __init__(
        self,
        reader: Reader,
        batch_size: int,
        *,
        pin_memory: bool = False,
        device: Any = None,
        scale_on: str = "cpu",
        **options: Any,
    ) -> None:
        if not isinstance(scale_on, str) or scale_on not in ("cpu", "device"):
            raise RequestError(f"scale_on={scale_on!r}; scale_on must be 'cpu' or 'device'")
        self.device = None if device is None else _parse_device(device)
        self.pin_memory, self.scale_on = check_bool("pin_memory", pin_memory), scale_on
        if self.pin_memory:
            if options.get("allocate") is not None:
                raise RequestError("pin_memory=True allocates memory itself; leave out allocate")
            if not _has_accelerator():
                raise RequestError(
                    "pin_memory=True, but torch finds no device that copies from pinned memory; "
                    "leave pin_memory out"
                )
            if scale_on == "device" and (self.device is None or self.device.type == "cpu"):
                raise RequestError(
                    "pin_memory=True with scale_on='device' needs a device: batches that the CPU "
                    "scales are not pinned; pass device= or scale_on='cpu'"
                )
        check_reader(reader)
        self._set_scaling(reader)
        super().__init__(reader, batch_size, **options)

    def __iter__(self) -> BatchIterator[Any]:
        return super().__iter__()

    def __repr__(self) -> str:
        text = super().__repr__().replace("<cloudio.", "<cloudio.torch.", 1)
        own = {"device": self.device, "pin_memory": self.pin_memory, "scale_on": self.scale_on}
        usual = {"device": None, "pin_memory": False, "scale_on": "cpu"}
        changed = [f", {name} {value}" for name, value in own.items() if value != usual[name]]
        return text.replace(">\n", f"{''.join(changed)}>\n", 1)

    @property
    def _batch_reader(self) -> Reader:
        return self._stored_reader or self.reader

    def _image_dtype(self) -> np.dtype[Any]:
        name = self._batch_reader.dtype_name
        return np.dtype("uint16" if name == "bfloat16" else name)

    @property
    def _uses_stream(self) -> bool:
        return self.device is not None and self.device.type == "cuda"

    def _new_pool(self, sizes: list[int], capacity: int) -> Pool:
        if self._uses_stream and self._allocate is None:
            return Pool(sizes, capacity + COPIES_AT_ONCE, allocate_pinned, SimpleQueue())
        if self.pin_memory and not self._uses_stream:
            return PinnedPool(sizes, capacity, allocate_pinned, SimpleQueue())
        return super()._new_pool(sizes, capacity)

    def _new_hook(self) -> TransferHook:
        view_dtype = torch.bfloat16 if self._batch_reader.dtype_name == "bfloat16" else None
        if self._uses_stream:
            return StreamCopies(self.device, view_dtype, self._scaling)
        return TensorHook(self.device, view_dtype, self._scaling, self.pin_memory)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_stored_reader": None, "_scaling": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_scaling(self.reader)

    def _set_scaling(self, reader: Reader) -> None:
        self._stored_reader = self._scaling = None
        if self.scale_on == "device":
            self._stored_reader, self._scaling = stored_reader(reader), Scaling(reader)


def _has_accelerator() -> bool:
    """Return whether there is a device that copies from pinned memory."""
    return bool(getattr(torch, "accelerator", torch.cuda).is_available())


def _parse_device(device: Any) -> Any:
    """Return the torch.device; RequestError where it cannot be used."""
    try:
        parsed = torch.device(device)
        if parsed.type != "cuda":
            torch.empty(0, device=parsed)
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        reason = re.split(r"[.:]?\s*\n|\. ", str(error))[0]
        raise RequestError(f"device={device!r} cannot be used: {reason}") from None
    if parsed.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n == 0 or (parsed.index or 0) >= n:
            raise RequestError(f"device={device!r}, but torch finds {n or 'no'} CUDA devices")
    return parsed
