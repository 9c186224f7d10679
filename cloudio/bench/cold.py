"""``cloudio bench --cold``: batches whose pages are on the disk, against the disk limit.

Every page is evicted before each run.  The implementations are in cold_candidates.py;
page_cache.py evicts, and counts what a run costs.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from .._utils import tables
from .._utils.machine import facts, resolve_threads
from .._utils.numbers import check_whole
from .._utils.text import counted, megabytes
from ..errors import RequestError
from ..reading.batch import Batch
from ..reading.dataset import Dataset, open
from .candidates import CLOUDIO
from .cold_candidates import BASELINE, TORCH, cold_candidates
from .cold_workload import ColdCandidate, ColdWorkload
from .limits import DISK_LIMIT, disk_limits
from .page_cache import EvictableFiles, Pss, Usage, file_system, readahead_bytes, usage
from .report import Case, Column, Report, Row, fastest
from .timing import Candidate, check, progress, round_order
from .workload import Workload, bands_of, crop_of, n_samples_that_fit, open_data, which_bands

N_SAMPLES = 64
ROUNDS = 5
NO_PATH = (
    "bench --cold needs the PATH of a data set on a disk; `cloudio synth PATH --patches train=192` "
    "makes one of 4.7 GB"
)
COLUMNS = (
    Column("MB/s", "mb_per_second", ",.0f"),
    Column("of limit", "fraction_of_limit", ".0%"),
    Column("pages read", "pages_read", ".2f"),
    Column("CPU s", "median_cpu_seconds", ".2f"),
    Column("faults", "median_major_faults", ",.0f"),
    Column("MB more", "pss_bytes", ",.0f", 1e6),
)
NOTES = (
    "MB/s: of the pixels of the windows, as stored; disk limit: plain reads of the pages that hold "
    "them; pages read: from the disk, over these pages;\n"
    "CPU s: of all processes; faults: those that waited for the disk; MB more: peak of the "
    "proportional set size above what it was, in a run that is not timed\n"
    "* m[index] / divisor in float64 per band, then crop and cast: its last bit may differ",
)


def run(
    path: Path | None,
    *,
    layout: Path | None = None,
    threads: int | None = None,
    rounds: int = ROUNDS,
) -> Report:
    """Time batches of cold patches of the data set at ``path``, which is only read.

    CloudioError if this is not Linux, if the files lie in memory or cannot be evicted, and,
    with candidate and sample, where an answer differs from numpy's.
    """
    threads = resolve_threads(threads)
    check_whole("rounds", rounds, 1)
    if path is None:
        raise RequestError(NO_PATH)
    with open_data(path, layout=layout) as (dataset, origin):
        bands, whole = bands_of(dataset), dataset.valid_window.size
        n = n_samples(dataset, bands)
        with (
            evictable_files(dataset, bands) as files,
            cold_candidates(ColdWorkload(dataset, bands, whole, n, seed=0), threads) as candidates,
            progress(2, rounds) as tick,
        ):
            cases = [
                ColdRounds(dataset, bands, size, n, files).run(candidates, rounds, tick)
                for size in (whole, crop_of(dataset))
            ]
            disk = _disk_description(files.paths, cases[0])
            shown = which_bands(dataset, bands)
    return Report(
        machine=facts(),
        facts={
            "data": origin, "disk": disk, "bands": bands, "threads": threads, "rounds": rounds,
        },
        description=_description(origin, disk, shown, threads, rounds),
        cases=cases,
        notes=NOTES,
        summary=_summary(cases),
    )  # fmt: skip


def n_samples(dataset: Dataset, bands: Sequence[str], most: int = N_SAMPLES) -> int:
    """Return the number of samples: different patches, as many as exist and fit into memory."""
    size = dataset.valid_window.size
    return n_samples_that_fit(size, len(bands), min(most, len(dataset)))


def evictable_files(dataset: Dataset, bands: Sequence[str]) -> EvictableFiles:
    arrays = (array for name in bands for array in dataset.open_arrays(name))
    return EvictableFiles(array.file.path for array in arrays)


# ---- rounds --------------------------------------------------------------------------------------


class ColdRounds:
    """Runs of one window: within a round all candidates read the same new patches."""

    def __init__(
        self,
        dataset: Dataset,
        bands: Sequence[str],
        size: tuple[int, int],
        n: int,
        files: EvictableFiles,
    ) -> None:
        self.dataset, self.bands, self.size, self.n, self.files = dataset, bands, size, n, files

    def workload(self, k: int) -> ColdWorkload:
        """Return the batch of a round; the first, 0, is not timed."""
        return ColdWorkload(self.dataset, self.bands, self.size, self.n, seed=k)

    def run(
        self, candidates: Sequence[ColdCandidate], rounds: int, tick: Callable[[], object]
    ) -> Case:
        first = self.workload(0)
        disk = disk_limits(first)
        everyone = [*candidates, *disk]
        self.check(candidates)
        peaks = {candidate.name: self.peak_bytes(candidate, first) for candidate in everyone}
        tick()
        seconds: dict[str, list[float]] = {candidate.name: [] for candidate in everyone}
        usages: dict[str, list[Usage]] = {candidate.name: [] for candidate in everyone}
        workloads, out = [], first.allocate()
        for k in range(rounds):
            workloads.append(self.workload(k + 1))
            for candidate in round_order(everyone, k):
                taken, used = self.timed(candidate, workloads[-1], out)
                seconds[candidate.name].append(taken)
                usages[candidate.name].append(used)
            tick()
        return case_of(workloads, candidates, disk, seconds, usages, peaks)

    def check(self, candidates: Sequence[ColdCandidate]) -> None:
        """Raise CloudioError if an answer differs from numpy's, for patches as cold as later."""
        workload = self.workload(0)
        expected, out = self.expected(), workload.allocate()
        for candidate in candidates:
            self.check_one(candidate, workload, out, expected)

    def check_one(
        self,
        candidate: ColdCandidate,
        workload: ColdWorkload,
        out: Batch[np.ndarray],
        expected: Batch[np.ndarray],
    ) -> None:
        with candidate.opened(workload) as read:
            self.files.evict()
            answer = lambda out: candidate.answer(read(out), out)  # noqa: E731
            check(Candidate(candidate.name, 1, answer, candidate.ulps), out, expected)

    def expected(self) -> Batch[np.ndarray]:
        """Return the answer of the first batch, by mappings that are closed afterwards."""
        folder = next(iter(self.dataset.folders.values()))
        with open(folder, layout=self.dataset.layout) as apart:
            return Workload(apart, self.bands, None, self.size, self.n, seed=0).expected()

    def peak_bytes(self, candidate: ColdCandidate, workload: ColdWorkload) -> int:
        """Return the bytes that a run adds at its peak, its answer included."""
        with candidate.opened(workload) as read:
            self.files.evict()
            out = workload.reader(1).allocate(len(workload))
            pss = Pss()
            with pss.watched():
                answer = read(out)
                # Memory shared with workers counts once its pages are touched here.
                for batch in answer if isinstance(answer, list) else ():
                    batch.max()
            return pss.peak - pss.before

    def timed(
        self, candidate: ColdCandidate, workload: ColdWorkload, out: Batch[np.ndarray]
    ) -> tuple[float, Usage]:
        with candidate.opened(workload) as read:
            self.files.evict()
            before, start = usage(), perf_counter()
            answer = read(out)
            stop, after = perf_counter(), usage()
            del answer
            return stop - start, after.since(before)


