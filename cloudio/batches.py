"""One iteration of a loader: batches built by a thread, ahead of who takes them.

Which patches they hold is draws.py's to say, and loader.py's what an iteration is of.
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from ._pool import Pool
from .draws import Samples, Shard
from .errors import RequestError
from .reader import A, Batch, Reader

# Samples that are drawn at once: arithmetic on few numbers costs as much as on these.
_DRAWN = 1024


class Progress:
    """Where an iteration is: its alone to change, for each has its own."""

    def __init__(self, epoch: int, position: int, loaded: bool = False) -> None:
        self.epoch, self.position, self.loaded = epoch, position, loaded

    def of_next(self) -> "Progress":
        """That of an iteration begun now: what was loaded is used once."""
        return Progress(self.epoch, self.position if self.loaded else 0)


@dataclass(frozen=True)
class Work:
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


class Handover:
    """What is done to batches between their line and who takes them: here, nothing."""

    def take(self, line: "_Line") -> Any:
        """The next batch, as it is handed out."""
        return line.take()

    def close(self) -> None:
        """Let go of what is held; called once, when nothing is taken any more."""


class Batches(Iterator[Batch[A]]):
    """The batches of one epoch that are still to come, in turn.

    Its thread ends when this is closed, dropped or done, when anything is raised in place of a
    batch, and with the interpreter.  ``ended``: called once all batches have been taken.
    """

    def __init__(
        self,
        work: Work,
        pools: list[Pool],
        pool: Pool,
        progress: Progress,
        ended: Callable[[Progress], None],
        handover: Handover,
    ) -> None:
        self._progress, self._ended, self._process = progress, ended, os.getpid()
        self._handover, self._n_taken = handover, 0
        self._line = line = _Line(work, pool, progress.epoch)
        thread = None
        if work.prefetch > 0:
            thread = threading.Thread(target=line.build, name="cloudio.Loader", daemon=True)
        # No method of this object, which it would keep alive.
        self._end = weakref.finalize(self, _finish, line, handover, pools, thread, self._process)
        if thread is not None:
            thread.start()

    def __len__(self) -> int:
        """How many are still to come."""
        return self._line.n_batches - self._n_taken if self._end.alive else 0

    def __next__(self) -> Batch[A]:
        if not self._end.alive:
            raise StopIteration
        if os.getpid() != self._process:
            raise RequestError(
                f"this iteration belongs to process {self._process}, where its thread is; begin "
                "one in this process: iter(loader)"
            )
        if len(self) == 0:
            self.close()
            self._ended(self._progress)
            raise StopIteration
        try:
            batch: Batch[A] = self._handover.take(self._line)
            self._n_taken += 1
            self._progress.position = self._line.position(self._n_taken)
            return batch
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it: no batch comes any more, and its thread is gone."""
        self._end()


class _Line:
    """Where the batches of an iteration are built, ahead of who takes them.

    At most ``prefetch`` batches are under way, which the pool counts.  One begins in memory that
    came back, or in new memory where fewer than that are under way; but not while the memory of
    the batch before the last is about to come back, as in a ``for`` loop, whose variable holds
    that batch until the next is there.
    """

    def __init__(self, work: Work, pool: Pool, epoch: int) -> None:
        self._work, self.pool, self._epoch = work, pool, epoch
        self.n_batches = work.shard.n_batches(work.start)
        self.n_taken = 0
        self.stopped = False
        self._failed = False
        self._coming_back = 0
        self._ready: SimpleQueue[Batch[np.ndarray] | BaseException] = SimpleQueue()
        self._samples = work.samples()

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
        pool, ahead = self.pool, self._work.prefetch > 0
        if ahead:
            self._coming_back = 0
            if self._ready.empty():
                pool.returned.put(None)
            got = self._ready.get()
            if isinstance(got, BaseException):
                try:
                    raise got
                finally:
                    del got  # whose traceback leads back here
            batch = got
        else:
            batch = self._built(next(self._samples))
        # Of the first batch nothing is held yet that could come back.
        self._coming_back = min(self.n_taken, 1)
        self.n_taken += 1
        pool.taken += 1
        if ahead and self._may_begin():
            pool.returned.put(None)
        return batch

    def drop(self) -> None:
        """Let go of batches that nobody will take, and of another thread that waits for one."""
        self.pool.begun = self.pool.taken = 0
        with contextlib.suppress(Empty):
            while True:
                self._ready.get_nowait()
        self._ready.put(StopIteration())

    # ---- for the thread ----------------------------------------------------------------------

    def build(self) -> None:
        """Build all batches in turn, until `stopped`."""
        try:
            now = next(self._samples, None)
            while now is not None:
                after = next(self._samples, None)
                if after is not None:
                    self._work.reader.prefetch(after.index, after.origin)
                while not (self.stopped or self._may_begin()):
                    self.pool.returned.get()
                if self.stopped:
                    return
                self._ready.put(self._built(now))
                now = after
        except BaseException as error:
            error.add_note(f"while a batch of epoch {self._epoch} was built")
            self._failed = True
            self._ready.put(error)

    def _may_begin(self) -> bool:
        under_way = self.pool.begun - self.pool.taken
        return under_way < self.pool.most and (
            self.pool.n_free > 0 or under_way + self._coming_back < self.pool.most
        )

    def _built(self, samples: Samples) -> Batch[np.ndarray]:
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


def _finish(
    line: _Line,
    handover: Handover,
    pools: list[Pool],
    thread: threading.Thread | None,
    process: int,
) -> None:
    """End a line; its memory is for the loader's next iteration."""
    if os.getpid() != process:  # a child has no such thread, and perhaps a queue that is held
        return
    line.stopped = True
    try:
        handover.close()
    finally:
        _stop(line, pools, thread)


def _stop(line: _Line, pools: list[Pool], thread: threading.Thread | None) -> None:
    if thread is not None and thread.ident is not None:
        line.pool.returned.put(None)
        if thread is threading.current_thread():  # which collects garbage
            return
        thread.join()
    line.drop()
    if not pools:
        pools.append(line.pool)
