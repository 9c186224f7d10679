"""How a batch gets from its producer to the caller: as tensors, and to a device."""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..errors import RequestError
from ..loading.prefetch import Producer, TransferHook
from .scaling import Scaling
from .tensors import map_tensors

AsTensors = Callable[[Any], Any]

#: Copies that may run at once: of the batch handed out, and of the one after it.  Their memory is
#: beside that of the loader's ``prefetch``.
COPIES_AT_ONCE = 2


class TensorHook(TransferHook):
    """Makes tensors of batches, and copies them to a device, if there is one, when taken.

    ``as_tensors``: makes them; None if the producer has.  ``image_key``: the name of the image in a
    batch that is a dict.
    """

    def __init__(
        self,
        device: Any,
        as_tensors: AsTensors | None,
        scaling: Scaling | None,
        image_key: str | None = "image",
    ) -> None:
        self._image_key = image_key
        self._device, self._as_tensors = device, as_tensors
        self._scaling = scaling if scaling is None or device is None else scaling.to(device)

    def take(self, producer: Producer) -> Any:
        batch = producer.take()
        if self._as_tensors is not None:
            batch = self._as_tensors(batch)
        if self._device is not None:
            batch = map_tensors(lambda tensor: tensor.to(self._device), batch)
        return batch if self._scaling is None else _scale(batch, self._scaling, self._image_key)


class _DeviceBatch(NamedTuple):
    """A batch on the device; it is complete once ``ready`` has happened."""

    batch: Any
    ready: Any


class StreamCopies(TransferHook):
    """Copies batches to a CUDA device on a stream of its own, while the caller uses the last one.

    It holds the memory that a copy reads from until an event says that the copy has ended.
    Otherwise the producer would read the next batch into it.
    """

    holds_memory = False  # the caller gets memory of the device
    _process: int | None = None

    def __init__(
        self,
        device: Any,
        as_tensors: AsTensors | None,
        scaling: Scaling | None,
        image_key: str | None = "image",
    ) -> None:
        self._image_key = image_key
        self._in_progress: deque[tuple[Any, Any]] = deque()
        # The batch after the one handed out last: on the device, or read but not yet copied, in a
        # list of one.
        self._ahead: _DeviceBatch | None = None
        self._read: list[Any] = []
        # Reentrant: a signal may come while it is held, and its handler may close the iteration.
        self._closed, self._lock = False, threading.RLock()
        k = torch.cuda.current_device() if device.index is None else device.index
        self._device, self._as_tensors = torch.device("cuda", k), as_tensors
        self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            self._scaling = None if scaling is None else scaling.to(self._device)
        self._process = os.getpid()  # last: from here on there is something to close

    def take(self, producer: Producer) -> Any:
        taken, self._ahead = self._ahead, None
        if taken is None:
            taken = self._next(producer)
        if not self._read and producer.is_ready:
            # An error of the next batch is raised when that batch is taken, which tries it again.
            with contextlib.suppress(Exception):
                self._ahead = self._next(producer)
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(taken.ready)
        # The memory belongs to our stream, which must not reuse it before the caller's is done.
        map_tensors(lambda tensor: tensor.record_stream(stream), taken.batch)
        if self._closed:  # by another thread, which did not know of these copies
            self._release(most=0)
        return taken.batch

    def close(self) -> None:
        """Wait for copies that run; their memory can then be read into."""
        if os.getpid() == self._process:  # a forked child has no such device
            self._closed, self._ahead, self._read = True, None, []
            self._release(most=0)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():
            self.close()

    def reclaim(self) -> None:
        """Release the memory of copies that have ended, for the producer to read into."""
        self._release(most=0, wait=False)

    def _next(self, producer: Producer) -> _DeviceBatch:
        # Kept where the copy fails, which is then tried again; another thread may close meanwhile.
        self._read = read = self._read or [producer.take()]
        copied = self._start_copy(read[0])
        self._read = []
        return copied

    def _start_copy(self, read: Any) -> _DeviceBatch:
        self._release(most=COPIES_AT_ONCE - 1)
        batch = read if self._as_tensors is None else self._as_tensors(read)
        with torch.cuda.stream(self._stream):
            copied = torch.cuda.Event(blocking=True)
            try:
                on_device = map_tensors(self._copy, batch)
            finally:  # the copy of a part may have started
                copied.record(self._stream)
                self._in_progress.append((copied, batch))
            if self._scaling is None:
                return _DeviceBatch(on_device, copied)
            on_device = _scale(on_device, self._scaling, self._image_key)
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return _DeviceBatch(on_device, ready)

    def _copy(self, tensor: Any) -> Any:
        if tensor.device.type != "cpu":
            # The stream that made it is another thread's, and nobody has waited for that.
            raise RequestError(
                f"transform returned a tensor on {tensor.device}; it must return tensors on the "
                f"CPU, which are copied to {self._device}. Work on the device in the loop"
            )
        return tensor.to(self._device, non_blocking=True)

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


def _scale(batch: Any, scaling: Scaling, image_key: str | None) -> Any:
    """Return a batch, or a dict of its parts, with the image scaled."""
    if not isinstance(batch, dict):
        return batch._replace(image=scaling(batch.image))
    return batch if image_key is None else {**batch, image_key: scaling(batch[image_key])}
