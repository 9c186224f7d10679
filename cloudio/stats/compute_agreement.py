"""`cloudio.stats.agreement`: one pass over each label and its reference."""

from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np

from .._utils.keywords import explain_unknown
from .._utils.machine import resolve_threads
from .._utils.numbers import in_default_floats
from .._utils.progress import progress_bar
from .._utils.tensors import frozen
from ..errors import RequestError
from ..layouts.labels import LabelMap
from ..reading import scan
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from ..reading.selection import Labels, Rule, default_label
from .agreement_stats import Agreement
from .labels.class_tables import (
    ClassLut,
    check_class_options,
    class_lut,
    class_names,
    possible_classes,
    resolve_label_maps,
)
from .labels.confusion import confusion_matrix, confusion_per_patch
from .provenance import Provenance
from .result import ResultSet


@overload
def agreement(  # type: ignore[overload-overlap]
    ds: Dataset,
    source: str,
    reference: str | Mapping[str, Rule] | None = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    per_patch: bool = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> Agreement: ...


@overload
def agreement(
    ds: Dataset,
    source: Sequence[str] | Mapping[str, Rule],
    reference: str | Mapping[str, Rule] | None = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    per_patch: bool = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ResultSet[Agreement]: ...


@in_default_floats
@explain_unknown()
def agreement(
    ds: Dataset,
    source: Labels,
    reference: str | Mapping[str, Rule] | None = None,
    *,
    n_classes: int | None = None,
    ignore: int = 255,
    per_patch: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Agreement | ResultSet[Agreement]:
    """Return the confusion matrix of one or more labels and a reference label.

    Parameters
    ----------
    ds : Dataset
        The patches to count.
    source : str, sequence of str, or mapping
        The label or labels to compare, as ``labels`` of `Reader`: names, or a mapping of names to
        policies or maps.  Codes as stored (None) are refused, because they are no classes.
    reference : str or mapping, optional
        One label to compare with, given the same way.  By default the layout's first label with a
        map, in CloudSEN12 ``"manual_hq"``.
    n_classes : int, optional
        The number of classes, 1 to 255.  By default as many as each map can produce.
    ignore : int
        The class that means "ignored" in the maps.  Pixels that either map ignores are not in the
        matrix; they are counted apart.
    per_patch : bool
        Whether to keep the matrix of each patch too.  With more than 15 classes, or codes of two
        bytes, it takes about ten times as long.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    Agreement or ResultSet of Agreement
        An `Agreement` if ``source`` is one name, else a `ResultSet` with one for each source.

    Raises
    ------
    RequestError
        If an argument is wrong.
    TruncatedError, OSError
        If a file has become shorter, or cannot be read.

    Notes
    -----
    Pixels are those of the valid window.  If a detector's map cannot produce a class, all of the
    reference's pixels of that class count as errors: a detector of cloud and clear sky finds no
    thin cloud and no shadow.  Merge classes first.  ``.binary((1, 2))`` compares cloud, thick or
    thin, with everything else, as CloudSEN12's paper does.  ``.binary((3,))`` compares cloud
    shadow. ``.merged({"clear": (0, 3), "cloud": (1, 2)})`` makes any other groups.
    """
    check_dataset(ds)
    reference = default_label(ds) if reference is None else reference
    if len(reference_maps := resolve_label_maps(ds, reference)) != 1:
        raise RequestError(f"reference={reference!r}; reference must be one label")
    ((against, reference_map),) = reference_maps.items()
    source_maps = resolve_label_maps(ds, source)
    threads = resolve_threads(threads)
    check_class_options(ignore, n_classes)
    if against in source_maps:
        raise RequestError(f"{against} is both source and reference; give another source")
    maps = _without_raw({against: reference_map, **source_maps})
    luts = {name: class_lut(ds, name, to, n_classes, ignore) for name, to in maps.items()}
    total = sum(
        scan.bytes_to_read(ds, name) + scan.bytes_to_read(ds, against) for name in source_maps
    )
    results: dict[str, Agreement] = {}
    with progress_bar(total, shown=progress, what="agreement") as advance:
        for name in source_maps:
            n = max(len(luts[against].classes), len(luts[name].classes))
            # In the counts, class n is what a map ignores.
            tables = (luts[against].with_ignored_as(n), luts[name].with_ignored_as(n))
            labels = (against, name)
            counting = (ds, labels, tables, n + 1, threads, advance)
            each = confusion_per_patch(*counting) if per_patch else None
            counts = confusion_matrix(*counting) if each is None else each.sum(axis=0)
            results[name] = _agreement(ds, labels, maps, luts, ignore, counts, each)
    return next(iter(results.values())) if isinstance(source, str) else ResultSet(results)


def _without_raw(maps: Mapping[str, LabelMap | None]) -> dict[str, LabelMap]:
    """Return the maps; RequestError if a label has none and would be counted as stored."""
    found = {name: to for name, to in maps.items() if to is not None}
    if raw := [name for name in maps if name not in found]:
        raise RequestError(
            f"{raw[0]} has no map (None); give it a policy or a map to the classes of the other "
            "label"
        )
    return found


def _agreement(
    ds: Dataset,
    labels: tuple[str, str],
    maps: Mapping[str, LabelMap],
    luts: Mapping[str, ClassLut],
    ignore: int,
    counts: np.ndarray,
    per_patch: np.ndarray | None,
) -> Agreement:
    """Return the agreement of a reference and a source; the last class of ``counts`` is ignored."""
    reference, source = labels
    n = len(counts) - 1
    by_reference, by_source = int(counts[n].sum()), int(counts[:, n].sum())
    wider, other = reference, source
    if len(luts[reference].classes) < n:
        wider, other = source, reference
    possible = possible_classes(maps[source], ignore)
    return Agreement(
        source=source,
        reference=reference,
        source_map=maps[source],
        reference_map=maps[reference],
        names=class_names(maps[wider], range(n), maps[other]),
        predictable=tuple(k in possible for k in range(n)),
        matrix=frozen(counts[:n, :n].copy()),
        per_patch=None if per_patch is None else frozen(per_patch[:, :n, :n].copy()),
        ignored=by_reference + by_source - int(counts[n, n]),
        ignored_by_reference=by_reference,
        ignored_by_source=by_source,
        of=Provenance.of(ds, [reference, source]),
        ignore=int(ignore),
    )
