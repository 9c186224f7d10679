"""The main job on this machine, timed against numpy: what ``cloudio bench`` runs and reports.

A batch at full patch and one of random crops, with labels.  The ways to read it, and how they are
judged, are contenders.py's.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .._utils import tables
from .._utils.machine import facts, resolve_threads
from .._utils.numbers import check_whole
from .._utils.progress import ProgressBar, on_terminal, progress_bar
from .._utils.text import counted
from ..errors import RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..reading.dataset import Dataset, open
from ..synth.writer import synthesize
from .candidates import (
    BEST_NUMPY,
    CLOUDIO,
    IDIOM,
    Contender,
    Timing,
    Work,
    best_recipe,
    check,
    contenders,
    race,
    roof,
)

N_SAMPLES = 32
CROP = 224
_L1C = CLOUDSEN12.presets["L1C"][0]
# A quarter of the memory that is free holds four outputs: the one that is shared, the expected
# one, and two that the idiom makes.
_SHARES = 4 * 4


# ---- the report ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One way's times, and what follows from their medians.  GB are those of the job."""

    name: str
    threads: int
    answer: str
    samples_per_second: float
    gb_per_second: float
    cpu_seconds_per_output_gb: float
    times_best_numpy: float
    fraction_of_roof: float
    seconds: list[float]
    cpu_seconds: list[float]


@dataclass(frozen=True)
class Case:
    """One batch's results: the recipe that is ``best_numpy``, the copy that is the ``roof``."""

    size: tuple[int, int]
    n_samples: int
    n_patches: int
    bytes_read: int
    bytes_written: int
    best_numpy: str
    roof: str
    rows: list[Row]

    @property
    def window(self) -> str:
        return f"{self.size[0]} x {self.size[1]}"

    def row(self, name: str) -> Row:
        """The last row of that name: of several, the one with all threads."""
        return next(row for row in reversed(self.rows) if row.name.startswith(name))

    def __str__(self) -> str:
        lines = [("", "samples/s", "GB/s", "CPU s/GB", "x numpy", "of roof")]
        for row in self.rows:
            lines.append(
                (
                    f"the roof: {row.name}" if row.name == self.roof else row.name,
                    f"{row.samples_per_second:,.0f}",
                    f"{row.gb_per_second:.2f}",
                    f"{row.cpu_seconds_per_output_gb:.3f}",
                    f"{row.times_best_numpy:.2f}",
                    f"{row.fraction_of_roof:.0%}",
                )
            )
        repeats = f" of {self.n_patches} patches" if self.n_patches < self.n_samples else ""
        moved = (self.bytes_read + self.bytes_written) / 1e6
        return (
            f"{self.window}: {self.n_samples} samples{repeats}, {moved:,.0f} MB read and written\n"
            f"{tables.text(lines, range(1, 6))}\n"
            f"best numpy: {self.best_numpy}"
        )


@dataclass(frozen=True)
class Report:
    """What `run` found: ``str()`` for people, `json` with every single time."""

    machine: Mapping[str, str]
    data: str
    bands: tuple[str, ...]
    label: str | None
    threads: int
    rounds: int
    cases: list[Case]

    def json(self) -> str:
        """Everything as JSON; times in seconds, each in the order of the rounds."""
        return json.dumps({**vars(self), "summary": self.summary}, default=vars, indent=1)

    @property
    def summary(self) -> str:
        """One sentence to quote."""
        whole, crop = self.cases[0], self.cases[-1]
        ours, theirs = crop.row(CLOUDIO), crop.row(IDIOM)
        times = ours.samples_per_second / theirs.samples_per_second
        return (
            f"In {counted(self.threads, 'thread')} here, cloudio reads {crop.window} crops "
            f"{ours.times_best_numpy:.1f} times as fast as the best numpy in one thread "
            f"({whole.row(CLOUDIO).times_best_numpy:.1f} at {whole.window}) and {times:.0f} times "
            f"as fast as the idiom, at {ours.fraction_of_roof:.0%} of the speed of a plain copy."
        )

    def __str__(self) -> str:
        return "\n\n".join(
            [
                tables.text(list(self.machine.items())),
                self._job(),
                *map(str, self.cases),
                "GB/s: read and written; CPU s/GB: of all CPUs, per GB written; roof: a plain copy "
                "of as many bytes\n"
                "* np.stack(patch) / divisor in float64, then crop and cast: it allocates what it "
                "returns, and its last bit may differ",
                self.summary,
            ]
        )

    def _job(self) -> str:
        bands = f"{counted(len(self.bands), 'band')} ({', '.join(self.bands)})"
        instead = "" if set(self.bands) == set(_L1C) else ", instead of the 13 of L1C"
        label = f"label {self.label}" if self.label else "no label, for there is none"
        return (
            f"{self.data}\n{bands}{instead}; {label}\n"
            f"{counted(self.threads, 'thread')}; pages in memory; medians of "
            f"{counted(self.rounds, 'round')} in turns; every answer is numpy's, bit for bit"
        )


# ---- what there is to work on --------------------------------------------------------------------


@contextmanager
def data(path: Path | None, extra: Sequence[str] = ()) -> Iterator[tuple[Dataset, str]]:
    """The largest split there is, or one made up and removed again; and words for it.

    ``extra``: arrays that are made up too, beside the 13 bands and a label.
    """
    if path is not None:
        whole = open(path)
        name = max(whole.splits, key=lambda name: len(whole.splits[name]))
        split = whole.split(name)
        yield split, f"{path}: split {name}, {counted(len(split), 'patch')}"
        return
    with tempfile.TemporaryDirectory(prefix="cloudio-bench-") as folder:
        made = Path(folder, "data")
        arrays = [*_L1C, "LABEL_manual_hq", *extra]
        synthesize(made, {"train": N_SAMPLES}, arrays=arrays, progress=on_terminal())
        yield open(made).split("train"), f"{N_SAMPLES} patches made up for this run"


