"""Fields of bits in whole numbers, such as the cloud confidence in two bits of a quality band."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..._utils.numbers import check_whole
from ...errors import RequestError

#: Codes have at most two bytes.
N_BITS = 16
_KEYS = ("bits", "equals", "class")


class BitField(NamedTuple):
    """A code whose ``bits`` hold the number ``equals`` has the class ``to``; None means ignore.

    ``bits`` ascend; the first is the lowest of the number.
    """

    bits: tuple[int, ...]
    equals: int
    to: int | None

    @property
    def code(self) -> int:
        """The code that has these bits and no others."""
        return sum((self.equals >> k & 1) << bit for k, bit in enumerate(self.bits))

    def matches(self, codes: Any) -> Any:
        """Return whether a code, or each code of an array, holds the number."""
        mask = sum(1 << bit for bit in self.bits)
        return codes & mask == self.code

    def as_mapping(self) -> dict[str, Any]:
        """Return the entries from which `parse_bit_field` makes an equal field."""
        return dict(zip(_KEYS, (list(self.bits), self.equals, self.to), strict=True))


def parse_bit_field(given: Any) -> BitField:
    """Return the field of a mapping with the keys bits, equals and class; else RequestError."""
    if not isinstance(given, Mapping) or not {"bits", "class"} <= set(given) <= set(_KEYS):
        raise RequestError(
            f"field {given!r}; a field must be a mapping with 'bits', 'class' and, unless all bits "
            "must be 1, 'equals', such as {'bits': [14, 15], 'equals': 3, 'class': 1}"
        )
    bits = given["bits"]
    bits = tuple(bits) if isinstance(bits, Sequence) and not isinstance(bits, str) else (bits,)
    bits = tuple(check_whole("bits", bit, 0, N_BITS - 1) for bit in bits)
    if not bits or list(bits) != sorted(set(bits)):
        raise RequestError(
            f"bits={list(bits)}; bits must ascend, from the lowest to the highest of the number"
        )
    most = (1 << len(bits)) - 1
    equals = check_whole("equals", given.get("equals", most), 0, most)
    to = given["class"]
    return BitField(bits, equals, None if to is None else check_whole("class", to))


def first_matches(fields: Sequence[BitField], n_codes: int) -> np.ndarray:
    """Return the number of the first field that each code 0..n_codes - 1 matches, else -1."""
    codes = np.arange(n_codes)
    matched = np.full(n_codes, -1)
    for k, field in reversed(list(enumerate(fields))):
        matched[field.matches(codes)] = k
    return matched
