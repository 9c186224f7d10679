"""`cloudio.dask.stats` and `verify`: tasks count parts of a data set, whose results merge."""

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from dask.tokenize import tokenize

from ... import stats as room
from ..._utils.types import FilePath
from ...layouts.layout import Layout
from ...reading.dataset import Dataset
from ...stats.band_stats import BandStats
from ...verification.parts.merge import merge_reports
from ...verification.report import Report
from ...verification.verify import verify as verify_here
from ..parts import CountPart, ascending_patches, count_nothing, verify_task
from .chunks import as_chunks, as_range
from .sources import Source
from .trees import run

R = TypeVar("R")
# Results of statistics that one task merges.
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
    nothing = count_nothing(count, ds, *args, **options)
    if not len(ds):
        return nothing
    chunks = as_chunks(as_range(ascending_patches(ds)), patches_per_chunk)
    options = {"threads": 1, **options}
    task = CountPart(Source.of_dataset(ds), count, args, options)
    how: dict[str, Any] = {"at_once": _MERGED_AT_ONCE, "progress": progress}
    name = f"{task.name}-{tokenize(task, chunks)}"
    result: Any = run(name, task, chunks, room.merge, **how)
    if isinstance(result, BandStats) and result.pending:
        task = CountPart(task.source, room.lower_halves, (), {"threads": options["threads"]})
        wanted = result.second_round()
        name = f"{task.name}-{name}"
        result = result.finish(run(name, task, chunks, room.merge, wanted, **how))
    return result  # type: ignore[no-any-return]


def verify(
    path: FilePath | Dataset,
    *,
    layout: Layout | FilePath | None = None,
    patches_per_chunk: int = 4096,
    progress: bool = False,
) -> Report:
    """Check a data set on the workers of Dask, and return the report of one pass.

    Parameters
    ----------
    path, layout
        As in `cloudio.verify`.
    patches_per_chunk : int
        The patches whose pixels one task checks.  Each task also checks the names, sizes and
        metadata of all files.
    progress : bool
        Whether to show Dask's progress bar.

    Returns
    -------
    Report
        As `cloudio.verify` returns it.  ``seconds`` is the sum over tasks.

    Raises
    ------
    RequestError
        If an argument is wrong.
    LayoutError, OSError
        If no array of the data set can be opened.

    Notes
    -----
    It waits for the report.  One task merges all reports: it needs memory for 120 bytes for each
    patch of each array.
    """
    task, patches = verify_task(path, layout, Source.of_dataset)
    chunks = as_chunks(as_range(patches), patches_per_chunk)
    if not len(patches):
        return verify_here(path, layout=layout, progress=False)
    # A name of its own: a second run reads again.
    name = f"verify-{uuid.uuid4().hex}"
    at_once = max(2, chunks.numblocks[0])
    report: Report = run(name, task, chunks, merge_reports, at_once=at_once, progress=progress)
    return report
