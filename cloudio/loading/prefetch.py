"""Builds the batches of one iteration, in a thread, ahead of the caller."""

import atexit
import contextlib
import math
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
from ..errors import RequestError
from ..reading.batch import Batch, make_batch
from ..reading.plans import reads_past_cache
from ..reading.reader import Reader
from .sampling.sampler import Samples, Shard

# Samples are drawn at least this many at once: fewer cost as much time.
_DRAWN_AT_ONCE = 1024
#: Without a GIL, an object whose last reference goes in a thread that did not make it is
#: deallocated when the thread that made it next runs Python code.  That may be long, if that thread
#: waits.
FREE_THREADED = "free-threading" in sys.version
# The pools that no iteration uses, each with the process that made it.
IdlePools = list[tuple[int, Pool]]


@dataclass(frozen=True)
class BatchSpec:
    """The description of the batches of an iteration.

    ``draw``: the samples of positions.  ``arrays``: shape and type of image, label and mask of one
    sample; None for an array that batches do not have.  ``start``: the first position.
    ``prefetch``: how many batches to build ahead.  ``finish``: what is done to a batch once it is
    read, in the thread that reads it; None is nothing.  ``group``: the most batches that one read
    builds; they share memory.
    """

    reader: Reader[Any]
    shard: Shard
    draw: Callable[[np.ndarray], Samples]
    arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]] | None]
    start: int
    prefetch: int
    finish: Callable[[Batch[np.ndarray]], Any] | None = None
    group: int = 1

    @property
    def max_groups(self) -> int:
        """How many groups may be ahead of the one in use."""
        return max(1, -(-self.prefetch // self.group))

    def samples(self) -> Iterator[Samples]:
        """Yield the samples of each group of batches; they are drawn for many batches at once.

        The first group has ``prefetch`` batches, and each one twice as many as the one before, up
        to ``group``.  So the first batch is there soon, and of a loop that ends early little is
        read in vain.
        """
        size, n_samples = self.shard.batch_size, self.shard.n_samples(self.start)
        step = size * self.group * max(1, _DRAWN_AT_ONCE // (size * self.group))
        n = min(self.group, max(1, self.prefetch))
        for first in range(0, n_samples, step):
            numbers = np.arange(first, min(first + step, n_samples))
            drawn = self.draw(self.shard.positions(self.start, numbers))
            k = 0
            while k < len(numbers):
                yield _part(drawn, k, k + n * size)
                k, n = k + n * size, min(2 * n, self.group)


def _part(samples: Samples, first: int, last: int) -> Samples:
    """Return the samples from one number up to another."""
    index, origin, symmetry = samples
    return Samples(
        index[first:last],
        None if origin is None else origin[first:last],
        None if symmetry is None else symmetry[first:last],
    )


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

    Batches are built in groups, of one batch unless they are small.  A group is in progress until
    its first batch is taken.  At most ``max_groups`` are; the pool counts them.  A group starts in
    memory that came back, or in new memory while fewer are in progress.  But it does not start
    while the memory of the group before the last is about to come back, as in a ``for`` loop, whose
    variable holds its last batch until the next one is there.

    When the thread ends, it adds its pool to ``idle_pools``, for the next iterations.
    """

    def __init__(
        self, spec: BatchSpec, pool: Pool, idle_pools: IdlePools, epoch: int, hook: TransferHook
    ) -> None:
        # A weak reference: the thread must not keep what belongs to a dropped iteration.
        self._hook, self._holds_memory = weakref.ref(hook), hook.holds_memory
        self._spec, self.pool, self._idle_pools, self._epoch = spec, pool, idle_pools, epoch
        self.n_batches, self._process = spec.shard.n_batches(spec.start), os.getpid()
        self.n_taken, self._limit = 0, spec.max_groups
        # What is read past the page cache is read there only if something has put it there.
        self._uses_cache = not reads_past_cache(spec.reader)
        self._failed = False
        self._n_returning = 0
        self._arrays = [
            None if array is None else (*array, math.prod(array[0]) * array[1].itemsize)
            for array in spec.arrays
        ]
        self._ready: SimpleQueue[Any] = SimpleQueue()
        self._samples = spec.samples()
        self.has_thread = spec.prefetch > 0
        self.thread: threading.Thread | None = None  # once it runs

    # ---- for the caller ----------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; RequestError if there can be no more threads.

        If a signal ends this, the thread may run all the same.
        """
        # Thread and producer refer to each other only once it runs: if it never does, both go at
        # once, and not with the garbage collector, which would deallocate a Thread anywhere.
        thread = threading.Thread(target=self._run, name="cloudio.Loader", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if thread.ident is not None or "start" not in str(error):
                # It runs, or is about to, and a signal came: `threading` then releases a lock that
                # it does not hold.  Else Python says "can't start new thread".
                raise error.__context__ or error from None
            raise RequestError(
                f"the loader's thread cannot be started ({error}); pass prefetch=0, which needs no "
                "thread, or raise the limit of processes (ulimit -u, or that of a container)"
            ) from None
        self.thread = thread

    def position(self, n_batches: int) -> int:
        """Return the position up to which the epoch is done after ``n_batches`` of each rank."""
        return self._spec.shard.position(self._spec.start, n_batches)

    @property
    def is_ready(self) -> bool:
        """Return whether `take` would return a batch at once."""
        return self._ready.qsize() > self._failed  # the last entry is then the error

    def take(self) -> Any:
        """Return the next batch, or raise the error that came up while it was built."""
        pool = self.pool
        if not self.has_thread:
            try:
                return self._read(next(self._samples), self._lend(), 0, False)
            finally:
                pool.take_all()
        # Whoever asks for a batch has let go of what was about to come back, or keeps it.
        was_returning, self._n_returning = self._n_returning > 0, 0
        if self._ready.empty():
            pool.returned.put(None)
        got = self._ready.get()
        if type(got) is _Failure:
            self._ready.put(got)  # for other threads that wait
            try:
                raise got.error
            finally:
                del got  # its traceback refers to this frame
        batch, begins_group = got
        if FREE_THREADED and self._spec.finish is None:
            batch = own(batch)
        if begins_group:
            # Of the first one, no earlier one can be about to come back, unless of another epoch.
            is_first = self.n_taken == 0 and pool.n_lent <= pool.begun - pool.taken
            self._n_returning = 1 if self._holds_memory and not is_first else 0
            pool.take()
        self.n_taken += 1
        if FREE_THREADED or ((begins_group or was_returning) and self._may_start()):
            pool.returned.put(None)
        return batch

    def join(self) -> None:
        """Wait until the thread has ended; it must have been stopped before."""
        thread = self.thread
        # In a child it would never end: one that was about to when it forked still holds its lock.
        if thread is None or os.getpid() != self._process:
            return
        if thread is not threading.current_thread():
            thread.join()

    # ---- for the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        self.thread = threading.current_thread()
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
        """Build all groups in turn, until the pool is stopped."""
        pool = self.pool
        current = next(self._samples, None)
        while current is not None and not pool.stopped:
            following = next(self._samples, None)
            if following is not None and self._uses_cache:
                self._spec.reader.prefetch(following.index, following.origin)
            while not (pool.stopped or self._may_start()):
                pool.returned.get()
            if not pool.stopped:
                self._build(current)
            current = following

    def _end(self) -> None:
        """Drop batches that were not taken, release waiting callers, and give the pool back."""
        _ended.append((os.getpid(), threading.current_thread()))  # drops an older one here
        _running.discard(self)
        self.pool.reset()
        with contextlib.suppress(Empty):
            while True:
                self._ready.get_nowait()
        self._ready.put(_Failure(StopIteration()))
        self.pool.stopped = False
        if not self._idle_pools:
            self._idle_pools.append((os.getpid(), self.pool))

    def _may_start(self) -> bool:
        n_in_progress = self.pool.begun - self.pool.taken
        return n_in_progress < self._limit and (
            self.pool.n_free > 0 or n_in_progress + self._n_returning < self._limit
        )

    def _build(self, samples: Samples) -> None:
        """Build the batches of a group, by one read, and put them where `take` gets them.

        If that read fails, each batch is read on its own, and the error comes in its turn.
        """
        leases, size, n = self._lend(), self._spec.shard.batch_size, len(samples.index)
        is_read = False
        if n > size:
            with contextlib.suppress(Exception):
                self._spec.reader.read(*samples, out=self._batch(samples, leases, 0))
                is_read = True
        for first in range(0, n, size):
            part = _part(samples, first, first + size)
            self._ready.put((self._read(part, leases, first, is_read), first == 0))

    def _lend(self) -> list[Any]:
        """Begin a group; return its memory."""
        hook = self._hook()
        if hook is not None:
            hook.reclaim()
        del hook
        returned = self.pool.returned
        while not returned.empty():
            returned.get()
        return self.pool.lend()

    def _read(self, samples: Samples, leases: list[Any], first: int, is_read: bool) -> Any:
        """Return a batch that begins at the sample ``first`` of a group; it may be read already."""
        batch = self._batch(samples, leases, first)
        if not is_read:
            batch = self._spec.reader.read(*samples, out=batch)
        return batch if self._spec.finish is None else self._spec.finish(batch)

    def _batch(self, samples: Samples, leases: list[Any], first: int) -> Any:
        """Return arrays over the memory of a group, from the sample ``first`` on."""
        n, lease = len(samples.index), iter(leases)
        image, label, valid = [
            None
            if array is None
            else np.ndarray((n, *array[0]), array[1], next(lease), first * array[2])
            for array in self._arrays
        ]
        return make_batch(image, label, samples.index, valid)


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
_ended: deque[tuple[int, threading.Thread]] = deque(maxlen=16)


@atexit.register
def _stop_all() -> None:
    """Stop the threads before the interpreter takes apart what they use.

    Those that end already are waited for too: where the collector runs in one of them and destroys
    what is of C++, the end of the interpreter would abort the process.
    """
    running = list(_running)
    for producer in running:  # before any is waited for: a signal may end the wait
        producer.pool.stopped = True
        producer.pool.returned.put(None)
    for producer in running:
        producer.join()
    for process, thread in list(_ended):
        if process == os.getpid() and thread is not threading.current_thread():
            thread.join()
