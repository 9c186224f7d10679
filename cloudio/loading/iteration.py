"""One iteration of a loader: the batches of an epoch that are still to come."""

import os
import threading
from collections.abc import Callable, Iterator

from .._core.pool import CancellationToken
from ..errors import RequestError
from ..reading.batch import B
from .prefetch import Producer, TransferHook


class Progress:
    """The progress of an iteration.  Each iteration has its own, and only it changes it.

    ``begun``: a batch was handed out.  ``moved_to``: where the loader was moved before that.
    """

    def __init__(self, epoch: int, position: int) -> None:
        self.epoch, self.position, self.begun = epoch, position, False
        self.moved_to: Progress | None = None

    def next(self) -> "Progress":
        """Return the progress of an iteration that starts now.

        An epoch that was left early is over: its batches are not handed out again.
        """
        return Progress(self.epoch + 1, 0) if self.begun else Progress(self.epoch, self.position)

    def end_epoch(self) -> None:
        self.epoch, self.position, self.begun = self.epoch + 1, 0, False


class BatchIterator(Iterator[B]):
    """The remaining batches of one epoch, in turn.

    Its thread ends when the iterator is closed, dropped or exhausted, when an error is raised in
    place of a batch, and with the interpreter.  `close` waits for the thread.  Dropping the last
    reference does not: the garbage collector may do that anywhere.

    Threads may share it: each batch goes to one of them.
    """

    def __init__(
        self, start: Callable[[Progress], tuple[Producer, TransferHook]], progress: Progress
    ) -> None:
        self._start, self._progress = start, progress
        self._closed, self._n_taken, self._process = False, 0, os.getpid()
        # Reentrant: a signal may come while it is held.  No child of a fork takes it.
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self.producer, self._hook = self._start(self._progress)
        if self.producer.has_thread:
            self._cancellation = CancellationToken(self.producer.pool)
            try:
                self.producer.start()
            except BaseException:  # a signal; the thread may run all the same
                self._cancellation.cancel()
                raise

    def _follow(self) -> None:
        """Begin again where the loader was moved to."""
        self._end()
        while self._progress.moved_to is not None:
            self._progress = self._progress.moved_to
        self._begin()
        if self._closed:  # meanwhile
            self._end()

    def __len__(self) -> int:
        """Return how many batches are still to come."""
        return 0 if self._closed else self.producer.n_batches - self._n_taken

    def __next__(self) -> B:
        if self._closed:
            raise StopIteration
        if os.getpid() != self._process:
            raise RequestError(
                f"this iteration was begun in process {self._process}, which has its thread; "
                "begin one in this process with iter(loader)"
            )
        with self._lock:
            return self._next()

    def _next(self) -> B:
        if self._closed:  # meanwhile
            raise StopIteration
        if self._progress.moved_to is not None and self._n_taken == 0:
            self._follow()
        if len(self) == 0:
            self.close()
            self._progress.end_epoch()
            raise StopIteration
        try:
            batch: B = self._hook.take(self.producer)
            self._n_taken += 1
            self._progress.position = self.producer.position(self._n_taken)
            self._progress.begun = True
            return batch
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the iteration and its thread; closing it again does nothing."""
        self._closed = True
        if os.getpid() == self._process:  # a forked child has no such thread
            self._end()

    def _end(self) -> None:
        self._hook.close()
        if self.producer.has_thread:
            self._cancellation.cancel()
            self.producer.join()
