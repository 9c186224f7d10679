"""What a run costs a process and all its descendants: CPU seconds, page faults, reads, memory.

For Linux; reads /proc.  Needs the standard library alone, and Python 3.10, as task.py does.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.02
_SHARED = "/dev/shm"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Keep descendants whose parents die below this process; end this one with its parent."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


# ---- what was used -------------------------------------------------------------------------------


class Usage(NamedTuple):
    """What a process and its descendants have used since they began, dead ones included."""

    cpu_seconds: float
    minor_faults: int
    major_faults: int
    read_bytes: int

    def since(self, before: Usage) -> Usage:
        cpu_seconds, *counts = (now - then for now, then in zip(self, before, strict=True))
        return Usage(cpu_seconds, *map(int, counts))


def usage() -> Usage:
    """Return what this process and its descendants have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = time.process_time() + children.ru_utime + children.ru_stime
    found = [Usage(cpu_seconds, *_counts(os.getpid()))]
    for pid in descendants():
        with suppress(OSError):  # it has ended, and counts for its parent
            found.append(Usage(_cpu_seconds(pid), *_counts(pid)))
    cpu_seconds, *counts = map(sum, zip(*found, strict=True))
    return Usage(cpu_seconds, *map(int, counts))


def descendants(pid: int | None = None) -> list[int]:
    """Return the live processes below ``pid``, or below this one."""
    found = []
    for children in Path(f"/proc/{pid or os.getpid()}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat; [0] is the state, the third of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _counts(pid: int) -> tuple[int, int, int]:
    """Return minor faults, major faults and bytes read from disks, of dead children too."""
    fields = _stat(pid)
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    minor, major = (int(fields[k]) + int(fields[k + 1]) for k in (7, 9))
    return minor, major, int(io["read_bytes"])


def _cpu_seconds(pid: int) -> float:
    # The CPU clock of a process, by the number that clock_getcpuclockid(3) gives.
    own = time.clock_gettime(~pid << 3 | 2)
    fields = _stat(pid)
    return own + (int(fields[13]) + int(fields[14])) / _TICKS


# ---- memory --------------------------------------------------------------------------------------


class Memory:
    """Peaks of memory while it was watched, in bytes, of this process and its descendants.

    ``pss`` is the proportional set size without the pages of mapped files, which the kernel can
    drop: a page that several processes map counts once.  ``shm`` is the part that processes share:
    shared mappings, and what came under /dev/shm since the beginning.
    """

    def __init__(self) -> None:
        self.pss = self.shm = 0
        self._before = _in_dev_shm()

    @contextmanager
    def watched(self) -> Iterator[Memory]:
        """Read the memory again and again in a thread; not for timed runs."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_SECONDS):
                self._look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()
            self._look()

    def _look(self) -> None:
        totals = {"Pss": 0, "Pss_File": 0, "Pss_Shmem": 0}
        for pid in (os.getpid(), *descendants()):
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    if name in totals:
                        totals[name] += int(rest.split()[0]) * 1024
        # Files under /dev/shm that no process maps at the moment, such as batches on their way.
        unmapped = max(0, _in_dev_shm() - self._before - totals["Pss_Shmem"])
        self.pss = max(self.pss, totals["Pss"] - totals["Pss_File"] + unmapped)
        self.shm = max(self.shm, totals["Pss_Shmem"] + unmapped)


def _in_dev_shm() -> int:
    """Return the bytes of all files under /dev/shm, of every process."""
    if not os.path.isdir(_SHARED):
        return 0
    space = os.statvfs(_SHARED)
    return (space.f_blocks - space.f_bfree) * space.f_frsize
