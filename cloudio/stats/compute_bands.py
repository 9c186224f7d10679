"""`cloudio.stats.bands`: one pass over each band, and a second one for percentiles of floats."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._utils.keywords import explain_unknown
from .._utils.machine import resolve_threads
from .._utils.numbers import in_default_floats, is_whole, overflows_float32
from .._utils.progress import Advance, progress_bar
from .._utils.tensors import frozen
from .._utils.types import Scale, SupportsArray
from ..errors import RequestError
from ..layouts.band import Window
from ..reading import scan
from ..reading.collection import check_dataset
from ..reading.dataset import Dataset
from ..reading.factors import resolve_scales
from ..reading.selection import Bands, select_bands
from . import moments
from .band_stats import BandStats, Histogram
from .provenance import Provenance

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)


@in_default_floats
@explain_unknown()
def bands(
    ds: Dataset,
    bands: Bands | None = None,
    *,
    percentiles: Sequence[float] | SupportsArray = PERCENTILES,
    scale: Scale = "reflectance",
    window: Window | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> BandStats:
    """Return count, extremes, mean, standard deviation and percentiles of bands.

    Parameters
    ----------
    ds : Dataset
        The patches to count.
    bands : str or sequence of str, optional
        The bands, as ``bands`` of `Reader`: a preset, a name, or a sequence of these.
    percentiles : sequence of float
        Percentages from 0 to 100.  For bands of floats they take a second pass over the files;
        ``()`` avoids it.
    scale : "reflectance", None, float or sequence of float
        The units, as ``scale`` of `Reader`: the array's own, numbers as stored, or these factors.
    window : Window, optional
        The pixels of each stored patch to count.  By default the valid window.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    BandStats
        ``mean`` and ``std`` are in the units of a reader with the same ``scale``, so
        ``ds.reader(bands, mean=stats.mean, std=stats.std)`` takes them.

    Raises
    ------
    RequestError
        If an argument is wrong.
    TruncatedError, OSError
        If a file has become shorter, or cannot be read.

    Notes
    -----
    Data are the pixels that are neither NaN nor the band's no-data number.  A band without data
    gets NaN everywhere.  For bands of whole numbers, extremes and percentiles are numpy's on
    ``stored.astype(float64) * scale + offset``, bit for bit; mean and standard deviation are exact
    and rounded once.  For bands of floats, extremes and percentiles are numpy's too; mean and
    standard deviation are computed per patch and combined without rounding.  An infinite pixel
    makes them what numpy makes them.  Neither threads nor the order of patches change a result.
    """
    check_dataset(ds)
    names = select_bands(ds, bands)
    scales, offsets = resolve_scales(ds, names, scale)
    if not all(scales) or overflows_float32(scales + offsets):
        raise RequestError(
            f"scale={scale!r}; scale must be numbers other than 0 that float32 can hold"
        )
    percents = _check_percentiles(percentiles)
    window = ds.valid_window if window is None else _check_window(window, ds.layout.patch)
    threads = resolve_threads(threads)
    requests = [_Request(*each) for each in zip(names, scales, offsets, strict=True)]
    # Percentiles of floats take a second pass.
    total = sum(
        scan.bytes_to_read(ds, name, window=window)
        * (1 + bool(percents and ds.dtype(name).kind == "f"))
        for name, *_ in {*requests}
    )
    columns: dict[_Request, dict[str, Any]] = {}
    with progress_bar(total, shown=progress, what="bands") as advance:
        for request in dict.fromkeys(requests):
            columns[request] = _compute(ds, request, percents, window, threads, advance)
    each = [columns[request] for request in requests]

    def column(field: str, dtype: type) -> np.ndarray:
        return frozen(np.array([one[field] for one in each], dtype))

    return BandStats(
        names=names,
        percents=percents,
        percentiles=column("percentiles", np.float64),
        scale=frozen(np.array(scales)),
        offset=frozen(np.array(offsets)),
        histograms=tuple(one["histogram"] for one in each),
        of=Provenance.of(ds, names, window),
        **{field: column(field, np.int64) for field in ("count", "n_nodata", "n_nan")},
        **{field: column(field, np.float64) for field in ("min", "max", "mean", "std")},
    )


class _Request(NamedTuple):
    """A band in units of ``x * scale + offset``."""

    name: str
    scale: float
    offset: float

    def in_units(self, stored: np.ndarray) -> np.ndarray:
        """Return stored numbers in units of ``x * scale + offset``, float64."""
        numbers = np.asarray(stored, np.float64) * self.scale
        return numbers + self.offset if self.offset else numbers


def _compute(
    ds: Dataset,
    request: _Request,
    percents: Sequence[float],
    window: Window,
    threads: int,
    advance: Advance,
) -> dict[str, Any]:
    """Return the statistics of one band, by the names of `BandStats`' fields."""
    name, nodata = request.name, ds.band(request.name).nodata
    is_float = ds.dtype(name).kind == "f"
    # For whole numbers the histogram is all that is needed.
    counts = scan.count_array(
        ds, name, window=window, records=is_float, threads=threads, advance=advance
    )
    if is_float:
        count_lower = partial(
            scan.count_lower_halves, ds, name, window=window, threads=threads, advance=advance
        )
        return _float_stats(counts, request, percents, count_lower)
    return _int_stats(counts, request, percents, nodata)


