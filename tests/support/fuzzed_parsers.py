"""Files that are changed at random, or so that they reach other lines of cloudio.

    python tests/support/fuzzed_parsers.py --parser layout --runs 1000000

Where atheris is installed, the lines and branches of cloudio that a file reaches decide which files
are changed further; elsewhere chance decides.  A finding is any error but the documented one, and a
file that takes more than 50 ms and a second per megabyte.
"""

import argparse
import contextlib
import gc
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["cloudio"]) if atheris else contextlib.nullcontext():
    import hostile_files
    from hostile_files import PARSERS, try_one

_MOST_SECONDS, _SECONDS_PER_BYTE = 0.05, 1e-6
_LONGEST = 2048


class Run:
    """What has been tried of one parser, and what was found."""

    def __init__(self, kind, found, folder):
        self.kind, self.found, self.folder = kind, found, folder
        self.n_tried = self.n_accepted = 0
        self.faults = {}  # by error and line: how often
        self.slowest = 0.0, 0  # seconds of CPU, bytes

    def try_one(self, content):
        begin = time.perf_counter()
        try:
            self.n_accepted += try_one(self.kind, content, self.folder)
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            self.note(f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}", content)
        size = len(content)
        self.n_tried += 1
        if (seconds := time.perf_counter() - begin) > max(_MOST_SECONDS, self.slowest[0]):
            # Once more: the first time may have been that of another process, or of an import.
            begin = time.process_time()
            with contextlib.suppress(Exception):
                try_one(self.kind, content, self.folder)
            seconds = min(seconds, time.process_time() - begin)
        self.slowest = max(self.slowest, (seconds, size))
        if seconds > _MOST_SECONDS + _SECONDS_PER_BYTE * size:
            self.note("slow", content)

    def note(self, fault, content):
        if fault not in self.faults:
            name = f"{self.kind}-{len(self.faults)}"
            (self.found / name).write_bytes(content)
            print(f"{fault}: {self.found / name}", flush=True)
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def __str__(self):
        seconds, size = self.slowest
        return (
            f"{self.kind}: {self.n_tried:,} tried, {self.n_accepted:,} accepted, "
            f"{sum(self.faults.values())} findings {self.faults or ''}; "
            f"slowest: {1e3 * seconds:.1f} ms for {size:,} bytes"
        )


def by_chance(run, runs, seconds, seed):
    """Try files that are drawn from seeds, and then those drawn from the next."""
    end = time.monotonic() + seconds
    while run.n_tried < runs and time.monotonic() < end:
        run.try_one(hostile_files.some_file(run.kind, seed + run.n_tried))


def by_coverage(run, runs, seconds, seed, corpus):
    """Try files that are made of those that have reached most."""
    parser = PARSERS[run.kind]
    for k, content in enumerate(parser.seeds):
        (corpus / f"seed-{k}").write_bytes(content)

    def change(content, most, seed):
        rng = random.Random(seed)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            changed = parser.change(rng, content)
            content = changed if len(changed) <= most else content
        return content

    end = time.monotonic() + seconds

    def use(content):
        run.try_one(content)
        is_over = run.n_tried >= runs or time.monotonic() > end
        if is_over or run.n_tried % 100_000 == 0:
            print(f"{run}; {len(list(corpus.iterdir())):,} files kept", flush=True)
        if is_over and run.n_tried < runs:
            os._exit(0)

    settings = {"runs": runs, "seed": seed + 1, "max_len": _LONGEST, "len_control": 0}
    settings |= {"timeout": 60, "rss_limit_mb": 8192}
    words = [sys.argv[0], *(f"-{name}={value}" for name, value in settings.items()), str(corpus)]

    def fuzz():
        atheris.Setup(words, use, custom_mutator=change)
        atheris.Fuzz()

    # It ends the process, and leaves its files.
    child = multiprocessing.get_context("fork").Process(target=fuzz)
    child.start()
    child.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parser", choices=PARSERS, required=True)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1e6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, help="where files with findings are written")
    parser.add_argument("--again", type=Path, nargs="+", help="try only these files")
    given = parser.parse_args()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        used, corpus = Path(name, "used"), Path(name, "corpus")
        used.mkdir()
        corpus.mkdir()
        found = given.found or Path(tempfile.mkdtemp())
        found.mkdir(exist_ok=True)
        run = Run(given.parser, found, used)
        hostile_files.resumable()
        gc.freeze()  # collecting all of torch takes longer than most files
        if given.again:
            for path in given.again:
                run.try_one(path.read_bytes())
        elif atheris:
            by_coverage(run, given.runs, given.seconds, given.seed, corpus)
        else:
            by_chance(run, given.runs, given.seconds, given.seed)
        if given.again or not atheris:
            print(run)


if __name__ == "__main__":
    main()
