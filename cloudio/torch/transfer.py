"""How a batch gets from its producer to the caller: as tensors, and to a device."""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..loading.prefetch import Producer, TransferHook
from ..reading.batch import Batch
from .pinned import pinned_tensors
from .scaling import Scaling
from .tensors import as_tensors

#: Copies that may run at once: of the batch handed out, and of the one after it.  Their memory is
#: beside that of the loader's ``prefetch``.
COPIES_AT_ONCE = 2


class TensorHook(TransferHook):
    """Makes tensors of batches, and copies them to a device, if there is one, when taken.

    ``view_dtype``: the type whose bits the image holds; None is the array's own.
    """

    def __init__(self, device: Any, view_dtype: Any, scaling: Scaling | None, pinned: bool) -> None:
        self._device, self._view_dtype = device, view_dtype
        self._scaling = scaling if scaling is None or device is None else scaling.to(device)
        self._as_tensors = pinned_tensors if pinned else as_tensors

    def take(self, producer: Producer) -> Batch[Any]:
        batch = self._as_tensors(producer.take(), self._view_dtype)
        if self._device is not None:
            batch = _copy(batch, self._device)
        return batch if self._scaling is None else batch._replace(image=self._scaling(batch.image))


class _DeviceBatch(NamedTuple):
    """A batch on the device; it is complete once ``ready`` has happened."""

    batch: Batch[Any]
    ready: Any


class StreamCopies(TransferHook):
    """Copies batches to a CUDA device on a stream of its own, while the caller uses the last one.

    It holds the memory that a copy reads from until an event says that the copy has ended.
    Otherwise the producer would read the next batch into it.
    """

    holds_memory = False  # the caller gets memory of the device
    _process: int | None = None

    def __init__(self, device: Any, view_dtype: Any, scaling: Scaling | None) -> None:
        self._in_progress: deque[tuple[Any, Batch[Any]]] = deque()
        # The batch after the one handed out last: on the device, or read but not yet copied.
        self._ahead: _DeviceBatch | None = None
        self._read: Batch[Any] | None = None
        # Reentrant: a signal may come while it is held, and its handler may close the iteration.
        self._closed, self._lock = False, threading.RLock()
        k = torch.cuda.current_device() if device.index is None else device.index
        self._device, self._view_dtype = torch.device("cuda", k), view_dtype
        self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            self._scaling = None if scaling is None else scaling.to(self._device)
        self._process = os.getpid()  # last: from here on there is something to close

    def take(self, producer: Producer) -> Batch[Any]:
        taken, self._ahead = self._ahead, None
        if taken is None:
            taken = self._next(producer)
        if self._read is None and producer.is_ready:
            # An error of the next batch is raised when that batch is taken, which tries it again.
            with contextlib.suppress(Exception):
                self._ahead = self._next(producer)
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(taken.ready)
        # The memory belongs to our stream, which must not reuse it before the caller's is done.
        for tensor in _device_parts(taken.batch).values():
            tensor.record_stream(stream)
        if self._closed:  # by another thread, which did not know of these copies
            self._release(most=0)
        return taken.batch

    def close(self) -> None:
        """Wait for copies that run; their memory can then be read into."""
        if os.getpid() == self._process:  # a forked child has no such device
            self._closed, self._ahead, self._read = True, None, None
            self._release(most=0)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():
            self.close()

    def reclaim(self) -> None:
        """Release the memory of copies that have ended, for the producer to read into."""
        self._release(most=0, wait=False)

    def _next(self, producer: Producer) -> _DeviceBatch:
        if self._read is None:
            self._read = producer.take()
        copied = self._start_copy(self._read)
        self._read = None
        return copied

    def _start_copy(self, read: Batch[Any]) -> _DeviceBatch:
        self._release(most=COPIES_AT_ONCE - 1)
        batch = as_tensors(read, self._view_dtype)
        with torch.cuda.stream(self._stream):
            copied = torch.cuda.Event(blocking=True)
            try:
                on_device = _copy(batch, self._device, non_blocking=True)
            finally:  # the copy of a part may have started
                copied.record(self._stream)
                self._in_progress.append((copied, batch))
            if self._scaling is None:
                return _DeviceBatch(on_device, copied)
            on_device = on_device._replace(image=self._scaling(on_device.image))
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return _DeviceBatch(on_device, ready)

    def _release(self, most: int, wait: bool = True) -> None:
        """Hold at most ``most`` batches; wait for copies that run, or keep those."""
        if len(self._in_progress) <= most:
            return
        # Else torch would start the thread's current device, which is the first one.
        with self._lock, torch.cuda.device(self._device):
            while len(self._in_progress) > most:
                first = self._in_progress[0]
                if not first[0].query():
                    if not wait:
                        return
                    first[0].synchronize()
                if self._in_progress and self._in_progress[0] is first:
                    self._in_progress.popleft()


def _device_parts(batch: Batch[Any]) -> dict[str, Any]:
    """Return the tensors of a batch that go to a device: all but the index."""
    parts = zip(batch._fields, batch, strict=True)
    return {name: part for name, part in parts if name != "index" and part is not None}


def _copy(batch: Batch[Any], device: Any, non_blocking: bool = False) -> Batch[Any]:
    parts = _device_parts(batch).items()
    return batch._replace(**{name: p.to(device, non_blocking=non_blocking) for name, p in parts})
