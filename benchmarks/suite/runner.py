"""A run: every rival is converted and checked, and then timed in interleaved rounds.

A wrong answer ends the run.  A rival that crashes, hangs, or cannot be installed is a row that says
so, in the cases in which it does.  Each rival has a new process in each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
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
    """An entry in a suite: what went wrong in a case, and what was measured of it in each round."""

    entry: Entry
    failures: dict[int, str] = field(default_factory=dict)
    timings: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def status(self, case: Case) -> str:
        return self.failures.get(id(case), RAN)

    def summary(self, suite: Suite) -> str:
        """Return the first failure, and in how many cases of a suite there was one; or RAN."""
        tried = [case for case in suite.cases if case.includes(self.entry.rival)]
        failed = [case for case in tried if self.status(case) != RAN]
        if not failed:
            return RAN
        of_all = f" (in {len(failed)} of {len(tried)} cases of {suite.name})"
        return self.status(failed[0]) + of_all * (len(failed) < len(tried))


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
            self._attempt(one, suite.cases, self._check)
        groups = [suite.cases] if suite.together else [[case] for case in suite.cases]
        for k in range(rounds):
            self.tell(f"{suite.name}: round {k + 1} of {rounds}")
            for cases in groups:
                for one in round_order(contenders, k):
                    self._attempt(one, cases, partial(self._time, k=k))
        for one in contenders:
            if self.statuses.get(one.entry.name, RAN) == RAN:
                self.statuses[one.entry.name] = one.summary(suite)
        return [_case_result(case, contenders) for case in suite.cases]

    def _attempt(
        self, one: Contender, cases: list[Case], do: Callable[[Contender, list[Case]], None]
    ) -> None:
        """Do it for the cases in which the contender has not failed so far.

        If it fails, each case is tried on its own, for the others are still worth showing.  From
        then on, the failure is its status in a case.
        """
        cases = [
            case for case in cases if case.includes(one.entry.rival) and one.status(case) == RAN
        ]
        if not cases:
            return
        try:
            do(one, cases)
        except InstallError as error:
            one.failures |= {id(case): f"not installed: {error}" for case in cases}
        except RivalError as error:
            if len(cases) > 1 and not error.hung:
                for case in cases:
                    self._attempt(one, [case], do)
                return
            status = f"failed: {error}"
            if status not in one.failures.values():
                self.tell(f"{one.entry.name} failed: {error}")
                if error.printed and one.entry.kind != "limit":
                    self.tell("    " + error.printed.replace("\n", "\n    "))
            one.failures |= {id(case): status for case in cases}

    # ---- what a worker does ----------------------------------------------------------------------

    def _work(self, one: Contender, verb: str, seconds: float, **more: Any) -> dict[str, Any]:
        entry = one.entry
        evict = more.pop("evict", None)
        job = Job(verb, entry.file, entry.name, checked=entry.kind != "limit", **more)
        python = self.environments.python(entry.rival)
        return work(python, job, self.most_seconds or seconds, evict)

    def _check(self, one: Contender, cases: list[Case]) -> None:
        """Convert what cases need, and compare small batches of each with numpy's."""
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
    status = one.status(case)
    timings = one.timings.get(id(case), []) if status == RAN else []
    row: Row = {
        "name": entry.name,
        "kind": entry.kind,
        "status": status,
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
