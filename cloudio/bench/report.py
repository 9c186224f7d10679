"""The report of a benchmark, for people and as JSON: facts, and a table of figures for each case.

The three benchmarks (warm.py, cold.py, train.py) fill it with their facts and columns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from .._utils import tables


@dataclass(frozen=True)
class Column:
    """A column of a table: which figure of a row it shows, in which format and unit.

    A dot in ``key`` leads into a figure that has parts, such as "computing.waited".
    """

    title: str
    key: str
    format: str
    unit: float = 1.0

    def text(self, row: "Row") -> str:
        return format(row[self.key] / self.unit, self.format)


@dataclass(frozen=True)
class Row:
    """The figures of one candidate, and the measurements of every round that they follow from."""

    name: str
    figures: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        found: Any = self.figures
        for part in key.split("."):
            found = found[part]
        return found

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.figures}


@dataclass(frozen=True)
class Case:
    """One table: a row for each candidate, and last the limit that no candidate can beat.

    ``limits`` are several attempts at that limit; the fastest counts.  ``limit_kind`` is its name,
    such as "copy limit".  ``facts`` are entries of the JSON beside the rows.
    """

    facts: Mapping[str, Any]
    columns: Sequence[Column]
    rows: Sequence[Row]
    limits: Sequence[Row] = ()
    limit_kind: str = ""
    title: str = ""
    footer: str = ""

    def __getitem__(self, key: str) -> Any:
        return self.facts[key]

    @property
    def window(self) -> str:
        height, width = self["size"]
        return f"{height} x {width}"

    @cached_property
    def limit(self) -> Row:
        return fastest(self.limits)

    def named(self, name: str) -> list[Row]:
        """Return the rows whose name begins with ``name``, in the order of the table."""
        return [row for row in self.rows if row.name.startswith(name)]

    def as_dict(self) -> dict[str, Any]:
        content = {**self.facts, "rows": [row.as_dict() for row in self.rows]}
        if self.limits:
            content["limit"] = self.limit.name
            content["limits"] = [row.as_dict() for row in self.limits]
        return content

    def __str__(self) -> str:
        shown = [(row.name, row) for row in self.rows]
        if self.limits:
            shown.append((f"{self.limit_kind}: {self.limit.name}", self.limit))
        lines = [("", *(column.title for column in self.columns))]
        lines += [(name, *(column.text(row) for column in self.columns)) for name, row in shown]
        table = tables.text(lines, range(1, len(lines[0])))
        return "\n".join(filter(None, (self.title, table, self.footer)))


def fastest(rows: Sequence[Row]) -> Row:
    """Return the row whose rounds took the fewest seconds in the median."""
    return min(rows, key=lambda row: median(row["seconds"]))


@dataclass(frozen=True)
class Report:
    """``str()`` is for people; `json` has every measurement; ``summary`` is a sentence to quote.

    ``facts`` are what JSON holds of the whole run, ``description`` says the same in words, and
    ``notes`` explain the tables.
    """

    machine: Mapping[str, str]
    facts: Mapping[str, Any]
    description: str
    cases: Sequence[Case]
    notes: Sequence[str]
    summary: str

    def __getitem__(self, key: str) -> Any:
        return self.facts[key]

    def json(self) -> str:
        """Return everything as JSON: times in seconds, lists in the order of the rounds."""
        content = {"machine": self.machine, **self.facts}
        if len(self.cases) == 1 and not self.cases[0].title:
            content |= self.cases[0].as_dict()  # one table needs no list of cases
        else:
            content["cases"] = [case.as_dict() for case in self.cases]
        return json.dumps(content | {"summary": self.summary}, indent=1)

    def __str__(self) -> str:
        machine = tables.text(list(self.machine.items()))
        return "\n\n".join(
            [machine, self.description, *map(str, self.cases), *self.notes, self.summary]
        )
