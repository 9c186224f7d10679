"""Where patches have valid pixels, and the value of their padding, as the pixels show it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...layouts.band import Window
from ..checked_array import CheckedArray, sample_numbers
from ..report import Finding, make_finding

# Patches that are sampled: of an array, where all that differ from the layout differ in the same
# way; and of each array of a split.
_N_SAMPLED_OF_ARRAY = 16
_N_SAMPLED_OF_SPLIT = 8


# ---- one patch -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Padding:
    """Around ``inner``, all pixels of a patch are ``value``; ``inner`` is None if all pixels are.

    ``value`` is the one of the corner values that leaves the smallest rectangle.
    """

    value: float
    inner: Window | None


def find_padding(patch: np.ndarray) -> Padding:
    corners = patch[[0, 0, -1, -1], [0, -1, 0, -1]]
    candidates = [
        Padding(float(value), _inner_window(patch, value)) for value in np.unique(corners)
    ]
    return min(candidates, key=lambda p: 0 if p.inner is None else p.inner.height * p.inner.width)


def _inner_window(patch: np.ndarray, value: np.generic) -> Window | None:
    """Return the smallest rectangle with every pixel that is not ``value``."""
    other = patch == patch if value != value else patch != value
    rows, cols = (np.flatnonzero(other.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    (top, left), (bottom, right) = (rows[0], cols[0]), (rows[-1], cols[-1])
    return Window(int(top), int(left), int(bottom - top) + 1, int(right - left) + 1)


def _union(windows: Iterable[Window]) -> Window | None:
    corners = [(w.row, w.col, w.row + w.height, w.col + w.width) for w in windows]
    if not corners:
        return None
    top, left = (min(corner[k] for corner in corners) for k in (0, 1))
    bottom, right = (max(corner[k] for corner in corners) for k in (2, 3))
    return Window(top, left, bottom - top, right - left)


def _describe(window: Window) -> str:
    return (
        f"rows {window.row}..{window.row + window.height - 1}, "
        f"columns {window.col}..{window.col + window.width - 1}"
    )


# ---- one array -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArrayPadding:
    """The padding around the valid windows of an array's patches.

    ``all_nan`` and ``constant`` are (patch,): whether all of it is NaN, or one value.  ``minimum``
    is (patch,).  ``sampled``: the padding of some patches where it is not constant.
    """

    valid: Window
    all_nan: np.ndarray
    constant: np.ndarray
    minimum: np.ndarray
    sampled: tuple[Padding, ...]

    @property
    def inner(self) -> Window:
        """Where patches without constant padding seem to have valid pixels."""
        return _union(p.inner for p in self.sampled if p.inner is not None) or self.valid

    @property
    def values_inside(self) -> frozenset[float]:
        """Values of padding that seem to lie inside valid windows."""
        is_inside = _union([self.inner, self.valid]) != self.inner
        return frozenset(p.value for p in self.sampled if p.value == p.value and is_inside)


def measure_padding(array: CheckedArray, records: np.ndarray) -> ArrayPadding:
    """Return the padding around the valid windows, from the records of a pass."""
    layout, n = array.layout, len(records)
    valid, minimum = layout.valid, records["padding_minimum"]
    n_padding = layout.patch[0] * layout.patch[1] - valid.height * valid.width
    if not n_padding:
        return ArrayPadding(valid, np.zeros(n, bool), np.ones(n, bool), minimum, ())
    n_nan = records["padding_nan"]
    all_nan = n_nan == n_padding
    constant = all_nan | ((minimum == records["padding_maximum"]) & (n_nan == 0))
    varied = np.flatnonzero(~constant)
    numbers = [varied[k] for k in sample_numbers(len(varied), _N_SAMPLED_OF_ARRAY)]
    sampled = tuple(find_padding(array.read_patch(k)) for k in numbers)
    return ArrayPadding(valid, all_nan, constant, minimum, sampled)


def check_padding(array: CheckedArray, padding: ArrayPadding) -> Iterator[Finding]:
    """Report padding that seems to hold valid pixels, and unusual values of padding."""
    layout, nodata = array.layout, array.band.nodata
    if padding.sampled:
        inner = padding.inner
        where = "fill the patch" if inner.size == layout.patch else f"lie at {_describe(inner)}"
        message = f"valid pixels seem to {where}; the layout says {_describe(layout.valid)}"
        yield from array.found("frame", np.flatnonzero(~padding.constant), message)
    if layout.valid.size == layout.patch:
        return
    usual = (padding.minimum == 0) | (padding.all_nan & _is_nan(nodata))
    if nodata is not None:
        usual |= padding.minimum == nodata
    unusual = padding.constant & ~usual
    values = np.unique(padding.minimum[unusual])
    if len(values):
        some = ", ".join(f"{value:g}" for value in values[:3])
        several = f"one value per patch, of {len(values):,} such as " if len(values) > 1 else ""
        message = f"the padding is {several}{some}"
        yield from array.found("frame-value", np.flatnonzero(unusual), message)


def _is_nan(number: float | None) -> bool:
    return number is not None and number != number


# ---- one split -----------------------------------------------------------------------------------


def check_split_padding(arrays: Sequence[CheckedArray]) -> Iterator[Finding]:
    """Report a split with the same padding inside the valid window in every measured array.

    Of measured ``arrays``, those with a wavelength count, if there are any.
    """
    measured = [array for array in arrays if array.band.wavelength is not None] or arrays
    if not measured:
        return
    valid = measured[0].layout.valid
    windows: list[Window] = []
    n_sampled = 0
    try:
        for array in measured:
            numbers = sample_numbers(array.n_patches, _N_SAMPLED_OF_SPLIT)
            n_sampled = len(numbers)
            for k in numbers:
                padding = find_padding(array.read_patch(k))
                if padding.inner is None:
                    continue
                # Pixels without data are no padding.
                is_padding = padding.value == padding.value and padding.value != array.band.nodata
                windows.append(padding.inner if is_padding else valid)
    except OSError:  # reported when the whole array is read
        return
    inner = _union(windows)
    if inner is None or _union([inner, valid]) != valid or inner == valid:
        return
    message = (
        f"valid pixels seem to lie at {_describe(inner)}, in all {len(measured)} arrays of the "
        f"{n_sampled} patches sampled; the layout says {_describe(valid)}"
    )
    yield make_finding("frame", measured[0].split.name, "", (), message)
