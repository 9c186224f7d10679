"""`cloudio.stats.classes`: one pass over each label."""

from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np

from .._utils.keywords import explain_unknown
from .._utils.machine import resolve_threads
from .._utils.numbers import in_default_floats
from .._utils.progress import progress_bar
from .._utils.tensors import frozen
from ..layouts.labels import LabelMap
from ..reading import scan
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from ..reading.selection import Labels, Rule, default_label
from .class_stats import ClassStats
from .labels.class_tables import (
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
    labels: str | None = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ClassStats: ...


@overload
def classes(
    ds: Dataset,
    labels: Sequence[str] | Mapping[str, Rule],
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ResultSet[ClassStats]: ...


@in_default_floats
@explain_unknown()
def classes(
    ds: Dataset,
    labels: Labels | None = None,
    *,
    n_classes: int | None = None,
    ignore: int = 255,
    threads: int | None = None,
    progress: bool = False,
) -> ClassStats | ResultSet[ClassStats]:
    """Return the pixels of each class of one or more labels, per patch and in all.

    Parameters
    ----------
    ds : Dataset
        The patches to count.
    labels : str, sequence of str, or mapping, optional
        The labels, as ``labels`` of `Reader`: a name, names, or a mapping of names to a policy, a
        `LabelMap`, a mapping of codes, or None for codes as stored.  By default the layout's first
        label with a map, in CloudSEN12 ``"manual_hq"``.
    n_classes : int, optional
        The number of classes, 1 to 255.  By default as many as the map can produce.  Not used
        for codes as stored.
    ignore : int
        The class that means "ignored" in the maps.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    ClassStats or ResultSet of ClassStats
        A `ClassStats` if ``labels`` is one name or the default, else a `ResultSet` with one for
        each label.

    Raises
    ------
    RequestError
        If an argument is wrong, or a label holds more than 255 codes and has no map.
    TruncatedError, OSError
        If a file has become shorter, or cannot be read.

    Notes
    -----
    Pixels are those of the valid window.  A label gives the same warnings as in a reader.
    """
    check_dataset(ds)
    labels = default_label(ds) if labels is None else labels
    maps = resolve_label_maps(ds, labels)
    threads = resolve_threads(threads)
    check_class_options(ignore, n_classes)
    luts = {
        name: None if to is None else class_lut(ds, name, to, n_classes, ignore)
        for name, to in maps.items()
    }
    # If codes have two bytes, a first pass finds those that occur.
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
            results[name] = _class_stats(ds, name, maps[name], ignore, lut, class_counts)
    return next(iter(results.values())) if isinstance(labels, str) else ResultSet(results)


def _class_stats(
    ds: Dataset,
    name: str,
    label_map: LabelMap | None,
    ignore: int,
    lut: ClassLut,
    class_counts: np.ndarray,
) -> ClassStats:
    n = len(lut.classes)
    # The pass has no columns beyond the largest number in the table.
    columns = np.zeros((len(ds), max(n + 1, class_counts.shape[1])), np.int64)
    columns[:, : class_counts.shape[1]] = class_counts
    # Codes as stored: keep those that occur.
    keep = columns[:, :n].any(axis=0) if label_map is None else slice(None)
    numbers = lut.classes[keep]
    return ClassStats(
        label=name,
        label_map=label_map,
        classes=frozen(numbers),
        names=class_names(label_map, numbers.tolist()),
        per_patch=frozen(np.ascontiguousarray(columns[:, :n][:, keep])),
        ignored_per_patch=frozen(columns[:, n].copy()),
        of=Provenance.of(ds, [name]),
        ignore=None if label_map is None else int(ignore),
    )
