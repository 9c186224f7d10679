"""Moments and percentiles from counts are exact."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio.reading import scan
from cloudio.stats import moments

FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)

SCALES = st.sampled_from([1.0, 1e-4, -1e-4, 1 / 3, -7.0, 1e20])

PERCENTAGES = st.lists(st.floats(0, 100), min_size=1, max_size=4)


@settings(max_examples=scaled(50, 150))
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=30), SCALES, PERCENTAGES)
def test_percentiles_of_counts_equal_numpy_bit_for_bit(numbers, scale, percents):
    values, counts = np.unique(numbers, return_counts=True)
    found = moments.percentiles(
        len(numbers),
        percents,
        lambda ranks: moments.values_at_ranks(values, counts, ranks),
        lambda stored: stored * scale + 0.7,
        falling=scale < 0,
    )
    expected = np.percentile(np.array(numbers, np.float64) * scale + 0.7, percents)
    assert np.array_equal(found, expected)


@settings(max_examples=scaled(50, 150))
@given(st.lists(FINITE32, min_size=1, max_size=30), SCALES, PERCENTAGES)
def test_percentiles_of_floats_equal_numpy_bit_for_bit(numbers, scale, percents):
    keys = scan.floats_to_keys(np.array(numbers, np.float32))

    def count_lower(upper):
        return np.stack(
            [np.bincount(keys[keys >> 16 == top] & 0xFFFF, minlength=65536) for top in upper]
        )

    histogram = np.bincount(keys >> 16, minlength=65536)
    found = moments.percentiles(
        len(numbers),
        percents,
        lambda ranks: moments.floats_at_ranks(histogram, count_lower, ranks),
        lambda stored: stored.astype(np.float64) * scale,
        falling=scale < 0,
    )
    expected = np.percentile(np.array(numbers, np.float32).astype(np.float64) * scale, percents)
    assert np.array_equal(found, expected)


@given(st.fractions(min_value=0, max_value=10**30))
def test_a_root_is_rounded_once(square):
    found = Fraction(moments.root(square))
    below = Fraction(np.nextafter(float(found), -np.inf))
    above = Fraction(np.nextafter(float(found), np.inf))
    # The true root is nearer than halfway to either neighbour.
    assert square <= ((found + above) / 2) ** 2
    assert found == 0 or ((found + below) / 2) ** 2 <= square


def test_a_root_just_above_halfway_between_two_floats_is_rounded_up():
    halfway = 1 + Fraction(1, 2**53)
    assert moments.root((halfway + Fraction(1, 2**90)) ** 2) == 1 + 2**-52
    assert moments.root(halfway**2) == 1  # to even
    assert moments.root((halfway - Fraction(1, 2**90)) ** 2) == 1


def test_the_root_of_a_square_is_exact():
    for number in (0.1, 3.0, 1e-160, 7e150, 5e-324):
        assert moments.root(Fraction(number) ** 2) == number


@given(st.lists(st.lists(FINITE32, min_size=1, max_size=6), min_size=1, max_size=6), st.randoms())
def test_moments_of_parts_are_exact(parts, random):
    arrays = [np.array(part, np.float64) for part in parts]
    rows = [(len(a), a.mean(), ((a - a.mean()) ** 2).sum()) for a in arrays]
    counts, means, m2 = map(np.array, zip(*rows, strict=True))
    mean, variance = moments.moments_of_parts(counts, 0 * means, means, m2)
    n = sum(len(part) for part in parts)
    expected = sum(c * Fraction(m) for c, m, _ in rows) / n
    assert mean == expected
    between = sum(c * (Fraction(m) - expected) ** 2 for c, m, _ in rows)
    assert variance == (sum(Fraction(float(more)) for *_, more in rows) + between) / n
    random.shuffle(rows)
    counts, means, m2 = map(np.array, zip(*rows, strict=True))
    assert (mean, variance) == moments.moments_of_parts(counts, means, 0 * means, m2)


@pytest.mark.parametrize("value", [65535, -32768])
def test_sums_of_squares_larger_than_int64_are_exact(value):
    values, counts = np.array([0, value]), np.array([1, 2**45])
    mean, variance = moments.moments(values, counts)
    n = 2**45 + 1
    assert mean == Fraction(value * 2**45, n)
    assert variance == Fraction(value**2 * 2**45, n * n)


@pytest.mark.parametrize("values", [(-32768, 0, 32767), (0, 65535), (-128,)])
def test_moments_of_more_pixels_than_any_data_set_has_are_exact(values):
    counts = [2**60 + k for k in range(len(values))]
    mean, variance = moments.moments(np.array(values), np.array(counts))
    pairs = [*zip(values, counts, strict=True)]
    exact = Fraction(sum(x * n for x, n in pairs), sum(counts))
    assert mean == exact
    assert variance == Fraction(sum(x * x * n for x, n in pairs), sum(counts)) - exact**2
