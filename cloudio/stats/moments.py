"""Moments and percentiles from counts.

The arithmetic is exact, so that neither the order of patches nor the threads change the result.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from ..reading import scan

# Every float64 is a whole number of units of 2 ** -1074.
_UNIT = 1074
# The sum of so many squares of numbers of two bytes is below 2 ** 63.
_MOST_AT_ONCE = 1 << 31


def moments(values: np.ndarray, counts: np.ndarray) -> tuple[Fraction, Fraction]:
    """Return mean and variance of ``values``, ``counts`` times each, as of a whole population.

    ``values`` are int64 that fit into two bytes.
    """
    n = int(counts.sum())
    if n < _MOST_AT_ONCE:
        weighted = values * counts
        return _moments_of_ints(n, int(weighted.sum()), int(values @ weighted))
    square = values.astype(np.int64) ** 2
    # A square has four bytes, which are taken two at a time.
    high, low = _weighted_sum(square >> 16, counts), _weighted_sum(square & 0xFFFF, counts)
    total = _weighted_sum(values, counts)
    return _moments_of_ints(n, total, (high << 16) + low)


def _moments_of_ints(n: int, total: int, squares: int) -> tuple[Fraction, Fraction]:
    """As `moments_of_sums`, with few operations of Fractions, which are slow."""
    return Fraction(total, n), Fraction(n * squares - total * total, n * n)


def _weighted_sum(values: np.ndarray, counts: np.ndarray) -> int:
    """Return the sum of ``values`` of two bytes, ``counts`` times each, of any number of pixels.

    There are at most 2 ** 16 values: with counts of 24 bits at a time, no sum overflows.
    """
    return (int(values @ (counts >> 24)) << 24) + int(values @ (counts & 0xFFFFFF))


def moments_of_parts(
    counts: np.ndarray, centers: np.ndarray, means: np.ndarray, m2: np.ndarray
) -> tuple[Fraction, Fraction]:
    """Return mean and variance of all parts together, which are those of `sums_of_parts`."""
    return moments_of_sums(*sums_of_parts(counts, centers, means, m2))


def sums_of_parts(
    counts: np.ndarray, centers: np.ndarray, means: np.ndarray, m2: np.ndarray
) -> tuple[int, Fraction, Fraction]:
    """Return the number of numbers, their sum and the sum of their squares.

    The parts are finite and not empty.  ``means`` are differences from ``centers``.  ``m2`` is the
    sum of squared differences from the mean, of each part.  Nothing is rounded, so that the order
    of parts changes nothing.
    """
    n, total, squares = 0, 0, 0
    columns = (each.tolist() for each in (counts, centers, means, m2))
    for count, center, difference, spread in zip(*columns, strict=True):
        mean = _units(center) + _units(difference)
        n += count
        total += count * mean
        squares += count * mean * mean + (_units(spread) << _UNIT)
    return n, Fraction(total, 1 << _UNIT), Fraction(squares, 1 << 2 * _UNIT)


def moments_of_sums(n: int, total: Fraction, squares: Fraction) -> tuple[Fraction, Fraction]:
    """Return mean and variance of ``n`` numbers with this sum and this sum of squares."""
    mean = total / n
    return mean, squares / n - mean * mean


def _units(number: float) -> int:
    top, bottom = number.as_integer_ratio()
    return top * ((1 << _UNIT) // bottom)


def root(square: Fraction) -> float:
    """Return the square root of a number from 0 on, rounded once."""
    top, bottom = square.numerator, square.denominator
    # 64 bits of the root at least; the last bit is set where more bits would follow.
    shift = max(0, 130 + bottom.bit_length() - top.bit_length()) // 2
    whole = math.isqrt((top << 2 * shift) // bottom)
    if whole * whole * bottom != top << 2 * shift:
        whole |= 1
    return float(Fraction(whole, 1 << shift))


def percentiles(
    n: int,
    percents: Sequence[float],
    at_ranks: Callable[[np.ndarray], np.ndarray],
    in_units: Callable[[np.ndarray], np.ndarray],
    *,
    falling: bool,
) -> np.ndarray:
    """Return what np.percentile gives for ``n`` scaled numbers, bit for bit (method "linear").

    ``at_ranks`` gives the stored numbers of some ranks, 0 the smallest.  ``in_units`` scales them.
    ``falling``: the scale is negative, so that the largest stored number is the smallest scaled.
    """
    ranks, fraction = ranks_of_percentiles(n, percents, falling=falling)
    low, high = in_units(at_ranks(ranks))
    with np.errstate(invalid="ignore"):
        # From the nearer end, as numpy interpolates.
        step = high - low
        from_high, from_low = high - step * (1 - fraction), low + step * fraction
    return np.asarray(np.where(fraction >= 0.5, from_high, from_low))


def ranks_of_percentiles(
    n: int, percents: Sequence[float], *, falling: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks (2, percent) between which each percentile of ``n`` numbers lies, and where.

    The second array is 0 at the first of both ranks, and 1 at the other.
    """
    virtual = (n - 1) * np.true_divide(np.asarray(percents, np.float64), 100)
    lower = np.minimum(np.floor(virtual), n - 1)
    upper = np.minimum(lower + 1, n - 1)
    ranks = np.stack([lower, upper]).astype(np.int64)
    return n - 1 - ranks if falling else ranks, virtual - lower


def values_at_ranks(values: np.ndarray, counts: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return the numbers of these ranks among ascending ``values``, ``counts`` times each."""
    picked: np.ndarray = values[np.searchsorted(np.cumsum(counts), ranks, side="right")]
    return picked


def floats_at_ranks(
    histogram: np.ndarray, count_lower: Callable[[np.ndarray], np.ndarray], ranks: np.ndarray
) -> np.ndarray:
    """Return the float32 numbers of these ranks.

    ``histogram`` counts the upper 16 bits of their keys (`scan.floats_to_keys`).  ``count_lower``
    takes some upper 16 bits, and returns how often each occurs with each lower 16 bits.
    """
    upper = upper_halves_at_ranks(histogram, ranks)
    distinct, which = np.unique(upper, return_inverse=True)
    lower = np.cumsum(count_lower(distinct), axis=1)
    rest = ranks - (np.cumsum(histogram) - histogram)[upper]
    keys = [
        (int(distinct[k]) << 16) + int(np.searchsorted(lower[k], rank, side="right"))
        for k, rank in zip(which.ravel().tolist(), rest.ravel().tolist(), strict=True)
    ]
    return scan.keys_to_floats(np.array(keys, np.uint32)).reshape(ranks.shape)


def upper_halves_at_ranks(histogram: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return the upper 16 bits of the keys of these ranks."""
    return np.searchsorted(np.cumsum(histogram), ranks, side="right")
