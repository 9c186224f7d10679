"""Confusion matrices: how often each pair of classes of two labels occurs at the same pixel."""

import numpy as np

from ..._utils.progress import Advance
from ..._utils.warn import suppressed
from ...layouts.labels import LabelMap
from ...reading import scan
from ...reading.arguments.options import STORED_DTYPES
from ...reading.dataset import Dataset

# Pixels of a batch of label pairs: a few patches, which the cache may still hold when counted.
_BATCH_PIXELS = 1 << 21
# Of which all pairs are counted in one pass, patch by patch.
_MOST_CLASSES = 16


def confusion_matrix(
    ds: Dataset,
    names: tuple[str, str],
    tables: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    threads: int,
    advance: Advance,
) -> np.ndarray:
    """Return (class, class) int64: pixels of the valid window by the classes of two labels.

    ``tables``: the class of each stored number of each label, below ``n_classes``; (256,) or
    (65536,) uint8, by the stored bits.
    """
    if max(map(len, tables)) > 256 or n_classes <= _MOST_CLASSES:
        each = confusion_per_patch(ds, names, tables, n_classes, threads, advance)
        return np.asarray(each.sum(axis=0))
    counts = scan.count_pairs(ds, *names, threads=threads, advance=advance)
    one, other = (table.astype(np.intp) for table in tables)
    by_class_of_other = np.zeros((256, n_classes), np.int64)
    np.add.at(by_class_of_other.T, other, counts.T)
    matrix = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(matrix, one, by_class_of_other)
    return matrix


def confusion_per_patch(
    ds: Dataset,
    names: tuple[str, str],
    tables: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    threads: int,
    advance: Advance,
) -> np.ndarray:
    """Return (patch, class, class): the confusion matrix of each patch."""
    if max(map(len, tables)) <= 256 and n_classes <= _MOST_CLASSES:
        return scan.count_class_pairs(
            ds, *names, tables, n_classes, threads=threads, advance=advance
        )
    maps = {
        name: LabelMap(dict(enumerate(table.tolist())))
        for name, table in zip(names, tables, strict=True)
    }
    size = ds.valid_window.size
    # A reader needs a band: the first label itself, whose pages are read anyway.
    stored = ds.dtype(names[0]).name
    dtype = stored if stored in STORED_DTYPES else "float32"
    with suppressed():
        reader = ds.reader(names[0], maps, dtype=dtype, scale=None, threads=threads)
    found = np.zeros((len(ds), n_classes * n_classes), np.int64)
    step = max(1, _BATCH_PIXELS // (size[0] * size[1]))
    patch_bytes = sum(ds.dtype(name).itemsize for name in names) * size[0] * size[1]
    for first in range(0, len(ds), step):
        label = reader.read(range(first, min(first + step, len(ds)))).label
        assert label is not None
        for k, (one, other) in enumerate(label):
            pairs = one.astype(np.intp) * n_classes + other
            found[first + k] = np.bincount(pairs.ravel(), minlength=n_classes * n_classes)
        advance(len(label) * patch_bytes)
    return found.reshape(-1, n_classes, n_classes)
