"""The digest of a layout, which tells a pickle whether the layout's file has changed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .._utils.numbers import is_whole
from .band import Band, Window
from .labels import LabelMap
from .layout import Layout


def layout_digest(layout: Layout) -> str:
    """Return a SHA-256, in hex, that is the same for equal layouts and differs for others.

    It also differs if presets or policies are in another order, because the first one counts.
    """
    return hashlib.sha256(json.dumps(_plain(layout)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return the value as lists and strings; equal numbers, such as 1 and 1.0, are equal then."""
    # First what there is most of: a map may have 65,536 codes.
    if type(value) is int:
        return {"number": str(value)}
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    if isinstance(value, LabelMap):
        entries: list[Any] = [sorted(value.classes.items()), value.unlisted]
        if value.fields:
            entries.append([list(field.values()) for field in value.fields])
        if value.names or value.colors:
            entries.append([value.names, value.colors])
        return _plain(entries)
    if isinstance(value, (Layout, Band, Window)):
        return [_plain(getattr(value, field.name)) for field in fields(value) if field.compare]
    if isinstance(value, Mapping):
        return [[key, _plain(entry)] for key, entry in value.items()]
    whole = is_whole(value) or float(value).is_integer()
    return {"number": str(int(value)) if whole else float(value).hex()}
