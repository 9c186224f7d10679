"""What flushes files and then tells the journal, beside the workers of a run."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ...errors import RequestError

T = TypeVar("T")

# What a crash of the machine can cost, and how often the disk is waited for.
_COMMIT_SECONDS, _COMMIT_BYTES = 2.0, 256 << 20


class Committer(Generic[T]):
    """Flushes files and then tells the journal, beside the run: one commit at a time.

    ``commit`` gets what is done in the order in which it came.
    """

    def __init__(self, commit: Callable[[list[T]], None]) -> None:
        self._commit = commit
        self._pending: list[T] = []
        self._n_bytes = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloudio-commit")
        self._last: Future[None] | None = None
        self._since = time.monotonic()

    def add(self, done: Sequence[T], n_bytes: int) -> None:
        """Take note of what is done and of its bytes; sometimes begin a commit."""
        self._pending += done
        self._n_bytes += n_bytes
        seconds = time.monotonic() - self._since
        if seconds < _COMMIT_SECONDS and self._n_bytes < _COMMIT_BYTES:
            return
        if self._last is None or self._last.done():
            self._begin()

    def _begin(self) -> None:
        if self._last is not None:
            self._last.result()
        pending, self._pending, self._n_bytes = self._pending, [], 0
        self._since = time.monotonic()
        self._last = submit_to(self._thread, self._commit, pending)

    def close(self) -> None:
        """Commit what is left, and wait for it."""
        try:
            if self._pending:
                self._begin()
            if self._last is not None:
                self._last.result()
        finally:
            self._thread.shutdown()


@contextmanager
def committing(sync: Callable[[], None], tell: Callable[[list[T]], None]) -> Iterator[Committer[T]]:
    """Give what commits: all that is written is on the disk before the journal tells of it."""

    def commit(done: list[T]) -> None:
        sync()
        tell(done)

    committer = Committer(commit)
    try:
        yield committer
    finally:
        committer.close()


def submit_to(executor: Executor, do: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Give a task to an executor; RequestError if it cannot start a thread for it."""
    try:
        return executor.submit(do, *arguments)
    except BrokenExecutor:
        raise
    except RuntimeError as error:  # of Python, such as "can't start new thread"
        raise RequestError(
            f"a worker cannot be started ({error}); give fewer workers, or raise the limit of "
            "processes (ulimit -u, or that of a container)"
        ) from None
