"""What calls cost beside what they may cost."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from cloudio._utils import tables

PATH = Path(__file__).with_name("limits.toml")
TOLERANCE = 0.02
HEAD = "", "counted", "limit", "ratio", ""
SLOWER, FASTER, NO_LIMIT = "SLOWER", "faster: lower the limit", "HAS NO LIMIT"


def compare(what: str, of: str, counted: Mapping[str, int]) -> bool:
    """Print counts beside their limits; return whether no call costs more than it may."""
    limits = tomllib.loads(PATH.read_text(encoding="utf-8"))[what].get(of)
    if limits is None:
        print(f"{what}: skipped, {PATH.name} has no limits for {of}. They would be:\n")
        print(as_toml(what, of, counted))
        return True
    rows, changed = [HEAD], {}
    for name, n in counted.items():
        limit = limits.get(name)
        said = verdict(n, limit)
        if said:
            changed[name] = n
        beside = ("", "") if limit is None else (f"{limit:,}", f"{n / limit:.3f}")
        rows.append((name, f"{n:,}", *beside, said))
    print(f"{what}, {of}\n{tables.text(rows, range(1, 4))}\n")
    if changed:
        print(f"{PATH.name} is changed by hand, with the reason in the commit. What was counted:\n")
        print(as_toml(what, of, changed))
    return all(verdict(n, limits.get(name)) in ("", FASTER) for name, n in counted.items())


def verdict(counted: int, limit: int | None) -> str:
    """Return what is to be said, or ""."""
    if limit is None:
        return NO_LIMIT
    if counted > limit * (1 + TOLERANCE):
        return SLOWER
    return FASTER if counted < limit * (1 - TOLERANCE) else ""


def as_toml(what: str, of: str, counted: Mapping[str, int]) -> str:
    lines = (f'"{name}" = {n:_}\n' for name, n in counted.items())
    return f'[{what}."{of}"]\n{"".join(lines)}'
