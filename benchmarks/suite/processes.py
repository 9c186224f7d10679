"""Worker processes: each is started, told what to do, and ended with all that it has started."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from .job import Job
from .measures import descendants

ROOT = Path(__file__).parents[2]
_MARK = "CLOUDIO_BENCHMARK_WORKER"
# Lines of what a worker has printed that an error shows.
_LINES = 15


class RivalError(Exception):
    """A rival that crashed, raised, or took too long: a row that says so.

    ``printed`` is the end of what its process has printed; ``hung``: it took too long.
    """

    def __init__(self, words: str, printed: str = "", hung: bool = False) -> None:
        super().__init__(words)
        self.printed, self.hung = printed, hung


class WrongAnswerError(Exception):
    """An answer that is not numpy's: the end of the run."""


def work(
    python: Path, job: Job, most_seconds: float, evict: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Return what a new worker answers; it is gone afterwards, with all its descendants.

    ``evict`` is called when the worker asks for it.
    """
    with tempfile.TemporaryFile() as printed, _worker(python, job, printed) as process:
        try:
            for message in _messages(process, time.monotonic() + most_seconds):
                if "evict" in message:
                    assert evict is not None
                    evict()
                    assert process.stdin is not None
                    with suppress(BrokenPipeError):  # it has ended, and its output says so
                        process.stdin.write(b"\n")
                        process.stdin.flush()
                elif "wrong" in message:
                    raise WrongAnswerError(message["wrong"])
                elif "failed" in message:
                    raise RivalError(message["failed"])
                else:
                    found: dict[str, Any] = message["done"]
                    return found
            raise RivalError(_how_it_ended(process))
        except TimeoutError:
            raise RivalError(f"no answer in {most_seconds:g} s", hung=True) from None
        except RivalError as error:
            printed.seek(0)
            lines = printed.read().decode(errors="replace").splitlines()
            raise RivalError(str(error), "\n".join(lines[-_LINES:])) from None


@contextmanager
def _worker(python: Path, job: Job, printed: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    mark = secrets.token_hex(8)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory(prefix="cloudio-rival-") as folder:
        file = Path(folder, "job.pickle")
        file.write_bytes(pickle.dumps(job))
        process = subprocess.Popen(
            [python, "-m", "benchmarks.suite.worker", file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, _MARK: mark},
            # A Ctrl-C is for this process, which ends the workers.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process, mark)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a worker and what it has started, in whatever session or group that is.

    A worker adopts the orphans below it, so that those are its descendants, too, while it lives;
    the mark finds what is left of one that has died.
    """
    below = descendants(process.pid) if process.poll() is None else []
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()
    for pid in _marked(mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _marked(mark: str) -> Iterator[int]:
    words = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if words in entry.read_bytes():
                yield int(entry.parent.name)


def _messages(process: subprocess.Popen[bytes], deadline: float) -> Iterator[dict[str, Any]]:
    """Yield what a worker says, until it ends; TimeoutError after the deadline."""
    assert process.stdout is not None
    descriptor, held = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            # A descendant may keep the pipe open when the worker is dead.
            if not selector.select(min(1.0, max(0.0, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    raise TimeoutError
                if process.poll() is not None:
                    return
                continue
            part = os.read(descriptor, 1 << 16)
            if not part:
                return
            *lines, held = (held + part).split(b"\n")
            yield from map(json.loads, lines)


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    status = process.wait()
    if status < 0:
        return f"its process was ended by {signal.Signals(-status).name}"
    return f"its process ended with status {status} and no answer"
