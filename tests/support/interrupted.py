"""Programs that are interrupted at random moments: how each ends, and what it leaves.

    python tests/support/interrupted.py 1000            # commands
    python tests/support/interrupted.py 1000 --loops    # loops of Python

Each command runs in a process group and folders of its own.  SIGINT goes to the whole group, as
that of a terminal does, SIGTERM to the command, as that of ``kill`` does.  The moment is random
over the time that the command takes, and later than its import of cloudio: before, no code of ours
can answer.  No verdict depends on the moment.
"""

import argparse
import collections
import contextlib
import itertools
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import loading
import processes
from paths import SUPPORT
from residents import soon

import cloudio
from cloudio.layouts.toml_writer import to_toml

ROOT = Path(cloudio.__file__).parents[1]
#: What is run, in a folder with the data set ``data``; what it writes is "whole".
COMMANDS = {
    "info": ["info", "data/set"],
    "info --json": ["info", "data/set", "--json"],
    "show": ["show", "data/set", "--index", "0", "1", "--labels", "manual_hq", "-o", "whole.png"],
    "stats": ["stats", "data/set", "--bands", "rgb", "--labels", "manual_hq", "-o", "whole.json"],
    "verify": ["verify", "data/set", "--threads", "2", "--fail-on", "never"],
    "verify --manifest": ["verify", "data/set", "--manifest", "whole.json", "--fail-on", "never"],
    "synth": ["synth", "whole", "--patches", "train=1"],
    "unpack": ["unpack", "data/set", "whole", "--arrays", "rgb", "S1_VV", "manual_hq"],
    "bench": ["bench", "data/small", "--rounds", "1"],
    "bench --cold": ["bench", "data/small", "--cold", "--rounds", "1"],
    "bench --train": "bench data/small --train --rounds 1 --batch 2 --size 8 --compute 1".split(),
}
#: Those that take long come once in so many rounds.
SLOW = {"bench --cold": 4, "bench --train": 16}
#: What every command does that was interrupted, or has ended before.
GOOD = {signal.SIGINT: (0, 130), signal.SIGTERM: (0, 143)}


class Outcome(NamedTuple):
    """How a command ended, what it said, and what is left: files, and processes of its group."""

    status: int
    said: str
    left: tuple[str, ...]
    seconds: float  # since its import


def make_data(folder: Path) -> None:
    """Write the data sets that commands use; the folder of each command has a link to them."""
    folder.mkdir()
    cloudio.synthesize(folder / "set", {"train": 2, "val": 1})
    loading.write(folder / "small", 8)
    (folder / "small" / "cloudio.toml").write_text(to_toml(loading.LAYOUT))


