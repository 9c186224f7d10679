"""One iteration of a loader: batches built by a thread, ahead of who takes them.

Which patches they hold is sampling.py's to say, and loader.py's what an iteration is of.
"""

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from .._core.pool import CancellationToken, Pool
from ..errors import RequestError
from ..reading.batch import A, Batch
from ..reading.reader import Reader
from .sampling import Samples, Shard

# Samples that are drawn at once: arithmetic on few numbers costs as much as on these.
_DRAWN = 1024
# Of iterations that have ended, and in which process each was made.
Pools = list[tuple[int, Pool]]


class Progress:
    """Where an iteration is: its alone to change, for each has its own.

    ``loaded``: whether a state gave it to the next iteration.  ``done``: all is handed out.
    """

    def __init__(self, epoch: int, position: int, loaded: bool = False) -> None:
        self.epoch, self.position, self.loaded, self.done = epoch, position, loaded, False

    def of_next(self) -> "Progress":
        """That of an iteration begun now: what was loaded is used once."""
        if self.done:
            return Progress(self.epoch + 1, 0)
        return Progress(self.epoch, self.position if self.loaded else 0)

    def advance(self) -> None:
        """The epoch is over."""
        self.epoch, self.position, self.done = self.epoch + 1, 0, False


@dataclass(frozen=True)
class BatchSpec:
    """What an iteration has to do: whose samples, drawn by ``draw``, go to which arrays.

    ``arrays``: of image, label and mask, shape of one sample and type; None of those there are not.
    """

    reader: Reader
    shard: Shard
    draw: Callable[[np.ndarray], Samples]
    arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]] | None]
    start: int
    prefetch: int

    def samples(self) -> Iterator[Samples]:
        """The samples of each batch, drawn for many at once."""
        size, n_samples = self.shard.batch_size, self.shard.n_samples(self.start)
        step = size * max(1, _DRAWN // size)
        for first in range(0, n_samples, step):
            of_rank = np.arange(first, min(first + step, n_samples))
            drawn = self.draw(self.shard.positions(self.start, of_rank))
            for k in range(0, len(of_rank), size):
                parts = (None if part is None else part[k : k + size] for part in drawn)
                yield Samples(*parts)  # type: ignore[arg-type]


class TransferHook:
    """What is done to batches between their line and who takes them: here, nothing.

    ``holds_memory``: whether what is handed out lies in the memory that it was built in.
    """

    holds_memory = True

    def take(self, producer: "Producer") -> Any:
        """The next batch, as it is handed out."""
        return producer.take()

    def close(self) -> None:
        """Let go of what is held, for nothing is taken any more."""

    def reclaim(self) -> None:
        """Let go of memory that is done with; asked before a batch is built, by who builds."""


class BatchIterator(Iterator[Batch[A]]):
    """The batches of one epoch that are still to come, in turn.

    Its thread ends when this is closed, dropped or done, when anything is raised in place of a
    batch, and with the interpreter.  It is waited for, but by whoever drops the last reference,
    perhaps the garbage collector: that may happen anywhere.
    """

    def __init__(
        self, work: BatchSpec, pool: Pool, pools: Pools, progress: Progress, hook: TransferHook
    ) -> None:
        self._progress, self._hook = progress, hook
        self._closed, self._n_taken, self._process = False, 0, os.getpid()
        self.producer = producer = Producer(work, pool, pools, progress.epoch, hook)
        if producer.thread is not None:
            self._cancellation = CancellationToken(producer.pool)
            producer.thread.start()

    def __len__(self) -> int:
        """How many are still to come."""
        return 0 if self._closed else self.producer.n_batches - self._n_taken

    def __next__(self) -> Batch[A]:
        if self._closed:
            raise StopIteration
        if os.getpid() != self._process:
            raise RequestError(
                f"this iteration belongs to process {self._process}, where its thread is; begin "
                "one in this process: iter(loader)"
            )
        if len(self) == 0:
            self.close()
            self._progress.advance()
            raise StopIteration
        try:
            batch: Batch[A] = self._hook.take(self.producer)
            self._n_taken += 1
            self._progress.position = self.producer.position(self._n_taken)
            self._progress.done = self._n_taken == self.producer.n_batches
            return batch
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it: no batch comes any more, and its thread is gone.  Once is enough."""
        self._closed = True
        if os.getpid() != self._process:  # where there is no such thread
            return
        self._hook.close()
        if self.producer.thread is not None:
            self._cancellation.cancel()
            self.producer.join()


class Producer:
    """Where the batches of an iteration are built, ahead of who takes them.

    At most ``prefetch`` batches are under way, which the pool counts.  One begins in memory that
    came back, or in new memory where fewer than that are under way; but not while the memory of
    the batch before the last is about to come back, as in a ``for`` loop, whose variable holds
    that batch until the next is there.

    The thread puts the pool among ``pools``, for iterations to come, when it ends.
    """

    def __init__(
        self, work: BatchSpec, pool: Pool, pools: Pools, epoch: int, hook: TransferHook
    ) -> None:
        # Not held: the thread would keep what belongs to an iteration that was dropped.
        self._hook, self._holds_memory = weakref.ref(hook), hook.holds_memory
        self._work, self.pool, self._pools, self._epoch = work, pool, pools, epoch
        self.n_batches, self._process = work.shard.n_batches(work.start), os.getpid()
        self.n_taken, self._most = 0, max(work.prefetch, 1)
        self._failed = False
        self._coming_back = 0
        self._ready: SimpleQueue[Batch[np.ndarray] | BaseException] = SimpleQueue()
        self._samples = work.samples()
        self.thread: threading.Thread | None = None
        if work.prefetch > 0:
            self.thread = threading.Thread(target=self._run, name="cloudio.Loader", daemon=True)

    # ---- for who takes them ------------------------------------------------------------------

    def position(self, n_batches: int) -> int:
        """Up to where the epoch is taken by so many batches of each rank."""
        return self._work.shard.position(self._work.start, n_batches)

    @property
    def is_ready(self) -> bool:
        """Whether `take` would return a batch at once."""
        return self._ready.qsize() > self._failed  # the last one is then what was raised

    def take(self) -> Batch[np.ndarray]:
        """The next batch; what was raised while it was built is raised here."""
        pool, ahead = self.pool, self.thread is not None
        if ahead:
            self._coming_back = 0
            if self._ready.empty():
                pool.returned.put(None)
            got = self._ready.get()
            if isinstance(got, BaseException):
                self._ready.put(got)  # for whoever waits beside
                try:
                    raise got
                finally:
                    del got  # whose traceback leads back here
            batch = got
        else:
            try:
                batch = self._built(next(self._samples))
            finally:
                pool.taken = pool.begun
        # Of the first batch nothing is held yet that could come back.
        self._coming_back = min(self.n_taken, 1) if self._holds_memory else 0
        self.n_taken += 1
        if ahead:
            pool.taken += 1
            if self._may_begin():
                pool.returned.put(None)
        return batch

    def join(self) -> None:
        """Wait until the thread has ended, once it was told to."""
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
            self._build()
        except BaseException as error:
            error.add_note(f"while a batch of epoch {self._epoch} was built")
            self._failed = True
            self._ready.put(error)
        while not self.pool.stopped:
            self.pool.returned.get()
        self._end()

    def _build(self) -> None:
        """Build all batches in turn, until it is told to stop."""
        pool = self.pool
        now = next(self._samples, None)
        while now is not None and not pool.stopped:
            after = next(self._samples, None)
            if after is not None:
                self._work.reader.prefetch(after.index, after.origin)
            while not (pool.stopped or self._may_begin()):
                pool.returned.get()
            if not pool.stopped:
                self._ready.put(self._built(now))
            now = after

    def _end(self) -> None:
        """Let go of batches that nobody takes, and of who waits for one; give the pool back."""
        _running.discard(self)
        self.pool.begun = self.pool.taken = 0
        with contextlib.suppress(Empty):
            while True:
                self._ready.get_nowait()
        self._ready.put(StopIteration())
        self.pool.stopped = False
        if not self._pools:
            self._pools.append((os.getpid(), self.pool))

    def _may_begin(self) -> bool:
        under_way = self.pool.begun - self.pool.taken
        return under_way < self._most and (
            self.pool.n_free > 0 or under_way + self._coming_back < self._most
        )

    def _built(self, samples: Samples) -> Batch[np.ndarray]:
        hook = self._hook()
        if hook is not None:
            hook.reclaim()
        del hook
        told = self.pool.returned
        while not told.empty():
            told.get()
        leases: Iterator[Any] = iter(self.pool.lend())
        n = len(samples.index)
        image, label, valid = (
            None if array is None else np.ndarray((n, *array[0]), array[1], next(leases))
            for array in self._work.arrays
        )
        out = (image, label) if valid is None else (image, label, None, valid)
        return self._work.reader.read(*samples, out=out)


# Those whose threads are alive, in this process or the one that it was forked from.
_running: set[Producer] = set()


@atexit.register
def _stop_all() -> None:
    """Before the interpreter takes apart what threads still use."""
    for producer in list(_running):
        producer.pool.stopped = True
        producer.pool.returned.put(None)
        producer.join()
