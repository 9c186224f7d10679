"""The ratios of statistics: all contenders in turns in one run, medians compared.

    python benchmarks/stats.py [--rounds N] [--json FILE]

Each answer is checked before the clock starts.  CLOUDIO_BENCH_DATA names a data set to use, with
manual_hq and sen2cor; otherwise one is made up, and removed again.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from ratios import Line, report
from stats_candidates import READING, SOURCE, Question, questions

from cloudio._utils.machine import available_cpus
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender, Timing, race

#: Of bands and classes: times each idiom, fraction of the roof.
IDIOM_GOAL, ROOF_GOAL = 20.0, 0.7


def lines(question: Question, times: dict[str, Timing], n_bytes: int) -> Iterator[Line]:
    seconds = {name: median(timing.seconds) for name, timing in times.items()}
    ours = question.ours[0]
    mine = seconds[ours.name]
    what = question.name

    def against(way: Contender, goal: float | None = None) -> Line:
        return Line(f"{what}: times {way.name}", seconds[way.name] / mine, goal)

    yield Line(f"{what}: GB/s", n_bytes / mine / 1e9)
    yield from (against(way, IDIOM_GOAL) for way in question.idioms)
    yield from (against(way) for way in question.numpy)
    yield from (against(way) for way in question.ours[1:] if way.name != ours.name)
    reading = [way.name for way in question.roof if way.name.startswith(READING)]
    top = min(seconds[way.name] for way in question.roof if way.name not in reading)
    yield Line(f"{what}: fraction of the roof", top / mine, ROOF_GOAL)
    yield Line(f"{what}: fraction of {READING}", seconds[reading[0]] / mine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time there too")
    arguments = parser.parse_args()
    path, threads = os.environ.get("CLOUDIO_BENCH_DATA"), available_cpus()
    found: list[Line] = []
    every: dict[str, dict[str, Timing]] = {}
    with (
        bench.data(Path(path) if path else None, [SOURCE]) as (data, words),
        ThreadPoolExecutor(threads) as pool,
    ):
        for question in questions(data, pool, threads):
            print(f"{question.name} ...", file=sys.stderr)
            ways = [*question.ours, *question.numpy, *question.idioms, *question.roof]
            ways = list({way.name: way for way in ways}.values())
            every[question.name] = race(ways, None, arguments.rounds)
            found += lines(question, every[question.name], question.n_bytes)
    report(found, every, words, threads, arguments.rounds, arguments.json)


if __name__ == "__main__":
    main()
