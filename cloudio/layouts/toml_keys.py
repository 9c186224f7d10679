"""The keys of a TOML layout, and the kind of value that each needs."""

from collections.abc import Callable
from typing import Any

from .._utils.numbers import is_int64, is_real
from .toml_table import Requirement

# Each is compared with every array.
_MOST_PREFIXES = 100


def is_text(x: Any) -> bool:
    return isinstance(x, str) and x != ""


def is_list_of(one: Callable[[Any], bool], x: Any, n: int | None = None) -> bool:
    """Return whether that is a list of such values: of ``n``, or of at least one."""
    return isinstance(x, list) and all(map(one, x)) and (len(x) == n if n else x != [])


TEXT: Requirement = is_text, "a string that is not empty"
TEXTS: Requirement = lambda x: is_list_of(is_text, x), "a list of strings"
NUMBER: Requirement = is_real, "a number"
WHOLE: Requirement = is_int64, "a whole number"
TABLE: Requirement = lambda x: isinstance(x, dict), "a table"
CLASS: Requirement = lambda x: is_int64(x) or x == "ignore", "a whole number or 'ignore'"


def _is_size(x: Any) -> bool:
    return is_int64(x) and x >= 1


LAYOUT_KEYS: dict[str, Requirement] = {
    "name": TEXT,
    "patch": (lambda x: is_list_of(_is_size, x, 2), "[height, width], such as [256, 256]"),
    "valid": (lambda x: is_list_of(is_int64, x, 4), "[row, column, height, width]"),
    "prefixes": (
        lambda x: TEXTS[0](x) and len(x) <= _MOST_PREFIXES,
        f"a list of at most {_MOST_PREFIXES} strings",
    ),
    "arrays": (lambda x: is_list_of(TABLE[0], x), "a list of tables, [[arrays]]"),
    "presets": TABLE,
    "aliases": TABLE,
    "label_maps": TABLE,
}
ARRAY_KEYS: dict[str, Requirement] = {
    "name": TEXT,
    "names": TEXTS,
    "kind": (lambda x: x in ("band", "label"), "'band' or 'label'"),
    "dtype": TEXT,
    "scale": (lambda x: is_real(x) or x == "unknown", "a number or 'unknown'"),
    "offset": NUMBER,
    "scale_factor": NUMBER,
    "add_offset": NUMBER,
    "nodata": NUMBER,
    "unit": (lambda x: isinstance(x, str), "a string"),
    "wavelength": NUMBER,
    "wavelengths": (lambda x: is_list_of(is_real, x), "a list of numbers"),
    "file": TEXT,
    "stacked": (lambda x: isinstance(x, bool), "true or false"),
    "channel": (
        lambda x: is_int64(x) or is_list_of(is_int64, x),
        "a whole number, or a list with one for each name",
    ),
    "channels": WHOLE,
    "channel_axis": (lambda x: x in ("first", "last"), "'first' or 'last'"),
    "repeat": (
        lambda x: _is_size(x) or is_list_of(_is_size, x, 2),
        "a whole number, 1 or more, or [rows, columns]",
    ),
    "phase": (
        lambda x: is_int64(x) or is_text(x) or is_list_of(is_int64, x, 2),
        "a whole number, [rows, columns], or the name of a .npy file",
    ),
    "exceptions": TEXT,
}
POLICY_KEYS: dict[str, Requirement] = {
    "classes": (
        lambda x: TABLE[0](x) or TEXTS[0](x),
        "a table such as { 0 = 0, 1 = 1 }, or a list of names",
    ),
    "names": TEXTS,
    "colors": TEXTS,
    "fields": (lambda x: is_list_of(TABLE[0], x), "a list of tables { bits, equals, class }"),
    "unlisted": CLASS,
    "threshold": WHOLE,
    "top": WHOLE,
}
FIELD_KEYS: dict[str, Requirement] = {
    "bits": (lambda x: is_int64(x) or is_list_of(is_int64, x), "a bit or a list of bits"),
    "equals": WHOLE,
    "class": CLASS,
}