# ---- what follows from times and counts ----------------------------------------------------------


def case_of(
    workloads: Sequence[ColdWorkload],
    candidates: Sequence[ColdCandidate],
    disk: Sequence[ColdCandidate],
    seconds: Mapping[str, list[float]],
    usages: Mapping[str, list[Usage]],
    peaks: Mapping[str, int],
) -> Case:
    """All figures are of medians over the rounds, whose workloads these are.

    MB are of the pixels of the windows, as they are stored.  ``pages_read`` is what came from the
    disk over the pages that hold these pixels; ``pss_bytes`` what a run adds at its peak.
    """
    limit = min(median(seconds[one.name]) for one in disk)
    pixels = median(workload.bytes_read for workload in workloads)
    pages = median(workload.page_bytes for workload in workloads)

    def row(candidate: ColdCandidate) -> Row:
        taken, used = seconds[candidate.name], usages[candidate.name]
        shares = [
            one.read_bytes / workload.page_bytes
            for one, workload in zip(used, workloads, strict=True)
        ]
        figures = {
            "mb_per_second": pixels / 1e6 / median(taken),
            "fraction_of_limit": limit / median(taken),
            "pages_read": median(shares),
            "median_cpu_seconds": median(one.cpu_seconds for one in used),
            "median_major_faults": median(one.major_faults for one in used),
            "pss_bytes": peaks[candidate.name],
            "seconds": taken,
            "cpu_seconds": [one.cpu_seconds for one in used],
            "read_bytes": [one.read_bytes for one in used],
            "major_faults": [one.major_faults for one in used],
        }
        return Row(candidate.name, figures)

    height, width = workloads[0].size
    limits = [row(one) for one in disk]
    return Case(
        facts={
            "size": workloads[0].size,
            "n_samples": len(workloads[0]),
            "bytes_read": pixels,
            "page_bytes": pages,
        },
        columns=COLUMNS,
        rows=[row(candidate) for candidate in candidates],
        limits=limits,
        limit_kind=DISK_LIMIT,
        title=f"{height} x {width}: {len(workloads[0])} samples, {megabytes(pixels)} MB of pixels "
        f"in {megabytes(pages)} MB of pages",
        footer=_disk_speeds(limits, pages),
    )


