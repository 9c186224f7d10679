"""`cloudio.stats.classes`: one pass over each label."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from .._utils.arrays import frozen
from .._utils.machine import resolve_threads
from .._utils.progress import progress_bar
from ..layouts.labels import LabelMap
from ..reading import scan
from ..reading.dataset import Dataset
from .class_stats import ClassStats
from .class_tables import (
    ClassLut,
    check_class_options,
    class_lut,
    class_names,
    code_lut,
    resolve_label_maps,
)
from .provenance import Provenance
from .result import ResultSet


@overload
def classes(  # type: ignore[overload-overlap]  # a str is a sequence of them
    ds: Dataset,
    labels: str = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ClassStats: ...


@overload
def classes(
    ds: Dataset,
    labels: Sequence[str] | Mapping[str, Any],
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ResultSet[ClassStats]: ...


def classes(
    ds: Dataset,
    labels: str | Sequence[str] | Mapping[str, Any] = "manual_hq",
    *,
    n_classes: int | None = None,
    ignore: int = 255,
    threads: int | None = None,
    progress: bool = False,
) -> ClassStats | ResultSet[ClassStats]:
    """Count the pixels of each class within the valid window, per patch and in all.

    ``labels`` and ``ignore`` are those of `Reader`: a name, several, or a mapping from names to a
    policy, a `LabelMap`, a mapping of codes, or None for codes as stored.  ``n_classes``: the
    number of classes; None means as many as the map can give.  For one name the result is a
    `ClassStats`, else a `ResultSet` with one for each label.
    """
    maps = resolve_label_maps(ds, labels)
    threads = resolve_threads(threads)
    check_class_options(ignore, n_classes)
    luts = {
        name: None if to is None else class_lut(ds, name, to, n_classes, ignore)
        for name, to in maps.items()
    }
    # Codes of two bytes take a pass of their own, which finds out which there are.
    n_passes = {name: 1 + (to is None and ds.dtype(name).itemsize > 1) for name, to in maps.items()}
    total = sum(scan.bytes_to_read(ds, name) * n for name, n in n_passes.items())
    results: dict[str, ClassStats] = {}
    with progress_bar(total, shown=progress, what="classes") as advance:
        for name, lut in luts.items():
            lut = lut or code_lut(ds, name, threads, advance)
            class_counts = scan.count_array(
                ds, name, records=False, class_lut=lut.table, threads=threads, advance=advance
            ).class_counts
            assert class_counts is not None
            results[name] = _class_stats(ds, name, maps[name], lut, class_counts)
    return next(iter(results.values())) if isinstance(labels, str) else ResultSet(results)


def _class_stats(
    ds: Dataset, name: str, label_map: LabelMap | None, lut: ClassLut, class_counts: np.ndarray
) -> ClassStats:
    n = len(lut.classes)
    # The pass has no columns beyond the largest number in the table.
    columns = np.zeros((len(ds), max(n + 1, class_counts.shape[1])), np.int64)
    columns[:, : class_counts.shape[1]] = class_counts
    # Of codes as stored, those that occur.
    keep = columns[:, :n].any(axis=0) if label_map is None else slice(None)
    numbers = lut.classes[keep]
    return ClassStats(
        label=name,
        label_map=label_map,
        classes=frozen(numbers),
        names=class_names(name, label_map, numbers.tolist()),
        per_patch=frozen(np.ascontiguousarray(columns[:, :n][:, keep])),
        ignored_per_patch=frozen(columns[:, n].copy()),
        of=Provenance.of(ds, [name]),
    )
