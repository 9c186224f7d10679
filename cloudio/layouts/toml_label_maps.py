"""The label maps of a TOML layout, [label_maps.ARRAY.POLICY]."""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import RequestError
from .labels import LabelMap
from .toml_keys import CLASS, POLICY_KEYS, TABLE
from .toml_table import Table


def read_label_maps(
    layout: Table, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, dict[str, LabelMap]]:
    """Return the maps of each label by policy; ``names`` are the kinds of the known arrays."""
    maps: dict[str, dict[str, LabelMap]] = {}
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
    return maps


def _label_map(table: Table) -> LabelMap:
    given = table.check(POLICY_KEYS)
    if ("classes" in given) == ("threshold" in given):
        found = "both 'classes' and" if "classes" in given else "neither 'classes' nor"
        raise table.error(f"{table.title} has {found} 'threshold'; it must have one of them")
    odd = "unlisted" if "threshold" in given else "top"
    if odd in given:
        other = "classes" if odd == "unlisted" else "threshold"
        raise table.error(f"{odd} needs '{other}', which {table.title} does not have", odd)
    if "threshold" in given:
        try:
            return LabelMap.threshold(given["threshold"], top=given.get("top", 100))
        except RequestError as error:
            raise table.error(str(error), "threshold") from None
    classes: dict[int, int | None] = {}
    for code, to in given["classes"].items():
        if not re.fullmatch(r"-?\d{1,18}", code, re.ASCII):
            message = f"classes: code {code!r}; codes must be whole numbers"
            raise table.error(message, "classes", code)
        if int(code) in classes:
            raise table.error(f"classes: code {int(code)} is listed twice", "classes", code)
        classes[int(code)] = _class(table.require(CLASS, to, "classes", code))
    return LabelMap(classes, unlisted=_class(given.get("unlisted", "ignore")))


def _class(given: Any) -> int | None:
    return None if given == "ignore" else given
