"""Batches for a consumer that computes, timed: what ``cloudio bench --train`` runs and reports.

Each contender (train_ways.py) feeds the same consumer (train_work.py) in a process of its own.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from .._utils import tables
from .._utils.machine import facts, resolve_threads
from .._utils.numbers import check_whole
from .._utils.text import counted
from ..errors import CloudioError, RequestError
from ..reading.dataset import Dataset, open
from . import cold
from . import warm as bench
from .candidates import Work, turns
from .cold_candidates import has_torch
from .page_cache import shared_room
from .train_candidates import OURS, USUAL, ways
from .train_workload import Job, Result, Taken, Way, run_apart

BATCH = 32
ROUNDS = 3
# Of batches.  Before the clock starts, as many as torch's workers have under way, and more.
N_SETTLE, N_TIMED, N_WATCHED = 10, 40, 12
# Fewer tell nothing of a steady state.
_LEAST_TIMED = 8
_LEAST_COLD = 2 * (N_SETTLE + _LEAST_TIMED) + N_WATCHED
NO_PATH = (
    "bench --train --cold needs a data set on a disk, of more patches than are read at once: "
    f"cloudio synth PATH --patches train={_LEAST_COLD * BATCH} makes one, or "
    f"train={_LEAST_COLD * 4} for --batch 4"
)
# Batches of different patches, which are then taken again: they are to stay in memory.
_DIFFERENT = 8
# Runs of the loop that say how long a read takes.
_TRIALS = 3
# A consumer that computes so much less or more than a read took in the rounds is told of.
_AS_LONG = 0.8, 1.25
_RIVAL = f"{USUAL}, 2 workers"


# ---- the report ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """A consumer's speed: medians, and the runs that they are of, in the order of the rounds."""

    batches_per_second: float
    waited: float
    cpu_seconds_per_batch: float
    runs: list[Taken]

    @classmethod
    def of(cls, runs: list[Taken]) -> "Pace":
        return cls(
            batches_per_second=median(run.n / run.seconds for run in runs),
            waited=median(run.waited / run.seconds for run in runs),
            cpu_seconds_per_batch=median(run.cpu_seconds / run.n for run in runs),
            runs=runs,
        )


@dataclass(frozen=True)
class Row:
    """One contender: beside a consumer that computes, and as fast as it can.

    Bytes are medians of the rounds' peaks over all of its processes: ``pss`` of all pages,
    ``own_bytes`` without those of mapped files, ``more_bytes`` what these are above what they were
    before anything of the contender was there.
    """

    name: str
    answer: str
    computing: Pace
    data_bound: Pace
    pss_bytes: float
    own_bytes: float
    more_bytes: float

    @classmethod
    def of(cls, way: Way, results: Sequence[Result]) -> "Row":
        computing, data_bound = zip(*(result.taken for result in results), strict=True)
        return cls(
            name=way.name,
            answer="within 1 ulp" if way.ulps else "exact",
            computing=Pace.of(list(computing)),
            data_bound=Pace.of(list(data_bound)),
            pss_bytes=median(result.pss for result in results),
            own_bytes=median(result.own for result in results),
            more_bytes=median(result.own - result.own_before for result in results),
        )


