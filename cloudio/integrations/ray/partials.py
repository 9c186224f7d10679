"""`cloudio.ray.stats` and `verify`: results of parts, counted by tasks and merged."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import ray

from ... import stats as room
from ..._utils.numbers import check_whole
from ..._utils.types import FilePath
from ...layouts.layout import Layout
from ...reading.dataset import Dataset
from ...stats.band_stats import BandStats
from ...verification.parts.merge import merge_reports
from ...verification.report import Report
from ...verification.verify import verify as verify_here
from ..parts import (
    Patches,
    absolute_paths,
    ascending_patches,
    check_no_layout,
    count_nothing,
)
from ..sources import Source, whole_dataset
from .source import make_source

R = TypeVar("R")
# Results that one task merges, and tasks that wait for each CPU.
_MERGED_AT_ONCE, _TASKS_OF_CPU = 16, 4


def stats(
    count: Callable[..., R],
    ds: Dataset,
    *args: Any,
    patches_per_task: int = 256,
    label_selector: dict[str, str] | None = None,
    **options: Any,
) -> R:
    """Return statistics that tasks of Ray count: those of one pass, bit for bit.

    Parameters
    ----------
    count : function
        `cloudio.stats.bands`, `cloudio.stats.classes` or `cloudio.stats.agreement`.
    ds : Dataset
        The patches to count, none of them twice.
    *args, **options
        The other arguments of ``count``.
    patches_per_task : int
        The patches that one task counts.
    label_selector : dict, optional
        Labels of the nodes that count, such as those that hold the files.

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
    It waits for the result.  Ray repeats a task whose worker or node ends.  A task uses one thread,
    unless you pass ``threads``.  Percentiles of bands of floats take a second round of tasks.
    """
    nothing = count_nothing(count, ds, *args, **options)
    size = check_whole("patches_per_task", patches_per_task, 1)
    if not len(ds):
        return nothing
    options = {"threads": 1, **options}
    source = make_source(ds, whole_dataset(ds))
    parts = [*_cut(ascending_patches(ds), size)]
    result: Any = _tree(_count, (source, count, args, options), parts, label_selector)
    if isinstance(result, BandStats) and result.pending:
        again = {"threads": options["threads"]}
        wanted = ray.put(result.second_round())
        lower = _tree(_count_lower, (source, wanted, again), parts, label_selector)
        result = result.finish(lower)
    return result  # type: ignore[no-any-return]


def verify(
    path: FilePath | Dataset,
    *,
    layout: Layout | FilePath | None = None,
    patches_per_task: int = 4096,
    label_selector: dict[str, str] | None = None,
) -> Report:
    """Return the report of `cloudio.verify`, whose pixel checks tasks of Ray run.

    Parameters
    ----------
    path : str, path or Dataset
        A split folder, or a root of splits.  Of a data set, such as ``ds.subset(...)``, the pixels
        of its patches are checked.
    layout : Layout, str or path, optional
        The layout, as in `cloudio.open`.
    patches_per_task : int
        The patches that one task checks.  Each task checks the files too, so take many.
    label_selector : dict, optional
        Labels of the nodes that verify, such as those that hold the files.

    Returns
    -------
    Report
        That of one pass over the same patches; ``seconds`` and ``n_bytes`` are sums.

    Raises
    ------
    RequestError
        If an argument is wrong.
    LayoutError, OSError
        If no array of the data set can be opened.

    Notes
    -----
    It waits for the report, which this process merges.  A task uses one thread.
    """
    size = check_whole("patches_per_task", patches_per_task, 1)
    work: tuple[Any, ...]
    patches: Patches
    if isinstance(path, Dataset):
        check_no_layout(layout)
        patches = ascending_patches(path)
        work = make_source(path, whole_dataset(path)), None
    else:
        path, layout = absolute_paths(path, layout)
        quick = verify_here(path, full=False, layout=layout)
        patches = range(sum(quick.splits.values()))
        work = path, layout
    parts = [*_cut(patches, size)] or [patches]
    refs = [*_spread(_verify_part, work, parts, label_selector)]
    return merge_reports(ray.get(refs))


# ---- parts ---------------------------------------------------------------------------------------


def _cut(patches: Patches, size: int) -> Iterator[Patches]:
    for first in range(0, len(patches), size):
        yield patches[first : first + size]


# ---- tasks ---------------------------------------------------------------------------------------


def _count(part: Patches, source: Source, count: Any, args: Any, options: Any) -> Any:
    return count(source.open().subset(part), *args, **options)


def _count_lower(part: Patches, source: Source, wanted: Any, options: Any) -> Any:
    return room.lower_halves(source.open().subset(part), wanted, **options)


def _verify_part(part: Patches, what: Any, layout: Any) -> Report:
    if isinstance(what, Source):
        return verify_here(what.open().subset(part), threads=1, progress=False)
    return verify_here(what, layout=layout, index=part, threads=1, progress=False)


def _merge(*results: Any) -> Any:
    return room.merge(results)


def _spread(
    task: Callable[..., Any],
    work: tuple[Any, ...],
    parts: Iterable[Patches],
    label_selector: dict[str, str] | None,
) -> Iterator[Any]:
    """Yield the reference of each part's result when it is there; few tasks wait at once."""
    chosen = {} if label_selector is None else {"label_selector": label_selector}
    remote = ray.remote(task).options(num_cpus=1, **chosen)
    most = _TASKS_OF_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: list[Any] = []
    for part in parts:
        if len(waiting) >= most:
            ready, waiting = ray.wait(waiting, fetch_local=False)
            yield from ready
        waiting.append(remote.remote(part, *work))
    while waiting:
        ready, waiting = ray.wait(waiting, fetch_local=False)
        yield from ready


def _tree(
    task: Callable[..., Any],
    work: tuple[Any, ...],
    parts: Iterable[Patches],
    label_selector: dict[str, str] | None,
) -> Any:
    """Return the merged results of a task for each part; the order of merges changes nothing."""
    merge = ray.remote(_merge).options(num_cpus=1)
    levels: list[list[Any]] = [[]]
    for ref in _spread(task, work, parts, label_selector):
        levels[0].append(ref)
        for k, level in enumerate(levels):
            if len(level) < _MERGED_AT_ONCE:
                break
            if k + 1 == len(levels):
                levels.append([])
            levels[k + 1].append(merge.remote(*level))
            level.clear()
    return room.merge(ray.get([ref for level in levels for ref in level]))
