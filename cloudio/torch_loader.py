"""The loader whose batches are tensors, on the CPU, in page-locked memory, or on a device.

How batches are built is batches.py's; how stored numbers are scaled there, scaling.py's.
"""

import re
import threading
from collections import deque
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import torch

from . import loader
from ._pool import Pool
from .batches import Batches, Handover
from .errors import RequestError
from .reader import Batch, Reader
from .request import choice
from .scaling import Scaling, stored_reader
from .tensors import PageLocked, over_page_locked, page_locked, tensors


class Loader(loader.Loader):
    """A `cloudio.Loader` of tensors: the same batches, the same bytes, in the same order.

    ``options`` are those of `cloudio.Loader`.  Without a ``device`` tensors lie on the CPU, in the
    memory they were read into, which is used again once the last tensor over it is gone, views
    included.  ``bfloat16`` needs no ml_dtypes.  ``index`` is int64, and always on the CPU.

    ``pin_memory``: read into page-locked memory, from which copies to a device need not wait
    (``tensor.to(device, non_blocking=True)``); nothing is overwritten that such a copy still reads.
    ``device``: where tensors go.  To ``"cuda"`` or ``"cuda:1"`` they are read into page-locked
    memory and copied on a stream of the loader's own, one batch ahead where that one is built when
    the one before it is handed out.  The caller's current stream waits for the copy, the caller
    does not.  At most two batches are being copied, in memory beside that of ``prefetch``.  To
    other devices they are copied when they are asked for.

    ``scale_on``: ``"cpu"``, or ``"device"``: numbers are read and copied as they are stored, half
    the bytes or a quarter, and `device` (None is the CPU) scales, normalises, limits, rounds and
    fills them, with the same bits.  All bands must be stored in one type of whole numbers.

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
            raise RequestError(f"scale_on={scale_on!r}; 'cpu' or 'device' is needed")
        self.device = None if device is None else _device(device)
        self.pin_memory, self.scale_on = choice("pin_memory", pin_memory), scale_on
        if self.pin_memory:
            if options.get("allocate") is not None:
                raise RequestError("pin_memory=True makes memory itself; leave out allocate")
            if not _accelerated():
                raise RequestError(
                    "pin_memory=True, but torch finds no device here that could copy from "
                    "page-locked memory"
                )
        self._stored = self._scaling = None
        if scale_on == "device" and isinstance(reader, Reader):
            self._stored, self._scaling = stored_reader(reader), Scaling(reader)
        super().__init__(reader, batch_size, **options)

    def __iter__(self) -> Batches[Any]:
        return super().__iter__()

    def __repr__(self) -> str:
        return super().__repr__().replace("cloudio.Loader", "cloudio.torch.Loader", 1)

    @property
    def _source(self) -> Reader:
        return self._stored or self.reader

    def _image_dtype(self) -> np.dtype[Any]:
        name = self._source.dtype_name
        return np.dtype("uint16" if name == "bfloat16" else name)

    @property
    def _on_stream(self) -> bool:
        return self.device is not None and self.device.type == "cuda"

    def _new_pool(self, sizes: list[int], most: int) -> Pool:
        if self._on_stream:
            return Pool(sizes, most, self._allocate or page_locked, SimpleQueue())
        if self.pin_memory:
            return PageLocked(sizes, most, page_locked, SimpleQueue())
        return super()._new_pool(sizes, most)

    def _handover(self) -> Handover:
        bits_of = torch.bfloat16 if self._source.dtype_name == "bfloat16" else None
        if self._on_stream:
            return _Copies(self.device, bits_of, self._scaling)
        return _Tensors(self.device, bits_of, self._scaling, self.pin_memory)

    def _settings(self) -> dict[str, Any]:
        own = {"pin_memory": self.pin_memory, "scale_on": self.scale_on}
        return super()._settings() | own | {"device": self.device and str(self.device)}


class _Tensors(Handover):
    """Batches become tensors, on a device that is not waited for by an event."""

    def __init__(self, device: Any, bits_of: Any, scaling: Scaling | None, pinned: bool) -> None:
        self._device, self._bits_of = device, bits_of
        self._scaling = scaling if scaling is None or device is None else scaling.to(device)
        self._tensors = over_page_locked if pinned else tensors

    def take(self, line: Any) -> Batch[Any]:
        batch = self._tensors(line.take(), self._bits_of)
        if self._device is not None:
            batch = _moved(batch, self._device)
        return batch if self._scaling is None else batch._replace(image=self._scaling(batch.image))


class _Sent(NamedTuple):
    """A batch on the device, once ``ready`` has happened."""

    batch: Batch[Any]
    ready: Any


class _Copies(Handover):
    """Batches are copied on a stream of their own, each while the one before it is worked on.

    The memory a copy reads from is held until an event says that it has ended: else the loader
    would read the next batch into it.
    """

    def __init__(self, device: Any, bits_of: Any, scaling: Scaling | None) -> None:
        k = torch.cuda.current_device() if device.index is None else device.index
        self._device, self._bits_of = torch.device("cuda", k), bits_of
        self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            self._scaling = None if scaling is None else scaling.to(self._device)
        self._under_way: deque[tuple[Any, Batch[Any]]] = deque()
        self._ahead: _Sent | None = None
        self._closed, self._lock = False, threading.Lock()

    def take(self, line: Any) -> Batch[Any]:
        self._let_go()
        sent, self._ahead = self._ahead, None
        if sent is None:
            sent = self._sent(line.take())
        if line.is_ready:
            self._ahead = self._sent(line.take())
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(sent.ready)
        # Its memory is the other stream's, which must not use it again before this one is done.
        for part in _on_device(sent.batch).values():
            part.record_stream(stream)
        if self._closed:  # by another thread, which knew nothing of these copies
            self._let_go(most=0)
        return sent.batch

    def close(self) -> None:
        """Wait for copies under way; their memory is then free to be read into."""
        self._closed, self._ahead = True, None
        self._let_go(most=0)

    def _sent(self, read: Batch[Any]) -> _Sent:
        self._let_go(most=1)
        batch = tensors(read, self._bits_of)
        with torch.cuda.stream(self._stream):
            sent = _moved(batch, self._device, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record(self._stream)
            self._under_way.append((copied, batch))
            if self._scaling is None:
                return _Sent(sent, copied)
            sent = sent._replace(image=self._scaling(sent.image))
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return _Sent(sent, ready)

    def _let_go(self, most: int = 2) -> None:
        """Hold no batch that has been copied, and wait until no more than ``most`` are held."""
        with self._lock:
            while self._under_way:
                copied, _ = self._under_way[0]
                if not copied.query():
                    if len(self._under_way) <= most:
                        return
                    copied.synchronize()
                self._under_way.popleft()


def _on_device(batch: Batch[Any]) -> dict[str, Any]:
    """What of a batch goes to a device: all tensors there are, but its index."""
    parts = zip(batch._fields, batch, strict=True)
    return {name: part for name, part in parts if name != "index" and part is not None}


def _moved(batch: Batch[Any], device: Any, **how: Any) -> Batch[Any]:
    parts = _on_device(batch).items()
    return batch._replace(**{name: part.to(device, **how) for name, part in parts})


def _accelerated() -> bool:
    """Whether there is a device that copies from page-locked memory."""
    there = getattr(torch, "accelerator", torch.cuda).is_available()
    return bool(there)


def _device(given: Any) -> Any:
    """A torch.device that is there."""
    try:
        device = torch.device(given)
        if device.type != "cuda":
            torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        reason = re.split(r"[.:]?\s*\n|\. ", str(error))[0]
        raise RequestError(f"device={given!r} cannot be had: {reason}") from None
    if device.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n == 0 or (device.index or 0) >= n:
            raise RequestError(f"device={given!r}, but torch finds {n or 'no'} CUDA devices")
    return device