# ---- words ---------------------------------------------------------------------------------------


def _disk_speeds(limits: Sequence[Row], page_bytes: float) -> str:
    """Return the spread of the limit's rounds, and a line for each path to the disk."""
    rounds = fastest(limits)["seconds"]
    slow, fast = (f"{page_bytes / 1e6 / pick(rounds):,.0f}" for pick in (max, min))
    lines: dict[str, list[str]] = {}
    for row in limits:
        path, _, depth = row.name.partition(", ")
        speed = page_bytes / 1e6 / median(row["seconds"])
        lines.setdefault(path, []).append(f"{depth.split()[0]}: {speed:,.0f}")
    table = tables.text([(f"{path}, at once", *speeds) for path, speeds in lines.items()])
    return f"the disk alone, MB/s of pages; rounds of the limit from {slow} to {fast}:\n{table}"


def _disk_description(paths: Sequence[Path], whole: Case) -> str:
    ahead = readahead_bytes(paths[0])
    words = "unknown" if ahead is None else f"{ahead // 1024:,} KiB"
    n_bytes = sum(path.stat().st_size for path in paths)
    return (
        f"file system {file_system(paths[0]) or 'unknown'}; readahead of the kernel {words}; "
        f"files of {n_bytes / 1e9:.1f} GB, {n_bytes / whole['page_bytes']:.1f} times the pages of "
        "a batch: no more can be read in vain"
    )


def _description(origin: str, disk: str, bands: str, threads: int, rounds: int) -> str:
    return (
        f"{origin}\n{disk}\n{bands}\n"
        f"{counted(threads, 'thread')}; every page evicted before each run; medians of "
        f"{counted(rounds, 'interleaved round')}, other patches in each; every answer equals "
        "numpy's, bit for bit"
    )


def _summary(cases: Sequence[Case]) -> str:
    whole, crop = cases[0], cases[-1]
    ours = max(crop.named(CLOUDIO), key=lambda row: row["mb_per_second"])
    others = [(row, "the baseline") for row in crop.named(BASELINE)]
    others += [(row, row.name) for row in crop.named(TORCH)]
    speed_ups = [
        f"{ours['mb_per_second'] / row['mb_per_second']:.1f} over {words}" for row, words in others
    ]
    at_whole = next(row for row in whole.rows if row.name == ours.name)["fraction_of_limit"]
    return (
        f"With every page on the disk, cloudio ({ours.name.removeprefix(CLOUDIO + ' ')}) reads "
        f"{crop.window} crops on this machine with a speed-up of {' and of '.join(speed_ups)}, at "
        f"{ours['fraction_of_limit']:.0%} of the disk limit ({at_whole:.0%} at {whole.window})."
    )
