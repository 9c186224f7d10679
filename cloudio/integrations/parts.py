"""What engines check before they count parts of a data set, and the order of its patches."""

from collections.abc import Callable
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


def check_no_layout(layout: object) -> None:
    """Raise RequestError if a layout is given for a Dataset."""
    if layout is not None:
        raise RequestError("layout= belongs to a path; a Dataset has its layout")


def absolute_paths(
    path: FilePath, layout: Layout | FilePath | None
) -> tuple[Path, Layout | Path | None]:
    """Return the paths for workers, which have other working folders."""
    if layout is not None and not isinstance(layout, Layout):
        layout = local_path(layout, "layout").absolute()
    return local_path(path).absolute(), layout
