"""`python -m benchmarks compare A.json B.json`: what is faster in B, beyond the spread."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from cloudio._utils import tables

from ..suite import results
from ..suite.results import Case, Results, Row
from . import numbers
from .attempt import attempt


class Change(NamedTuple):
    """A figure of B divided by that of A: of the medians, and the least and most of any rounds."""

    ratio: float
    least: float
    most: float

    @classmethod
    def of(cls, before: list[float], after: list[float]) -> Change:
        zero = float("nan")
        return cls(
            median(after) / (median(before) or zero),
            min(after) / (max(before) or zero),
            max(after) / (min(before) or zero),
        )

    @property
    def is_beyond(self) -> bool:
        """Whether every round of B differs from every round of A to the same side."""
        return self.least > 1 or self.most < 1

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.least:.2f} to {self.most:.2f})"


class Pair(NamedTuple):
    """A row that both results have."""

    suite: str
    case: str
    name: str
    rate: Change
    cpu: Change
    limits: tuple[float | None, float | None]  # the fraction of the nearest limit, before and after


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")


def main(arguments: argparse.Namespace) -> int:
    """Print how B differs from A; return 0, or 2 if the two cannot be compared."""
    found = attempt(
        "compare",
        lambda: text(results.load(arguments.before), results.load(arguments.after)),
        lambda key: f"no {key} in one of the results",
    )
    if found is None:
        return 2
    print(found)
    return 0


def text(before: Results, after: Results) -> str:
    """Return the whole comparison; ValueError if no row is in both."""
    found = list(pairs(before, after))
    if not found:
        raise ValueError("no case has a row that ran in both files")
    parts = [_differences(before, after)]
    for title in dict.fromkeys((pair.suite, pair.case) for pair in found):
        rows = [_row(pair) for pair in found if (pair.suite, pair.case) == title]
        heads = ("", "rate, B / A", "", "CPU s/GB, B / A", "", "of the limit, A", "B")
        parts.append(f"{title[0]}: {title[1]}\n{tables.text([heads, *rows], (1, 3, 5, 6))}")
    n = sum(pair.rate.is_beyond for pair in found)
    parts += _only_in_one(before, after)
    parts.append(
        "Ratios of medians; in parentheses the slowest round of B by the fastest of A, and the "
        "fastest by the slowest.\n"
        f"{n} of {len(found)} rates differ by more than the spread of the rounds."
    )
    return "\n\n".join(filter(None, parts))


def pairs(before: Results, after: Results) -> Iterator[Pair]:
    """Yield the rows that ran in both, in the order of B."""
    old = _rows(before)
    for key, (case, row) in _rows(after).items():
        if key in old:
            old_case, old_row = old[key]
            yield Pair(
                *key,
                Change.of(_rates(old_row), _rates(row)),
                Change.of(_cpu(old_case, old_row), _cpu(case, row)),
                (_of_limit(old_case, old_row), _of_limit(case, row)),
            )


def _rows(found: Results) -> dict[tuple[str, str, str], tuple[Case, Row]]:
    return {
        (suite, str(case["title"]), str(row["name"])): (case, row)
        for suite, case in results.cases(found)
        for row in sorted(results.ran([*case["rows"], *case["limits"]]), key=_not_ours)
    }


def _not_ours(row: Row) -> bool:
    return row["kind"] != "cloudio"


def _rates(row: Row) -> list[float]:
    return [one["samples"] / one["seconds"] for one in row["rounds"]]


def _cpu(case: Case, row: Row) -> list[float]:
    # Slow rows read fewer samples than the case has, and the two runs may differ in length.
    gigabytes = results.case_bytes(case) / 1e9 / (case["n_batches"] * case["batch_size"])
    return [one["cpu_seconds"] / (gigabytes * one["samples"]) for one in row["rounds"]]


def _of_limit(case: Case, row: Row) -> float | None:
    figures = results.figures(case, row)
    return next(iter(figures.of_limits.values()), None) if figures else None


def _row(pair: Pair) -> tuple[str, ...]:
    faster = "faster" if pair.rate.ratio > 1 else "slower"
    cheaper = "cheaper" if pair.cpu.ratio < 1 else "dearer"
    return (
        pair.name,
        str(pair.rate),
        faster if pair.rate.is_beyond else "",
        str(pair.cpu),
        cheaper if pair.cpu.is_beyond else "",
        *map(numbers.fraction, pair.limits),
    )


def _differences(before: Results, after: Results) -> str:
    """What differs in the machine, the data and the versions, a line each."""
    old, new = _facts(before), _facts(after)
    rows = [
        (name, old.get(name, "-"), new.get(name, "-"))
        for name in dict.fromkeys((*old, *new))
        if old.get(name, "-") != new.get(name, "-")
    ]
    same = [name for name in ("CPU", "cloudio") if name in old and old.get(name) == new.get(name)]
    head = tables.text([("", "A", "B"), *rows]) if rows else "Machine, data and versions agree."
    if old.get("CPU") != new.get("CPU"):
        head += "\nThe CPUs differ: compare fractions of limits, and not rates."
    return head + "".join(f"\nthe same {name}: {old[name]}" for name in same)


def _facts(found: Results) -> dict[str, str]:
    told: dict[str, Any] = {
        "date": found["date"],
        "cloudio": found["cloudio"],
        "quick run": found.get("quick", False),
        "data": found["data"]["description"],
        **found["machine"],
    }
    for one in found["rivals"]:
        told |= {f"package {k}": v or "-" for k, v in one["packages"].items()}
    return {name: str(value) for name, value in told.items()}


def _only_in_one(before: Results, after: Results) -> list[str]:
    """Rows that ran in one file alone."""
    old, new = _rows(before), _rows(after)
    parts = []
    for file, mine, other in (("A", old, new), ("B", new, old)):
        if names := dict.fromkeys(": ".join(key) for key in mine if key not in other):
            parts.append(f"Only in {file}:\n" + "\n".join(f"  {name}" for name in names))
    return parts
