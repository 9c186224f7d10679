"""What a run has found, as JSON, and the figures that follow from it.

The JSON holds what was measured and nothing else.  Everything that a table or a plot shows is
computed here, so that they agree: rates, spreads, CPU seconds per GB, fractions of limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

SCHEMA = 1
RAN = "ran"
#: The limits of a case, from the one that comes nearest to what can be had.
LIMITS = "pattern", "copy", "disk"

Results = dict[str, Any]
Case = dict[str, Any]
Row = dict[str, Any]


class Figures(NamedTuple):
    """What a row has reached: the median of its rounds, and for the rate the slowest and fastest.

    ``rate`` is in samples per second.  ``gb_per_second`` and ``cpu_seconds_per_gb`` are of what
    `case_bytes` counts; ``cpus`` are those that were busy.  Faults and ``read_bytes`` are of one
    sample.  ``of_limits`` has a fraction for each kind of limit that the case
    measured: seconds of the limit by seconds of the row.  ``times_cloudio`` is the rate over that
    of the fastest row of cloudio.  ``waited`` is the share of its time in which a consumer that
    is busy for ``consumer_seconds`` per batch waits for batches; None where none was measured.
    """

    rate: float
    slowest: float
    fastest: float
    gb_per_second: float
    cpu_seconds_per_gb: float
    cpus: float
    of_limits: dict[str, float]
    times_cloudio: float | None
    minor_faults: float
    major_faults: float
    read_bytes: float
    waited: float | None
    pss_bytes: int | None
    shm_bytes: int | None


# ---- files ---------------------------------------------------------------------------------------


def load(path: Path | str) -> Results:
    """Return what ``path`` holds; ValueError if it is no result, or one of another schema."""
    try:
        found: Results = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    given = found.get("schema") if isinstance(found, dict) else None
    if given != SCHEMA:
        raise ValueError(
            f"{path}: schema {given!r}; this version reads schema {SCHEMA} of "
            "`python -m benchmarks run`"
        )
    return found


def save(results: Results, path: Path | str) -> None:
    """Write ``path``, whole or not at all."""
    whole, part = Path(path), Path(f"{path}.part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(whole)


# ---- parts ---------------------------------------------------------------------------------------


def cases(results: Results, suite: str | None = None) -> Iterator[tuple[str, Case]]:
    """Yield the name of the suite and each of its cases; those of "small" come last."""
    for one in results["suites"]:
        if suite in (None, one["suite"]):
            yield from ((one["suite"], case) for case in one["cases"])
    if suite in (None, "small"):
        yield from (("small", case) for case in results.get("growth", ()))


def ran(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status"] == RAN]


def case_bytes(case: Case) -> int:
    """Return the bytes of all timed batches of a case that CPU seconds are related to.

    These are the bytes of the batches; a case of statistics has none, and those that it reads
    count.
    """
    written: int = case["bytes_written"]
    return written or int(case["bytes_read"])


def by_rate(case: Case) -> list[Row]:
    """Return the rows that ran, fastest first, and then those that did not."""
    rows = case["rows"]
    others = [row for row in rows if row["status"] != RAN]
    return sorted(ran(rows), key=seconds) + others


def fastest(case: Case, kind: str) -> Row | None:
    """Return the fastest row of "cloudio" or "rival", or None if none ran."""
    return min((row for row in ran(case["rows"]) if row["kind"] == kind), key=seconds, default=None)


def limit(case: Case, kind: str) -> Row | None:
    """Return the fastest row of a kind of limit, or None if it was not measured."""
    rows = [row for row in ran(case["limits"]) if row["limit"] == kind]
    return min(rows, key=seconds, default=None)


# ---- figures -------------------------------------------------------------------------------------


def seconds(row: Row) -> float:
    """Return the median seconds of a sample, over the rounds of a row that ran."""
    return _median(row, "seconds")


def figures(case: Case, row: Row) -> Figures | None:
    """Return the figures of a row or a limit of this case, or None if it did not run."""
    if row["status"] != RAN:
        return None
    taken, cpu = seconds(row), _median(row, "cpu_seconds")
    gigabytes = case_bytes(case) / 1e9 / (case["n_batches"] * case["batch_size"])
    rates = sorted(one["samples"] / one["seconds"] for one in row["rounds"])
    limits = {kind: limit(case, kind) for kind in LIMITS}
    ours = fastest(case, "cloudio")
    waits = [one["waited"] for one in row["rounds"] if one.get("waited") is not None]
    return Figures(
        rate=1 / taken,
        slowest=rates[0],
        fastest=rates[-1],
        gb_per_second=gigabytes / taken,
        cpu_seconds_per_gb=cpu / gigabytes,
        cpus=cpu / taken,
        of_limits={kind: seconds(one) / taken for kind, one in limits.items() if one},
        times_cloudio=seconds(ours) / taken if ours else None,
        minor_faults=_median(row, "minor_faults"),
        major_faults=_median(row, "major_faults"),
        read_bytes=_median(row, "read_bytes"),
        waited=median(waits) if waits else None,
        pss_bytes=row.get("pss_bytes"),
        shm_bytes=row.get("shm_bytes"),
    )


def ahead_of_cloudio(case: Case) -> list[tuple[Row, str]]:
    """Return the rivals that cloudio loses to, each with "rate" or "CPU seconds".

    Each figure of a rival is compared with that of the fastest row of cloudio.
    """
    ours = fastest(case, "cloudio")
    mine = figures(case, ours) if ours else None
    lost = []
    for row in case["rows"]:
        theirs = figures(case, row) if row["kind"] == "rival" else None
        if theirs and mine and theirs.rate > mine.rate:
            lost.append((row, "rate"))
        if theirs and mine and theirs.cpu_seconds_per_gb < mine.cpu_seconds_per_gb:
            lost.append((row, "CPU seconds"))
    return lost


def _median(row: Row, name: str) -> float:
    """Return the median of a count per sample: slow rivals have read fewer samples than others."""
    return float(median(one[name] / one["samples"] for one in row["rounds"]))
