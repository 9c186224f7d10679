"""A consumer that computes: batches taken one after another, and what that costs.

A contender runs in a process of its own, so that what it holds and uses is not another's.  The
contenders are train_ways.py's, the report train.py's.
"""

import contextlib
import multiprocessing
import signal
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
from ..loading.sampling import Samples
from ..reading.batch import Batch
from ..reading.dataset import Dataset, open
from ..reading.reader import Reader
from .candidates import Contender, Work, check
from .page_cache import Pss, usage

# float32 of a page, of which a consumer looks at one.
_STEP = 1024


@dataclass(frozen=True)
class Way:
    """A way to get batches: ``opened(job)`` is a context whose value yields them.

    A batch has an ``image``, or is one: an array or a tensor.  ``ulps``: by how many units in the
    last place a pixel may differ from numpy's.
    """

    name: str
    opened: Callable[["Job"], AbstractContextManager[Iterator[Any]]]
    n_workers: int = 0
    ulps: int = 0


@dataclass(frozen=True)
class Job:
    """What a consumer is given, and how it takes it: all that its process is told.

    Samples are those of ``index``, in the order and the crops that a cloudio.Loader draws.
    ``computes``: seconds that a batch takes the consumer, each for ``n_timed`` batches, after
    ``n_settle`` that are not counted; then memory is watched for ``n_watched``.  ``torch``:
    imported before anything is counted, as in a process that trains.
    """

    dataset: Dataset
    bands: tuple[str, ...]
    size: tuple[int, int]
    batch_size: int
    index: np.ndarray
    threads: int | None
    computes: tuple[float, ...]
    n_settle: int
    n_timed: int
    n_watched: int
    torch: bool

    @property
    def n_batches(self) -> int:
        return len(self.computes) * (self.n_settle + self.n_timed) + self.n_watched

    @cached_property
    def scales(self) -> list[np.float32]:
        return self.work(self.dataset).scales

    @cached_property
    def reader(self) -> Reader:
        return self.work(self.dataset).reader(self.threads)

    @property
    def drawn(self) -> dict[str, Any]:
        """What every loader is told."""
        return {"shuffle": True, "seed": 0, "crop": "random", "index": self.index}

    def loader(self) -> Loader:
        return Loader(self.reader, self.batch_size, **self.drawn)

    @cached_property
    def all_samples(self) -> Samples:
        return self.loader().samples(range(self.n_batches * self.batch_size))

    def samples(self, k: int) -> Samples:
        """Those of batch ``k``."""
        of_batch = slice(k * self.batch_size, (k + 1) * self.batch_size)
        index, origin, _ = self.all_samples
        return Samples(index[of_batch], None if origin is None else origin[of_batch], None)

    def work(
        self, dataset: Dataset, index: np.ndarray | None = None, origin: np.ndarray | None = None
    ) -> Work:
        """These samples, as the judge of answers knows them."""
        at = (np.empty(0, np.int64), np.empty((0, 2), np.int64))
        if index is not None and origin is not None:
            at = index, origin
        return Work(dataset, self.bands, None, self.size, len(at[0]), at=at)

    def check(self, way: Way, k: int, batch: Any) -> None:
        """CloudioError, naming batch and sample, where it is not the one numpy computes."""
        answer = Batch(image_of(batch), None, self.samples(k).index)
        name = f"{way.name}, batch {k}"
        folder = next(iter(self.dataset.folders.values()))
        # By mappings that are gone afterwards.
        with open(folder, layout=self.dataset.layout) as apart:
            work = self.work(apart, *self.samples(k)[:2])
            judged = Contender(name, 1, lambda _: answer, way.ulps)
            check(judged, work.allocate(), work.expected())


def image_of(batch: Any) -> np.ndarray:
    return np.asarray(getattr(batch, "image", batch))


# ---- one consumer --------------------------------------------------------------------------------


class Clock(NamedTuple):
    """Where seconds come from: passed, slept, and used by all CPUs."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    cpu: Callable[[], float]


CLOCK = Clock(time.perf_counter, time.sleep, lambda: usage().cpu_seconds)


@dataclass(frozen=True)
class Taken:
    """What it was to take ``n`` batches: seconds in all, and those that were spent waiting."""

    n: int
    seconds: float
    waited: float
    cpu_seconds: float


@dataclass(frozen=True)
class Result:
    """Of one run: what each of ``computes`` gave, and bytes of memory.

    ``pss`` is the peak of all processes and ``own`` that of what no file could give back;
    ``own_before``: what this was before anything of the contender was there.
    """

    taken: list[Taken]
    pss: int
    own: int
    own_before: int


def take(batches: Iterator[Any], n: int, compute: float, clock: Clock = CLOCK) -> Taken:
    """Take ``n`` batches, each of which keeps the consumer busy for so many seconds.

    Busy is asleep, as a process is that waits for a device: no CPU and no GIL.  Before that a
    value of each page is looked at, as what copies to a device does, so that memory which workers
    share is mapped here too.  A batch is held until the next one is there, as by a ``for`` loop.
    """
    cpu, begin, waited = clock.cpu(), clock.now(), 0.0
    for _ in range(n):
        asked = clock.now()
        batch = next(batches)
        came = clock.now()
        waited += came - asked
        image_of(batch).reshape(-1)[::_STEP].max()
        if (left := came + compute - clock.now()) > 0:
            clock.sleep(left)
    return Taken(n, clock.now() - begin, waited, clock.cpu() - cpu)


def consume(way: Way, job: Job, clock: Clock = CLOCK) -> Result:
    """Run one contender in this process.

    CloudioError where its first batch, before any clock starts, or its last, after all of them
    have stopped, is not the one numpy computes, or where batches are missing.
    """
    if job.torch:
        import torch  # noqa: F401
    pss, taken = Pss(), []
    with way.opened(job) as batches:
        try:
            job.check(way, 0, next(batches))
            for k, compute in enumerate(job.computes):
                # One of those that settle has been checked.
                take(batches, job.n_settle - (k == 0), compute, clock)
                taken.append(take(batches, job.n_timed, compute, clock))
            with pss.watched():
                take(batches, job.n_watched - 1, job.computes[0], clock)
                last = next(batches)
        except StopIteration:
            raise CloudioError(f"{way.name}: fewer than {job.n_batches} batches") from None
        job.check(way, job.n_batches - 1, last)
        del last
    return Result(taken, pss.peak, pss.own_peak, pss.own_before)


# ---- a process of its own ------------------------------------------------------------------------


def run_apart(way: Way, job: Job) -> Result:
    """`consume` in a new process, which is gone afterwards whatever happens.

    Its CloudioError is raised here; one that says so where it ends without a word.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(way, job, theirs))
    process.start()
    theirs.close()
    try:
        with ours:
            found = ours.recv()
    except EOFError:
        process.join()
        raise CloudioError(
            f"{way.name}: its process ended with status {process.exitcode} and no result"
        ) from None
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join()
    if isinstance(found, CloudioError):
        raise found
    result: Result = found
    return result


def _child(way: Way, job: Job, pipe: Connection) -> None:
    # Ctrl-C reaches the parent too, which ends this process then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pipe, contextlib.suppress(BrokenPipeError):  # the parent is gone
        try:
            pipe.send(consume(way, job))
        except CloudioError as error:
            pipe.send(error)
