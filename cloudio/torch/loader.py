"""The loader whose batches are tensors, on the CPU, in page-locked memory, or on a device.

How batches are built is prefetch.py's; how stored numbers are scaled there, scaling.py's.
"""

import contextlib
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import torch

from .._core.pool import Pool
from .._utils.numbers import check_bool
from ..errors import RequestError
from ..loading import loader
from ..loading.prefetch import BatchIterator, TransferHook
from ..reading.batch import Batch
from ..reading.reader import Reader, check_reader
from .scaling import Scaling, stored_reader
from .tensors import PinnedPool, allocate_pinned, pinned_tensors, tensors

# One that is handed out, one ahead of it: their memory is beside that of `prefetch`.
_COPIED_AT_ONCE = 2


class Loader(loader.Loader):
    """A `cloudio.Loader` of tensors: the same batches, the same bytes, in the same order.

    ``options`` are those of `cloudio.Loader`.  Without a ``device`` tensors lie on the CPU, in the
    memory they were read into, which is used again once the last tensor over it is gone, views
    included.  ``bfloat16`` needs no ml_dtypes.  ``index`` is int64, and always on the CPU.

    ``pin_memory``: read into page-locked memory, from which copies to a device need not wait
    (``tensor.to(device, non_blocking=True)``); nothing is overwritten that such a copy still reads.
    ``device``: where tensors go.  To ``"cuda"`` or ``"cuda:1"`` they are read into page-locked
    memory and copied on a stream of the loader's own, one batch ahead where that one is built when
    the one before it is handed out.  The caller's current stream waits for the copy; the caller
    only where two earlier ones have not ended, since no more are under way, in memory beside that
    of ``prefetch``.  To other devices they are copied when they are asked for.

    ``scale_on``: ``"cpu"``, or ``"device"``: numbers are read and copied as they are stored, half
    the bytes or a quarter, and `device` (None is the CPU) scales, normalises, limits, rounds and
    fills them, with the same bits where it keeps subnormals: CUDA does, a CPU unless
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
            raise RequestError(f"scale_on={scale_on!r}; 'cpu' or 'device' is needed")
        self.device = None if device is None else _device(device)
        self.pin_memory, self.scale_on = check_bool("pin_memory", pin_memory), scale_on
        if self.pin_memory:
            if options.get("allocate") is not None:
                raise RequestError("pin_memory=True makes memory itself; leave out allocate")
            if not _accelerated():
                raise RequestError(
                    "pin_memory=True, but torch finds no device here that could copy from "
                    "page-locked memory"
                )
            if scale_on == "device" and (self.device is None or self.device.type == "cpu"):
                raise RequestError(
                    "pin_memory=True with scale_on='device', but no device: what the CPU scales is "
                    "not page-locked; scale_on='cpu' is needed, or a device"
                )
        check_reader(reader)
        self._scale_on_device(reader)
        super().__init__(reader, batch_size, **options)

    def __iter__(self) -> BatchIterator[Any]:
        return super().__iter__()

    def __repr__(self) -> str:
        text = super().__repr__().replace("<cloudio.", "<cloudio.torch.", 1)
        own = {"device": self.device, "pin_memory": self.pin_memory, "scale_on": self.scale_on}
        usual = {"device": None, "pin_memory": False, "scale_on": "cpu"}
        said = [f", {name} {held}" for name, held in own.items() if held != usual[name]]
        return text.replace(">\n", f"{''.join(said)}>\n", 1)

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
        if self._on_stream and self._allocate is None:
            return Pool(sizes, most + _COPIED_AT_ONCE, allocate_pinned, SimpleQueue())
        if self.pin_memory and not self._on_stream:
            return PinnedPool(sizes, most, allocate_pinned, SimpleQueue())
        return super()._new_pool(sizes, most)

    def _hook(self) -> TransferHook:
        bits_of = torch.bfloat16 if self._source.dtype_name == "bfloat16" else None
        if self._on_stream:
            return _Copies(self.device, bits_of, self._scaling)
        return _Tensors(self.device, bits_of, self._scaling, self.pin_memory)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_stored": None, "_scaling": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._scale_on_device(self.reader)

    def _scale_on_device(self, reader: Reader) -> None:
        self._stored = self._scaling = None
        if self.scale_on == "device":
            self._stored, self._scaling = stored_reader(reader), Scaling(reader)


class _Tensors(TransferHook):
    """Batches become tensors, on a device that is not waited for by an event."""

    def __init__(self, device: Any, bits_of: Any, scaling: Scaling | None, pinned: bool) -> None:
        self._device, self._bits_of = device, bits_of
        self._scaling = scaling if scaling is None or device is None else scaling.to(device)
        self._tensors = pinned_tensors if pinned else tensors

    def take(self, producer: Any) -> Batch[Any]:
        batch = self._tensors(producer.take(), self._bits_of)
        if self._device is not None:
            batch = _moved(batch, self._device)
        return batch if self._scaling is None else batch._replace(image=self._scaling(batch.image))


class _Sent(NamedTuple):
    """A batch on the device, once ``ready`` has happened."""

    batch: Batch[Any]
    ready: Any


class _Copies(TransferHook):
    """Batches are copied on a stream of their own, each while the one before it is worked on.

    The memory a copy reads from is held until an event says that it has ended: else the loader
    would read the next batch into it.
    """

    holds_memory = False  # what is handed out lies on the device
    _process: int | None = None

    def __init__(self, device: Any, bits_of: Any, scaling: Scaling | None) -> None:
        self._under_way: deque[tuple[Any, Batch[Any]]] = deque()
        # Built after the batch that was handed out last: on the device, or not to be copied yet.
        self._ahead: _Sent | None = None
        self._read: Batch[Any] | None = None
        # Reentrant: where this is held a signal may come, whose handler closes the iteration.
        self._closed, self._lock = False, threading.RLock()
        k = torch.cuda.current_device() if device.index is None else device.index
        self._device, self._bits_of = torch.device("cuda", k), bits_of
        self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            self._scaling = None if scaling is None else scaling.to(self._device)
        self._process = os.getpid()  # last: from here on there is something to close

    def take(self, producer: Any) -> Batch[Any]:
        sent, self._ahead = self._ahead, None
        if sent is None:
            sent = self._next(producer)
        if self._read is None and producer.is_ready:
            # What is raised of the next batch is for its own turn, when it is tried again.
            with contextlib.suppress(Exception):
                self._ahead = self._next(producer)
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
        if os.getpid() == self._process:  # a forked child has no such device
            self._closed, self._ahead, self._read = True, None, None
            self._let_go(most=0)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():
            self.close()

    def reclaim(self) -> None:
        """Let go of what has been copied, which is then read into."""
        self._let_go(most=0, wait=False)

    def _next(self, producer: Any) -> _Sent:
        if self._read is None:
            self._read = producer.take()
        sent = self._sent(self._read)
        self._read = None
        return sent

    def _sent(self, read: Batch[Any]) -> _Sent:
        self._let_go(most=_COPIED_AT_ONCE - 1)
        batch = tensors(read, self._bits_of)
        with torch.cuda.stream(self._stream):
            copied = torch.cuda.Event(blocking=True)
            try:
                sent = _moved(batch, self._device, non_blocking=True)
            finally:  # a part of it may be on its way
                copied.record(self._stream)
                self._under_way.append((copied, batch))
            if self._scaling is None:
                return _Sent(sent, copied)
            sent = sent._replace(image=self._scaling(sent.image))
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return _Sent(sent, ready)

    def _let_go(self, most: int, wait: bool = True) -> None:
        """Hold no more than ``most`` batches; what is still being copied is awaited, or stays."""
        if len(self._under_way) <= most:
            return
        # A thread's device is the first until it says another, and would be started.
        with self._lock, torch.cuda.device(self._device):
            while len(self._under_way) > most:
                first = self._under_way[0]
                if not first[0].query():
                    if not wait:
                        return
                    first[0].synchronize()
                if self._under_way and self._under_way[0] is first:
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
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        reason = re.split(r"[.:]?\s*\n|\. ", str(error))[0]
        raise RequestError(f"device={given!r} cannot be had: {reason}") from None
    if device.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n == 0 or (device.index or 0) >= n:
            raise RequestError(f"device={given!r}, but torch finds {n or 'no'} CUDA devices")
    return device
