"""Batches whose pages are on the disk, timed: what ``cloudio bench --cold`` runs and reports.

As bench.py, but before each run every page is evicted, and the roof is not memory but the disk.
The ways to read are cold_ways.py's; pages.py evicts, and counts what a run costs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from .._utils import tables
from .._utils.machine import facts, resolve_threads
from .._utils.text import counted
from ..errors import RequestError
from ..reading.batch import Batch
from ..reading.dataset import Dataset, open
from . import warm as bench
from .candidates import CLOUDIO, IDIOM, Contender, Work, check, turns
from .cold_candidates import ways
from .cold_workload import ColdWork, Way, disk
from .page_cache import Files, Pss, Usage, file_system, read_ahead, usage

N_SAMPLES = 64
ROUNDS = 5
NO_PATH = (
    "bench --cold needs a data set on a disk: its PATH, or that of one that "
    "`cloudio synth PATH --patches train=192` makes, 4.7 GB"
)


# ---- the report ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One way's runs, and what follows from their medians.

    MB are of pixels that were asked for, as they are stored.  ``pages_read`` is what came from the
    disk, by the pages that hold these pixels; ``pss_bytes`` what a run adds at its peak.
    """

    name: str
    mb_per_second: float
    fraction_of_roof: float
    pages_read: float
    median_cpu_seconds: float
    median_major_faults: float
    pss_bytes: int
    seconds: list[float]
    cpu_seconds: list[float]
    read_bytes: list[int]
    major_faults: list[int]


@dataclass(frozen=True)
class Case:
    """One window's results; ``bytes_read`` and ``page_bytes`` are medians of the rounds."""

    size: tuple[int, int]
    n_samples: int
    bytes_read: float
    page_bytes: float
    roof: str
    rows: list[Row]
    disk: list[Row]

    @property
    def window(self) -> str:
        return f"{self.size[0]} x {self.size[1]}"

    def row(self, name: str) -> Row:
        """The fastest of those whose name begins so."""
        found = (row for row in self.rows if row.name.startswith(name))
        return max(found, key=lambda row: row.mb_per_second)

    def __str__(self) -> str:
        top = next(row for row in self.disk if row.name == self.roof)
        slow, fast = (f"{self.page_bytes / 1e6 / pick(top.seconds):,.0f}" for pick in (max, min))
        lines = [("", "MB/s", "of roof", "pages read", "CPU s", "faults", "MB more")]
        for row in [*self.rows, top]:
            lines.append(
                (
                    f"the roof: {row.name}" if row is top else row.name,
                    f"{row.mb_per_second:,.0f}",
                    f"{row.fraction_of_roof:.0%}",
                    f"{row.pages_read:.2f}",
                    f"{row.median_cpu_seconds:.2f}",
                    f"{row.median_major_faults:,.0f}",
                    f"{row.pss_bytes / 1e6:,.0f}",
                )
            )
        return (
            f"{self.window}: {self.n_samples} samples, {self.bytes_read / 1e6:,.0f} MB of pixels "
            f"in {self.page_bytes / 1e6:,.0f} MB of pages\n{tables.text(lines, range(1, 7))}\n"
            f"the disk alone, MB/s of pages; rounds of the roof from {slow} to {fast}:\n"
            f"{tables.text(self._depths())}"
        )

    def _depths(self) -> list[tuple[str, ...]]:
        """One line for each way past the disk: how fast it is, by reads at once."""
        pages, lines = self.page_bytes / 1e6, dict[str, list[str]]()
        for row in self.disk:
            how, _, depth = row.name.partition(", ")
            speed = f"{depth.split()[0]}: {pages / median(row.seconds):,.0f}"
            lines.setdefault(how, []).append(speed)
        return [(f"{how}, at once", *speeds) for how, speeds in lines.items()]


