"""`python -m benchmarks run`: what it is given, and the order of what it does."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudio
from cloudio import Dataset
from cloudio._utils import tables
from cloudio._utils.machine import facts, resolve_threads
from cloudio._utils.text import listed
from cloudio.bench.cold_workload import file_array
from cloudio.bench.workload import bands_of, label_of, open_data
from cloudio.errors import CloudioError, RequestError
from cloudio.layouts.cloudsen12 import CLOUDSEN12

from . import results
from .cases import REFERENCE, SOURCE
from .environments import FOLDER, Environments
from .processes import WrongAnswerError
from .rival import SUITES
from .rivals import Entry, find
from .runner import Runner
from .suites import FULL, QUICK, SMOKE, Data, Scale, make_suite

_MORE_BANDS = CLOUDSEN12.presets["L2A"][0][:3]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--suite", action="append", choices=SUITES, help="one suite; may be repeated [all]")
    names = "files of benchmarks/rivals/ without .py, or parts of names of rivals [all]"
    add("--rivals", nargs="+", default=[], metavar="NAME", help=names)
    add("--also", nargs="+", default=[], type=Path, metavar="FILE", help="more files of rivals")
    add("--data", type=Path, metavar="PATH", help="the data set to read [a synthetic one]")
    add("--quick", action="store_true", help="few batches, two rounds, one case of most suites")
    add("--smoke", action="store_true", help="answers only: times mean nothing")
    add("--rounds", type=int, help="rounds of every suite [5 of warm, 3 of others]")
    add("--threads", type=int, help="threads of each rival [the CPUs of this process]")
    add("--timeout", type=float, metavar="SECONDS", help="most seconds of a rival's process")
    add("--no-install", action="store_true", help="install nothing: what is missing is a row")
    where = "where environments are made [benchmarks/.environments]"
    add("--environments", type=Path, default=FOLDER, metavar="PATH", help=where)
    where = "where synthetic and converted data lie [the folder for temporary files]"
    add("--scratch", type=Path, metavar="PATH", help=where)
    add("--output", type=Path, default=Path("results.json"), help="the results [results.json]")


def main(options: argparse.Namespace) -> int:
    """Run and write the results; return 0, or 1 with a message if an answer is wrong.

    After an interrupt, the results are those of the suites that were done; it returns 130.
    """
    if sys.platform != "linux":
        print("benchmarks: needs Linux, whose /proc says what a process costs", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: results.Results = {}
    try:
        for so_far in run(options):
            found = so_far
    except KeyboardInterrupt:
        words = "benchmarks: interrupted"
        if found:
            results.save(found, options.output)
            words += f"; the suites that were done are in {options.output}"
        print(words, file=sys.stderr)
        return 130
    except WrongAnswerError as error:
        print(f"benchmarks: wrong answer: {error}", file=sys.stderr)
        return 1
    except (CloudioError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    results.save(found, options.output)
    print(summary(found))
    print(f"results are in {options.output}; python -m benchmarks report {options.output}")
    return 0


def run(options: argparse.Namespace) -> Iterator[results.Results]:
    """Yield the results so far after each suite."""
    scale = SMOKE if options.smoke else QUICK if options.quick else FULL
    begin = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {words}", file=sys.stderr, flush=True)

    _check(options)
    entries, broken = find(options.also, options.rivals)
    # The one that evicts files comes last.
    suites = sorted(options.suite or SUITES, key=lambda name: name == "cold")
    entries = [entry for entry in entries if set(entry.rival.suites) & set(suites)]
    if not entries:
        why = listed(broken.values()) or f"none of them takes part in {listed(suites)}"
        raise RequestError(f"--rivals {listed(options.rivals)}: {why}")
    left_out = [name for name in suites if not any(name in one.rival.suites for one in entries)]
    suites = [name for name in suites if name not in left_out]
    if left_out:
        tell(f"left out, since no rival of --rivals takes part: {listed(left_out)}")
    environments = Environments(options.environments, not options.no_install, tell)
    environments.prepare(entry.rival for entry in entries)
    with (
        tempfile.TemporaryDirectory(prefix="cloudio-suite-", dir=options.scratch) as folder,
        opened_data(options, scale, Path(folder)) as data,
    ):
        tell(data.description)
        runner = Runner(environments, Path(folder), tell, options.timeout)
        found = []
        for name in suites:
            suite = make_suite(name, data, scale)
            rounds = options.rounds or scale.rounds_of.get(name, scale.rounds)
            cases = runner.run(suite, entries, rounds)
            found.append({"suite": name, "title": suite.title, "cases": cases})
            yield _results(found, data, entries, broken, runner, scale)
    tell("done")


def _results(
    found: list[dict[str, Any]],
    data: Data,
    entries: list[Entry],
    broken: dict[str, str],
    runner: Runner,
    scale: Scale,
) -> results.Results:
    return {
        "schema": results.SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": scale is not FULL,
        "cloudio": cloudio.__version__,
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": {**facts(), "CPUs": str(len(os.sched_getaffinity(0)))},
        "data": {
            "description": data.description,
            "n_patches": data.n_patches,
            "bands": list(data.bands),
            "label": data.label,
        },
        "rivals": [_rival(entry, runner) for entry in entries]
        + [_broken(file, status) for file, status in broken.items()],
        "suites": [one for name in SUITES for one in found if name == one["suite"] != "small"],
        "growth": [case for one in found if one["suite"] == "small" for case in one["cases"]],
    }


def _check(options: argparse.Namespace) -> None:
    """Raise RequestError for what would fail at the end of a run."""
    if options.rounds is not None and options.rounds < 1:
        raise RequestError(f"--rounds {options.rounds}; rounds must be 1 or more")
    if options.timeout is not None and not options.timeout > 0:
        raise RequestError(f"--timeout {options.timeout:g}; seconds must be more than 0")
    if options.output.is_dir():
        raise RequestError(f"--output {options.output}: it is a folder; give the name of a file")
    if not options.output.absolute().parent.is_dir():
        raise RequestError(f"--output {options.output}: there is no folder {options.output.parent}")
    for file in options.also:
        if not file.is_file():
            raise RequestError(f"--also {file}: there is no such file")


@contextmanager
def opened_data(options: argparse.Namespace, scale: Scale, scratch: Path) -> Iterator[Data]:
    """Give the data set, all whose files are in memory."""
    path = options.data
    if path is None:
        path = scratch / "data"
        bands = CLOUDSEN12.presets["L1C"][0]
        arrays = [*bands, *_MORE_BANDS, REFERENCE, SOURCE]
        cloudio.synthesize(path, {"train": scale.n_patches}, arrays=arrays, progress=False)
    with open_data(path) as (dataset, description):
        if options.data is None:
            description = f"{len(dataset)} synthetic patches, made for this run"
        bands = bands_of(dataset)
        more = tuple(name for name in _MORE_BANDS if name in dataset.names and name not in bands)
        n_patches = min(len(dataset), scale.n_patches)
        if n_patches < len(dataset):
            description += f", of which the first {n_patches} are read"
        label = label_of(dataset)
        names = {*bands, *more, REFERENCE, SOURCE, *([label] if label else [])}
        _warm(dataset, sorted(names & set(dataset.names)), n_patches)
        threads = resolve_threads(options.threads)
        yield Data(dataset, description, bands, more, label, n_patches, threads)


def _warm(dataset: Dataset, names: list[str], n_patches: int) -> None:
    """Bring the first patches into memory; not by a mapping, whose pages could not be evicted."""
    for array in (file_array(dataset, name) for name in names):
        left = n_patches * array.strides[0]
        with array.path.open("rb") as file:
            file.seek(array.start)
            while left > 0 and (part := file.read(min(left, 1 << 24))):
                left -= len(part)


def _rival(entry: Entry, runner: Runner) -> dict[str, Any]:
    rival = entry.rival
    return {
        "name": entry.name,
        "file": entry.file.name,
        "packages": runner.packages.get(entry.name, dict.fromkeys(rival.packages)),
        "environment": rival.environment,
        "status": runner.statuses.get(entry.name, results.RAN),
        "note": rival.note,
        "convert": runner.converted.get(entry.name),
    }


def _broken(file: str, status: str) -> dict[str, Any]:
    return {
        "name": file, "file": f"{file}.py", "packages": {}, "environment": "main",
        "status": status, "note": "", "convert": None,
    }  # fmt: skip


def summary(found: results.Results) -> str:
    """Return a table of every case but those of growth."""
    parts = []
    for suite, case in results.cases(found):
        if suite == "small":
            continue
        failed: list[str] = []
        lines: list[tuple[str, ...]] = [
            ("", "samples/s", "CPU s/GB", *(f"of {kind}" for kind in results.LIMITS))
        ]
        for row in (*results.by_rate(case), *case["limits"]):
            figures = results.figures(case, row)
            if figures is None:
                failed.append(f"{row['name']}: {row['status']}")
                continue
            shares = [figures.of_limits.get(kind) for kind in results.LIMITS]
            lines.append(
                (
                    row["name"],
                    f"{figures.rate:,.0f}",
                    f"{figures.cpu_seconds_per_gb:.2f}",
                    *("" if share is None else f"{share:.2f}" for share in shares),
                )
            )
        words = "\n".join([tables.text(lines, range(1, len(lines[0]))), *failed])
        parts.append(f"{suite}: {case['title']}\n{words}")
    return "\n\n".join(parts)
