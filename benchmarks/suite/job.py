"""What a worker process is told to do.

Needs numpy alone, and Python 3.10, as task.py does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Plan:
    """How many batches of a task are read, in this order: settled, timed, consumed, watched.

    Batches that settle are not counted.  Those that are consumed keep a consumer busy for
    ``consumer_seconds`` each; before them, as many are read at once, so that a loader starts with
    nothing read ahead.  Memory is watched during the last ones.  With ``evict``, the
    process asks for it before the clock starts, and waits until the files are evicted.  After
    ``most_seconds``, no more are settled, timed or consumed: slow rivals read fewer batches.
    """

    settle: int
    timed: int
    consumed: int = 0
    watched: int = 0
    consumer_seconds: float = 0.0
    evict: bool = False
    most_seconds: float = float("inf")

    @property
    def n_batches(self) -> int:
        return self.settle + self.timed + 2 * self.consumed + self.watched


@dataclass(frozen=True)
class Job:
    """``verb`` is "check", "convert" or "time".

    ``tasks`` are what ``rival`` of the Python file ``file`` reads, and ``plans`` how each is timed.
    ``folder`` is the one that "convert" fills.  ``checked``: whether answers are compared with
    numpy's, as all are but those of limits.
    """

    verb: str
    file: Path
    rival: str
    tasks: tuple[Any, ...]
    plans: tuple[Plan, ...] = ()
    folder: Path | None = None
    checked: bool = True