def bands_of(dataset: Dataset) -> tuple[str, ...]:
    """The 13 bands of L1C, or the 12 of L2A, or whatever int16 bands of known scale there are."""
    there = [name for name in dataset.names if _is_usable(dataset, name)]
    for preset in ("L1C", "L2A"):
        for bands in dataset.layout.presets.get(preset, ()):
            if set(bands) <= set(there):
                return bands
    if not there:
        raise RequestError(
            f"no int16 band of known scale in {dataset.path}; it has {', '.join(dataset.names)}"
        )
    return tuple(there)


def _is_usable(dataset: Dataset, name: str) -> bool:
    band = dataset.band(name)
    return band.kind == "band" and dataset.dtype(name) == np.int16 and bool(band.scale)


def label_of(dataset: Dataset) -> str | None:
    """manual_hq, or the first label there is, or None."""
    known = [name for name in dataset.layout.label_maps if name in dataset.names]
    return known[0] if known else None


def n_samples(size: tuple[int, int], n_bands: int, most: int | None = None) -> int:
    """How many samples, at most 32, fit the memory that is free, with all that is alive at once."""
    sample = size[0] * size[1] * (4 * n_bands + 1)
    return max(1, min(N_SAMPLES if most is None else most, free_bytes() // (_SHARES * sample)))


def free_bytes() -> int:
    """Memory this process may still take, where Linux says; else 8 GB are assumed."""
    words = {"MemAvailable:": 8_000_000_000}
    meminfo, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            name, n, *unit = line.split()
            words[name] = int(n) * (1024 if unit else 1)
    limited = limit.read_text().strip() if limit.exists() else "max"
    return min(words["MemAvailable:"], int(limited) if limited.isdecimal() else 1 << 62)


def check_rounds(rounds: Any) -> None:
    check_whole("rounds", rounds, 1)


# ---- one run -------------------------------------------------------------------------------------


def run(path: Path | None, *, threads: int | None = None, rounds: int = 9) -> Report:
    """Time the main job on the data set at ``path``, which is only read, or on one made up for it.

    A made-up data set lies in a temporary folder, 226 MB, that is removed whatever happens.
    CloudioError, naming the way and the sample, where an answer is not numpy's; RequestError where
    ``threads`` or ``rounds`` is not 1 or more, or no band can be read.
    """
    threads = resolve_threads(threads)
    check_rounds(rounds)
    with data(path) as (dataset, origin):
        bands, label = bands_of(dataset), label_of(dataset)
        whole = dataset.valid_window.size
        crop = min(CROP, whole[0]), min(CROP, whole[1])
        n = n_samples(whole, len(bands))
        works = [Work(dataset, bands, label, size, n) for size in (whole, crop)]
        with ThreadPoolExecutor(threads) as pool, progress(len(works), rounds) as tick:
            cases = [_case(work, pool, threads, rounds, tick) for work in works]
        return Report(facts(), origin, bands, label, threads, rounds, cases)


def _case(
    work: Work, pool: ThreadPoolExecutor, threads: int, rounds: int, tick: Callable[[], object]
) -> Case:
    work.warm()
    out, expected = work.allocate(), work.expected()
    recipe = best_recipe(work, out)
    ways = contenders(work, recipe, pool, threads)
    for way in ways:
        check(way, out, expected)
    tick()
    copies = roof(work, pool, threads, expected)
    timings = race([*ways, *copies], out, rounds, tick)
    fastest = min(copies, key=lambda copy: median(timings[copy.name].seconds))
    return case_of(work, recipe.name, [*ways, fastest], timings)


def case_of(work: Work, recipe: str, ways: list[Contender], timings: Mapping[str, Timing]) -> Case:
    """What follows from the times; the last way is the roof."""
    seconds = {way.name: median(timings[way.name].seconds) for way in ways}
    numpy = next(seconds[name] for name in seconds if name.startswith(BEST_NUMPY))
    rows = [
        Row(
            name=way.name,
            threads=way.threads,
            answer="copy" if way is ways[-1] else "within 1 ulp" if way.ulps else "exact",
            samples_per_second=len(work) / seconds[way.name],
            gb_per_second=(work.bytes_read + work.bytes_written) / 1e9 / seconds[way.name],
            cpu_seconds_per_output_gb=median(timings[way.name].cpu_seconds)
            / (work.bytes_written / 1e9),
            times_best_numpy=numpy / seconds[way.name],
            fraction_of_roof=seconds[ways[-1].name] / seconds[way.name],
            seconds=timings[way.name].seconds,
            cpu_seconds=timings[way.name].cpu_seconds,
        )
        for way in ways
    ]
    return Case(
        size=work.size,
        n_samples=len(work),
        n_patches=len(np.unique(work.index)),
        bytes_read=work.bytes_read,
        bytes_written=work.bytes_written,
        best_numpy=recipe,
        roof=ways[-1].name,
        rows=rows,
    )


def progress(n_cases: int, rounds: int) -> AbstractContextManager[ProgressBar]:
    """A bar on a terminal: call what it gives once a round, and once when answers are checked."""
    return progress_bar(n_cases * (1 + rounds), shown=None, what="timing", in_bytes=False)
