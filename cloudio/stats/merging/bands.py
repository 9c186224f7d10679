"""Statistics of bands of parts, merged: from counts and exact sums, so that nothing is rounded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import RequestError
from ..band_columns import extremes, float_columns, int_columns, stats_of_columns
from ..band_stats import BandStats
from ..counts.floats import FloatCounts, LowerHalves
from ..counts.histogram import add_histograms
from ..counts.scaled_band import ScaledBand
from .alike import check_alike, merge_provenance


def merge_bands(results: Sequence[BandStats]) -> BandStats:
    """Return the statistics of all patches; percentiles of floats are pending."""
    of, _ = merge_provenance(results)
    check_alike(results, "names", "percents", "scale", "offset")
    if any(each.floats is None for each in results):
        raise RequestError(
            "a result has no exact sums, because an earlier version of cloudio saved it; count its "
            "patches again to merge it"
        )
    bands = scaled_bands(results[0])
    columns = [_merge_band(results, k, band) for k, band in enumerate(bands)]
    names = [band.name for band, one in zip(bands, columns, strict=True) if one["is_pending"]]
    return stats_of_columns(bands, columns, results[0].percents, of, tuple(dict.fromkeys(names)))


def scaled_bands(stats: BandStats) -> list[ScaledBand]:
    columns = stats.names, stats.scale.tolist(), stats.offset.tolist()
    return [ScaledBand(*each) for each in zip(*columns, strict=True)]


def _merge_band(results: Sequence[BandStats], k: int, band: ScaledBand) -> dict[str, Any]:
    """Return the columns of one band."""
    n_nodata, n_nan = (
        int(sum(each[k] for each in columns))
        for columns in ([r.n_nodata for r in results], [r.n_nan for r in results])
    )
    percents = results[0].percents
    histograms = [h for each in results if (h := each.histograms[k]) is not None]
    if len(histograms) == len(results):
        found = int_columns(add_histograms(histograms), n_nodata, band, percents)
        return found | {"is_pending": False}
    with_data = [each for each in results if each.count[k]]
    floats = _merge_floats([each.floats[k] for each in with_data or results if each.floats])
    found = float_columns(floats, (n_nodata, n_nan), band, percents, None)
    if len(with_data) == 1:  # whose data are all data
        found["percentiles"] = with_data[0].percentiles[k]
        return found | {"is_pending": band.name in with_data[0].pending}
    return found | {"is_pending": bool(with_data and percents)}


def _merge_floats(given: Sequence[FloatCounts | None]) -> FloatCounts:
    parts = [part for part in given if part is not None]
    totals = [part.total for part in parts if part.total is not None]
    squares = [part.squares for part in parts if part.squares is not None]
    is_finite = len(totals) == len(squares) == len(parts)
    ends = (np.array([getattr(p, end) for p in parts]) for end in ("minimum", "maximum"))
    return FloatCounts(
        *extremes(*ends),
        sum(totals, start=totals[0] * 0) if is_finite else None,
        sum(squares, start=squares[0] * 0) if is_finite else None,
        add_histograms([part.upper for part in parts]),
    )


def merge_lower_halves(results: Sequence[LowerHalves]) -> LowerHalves:
    """Return the second round over all patches."""
    of, _ = merge_provenance(results)
    check_alike(results, "names", "upper")
    keys = zip(*(each.keys for each in results), strict=True)
    return replace(results[0], keys=tuple(map(add_histograms, keys)), of=of)
