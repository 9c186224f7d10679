"""What readers return while a file of their data set changes: a stress program, and its counts.

    python tests/support/changing.py --io pread --trials 1000 [--json] [--folder /dev/shm]

A worker process reads batches in a loop; in the midst of one of them this process does something
to one file.  The worker compares every batch that it gets without an error, bit for bit; what is
right is said in changes.py.  Seed and number of a trial settle what is done, to which file, and
what is read; only the moment is left to chance.

The outcome of a trial is the worst of its batches.  Exit status: 0; 1 where there was one that is
never allowed; 2 where this program itself failed.  Allowed are errors, and, without pread, wrong
bytes and SIGBUS from files that were cut or written to.  ``--io numpy`` reads memmaps without any
care, to show that both are found.
"""

import argparse
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from changes import (
    ACTIONS,
    BAD,
    BANDS,
    BEGUN,
    DONE,
    LAYOUT,
    NAMES,
    NEW,
    OLD,
    OVER,
    RIGHT,
    SIDE,
    WAITING,
    Change,
    Outcome,
    Parts,
    Trial,
    content,
    path_of,
    pixels,
    refusal,
    restore,
    wanted,
    window_of,
    wrong,
)

import cloudio

# ---- the worker ----------------------------------------------------------------------------------

# What parent and worker tell each other, in memory that both map: whole numbers, by these names.
NUMBER, STAGE, READY, READS, NANOSECONDS, FINISHED, MET = range(7)


