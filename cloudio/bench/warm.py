"""``cloudio bench``: batches whose pages are in memory, against numpy and the copy limit.

A batch of whole patches and one of random crops, with labels.  The implementations are in
candidates.py.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from .._utils.machine import facts, resolve_threads
from .._utils.numbers import check_whole
from .._utils.text import counted, escape_controls, megabytes
from .candidates import BASELINE, BEST_NUMPY, CLOUDIO, all_candidates, best_recipe
from .limits import COPY_LIMIT, copy_limits
from .report import Case, Column, Report, Row
from .timing import Candidate, Timing, check, interleave, progress
from .workload import (
    Workload,
    bands_of,
    crop_of,
    label_of,
    n_samples_that_fit,
    open_data,
    which_bands,
)

COLUMNS = (
    Column("samples/s", "samples_per_second", ",.0f"),
    Column("GB/s", "gb_per_second", ".2f"),
    Column("CPU s/GB", "cpu_seconds_per_output_gb", ".3f"),
    Column("x numpy", "times_best_numpy", ".2f"),
    Column("of limit", "fraction_of_limit", ".0%"),
)
NOTES = (
    "GB/s: read and written; CPU s/GB: of all CPUs, per GB written; x numpy: speed-up over the "
    "best numpy in one thread;\n"
    "copy limit: a plain copy of as many bytes\n"
    "* np.stack(patch) / divisor in float64, then crop and cast: it allocates what it returns, "
    "and its last bit may differ",
)


def run(
    path: Path | None,
    *,
    layout: Path | None = None,
    threads: int | None = None,
    rounds: int = 9,
) -> Report:
    """Time the data set at ``path``, which is only read, or a synthetic one.

    The synthetic data set lies in a temporary folder, 226 MB, and is removed in any case.
    CloudioError, with candidate and sample, if an answer differs from numpy's; RequestError
    where ``threads`` or ``rounds`` is not 1 or more, or the data set has no band.
    """
    threads = resolve_threads(threads)
    check_whole("rounds", rounds, 1)
    with open_data(path, layout=layout) as (dataset, origin):
        bands, label = bands_of(dataset), label_of(dataset)
        shown = which_bands(dataset, bands)
        whole = dataset.valid_window.size
        n = n_samples_that_fit(whole, len(bands))
        workloads = [Workload(dataset, bands, label, size, n) for size in (whole, crop_of(dataset))]
        with ThreadPoolExecutor(threads) as pool, progress(len(workloads), rounds) as tick:
            cases = [_timed(workload, pool, threads, rounds, tick) for workload in workloads]
    return Report(
        machine=facts(),
        facts={
            "data": origin, "bands": bands, "label": label, "threads": threads, "rounds": rounds,
        },
        description=_description(origin, shown, label, threads, rounds),
        cases=cases,
        notes=NOTES,
        summary=_summary(cases, threads),
    )  # fmt: skip


def _timed(
    workload: Workload,
    pool: ThreadPoolExecutor,
    threads: int,
    rounds: int,
    tick: Callable[[], object],
) -> Case:
    workload.warm()
    out, expected = workload.allocate(), workload.expected()
    recipe = best_recipe(workload, out)
    candidates = all_candidates(workload, recipe, pool, threads)
    for candidate in candidates:
        check(candidate, out, expected)
    tick()
    copies = copy_limits(workload, pool, threads, expected)
    timings = interleave([*candidates, *copies], out, rounds, tick)
    return case_of(workload, recipe.name, candidates, copies, timings)


# ---- what follows from the times -----------------------------------------------------------------


def case_of(
    workload: Workload,
    recipe: str,
    candidates: Sequence[Candidate],
    copies: Sequence[Candidate],
    timings: Mapping[str, Timing],
) -> Case:
    """All figures are of medians; the faster of the copies is the limit."""
    seconds = {name: median(timing.seconds) for name, timing in timings.items()}
    numpy = next(seconds[one.name] for one in candidates if one.name.startswith(BEST_NUMPY))
    limit = min(seconds[copy.name] for copy in copies)
    moved = workload.bytes_read + workload.bytes_written

    def row(candidate: Candidate, answer: str) -> Row:
        taken, timing = seconds[candidate.name], timings[candidate.name]
        figures = {
            "threads": candidate.threads,
            "answer": answer,
            "samples_per_second": len(workload) / taken,
            "gb_per_second": moved / 1e9 / taken,
            "cpu_seconds_per_output_gb": median(timing.cpu_seconds)
            / (workload.bytes_written / 1e9),
            "times_best_numpy": numpy / taken,
            "fraction_of_limit": limit / taken,
            **timing._asdict(),
        }
        return Row(candidate.name, figures)

    n_patches = len(np.unique(workload.index))
    repeats = f" of {n_patches} patches" if n_patches < len(workload) else ""
    height, width = workload.size
    return Case(
        facts={
            "size": workload.size,
            "n_samples": len(workload),
            "n_patches": n_patches,
            "bytes_read": workload.bytes_read,
            "bytes_written": workload.bytes_written,
            "best_numpy": recipe,
        },
        columns=COLUMNS,
        rows=[row(one, "within 1 ulp" if one.ulps else "exact") for one in candidates],
        limits=[row(copy, "copy") for copy in copies],
        limit_kind=COPY_LIMIT,
        title=f"{height} x {width}: {len(workload)} samples{repeats}, {megabytes(moved)} MB read "
        "and written",
        footer=f"best numpy: {recipe}",
    )


# ---- words ---------------------------------------------------------------------------------------


def _summary(cases: Sequence[Case], threads: int) -> str:
    whole, crop = cases[0], cases[-1]
    ours, baseline = crop.named(CLOUDIO)[-1], crop.named(BASELINE)[0]
    speed_up = ours["samples_per_second"] / baseline["samples_per_second"]
    at_whole = whole.named(CLOUDIO)[-1]["times_best_numpy"]
    return (
        f"In {counted(threads, 'thread')} on this machine, cloudio reads {crop.window} crops with "
        f"a speed-up of {ours['times_best_numpy']:.1f} over the best numpy in one thread "
        f"({at_whole:.1f} at {whole.window}) and of {speed_up:.0f} over the baseline, at "
        f"{ours['fraction_of_limit']:.0%} of the copy limit."
    )


def _description(origin: str, bands: str, label: str | None, threads: int, rounds: int) -> str:
    labels = f"label {escape_controls(label)}" if label else "no label with a map"
    return (
        f"{origin}\n{bands}; {labels}\n"
        f"{counted(threads, 'thread')}; pages in memory; medians of "
        f"{counted(rounds, 'interleaved round')}; every answer equals numpy's, bit for bit"
    )
