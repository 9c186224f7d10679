"""The label maps of a TOML layout, [label_maps.ARRAY.POLICY]."""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import RequestError
from .codes.bit_fields import parse_bit_field
from .labels import LabelMap
from .toml_keys import CLASS, FIELD_KEYS, POLICY_KEYS, TABLE
from .toml_table import Table

# All codes of thresholds, which a few bytes list: as many as four maps of two bytes per code have.
_MOST_CODES = 1 << 18
# What a map is made of.
_KINDS = ("classes", "fields", "threshold")


def read_label_maps(
    layout: Table, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, dict[str, LabelMap]]:
    """Return the maps of each label by policy; ``names`` are the kinds of the known arrays."""
    maps: dict[str, dict[str, LabelMap]] = {}
    n_codes = 0
    for array, policies in given.items():
        at = "label_maps", array
        if names[layout.array_name(array, names, *at)] != "label":
            message = f"{'.'.join(at)}: {array} is a band; its kind must be 'label'"
            raise layout.error(message, *at)
        layout.require(TABLE, policies, *at)
        maps[array] = {}
        for policy, values in policies.items():
            layout.require(TABLE, values, *at, policy)
            title = f"[label_maps.{array}.{policy}]"
            maps[array][policy] = _label_map(layout.inner(*at, policy, title=title, values=values))
            n_codes += values.get("top", 100) + 1 if "threshold" in values else 0
            if n_codes > _MOST_CODES:
                message = f"thresholds up to here list {n_codes:,} codes; a layout may list "
                raise layout.error(f"{message}{_MOST_CODES:,}: give a smaller top", *at, policy)
    return {array: policies for array, policies in maps.items() if policies}


def _label_map(table: Table) -> LabelMap:
    given = table.check(POLICY_KEYS)
    label_map, names, colors = _codes(table, given), given.get("names"), given.get("colors")
    if isinstance(given.get("classes"), list):
        if names is not None:
            raise table.error("names with a list of classes; the list names them", "names")
        names = given["classes"]
    if names is None and colors is None:
        return label_map
    for key, named in ("names", (names, None)), ("colors", (None, colors)):
        try:
            label_map.with_names(*named)
        except RequestError as error:
            raise table.error(str(error), key if key in given else "classes") from None
    return label_map.with_names(names, colors)


def _codes(table: Table, given: Mapping[str, Any]) -> LabelMap:
    """Return the map without names and colors."""
    kinds = [key for key in _KINDS if key in given]
    if len(kinds) != 1:
        found = " and ".join(map(repr, kinds)) or "none of them"
        needed = "'classes', 'fields' or 'threshold'"
        raise table.error(f"{table.title} must have one of {needed}; it has {found}")
    odd = "unlisted" if "threshold" in given else "top"
    if odd in given:
        other = "'classes' or 'fields'" if odd == "unlisted" else "'threshold'"
        raise table.error(f"{odd} needs {other}, which {table.title} does not have", odd)
    if "threshold" in given:
        try:
            return LabelMap.threshold(given["threshold"], top=given.get("top", 100))
        except RequestError as error:
            key = "top" if str(error).startswith("top") else "threshold"
            raise table.error(str(error), key) from None
    unlisted = _class(given.get("unlisted", "ignore"))
    if "fields" in given:
        fields = [_bit_field(table, k, field) for k, field in enumerate(given["fields"])]
        return LabelMap.from_fields(fields, unlisted=unlisted)
    classes: dict[int, int | None] = {}
    if isinstance(given["classes"], list):
        return LabelMap({k: k for k in range(len(given["classes"]))}, unlisted=unlisted)
    for code, to in given["classes"].items():
        if not re.fullmatch(r"-?\d{1,18}", code, re.ASCII):
            message = f"classes: code {code!r}; codes must be whole numbers"
            raise table.error(message, "classes", code)
        if int(code) in classes:
            raise table.error(f"classes: code {int(code)} is listed twice", "classes", code)
        classes[int(code)] = _class(table.require(CLASS, to, "classes", code))
    return LabelMap(classes, unlisted=unlisted)


def _bit_field(table: Table, k: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field as `LabelMap.from_fields` takes it."""
    field = table.inner("fields", k, title=f"fields[{k}] of {table.title}", values=values)
    given = field.check(FIELD_KEYS, needed=("bits", "class"))
    given["class"] = _class(given["class"])
    try:
        parse_bit_field(given)
    except RequestError as error:
        raise field.error(f"fields[{k}]: {error}") from None
    return given


def _class(given: Any) -> int | None:
    return None if given == "ignore" else given
