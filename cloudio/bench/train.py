"""``cloudio bench --train``: batches for a consumer that computes, by loaders of ours and torch's.

Each candidate (train_candidates.py) feeds the same consumer (train_workload.py), in a process of
its own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .._utils.machine import facts, resolve_threads
from .._utils.numbers import check_whole
from .._utils.text import counted, megabytes
from ..errors import CloudioError, RequestError
from ..reading.dataset import Dataset, open
from .cold import evictable_files
from .cold_candidates import has_torch
from .page_cache import free_shared_bytes
from .report import Case, Column, Report, Row
from .timing import progress, round_order
from .train_candidates import OURS, USUAL, train_candidates
from .train_workload import ConsumerRun, Consumption, TrainCandidate, TrainWorkload, run_apart
from .workload import bands_of, crop_of, free_bytes, open_data, warm_patches, which_bands

BATCH = 32
ROUNDS = 3
# Batches before the clock starts: more than torch's workers have in progress.
N_SETTLE, N_TIMED, N_WATCHED = 10, 40, 12
# Fewer batches say nothing about a steady state.
_LEAST_TIMED = 8
_LEAST_COLD = 2 * (N_SETTLE + _LEAST_TIMED) + N_WATCHED
NO_PATH = (
    "bench --train --cold needs the PATH of a data set on a disk, of more patches than are read at "
    f"once: cloudio synth PATH --patches train={_LEAST_COLD * BATCH} makes one, or "
    f"train={_LEAST_COLD * 4} for --batch 4"
)
# Batches of different patches, which are then read again: they are to stay in memory.
_DIFFERENT = 8
# Runs of the loop that measure how long a read takes.
_TRIALS = 3
# The summary says so where the consumer computes so much less or more than a read took.
_AS_LONG = 0.8, 1.25
_RIVAL = f"{USUAL}, 2 workers"
COLUMNS = (
    Column("batches/s", "computing.batches_per_second", ",.1f"),
    Column("waits", "computing.waited", ".1%"),
    Column("alone: batches/s", "data_bound.batches_per_second", ",.1f"),
    Column("of the loop", "fraction_of_loop", ".2f"),
    Column("CPU ms", "computing.cpu_seconds_per_batch", ",.1f", 1e-3),
    Column("peak MB", "pss_bytes", ",.0f", 1e6),
    Column("own", "own_bytes", ",.0f", 1e6),
    Column("more", "more_bytes", ",.0f", 1e6),
)
NOTES = (
    "batches/s, waits: of a consumer that computes, by sleeping, and the share of its time that it "
    "waits for data;\n"
    "alone: of one that does not compute; of the loop: batches/s over those of the first line; "
    "CPU ms: of all processes, per batch, beside one that computes;\n"
    "peak MB: proportional set size of all processes, with the pages of mapped files; own: without "
    "these, which the kernel can take back;\n"
    "more: own above what it was before, with torch imported where it is installed\n"
    "* np.stack of crops of np.memmap, astype(float32) / divisor per sample: its last bit may "
    "differ",
)


def run(
    path: Path | None,
    *,
    layout: Path | None = None,
    threads: int | None = None,
    rounds: int = ROUNDS,
    size: int | None = None,
    batch_size: int = BATCH,
    compute: float | None = None,
    evicted: bool = False,
) -> Report:
    """Time batches of random crops of the data set at ``path``, or of a synthetic one.

    ``size``: of the crops; None is 224, or the valid window where that is smaller.  ``compute``:
    milliseconds that a batch takes the consumer; None is what one read takes here.  ``evicted``:
    every page of the files is on the disk when a candidate begins, and no patch is read twice.

    CloudioError if this is not Linux, and, with candidate, batch and sample, where an answer
    differs from numpy's; RequestError if an argument is wrong.
    """
    in_use = resolve_threads(threads)
    _check_arguments(path, rounds, batch_size, compute, evicted)
    with open_data(path, layout=layout) as (dataset, origin), ExitStack() as stack:
        workload = workload_of(dataset, threads, size, batch_size, evicted)
        workload.loader()  # raises here what it would raise in each process
        shown = which_bands(dataset, workload.bands)
        candidates, left_out = runnable(workload)
        prepare: Callable[[], object] = lambda: None  # noqa: E731
        if evicted:
            prepare = stack.enter_context(evictable_files(dataset, workload.bands)).evict
        else:
            _warm(workload)
        tick = stack.enter_context(progress(1, rounds))
        if compute is None:
            seconds = _read_seconds(candidates[0], workload, prepare)
        else:
            seconds = compute / 1e3
        tick()
        workload = replace(workload, compute_seconds=(seconds, 0.0))
        runs = _interleaved(candidates, workload, rounds, prepare, tick)
    case = case_of(candidates, runs)
    about = {
        "data": origin,
        "bands": workload.bands,
        "size": workload.size,
        "batch_size": batch_size,
        "n_timed": workload.n_timed,
        "n_settle": workload.n_settle,
        "threads": in_use,
        "rounds": rounds,
        "cold": evicted,
        "compute_seconds": seconds,
        "compute_is_given": compute is not None,
        "left_out": left_out,
    }
    return report_of(about, case, shown)


def _check_arguments(
    path: Path | None, rounds: int, batch_size: int, compute: float | None, evicted: bool
) -> None:
    check_whole("rounds", rounds, 1)
    if compute is not None and not (np.isfinite(compute) and compute >= 0):
        raise RequestError(f"compute={compute!r}; compute must be milliseconds, 0 or more")
    check_whole("batch", batch_size, 1)
    if sys.platform != "linux":
        raise CloudioError(
            "bench --train needs Linux, whose /proc says what memory processes hold; this is "
            f"{sys.platform}"
        )
    if evicted and path is None:
        raise RequestError(NO_PATH)


def _read_seconds(
    loop: TrainCandidate, workload: TrainWorkload, prepare: Callable[[], object]
) -> float:
    """Return how long a consumer that does not compute waits for a batch of the loop."""
    trials = []
    for _ in range(_TRIALS):
        prepare()
        consumed = run_apart(loop, workload).consumed[0]
        trials.append(consumed.waited / consumed.n)
    return median(trials)


def _interleaved(
    candidates: Sequence[TrainCandidate],
    workload: TrainWorkload,
    rounds: int,
    prepare: Callable[[], object],
    tick: Callable[[], object],
) -> dict[str, list[ConsumerRun]]:
    runs: dict[str, list[ConsumerRun]] = {candidate.name: [] for candidate in candidates}
    for k in range(rounds):
        for candidate in round_order(candidates, k):
            prepare()
            runs[candidate.name].append(run_apart(candidate, workload))
        tick()
    return runs


# ---- what is read, and by whom -------------------------------------------------------------------


def workload_of(
    dataset: Dataset, threads: int | None, size: int | None, batch_size: int, evicted: bool
) -> TrainWorkload:
    """Return the workload of consumers that do not compute: as many batches as there are.

    Patches repeat if they may.
    """
    bands = bands_of(dataset)
    n_timed = N_TIMED
    patches = np.random.default_rng(0).permutation(len(dataset))
    if evicted:
        n_timed = _cold_timed(len(patches), batch_size)
    else:
        patches = patches[: most_patches(dataset, bands, batch_size)]
    n_batches = 2 * (N_SETTLE + n_timed) + N_WATCHED
    return TrainWorkload(
        dataset=dataset,
        bands=bands,
        size=crop_of(dataset) if size is None else (size, size),
        batch_size=batch_size,
        index=np.resize(patches, n_batches * batch_size),
        threads=threads,
        compute_seconds=(0.0,),
        n_settle=N_SETTLE,
        n_timed=n_timed,
        n_watched=N_WATCHED,
        torch=has_torch(),
    )


def _cold_timed(n_patches: int, batch_size: int) -> int:
    """Return the batches to time if no patch is read twice; RequestError if too few remain."""
    untimed = 2 * N_SETTLE + N_WATCHED
    least = untimed + 2 * _LEAST_TIMED
    n_timed = min(N_TIMED, (n_patches // batch_size - untimed) // 2)
    if n_timed < _LEAST_TIMED:
        raise RequestError(
            f"the data set has {counted(n_patches, 'patch')}, but --cold --train needs "
            f"{least * batch_size:,} ({least} batches of {batch_size}), because no patch is read "
            "twice; give "
            + (f"--batch {n}, or " if (n := n_patches // least) else "")
            + f"more data, such as cloudio synth big/ --patches train={least * batch_size}"
        )
    return n_timed


def most_patches(dataset: Dataset, bands: Sequence[str], batch_size: int) -> int:
    """Return how many patches may stay in memory: a quarter of the free memory."""
    height, width = dataset.layout.patch
    n_bytes = height * width * sum(dataset.dtype(name).itemsize for name in bands)
    return max(1, min(_DIFFERENT * batch_size, free_bytes() // (4 * n_bytes)))


def _warm(workload: TrainWorkload) -> None:
    """Bring every page of the patches into memory, by mappings that are closed afterwards."""
    folder = next(iter(workload.dataset.folders.values()))
    with open(folder, layout=workload.dataset.layout) as apart:
        warm_patches(apart, workload.bands, np.unique(workload.index))


def runnable(workload: TrainWorkload) -> tuple[list[TrainCandidate], list[str]]:
    """Return the candidates that can run here, and a line for those that cannot."""
    if not workload.torch:
        missing = "left out, because torch is not installed: cloudio.torch, DataLoader"
        return train_candidates(False), [missing]
    height, width = workload.size
    n_bytes = workload.batch_size * height * width * 4 * len(workload.bands)
    free, found, left_out = free_shared_bytes(), [], []
    for candidate in train_candidates(True):
        # Two in progress for each worker, the consumer's batch, and the next one.
        needed = (2 * candidate.n_workers + 2) * n_bytes
        if candidate.n_workers and needed > free:
            left_out.append(
                f"left out: {candidate.name}, which need {megabytes(needed)} MB of shared memory; "
                f"{megabytes(free)} MB are free"
            )
        else:
            found.append(candidate)
    return found, left_out


# ---- what follows from the runs ------------------------------------------------------------------


def case_of(
    candidates: Sequence[TrainCandidate], runs: Mapping[str, Sequence[ConsumerRun]]
) -> Case:
    """All figures are medians over the rounds; the first candidate is the loop."""
    rows = [_row(candidate, runs[candidate.name]) for candidate in candidates]
    loop = rows[0]["data_bound.batches_per_second"]
    shares = [row["data_bound.batches_per_second"] / loop for row in rows]
    return Case(
        facts={},
        columns=COLUMNS,
        rows=[
            Row(row.name, {**row.figures, "fraction_of_loop": share})
            for row, share in zip(rows, shares, strict=True)
        ],
    )


def _row(candidate: TrainCandidate, runs: Sequence[ConsumerRun]) -> Row:
    """Return the figures beside a consumer that computes, and at the candidate's full speed.

    Bytes are peaks over all of its processes: ``pss_bytes`` of all pages, ``own_bytes`` without
    those of mapped files, ``more_bytes`` what these are above what they were before.
    """
    computing, data_bound = zip(*(run.consumed for run in runs), strict=True)
    figures = {
        "answer": "within 1 ulp" if candidate.ulps else "exact",
        "computing": _speed(computing),
        "data_bound": _speed(data_bound),
        "pss_bytes": median(run.pss for run in runs),
        "own_bytes": median(run.own for run in runs),
        "more_bytes": median(run.own - run.own_before for run in runs),
    }
    return Row(candidate.name, figures)


def _speed(runs: Sequence[Consumption]) -> dict[str, Any]:
    """Return medians, and their runs in the order of the rounds."""
    return {
        "batches_per_second": median(run.n / run.seconds for run in runs),
        "waited": median(run.waited / run.seconds for run in runs),
        "cpu_seconds_per_batch": median(run.cpu_seconds / run.n for run in runs),
        "runs": [vars(run) for run in runs],
    }


# ---- words ---------------------------------------------------------------------------------------


def report_of(about: Mapping[str, Any], case: Case, bands: str) -> Report:
    """Return the report; ``bands`` are those of ``about`` in words."""
    return Report(
        machine=facts(),
        facts=about,
        description=_description(about, case, bands),
        cases=[case],
        notes=[*NOTES, *about["left_out"]],
        summary=_summary(about, case),
    )


def _summary(about: Mapping[str, Any], case: Case) -> str:
    loop, (ours, *_), usual = case.rows[0], case.named(OURS), case.named(_RIVAL)
    computes = about["compute_seconds"]
    of_read = computes * loop["data_bound.batches_per_second"]
    noisy = not about["compute_is_given"] and not _AS_LONG[0] <= of_read <= _AS_LONG[1]
    noise = f" ({of_read:.2f} of what a read took in these rounds)" if noisy else ""
    words = (
        f"A consumer that computes {computes * 1e3:.3g} ms per batch{noise} waits for {OURS} "
        f"{ours['computing.waited']:.1%} of its time on this machine; without computing it gets "
        f"{ours['fraction_of_loop']:.2f} of the batches/s of {loop.name}"
    )
    if not usual:
        return f"{words}."

    def ratio(key: str) -> float:
        return float(ours[key] / usual[0][key])

    return (
        f"{words}, and {ratio('data_bound.batches_per_second'):.1f} times those of torch's "
        "DataLoader with 2 workers on the usual Dataset, for "
        f"{ratio('computing.cpu_seconds_per_batch'):.2f} of its CPU seconds and "
        f"{ratio('more_bytes'):.2f} of the memory it adds ({ratio('own_bytes'):.2f} of all memory "
        "in use then)."
    )


def _description(about: Mapping[str, Any], case: Case, bands: str) -> str:
    loop, (height, width) = case.rows[0].name, about["size"]
    origin = "as given" if about["compute_is_given"] else f"what {loop} takes"
    pages = "pages in memory"
    if about["cold"]:
        pages = "pages evicted before each run, which may read ahead for its second half"
    return (
        f"{about['data']}\n{bands}\n"
        f"batches of {about['batch_size']} random crops of {height} x {width}; the consumer "
        f"computes {about['compute_seconds'] * 1e3:.3g} ms, {origin}; images alone\n"
        f"{counted(about['threads'], 'thread')}; {pages}; medians of "
        f"{counted(about['rounds'], 'interleaved round')}, each a new process that takes\n"
        f"{about['n_timed']} batches after {about['n_settle']} that are not counted; the first "
        "and the last batch equal numpy's, bit for bit"
    )
