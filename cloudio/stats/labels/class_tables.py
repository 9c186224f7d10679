"""Look-up tables of labels: the class of each stored number, and what classes are called."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..._utils.numbers import check_whole
from ..._utils.progress import Advance
from ...errors import RequestError
from ...layouts.labels import LabelMap, make_class_lut, reachable_classes
from ...reading import scan
from ...reading.dataset import Dataset
from ...reading.selection import select_labels
from ...reading.warnings.labels import warn_about_labels

#: Classes are counted in bytes, and one number of a byte stands for ignored pixels.
MAX_CLASSES = 255


class ClassLut(NamedTuple):
    """Which class each stored number is counted as.

    ``classes`` are the class numbers, or the codes as stored.  ``table`` is (256,) or (65536,)
    uint8, by the stored bits: a position in ``classes``, or ``len(classes)`` for ignored.
    """

    classes: np.ndarray
    table: np.ndarray

    def with_ignored_as(self, number: int) -> np.ndarray:
        """Return the table with another number for ignored."""
        return np.where(self.table == len(self.classes), np.uint8(number), self.table)


def resolve_label_maps(ds: Dataset, labels: Any) -> dict[str, LabelMap | None]:
    """Return the map of each label, with the warnings that a reader of them would give."""
    selection = select_labels(ds, labels)
    warn_about_labels(ds, selection, ds.valid_window.size, ds.io)
    return dict(selection.label_maps)


def check_class_options(ignore: Any, n_classes: Any) -> None:
    check_whole("ignore", ignore, -(2**63), 2**63 - 1, needed="a whole number")
    if n_classes is not None:
        check_whole("n_classes", n_classes, 1, MAX_CLASSES)


def possible_classes(label_map: LabelMap, ignore: int) -> set[int]:
    """Return the classes that a map can give."""
    return {to for to in reachable_classes(label_map) if to not in (None, ignore)}


def class_lut(
    ds: Dataset, name: str, label_map: LabelMap, n_classes: int | None, ignore: int
) -> ClassLut:
    """Return the table of a label under a map, for the classes 0..n - 1."""
    possible = possible_classes(label_map, ignore)
    if wrong := [k for k in possible if not 0 <= k < MAX_CLASSES]:
        raise RequestError(
            f"the map of {name} gives class {wrong[0]}; classes must be 0..{MAX_CLASSES - 1}, "
            f"or ignore={ignore}"
        )
    n_possible = max(possible, default=-1) + 1
    n = n_possible if n_classes is None else n_classes
    if n < n_possible:
        raise RequestError(
            f"n_classes={n}; {name} has classes 0..{n_possible - 1}, so n_classes must be at "
            f"least {n_possible}"
        )
    table = make_class_lut(label_map, ds.dtype(name), np.dtype(np.int64), ignore, name)
    return ClassLut(np.arange(n), np.where(table == ignore, n, table).astype(np.uint8))


def code_lut(ds: Dataset, name: str, threads: int, advance: Advance) -> ClassLut:
    """Return the table of a label as stored: every code is a class, in ascending order.

    If codes have two bytes, one pass over the label finds those that occur.
    """
    dtype = ds.dtype(name)
    stored = np.arange(256**dtype.itemsize).astype(f"u{dtype.itemsize}")
    if dtype.itemsize > 1:
        counts = scan.count_array(ds, name, records=False, threads=threads, advance=advance)
        stored = stored[counts.histogram > 0]
        check_n_codes(name, len(stored))
    codes = stored.view(dtype).astype(np.int64)
    order = np.argsort(codes)
    table = np.zeros(256**dtype.itemsize, np.uint8)
    table[stored[order]] = np.arange(len(stored))
    return ClassLut(codes[order], table)


def check_n_codes(name: str, n_codes: int) -> None:
    """Raise RequestError if a label holds more codes of two bytes than can be counted."""
    if n_codes > MAX_CLASSES:
        raise RequestError(
            f"{name} holds {n_codes:,} codes; at most {MAX_CLASSES} can be counted as stored: give "
            "it a map"
        )


def class_names(
    label_map: LabelMap | None, classes: Sequence[int], other: LabelMap | None = None
) -> tuple[str, ...]:
    """Return the name of each class in the map, else in another map, else its number."""
    named = [one.names for one in (label_map, other) if one is not None]

    def name(k: int) -> str:
        return next((names[k] for names in named if 0 <= k < len(names)), str(k))

    return tuple(map(name, classes))
