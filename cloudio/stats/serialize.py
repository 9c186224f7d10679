"""Results as plain values that JSON holds, and back: every bit, NaN and infinities too."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .._utils.tensors import frozen
from ..layouts.labels import LabelMap


def to_plain(value: Any) -> Any:
    """Return ``value`` as dicts, lists, numbers and texts.

    A dataclass is a dict of its fields.  Its class may have a ``kind``, which comes first, and
    ``file_keys``: the keys of fields that are named differently in files.
    """
    if isinstance(value, LabelMap):
        entries = {"classes": list(value.classes.items()), "unlisted": value.unlisted}
        more = {"fields": value.fields, "names": value.names, "colors": value.colors}
        return entries | {key: to_plain(entry) for key, entry in more.items() if entry}
    if is_dataclass(value):
        keys = getattr(value, "file_keys", {})
        kind = {"kind": value.kind} if hasattr(value, "kind") else {}
        entries = {keys.get(f.name, f.name): getattr(value, f.name) for f in fields(value)}
        return kind | {key: to_plain(entry) for key, entry in entries.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: to_plain(part) for name, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def label_map_from_plain(entry: Any) -> LabelMap | None:
    if entry is None:
        return None
    if entry.get("fields"):
        label_map = LabelMap.from_fields(entry["fields"], unlisted=entry["unlisted"])
    else:
        label_map = LabelMap(dict(entry["classes"]), unlisted=entry["unlisted"])
    return label_map.with_names(entry.get("names"), entry.get("colors"))


def floats_from_plain(entry: Any, shape: Any = -1) -> np.ndarray:
    """Return a read-only array of float64."""
    flat = np.array(entry, dtype=object).ravel().tolist()
    return frozen(np.array([float(number) for number in flat], np.float64).reshape(shape))


def ints_from_plain(entry: Any, shape: Any = -1) -> np.ndarray:
    """Return a read-only array of int64."""
    return frozen(np.array(entry, np.int64).reshape(shape))