def board_in(folder: Path) -> memoryview:
    with open(folder / "board", "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("q")


class Opened:
    """The data set as the library opens it, and the batch of a trial."""

    def __init__(self, folder: Path, io: str, trial: Trial) -> None:
        dataset = cloudio.open(folder, layout=LAYOUT, io=io)
        self.reader = dataset.reader(BANDS, {"LABEL": None}, **trial.options)
        self.index, self.nhwc = trial.index, trial.options.get("layout") == "NHWC"
        self.out = self.reader.allocate(len(trial.index))

    def clear(self) -> None:
        """Leave nothing of an earlier batch to be returned."""
        for array in self.out:
            array.fill(255 if array.dtype == np.uint8 else -1)

    def read(self) -> Parts:
        image, label, _, *valid = self.reader.read(self.index, out=self.out)
        image = np.moveaxis(image, -1, 1) if self.nhwc else image
        return image, label[:, 0], valid[0] if valid else None


class OpenedByNumpy:
    """The data set as plain memmaps: nothing is asked, nothing is caught."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        self.index, self.window = trial.index, window_of(trial)
        kinds = {name: pixels(name, OLD).dtype for name in NAMES}
        maps = [np.memmap(path_of(folder, name), kind, "r") for name, kind in kinds.items()]
        self.arrays = [array.reshape(-1, SIDE, SIDE) for array in maps]

    def clear(self) -> None:
        pass

    def read(self) -> Parts:
        samples = [[x[k][self.window].copy() for x in self.arrays] for k in self.index]
        return np.array([x[:-1] for x in samples]), np.array([x[-1] for x in samples]), None


def work(folder: Path, io: str, seed: int) -> None:
    """Do the trials that the board asks for, until the parent is gone or kills this process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    board, parent = board_in(folder), os.getppid()
    while os.getppid() == parent:
        if board[FINISHED] == board[NUMBER]:
            time.sleep(2e-4)
            continue
        trial = Trial.drawn(seed, board[NUMBER])
        with open(folder / "log", "a", encoding="utf-8", buffering=1) as log:
            for outcome in outcomes(folder, io, trial, board):
                print(json.dumps(outcome), file=log)
        board[FINISHED] = board[NUMBER]


def outcomes(folder: Path, io: str, trial: Trial, board: memoryview) -> Iterator[Outcome]:
    """Read until the trial is over; yield each kind of outcome when first met."""
    files = OpenedByNumpy(folder, trial) if io == "numpy" else Opened(folder, io, trial)
    arrays = wanted(trial)
    files.read()
    start = time.perf_counter_ns()
    files.read()
    board[NANOSECONDS] = time.perf_counter_ns() - start
    board[READY] = board[NUMBER]
    seen = set()
    while board[STAGE] < OVER:
        files.clear()
        found: Parts | Exception
        before = board[STAGE]
        board[READS] += 1
        try:
            found = files.read()
        except Exception as error:
            found = error
        board[READS] += 1
        after = board[STAGE]
        board[MET] |= before < after
        if isinstance(found, OSError):
            outcome = refusal(trial, after, found, path_of(folder, trial.name), io)
        elif isinstance(found, Exception):
            outcome = BAD, type(found).__name__, str(found)
        elif fault := wrong(trial, before, after, arrays, found):
            outcome = BAD, "wrong bytes", fault
        else:
            outcome = RIGHT, "right", ""
        if outcome[1] not in seen:
            seen.add(outcome[1])
            yield outcome


# ---- the parent ----------------------------------------------------------------------------------


class LostError(Exception):
    """The worker died, or hung and was ended: ``args`` are the name and the detail of that."""


class Stress:
    """Trials against one data set, and their counts."""

    def __init__(self, folder: Path, io: str, seed: int, timeout: float) -> None:
        self.folder, self.io, self.seed, self.timeout = folder, io, seed, timeout
        (folder / "board").write_bytes(bytes(64))
        self.board = board_in(folder)
        self.worker: subprocess.Popen | None = None
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.details: dict[str, str] = {}
        self.forbidden: list[str] = []
        self.reads = self.met = 0
        for name in NAMES:
            restore(folder, name)

    def run(self, number: int) -> None:
        trial = Trial.drawn(self.seed, number)
        log = self.folder / "log"
        log.write_bytes(b"")
        lost: list[Outcome] = []
        try:
            self.change(trial, number)
        except LostError as error:
            lost = [(BAD, *error.args)]
        told = log.read_text(encoding="utf-8").splitlines()
        # Of two that are as bad the first: a death outweighs all.
        level, outcome, detail = max([*lost, *map(json.loads, told)], key=lambda each: each[0])
        self.counts[trial.action][outcome] += 1
        self.reads += self.board[READS] // 2
        self.met += bool(self.board[MET] or lost)
        what = f"trial {number}, {trial.name} {trial.action}: {outcome}. {detail}"
        self.details.setdefault(f"{trial.action}: {outcome}", what)
        excused = self.io != "pread" and ACTIONS[trial.action].changes >= Change.BYTES
        if level == BAD and not (excused and outcome in ("wrong bytes", "SIGBUS")):
            self.forbidden.append(what)
        restore(self.folder, trial.name)

    def change(self, trial: Trial, number: int) -> None:
        """Have the worker read, and change the file meanwhile."""
        board, path = self.board, path_of(self.folder, trial.name)
        board[STAGE] = board[READS] = board[MET] = 0
        content(trial.name, NEW)  # made now, so as to be at hand in time
        self.start()
        board[NUMBER] = number
        self.wait(lambda: board[READY] == number)
        seconds = board[NANOSECONDS] / 1e9
        # Without a pause: a read of four small windows takes as long as the shortest.
        self.wait(lambda: board[READS] > 2 * trial.skip and board[READS] % 2 == 1, 0)
        met = time.perf_counter() + trial.moment * seconds
        while time.perf_counter() < met:
            pass
        board[STAGE] = BEGUN
        ACTIONS[trial.action].do(path, trial, trial.pause * seconds)
        board[STAGE] = DONE
        # What was under way, and one that begins after all is done.
        more = board[READS] + 4
        self.wait(lambda: board[READS] >= more)
        board[STAGE] = OVER
        self.wait(lambda: board[FINISHED] == number)

    def wait(self, come: Callable[[], bool], pause: float = 2e-4) -> None:
        """Return when something has come; LostError where the worker does not live to see it."""
        assert self.worker is not None
        end = time.monotonic() + self.timeout
        while not come():
            if self.worker.poll() is not None:
                raise LostError(*self.death())
            if time.monotonic() > end:
                self.worker.kill()
                self.worker.wait()
                raise LostError("hang", f"nothing came for {self.timeout} s")
            if pause:
                time.sleep(pause)

    def start(self) -> None:
        """See that there is a worker; a new one has nothing to do before it is told."""
        if self.worker is not None and self.worker.poll() is None:
            return
        self.board[FINISHED] = self.board[NUMBER]
        what = [self.folder, "--io", self.io, "--seed", self.seed]
        with open(self.folder / "stderr", "wb") as errors:
            self.worker = subprocess.Popen(
                [sys.executable, __file__, "--worker", *map(str, what)], stderr=errors
            )

    def death(self) -> tuple[str, str]:
        """What killed the worker; RuntimeError where that was this program's own fault."""
        assert self.worker is not None
        code = self.worker.returncode
        said = (self.folder / "stderr").read_text(errors="replace")
        if code < 0:
            kind = signal.Signals(-code).name
        elif "AddressSanitizer" in said:
            # It catches what would have been a signal, and says which.
            kind = "SIGBUS" if "AddressSanitizer: BUS" in said else "AddressSanitizer"
        else:
            raise RuntimeError(f"the worker ended with {code}:\n{said}")
        if self.board[STAGE] == WAITING:
            raise RuntimeError(f"the worker died of {kind} before anything had changed:\n{said}")
        return kind, said[-2000:].strip()

    def end(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()


def table(counts: dict[str, Counter[str]]) -> str:
    """Actions by outcomes, the good ones first."""
    total = sum(counts.values(), Counter())
    order = ["right", "TruncatedError", "OSError"]
    order = [*order, *sorted(set(total).difference(order))]
    rows = [["", *order]]
    for action in ACTIONS:
        rows.append([action, *(str(counts[action][outcome] or "") for outcome in order)])
    rows.append(["all", *(str(total[outcome]) for outcome in order)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}"
        + "".join(f"  {x:>{n}}" for x, n in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Read files that change, and count what comes.")
    parser.add_argument("--io", default="pread", help="pread, mmap, auto, or numpy")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print counts, not a table")
    parser.add_argument("--folder", help="where to make the data set: its file system is tried")
    parser.add_argument("--timeout", type=float, default=60, help="seconds that mean a hang")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work(asked.worker, asked.io, asked.seed)
        return 0
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        stress = Stress(Path(folder), asked.io, asked.seed, asked.timeout)
        begin = time.monotonic()
        try:
            for number in range(1, asked.trials + 1):
                stress.run(number)
        except Exception:
            traceback.print_exc()
            return 2
        finally:
            stress.end()
    if asked.json:
        shown = {"io": asked.io, "seed": asked.seed, "reads": stress.reads, "met": stress.met}
        shown |= {"counts": stress.counts, "forbidden": stress.forbidden, "first": stress.details}
        print(json.dumps(shown, indent=1))
    else:
        print(table(stress.counts))
        print(
            f"\nio {asked.io}, seed {asked.seed}: {stress.reads:,} reads in "
            f"{time.monotonic() - begin:.0f} s; the change met one in {stress.met} of "
            f"{asked.trials} trials"
        )
        for what in stress.forbidden[:10]:
            print(what)
    return 1 if stress.forbidden else 0


if __name__ == "__main__":
    sys.exit(main())
