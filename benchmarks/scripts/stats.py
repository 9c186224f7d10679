"""The ratios of statistics: all candidates interleaved in one run, medians compared.

    python benchmarks/scripts/stats.py [--rounds N] [--json FILE]

Each answer is checked before the clock starts.  CLOUDIO_BENCH_DATA names a data set to use, with
manual_hq and sen2cor; otherwise a synthetic one is made, and removed again.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import _path  # noqa: F401
from environment import bench_data
from ratios import Ratio, report
from stats_candidates import questions
from stats_questions import READING, SOURCE, Question

from cloudio._utils.threads import available_cpus
from cloudio.bench.timing import Candidate, Timing, interleave

#: Of bands and classes: speed-up over each baseline, fraction of the copy limit.
BASELINE_GOAL, LIMIT_GOAL = 20.0, 0.7


def ratios(question: Question, times: dict[str, Timing]) -> Iterator[Ratio]:
    seconds = {name: median(timing.seconds) for name, timing in times.items()}
    ours, *alone = question.ours
    mine, what = seconds[ours.name], question.name

    def over(candidate: Candidate, goal: float | None = None) -> Ratio:
        return Ratio(f"{what}: over {candidate.name}", seconds[candidate.name] / mine, goal)

    yield Ratio(f"{what}: GB/s", question.n_bytes / mine / 1e9)
    yield from (over(candidate, BASELINE_GOAL) for candidate in question.baselines)
    yield from (over(candidate) for candidate in question.numpy)
    yield from (over(candidate) for candidate in alone if candidate.name != ours.name)
    *copies, reading = question.limits
    limit = min(seconds[copy.name] for copy in copies)
    yield Ratio(f"{what}: fraction of the copy limit", limit / mine, LIMIT_GOAL)
    yield Ratio(f"{what}: fraction of {READING}", seconds[reading.name] / mine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time there too")
    arguments = parser.parse_args()
    threads = available_cpus()[0]
    found: list[Ratio] = []
    times: dict[str, dict[str, Timing]] = {}
    with bench_data([SOURCE]) as (data, words), ThreadPoolExecutor(threads) as pool:
        for question in questions(data, pool, threads):
            print(f"{question.name} ...", file=sys.stderr)
            everyone = question.ours + question.numpy + question.baselines + question.limits
            unique = list({candidate.name: candidate for candidate in everyone}.values())
            times[question.name] = interleave(unique, None, arguments.rounds)
            found += ratios(question, times[question.name])
    report(found, times, words, threads, arguments.rounds, arguments.json)


if __name__ == "__main__":
    main()
