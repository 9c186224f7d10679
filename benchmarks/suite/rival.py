"""What a rival is: a name, where it runs, and how it reads batches.

Needs the standard library alone, and Python 3.10, as task.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .task import Task

#: Reads batch 0, 1, 2, ... of a task, in this order, and returns (image, label): contiguous numpy
#: arrays, or what numpy views as such.  They may lie in memory that the next call writes to again.
Read = Callable[[int], Any]

SUITES = "warm", "outputs", "cold", "loader", "small", "formats", "stats"


@dataclass(frozen=True)
class Rival:
    """One row of the tables.

    ``opened(task)`` is a context manager whose value reads batches; opening is never timed, as
    little as what it imports.  ``suites`` are those in which it takes part.

    ``packages`` are the distributions that it needs, as requirements.txt pins them; their versions
    go into the results.  ``environment`` is "main", or the name of an environment of its own:
    environments/NAME.txt.

    ``convert(task, folder)`` writes the whole data set in the rival's own format; its seconds and
    bytes are reported beside the speed.  ``order`` is "any", or "stored" for what can only be read
    in the order in which it is stored.  ``workers`` are worker processes, which a task repeats.

    ``ulps``: by how many units in the last place a pixel may differ from numpy's.  ``note`` says
    what a reader of the table must know, such as what is not the same work.
    """

    name: str
    opened: Callable[[Task], AbstractContextManager[Read]]
    suites: tuple[str, ...]
    packages: tuple[str, ...] = ()
    environment: str = "main"
    convert: Callable[[Task, Path], None] | None = None
    order: str = "any"
    threads: int | None = None
    workers: int = 0
    ulps: int = 0
    note: str = ""