@dataclass(frozen=True)
class Report:
    """What `run` found: ``str()`` for people, `json` with every single time and count."""

    machine: Mapping[str, str]
    data: str
    disk: str
    bands: tuple[str, ...]
    threads: int
    rounds: int
    cases: list[Case]

    def json(self) -> str:
        """Everything as JSON; each list in the order of the rounds."""
        return json.dumps({**vars(self), "summary": self.summary}, default=vars, indent=1)

    @property
    def summary(self) -> str:
        """One sentence to quote."""
        whole, crop = self.cases[0], self.cases[-1]
        ours, idiom = crop.row(CLOUDIO), crop.row(IDIOM)
        others = [(idiom, "the idiom")]
        others += [(row, row.name) for row in crop.rows if row.name.startswith("torch")]
        times = [
            f"{ours.mb_per_second / row.mb_per_second:.1f} times as fast as {words}"
            for row, words in others
        ]
        return (
            f"With every page on the disk, cloudio here ({ours.name.removeprefix(CLOUDIO + ' ')}) "
            f"reads {crop.window} crops {' and '.join(times)}, at {ours.fraction_of_roof:.0%} of "
            f"the disk's own best ({whole.row(ours.name).fraction_of_roof:.0%} at {whole.window})."
        )

    def __str__(self) -> str:
        return "\n\n".join(
            [
                tables.text(list(self.machine.items())),
                f"{self.data}\n{self.disk}\n"
                f"{counted(len(self.bands), 'band')} ({', '.join(self.bands)})\n"
                f"{counted(self.threads, 'thread')}; every page evicted before each run; "
                f"medians of {counted(self.rounds, 'round')} in turns, other patches in "
                "each; every answer is numpy's, bit for bit",
                *map(str, self.cases),
                "MB/s: of pixels that were asked for, as stored; roof: plain reads of the pages "
                "that hold them; pages read: from the disk, by these pages;\n"
                "CPU s: of all processes; faults: those that waited for the disk; MB more: peak of "
                "the proportional set size above what it was, in a run that is not timed\n"
                "* m[index] / divisor in float64 per band, then crop and cast: its last bit may "
                "differ",
                self.summary,
            ]
        )


# ---- one run -------------------------------------------------------------------------------------


def run(path: Path | None, *, threads: int | None = None, rounds: int = ROUNDS) -> Report:
    """Time batches of cold patches of the data set at ``path``, which is only read.

    CloudioError where this is not Linux, where the files lie in memory or cannot be evicted, and,
    naming the way and the sample, where an answer is not numpy's.
    """
    threads = resolve_threads(threads)
    bench.check_rounds(rounds)
    if path is None:
        raise RequestError(NO_PATH)
    with bench.data(path) as (dataset, origin):
        bands = bench.bands_of(dataset)
        whole = dataset.valid_window.size
        crop = min(bench.CROP, whole[0]), min(bench.CROP, whole[1])
        n = n_samples(dataset, bands)
        with (
            files_of(dataset, bands) as files,
            ways(ColdWork(dataset, bands, whole, n, seed=0), threads) as found,
            bench.progress(2, rounds) as tick,
        ):
            cases = []
            for size in (whole, crop):
                race = Race(dataset, bands, size, n, files)
                cases.append(race.run(found, rounds, tick))
            where = _where(files.paths, cases[0])
        return Report(facts(), origin, where, bands, threads, rounds, cases)


def n_samples(dataset: Dataset, bands: Sequence[str], most: int = N_SAMPLES) -> int:
    """Of different patches, as many as there are and as memory has room for."""
    size = dataset.valid_window.size
    return bench.n_samples(size, len(bands), min(most, len(dataset)))


def files_of(dataset: Dataset, bands: Sequence[str]) -> Files:
    return Files(source.file.path for name in bands for source in dataset.open_arrays(name))


def _where(paths: Sequence[Path], whole: Case) -> str:
    ahead = read_ahead(paths[0])
    words = "nobody knows how far" if ahead is None else f"{ahead // 1024:,} KiB"
    n_bytes = sum(path.stat().st_size for path in paths)
    return (
        f"file system {file_system(paths[0]) or 'not known'}; the kernel reads ahead {words}; "
        f"files of {n_bytes / 1e9:.1f} GB, {n_bytes / whole.page_bytes:.1f} times the pages of a "
        "batch: no more can be read in vain"
    )


