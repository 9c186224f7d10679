"""A result as people read it: ranked rows, who is ahead of whom, and what did not run and why.

Every figure is computed by suite/results.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..suite import results
from ..suite.results import Case, Figures, Results, Row

#: The suites in the order in which a report shows them.  "small" is shown as growth.
SUITES = {
    "warm": "In memory",
    "outputs": "Other outputs",
    "cold": "From the disk",
    "loader": "Loaders",
    "formats": "Converted formats",
    "stats": "Statistics",
}
AXES = {
    "crop": "pixels of a side of the crop",
    "bands": "bands",
    "batch": "samples in a batch",
    "threads": "threads",
}


@dataclass(frozen=True)
class Line:
    """A row of a case that ran, with its place by rate; limits have no place.

    ``lost`` says in what cloudio loses to this rival: "rate", "CPU seconds".  ``close`` says
    whether some round of it and some round of the fastest row of cloudio are equally fast.
    """

    row: Row
    figures: Figures
    place: int | None = None
    lost: tuple[str, ...] = ()
    close: bool = False
    speed_up: float | None = None  # of the fastest row of cloudio over this one
    cpu_times: float | None = None  # its CPU seconds by those of the fastest row of cloudio

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def label(self) -> str:
        """The name, or the kind of a limit: its name is that of the attempt that was fastest."""
        return f"{self.row['limit']} limit" if self.kind == "limit" else self.name

    @property
    def kind(self) -> str:
        return str(self.row["kind"])

    @property
    def is_ours(self) -> bool:
        return self.kind == "cloudio"

    @property
    def beats(self) -> bool:
        return "rate" in self.lost


@dataclass(frozen=True)
class Shown:
    """A case, with its rows in the order of their rates."""

    suite: str
    case: Case

    @property
    def title(self) -> str:
        return str(self.case["title"])

    @cached_property
    def lines(self) -> list[Line]:
        """cloudio and its rivals, as far as they ran, fastest first."""
        rows = results.ran(results.by_rate(self.case))
        lost: dict[int, tuple[str, ...]] = {}
        for row, what in results.ahead_of_cloudio(self.case):
            lost[id(row)] = (*lost.get(id(row), ()), what)
        return [self._line(row, k + 1, lost.get(id(row), ())) for k, row in enumerate(rows)]

    def _line(self, row: Row, place: int | None, lost: tuple[str, ...] = ()) -> Line:
        figures = _figures(self.case, row)
        if self._best is None:
            return Line(row, figures, place)
        ours = _figures(self.case, self._best)
        close = figures.slowest <= ours.fastest and ours.slowest <= figures.fastest
        cpu = figures.cpu_seconds_per_gb / (ours.cpu_seconds_per_gb or float("nan"))
        return Line(row, figures, place, lost, close, 1 / (figures.times_cloudio or 1), cpu)

    @property
    def _best(self) -> Row | None:
        return results.fastest(self.case, "cloudio")

    @cached_property
    def limits(self) -> list[Line]:
        """The fastest limit of each kind that was measured."""
        rows = (results.limit(self.case, kind) for kind in results.LIMITS)
        return [self._line(row, None) for row in rows if row]

    @property
    def ours(self) -> Line | None:
        """The fastest row of cloudio."""
        return next((line for line in self.lines if line.is_ours), None)

    @property
    def rivals(self) -> list[Line]:
        return [line for line in self.lines if not line.is_ours]

    @property
    def missing(self) -> list[Row]:
        """The rows and limits that did not run."""
        rows = [*self.case["rows"], *self.case["limits"]]
        return [row for row in rows if row["status"] != results.RAN]

    @property
    def most(self) -> float:
        """The highest rate of any round."""
        return max((line.figures.fastest for line in (*self.lines, *self.limits)), default=1.0)

    @property
    def verdict(self) -> str:
        """Who is ahead of how many, in words."""
        n = len(self.rivals)
        rate = sum("rate" in line.lost for line in self.rivals)
        cpu = sum("CPU seconds" in line.lost for line in self.rivals)
        if not self.ours or not n:
            return ""
        others = {1: "one rival", 2: "both rivals"}.get(n, f"all {n} rivals")
        if not rate and not cpu:
            return f"ahead of {others} in rate and CPU seconds"
        return f"ahead of {n - rate} of {n} in rate, of {n - cpu} of {n} in CPU seconds"


def _figures(case: Case, row: Row) -> Figures:
    figures = results.figures(case, row)
    assert figures is not None, row["name"]
    return figures


def suites(found: Results) -> Iterator[tuple[str, str, list[Shown]]]:
    """Yield name, title and cases of each suite of a result but "small"."""
    for suite, title in SUITES.items():
        if shown := [Shown(suite, case) for _, case in results.cases(found, suite)]:
            yield suite, title, shown


def growth(found: Results) -> dict[str, list[Shown]]:
    """Return the cases of "small" by axis, each in the order of its values."""
    axes: dict[str, list[Shown]] = {}
    for case in sorted(found.get("growth", ()), key=lambda case: float(case["value"])):
        axes.setdefault(str(case["axis"]), []).append(Shown("small", case))
    return {axis: axes[axis] for axis in AXES if axis in axes}


def curves(cases: list[Shown]) -> dict[str, list[tuple[float, Line]]]:
    """Return (value, line) of each name along an axis: cloudio first, then rivals, then limits."""
    found: dict[str, list[tuple[float, Line]]] = {}
    for kind in ("cloudio", "rival", "limit"):
        for case in cases:
            for line in (*case.lines, *case.limits):
                if line.kind == kind:
                    points = found.setdefault(line.label, [])
                    points.append((float(case.case["value"]), line))
    return found


def missing(found: Results) -> list[tuple[str, str]]:
    """Return the name and the reason of each rival that nowhere ran."""
    names: dict[str, str] = {}
    for one in found["rivals"]:
        if one["status"] != results.RAN:
            names[str(one["name"])] = str(one["status"])
    return list(names.items())


def facts(found: Results) -> dict[str, Any]:
    """Return what a reader must know of a run: when, where, on what, and by which command."""
    return {
        "date": str(found["date"])[:16].replace("T", " "),
        **found["machine"],
        "data": found["data"]["description"],
        "cloudio": found["cloudio"],
        "command": found["command"],
    }
