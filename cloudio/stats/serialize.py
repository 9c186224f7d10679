"""Results as plain values that JSON holds, and back: every bit, NaN and infinities too."""

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .._utils.json_files import refuse
from .._utils.numbers import is_int64
from .._utils.tensors import frozen
from ..layouts.labels import LabelMap, reachable_classes

# A fraction in a file.  The exact sums of 2 ** 40 numbers of float32 have 700 digits.
_FRACTION = re.compile(r"-?[0-9]{1,1500}(/[1-9][0-9]{0,1500})?")


def to_plain(value: Any, *, compared: bool = False) -> Any:
    """Return ``value`` as dicts, lists, numbers and texts.

    A dataclass is a dict of its fields.  Its class may have a ``kind``, which comes first, and
    ``file_keys``: the keys of fields that are named differently in files.  A field that has its
    default is left out, as in files of versions that did not have it.  ``compared``: so are fields
    that equality does not compare.
    """
    if isinstance(value, LabelMap):
        entries = {"classes": sorted(value.classes.items()), "unlisted": value.unlisted}
        more = {"fields": value.fields, "names": value.names, "colors": value.colors}
        return entries | {key: to_plain(entry) for key, entry in more.items() if entry}
    if is_dataclass(value):
        keys = getattr(value, "file_keys", {})
        found: dict[str, Any] = {"kind": value.kind} if hasattr(value, "kind") else {}
        for f in fields(value):
            part = getattr(value, f.name)
            if part is not f.default and (f.compare or not compared):
                found[keys.get(f.name, f.name)] = to_plain(part, compared=compared)
        return found
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_plain(part, compared=compared) for part in value]
    if isinstance(value, Mapping):
        return {name: to_plain(part, compared=compared) for name, part in value.items()}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


# ---- back; ValueError or TypeError unless a file holds what `to_plain` makes ---------------------


def label_map_from_plain(entry: Any) -> LabelMap | None:
    if entry is None:
        return None
    unlisted = entry["unlisted"]
    if entry.get("fields"):
        label_map = LabelMap.from_fields(entry["fields"], unlisted=unlisted)
    else:
        label_map = LabelMap(dict(entry["classes"]), unlisted=unlisted)
    label_map = label_map.with_names(entry.get("names"), entry.get("colors"))
    codes = [*label_map.classes, *filter(None, reachable_classes(label_map))]
    refuse(any(not is_int64(code) for code in codes), "a code or class beyond 64 bits")
    return label_map


def floats_from_plain(entry: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a read-only array of float64; infinities and NaN are strings."""
    flat = _flat(entry, len(shape))
    refuse(any(isinstance(x, (bool, list, dict)) for x in flat), "other values than numbers")
    return frozen(np.array([float(number) for number in flat], np.float64).reshape(shape))


def ints_from_plain(entry: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a read-only array of int64."""
    flat = _flat(entry, len(shape))
    refuse(not all(map(is_int64, flat)), "other values than whole numbers of 64 bits")
    return frozen(np.array(flat, np.int64).reshape(shape))


def int_from_plain(entry: Any) -> int:
    refuse(not is_int64(entry), "another value than a whole number of 64 bits")
    return int(entry)


def int_or_none_from_plain(entry: Any) -> int | None:
    return None if entry is None else int_from_plain(entry)


def fraction_from_plain(entry: Any) -> Fraction:
    refuse(not isinstance(entry, str) or not _FRACTION.fullmatch(entry), "no fraction")
    return Fraction(entry)


def text_from_plain(entry: Any) -> str:
    refuse(not isinstance(entry, str), "another value than text")
    return str(entry)


def texts_from_plain(entry: Any) -> tuple[str, ...]:
    refuse(not isinstance(entry, list), "another value than a list of text")
    return tuple(map(text_from_plain, entry))


def _flat(entry: Any, n_axes: int) -> list[Any]:
    """Return what lists of lists hold."""
    for _ in range(n_axes - 1):
        refuse(not all(isinstance(part, list) for part in entry), "lists that are not nested")
        entry = [value for part in entry for value in part]
    refuse(not isinstance(entry, list), "another value than a list")
    return list(entry)