@dataclass(frozen=True)
class Report:
    """What `run` found: ``str()`` for people, `json` with every single run."""

    machine: Mapping[str, str]
    data: str
    bands: tuple[str, ...]
    size: tuple[int, int]
    batch_size: int
    n_timed: int
    n_settle: int
    threads: int
    rounds: int
    cold: bool
    compute_seconds: float
    compute_is_given: bool
    left_out: list[str]
    rows: list[Row]

    def json(self) -> str:
        """Everything as JSON; times in seconds, runs in the order of the rounds."""
        return json.dumps({**vars(self), "summary": self.summary}, default=vars, indent=1)

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def summary(self) -> str:
        """Some sentences to quote."""
        loop, ours, usual = self.rows[0], self.row(OURS), self.row(_RIVAL)
        if ours is None:
            raise CloudioError(f"no {OURS} among {', '.join(row.name for row in self.rows)}")
        alone = ours.data_bound.batches_per_second
        takes = self.compute_seconds * loop.data_bound.batches_per_second
        noisy = not self.compute_is_given and not _AS_LONG[0] <= takes <= _AS_LONG[1]
        told = f" ({takes:.2f} of what a read took in these rounds)" if noisy else ""
        words = (
            f"With a consumer that computes {self.compute_seconds * 1e3:.3g} ms a batch{told}, "
            f"{OURS} here lets it wait {ours.computing.waited:.1%} of the time; where it does not "
            f"compute, it gets {alone / loop.data_bound.batches_per_second:.2f} of the batches of "
            f"{loop.name}"
        )
        if usual is None:
            return f"{words}."
        return (
            f"{words}, and {alone / usual.data_bound.batches_per_second:.1f} times those of "
            f"torch's DataLoader with 2 workers on the usual Dataset, for "
            f"{_cpu(ours) / _cpu(usual):.2f} of its CPU seconds and {_share(ours, usual, 'more')} "
            f"of the memory it adds ({_share(ours, usual, 'own')} of all there is then)."
        )

    def __str__(self) -> str:
        head = (
            "", "batches/s", "waits", "alone: batches/s", "of the loop", "CPU ms", "peak MB",
            "own", "more",
        )  # fmt: skip
        lines = [head, *map(self._line, self.rows)]
        return "\n\n".join(
            [
                tables.text(list(self.machine.items())),
                self._job(),
                tables.text(lines, range(1, len(head))),
                "batches/s, waits: beside a consumer that computes, by sleeping, and the share of "
                "its time that it waits for data;\n"
                "alone: that does not compute; CPU ms: of all processes and a batch, beside one "
                "that computes;\n"
                "peak MB: proportional set size of all processes, pages of mapped files among "
                "them; own: without these, which\n"
                "the kernel can take back; more: own above what it was before, torch imported "
                "where there is one\n"
                "* np.stack of crops of np.memmap, astype(float32) / divisor per sample: its last "
                "bit may differ",
                *self.left_out,
                self.summary,
            ]
        )

    def _line(self, row: Row) -> tuple[str, ...]:
        loop = self.rows[0].data_bound.batches_per_second
        alone = row.data_bound.batches_per_second
        return (
            row.name,
            f"{row.computing.batches_per_second:,.1f}",
            f"{row.computing.waited:.1%}",
            f"{alone:,.1f}",
            f"{alone / loop:.2f}",
            f"{_cpu(row) * 1e3:,.1f}",
            *(f"{n / 1e6:,.0f}" for n in (row.pss_bytes, row.own_bytes, row.more_bytes)),
        )

    def _job(self) -> str:
        how = "as given" if self.compute_is_given else f"what {self.rows[0].name} takes"
        pages = "pages in memory"
        if self.cold:
            pages = "pages evicted before each run, which may read ahead for its second half"
        return (
            f"{self.data}\n{counted(len(self.bands), 'band')} ({', '.join(self.bands)})\n"
            f"batches of {self.batch_size} random crops of {self.size[0]} x {self.size[1]}; the "
            f"consumer computes {self.compute_seconds * 1e3:.3g} ms, {how}; images alone\n"
            f"{counted(self.threads, 'thread')}; {pages}; medians of "
            f"{counted(self.rounds, 'round')} in turns, each a new process that takes "
            f"{self.n_timed} batches after\n{self.n_settle} that are not counted; the first and "
            "the last batch are numpy's, bit for bit"
        )


def _cpu(row: Row) -> float:
    return row.computing.cpu_seconds_per_batch


def _share(row: Row, other: Row, what: str) -> str:
    return f"{getattr(row, f'{what}_bytes') / getattr(other, f'{what}_bytes'):.2f}"


# ---- one run -------------------------------------------------------------------------------------


