"""Builds the batches of one iteration, in a thread, ahead of the caller."""

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .._core.pool import Lease, Pool
from ..reading.batch import Batch
from ..reading.reader import Reader
from .sampling.sampler import Samples, Shard

# Samples are drawn at least this many at once: fewer cost as much time.
_DRAWN_AT_ONCE = 1024
# Without a GIL, an object whose last reference goes in a thread that did not make it is deallocated
# when the thread that made it next runs Python code.  That may be long, if that thread waits.
_FREE_THREADED = "free-threading" in sys.version
# The pools that no iteration uses, each with the process that made it.
IdlePools = list[tuple[int, Pool]]


@dataclass(frozen=True)
class BatchSpec:
    """The description of the batches of an iteration.

    ``draw``: the samples of positions.  ``arrays``: shape and type of image, label and mask of one
    sample; None for an array that batches do not have.  ``start``: the first position.
    ``prefetch``: how many batches to build ahead.  ``finish``: what is done to a batch once it is
    read, in the thread that reads it; None is nothing.
    """

    reader: Reader[Any]
    shard: Shard
    draw: Callable[[np.ndarray], Samples]
    arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]] | None]
    start: int
    prefetch: int
    finish: Callable[[Batch[np.ndarray]], Any] | None = None

    def samples(self) -> Iterator[Samples]:
        """Yield the samples of each batch; they are drawn for many batches at once."""
        size, n_samples = self.shard.batch_size, self.shard.n_samples(self.start)
        step = size * max(1, _DRAWN_AT_ONCE // size)
        for first in range(0, n_samples, step):
            numbers = np.arange(first, min(first + step, n_samples))
            drawn = self.draw(self.shard.positions(self.start, numbers))
            for k in range(0, len(numbers), size):
                parts = (None if part is None else part[k : k + size] for part in drawn)
                yield Samples(*parts)  # type: ignore[arg-type]


class _Failure(NamedTuple):
    """Stands for a batch that could not be built; a transform may return any other object."""

    error: BaseException


class TransferHook:
    """What happens to a batch between its producer and the caller.  This one does nothing.

    ``holds_memory``: whether the caller gets the memory that the batch was built in.
    """

    holds_memory = True

    def take(self, producer: "Producer") -> Any:
        """Return the next batch, as the caller gets it."""
        return producer.take()

    def close(self) -> None:
        """Release everything; no batch is taken any more."""

    def reclaim(self) -> None:
        """Release memory that is no longer needed; the producer calls it before each batch."""


class Producer:
    """Builds the batches of an iteration, ahead of the caller.

    At most ``prefetch`` batches are in progress; the pool counts them.  A batch starts in memory
    that came back, or in new memory while fewer are in progress.  But it does not start while the
    memory of the batch before the last is about to come back, as in a ``for`` loop, whose variable
    holds that batch until the next one is there.

    When the thread ends, it adds its pool to ``idle_pools``, for the next iterations.
    """

    def __init__(
        self, spec: BatchSpec, pool: Pool, idle_pools: IdlePools, epoch: int, hook: TransferHook
    ) -> None:
        # A weak reference: the thread must not keep what belongs to a dropped iteration.
        self._hook, self._holds_memory = weakref.ref(hook), hook.holds_memory
        self._spec, self.pool, self._idle_pools, self._epoch = spec, pool, idle_pools, epoch
        self.n_batches, self._process = spec.shard.n_batches(spec.start), os.getpid()
        self.n_taken, self._limit = 0, max(spec.prefetch, 1)
        self._failed = False
        self._n_returning = 0
        self._ready: SimpleQueue[Any] = SimpleQueue()
        self._samples = spec.samples()
        self.thread: threading.Thread | None = None
        if spec.prefetch > 0:
            self.thread = threading.Thread(target=self._run, name="cloudio.Loader", daemon=True)

    # ---- for the caller ----------------------------------------------------------------------

    def position(self, n_batches: int) -> int:
        """Return the position up to which the epoch is done after ``n_batches`` of each rank."""
        return self._spec.shard.position(self._spec.start, n_batches)

    @property
    def is_ready(self) -> bool:
        """Return whether `take` would return a batch at once."""
        return self._ready.qsize() > self._failed  # the last entry is then the error

    def take(self) -> Any:
        """Return the next batch, or raise the error that came up while it was built."""
        pool, ahead = self.pool, self.thread is not None
        if ahead:
            self._n_returning = 0
            if self._ready.empty():
                pool.returned.put(None)
            got = self._ready.get()
            if type(got) is _Failure:
                self._ready.put(got)  # for other threads that wait
                try:
                    raise got.error
                finally:
                    del got  # its traceback refers to this frame
            batch = own(got) if _FREE_THREADED and self._spec.finish is None else got
        else:
            try:
                batch = self._read(next(self._samples))
            finally:
                pool.take_all()
        # Of the first batch, no earlier one can be about to come back, unless of another epoch.
        is_first = self.n_taken == 0 and pool.n_lent <= pool.begun - pool.taken
        self._n_returning = 1 if self._holds_memory and not is_first else 0
        self.n_taken += 1
        if ahead:
            pool.take()
            if _FREE_THREADED or self._may_start():
                pool.returned.put(None)
        return batch

    def join(self) -> None:
        """Wait until the thread has ended; it must have been stopped before."""
        thread = self.thread
        # In a child it would never end: one that was about to when it forked still holds its lock.
        if thread is None or os.getpid() != self._process:
            return
        if thread.ident and thread is not threading.current_thread():
            thread.join()

    # ---- for the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        _running.add(self)
        try:
            self._produce()
        except BaseException as error:
            error.add_note(f"while a batch of epoch {self._epoch} was built")
            self._failed = True
            self._ready.put(_Failure(error))
        while not self.pool.stopped:
            self.pool.returned.get()
        self._end()

    def _produce(self) -> None:
        """Build all batches in turn, until the pool is stopped."""
        pool = self.pool
        current = next(self._samples, None)
        while current is not None and not pool.stopped:
            following = next(self._samples, None)
            if following is not None:
                self._spec.reader.prefetch(following.index, following.origin)
            while not (pool.stopped or self._may_start()):
                pool.returned.get()
            if not pool.stopped:
                self._ready.put(self._read(current))
            current = following

    def _end(self) -> None:
        """Drop batches that were not taken, release waiting callers, and give the pool back."""
        _running.discard(self)
        self.pool.reset()
        with contextlib.suppress(Empty):
            while True:
                self._ready.get_nowait()
        self._ready.put(_Failure(StopIteration()))
        self.pool.stopped = False
        if not self._idle_pools:
            self._idle_pools.append((os.getpid(), self.pool))
        _ended.append(threading.current_thread())  # drops an older one here

    def _may_start(self) -> bool:
        n_in_progress = self.pool.begun - self.pool.taken
        return n_in_progress < self._limit and (
            self.pool.n_free > 0 or n_in_progress + self._n_returning < self._limit
        )

    def _read(self, samples: Samples) -> Any:
        hook = self._hook()
        if hook is not None:
            hook.reclaim()
        del hook
        returned = self.pool.returned
        while not returned.empty():
            returned.get()
        leases: Iterator[Any] = iter(self.pool.lend())
        n = len(samples.index)
        image, label, valid = (
            None if array is None else np.ndarray((n, *array[0]), array[1], next(leases))
            for array in self._spec.arrays
        )
        out = (image, label) if valid is None else (image, label, None, valid)
        batch = self._spec.reader.read(*samples, out=out)
        return batch if self._spec.finish is None else self._spec.finish(batch)


def own(batch: Any) -> Any:
    """Return a batch of the same memory, made by this thread; nobody may use the other one."""
    arrays = (
        np.ndarray(part.shape, part.dtype, part.base.renew())
        if part is not None and type(part.base) is Lease
        else part
        for part in batch
    )
    return type(batch)(*arrays)


# The producers whose threads run, in this process or the one that it was forked from.
_running: set[Producer] = set()
# The threads that ended last.  When a Thread is deallocated, a callback of the standard library
# runs.  In the main thread a signal may be handled there, and then KeyboardInterrupt is lost.  So
# each is kept until the main thread has forgotten it, and dropped by a later one.
_ended: deque[threading.Thread] = deque(maxlen=16)


@atexit.register
def _stop_all() -> None:
    """Stop the threads before the interpreter takes apart what they use."""
    running = list(_running)
    for producer in running:  # before any is waited for: a signal may end the wait
        producer.pool.stopped = True
        producer.pool.returned.put(None)
    for producer in running:
        producer.join()
