"""The columns of `BandStats` from counts, which are of one pass or merged from several."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from .._utils.tensors import frozen
from . import moments
from .band_stats import BandStats
from .counts.floats import FloatCounts
from .counts.histogram import Histogram
from .counts.scaled_band import ScaledBand
from .provenance import Provenance

#: Upper halves of keys -> (half, 65536), as `scan.count_lower_halves`.
CountLower = Callable[[np.ndarray], np.ndarray]


def int_columns(
    histogram: Histogram, n_nodata: int, band: ScaledBand, percents: Sequence[float]
) -> dict[str, Any]:
    """Return the statistics of a band of whole numbers, by the names of `BandStats`' fields."""
    n = int(histogram.counts.sum())
    columns = _without_data(percents) | {"count": n, "n_nodata": n_nodata, "histogram": histogram}
    if not n:
        return columns
    low, high = np.sort(band.in_units(histogram.values[[0, -1]]))
    at_ranks = partial(moments.values_at_ranks, histogram.values, histogram.counts)
    mean, variance = moments.moments(histogram.values, histogram.counts)
    return (
        columns
        | {"min": float(low), "max": float(high)}
        | _percentiles(n, percents, at_ranks, band)
        | _mean_and_std(mean, variance, band)
    )


def float_columns(
    floats: FloatCounts,
    n_without: tuple[int, int],
    band: ScaledBand,
    percents: Sequence[float],
    count_lower: CountLower | None,
) -> dict[str, Any]:
    """Return the statistics of a band of floats, by the names of `BandStats`' fields.

    ``n_without``: how many pixels are no data, and NaN.  Without ``count_lower`` the percentiles
    are NaN.
    """
    n = int(floats.upper.counts.sum())
    n_nodata, n_nan = n_without
    columns = _without_data(percents) | {"n_nodata": n_nodata, "n_nan": n_nan, "floats": floats}
    if not n:
        return columns
    low, high = np.sort(band.in_units(np.array([floats.minimum, floats.maximum])))
    columns |= {"count": n, "min": float(low), "max": float(high)}
    if count_lower is not None:
        at_ranks = partial(moments.floats_at_ranks, floats.histogram(), count_lower)
        columns |= _percentiles(n, percents, at_ranks, band)
    if floats.total is None or floats.squares is None:
        # As in numpy: the sum of both infinities is NaN, and so is the distance from one.
        return columns | {"mean": float(low) + float(high)}
    mean, variance = moments.moments_of_sums(n, floats.total, floats.squares)
    return columns | _mean_and_std(mean, variance, band)


def stats_of_columns(
    scaled: Sequence[ScaledBand],
    columns: Sequence[Mapping[str, Any]],
    percents: Sequence[float],
    of: Provenance,
    pending: Sequence[str] = (),
) -> BandStats:
    """Return the statistics of bands, from the columns of each."""

    def column(field: str, dtype: type) -> np.ndarray:
        return frozen(np.array([one[field] for one in columns], dtype))

    return BandStats(
        names=tuple(band.name for band in scaled),
        percents=tuple(percents),
        percentiles=column("percentiles", np.float64).reshape(len(scaled), len(percents)),
        scale=frozen(np.array([band.scale for band in scaled])),
        offset=frozen(np.array([band.offset for band in scaled])),
        histograms=tuple(one["histogram"] for one in columns),
        of=of,
        **{field: column(field, np.int64) for field in ("count", "n_nodata", "n_nan")},
        **{field: column(field, np.float64) for field in ("min", "max", "mean", "std")},
        floats=tuple(one["floats"] for one in columns),
        pending=tuple(pending),
    )


def extremes(minimum: np.ndarray, maximum: np.ndarray) -> tuple[float, float]:
    """Return the smallest minimum and the largest maximum; -0.0 is smaller than 0.0."""
    low, high = float(minimum.min()), float(maximum.max())
    if low == 0:
        low = -0.0 if np.signbit(minimum[minimum == 0]).any() else 0.0
    if high == 0:
        high = -0.0 if np.signbit(maximum[maximum == 0]).all() else 0.0
    return low, high


def _without_data(percents: Sequence[float]) -> dict[str, Any]:
    """Return the statistics of a band without data."""
    return {
        "count": 0,
        "n_nodata": 0,
        "n_nan": 0,
        "histogram": None,
        "floats": None,
        "percentiles": np.full(len(percents), np.nan),
        **dict.fromkeys(("min", "max", "mean", "std"), np.nan),
    }


def _percentiles(
    n: int,
    percents: Sequence[float],
    at_ranks: Callable[[np.ndarray], np.ndarray],
    band: ScaledBand,
) -> dict[str, Any]:
    if not percents:
        return {}
    falling = band.scale < 0
    found = moments.percentiles(n, percents, at_ranks, band.in_units, falling=falling)
    return {"percentiles": found}


def _mean_and_std(mean: Fraction, variance: Fraction, band: ScaledBand) -> dict[str, float]:
    # Whole numbers: operations of Fractions are slow.  A quotient of two is rounded once.
    (a, b), (c, d) = band.scale.as_integer_ratio(), band.offset.as_integer_ratio()
    top, bottom = mean.numerator * a * d + mean.denominator * b * c, mean.denominator * b * d
    scaled = Fraction(variance.numerator * a * a, variance.denominator * b * b)
    return {"mean": top / bottom, "std": moments.root(scaled)}
