"""Tasks for workers: a few are given out at a time, and their results come in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")


def in_order(
    submit: Callable[[Task], "Future[Done]"], tasks: Iterable[Task], n_ahead: int
) -> Iterator[Done]:
    """Yield the results of tasks, of which at most ``n_ahead`` are given out at a time."""
    given = deque[Future[Done]]()
    for task in tasks:
        given.append(submit(task))
        if len(given) >= n_ahead:
            yield given.popleft().result()
    while given:
        yield given.popleft().result()
