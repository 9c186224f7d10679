"""A consumer of batches, like a training loop: its workload, and the cost of each batch.

A candidate runs in a process of its own, so that its memory and CPU time are its own.  The
candidates are in train_candidates.py.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from ..errors import CloudioError
from ..loading.loader import Loader
from ..loading.sampling.sampler import Samples
from ..reading.batch import Batch
from ..reading.dataset import Dataset, open
from ..reading.reader import Reader
from .page_cache import Pss, interrupts_for_parent, usage
from .timing import Candidate, check
from .workload import Workload

# float32 numbers of a page; a consumer reads one of them.
_STEP = 1024


@dataclass(frozen=True)
class TrainCandidate:
    """A source of batches to time: ``opened(workload)`` is a context whose value yields them.

    A batch has an ``image``, or is one: an array or a tensor.  ``ulps``: by how many units in the
    last place a pixel may differ from numpy's.
    """

    name: str
    opened: Callable[["TrainWorkload"], AbstractContextManager[Iterator[Any]]]
    n_workers: int = 0
    ulps: int = 0


@dataclass(frozen=True)
class TrainWorkload:
    """What a consumer takes, and how: everything that its process needs to know.

    Samples are those of ``index``, in the order and with the crops that a cloudio.Loader draws.
    The consumer computes for each of ``compute_seconds`` per batch: ``n_settle`` batches that are
    not counted, then ``n_timed`` that are.  Last, memory is watched for ``n_watched`` batches.
    ``torch``: it is imported before anything is counted, as in a process that trains.
    """

    dataset: Dataset
    bands: tuple[str, ...]
    size: tuple[int, int]
    batch_size: int
    index: np.ndarray
    threads: int | None
    compute_seconds: tuple[float, ...]
    n_settle: int
    n_timed: int
    n_watched: int
    torch: bool

    @property
    def n_batches(self) -> int:
        return len(self.compute_seconds) * (self.n_settle + self.n_timed) + self.n_watched

    @cached_property
    def scales(self) -> list[np.float32]:
        return self.batch(self.dataset).scales

    @cached_property
    def reader(self) -> Reader:
        return self.batch(self.dataset).reader(self.threads)

    @property
    def sampling(self) -> dict[str, Any]:
        """Return the arguments of every loader."""
        return {"shuffle": True, "seed": 0, "crop": "random", "index": self.index}

    def loader(self) -> Loader:
        return Loader(self.reader, self.batch_size, **self.sampling)

    @cached_property
    def all_samples(self) -> Samples:
        return self.loader().samples(range(self.n_batches * self.batch_size))

    def samples(self, k: int) -> Samples:
        """Return the samples of batch ``k``."""
        part = slice(k * self.batch_size, (k + 1) * self.batch_size)
        index, origin, _ = self.all_samples
        return Samples(index[part], None if origin is None else origin[part], None)

    def batch(
        self, dataset: Dataset, index: np.ndarray | None = None, origin: np.ndarray | None = None
    ) -> Workload:
        """Return these samples as one batch, or an empty batch without them."""
        at = (np.empty(0, np.int64), np.empty((0, 2), np.int64))
        if index is not None and origin is not None:
            at = index, origin
        return Workload(dataset, self.bands, None, self.size, len(at[0]), at=at)

    def check(self, candidate: TrainCandidate, k: int, batch: Any) -> None:
        """Raise CloudioError, with batch and sample, if the batch differs from numpy's."""
        answer = Batch(image_of(batch), None, self.samples(k).index)
        name = f"{candidate.name}, batch {k}"
        folder = next(iter(self.dataset.folders.values()))
        # By mappings that are closed afterwards.
        with open(folder, layout=self.dataset.layout) as apart:
            workload = self.batch(apart, *self.samples(k)[:2])
            given = Candidate(name, 1, lambda _: answer, candidate.ulps)
            check(given, workload.allocate(), workload.expected())


def image_of(batch: Any) -> np.ndarray:
    return np.asarray(getattr(batch, "image", batch))


# ---- one consumer --------------------------------------------------------------------------------


