"""A run: every rival is converted and checked, and then timed in interleaved rounds.

A wrong answer ends the run.  A rival that crashes, hangs, or cannot be installed is a row that says
so.  Each rival has a new process in each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudio.bench.page_cache import EvictableFiles
from cloudio.bench.timing import round_order
from cloudio.errors import CloudioError

from .environments import Environments, InstallError
from .job import Job
from .processes import RivalError, work
from .results import RAN, Results, Row
from .rivals import Entry, limits
from .suites import Case, Suite

#: Seconds that a process may take.
CHECK_SECONDS, CONVERT_SECONDS, ROUND_SECONDS = 120, 300, 120
_MEASURED = (
    "seconds", "cpu_seconds", "samples", "minor_faults", "major_faults", "read_bytes", "waited",
)  # fmt: skip


@dataclass
class Contender:
    """An entry in a suite: its state, and what was measured of each case in each round."""

    entry: Entry
    status: str = RAN
    timings: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


class Runner:
    """Runs suites.  ``scratch`` is a folder for converted data; ``tell`` prints a line.

    ``packages``, ``converted`` and ``statuses`` are what has been found of rivals by their names.
    """

    def __init__(
        self,
        environments: Environments,
        scratch: Path,
        tell: Callable[[str], None],
        most_seconds: float | None = None,
    ) -> None:
        self.environments, self.scratch, self.tell = environments, scratch, tell
        self.most_seconds = most_seconds
        self.packages: dict[str, dict[str, str | None]] = {}
        self.converted: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, str] = {}
        self._folders: dict[Any, Path | RivalError] = {}

    def run(self, suite: Suite, entries: Iterable[Entry], rounds: int) -> list[Results]:
        """Return the results of all cases of a suite."""
        wanted = [one for one in entries if suite.name in one.rival.suites]
        contenders = [Contender(one) for one in (*wanted, *limits(suite.limits))]
        self.tell(f"{suite.name}: {len(wanted)} rivals and {len(contenders) - len(wanted)} limits")
        for one in contenders:
            self._attempt(one, lambda one=one: self._check(one, suite))  # type: ignore[misc]
        groups = [suite.cases] if suite.together else [[case] for case in suite.cases]
        for k in range(rounds):
            self.tell(f"{suite.name}: round {k + 1} of {rounds}")
            for cases in groups:
                for one in round_order(contenders, k):
                    self._attempt(one, lambda one=one, c=cases, k=k: self._time(one, c, k))  # type: ignore[misc]
        for one in contenders:
            if self.statuses.get(one.entry.name, RAN) == RAN:
                self.statuses[one.entry.name] = one.status
        return [_case_result(case, contenders) for case in suite.cases]

    def _attempt(self, one: Contender, what: Callable[[], None]) -> None:
        """Do it, unless the contender has failed; from a failure on, that is its status."""
        if one.status != RAN:
            return
        try:
            what()
        except InstallError as error:
            one.status = f"not installed: {error}"
        except RivalError as error:
            one.status = f"failed: {error}"
            self.tell(f"{one.entry.name} failed: {error}")
            if error.printed and one.entry.kind != "limit":
                self.tell("    " + error.printed.replace("\n", "\n    "))

    # ---- what a worker does ----------------------------------------------------------------------

    def _work(self, one: Contender, verb: str, seconds: float, **more: Any) -> dict[str, Any]:
        entry = one.entry
        evict = more.pop("evict", None)
        job = Job(verb, entry.file, entry.name, checked=entry.kind != "limit", **more)
        python = self.environments.python(entry.rival)
        return work(python, job, self.most_seconds or seconds, evict)

    def _check(self, one: Contender, suite: Suite) -> None:
        """Convert what a suite needs, and compare small batches of every case with numpy's."""
        cases = [case for case in suite.cases if case.includes(one.entry.rival)]
        tasks = [case.small_task(one.entry.rival, self._converted(one, case)) for case in cases]
        if one.entry.kind != "limit":
            found = self._work(one, "check", CHECK_SECONDS, tasks=tuple(tasks))
            self.packages[one.entry.name] = found["packages"]

    def _converted(self, one: Contender, case: Case) -> Path | None:
        """Return the folder with the arrays of a case in the format of a rival, or None."""
        rival = one.entry.rival
        if rival.convert is None:
            return None
        task = case.small_task(rival, None)
        # Rivals of one file may share a function, and then what it has written.
        names = () if one.entry.kind == "limit" else tuple(array.name for array in task.arrays)
        key = rival.convert, rival.environment, names
        if key not in self._folders:
            self.environments.python(rival)  # if it is not installed, no folder is made
            folder = self.scratch / str(len(self._folders))
            folder.mkdir()
            if one.entry.kind != "limit":
                self.tell(f"converting for {rival.name}")
            try:
                found = self._work(one, "convert", CONVERT_SECONDS, tasks=(task,), folder=folder)
            except RivalError as error:
                self._folders[key] = error
                raise
            self._folders[key] = folder
            source = sum(array.path.stat().st_size for array in task.arrays)
            self.converted.setdefault(rival.name, {**found, "source_bytes": source})
        found_folder = self._folders[key]
        if isinstance(found_folder, RivalError):
            raise found_folder
        return found_folder

    def _time(self, one: Contender, cases: list[Case], k: int) -> None:
        """Time a contender once in each of these cases."""
        rival = one.entry.rival
        cases = [case for case in cases if case.includes(rival)]
        # Other patches and crops in each round, the same for all.
        tasks = [case.task(rival, self._converted(one, case), seed=k + 2) for case in cases]
        plans = tuple(case.plan for case in cases)
        evict = None
        if any(plan.evict for plan in plans):
            evict = _evict_all(tasks)
        seconds = ROUND_SECONDS + 3 * sum(min(plan.most_seconds, 60) for plan in plans)
        found = self._work(one, "time", seconds, tasks=tuple(tasks), plans=plans, evict=evict)
        for case, timing in zip(cases, found["timings"], strict=True):
            one.timings.setdefault(id(case), []).append(timing)