def run(
    path: Path | None,
    *,
    threads: int | None = None,
    rounds: int = ROUNDS,
    size: int | None = None,
    batch_size: int = BATCH,
    compute: float | None = None,
    evicted: bool = False,
) -> Report:
    """Time batches of random crops of the data set at ``path``, or of one made up for it.

    ``size``: of the crops; None is 224, or the valid window where that is smaller.  ``compute``:
    milliseconds that a batch takes the consumer; None is what one read takes here.  ``evicted``:
    every page of the files is on the disk when a contender begins, and no patch is taken twice.

    CloudioError where this is not Linux, and, naming contender, batch and sample, where an answer
    is not numpy's; RequestError where an argument is not what it must be.
    """
    in_use = resolve_threads(threads)
    bench.check_rounds(rounds)
    if compute is not None and not (np.isfinite(compute) and compute >= 0):
        raise RequestError(f"compute={compute!r}; milliseconds, 0 or more, are needed")
    check_whole("batch", batch_size, 1)
    if sys.platform != "linux":
        raise CloudioError(
            "bench --train needs Linux, whose /proc says what memory processes hold; this is "
            f"{sys.platform}"
        )
    if evicted and path is None:
        raise RequestError(NO_PATH)
    with bench.data(path) as (dataset, origin), ExitStack() as stack:
        job = job_of(dataset, threads, size, batch_size, evicted)
        job.loader()  # refuses here what it would refuse there
        found, left_out = contenders(job)
        prepare: Callable[[], object] = lambda: None  # noqa: E731
        if evicted:
            prepare = stack.enter_context(cold.files_of(dataset, job.bands)).evict
        else:
            warm(job)
        tick = stack.enter_context(bench.progress(1, rounds))
        if compute is None:
            trials = []
            for _ in range(_TRIALS):
                prepare()
                taken = run_apart(found[0], job).taken[0]
                trials.append(taken.waited / taken.n)
            seconds = median(trials)
        else:
            seconds = compute / 1e3
        tick()
        job = replace(job, computes=(seconds, 0.0))
        results: dict[str, list[Result]] = {way.name: [] for way in found}
        for k in range(rounds):
            for way in turns(found, k):
                prepare()
                results[way.name].append(run_apart(way, job))
            tick()
        return Report(
            machine=facts(),
            data=origin,
            bands=job.bands,
            size=job.size,
            batch_size=batch_size,
            n_timed=job.n_timed,
            n_settle=job.n_settle,
            threads=in_use,
            rounds=rounds,
            cold=evicted,
            compute_seconds=seconds,
            compute_is_given=compute is not None,
            left_out=left_out,
            rows=[Row.of(way, results[way.name]) for way in found],
        )


def job_of(
    dataset: Dataset, threads: int | None, size: int | None, batch_size: int, evicted: bool
) -> Job:
    """What consumers are given: patches that repeat if they may, and as many batches as there are.

    The consumer does not compute yet.
    """
    bands = bench.bands_of(dataset)
    whole = dataset.valid_window.size
    window = (min(bench.CROP, whole[0]), min(bench.CROP, whole[1]))
    if size is not None:
        window = (size, size)
    n_timed = N_TIMED
    patches = np.random.default_rng(0).permutation(len(dataset))
    if evicted:
        beside = 2 * N_SETTLE + N_WATCHED
        least = beside + 2 * _LEAST_TIMED
        n_timed = min(N_TIMED, (len(patches) // batch_size - beside) // 2)
        if n_timed < _LEAST_TIMED:
            raise RequestError(
                f"{counted(len(patches) // batch_size, 'batch')} of {batch_size} "
                f"patches; {least} are needed where none may be taken twice"
                + (f": --batch {n}, or " if (n := len(patches) // least) else ": ")
                + f"{least * batch_size:,} patches"
            )
    else:
        patches = patches[: most_patches(dataset, bands, batch_size)]
    n_batches = 2 * (N_SETTLE + n_timed) + N_WATCHED
    return Job(
        dataset=dataset,
        bands=bands,
        size=window,
        batch_size=batch_size,
        index=np.resize(patches, n_batches * batch_size),
        threads=threads,
        computes=(0.0,),
        n_settle=N_SETTLE,
        n_timed=n_timed,
        n_watched=N_WATCHED,
        torch=has_torch(),
    )


def most_patches(dataset: Dataset, bands: Sequence[str], batch_size: int) -> int:
    """How many may stay in memory, which the rest of it is needed beside."""
    height, width = dataset.layout.patch
    n_bytes = height * width * sum(dataset.dtype(name).itemsize for name in bands)
    return max(1, min(_DIFFERENT * batch_size, bench.free_bytes() // (4 * n_bytes)))


def warm(job: Job) -> None:
    """Bring every page of the patches into memory, by mappings that are gone afterwards."""
    patches = np.unique(job.index)
    with open(next(iter(job.dataset.folders.values())), layout=job.dataset.layout) as apart:
        origin = np.zeros((len(patches), 2), np.int64)
        Work(apart, job.bands, None, job.size, len(patches), at=(patches, origin)).warm()


def contenders(job: Job) -> tuple[list[Way], list[str]]:
    """Those that can run here, and a line for those that cannot."""
    if not job.torch:
        return ways(False), ["left out, for torch is not installed: cloudio.torch, DataLoader"]
    n_bytes = job.batch_size * job.size[0] * job.size[1] * 4 * len(job.bands)
    room, found, left_out = shared_room(), [], []
    for way in ways(True):
        # Two under way for each worker, one that the consumer has, and the one after it.
        needed = (2 * way.n_workers + 2) * n_bytes
        if way.n_workers and needed > room:
            left_out.append(
                f"left out: {way.name}, which need {needed / 1e6:,.0f} MB of shared memory, where "
                f"{room / 1e6:,.0f} are free"
            )
        else:
            found.append(way)
    return found, left_out
