"""`cloudio.ray.stats` and `verify`: results of parts, counted by tasks and merged."""

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import ray

from ... import stats as room
from ..._utils.numbers import check_bool, check_whole
from ..._utils.progress import progress_bar
from ..._utils.types import FilePath
from ...errors import CloudioError
from ...layouts.layout import Layout
from ...reading.dataset import Dataset
from ...stats.band_stats import BandStats
from ...verification.parts.merge import merge_reports
from ...verification.report import Report
from ...verification.verify import verify as verify_here
from ..parts import CountPart, Patches, ascending_patches, count_nothing, verify_task
from ..sources import whole_dataset
from .nodes import check_selector
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
    progress: bool = False,
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
    progress : bool
        Whether to show a progress bar on stderr.

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
    nodes = check_selector(label_selector)
    if not len(ds):
        return nothing
    options = {"threads": 1, **options}
    task = CountPart(make_source(ds, whole_dataset(ds)), count, args, options)
    patches = ascending_patches(ds)
    result: Any = _merged(task, patches, size, nodes, progress)
    if isinstance(result, BandStats) and result.pending:
        task = CountPart(task.source, room.lower_halves, (), {"threads": options["threads"]})
        result = result.finish(_merged(task, patches, size, nodes, progress, result.second_round()))
    return result  # type: ignore[no-any-return]


def verify(
    path: FilePath | Dataset,
    *,
    layout: Layout | FilePath | None = None,
    patches_per_task: int = 4096,
    label_selector: dict[str, str] | None = None,
    progress: bool = False,
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
    progress : bool
        Whether to show a progress bar on stderr.

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
    nodes = check_selector(label_selector)
    task, patches = verify_task(path, layout, lambda ds: make_source(ds, whole_dataset(ds)))
    if not len(patches):
        return verify_here(path, layout=layout, progress=False)
    with _Tasks(task, patches, size, nodes, progress) as tasks:
        return merge_reports(ray.get([*tasks.results()]))


# ---- tasks ---------------------------------------------------------------------------------------


def _run(part: Patches, task: Callable[..., Any], *given: Any) -> tuple[int, Any]:
    return len(part), task(part, *given)


def _merge(*results: Any) -> Any:
    return room.merge(results)


class _Tasks:
    """Runs a task for each part.  At the end, also after an error, no task goes on.

    An error of a task is raised as soon as the task ends, as it was raised there.
    """

    def __init__(
        self,
        task: Callable[..., Any],
        patches: Patches,
        size: int,
        nodes: dict[str, Any],
        progress: bool,
        *given: Any,
    ) -> None:
        if not ray.is_initialized():
            ray.init()
        self._parts = [patches[k : k + size] for k in range(0, len(patches), size)]
        self._work = [ray.put(each) for each in (task, *given)]
        name = task.name if isinstance(task, CountPart) else "verify"
        self._remote = ray.remote(_run).options(num_cpus=1, num_returns=2, name=name, **nodes)
        self._most = _TASKS_OF_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
        bar: dict[str, Any] = {"what": name, "in_bytes": False, "leave": True}
        self._bar = progress_bar(len(patches), shown=check_bool("progress", progress), **bar)
        # The number of patches of each task that runs or waits, and its result.
        self._waiting: dict[Any, Any] = {}

    def __enter__(self) -> Self:
        self._advance = self._bar.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._bar.__exit__(kind, error, traceback)
        for ref in self._waiting:
            ray.cancel(ref)
        cause = error
        while isinstance(cause, ray.exceptions.RayTaskError):
            cause = cause.cause
        if cause is not error and isinstance(cause, (CloudioError, OSError)):
            raise cause from error

    def results(self) -> Iterator[Any]:
        """Yield the reference of each result when it is there; few tasks wait at once."""
        for part in self._parts:
            if len(self._waiting) >= self._most:
                yield from self._ended()
            n, result = self._remote.remote(part, *self._work)
            self._waiting[n] = result
        while self._waiting:
            yield from self._ended()

    def _ended(self) -> Iterator[Any]:
        ended, _ = ray.wait([*self._waiting])
        for ref in ended:
            result = self._waiting.pop(ref)
            self._advance(ray.get(ref))
            yield result


def _merged(*work: Any) -> Any:
    """Return the merged results of a task for each part; the order of merges changes nothing."""
    with _Tasks(*work) as tasks:
        merge = ray.remote(_merge).options(num_cpus=1)
        levels: list[list[Any]] = [[]]
        for ref in tasks.results():
            levels[0].append(ref)
            for k, level in enumerate(levels):
                if len(level) < _MERGED_AT_ONCE:
                    break
                if k + 1 == len(levels):
                    levels.append([])
                levels[k + 1].append(merge.remote(*level))
                level.clear()
        return room.merge(ray.get([ref for level in levels for ref in level]))
