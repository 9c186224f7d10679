"""Make each call of the system fail, in each operation of the library, and print what happens.

    python tests/support/fault_matrix.py                     all of it, some minutes
    python tests/support/fault_matrix.py --operations open read --calls open pread --errors EIO

A cell is one operation with one engine, one call and one error: the operation runs as often as it
makes that call, and each time another of the calls fails. ``ok`` is the right result, a class is an
error of that class that names the file. WRONG is another result, UNDOCUMENTED another error, LEAK
what an operation leaves: open files, mappings, threads, or a file that is not wanted.
"""

import argparse
import contextlib
import ctypes
import errno
import gc
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_operations import OPERATIONS, Operation, Workplace

import cloudio
from cloudio._core import executor

SOURCE = Path(__file__).with_name("failing_calls.c")
READ_ERRORS = ("EIO", "EINTR", "ENOMEM", "EMFILE", "ENOSYS", "ESTALE", "short")
WRITE_ERRORS = ("EIO", "EINTR", "ENOSPC", "EROFS", "EACCES", "EDQUOT", "ENOSYS", "ESTALE", "short")
# What is only done to files that are written.
WRITING = ("write", "fsync", "close", "mkdir", "link", "rename", "unlink", "chmod")
SHORTENED = ("read", "pread", "preadv2", "write")
# Of mapped pages: these are what a signal would be.
PAGE_ERRORS = ("EFAULT", "EHWPOISON")
_BAD = ("WRONG", "LEAK", "UNDOCUMENTED")


class Shim:
    """The library that is preloaded."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._library.call_names.restype = ctypes.c_char_p
        self._library.called.restype = ctypes.c_long
        self._library.fail.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long)
        self.calls: list[str] = self._library.call_names().decode().split()

    def watch(self, folder: Path) -> None:
        assert self._library.watch(os.fsencode(folder)) > 3, "cloudio's modules are not found"

    def arm(self, call: str, error: str, nth: int) -> None:
        # Errors that this Python does not name have the numbers of Linux.
        number = {"short": 0, "EHWPOISON": 133}.get(error) or getattr(errno, error, 0)
        self._library.fail(self.calls.index(call), number, nth)

    def disarm(self) -> None:
        self._library.fail(0, 0, 0)

    @property
    def failed(self) -> int:
        return self._library.failed()

    def called(self) -> dict[str, int]:
        return {call: self._library.called(k) for k, call in enumerate(self.calls)}


# ---- what a process holds ------------------------------------------------------------------------


def _tasks() -> int:
    """Threads, aside from the workers of the pool, which are kept."""
    return len(os.listdir("/proc/self/task")) - executor.n_workers()


def held(folder: Path) -> Counter[str]:
    """Descriptors, and mappings of files below a folder; packages keep files of their own open."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            name = os.readlink(f"/proc/self/fd/{number}")
            found[name] += "/site-packages/" not in name
    with open("/proc/self/maps", "rb") as maps:
        found["mapping"] = maps.read().count(os.fsencode(folder))
    return found


def left(what: Callable[[], Any], seconds: float = 1.0) -> Any:
    """What is left; background threads have a moment to end."""
    if not what():
        return None
    gc.collect()
    deadline = time.monotonic() + seconds
    while (found := what()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


# ---- cells ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """What became of the runs of one cell: outcome -> how many."""

    call: str
    error: str
    operation: str
    engine: str
    outcomes: Counter[str]

    @property
    def is_bad(self) -> bool:
        return any(outcome.startswith(_BAD) for outcome in self.outcomes)

    def __str__(self) -> str:
        found = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes.items()))
        return f"{self.call:15}{self.error:10}{self.engine:7}{self.operation:22}{found}"


