"""Checks of bands: no data, NaN, constant patches, saturation, numbers below zero."""

from collections.abc import Iterable, Iterator

import numpy as np

from ..._utils.text import percent
from ...reading.scan import ArrayCounts
from ..checked_array import CheckedArray
from ..meaning import NUMBER_PER_PATCH, SkippedCheck, can_be_below_zero, why_below_zero, why_codes
from ..report import Finding

# A few pixels at the largest number are glints and hot spots; a hundredth of a patch is not.
_MIN_SATURATED = 0.01


def check_band(array: CheckedArray, counts: ArrayCounts) -> Iterator[Finding | SkippedCheck]:
    band, records = array.band, counts.patches
    yield from _check_no_data(array, counts)
    yield from _check_share(array, "infinite", records["infinite"], "infinite")
    codes = why_codes(band, counts.dtype, counts.histogram)
    natural = array.why_not_measured or codes
    yield from _check_constant(array, records, natural)
    yield from _unless(codes, array, _check_saturated(array, counts))
    if not can_be_below_zero(band):
        signed = natural or why_below_zero(band, counts.dtype, counts.histogram, records)
        yield from _unless(signed, array, _check_negative(array, records))


def _check_no_data(array: CheckedArray, counts: ArrayCounts) -> Iterator[Finding]:
    nodata, records = array.band.nodata, counts.patches
    with_data = records["data"] > 0
    without = ~with_data
    nodata_text = "" if nodata is None else f"{nodata:g}".replace("nan", "NaN")
    kinds = (
        "NaN" if records["nan"][without].any() else "",
        nodata_text if records["nodata"].any() else "",
    )
    only = " or ".join(filter(None, kinds))
    yield from array.found("empty", np.flatnonzero(without), f"every pixel is {only}")
    if not _is_among_data(counts, nodata):
        n_nodata = np.where(with_data, records["nodata"], 0)
        yield from _check_share(array, "nodata", n_nodata, nodata_text)
    nan_is_nodata = nodata is not None and nodata != nodata
    nan = np.where(with_data, records["nan"], 0)
    yield from _check_share(array, "nodata" if nan_is_nodata else "nan", nan, "NaN")


def _check_saturated(array: CheckedArray, counts: ArrayCounts) -> Iterator[Finding]:
    n_saturated = counts.patches["saturated"]
    n_saturated = np.where(n_saturated >= _MIN_SATURATED * array.n_pixels, n_saturated, 0)
    largest = "" if counts.dtype.kind == "f" else str(np.iinfo(counts.dtype).max)
    yield from _check_share(array, "saturated", n_saturated, largest)


def _check_negative(array: CheckedArray, records: np.ndarray) -> Iterator[Finding]:
    is_negative = (records["data"] > 0) & (records["minimum"] < 0)
    negative = np.where(is_negative, records["negative"], 0)
    lowest = records["minimum"][negative > 0].min(initial=0)
    yield from _check_share(array, "negative", negative, "below zero", f", down to {lowest:g}")


def _unless(
    why: str | None, array: CheckedArray, findings: Iterable[Finding]
) -> Iterator[Finding | SkippedCheck]:
    """Yield the findings, or that their checks are skipped if there is a reason."""
    for finding in findings:
        yield finding if why is None else array.skipped(finding.check, why)


def _check_share(
    array: CheckedArray, check: str, n_pixels: np.ndarray, kind: str, more: str = ""
) -> Iterator[Finding]:
    """Report patches with ``n_pixels`` of a kind, and their share of a patch."""
    patches = np.flatnonzero(n_pixels)
    if not len(patches):
        return
    shares = n_pixels[patches] / array.n_pixels
    low, high = percent(shares.min()), percent(shares.max())
    between = high if low == high else f"{low} to {high}"
    yield from array.found(check, patches, f"{kind}: {between} of a patch{more}")


def _is_among_data(counts: ArrayCounts, nodata: float | None) -> bool:
    """Return whether the no-data number is as frequent as the whole numbers next to it.

    If so, it is data too, such as an elevation of -99 m beside -98 and -100.
    """
    if counts.dtype.kind == "f" or nodata is None or nodata != nodata:
        return False
    n_codes = len(counts.histogram)
    near = [(int(nodata) + step) % n_codes for step in (-3, -2, -1, 1, 2, 3)]
    return bool(counts.patches["nodata"].sum() <= 4 * counts.histogram[near].mean())


def _check_constant(
    array: CheckedArray, records: np.ndarray, natural: str | None
) -> Iterator[Finding | SkippedCheck]:
    """Report patches of one number; where they are ``natural``, only if all patches have it."""
    is_constant = (records["minimum"] == records["maximum"]) & (
        2 * records["data"] >= array.n_pixels
    )
    is_constant[sorted(array.holes)] = False
    patches = np.flatnonzero(is_constant)
    values = np.unique(records["minimum"][is_constant])
    is_unknown = array.band.wavelength is None and not array.band.unit
    if is_unknown and len(patches) == len(records) > 2 and len(values) > 1:
        natural = natural or NUMBER_PER_PATCH
    is_one_placeholder = len(patches) >= max(2, len(records)) and len(values) == 1
    if len(values) == 1:
        message = f"every pixel is {values[0]:g}"
    else:
        first = ", ".join(f"{value:g}" for value in values[:3])
        message = f"one value per patch; {len(values):,} values, such as {first}"
    found = array.found("constant", patches, message)
    yield from _unless(None if is_one_placeholder else natural, array, found)
