"""Checks of labels: placeholders, codes outside their map, unlabeled pixels."""

from collections.abc import Iterator, Mapping

import numpy as np

from ..._utils.text import counted, listed, percent
from ...reading.scan import ArrayCounts
from ..checked_array import CheckedArray
from ..part_counts import ClassColumns
from ..report import Finding
from .label_codes import LabelCodes, code_text
from .padding import ArrayPadding

_MAX_CODES = 6  # codes of a label that a message lists


def check_label(
    array: CheckedArray,
    counts: ArrayCounts,
    classes: ClassColumns,
    codes: LabelCodes,
    padding: ArrayPadding,
) -> Iterator[Finding]:
    """Report what is wrong with the codes of a label.

    Padding where the layout has valid pixels is reported as such, and not once more as codes.
    """
    present = [int(code) for code in np.flatnonzero(counts.histogram)]
    every_patch = range(array.n_patches)
    # One patch of one class is natural, unless its type is too small for the codes of the map.
    if len(present) == 1 and (array.n_patches > 1 or codes.not_storable):
        yield from _check_placeholder(array, codes, present[0])
        return
    if counts.dtype.itemsize == 2 and _looks_byte_swapped(codes, present):
        yield from array.found("byte-order", every_patch, "every code is a multiple of 256")
        return
    if codes.default_map is None:
        return
    if codes.default_map.as_threshold and set(present) == {0, 1}:
        yield from array.found("label-binary", every_patch, "only the codes 0 and 1")
        return
    yield from _check_codes(array, counts, classes, codes, padding, present)


def _looks_byte_swapped(codes: LabelCodes, present: list[int]) -> bool:
    """Return whether codes are those of a map, or small numbers, in the other byte order.

    The bits 10 and 11 of QA60 are multiples of 256 too.
    """
    if not any(present) or any(code % 256 for code in present):
        return False
    label_map = codes.default_map
    if label_map is None:
        return 256 in present
    if label_map.fields:
        return all(bit < 8 for field in label_map.fields for bit in field["bits"])
    return not any(code in codes.with_class | codes.unlabeled for code in present if code)


def _check_placeholder(array: CheckedArray, codes: LabelCodes, code: int) -> Iterator[Finding]:
    """Report a label of one code."""
    every_patch = range(array.n_patches)
    if code:
        message = f"code {code_text(code, array.dtype)} in every pixel"
        yield from array.found("label-constant", every_patch, message)
        return
    message = "code 0 in every pixel"
    if codes.not_storable:
        message += f"; its type cannot hold the codes {listed(codes.not_storable)}"
    yield from array.found("label-zeros", every_patch, message)


def _check_codes(
    array: CheckedArray,
    counts: ArrayCounts,
    classes: ClassColumns,
    codes: LabelCodes,
    padding: ArrayPadding,
    present: list[int],
) -> Iterator[Finding]:
    without_class = [code for code in present if code not in codes.with_class]
    n_without = np.zeros(array.n_patches, np.int64)
    for column in {codes.column(code) for code in without_class}:
        n_without += classes.get(column, 0)
    is_empty = n_without == array.n_pixels
    is_written = np.ones(len(is_empty), bool)
    is_written[sorted(array.holes)] = False
    is_empty &= is_written
    yield from array.found("label-empty", np.flatnonzero(is_empty), "no pixel has a class")
    n_codes = 256**counts.dtype.itemsize
    padding_codes = {int(value) % n_codes for value in padding.values_inside}
    is_checked = is_written & ~is_empty
    patches = {
        code: is_checked & padding.constant if code in padding_codes else is_checked
        for code in without_class
    }
    unlabeled = {code: which for code, which in patches.items() if code in codes.unlabeled}
    outside = {code: which for code, which in patches.items() if code not in codes.unlabeled}
    yield from _report_codes(array, counts, classes, codes, "codes", outside)
    yield from _report_codes(array, counts, classes, codes, "unlabelled", unlabeled)


def _report_codes(
    array: CheckedArray,
    counts: ArrayCounts,
    classes: ClassColumns,
    codes: LabelCodes,
    check: str,
    patches: Mapping[int, np.ndarray],
) -> Iterator[Finding]:
    """Report codes that occur, each in the patches that are True."""
    listed: list[str] = []
    occurring: list[int] = []
    concerned = np.zeros(array.n_patches, bool)
    for code, which in patches.items():
        n_pixels = np.where(which, classes.get(codes.column(code), 0), 0)
        if not n_pixels.any():
            continue
        occurring.append(code)
        concerned |= n_pixels > 0
        n = int(
            n_pixels.sum(dtype=np.int64) if codes.has_own_column(code) else counts.histogram[code]
        )
        share = percent(n / (array.n_patches * array.n_pixels))
        listed.append(f"{code_text(code, counts.dtype)}: {counted(n, 'pixel')} ({share})")
    if len(listed) > _MAX_CODES:
        listed[_MAX_CODES:] = [f"and {len(listed) - _MAX_CODES} more codes"]
    advice = codes.advice(occurring) if check == "codes" else ""
    yield from array.found(check, np.flatnonzero(concerned), "; ".join(listed), advice)
