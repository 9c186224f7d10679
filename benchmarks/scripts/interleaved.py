"""The ratios that the README quotes: all contenders in turns in one run, medians compared.

    python benchmarks/interleaved.py [--rounds N] [--only PART ...] [--json FILE]

Each answer is checked before the clock starts.  Every speed goal is printed with what was reached
here; lines without a goal are there to compare.  CLOUDIO_BENCH_DATA names a data set to use;
otherwise one is made up, and removed again.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from kinds import FLOAT_BANDS
from kinds_compare import kind_lines
from ratios import Line, report
from small_candidates import (
    busy_thread,
    label_and_table,
    look_ups,
    repeated,
    shared_reads,
    small_reads,
)

from cloudio import Dataset
from cloudio._core import kernels
from cloudio._utils.machine import available_cpus
from cloudio.bench import warm as bench
from cloudio.bench.candidates import (
    Contender,
    Timing,
    Work,
    by_cloudio,
    by_idiom,
    by_numpy,
    check,
    race,
    recipes,
    roof,
)

# By crop, what is to be reached: times the best numpy in one thread, and in as many as cloudio;
# fraction of the roof.
GATHER_GOALS = {509: (3.0, 2.2, 0.8), 224: (4.0, 3.0, 0.6)}
IDIOM_GOAL, CPU_GOAL = 8.0, 0.4
# In waits for the GIL, what a busy Python thread may add: one, and the time it takes to wake up.
WAIT_GOAL = 1.5
PARTS = ("gather", "look_up", "small", "busy", "kinds")
# Calls in one measurement, where one takes microseconds.
N_CALLS = 200


class Run:
    """One run on one machine; ``times`` keeps every time that was taken, by question and way."""

    def __init__(self, data: Dataset, pool: ThreadPoolExecutor, threads: int, rounds: int) -> None:
        self.data, self.pool, self.threads, self.rounds = data, pool, threads, rounds
        self.bands = bench.bands_of(data)
        self.times: dict[str, dict[str, Timing]] = {}

    def lines(self, parts: Sequence[str]) -> Iterator[Line]:
        for part in parts:
            yield from getattr(self, part)()

    def gather(self) -> Iterator[Line]:
        for size in GATHER_GOALS:
            yield from self.gathered(size)

    def look_up(self) -> Iterator[Line]:
        for dtype in ("uint8", "int64"):
            yield from self.looked_up(dtype)

    def kinds(self) -> Iterator[Line]:
        yield from kind_lines(self.data, self.pool, self.threads, self.race)

    def race(self, question: str, ways: Sequence[Contender], out: object) -> dict[str, float]:
        """Median seconds of each way."""
        print(f"{question} ...", file=sys.stderr)
        self.times[question] = race(ways, out, self.rounds)
        return {name: median(timing.seconds) for name, timing in self.times[question].items()}

    def batch(self, size: int, label: str | None) -> Work:
        n = bench.n_samples((size, size), len(self.bands))
        work = Work(self.data, self.bands, label, (size, size), n)
        work.warm()
        return work

    def gathered(self, size: int) -> Iterator[Line]:
        """A batch of random crops, against every recipe of numpy and the roof.

        The best numpy is the recipe that was fastest here.
        """
        work, everywhere = self.batch(size, None), f"{self.threads} threads"
        out, expected = work.allocate(), work.expected()
        one = [by_numpy(work, recipe, name=recipe.name) for recipe in recipes(work)]
        many = [
            by_numpy(work, recipe, self.pool, self.threads, name=f"{recipe.name}, {everywhere}")
            for recipe in recipes(work)
        ]
        idiom, alone, ours = by_idiom(work), by_cloudio(work, 1), by_cloudio(work, self.threads)
        ways = list({way.name: way for way in (*one, *many, idiom, alone, ours)}.values())
        for way in ways:
            check(way, out, expected)
        copies = roof(work, self.pool, self.threads, expected)
        question = f"{len(work)} random crops of {size} x {size}, {len(self.bands)} bands"
        seconds = self.race(question, [*ways, *copies], out)
        cpu = {name: median(timing.cpu_seconds) for name, timing in self.times[question].items()}
        numpy = min((way.name for way in one), key=seconds.__getitem__)
        numpy_threads = min(seconds[way.name] for way in many)
        top = min(seconds[way.name] for way in copies)
        goal_one, goal_many, goal_roof = GATHER_GOALS[size]

        def of(
            way: Contender,
            what: str,
            reached: float,
            at_least: float | None = None,
            at_most: float | None = None,
        ) -> Line:
            return Line(f"{size}: {way.name}, {what}", reached, at_least, at_most)

        mine = seconds[ours.name]
        yield of(ours, "times the best numpy in 1 thread", seconds[numpy] / mine, goal_one)
        for way in one:
            yield of(ours, f"times {way.name}", seconds[way.name] / mine)
        yield Line(f"{size}: the roof, times the best numpy in 1 thread", seconds[numpy] / top)
        yield of(alone, "times the best numpy in 1 thread", seconds[numpy] / seconds[alone.name])
        yield of(ours, "times the best numpy in as many", numpy_threads / mine, goal_many)
        yield of(ours, "times the idiom", seconds[idiom.name] / mine, IDIOM_GOAL)
        yield of(ours, "fraction of the roof", top / mine, goal_roof)
        yield of(alone, "fraction of the roof", top / seconds[alone.name])
        yield of(
            ours, "of the best numpy's CPU seconds", cpu[ours.name] / cpu[numpy], None, CPU_GOAL
        )
        yield of(alone, "of the best numpy's CPU seconds", cpu[alone.name] / cpu[numpy])
        for way in one:
            yield of(alone, f"of the CPU seconds of {way.name}", cpu[alone.name] / cpu[way.name])

    def looked_up(self, dtype: str) -> Iterator[Line]:
        """The codes of one label, on every instruction set, against the fastest of numpy."""
        codes, table = label_and_table(dtype)
        out = np.zeros(codes.shape, dtype)
        *theirs, mine = look_ups(codes, table)
        n_calls = N_CALLS // 10
        ours = {isa: repeated(mine, n_calls, isa) for isa in kernels.available()}
        ways = [*(repeated(way, n_calls) for way in theirs), *ours.values()]
        for way in ways:
            out.fill(0)
            if not np.array_equal(way.run(out), table[codes]):
                raise AssertionError(f"{way.name}: a wrong look-up")
        seconds = self.race(f"look-up of {codes.size:,} codes, to {dtype}", ways, out)
        best = min(seconds[way.name] for way in theirs)
        for isa, way in ours.items():
            goal = 5.0 if isa == "avx512vbmi" and dtype == "uint8" else 1.0
            yield Line(
                f"look-up to {dtype}: {way.name}, times the best numpy",
                best / seconds[way.name],
                goal,
            )

    def small(self) -> Iterator[Line]:
        work = Work(self.data, self.bands[:3], None, (64, 64), 1)
        work.warm()
        out, expected = work.allocate(), work.expected()
        *theirs, mine = small_reads(work)
        for way in (*theirs, mine):
            check(way, out, expected)
        ways = [repeated(way, N_CALLS) for way in (*theirs, mine)]
        seconds = self.race("one 64 x 64 crop of 3 bands", ways, out)
        best = min(seconds[way.name] for way in theirs)
        yield Line(
            "64 x 64, 3 bands: cloudio, of the best numpy's time",
            seconds[mine.name] / best,
            None,
            1.0,
        )

    def busy(self) -> Iterator[Line]:
        """What a busy Python thread adds to a read, in waits for the GIL.

        The read has one core less then, so the read beside nobody in one thread is what it is
        compared with.
        """
        work = self.batch(224, bench.label_of(self.data))
        out, expected = work.allocate(), work.expected()
        ways = [*shared_reads(work, self.pool, self.threads), by_cloudio(work, 1)]
        for way in ways:
            check(way, out, expected)
        idle = self.race("beside an idle Python thread", ways, out)
        with busy_thread():
            busy = self.race("beside a busy Python thread", ways, out)
        wait = sys.getswitchinterval()
        for way in ways[:-1]:
            added = (busy[way.name] - idle[ways[-1].name]) / wait
            goal = WAIT_GOAL if way is ways[0] else None
            yield Line(
                f"beside a busy Python thread: {way.name}, waits for the GIL", added, None, goal
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21, help="turns of each (default: 21)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="these questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time there too")
    arguments = parser.parse_args()
    path, threads = os.environ.get("CLOUDIO_BENCH_DATA"), available_cpus()
    with (
        bench.data(Path(path) if path else None, FLOAT_BANDS) as (data, words),
        ThreadPoolExecutor(threads) as pool,
    ):
        run = Run(data, pool, threads, arguments.rounds)
        lines = list(run.lines(arguments.only))
    report(lines, run.times, words, threads, arguments.rounds, arguments.json)


if __name__ == "__main__":
    main()
