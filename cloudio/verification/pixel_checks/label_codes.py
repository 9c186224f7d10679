"""The codes of a label: which have a class, and the columns in which a pass counts them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layouts.codes.class_names import describe_class
from ...layouts.labels import LabelMap

# Classes are counted in 256 columns.  For codes of two bytes, column 255 counts -1, and this one
# counts all codes without a column of their own.
_OTHER_COLUMN = 254
# The first columns count the codes 0, 1, ...; this many are left for other listed codes.
_N_LISTED = 100


@dataclass(frozen=True)
class LabelCodes:
    """The codes of a label under its maps; a code is its bits read as unsigned.

    The default map is that of the first policy, which readers use by default.  ``with_class`` are
    the codes that it gives a class, ``unlabeled`` the codes that it lists without a class,
    ``not_storable`` the codes that the stored type cannot hold.  ``class_lut`` is for
    `scan.count_array`: it gives each code the column in ``columns``.
    """

    policies: Mapping[str, LabelMap]
    with_class: frozenset[int]
    unlabeled: frozenset[int]
    not_storable: tuple[int, ...]
    class_lut: np.ndarray
    columns: Mapping[int, int]

    @classmethod
    def resolve(cls, policies: Mapping[str, LabelMap], dtype: np.dtype[Any]) -> "LabelCodes":
        n_codes = 256**dtype.itemsize
        default = next(iter(policies.values()), LabelMap({}))
        not_storable = default.beyond(dtype)
        listed = {
            code % n_codes: to for code, to in default.classes.items() if code not in not_storable
        }
        if default.fields:  # a class for every code, or a reason to ignore it
            listed = {code: default.of(code) for code in range(n_codes)}
        with_class = frozenset(code for code, to in listed.items() if to is not None)
        columns = _assign_columns(listed, n_codes)
        if default.fields and n_codes > 256:
            columns = _columns_of_fields(listed, with_class)
        class_lut = np.full(n_codes, _OTHER_COLUMN, np.uint8)
        class_lut[list(columns)] = list(columns.values())
        unlabeled = frozenset(listed) - with_class
        return cls(policies, with_class, unlabeled, tuple(not_storable), class_lut, columns)

    @property
    def default_map(self) -> LabelMap | None:
        return next(iter(self.policies.values()), None)

    def column(self, code: int) -> int:
        """Return the column in which a code is counted."""
        return self.columns.get(code, _OTHER_COLUMN)

    def has_own_column(self, code: int) -> bool:
        return len(self.class_lut) == 256 or self.column(code) != _OTHER_COLUMN

    def advice(self, codes: Iterable[int]) -> str:
        """Return what each policy does with codes that the default map does not list."""
        codes, n_codes = list(codes), len(self.class_lut)
        effects = []
        for policy, label_map in self.policies.items():
            # A map may list the same bits as a negative number.
            listed = label_map.classes
            to = {label_map.of(c if c in listed else as_signed(c, n_codes)) for c in codes}
            classes = sorted(n for n in to if n is not None)
            verbs = [f"makes them {describe_class(label_map.names, n)}" for n in classes]
            effects.append(f"{policy!r} " + " or ".join([*verbs, *["ignores them"] * (None in to)]))
        return f"the policy {', '.join(effects)}; or give a LabelMap that lists them"


def _assign_columns(listed: Iterable[int], n_codes: int) -> dict[int, int]:
    """Return the column of each code that has its own.

    Of two bytes these are the small codes, listed ones as far as there is room, and -1.
    """
    if n_codes == 256:
        return {code: code for code in range(256)}
    small = list(range(_OTHER_COLUMN - 1 - _N_LISTED))
    others = [code for code in sorted(listed) if code not in small and code != n_codes - 1]
    columns = {code: k for k, code in enumerate(small + others[:_N_LISTED])}
    return columns | {n_codes - 1: 255}


def _columns_of_fields(listed: Iterable[int], with_class: frozenset[int]) -> dict[int, int]:
    """Return the columns where every code is listed: one for all codes with a class."""
    without = [code for code in listed if code not in with_class]
    own = {code: 1 + k for k, code in enumerate(without[: _OTHER_COLUMN - 1])}
    return dict.fromkeys(with_class, 0) | own


def as_signed(code: int, n_codes: int) -> int:
    """Return the signed number that has the bits of ``code``."""
    return code - n_codes if code >= n_codes // 2 else code


def code_text(code: int, dtype: np.dtype[Any]) -> str:
    """Return a code as text; the largest one with "(-1)", which has the same bits."""
    n_codes = 256**dtype.itemsize
    if dtype.kind == "i":
        return str(as_signed(code, n_codes))
    return f"{code} (-1)" if code == n_codes - 1 else str(code)