@contextlib.contextmanager
def _place(data: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder to run a command in, and one for its temporary files."""
    with tempfile.TemporaryDirectory(prefix="interrupted-") as name:
        work, temporary = Path(name, "work"), Path(name, "temporary")
        work.mkdir(), temporary.mkdir()
        (work / "data").symlink_to(data)
        yield work, temporary


def interrupt(words: list[str], data: Path, delay: float, number: int = signal.SIGINT) -> Outcome:
    """Run a command, send its group a signal so many seconds after its import, and wait."""
    with _place(data) as (work, temporary), _not_ignored():
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        with processes.started(
            [sys.executable, "-X", "faulthandler", "-m", "cloudio", *words],
            cwd=work,
            env=processes.environment(TMPDIR=str(temporary)),
            **pipes,
        ) as process:
            assert soon(lambda: _handles_signals(process)), "it does not begin"
            start = time.perf_counter()
            time.sleep(delay)
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGINT:
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)
            try:
                said = process.communicate(timeout=processes.SECONDS)[1]
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # faulthandler shows where it waits
                said = process.communicate()[1]
            seconds = time.perf_counter() - start
            soon(lambda: not _group(process.pid))  # some end when their pipe does
            left = [*_left_in(work, temporary), *_group(process.pid)]
        return Outcome(process.returncode, said.strip(), tuple(left), seconds)


@contextlib.contextmanager
def _not_ignored() -> Iterator[None]:
    """Let programs that are started get SIGINT, which a background job of a shell ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _handles_signals(process: subprocess.Popen) -> bool:
    """Whether a command has begun: of all programs here, only that handles SIGTERM."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _left_in(work: Path, temporary: Path) -> list[str]:
    """What a command has left beside whole results."""
    found = [*work.iterdir(), *temporary.iterdir()]
    return sorted(x.name for x in found if x.name != "data" and not x.name.startswith("whole"))


def _group(leader: int) -> list[str]:
    """The processes of a group that live, when their leader has ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                found.append(f"process {(folder / 'cmdline').read_bytes()!r}")
    return found


def duration(words: list[str], data: Path) -> float:
    """How long a command takes after its import when nobody interrupts it."""
    outcome = interrupt(words, data, 0, 0)  # no signal
    assert (outcome.status, outcome.left) == (0, ()), outcome
    return outcome.seconds


# ---- loops ---------------------------------------------------------------------------------------

#: Loops without end, as lines of a function that is called again and again.
LOOPS = {
    "epochs": "for batch in loader: pass",
    "epochs left early": "for batch in loader: break",
    "epochs without a thread": "for batch in direct: pass",
    "epochs of tensors": "for batch in tensors: pass",
    "reads": "reader.read([0, 1, 2])",
    "gather": "cloudio.gather([array], [0, 1])",
    "statistics": "stats.bands(ds, ['B0'], progress=False)",
    "open": "loading.make_reader(loading.open_set(folder)).read([0])",
}
_LOOP = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    import cloudio, loading
    from cloudio import stats

    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(sys.argv[1])
    loading.write(folder, 4)
    ds = loading.open_set(folder)
    reader, array = loading.make_reader(ds), np.zeros((4, 16, 16), np.int16)
    loader, direct = cloudio.Loader(reader, 2), cloudio.Loader(reader, 2, prefetch=0)
    if "tensors" in sys.argv[2]:
        import cloudio.torch
        tensors = cloudio.torch.Loader(reader, 2)

    def step():
        STEP

    def loop():
        global owed
        if owed:  # inside, so that no interrupt can come where nobody waits for it
            owed = False
            os.write(1, b".")
        while True:
            step()

    owed = True
    while True:
        try:
            loop()
        except KeyboardInterrupt:
            owed = True
"""


class LoopOutcome(NamedTuple):
    """How many interrupts of a loop did not arrive, and what it said."""

    lost: int
    said: str


def interrupt_loop(name: str, n: int, drawn: random.Random, seconds: float = 10) -> LoopOutcome:
    """Interrupt a loop ``n`` times; each has to arrive as KeyboardInterrupt before the next."""
    lost = 0
    with tempfile.TemporaryDirectory(prefix="interrupted-") as folder:
        code = processes.textwrap.dedent(_LOOP).replace("STEP", LOOPS[name])
        with processes.started(
            processes.python(code, Path(folder, "data"), LOOPS[name]),
            env=processes.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip

            def answers(seconds: float) -> bool:
                ready = select.select([process.stdout], [], [], seconds)[0]
                return bool(ready) and os.read(process.stdout.fileno(), 1) == b"."

            assert answers(processes.SECONDS), process.stderr.read()
            for _ in range(n):
                time.sleep(drawn.random() * 0.004)
                process.send_signal(signal.SIGINT)
                if not answers(seconds):
                    lost += 1
                    if process.poll() is not None:
                        break
            processes.kill(process)
            said = process.stderr.read().decode()
    return LoopOutcome(lost, said)


# ---- by hand -------------------------------------------------------------------------------------


def _rounds(names: list[str]) -> Iterator[str]:
    """Yield names of commands in turn, for ever."""
    for k in itertools.count():
        yield from (name for name in names if k % SLOW.get(name, 1) == 0)


def interrupt_commands(n: int, number: int, seed: int, names: list[str]) -> bool:
    """Interrupt commands ``n`` times in all, and print a table; return whether all is well."""
    drawn, data = random.Random(seed), Path(tempfile.mkdtemp(prefix="interrupted-data-"))
    make_data(data / "data")
    lengths = {name: duration(COMMANDS[name], data / "data") for name in names}
    tables: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in names}
    try:
        for name in itertools.islice(_rounds(names), n):
            delay = drawn.random() * lengths[name]
            outcome = interrupt(COMMANDS[name], data / "data", delay, number)
            table = tables[name]
            good = outcome.status in GOOD[number]
            table[str(outcome.status) if good else f"other ({outcome.status})"] += 1
            table["leftovers"] += bool(outcome.left)
            table["tracebacks"] += bool(outcome.said)
            if not good or outcome.left or outcome.said:
                what = f"status {outcome.status}, left {outcome.left}"
                print(f"--- {name} after {delay:.3f} s: {what}\n{outcome.said}", flush=True)
    finally:
        shutil.rmtree(data)
    for name, table in tables.items():
        print(f"{name:20} {lengths[name]:5.1f} s", dict(sorted(table.items())))
    return not any(
        count
        for table in tables.values()
        for what, count in table.items()
        if what.startswith(("other", "left", "trace"))
    )


def interrupt_loops(n: int, seed: int, names: list[str]) -> bool:
    """Interrupt each loop so often, and print a table; return whether all is well."""
    good = True
    for name in names:
        outcome = interrupt_loop(name, n, random.Random(seed))
        print(f"{name:25} {n} sent, {outcome.lost} lost", outcome.said, flush=True)
        good = good and outcome == LoopOutcome(0, "")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, help="interrupts: of all commands, or of each loop")
    parser.add_argument("--loops", action="store_true", help="interrupt loops, not commands")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--term", action="store_true", help="send SIGTERM")
    parser.add_argument("--only", help="one command or loop")
    given = parser.parse_args()
    names = [given.only] if given.only else [*(LOOPS if given.loops else COMMANDS)]
    if given.loops:
        return not interrupt_loops(given.n, given.seed, names)
    number = signal.SIGTERM if given.term else signal.SIGINT
    return not interrupt_commands(given.n, number, given.seed, names)


if __name__ == "__main__":
    sys.path.insert(0, str(SUPPORT))
    sys.exit(main())
