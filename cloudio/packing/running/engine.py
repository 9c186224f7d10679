"""The run: workers read samples and write rows; what is on the disk is told to the journal."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np

from ..._core.checksums import checksum
from ...errors import CloudioError, ReadError, RequestError
from ..ahead import in_order
from ..plan import Plan, as_fields
from ..sample import LeftOut, Sample, Source, describe_error
from ..splits import check_splits
from .committer import submit_to
from .row_files import RowFiles

T = TypeVar("T")

#: Samples of one task, unless the source says how many belong together.
TASK_SIZE = 8
_TASKS_AHEAD = 3  # of each worker
#: More codes of a label are no classes.
MOST_CODES = 256


@dataclass(slots=True)
class Outcome:
    """What became of one sample.

    ``checksums``: one of each array as stored.  ``fields``: its columns of metadata.csv.
    ``codes``: the numbers of each label.  ``left_out``: why it is not packed; ``error``: what
    stops the run.
    """

    k: int
    checksums: tuple[int, ...] = ()
    fields: dict[str, str] | None = None
    codes: dict[str, list[int]] | None = None
    left_out: str | None = None
    error: CloudioError | None = None


class RowWriter:
    """Writes the rows of samples."""

    def __init__(self, plan: Plan, folder: Path, rows: "Rows") -> None:
        self._plan, self._rows = plan, rows
        self._files = RowFiles(folder, plan, rows.splits)

    def store(self, k: int, sample: Sample) -> Outcome:
        """Write the row of sample k."""
        planes = self._plan.planes(sample)
        self._files.write(*self._rows[k], planes)
        codes = {
            array.name: _codes(plane)
            for array, plane in zip(self._plan.arrays, planes, strict=True)
            if array.info.kind == "label"
        }
        return Outcome(k, tuple(map(checksum, planes)), as_fields(sample.attributes), codes)

    def close(self) -> None:
        self._files.close()


class Worker(RowWriter):
    """Reads samples of a source and writes their rows, or compares them with written rows."""

    def __init__(self, source: Source, plan: Plan, folder: Path, rows: "Rows") -> None:
        super().__init__(plan, folder, rows)
        self._source = source

    def pack(self, numbers: Iterable[int]) -> list[Outcome]:
        """Write the rows of these samples."""
        return [self._attempt(k, self._pack_one) for k in numbers]

    def compare(self, numbers: Iterable[int]) -> list[Outcome]:
        """Read these samples again; a row that differs is an error."""
        return [self._attempt(k, self._compare_one) for k in numbers]

    def _attempt(self, k: int, do: Callable[[int], Outcome]) -> Outcome:
        try:
            return do(k)
        except LeftOut as reason:
            return Outcome(k, left_out=str(reason) or "left out")
        except Exception as error:
            return Outcome(k, error=describe_error(error, self._source.name_of(k)))

    def _pack_one(self, k: int) -> Outcome:
        return self.store(k, self._source.read(k))

    def _compare_one(self, k: int) -> Outcome:
        planes = self._plan.planes(self._source.read(k))
        split, row = self._rows[k]
        for array, plane in zip(self._plan.arrays, planes, strict=True):
            if self._files.read(split, row, array) != plane.tobytes():
                raise RequestError(f"{array.name} differs from patch {row} of {split}")
        return Outcome(k)


def _codes(plane: np.ndarray) -> list[int]:
    """Return the numbers of a label; none if they are too many for classes."""
    if plane.dtype.kind == "f":
        return []
    unsigned = plane.view(f"u{plane.dtype.itemsize}").ravel()
    found = np.flatnonzero(np.bincount(unsigned))
    if len(found) > MOST_CODES:
        return []
    codes: list[int] = found.astype(unsigned.dtype).view(plane.dtype).tolist()
    return codes


# ---- rows of samples -----------------------------------------------------------------------------


class Rows:
    """The split and the row of each sample: rows of a split are its samples in their order."""

    def __init__(self, splits: Sequence[str], which: np.ndarray) -> None:
        self.splits = tuple(splits)
        self._which = which
        self._row = np.zeros(len(which), np.int64)
        self.counts = {}
        for number, split in enumerate(self.splits):
            members = np.flatnonzero(which == number)
            self._row[members] = np.arange(len(members))
            self.counts[split] = len(members)

    @classmethod
    def of(cls, source: Source) -> "Rows":
        """Return the rows of a source; the order of splits is that of their first samples.

        RequestError if they are no splits of a data set.
        """
        numbers: dict[str, int] = {}
        which = np.fromiter(
            (numbers.setdefault(source.split_of(k), len(numbers)) for k in range(len(source))),
            np.int32,
            len(source),
        )
        check_splits(numbers)
        return cls(tuple(numbers), which)

    def __getitem__(self, k: int) -> tuple[str, int]:
        return self.splits[self._which[k]], int(self._row[k])

    def samples(self, split: str) -> np.ndarray:
        """Return the samples of a split, in the order of its rows."""
        return np.flatnonzero(self._which == self.splits.index(split))


class EndlessRows(Rows):
    """The rows of samples whose number is not known: all of one split."""

    def __init__(self, split: str) -> None:
        super().__init__((split,), np.zeros(0, np.int32))

    def __getitem__(self, k: int) -> tuple[str, int]:
        return self.splits[0], k


# ---- workers -------------------------------------------------------------------------------------


_worker: Worker | None = None


def _start_process(source: Source, plan: Plan, folder: Path, rows: Rows) -> None:
    global _worker
    # Where it cannot be blocked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(source, plan, folder, rows)


def _end_with_parent() -> None:
    """End this process when the parent has gone, which a killed one cannot tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _do(verb: str, numbers: Sequence[int]) -> list[Outcome]:
    assert _worker is not None
    outcomes: list[Outcome] = getattr(_worker, verb)(numbers)
    return outcomes