def _int_stats(
    counts: scan.ArrayCounts, request: _Request, percents: Sequence[float], nodata: float | None
) -> dict[str, Any]:
    histogram = _histogram(counts, nodata)
    n = int(histogram.counts.sum())
    stats = _without_data(percents) | {
        "count": n,
        "n_nodata": int(counts.histogram.sum()) - n,
        "histogram": histogram,
    }
    if not n:
        return stats
    low, high = np.sort(request.in_units(histogram.values[[0, -1]]))
    at_ranks = partial(moments.values_at_ranks, histogram.values, histogram.counts)
    mean, variance = moments.moments(histogram.values, histogram.counts)
    return (
        stats
        | {"min": float(low), "max": float(high)}
        | _percentiles(n, percents, at_ranks, request)
        | _mean_and_std(mean, variance, request)
    )


def _float_stats(
    counts: scan.ArrayCounts,
    request: _Request,
    percents: Sequence[float],
    count_lower: Callable[[np.ndarray], np.ndarray],
) -> dict[str, Any]:
    patches = counts.patches
    n, n_nodata, n_nan = (int(patches[entry].sum()) for entry in ("data", "nodata", "nan"))
    stats = _without_data(percents) | {"count": n, "n_nodata": n_nodata, "n_nan": n_nan}
    if not n:
        return stats
    patches = patches[patches["data"] > 0]
    extremes = np.array([patches["minimum"].min(), patches["maximum"].max()])
    low, high = ends = np.sort(request.in_units(extremes))
    at_ranks = partial(moments.floats_at_ranks, counts.histogram, count_lower)
    stats |= {"min": float(low), "max": float(high)}
    stats |= _percentiles(n, percents, at_ranks, request)
    if len(infinite := ends[np.isinf(ends)]):
        # As in numpy: the sum of both infinities is NaN, and so is the distance from one.
        return stats | {"mean": float(infinite[0]) + float(infinite[-1])}
    mean, variance = moments.moments_of_parts(
        *(patches[entry] for entry in ("data", "center", "mean", "m2"))
    )
    return stats | _mean_and_std(mean, variance, request)


def _without_data(percents: Sequence[float]) -> dict[str, Any]:
    """Return the statistics of a band without data."""
    return {
        "count": 0,
        "n_nodata": 0,
        "n_nan": 0,
        "histogram": None,
        "percentiles": np.full(len(percents), np.nan),
        **dict.fromkeys(("min", "max", "mean", "std"), np.nan),
    }


def _percentiles(
    n: int,
    percents: Sequence[float],
    at_ranks: Callable[[np.ndarray], np.ndarray],
    request: _Request,
) -> dict[str, Any]:
    if not percents:
        return {}
    falling = request.scale < 0
    found = moments.percentiles(n, percents, at_ranks, request.in_units, falling=falling)
    return {"percentiles": found}


def _mean_and_std(mean: Fraction, variance: Fraction, request: _Request) -> dict[str, float]:
    scale, offset = Fraction(request.scale), Fraction(request.offset)
    return {
        "mean": float(mean * scale + offset),
        "std": moments.root(variance * scale**2),
    }


def _histogram(counts: scan.ArrayCounts, nodata: float | None) -> Histogram:
    """Return how often each stored number occurs among the data."""
    # In the order of the bits, negative numbers are the upper half.
    first = int(np.iinfo(counts.dtype).min)
    ascending = np.roll(counts.histogram, -first)
    positions = np.flatnonzero(ascending != 0)
    if nodata is not None:
        positions = positions[positions + first != nodata]
    return Histogram(frozen(positions + first), frozen(ascending[positions]))


# ---- arguments -----------------------------------------------------------------------------------


def _check_percentiles(percentiles: Any) -> tuple[float, ...]:
    try:
        percents = tuple(float(percent) for percent in percentiles)
    except (TypeError, ValueError):
        percents = (np.nan,)
    if isinstance(percentiles, (str, bytes)):  # "12" would be read as 1 and 2
        percents = (np.nan,)
    if not all(0 <= percent <= 100 for percent in percents):
        raise RequestError(
            f"percentiles={percentiles!r}; percentiles must be a sequence of numbers 0..100"
        )
    return percents


def _check_window(window: Any, patch: tuple[int, int]) -> Window:
    if isinstance(window, Window):
        row, col, height, width = numbers = (window.row, window.col, *window.size)
        if (
            all(map(is_whole, numbers))
            and min(row, col) >= 0
            and min(height, width) >= 1
            and row + height <= patch[0]
            and col + width <= patch[1]
        ):
            return Window(*map(int, numbers))
    raise RequestError(
        f"window={window!r}; window must be a Window inside the stored patch of "
        f"{patch[0]} x {patch[1]}"
    )