def _evict_all(tasks: list[Any]) -> Callable[[], None]:
    """Return what drops every page of the files that a rival may read, and proves it."""
    paths = {array.path for task in tasks for array in task.arrays}
    for folder in {task.converted for task in tasks} - {None}:
        paths |= {path for path in folder.rglob("*") if path.is_file() and path.stat().st_size}

    def evict() -> None:
        try:
            with EvictableFiles(paths) as files:
                files.evict()
        except CloudioError as error:
            raise RivalError(f"not cold: {error}") from None

    return evict


# ---- results -------------------------------------------------------------------------------------


def _case_result(case: Case, contenders: list[Contender]) -> Results:
    rows = [_row(case, one) for one in contenders if case.includes(one.entry.rival)]
    found: Results = {
        "title": case.title,
        **case.facts,
        "limits": [row for row in rows if row["kind"] == "limit"],
        "rows": [row for row in rows if row["kind"] != "limit"],
    }
    if case.axis is not None:
        found |= {"axis": case.axis, "value": case.value}
    return found


def _row(case: Case, one: Contender) -> Row:
    entry, rival = one.entry, one.entry.rival
    timings = one.timings.get(id(case), []) if one.status == RAN else []
    row: Row = {
        "name": entry.name,
        "kind": entry.kind,
        "status": one.status,
        "rounds": [{name: timing[name] for name in _MEASURED} for timing in timings],
        "pss_bytes": max((timing["pss_bytes"] for timing in timings), default=None),
        "shm_bytes": max((timing["shm_bytes"] for timing in timings), default=None),
        "answer": f"within {rival.ulps} ulp" if rival.ulps else "exact",
        "threads": rival.threads or case.facts["threads"],
        "workers": rival.workers,
        "note": rival.note,
    }
    if entry.limit is not None:
        row["limit"] = entry.limit
    return row
