"""`cloudio.stats.bands`: one pass over each band, and a second one for percentiles of floats."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

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
from .band_columns import extremes, float_columns, int_columns, stats_of_columns
from .band_stats import BandStats
from .counts.floats import FloatCounts, LowerHalves, SecondRound, sparse_keys
from .counts.histogram import Histogram
from .counts.scaled_band import ScaledBand
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
    requests = [ScaledBand(*each) for each in zip(names, scales, offsets, strict=True)]
    # Percentiles of floats take a second pass.
    total = sum(
        scan.bytes_to_read(ds, name, window=window)
        * (1 + bool(percents and ds.dtype(name).kind == "f"))
        for name, *_ in {*requests}
    )
    columns: dict[ScaledBand, dict[str, Any]] = {}
    with progress_bar(total, shown=progress, what="bands") as advance:
        for request in dict.fromkeys(requests):
            columns[request] = _compute(ds, request, percents, window, threads, advance)
    of = Provenance.of(ds, names, window)
    return stats_of_columns(requests, [columns[request] for request in requests], percents, of)


def _compute(
    ds: Dataset,
    request: ScaledBand,
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
    if not is_float:
        return int_columns(*_histogram(counts, nodata), request, percents)
    count_lower = partial(
        scan.count_lower_halves, ds, name, window=window, threads=threads, advance=advance
    )
    n_without = (int(counts.patches["nodata"].sum()), int(counts.patches["nan"].sum()))
    return float_columns(_float_counts(counts), n_without, request, percents, count_lower)


def _histogram(counts: scan.ArrayCounts, nodata: float | None) -> tuple[Histogram, int]:
    """Return how often each number occurs among the data, and how many pixels are no data."""
    n_numbers = len(counts.histogram)
    values = np.flatnonzero(counts.histogram != 0)  # numpy looks faster through bools
    found = counts.histogram[values]
    if counts.dtype.kind == "i" and values.size and values[-1] >= n_numbers // 2:
        # In the order of the bits, negative numbers are the upper half.
        first = int(np.searchsorted(values, n_numbers // 2))
        values = np.concatenate([values[first:] - n_numbers, values[:first]])
        found = np.concatenate([found[first:], found[:first]])
    n_nodata = 0
    if nodata is not None:
        is_data = values != nodata
        n_nodata = int(found[~is_data].sum())
        values, found = values[is_data], found[is_data]
    return Histogram(frozen(values), frozen(found)), n_nodata


def _float_counts(counts: scan.ArrayCounts) -> FloatCounts:
    patches = counts.patches[counts.patches["data"] > 0]
    halves = np.flatnonzero(counts.histogram)
    upper = Histogram(frozen(halves), frozen(counts.histogram[halves]))
    if not len(patches):
        return FloatCounts(np.nan, np.nan, Fraction(), Fraction(), upper)
    total, squares = None, None
    if not patches["infinite"].any():
        columns = (patches[entry] for entry in ("data", "center", "mean", "m2"))
        _, total, squares = moments.sums_of_parts(*columns)
    return FloatCounts(*extremes(patches["minimum"], patches["maximum"]), total, squares, upper)


@in_default_floats
@explain_unknown()
def lower_halves(
    ds: Dataset, wanted: SecondRound, *, threads: int | None = None, progress: bool = False
) -> LowerHalves:
    """Return the second round over a data set or a part of it, for percentiles of floats.

    Parameters
    ----------
    ds : Dataset
        The patches to count: together those of the merged statistics, in any parts.
    wanted : SecondRound
        What ``second_round()`` of the merged statistics returns.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    LowerHalves
        `cloudio.stats.merge` merges those of parts, and `BandStats.finish` takes the whole.

    Raises
    ------
    RequestError
        If an argument is wrong.
    TruncatedError, OSError
        If a file has become shorter, or cannot be read.
    """
    check_dataset(ds)
    if not isinstance(wanted, SecondRound):
        raise RequestError(
            f"wanted is of type {type(wanted).__name__}; it must be what second_round() of merged "
            "statistics returns"
        )
    window, threads = _check_window(wanted.window, ds.layout.patch), resolve_threads(threads)
    total = sum(scan.bytes_to_read(ds, name, window=window) for name in wanted.names)
    keys = []
    with progress_bar(total, shown=progress, what="percentiles") as advance:
        for name, upper in zip(wanted.names, wanted.upper, strict=True):
            counts = scan.count_lower_halves(
                ds, name, upper, window=window, threads=threads, advance=advance
            )
            keys.append(sparse_keys(upper, counts))
    of = Provenance.of(ds, wanted.names, window)
    return LowerHalves(wanted.names, wanted.upper, tuple(keys), of)


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
