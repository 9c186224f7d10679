"""Parts of a data set as tasks of engines count them, and what is checked before."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .. import stats
from .._utils.paths import local_path
from .._utils.text import shown
from .._utils.types import FilePath
from ..errors import RequestError
from ..layouts.layout import Layout
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from ..verification.report import Report
from ..verification.verify import verify
from .sources import Source

R = TypeVar("R")
#: Patch numbers.
Patches = range | np.ndarray


def count_nothing(count: Callable[..., R], ds: Dataset, *args: Any, **options: Any) -> R:
    """Return the statistics of no patch, so that wrong arguments are no error of a task."""
    check_dataset(ds)
    if count not in (stats.bands, stats.classes, stats.agreement):
        raise RequestError(
            f"count={shown(count)}; count must be cloudio.stats.bands, cloudio.stats.classes or "
            "cloudio.stats.agreement"
        )
    named = dict(enumerate(args)) | options
    if once := [name for name, given in named.items() if isinstance(given, Iterator)]:
        which = once[0] if isinstance(once[0], str) else f"argument {once[0] + 3}"
        raise RequestError(
            f"{which} is an iterator, which only one task could read; give a list of what it has"
        )
    return count(ds.subset([]), *args, **options)


def ascending_patches(ds: Dataset) -> Patches:
    """Return the patches as stored, over all splits and in this order; RequestError if twice."""
    if not ds.is_subset:
        return range(len(ds))
    stored = ds.stored_index(np.arange(len(ds), dtype=np.int64))
    ascending: np.ndarray = np.sort(stored)
    if len(twice := np.flatnonzero(np.diff(ascending) == 0)):
        first = int(np.flatnonzero(stored == ascending[twice[0]])[0])
        name, patch = ds.locate([first])[0]
        raise RequestError(
            f"the data set has patches twice, such as {name} {patch}; results of parts merge only "
            "if they share no patch: cloudio.stats counts in one pass"
        )
    return ascending


def verify_task(
    path: Dataset | FilePath,
    layout: Layout | FilePath | None,
    source_of: Callable[[Dataset], Source],
) -> tuple["CountPart | VerifyPath", Patches]:
    """Return the task that verifies a part, and the patches of all parts.

    ``source_of`` makes the source of a data set.
    """
    if isinstance(path, Dataset):
        if layout is not None:
            raise RequestError("layout= belongs to a path; a Dataset has its layout")
        options = {"threads": 1, "progress": False}
        return CountPart(source_of(path), verify, (), options), ascending_patches(path)
    # Workers have other working folders.
    path = local_path(path).absolute()
    if layout is not None and not isinstance(layout, Layout):
        layout = local_path(layout, "layout").absolute()
    n = sum(verify(path, full=False, layout=layout, progress=False).splits.values())
    return VerifyPath(path, layout), range(n)


class CountPart:
    """Counts a part of a data set, or verifies it."""

    def __init__(
        self,
        source: Source,
        count: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> None:
        self.source, self.count, self.args, self.options = source, count, args, options

    @property
    def name(self) -> str:
        return self.count.__name__

    def __call__(self, patches: Patches, *given: Any) -> Any:
        part = self.source.open().subset(patches)
        return self.count(part, *given, *self.args, **self.options)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        count = self.count.__module__, self.count.__name__
        return "cloudio.dask count", self.source.key, *count, self.args, self.options


class VerifyPath:
    """Verifies some patches of a folder, which need not open as a data set."""

    def __init__(self, path: Path, layout: Layout | Path | None) -> None:
        self.path, self.layout = path, layout

    def __call__(self, patches: Patches) -> Report:
        return verify(self.path, index=patches, layout=self.layout, threads=1, progress=False)
