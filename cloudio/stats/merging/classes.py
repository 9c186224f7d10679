"""Class tables of parts, merged."""

from collections.abc import Sequence

import numpy as np

from ..._utils.tensors import frozen
from ..class_stats import ClassStats
from ..labels.class_tables import check_n_codes, class_names
from .alike import check_alike, check_rows, common_ignore, merge_provenance


def merge_classes(results: Sequence[ClassStats]) -> ClassStats:
    """Return the class table of all patches.

    Without a map the classes are the codes that occur, and those of parts can differ.
    """
    of, order = merge_provenance(results)
    check_alike(results, "label", "label_map")
    first = results[0]
    if first.label_map is not None:
        check_alike(results, "classes", "names")
    classes = np.unique(np.concatenate([each.classes for each in results]))
    if first.label_map is None and of.arrays.get(first.label) not in ("uint8", "int8"):
        check_n_codes(first.label, len(classes))
    rows = []
    for each in results:
        table = np.zeros((len(each.per_patch), len(classes)), np.int64)
        table[:, np.searchsorted(classes, each.classes)] = each.per_patch
        rows.append(table)
    check_rows(results, [each.per_patch for each in results])
    ignored = np.concatenate([each.ignored_per_patch for each in results])
    return ClassStats(
        label=first.label,
        label_map=first.label_map,
        classes=frozen(classes),
        names=class_names(first.label_map, classes.tolist()),
        per_patch=frozen(np.concatenate(rows)[order]),
        ignored_per_patch=frozen(ignored[order]),
        of=of,
        ignore=common_ignore(results),
    )
