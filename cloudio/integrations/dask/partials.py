"""`cloudio.dask.stats`: results of parts, counted by tasks and merged in a tree."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from dask.base import get_scheduler
from dask.delayed import Delayed
from dask.diagnostics import ProgressBar
from dask.highlevelgraph import HighLevelGraph
from dask.tokenize import tokenize

from ... import stats as room
from ..._utils.text import shown
from ...errors import RequestError
from ...reading.collection import check_dataset
from ...reading.dataset import Dataset
from ...stats.band_stats import BandStats
from .chunks import Chunks, Patches, make_chunks
from .sources import Source

R = TypeVar("R")
# Results that one task merges.
_MERGED_AT_ONCE = 16


def stats(
    count: Callable[..., R],
    ds: Dataset,
    *args: Any,
    patches_per_chunk: int = 256,
    progress: bool = False,
    **options: Any,
) -> R:
    """Return statistics that the workers of Dask count: those of one pass, bit for bit.

    Parameters
    ----------
    count : function
        `cloudio.stats.bands`, `cloudio.stats.classes` or `cloudio.stats.agreement`.
    ds : Dataset
        The patches to count, none of them twice.
    *args, **options
        The other arguments of ``count``.
    patches_per_chunk : int
        The patches that one task counts.
    progress : bool
        Whether to show Dask's progress bar.

    Returns
    -------
    BandStats, ClassStats, Agreement or ResultSet
        As ``count(ds, *args, **options)`` returns it for the patches in ascending order.

    Raises
    ------
    RequestError
        If an argument is wrong.
    TruncatedError, OSError
        If a file has become shorter, or cannot be read.

    Notes
    -----
    It waits for the result.  The scheduler is Dask's current one: that of a
    ``distributed.Client``, if there is one, else threads of this process.  A task uses one thread,
    unless you pass ``threads``.  Percentiles of bands of floats take a second round of tasks.
    """
    check_dataset(ds)
    if count not in (room.bands, room.classes, room.agreement):
        raise RequestError(
            f"count={shown(count)}; count must be cloudio.stats.bands, cloudio.stats.classes or "
            "cloudio.stats.agreement"
        )
    # Here, so that wrong arguments are no error of a task.
    nothing = count(ds.subset([]), *args, **options)
    if not len(ds):
        return nothing
    chunks = _ascending(ds, patches_per_chunk)
    options = {"threads": 1, **options}
    source = Source.of_dataset(ds)
    result: Any = _run(_Count(source, count, args, options), chunks, room.merge, progress)
    if isinstance(result, BandStats) and result.pending:
        again = {"threads": options["threads"]}
        wanted = result.second_round()
        lower = _run(
            _Count(source, room.lower_halves, (), again), chunks, room.merge, progress, wanted
        )
        result = result.finish(lower)
    return result  # type: ignore[no-any-return]


def _ascending(ds: Dataset, patches_per_chunk: int) -> Chunks:
    """Return chunks of the patches in the order in which they are stored."""
    index = None
    if ds.is_subset:
        stored = ds.stored_index(np.arange(len(ds), dtype=np.int64))
        index = np.argsort(stored, kind="stable")
        if len(twice := np.flatnonzero(np.diff(stored[index]) == 0)):
            name, patch = ds.locate([int(index[twice[0]])])[0]
            raise RequestError(
                f"the data set has patches twice, such as {name} {patch}; results of parts merge "
                "only if they share no patch: cloudio.stats counts in one pass"
            )
    return make_chunks(ds, index, patches_per_chunk)


class _Count:
    """Counts a part of a data set."""

    def __init__(
        self,
        source: Source,
        count: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> None:
        self.source, self.count, self.args, self.options = source, count, args, options

    def __call__(self, patches: Patches, *given: Any) -> Any:
        part = self.source.open().subset(patches)
        return self.count(part, *given, *self.args, **self.options)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        count = self.count.__module__, self.count.__name__
        return "cloudio.dask count", self.source.key, *count, self.args, self.options


def _run(
    task: _Count,
    parts: Iterable[Patches],
    merge: Callable[[list[Any]], Any],
    progress: bool,
    *shared: Any,
) -> Any:
    """Return the merged results of a task for each part.

    ``shared``: further arguments of all tasks, which each worker gets once.
    """
    name = f"{task.count.__name__}-{tokenize(task, parts, shared)}"
    graph: dict[Any, Any] = {(f"shared-{name}", k): value for k, value in enumerate(shared)}
    further = [*graph]
    keys: list[Any] = []
    for k, patches in enumerate(parts):
        keys.append((name, k))
        graph[keys[-1]] = (task, patches, *further)
    level = 0
    while len(keys) > 1:
        level += 1
        groups = [keys[k : k + _MERGED_AT_ONCE] for k in range(0, len(keys), _MERGED_AT_ONCE)]
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
