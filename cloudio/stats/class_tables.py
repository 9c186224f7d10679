"""Labels as few numbers: which class each stored code is counted as, and what classes are called.

What the counts are for is stats.py's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._utils.warn import suppressed
from ..errors import RequestError
from ..layouts.cloudsen12 import CLOUDSEN12
from ..layouts.labels import CLASSES, LabelMap, total_table
from ..reading import scan
from ..reading.dataset import Dataset
from ..reading.label_warnings import warn_about_labels
from ..reading.options import STORED_DTYPES
from ..reading.selection import label_request, parse_labels, resolve_label_map

#: Classes are counted in bytes, one of which stands for what is ignored.
MOST = 255
# Pixels of a batch of label pairs: a few patches, which the cache may still hold when counted.
_BATCH = 1 << 21


_Advance = Callable[[int], object]


def resolve_label_maps(ds: Dataset, labels: Any) -> dict[str, LabelMap | None]:
    """The map of each label, with the warnings that a reader of them would give."""
    meanings = parse_labels(ds, labels)
    maps = {name: resolve_label_map(ds, name, how) for name, how in meanings.items()}
    by_name = not isinstance(labels, Mapping)
    asked = [label_request(ds, name, how, by_name, ds.io) for name, how in maps.items()]
    warn_about_labels(ds.path, ds.layout, ds.valid_window.size, asked)
    return maps


def given(label_map: LabelMap, ignore: int) -> set[int]:
    """The classes that a map can give."""
    return {*label_map.classes.values(), label_map.unlisted} - {None, ignore}  # type: ignore[return-value]


def fold_of(
    ds: Dataset, name: str, label_map: LabelMap, n_classes: int | None, ignore: int
) -> tuple[np.ndarray, np.ndarray]:
    """The classes 0..n - 1, and the class of each stored number, n where it is ignored."""
    found = given(label_map, ignore)
    if odd := [k for k in found if not 0 <= k < MOST]:
        raise RequestError(
            f"{name}: class {odd[0]}; 0..{MOST - 1} are counted, and ignore={ignore}"
        )
    there = max(found, default=-1) + 1
    n = there if n_classes is None else n_classes
    if n < there:
        raise RequestError(f"{name} has classes 0..{there - 1}; n_classes={n} is too few")
    table = total_table(label_map, ds.dtype(name), np.dtype(np.int64), ignore, name)
    return np.arange(n), np.where(table == ignore, n, table).astype(np.uint8)


def widened(fold: tuple[np.ndarray, np.ndarray], n: int) -> np.ndarray:
    """The table of a fold, as if it had ``n`` classes: that is what the ignored one becomes."""
    numbers, table = fold
    return np.where(table == len(numbers), np.uint8(n), table)


def codes_of(
    ds: Dataset, name: str, threads: int, advance: _Advance
) -> tuple[np.ndarray, np.ndarray]:
    """The codes that a label may hold, ascending, and the place of each stored number there."""
    dtype = ds.dtype(name)
    stored = np.arange(256**dtype.itemsize).astype(f"u{dtype.itemsize}")
    if dtype.itemsize > 1:
        counts = scan.count_array(ds, name, records=False, threads=threads, advance=advance)
        stored = stored[counts.histogram > 0]
        if len(stored) > MOST:
            raise RequestError(
                f"{name} holds {len(stored):,} codes; at most {MOST} are counted, under a map"
            )
    codes = stored.view(dtype).astype(np.int64)
    order = np.argsort(codes)
    fold = np.zeros(256**dtype.itemsize, np.uint8)
    fold[stored[order]] = np.arange(len(stored))
    return codes[order], fold


def names_of(array: str, label_map: LabelMap | None, numbers: Sequence[int]) -> tuple[str, ...]:
    """CloudSEN12's names under its own maps; else the numbers themselves."""
    ours = label_map in CLOUDSEN12.label_maps.get(array, {}).values()
    known: Sequence[str] = {4: CLASSES, 2: ("clear", "cloud")}.get(len(numbers), ()) if ours else ()
    return tuple(known or map(str, numbers))


def joint(
    ds: Dataset,
    names: tuple[str, str],
    tables: tuple[np.ndarray, np.ndarray],
    n: int,
    threads: int,
    advance: _Advance,
) -> np.ndarray:
    """(n, n) int64: pixels of the valid window by the classes of two different labels.

    ``tables``: of each the class below ``n``, (256,) or (65536,) uint8, by the stored bits.
    """
    if any(len(table) > 256 for table in tables):
        return np.asarray(joint_per_patch(ds, names, tables, n, threads, advance).sum(axis=0))
    counts = scan.count_pairs(ds, *names, threads=threads, advance=advance)
    one, other = (table.astype(np.intp) for table in tables)
    by_source = np.zeros((256, n), np.int64)
    np.add.at(by_source.T, other, counts.T)
    found = np.zeros((n, n), np.int64)
    np.add.at(found, one, by_source)
    return found


def joint_per_patch(
    ds: Dataset,
    names: tuple[str, str],
    tables: tuple[np.ndarray, np.ndarray],
    n: int,
    threads: int,
    advance: _Advance,
) -> np.ndarray:
    """(patch, n, n): the same of each patch."""
    maps = {
        name: LabelMap(dict(enumerate(table.tolist())))
        for name, table in zip(names, tables, strict=True)
    }
    size = ds.valid_window.size
    # A reader wants a band: the first label itself, whose pages are read anyway.
    stored = ds.dtype(names[0]).name
    dtype = stored if stored in STORED_DTYPES else "float32"
    with suppressed():
        reader = ds.reader(names[0], maps, dtype=dtype, scale=None, threads=threads)
    found = np.zeros((len(ds), n * n), np.int64)
    step = max(1, _BATCH // (size[0] * size[1]))
    n_bytes = sum(ds.dtype(name).itemsize for name in names) * size[0] * size[1]
    for first in range(0, len(ds), step):
        label = reader.read(range(first, min(first + step, len(ds)))).label
        assert label is not None
        for k, (one, other) in enumerate(label):
            both = one.astype(np.intp) * n + other
            found[first + k] = np.bincount(both.ravel(), minlength=n * n)
        advance(len(label) * n_bytes)
    return found.reshape(-1, n, n)
