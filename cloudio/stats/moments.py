"""Moments and percentiles from counts: exact arithmetic, so that no order and no cut matters.

What was counted is stats.py's; how floats are counted is scan.py's.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from ..reading import scan

# Every float64 is a whole number of units of 2 ** -1074.
_UNIT = 1074


def moments(values: np.ndarray, counts: np.ndarray) -> tuple[Fraction, Fraction]:
    """Mean and variance (of all, not of a sample) of int64 of two bytes, so many of each."""
    squares = values.astype(np.int64) ** 2
    # Of two bytes a square has four: in halves, no sum of 2 ** 46 pixels overflows.
    high, low = int((squares >> 16) @ counts), int((squares & 0xFFFF) @ counts)
    return _moments(int(counts.sum()), int(values @ counts), (high << 16) + low)


def moments_of_parts(
    counts: np.ndarray, centres: np.ndarray, means: np.ndarray, m2: np.ndarray
) -> tuple[Fraction, Fraction]:
    """Mean and variance of all parts, of finite ones that are not empty.

    ``means`` are less ``centres``; ``m2`` is of each part the sum of squared differences from its
    mean.  Parts are put together without rounding: whatever their order, the answer is the same.
    """
    n, total, squares = 0, 0, 0
    parts = (counts, centres, means, m2)
    for count, centre, part, more in zip(*(each.tolist() for each in parts), strict=True):
        mean = _units(centre) + _units(part)
        n += count
        total += count * mean
        squares += count * mean * mean + (_units(more) << _UNIT)
    mean_units, variance_units = _moments(n, total, squares)
    return mean_units / (1 << _UNIT), variance_units / (1 << 2 * _UNIT)


def _moments(n: int, total: int, squares: int) -> tuple[Fraction, Fraction]:
    return Fraction(total, n), Fraction(n * squares - total * total, n * n)


def _units(number: float) -> int:
    top, bottom = number.as_integer_ratio()
    return top * ((1 << _UNIT) // bottom)


def root(square: Fraction) -> float:
    """The square root of a number from 0 on, rounded once."""
    top, bottom = square.numerator, square.denominator
    # 64 bits of the root at least; an odd last bit says that there would be more.
    shift = max(0, 130 + bottom.bit_length() - top.bit_length()) // 2
    whole = math.isqrt((top << 2 * shift) // bottom)
    if whole * whole * bottom != top << 2 * shift:
        whole |= 1
    return float(Fraction(whole, 1 << shift))


def percentiles(
    n: int,
    percents: Sequence[float],
    pick: Callable[[np.ndarray], np.ndarray],
    scaled: Callable[[np.ndarray], np.ndarray],
    *,
    falling: bool,
) -> np.ndarray:
    """What np.percentile gives for ``n`` scaled numbers, bit for bit, by its method "linear".

    ``pick`` returns the stored numbers of the given ranks, 0 the least; ``falling``: scaled, the
    largest of them is the least.
    """
    virtual = (n - 1) * np.true_divide(np.asarray(percents, np.float64), 100)
    lower = np.minimum(np.floor(virtual), n - 1)
    upper = np.minimum(lower + 1, n - 1)
    ranks = np.stack([lower, upper]).astype(np.int64)
    least, most = scaled(pick(n - 1 - ranks if falling else ranks))
    fraction = virtual - lower
    with np.errstate(invalid="ignore"):
        # From the nearer end, as numpy interpolates.
        between = most - least
        from_most, from_least = most - between * (1 - fraction), least + between * fraction
    return np.asarray(np.where(fraction >= 0.5, from_most, from_least))


def at_ranks(values: np.ndarray, counts: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Of ascending ``values``, so many of each, those of the given ranks."""
    picked: np.ndarray = values[np.searchsorted(np.cumsum(counts), ranks, side="right")]
    return picked


def floats_at_ranks(
    histogram: np.ndarray, within: Callable[[np.ndarray], np.ndarray], ranks: np.ndarray
) -> np.ndarray:
    """The same of float32 numbers, of which ``histogram`` counts the upper halves of the keys.

    ``within`` is given upper halves, and returns how often each has each lower half.
    """
    before = np.cumsum(histogram)
    halves = np.searchsorted(before, ranks, side="right")
    tops, which = np.unique(halves, return_inverse=True)
    lower = np.cumsum(within(tops), axis=1)
    rest = ranks - (before - histogram)[halves]
    keys = [
        (int(tops[k]) << 16) + int(np.searchsorted(lower[k], rank, side="right"))
        for k, rank in zip(which.ravel().tolist(), rest.ravel().tolist(), strict=True)
    ]
    return scan.keys_to_floats(np.array(keys, np.uint32)).reshape(ranks.shape)
