"""The page cache of Linux: evict files and prove it; and what a run costs in CPU, reads and memory.

For cold.py and train.py.  Nothing here writes to a file.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import NamedTuple

from .._core.files import File
from ..errors import CloudioError

# File systems in memory: there is no disk to read their files from again.
_IN_MEMORY = "tmpfs", "ramfs", "devtmpfs", "hugetlbfs"
# Readahead in progress keeps its pages for as long as the disk takes.
_TRIES, _PAUSE = 20, 0.05
_POLL_SECONDS = 0.005
_SHARED = "/dev/shm"


# ---- eviction ------------------------------------------------------------------------------------


class EvictableFiles:
    """Files that are evicted together; as a context manager it closes its descriptors.

    CloudioError if this is not Linux, or if a file lies in memory and not on a disk.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        if sys.platform != "linux":
            raise CloudioError(
                "cold reads need Linux, where pages can be evicted and proved to be gone; this is "
                f"{sys.platform}"
            )
        self.paths = sorted(set(paths))
        for path in self.paths:
            if (kind := file_system(path)) in _IN_MEMORY:
                raise CloudioError(
                    f"{path} lies on {kind}, which is memory and never cold; copy the data set to "
                    "a disk"
                )
        self._open: list[File] = []
        for path in self.paths:
            descriptor = os.open(path, os.O_RDONLY)
            # Pages that are not yet written to the disk cannot be evicted.
            os.fsync(descriptor)
            # Mapped: older kernels report resident pages for mappings only.
            self._open.append(File(descriptor, path, os.fstat(descriptor).st_size, mapped=True))

    def __enter__(self) -> "EvictableFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open:
            file.close()

    def evict(self) -> None:
        """Drop every page of every file; CloudioError, with the file, if a page stays."""
        left: dict[Path, int] = {}
        for _ in range(_TRIES):
            for file in self._open:
                file.evict(0, file.n_bytes)
            left = self.resident()
            if not left:
                return
            time.sleep(_PAUSE)
        path, n_bytes = next(iter(left.items()))
        raise CloudioError(
            f"{path}: {n_bytes:,} bytes stay in memory after POSIX_FADV_DONTNEED, so a read of "
            f"them would not be cold. Its file system is {file_system(path) or 'unknown'}. Pages "
            "stay if the file system lies in memory, while a process maps or reads them, and until "
            "they are written to the disk (run `sync`)"
        )

    def resident(self) -> dict[Path, int]:
        """Return the resident bytes of each file that has any; CloudioError if unknown."""
        found = {file.path: file.resident(0, file.n_bytes) for file in self._open}
        for path, n_bytes in found.items():
            if n_bytes < 0:
                raise CloudioError(
                    f"{path}: the kernel does not say which of its pages are in memory; it says so "
                    "only to the owner of the file and to those who may write to it"
                )
        return {path: n_bytes for path, n_bytes in found.items() if n_bytes}


# ---- where files lie -----------------------------------------------------------------------------


def file_system(path: Path) -> str:
    """Return the type of a file's file system, such as ext4; "" if Linux does not say."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0]
    return ""


def readahead_bytes(path: Path) -> int | None:
    """Return the bytes of the kernel's readahead for mappings and reads; None if unknown."""
    device = os.stat(path).st_dev
    setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    return int(setting.read_text()) * 1024 if setting.exists() else None


# ---- what a run costs ----------------------------------------------------------------------------


class Usage(NamedTuple):
    """What this process and its live children have used since they began."""

    cpu_seconds: float
    read_bytes: int
    major_faults: int

    def since(self, before: "Usage") -> "Usage":
        return Usage(
            self.cpu_seconds - before.cpu_seconds,
            self.read_bytes - before.read_bytes,
            self.major_faults - before.major_faults,
        )


def usage() -> Usage:
    """Return CPU seconds, bytes read from disks, and page faults that waited for a disk."""
    cpu_seconds, read_bytes, major_faults = zip(*map(_usage_of, _processes()), strict=True)
    return Usage(sum(cpu_seconds), sum(read_bytes), sum(major_faults))


@contextmanager
def interrupts_for_parent() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started in the block: this process ends them.

    A terminal sends it to all of them, and each would print a traceback.
    """
    resource_tracker.ensure_running()  # which unblocks the signal
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _processes() -> list[int]:
    return [os.getpid(), *(child.pid or 0 for child in multiprocessing.active_children())]


def _usage_of(pid: int) -> Usage:
    # The CPU clock of a process, by the number that clock_getcpuclockid(3) gives.
    cpu_seconds = time.clock_gettime(~pid << 3 | 2)
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(cpu_seconds, int(counts["read_bytes"]), int(after_name[9]))


class Pss:
    """Proportional set size, in bytes, of this process and its children.

    A page that several processes map counts in each for its share, so sums are right.  ``own`` is
    anonymous and shared memory, without the pages of mapped files, which the kernel can drop; where
    Linux does not tell them apart (before 5.4) it is all of it.  What was put under /dev/shm since
    the beginning counts too where no process maps it, such as batches between two processes.
    """

    def __init__(self) -> None:
        self._shared_before = _shared_bytes()
        self.before, self.own_before = self.peak, self.own_peak = self._now()

    @contextmanager
    def watched(self) -> Iterator["Pss"]:
        """Keep the peaks of many readings that a thread takes; not for timed runs."""
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
        total, own = self._now()
        self.peak, self.own_peak = max(self.peak, total), max(self.own_peak, own)

    def _now(self) -> tuple[int, int]:
        """Return all of it, and the part that is not of mapped files."""
        kinds = {"Pss:": 0, "Pss_File:": 0, "Pss_Shmem:": 0}
        for pid in _processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                kind, n_kib, *_ = line.split()
                if kind in kinds:
                    kinds[kind] += int(n_kib) * 1024
        unmapped = max(0, _shared_bytes() - self._shared_before - kinds["Pss_Shmem:"])
        total = kinds["Pss:"] + unmapped
        return total, total - kinds["Pss_File:"]


def _shared_bytes() -> int:
    """Return the bytes of all files under /dev/shm, of every process."""
    if not os.path.isdir(_SHARED):
        return 0
    space = os.statvfs(_SHARED)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def free_shared_bytes() -> int:
    """Return the free bytes under /dev/shm, where torch's workers put batches; often few."""
    if not os.path.isdir(_SHARED):
        return 0
    space = os.statvfs(_SHARED)
    return space.f_bavail * space.f_frsize
