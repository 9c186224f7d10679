"""Is a new build of cloudio as fast as an old one?  Both run interleaved, over the same data.

    python benchmarks/scripts/compare_builds.py OLD NEW [--data PATH] [--only WORD ...] [--cold]

OLD and NEW are folders with a built ``cloudio`` package.  Each build has a process of its own; the
two take turns for many short rounds, and each round begins with the other one.  Then both processes
are replaced by new ones, because where memory lies differs from process to process.  Answers are
compared bit for bit before anything is timed.  Nothing is pinned.

What is printed is the speed of the new build: the old build's median seconds over the new one's;
``fast`` is the same of the fastest quarter of the rounds, which a busy machine disturbs least.
``95 %`` is the interval for the median of the ratios of single rounds, ``processes`` the range of
the ratios of the pairs of processes, and ``noise`` (with --noise) the ratio of the old build to
itself, in a third process.  ``CPU`` is the new build's CPU seconds over the old one's.  A speed
outside 0.97 to 1.03 is called slower or faster, or unclear where that interval has 1 in it.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

SUPPORT = Path(__file__).resolve().parents[1] / "support"
OLD, NEW, AGAIN = "old", "new", "old again"
# Patches of a synthetic data set, and its arrays: 13 bands and two labels.
N_PATCHES = 32
ARRAYS = [f"L1C_B{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12)]
ARRAYS += ["LABEL_manual_hq", "LABEL_sen2cor"]
# Seconds that a build runs before it is timed.
WARM_UP = 0.3
LEAST_ROUNDS = 5
# By what the speed of a build may differ where nothing has changed.
GOAL = 0.97, 1.03


class Build:
    """The process of one build."""

    def __init__(self, name: str, folder: Path, data: Path, threads: int) -> None:
        self.name = name
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, SUPPORT / "build_worker.py", folder, data, str(threads)]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps({"do": do, **more}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            sys.exit(f"the process of the {self.name} build has ended")
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process has ended"}
        if "error" in answer:
            sys.exit(f"the {self.name} build: {do} {more}: {answer['error']}")
        return dict(answer)

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def started(folders: dict[str, Path], data: Path, threads: int) -> Iterator[list[Build]]:
    builds = [Build(name, folder, data, threads) for name, folder in folders.items()]
    try:
        yield builds
    finally:
        for build in builds:
            build.close()


def in_order(builds: Sequence[Build], k: int) -> list[Build]:
    """Every other round in reverse."""
    return list(builds[::-1] if k % 2 else builds)


# ---- one pair of processes -----------------------------------------------------------------------

# For each build the figures of every round, in the order of the rounds.
Times = dict[str, list[dict[str, float]]]


def check(case: str, builds: Sequence[Build], digests: dict[str, str]) -> None:
    if len(set(digests.values())) > 1:
        sys.exit(f"{case}: the builds' answers differ: {digests}")


def warm_rounds(case: str, builds: Sequence[Build], given: argparse.Namespace, first: int) -> Times:
    """Rounds of a case whose pages are in memory; ``first``: which build begins."""
    check(case, builds, {each.name: each.ask("prepare", name=case)["digest"] for each in builds})
    slowest = max(warmed_up(build) for build in builds)
    calls = max(1, math.ceil(given.turn / slowest))
    turn = calls * slowest
    rounds = max(LEAST_ROUNDS, min(given.rounds, int(given.seconds / turn)))
    times: Times = {build.name: [] for build in builds}
    for k in range(rounds):
        for build in in_order(builds, first + k):
            times[build.name].append(build.ask("run", calls=calls))
    return times


def warmed_up(build: Build) -> float:
    """Seconds per call, after many of them."""
    seconds, calls, passed = 0.0, 1, 0.0
    while passed < WARM_UP:
        seconds = build.ask("run", calls=calls)["seconds"]
        passed += seconds * calls
        calls = max(1, min(2 * calls, math.ceil(WARM_UP / max(seconds, 1e-9) / 4)))
    return seconds


def cold_rounds(case: str, builds: Sequence[Build], given: argparse.Namespace, first: int) -> Times:
    """Rounds of a case whose pages are evicted before each run, other windows in each round."""
    times: Times = {build.name: [] for build in builds}
    for k in range(given.cold_rounds):
        digests = {}
        for build in in_order(builds, first + k):
            build.ask("prepare_cold", name=case, seed=first * given.cold_rounds + k)
            evict(given.data)
            times[build.name].append(build.ask("run", calls=1))
            digests[build.name] = build.ask("answer")["digest"]
        check(case, builds, digests)
    if not all(figures["read_bytes"] for found in times.values() for figures in found):
        sys.exit(f"{case}: no byte came from a disk; {given.data} may lie in memory")
    return times


def evict(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


# ---- what follows from the times -----------------------------------------------------------------


def column(times: Times, build: str, figure: str = "seconds") -> list[float]:
    return [figures[figure] for figures in times[build]]


def fast_quarter(values: Sequence[float]) -> float:
    """The median of the least quarter of them."""
    return median(sorted(values)[: max(1, len(values) // 4)])


def speed(
    times: Times,
    build: str,
    figure: str = "seconds",
    middle: Callable[[Sequence[float]], float] = median,
) -> float:
    """The old build's median over that of another."""
    other = middle(column(times, build, figure))
    return middle(column(times, OLD, figure)) / other if other else math.nan


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of their median, by ranks alone: no distribution is assumed."""
    ordered, n = sorted(ratios), len(ratios)
    k = max(0, math.floor((n - 1.96 * math.sqrt(n)) / 2))
    return ordered[k], ordered[n - 1 - k]


def summary(parts: Sequence[Times]) -> dict[str, Any]:
    """Of one case: medians over all processes, and how far they lie apart."""
    every: Times = {name: [each for part in parts for each in part[name]] for name in parts[0]}
    old, new = column(every, OLD), column(every, NEW)
    found = {
        "rounds": len(old),
        "old_seconds": median(old),
        "new_seconds": median(new),
        "speed": speed(every, NEW),
        "fast": speed(every, NEW, middle=fast_quarter),
        "interval": interval([x / y for x, y in zip(old, new, strict=True)]),
        "processes": [speed(part, NEW) for part in parts],
        "cpu": 1 / speed(every, NEW, "cpu_seconds"),
        "times": every,
    }
    if AGAIN in every:
        found["noise"] = speed(every, AGAIN)
    return found


HEAD = ("", "old ms", "new ms", "speed", "fast", "95 %", "processes", "CPU", "noise", "rounds", "")


def line(case: str, found: dict[str, Any]) -> tuple[str, ...]:
    low, high = found["interval"]
    verdict = "slower" if high < 1 else "faster" if low > 1 else "unclear"
    if GOAL[0] <= found["speed"] <= GOAL[1]:
        verdict = ""
    apart = found["processes"]
    return (
        case,
        f"{found['old_seconds'] * 1e3:,.3f}",
        f"{found['new_seconds'] * 1e3:,.3f}",
        f"{found['speed']:.3f}",
        f"{found['fast']:.3f}",
        f"{low:.3f}-{high:.3f}",
        f"{min(apart):.3f}-{max(apart):.3f}",
        f"{found['cpu']:.2f}",
        f"{found['noise']:.3f}" if "noise" in found else "",
        str(found["rounds"]),
        verdict,
    )


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """As cloudio's own tables; this process imports no build."""
    widths = [max(map(len, words)) for words in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            word.rjust(width) if k else word.ljust(width)
            for k, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


# ---- all of it -----------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path, help="a folder with the old build's cloudio package")
    parser.add_argument("new", type=Path, help="a folder with the new build's")
    parser.add_argument("--data", type=Path, help="a data set (default: a temporary synthetic one)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose names have one")
    parser.add_argument("--cold", action="store_true", help="cases from the disk instead")
    parser.add_argument("--noise", action="store_true", help="the old build against itself too")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--processes", type=int, default=5, help="pairs of them (default: 5)")
    parser.add_argument("--rounds", type=int, default=40, help="of each pair (default: 40)")
    parser.add_argument("--cold-rounds", type=int, default=5, help="of each pair (default: 5)")
    parser.add_argument("--turn", type=float, default=0.02, help="least seconds of one (0.02)")
    parser.add_argument(
        "--seconds", type=float, default=3, help="most of a case, build and process (default: 3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time there too")
    return parser.parse_args()


def synthesized(build: Path, folder: str) -> Path:
    """Data that the old build makes."""
    path = Path(folder, "data")
    code = f"import cloudio; cloudio.synthesize({str(path)!r}, {{'train': {N_PATCHES}}}, arrays="
    run_python(f"{code}{ARRAYS})", build)
    return path


def run_python(code: str, *path: Path) -> str:
    """What a program prints that finds modules in these folders."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)


def chosen(given: argparse.Namespace) -> list[str]:
    """The names of the cases; the module that has them imports a build."""
    code = "import json, build_cases as b; print(json.dumps([list(b.CASES), list(b.COLD_CASES)]))"
    names: list[str] = json.loads(run_python(code, SUPPORT, given.new))[given.cold]
    return [name for name in names if not given.only or any(word in name for word in given.only)]


def main() -> None:
    given = arguments()
    folders = {OLD: given.old.resolve(), NEW: given.new.resolve()}
    if given.noise:
        folders[AGAIN] = folders[OLD]
    with ExitStack() as stack:
        if given.data is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudio-builds-"))
            given.data = synthesized(folders[OLD], folder)
        names, measure = chosen(given), cold_rounds if given.cold else warm_rounds
        parts: dict[str, list[Times]] = {name: [] for name in names}
        for process in range(given.processes):
            ordered = dict(list(folders.items())[:: -1 if process % 2 else 1])
            with started(ordered, given.data, given.threads) as builds:
                for name in names:
                    print(f"{process + 1} of {given.processes}: {name}", file=sys.stderr)
                    parts[name].append(measure(name, builds, given, process))
    found = {name: summary(part) for name, part in parts.items()}
    print(table([HEAD, *(line(name, each) for name, each in found.items())]))
    if given.json is not None:
        given.json.write_text(json.dumps({"builds": list(map(str, folders.values())), **found}))


if __name__ == "__main__":
    main()
