"""Results of parts, merged in a tree of tasks."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from dask.base import get_scheduler
from dask.delayed import Delayed
from dask.diagnostics import ProgressBar
from dask.highlevelgraph import HighLevelGraph


def run(
    name: str,
    task: Callable[..., Any],
    parts: Iterable[Any],
    merge: Callable[[list[Any]], Any],
    *shared: Any,
    at_once: int,
    progress: bool,
) -> Any:
    """Return the merged results of a task for each part.

    ``shared``: further arguments of all tasks, which each worker gets once.  ``at_once``: how many
    results one task merges.  ``name``: that of the tasks, which is unique.
    """
    graph: dict[Any, Any] = {(f"shared-{name}", k): value for k, value in enumerate(shared)}
    further = [*graph]
    keys: list[Any] = []
    for k, part in enumerate(parts):
        keys.append((name, k))
        graph[keys[-1]] = (task, part, *further)
    level = 0
    while len(keys) > 1 or not level:
        level += 1
        groups = [keys[k : k + at_once] for k in range(0, len(keys), at_once)]
        keys = [(f"merge-{name}", level, k) for k in range(len(groups))]
        graph |= {key: (merge, group) for key, group in zip(keys, groups, strict=True)}
    layers = HighLevelGraph.from_collections(name, graph, dependencies=())
    return _compute(Delayed(keys[0], layers, layer=name), progress)


def _compute(wanted: Delayed, progress: bool) -> Any:
    if not progress:
        return wanted.compute()
    client = getattr(get_scheduler(), "__self__", None)
    if client is None:
        with ProgressBar(out=sys.stderr):
            return wanted.compute()
    from distributed import progress as show_progress

    future = client.compute(wanted)
    show_progress(future, notebook=False)
    return future.result()