class Matrix:
    """Runs cells in this process, where the library is preloaded."""

    def __init__(self, folder: Path, most: int) -> None:
        self._most = most
        self.shim, self.place = Shim(), Workplace.make(folder)
        self.shim.watch(folder)
        with self.place.open() as ds:  # starts the thread that reads ahead, which is kept
            ds.reader("a", scale=None).prefetch([0])
        self._idle = held(folder)

    def cells(
        self, operations: list[Operation], calls: list[str], errors: list[str] | None
    ) -> Iterator[Cell]:
        for operation in operations:
            for engine in operation.engines:
                yield from self._cells_of(operation, engine, calls, errors)

    def _cells_of(
        self, operation: Operation, engine: str, calls: list[str], errors: list[str] | None
    ) -> Iterator[Cell]:
        for _ in range(3):  # threads and modules are there afterwards
            right = self._run(operation, engine)
        self.shim.arm(self.shim.calls[0], "EIO", 0)
        assert self._run(operation, engine) == right, operation.name
        called = self.shim.called()
        left(lambda: held(self.place.root) - self._idle)
        before = self._idle, _tasks()
        for call in calls:
            # A thread of the pool is started once for all operations; a child starts its own.
            apart = call == "pthread_create"
            n_calls = max(called[call], 8 * apart)
            for error in _errors_of(operation, call, errors) if n_calls else ():
                outcomes: Counter[str] = Counter()
                step = -(-n_calls // self._most)
                for nth in range(1, n_calls + 1, step):
                    case = operation, engine, call, error, nth, right, before
                    found = self._in_child(*case) if apart else self._outcome(*case)
                    if found:
                        outcomes[found] += 1
                if outcomes:
                    yield Cell(call, error, operation.name, engine, outcomes)

    def _run(self, operation: Operation, engine: str) -> Any:
        operation.prepare(self.place)
        result = operation.run(self.place, engine)
        return result if operation.made is None else (result, operation.made(self.place))

    def _outcome(self, operation, engine, call, error, nth, right, before) -> str:
        """What one run ends in; "" where the call was not made."""
        operation.prepare(self.place)
        self.shim.arm(call, error, nth)
        try:
            result, raised = operation.run(self.place, engine), None
        except Exception as failure:
            result, raised = None, failure
        n_failed = self.shim.failed
        self.shim.disarm()
        if not n_failed:
            return ""
        if raised is None and operation.made is not None:
            result = result, operation.made(self.place)
        if raised is not None:
            outcome = _outcome_of_error(operation, raised, call, error, self.place)
            raised.__traceback__ = raised.__context__ = raised.__cause__ = None
            raised = None
        else:
            outcome = operation.compare(result, right)
        if unwanted := operation.unwanted(self.place, outcome.startswith("ok")):
            outcome = f"LEAK {unwanted}"
        if files := left(lambda: held(self.place.root) - before[0]):
            outcome = f"LEAK of files {sorted(files)}"
        elif call != "pthread_create" and left(lambda: _tasks() > before[1]):
            outcome = f"LEAK of threads {before[1]} -> {_tasks()}"
        return outcome

    def _in_child(self, *case: Any) -> str:
        """The same in a forked child, which has no threads yet."""
        reads, writes = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that threads and forks do not mix
            child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reads)
                *most, _ = case
                said = self._outcome(*most, (held(self.place.root), 0))
                os.write(writes, said.encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writes)
        with open(reads, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        return said if status == 0 else f"WRONG: status {status}"


def _errors_of(operation: Operation, call: str, chosen: list[str] | None) -> list[str]:
    errors = WRITE_ERRORS if operation.writes or call in WRITING else READ_ERRORS
    if call == "malloc":
        errors = ("ENOMEM",)
    elif call == "madvise":
        errors = (*errors, *PAGE_ERRORS)
    return [
        error
        for error in errors
        if (error != "short" or call in SHORTENED) and (chosen is None or error in chosen)
    ]


def _outcome_of_error(
    operation: Operation, raised: Exception, call: str, error: str, place: Workplace
) -> str:
    """The class of an error; UNDOCUMENTED if it has another class, or does not name its file."""
    name = type(raised).__name__
    text = str(raised).partition("\n")[0]
    bad = f"UNDOCUMENTED {name} {_where(raised)} {getattr(raised, 'path', None)}: {text}"
    if isinstance(raised, MemoryError):
        return name if call == "malloc" else bad
    if call == "pthread_create":
        is_told = isinstance(raised, cloudio.RequestError) and "cannot be started" in str(raised)
        return name if is_told else bad
    if not isinstance(raised, cloudio.CloudioError) or not isinstance(raised, OSError):
        return bad
    if raised.path is None or str(raised.path) not in str(raised):
        return bad
    if operation.target is not None and call in WRITING:
        return name if raised.path == operation.named(place) else bad
    return name if raised.path.is_relative_to(place.root) else bad


def _where(raised: BaseException) -> str:
    """Where cloudio raised an error: the last of its lines."""
    lines = traceback.extract_tb(raised.__traceback__)
    ours = [x for x in lines if f"{os.sep}cloudio{os.sep}" in x.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "elsewhere"


# ---- the program ---------------------------------------------------------------------------------


def build(folder: Path) -> Path:
    """Compile the library that is preloaded."""
    library = folder / "failing_calls.so"
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", SOURCE, "-o", library, "-ldl"]
    subprocess.run(list(map(str, command)), check=True)
    return library


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--operations", nargs="+", choices=[x.name for x in OPERATIONS])
    parser.add_argument("--calls", nargs="+")
    parser.add_argument("--errors", nargs="+")
    parser.add_argument("--most", type=int, default=12, help="runs of a cell at most")
    parser.add_argument("--folder", help="where the files are (default: as of tempfile)")
    parser.add_argument("--bad", action="store_true", help="print only cells that are not right")
    return parser.parse_args()


def _report(folder: Path, options: argparse.Namespace) -> int:
    warnings.simplefilter("ignore", cloudio.CloudioWarning)
    matrix = Matrix(folder, options.most)
    gc.collect()
    gc.freeze()  # so that collecting what a run leaves takes no time
    chosen = options.operations or [x.name for x in OPERATIONS]
    operations = [x for x in OPERATIONS if x.name in chosen and x.is_possible()]
    cells = []
    totals: Counter[str] = Counter()
    for cell in matrix.cells(operations, options.calls or matrix.shim.calls, options.errors):
        cells.append(cell)
        for outcome, n in cell.outcomes.items():
            totals[outcome if not outcome.startswith(_BAD) else outcome.split()[0]] += n
        if cell.is_bad or not options.bad:
            print(cell, flush=True)
    runs = ", ".join(f"{name} {n:,}" for name, n in totals.most_common())
    n_bad = sum(cell.is_bad for cell in cells)
    print(f"{len(cells):,} cells, {n_bad} bad; {sum(totals.values()):,} faults: {runs}")
    return n_bad > 0


def main() -> int:
    options = _options()
    if "LD_PRELOAD" in os.environ:
        with tempfile.TemporaryDirectory(prefix="faulty-", dir=options.folder) as folder:
            return _report(Path(os.path.realpath(folder)), options)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LD_PRELOAD": str(build(Path(folder)))}
        command = [sys.executable, *sys.argv]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
