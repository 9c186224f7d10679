"""The CPU quota of the cgroups that this process belongs to, such as a container's (Linux).

A process is in one group of each hierarchy.  A group's limit holds for the groups below it too, so
the smallest limit on the way up to the mount point counts.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
# What the kernel takes where only a quota was written.
_PERIOD = "100000"


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
