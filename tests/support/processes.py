"""Programs that tests start beside themselves.

Each has a process group of its own, which is killed when its time is over and when the test ends;
on Linux it also dies when the tests do.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import pytest
from paths import SUPPORT
from residents import is_sanitized

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
# For tests that fork while other threads allocate.
forks_under_load = pytest.mark.skipif(
    is_sanitized() or not hasattr(os, "fork"),
    reason="no fork, or a sanitizer's allocator, whose lock a fork leaves taken in the child",
)

SECONDS = 120  # that mean a hang: many times what any program takes on a busy machine


@functools.cache
def _leash() -> tuple[str, ...]:
    """What a command begins with so that the program dies with the thread that started it."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    leash = (setpriv, "--pdeathsig", "KILL") if setpriv else ()
    if leash and subprocess.run([*leash, "true"], capture_output=True, check=False).returncode:
        return ()
    return leash


def kill(process: subprocess.Popen) -> None:
    """Kill a program and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(command: Iterable[object], **settings: Any) -> Iterator[subprocess.Popen]:
    """Start a program, which is killed with all that it has started when the block ends."""
    words = [*_leash(), *map(str, command)]
    with subprocess.Popen(words, start_new_session=True, **settings) as process:
        try:
            yield process
        finally:
            kill(process)


def run(
    command: Iterable[object], *, seconds: float = SECONDS, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Return how a program ended and what it said; fail where that takes too long."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(command := [*map(str, command)], **(pipes | settings)) as process:
        try:
            said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            kill(process)
            # Bytes, whatever it prints; what it says meanwhile is lost.
            text = b"\n".join(filter(None, (error.stdout, error.stderr))).decode(errors="replace")
            pytest.fail(f"it took more than {seconds} s: {command}\n{text}")
    return subprocess.CompletedProcess(command, process.returncode, *said)


def environment(**more: str) -> dict[str, str]:
    """The variables of this process, and the helpers of tests where programs find them."""
    path = filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), **more}


def python(code: str, *arguments: object, flags: Iterable[str] = ()) -> list[str]:
    """Return the command that runs ``code`` in a fresh interpreter."""
    return [sys.executable, *flags, "-c", textwrap.dedent(code), *map(str, arguments)]


def printed(command: Iterable[object], **settings: Any) -> str:
    """Return what a program prints; fail with what it said where it does not end well."""
    done = run(command, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_subprocess(code: str, *arguments: object, **settings: Any) -> str:
    """Return what a fresh interpreter prints; it finds the helpers of tests."""
    return printed(python(code, *arguments), env=environment(), **settings).strip()


# ---- what is left --------------------------------------------------------------------------------


def descendants() -> dict[int, str]:
    """The processes that this one and its children have started and that live, by id.

    Left out are the two helpers of multiprocessing that live as long as this process.  Orphans
    count where `forks.adopt_orphans` was called before.  Empty where there is no /proc.
    """
    parents, found = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # What stands before the last parenthesis may hold anything.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(folder.name)] = int(parent)
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = os.fsdecode(words)
    helpers = (
        getattr(resource_tracker._resource_tracker, "_pid", None),
        getattr(forkserver._forkserver, "_forkserver_pid", None),
    )
    ours, known = set(), {os.getpid()}
    while known:
        known = {process for process, parent in parents.items() if parent in known} - ours
        ours |= known
    return {process: found[process] for process in sorted(ours) if process not in helpers}