class Race:
    """Runs of one window: the same new patches for all ways within a round."""

    def __init__(
        self, dataset: Dataset, bands: Sequence[str], size: tuple[int, int], n: int, files: Files
    ) -> None:
        self.dataset, self.bands, self.size, self.n, self.files = dataset, bands, size, n, files

    def work(self, k: int) -> ColdWork:
        """The batch of a round; the first, 0, is not timed."""
        return ColdWork(self.dataset, self.bands, self.size, self.n, seed=k)

    def run(self, found: Sequence[Way], rounds: int, tick: Callable[[], object]) -> Case:
        work = self.work(0)
        alone = disk(work)
        self.check(found)
        more = {way.name: self.memory(way, work) for way in [*found, *alone]}
        tick()
        seconds: dict[str, list[float]] = {way.name: [] for way in [*found, *alone]}
        costs: dict[str, list[Usage]] = {way.name: [] for way in [*found, *alone]}
        works, out = [], work.allocate()
        for k in range(rounds):
            works.append(self.work(k + 1))
            for way in turns([*found, *alone], k):
                taken, cost = self.timed(way, works[-1], out)
                seconds[way.name].append(taken)
                costs[way.name].append(cost)
            tick()
        return case_of(works, found, alone, seconds, costs, more)

    def check(self, found: Sequence[Way]) -> None:
        """CloudioError where an answer is not numpy's, of patches that are as cold as later."""
        work = self.work(0)
        expected, out = self.expected(), work.allocate()
        for way in found:
            self.checked(way, work, out, expected)

    def checked(
        self, way: Way, work: ColdWork, out: Batch[np.ndarray], expected: Batch[np.ndarray]
    ) -> None:
        with way.opened(work) as read:
            self.files.evict()
            check(
                Contender(way.name, 1, lambda out: way.answer(read(out), out), way.ulps),
                out,
                expected,
            )

    def expected(self) -> Batch[np.ndarray]:
        """The answer of the first batch, by mappings that are gone afterwards."""
        folder = next(iter(self.dataset.folders.values()))
        with open(folder, layout=self.dataset.layout) as apart:
            return Work(apart, self.bands, None, self.size, self.n, seed=0).expected()

    def memory(self, way: Way, work: ColdWork) -> int:
        """Bytes that a run adds at its peak, its answer's among them."""
        with way.opened(work) as read:
            self.files.evict()
            out = work.reader(1).allocate(len(work))
            pss = Pss()
            with pss.watched():
                answer = read(out)
                # Memory that workers share counts where it has been looked at.
                for batch in answer if isinstance(answer, list) else ():
                    batch.max()
            return pss.peak - pss.before

    def timed(self, way: Way, work: ColdWork, out: Batch[np.ndarray]) -> tuple[float, Usage]:
        with way.opened(work) as read:
            self.files.evict()
            before, start = usage(), perf_counter()
            answer = read(out)
            stop, after = perf_counter(), usage()
            del answer
            return stop - start, after.since(before)


def case_of(
    works: Sequence[ColdWork],
    found: Sequence[Way],
    alone: Sequence[Way],
    seconds: Mapping[str, list[float]],
    costs: Mapping[str, list[Usage]],
    more: Mapping[str, int],
) -> Case:
    """What follows from times and costs, of works in the order of the rounds."""
    fastest = min(alone, key=lambda way: median(seconds[way.name])).name
    useful = median(work.bytes_read for work in works)

    def row(way: Way) -> Row:
        taken, cost = seconds[way.name], costs[way.name]
        rates = [one.read_bytes / work.page_bytes for one, work in zip(cost, works, strict=True)]
        return Row(
            name=way.name,
            mb_per_second=useful / 1e6 / median(taken),
            fraction_of_roof=median(seconds[fastest]) / median(taken),
            pages_read=median(rates),
            median_cpu_seconds=median(one.cpu_seconds for one in cost),
            median_major_faults=median(one.major_faults for one in cost),
            pss_bytes=more[way.name],
            seconds=taken,
            cpu_seconds=[one.cpu_seconds for one in cost],
            read_bytes=[one.read_bytes for one in cost],
            major_faults=[one.major_faults for one in cost],
        )

    return Case(
        size=works[0].size,
        n_samples=len(works[0]),
        bytes_read=useful,
        page_bytes=median(work.page_bytes for work in works),
        roof=fastest,
        rows=[row(way) for way in found],
        disk=[row(way) for way in alone],
    )
