"""How many threads a read uses where the caller does not say, and why so many."""

import functools
import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .numbers import check_whole
from .warn import log_once

MOST_THREADS = 2**31 - 1
_TORCHRUN = "TORCHELASTIC_RUN_ID"
_NEEDED = "a whole number, 1 or more"
_ROOT = Path("/")
# What the kernel takes where only a quota was written.
_PERIOD = "100000"


def default_threads() -> tuple[int, str]:
    """Return the number of threads of a read, and where it comes from.

    CLOUDIO_THREADS; else OMP_NUM_THREADS, unless torchrun has set it to 1 by itself; else the CPUs
    by affinity and quota, shared by the ranks of torchrun.  RequestError if CLOUDIO_THREADS is
    wrong; a wrong OMP_NUM_THREADS is ignored with a warning in the log.
    """
    given = _variable("CLOUDIO_THREADS")
    if given:
        value = int(given) if given.isdecimal() else given
        n = check_whole("CLOUDIO_THREADS", value, 1, MOST_THREADS, needed=_NEEDED)
        return n, "from CLOUDIO_THREADS"
    n_openmp, of_torchrun = _openmp_threads(), False
    if n_openmp is not None:
        of_torchrun = n_openmp == 1 and _is_set_by_torchrun()
        if not of_torchrun:
            return n_openmp, "from OMP_NUM_THREADS"
    n, reason = _share_of_cpus()
    return n, f"{reason}; torchrun has set OMP_NUM_THREADS=1" if of_torchrun else reason


def what_may_change() -> tuple[object, ...]:
    """Return what `default_threads` follows from, as far as it changes while a process runs.

    Ray sets OMP_NUM_THREADS before a task.  Quotas, and what torchrun sets, are those of the start.
    """
    given = os.environ.get("CLOUDIO_THREADS")
    if given and not given.isspace():
        return os.getpid(), given
    return os.getpid(), os.environ.get("OMP_NUM_THREADS"), _affinity(0)


def _variable(name: str) -> str:
    """Return an environment variable without spaces around it; "" if it is not set."""
    value = os.getenv(name)
    return value.strip() if value else ""


def log_threads(n: int, reason: str) -> None:
    """Say in the log how many threads reads use, and why."""
    log_once("info", f"reads use {n} {'thread' if n == 1 else 'threads'}: {reason}")


def available_cpus() -> tuple[int, str]:
    """Return how many CPUs this process may use at a time, and what limits them."""
    cpus, quota = _affinity(0), _quota(os.getpid())
    if quota is not None and math.ceil(quota) < cpus:
        return math.ceil(quota), f"the CPU quota of this container or cgroup, {quota:g} CPUs"
    return cpus, "the CPUs this process may use"


def _affinity(pid: int) -> int:
    """Return the CPUs that a process may run on; 0 is this one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(pid))
    return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _quota(pid: int) -> float | None:
    """Return the quota of this process; it takes several files, so it is asked for once."""
    return cpu_quota()


# ---- OpenMP --------------------------------------------------------------------------------------


def _openmp_threads() -> int | None:
    """Return OMP_NUM_THREADS, which Ray, joblib and Dask set for their workers; None if unset."""
    given = _variable("OMP_NUM_THREADS")
    if not given:
        return None
    # A list has a number for each level of nested regions.
    first = given.partition(",")[0].strip()
    if first.isdecimal() and 1 <= int(first) <= MOST_THREADS:
        return int(first)
    log_once("warning", f"OMP_NUM_THREADS={given!r} is ignored; it must be {_NEEDED}")
    return None


# ---- torchrun ------------------------------------------------------------------------------------


def _share_of_cpus() -> tuple[int, str]:
    """Return the CPUs; in a rank that torchrun has started, its share of those of the machine."""
    cpus, reason = available_cpus()
    given = _variable("LOCAL_WORLD_SIZE") if _variable(_TORCHRUN) else ""
    n_ranks = int(given) if given.isdecimal() else 1
    if n_ranks < 2:
        return cpus, reason
    # A rank may be bound to CPUs of its own: then it has its share already.
    shared, quota = cpus, _quota(os.getpid())
    launcher = _launcher(os.getpid())
    if launcher is not None:
        shared = max(shared, launcher[1] if quota is None else min(launcher[1], math.ceil(quota)))
    n = max(1, min(cpus, shared // n_ranks))
    return n, f"the share of one of {n_ranks} local ranks in {shared} CPUs ({reason})"


def _is_set_by_torchrun() -> bool:
    """Return whether torchrun has set OMP_NUM_THREADS for its ranks, and not its caller."""
    if not _variable(_TORCHRUN) or _variable("LOCAL_WORLD_SIZE") in ("", "1"):
        return False
    launcher = _launcher(os.getpid())
    return launcher is None or not launcher[0]


@functools.lru_cache(maxsize=1)
def _launcher(pid: int) -> tuple[bool, int] | None:
    """Return whether torchrun was started with OMP_NUM_THREADS, and the CPUs it may run on.

    torchrun is the nearest parent that was started without torchrun's variables.  None if the
    system does not say.
    """
    parent = os.getppid()
    try:
        while parent > 0:
            # As it was when the process started: what it has set since does not show.
            names = {
                entry.partition(b"=")[0]
                for entry in Path(f"/proc/{parent}/environ").read_bytes().split(b"\0")
            }
            if _TORCHRUN.encode() not in names:
                return b"OMP_NUM_THREADS" in names, _affinity(parent)
            status = Path(f"/proc/{parent}/stat").read_text(errors="replace")
            parent = int(status.rpartition(")")[2].split()[1])
    except OSError:
        pass
    return None


# ---- cgroups, such as a container's (Linux) ------------------------------------------------------
#
# A process is in one group of each hierarchy.  A group's limit holds for the groups below it, too:
# the smallest limit on the way up to the mount point counts.


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return how many CPUs' worth of time this process and its group get; None if any.

    ``root`` is the folder that has ``proc`` and the cgroup mounts.
    """
    return min(filter(None, map(_limit, _groups(root))), default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the groups with a CPU controller, from this process's up."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" or "cpu" in controllers.split(","):
            paths["cgroup2" if hierarchy == "0" else "cgroup"] = path
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, rest = line.partition(" - ")
        fields, kind = mount.split(" "), rest.split(" ")
        if len(fields) < 5 or kind[0] not in paths:
            continue
        if kind[0] == "cgroup" and "cpu" not in kind[-1].split(","):
            continue
        top = root / _unescape(fields[4]).lstrip("/")
        folder = top / _below(paths[kind[0]], _unescape(fields[3]))
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder


def _below(path: str, mounted: str) -> PurePosixPath:
    """Return a group's path below the mount point, where the group ``mounted`` is shown."""
    try:
        below = PurePosixPath(path).relative_to(mounted)
    except ValueError:
        return PurePosixPath()
    # A group that this cgroup namespace does not show.
    return PurePosixPath() if ".." in below.parts else below


def _limit(group: Path) -> float | None:
    """Return the quota of one group; None if it has none."""
    words = " ".join(_lines(group / "cpu.max")).split()
    for name in () if words else ("cpu.cfs_quota_us", "cpu.cfs_period_us"):
        words += _lines(group / name)
    with suppress(ValueError, ZeroDivisionError):
        quota, period, *_ = (*words, _PERIOD, _PERIOD)
        share = int(quota) / int(period)
        return share if words and share > 0 else None
    return None  # the quota is "max"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _unescape(text: str) -> str:
    """Return a path of mountinfo, which writes spaces as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
