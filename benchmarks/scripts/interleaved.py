"""Ratios beside their goals: all candidates interleaved in one run, medians compared.

    python benchmarks/scripts/interleaved.py [--rounds N] [--only PART ...] [--json FILE]

Each answer is checked before the clock starts.  Every speed goal is printed with what was reached
here; lines without a goal are there to compare.  CLOUDIO_BENCH_DATA names a data set to use;
otherwise a synthetic one is made, and removed again.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import _path  # noqa: F401
import numpy as np
from busy_reads import busy_thread, shared_reads
from environment import N_SMOKE, bench_data
from kinds import FLOAT_BANDS
from kinds_compare import kind_ratios
from lookups import label_and_table, look_ups
from ratios import Ratio, report
from small_reads import repeated, small_reads

from cloudio import Dataset
from cloudio._core import runtime
from cloudio._utils.threads import available_cpus
from cloudio.bench.candidates import Recipe, by_baseline, by_cloudio, by_numpy, recipes
from cloudio.bench.limits import copy_limits
from cloudio.bench.timing import Candidate, Timing, check, interleave, with_threads
from cloudio.bench.workload import Workload, bands_of, label_of, n_samples_that_fit

# By crop, what is to be reached: speed-up over the best numpy in one thread, and in as many as
# cloudio; fraction of the copy limit.
GATHER_GOALS = {509: (3.0, 2.2, 0.8), 224: (4.0, 3.0, 0.6)}
BASELINE_GOAL, CPU_GOAL = 8.0, 0.4
# In waits for the GIL, what a busy Python thread may add: one, and the time it takes to wake up.
WAIT_GOAL = 1.5
PARTS = ("gather", "look_up", "small", "busy", "kinds")
# Calls in one measurement, where one takes microseconds.
N_CALLS = 200


class Run:
    """One run on one machine; ``times`` keeps every time, by question and candidate."""

    def __init__(self, data: Dataset, pool: ThreadPoolExecutor, threads: int, rounds: int) -> None:
        self.data, self.pool, self.threads, self.rounds = data, pool, threads, rounds
        self.bands = bands_of(data)
        self.times: dict[str, dict[str, Timing]] = {}

    def ratios(self, parts: Sequence[str]) -> Iterator[Ratio]:
        for part in parts:
            yield from getattr(self, part)()

    def gather(self) -> Iterator[Ratio]:
        for size in GATHER_GOALS:
            yield from self.gathered(size)

    def look_up(self) -> Iterator[Ratio]:
        for dtype in ("uint8", "int64"):
            yield from self.looked_up(dtype)

    def kinds(self) -> Iterator[Ratio]:
        yield from kind_ratios(self.data, self.pool, self.threads, self.measure)

    def measure(
        self, question: str, candidates: Sequence[Candidate], out: object
    ) -> dict[str, float]:
        """Median seconds of each candidate."""
        print(f"{question} ...", file=sys.stderr)
        self.times[question] = interleave(candidates, out, self.rounds)
        return {name: median(timing.seconds) for name, timing in self.times[question].items()}

    def batch(self, size: int, label: str | None) -> Workload:
        n = n_samples_that_fit((size, size), len(self.bands), N_SMOKE)
        workload = Workload(self.data, self.bands, label, (size, size), n)
        workload.warm()
        return workload

    def gathered(self, size: int) -> Iterator[Ratio]:
        """A batch of random crops, against every recipe of numpy and the copy limit.

        The best numpy is the recipe that was fastest here.
        """
        workload = self.batch(size, None)
        out, expected = workload.allocate(), workload.expected()
        one = [by_numpy(workload, recipe, name=recipe.name) for recipe in recipes(workload)]
        many = [self.numpy_in_threads(workload, recipe) for recipe in recipes(workload)]
        baseline, alone = by_baseline(workload), by_cloudio(workload, 1)
        ours = by_cloudio(workload, self.threads)
        everyone = list({each.name: each for each in (*one, *many, baseline, alone, ours)}.values())
        for candidate in everyone:
            check(candidate, out, expected)
        copies = copy_limits(workload, self.pool, self.threads, expected)
        question = f"{len(workload)} random crops of {size} x {size}, {len(self.bands)} bands"
        seconds = self.measure(question, [*everyone, *copies], out)
        cpu = {name: median(timing.cpu_seconds) for name, timing in self.times[question].items()}
        numpy = min((each.name for each in one), key=seconds.__getitem__)
        numpy_threads = min(seconds[each.name] for each in many)
        limit = min(seconds[each.name] for each in copies)
        goal_one, goal_many, goal_limit = GATHER_GOALS[size]

        def ratio(
            candidate: Candidate,
            what: str,
            reached: float,
            at_least: float | None = None,
            at_most: float | None = None,
        ) -> Ratio:
            return Ratio(f"{size}: {candidate.name}, {what}", reached, at_least, at_most)

        mine, lone = seconds[ours.name], seconds[alone.name]
        yield ratio(ours, "over the best numpy in 1 thread", seconds[numpy] / mine, goal_one)
        for each in one:
            yield ratio(ours, f"over {each.name}", seconds[each.name] / mine)
        yield Ratio(f"{size}: copy limit, over the best numpy in 1 thread", seconds[numpy] / limit)
        yield ratio(alone, "over the best numpy in 1 thread", seconds[numpy] / lone)
        yield ratio(ours, "over the best numpy in as many", numpy_threads / mine, goal_many)
        yield ratio(ours, "over the baseline", seconds[baseline.name] / mine, BASELINE_GOAL)
        yield ratio(ours, "fraction of the copy limit", limit / mine, goal_limit)
        yield ratio(alone, "fraction of the copy limit", limit / lone)
        of_numpy = "of the best numpy's CPU seconds"
        yield ratio(ours, of_numpy, cpu[ours.name] / cpu[numpy], None, CPU_GOAL)
        yield ratio(alone, of_numpy, cpu[alone.name] / cpu[numpy])
        for each in one:
            reached = cpu[alone.name] / cpu[each.name]
            yield ratio(alone, f"of the CPU seconds of {each.name}", reached)

    def numpy_in_threads(self, workload: Workload, recipe: Recipe) -> Candidate:
        name = with_threads(recipe.name, self.threads)
        return by_numpy(workload, recipe, self.pool, self.threads, name=name)

    def looked_up(self, dtype: str) -> Iterator[Ratio]:
        """The codes of one label, on every instruction set, against the fastest of numpy."""
        codes, table = label_and_table(dtype)
        out = np.zeros(codes.shape, dtype)
        *theirs, mine = look_ups(codes, table)
        n_calls = N_CALLS // 10
        ours = {isa: repeated(mine, n_calls, isa) for isa in runtime.available()}
        candidates = [*(repeated(candidate, n_calls) for candidate in theirs), *ours.values()]
        for candidate in candidates:
            out.fill(0)
            if not np.array_equal(candidate.run(out), table[codes]):
                raise AssertionError(f"{candidate.name}: a wrong look-up")
        seconds = self.measure(f"look-up of {codes.size:,} codes, to {dtype}", candidates, out)
        best = min(seconds[candidate.name] for candidate in theirs)
        for isa, candidate in ours.items():
            goal = 5.0 if isa == "avx512vbmi" and dtype == "uint8" else 1.0
            question = f"look-up to {dtype}: {candidate.name}, over the best numpy"
            yield Ratio(question, best / seconds[candidate.name], goal)

    def small(self) -> Iterator[Ratio]:
        workload = Workload(self.data, self.bands[:3], None, (64, 64), 1)
        workload.warm()
        out, expected = workload.allocate(), workload.expected()
        *theirs, mine = small_reads(workload)
        for candidate in (*theirs, mine):
            check(candidate, out, expected)
        candidates = [repeated(candidate, N_CALLS) for candidate in (*theirs, mine)]
        seconds = self.measure("one 64 x 64 crop of 3 bands", candidates, out)
        best = min(seconds[candidate.name] for candidate in theirs)
        question = "64 x 64, 3 bands: cloudio, of the best numpy's time"
        yield Ratio(question, seconds[mine.name] / best, None, 1.0)

    def busy(self) -> Iterator[Ratio]:
        """What a busy Python thread adds to a read, in waits for the GIL.

        The read has one core less then, so it is compared with the read in one thread beside an
        idle one.
        """
        workload = self.batch(224, label_of(self.data))
        out, expected = workload.allocate(), workload.expected()
        candidates = [*shared_reads(workload, self.pool, self.threads), by_cloudio(workload, 1)]
        for candidate in candidates:
            check(candidate, out, expected)
        idle = self.measure("beside an idle Python thread", candidates, out)
        with busy_thread():
            busy = self.measure("beside a busy Python thread", candidates, out)
        *shared, alone = candidates
        for candidate in shared:
            added = (busy[candidate.name] - idle[alone.name]) / sys.getswitchinterval()
            goal = WAIT_GOAL if candidate is shared[0] else None
            question = f"beside a busy Python thread: {candidate.name}, waits for the GIL"
            yield Ratio(question, added, None, goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21, help="runs of each (default: 21)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="these questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time there too")
    arguments = parser.parse_args()
    threads = available_cpus()[0]
    with bench_data(FLOAT_BANDS) as (data, words), ThreadPoolExecutor(threads) as pool:
        run = Run(data, pool, threads, arguments.rounds)
        found = list(run.ratios(arguments.only))
    report(found, run.times, words, threads, arguments.rounds, arguments.json)


if __name__ == "__main__":
    main()