@contextmanager
def workers(
    source: Source, plan: Plan, folder: Path, rows: Rows, n: int
) -> Iterator[Callable[[str, Sequence[int]], "Future[list[Outcome]]"]]:
    """Give a function that hands a task, a verb of `Worker` and samples, to one of ``n`` workers.

    They are processes; or threads of this one, if the source says so, one worker is enough, or
    this process may have no others because it is a daemon.
    """
    if source.in_threads or n == 1 or multiprocessing.current_process().daemon:
        worker = Worker(source, plan, folder, rows)
        threads = ThreadPoolExecutor(n, thread_name_prefix="cloudio-pack")
        try:
            yield lambda verb, numbers: submit_to(threads, getattr(worker, verb), numbers)
        finally:
            threads.shutdown(cancel_futures=True)
            worker.close()
        return
    # Not forked, because this process may have threads; nor from the one server of forks, because
    # other code of this process may use it.
    context = multiprocessing.get_context("spawn")
    arguments = (source, plan, folder, rows)
    processes = ProcessPoolExecutor(n, context, _start_process, arguments)

    def submit(verb: str, numbers: Sequence[int]) -> "Future[list[Outcome]]":
        with _without_main(), _without_interrupts():  # processes are started when there are tasks
            return submit_to(processes, _do, verb, numbers)

    try:
        yield submit
    finally:
        processes.shutdown(cancel_futures=True)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT, and so in processes that are started here: Ctrl-C is for the parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep new processes from running the caller's script again, of which they need nothing."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


# ---- the run -------------------------------------------------------------------------------------


def run_tasks(
    submit: Callable[[str, Sequence[int]], "Future[list[Outcome]]"],
    verb: str,
    numbers: Iterable[int],
    task_size: int,
    n_workers: int,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of tasks as they end; few tasks are given out at a time.

    After an interrupt, or when the caller stops, tasks that have begun are waited for.
    """
    tasks = _tasks(numbers, task_size)
    try:
        yield from in_order(partial(submit, verb), tasks, _TASKS_AHEAD * n_workers)
    except BrokenProcessPool:
        raise ReadError(
            "a worker process was ended from outside, perhaps because memory ran out; go on with "
            "resume=True (--resume) and fewer workers"
        ) from None


def _tasks(numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield groups of consecutive samples that begin at multiples of ``size``."""
    group: list[int] = []
    for k in numbers:
        if group and (k // size != group[0] // size):
            yield group
            group = []
        group.append(int(k))
    if group:
        yield group