class Clock(NamedTuple):
    """Functions of a clock: the seconds now, sleep, and CPU seconds of all processes."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    cpu: Callable[[], float]


CLOCK = Clock(time.perf_counter, time.sleep, lambda: usage().cpu_seconds)


@dataclass(frozen=True)
class Consumption:
    """The cost of ``n`` batches: seconds in all, and those in which the consumer waited."""

    n: int
    seconds: float
    waited: float
    cpu_seconds: float


@dataclass(frozen=True)
class ConsumerRun:
    """One run: what each of ``compute_seconds`` gave, and bytes of memory.

    ``pss`` is the peak of all processes, ``own`` that without pages of mapped files, and
    ``own_before`` what this was before anything of the candidate existed.
    """

    consumed: list[Consumption]
    pss: int
    own: int
    own_before: int


def consume(
    batches: Iterator[Any], n: int, compute_seconds: float, clock: Clock = CLOCK
) -> Consumption:
    """Take ``n`` batches; each keeps the consumer busy for ``compute_seconds``.

    Busy is asleep, as a process is that waits for a device: it needs no CPU and no GIL.  Before
    that it looks at one value of each page, as a copy to a device does, so that memory shared with
    workers is mapped here too.  A batch is held until the next one is there, as by a ``for`` loop.
    """
    cpu, begin, waited = clock.cpu(), clock.now(), 0.0
    for _ in range(n):
        requested = clock.now()
        batch = next(batches)
        arrived = clock.now()
        waited += arrived - requested
        image_of(batch).reshape(-1)[::_STEP].max()
        if (left := arrived + compute_seconds - clock.now()) > 0:
            clock.sleep(left)
    return Consumption(n, clock.now() - begin, waited, clock.cpu() - cpu)


def run_consumer(
    candidate: TrainCandidate, workload: TrainWorkload, clock: Clock = CLOCK
) -> ConsumerRun:
    """Run one candidate in this process.

    CloudioError if its first batch, before any clock starts, or its last, after all clocks
    have stopped, differs from numpy's, or where batches are missing.
    """
    if workload.torch:
        import torch  # noqa: F401
    pss, consumed = Pss(), []
    with candidate.opened(workload) as batches:
        try:
            workload.check(candidate, 0, next(batches))
            for k, compute in enumerate(workload.compute_seconds):
                # The first of those that settle has been checked.
                consume(batches, workload.n_settle - (k == 0), compute, clock)
                consumed.append(consume(batches, workload.n_timed, compute, clock))
            with pss.watched():
                consume(batches, workload.n_watched - 1, workload.compute_seconds[0], clock)
                last = next(batches)
        except StopIteration:
            raise CloudioError(
                f"{candidate.name}: fewer than {workload.n_batches} batches"
            ) from None
        workload.check(candidate, workload.n_batches - 1, last)
        del last
    return ConsumerRun(consumed, pss.peak, pss.own_peak, pss.own_before)


# ---- a process of its own ------------------------------------------------------------------------


def run_apart(candidate: TrainCandidate, workload: TrainWorkload) -> ConsumerRun:
    """`run_consumer` in a new process, which is gone afterwards in any case.

    Its CloudioError is raised here; CloudioError with its exit status where it dies.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(candidate, workload, theirs))
    try:
        with interrupts_for_parent():
            process.start()
        theirs.close()
        with ours:
            found = ours.recv()
    except EOFError:
        process.join()
        raise CloudioError(
            f"{candidate.name}: its process ended with status {process.exitcode} and no result"
        ) from None
    except BaseException:
        if process.pid is not None:
            process.terminate()
        raise
    finally:
        if process.pid is not None:
            process.join()
    if isinstance(found, CloudioError):
        raise found
    result: ConsumerRun = found
    return result


def _child(candidate: TrainCandidate, workload: TrainWorkload, pipe: Connection) -> None:
    with pipe, contextlib.suppress(BrokenPipeError):  # the parent is gone
        try:
            pipe.send(run_consumer(candidate, workload))
        except CloudioError as error:
            pipe.send(error)
