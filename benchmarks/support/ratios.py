"""What the scripts print and keep: one ratio a line, beside its goal; and every time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cloudio._utils import machine, tables
from cloudio.bench.timing import Timing


class Ratio(NamedTuple):
    """A figure that was reached, with the least or the most that it should be, if any."""

    question: str
    reached: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    @property
    def verdict(self) -> str:
        short = (self.at_least is not None and self.reached < self.at_least) or (
            self.at_most is not None and self.reached > self.at_most
        )
        return "" if not self.goal else "short" if short else "ok"


def report(
    ratios: Sequence[Ratio],
    times: Mapping[str, Mapping[str, Timing]],
    data: str,
    threads: int,
    rounds: int,
    path: Path | None,
) -> None:
    """Print this machine and every ratio; write these and all times to ``path`` where it is given.

    ``times``: for each question those of its candidates, by name; ``data``: what was read.
    """
    rows = [(ratio.question, ratio.goal, f"{ratio.reached:.2f}", ratio.verdict) for ratio in ratios]
    print(tables.text(list(machine.facts().items())))
    print(f"\n{data}; warm; medians of {rounds} interleaved rounds\n")
    print(tables.text([("", "goal", "reached", ""), *rows], {1, 2}))
    if path is not None:
        results = {
            "machine": machine.facts(),
            "threads": threads,
            "data": data,
            "ratios": [ratio._asdict() | {"verdict": ratio.verdict} for ratio in ratios],
            "times": {
                question: {name: timing._asdict() for name, timing in timings.items()}
                for question, timings in times.items()
            },
        }
        path.write_text(json.dumps(results, indent=1))
