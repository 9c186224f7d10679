"""Statistics of bands, of classes, and of two labels beside each other, each counted in one pass.

What comes out is in tallies.py, how it is computed from counts in exact.py, and how pixels are
counted in scan.py.  Nothing here holds an image in memory, and nothing writes a file unasked.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, overload

import numpy as np

from .._utils.machine import resolve_threads
from .._utils.numbers import check_whole, is_whole, overflows_float32
from .._utils.progress import progress_bar
from ..errors import RequestError
from ..layouts.band import Window
from ..reading import scan
from ..reading.dataset import Dataset
from ..reading.selection import resolve_scales, select_bands
from . import moments
from .class_tables import (
    MOST,
    codes_of,
    fold_of,
    given,
    joint,
    joint_per_patch,
    names_of,
    resolve_label_maps,
    widened,
)
from .serialize import Provenance, ResultSet, frozen
from .types import Agreement, BandStats, ClassStats, Histogram

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)


def bands(
    ds: Dataset,
    bands: str | Sequence[str] = "L1C",
    *,
    percentiles: Sequence[float] = PERCENTILES,
    scale: str | float | Sequence[float] | None = "reflectance",
    window: Window | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> BandStats:
    """Count, extremes, mean, deviation and percentiles of bands, over all pixels that are data.

    ``bands`` and ``scale`` are those of `Reader`, and so are the units: ``mean`` and ``std`` of
    the result are what ``ds.reader(bands, mean=, std=)`` takes.  Data are the pixels of ``window``,
    by default the valid one, that are neither NaN nor the band's no-data number.

    Of whole numbers everything is exact: mean and deviation are rounded once, and extremes and
    percentiles are those of numpy, bit for bit, on ``stored.astype(float64) * scale + offset``;
    of floats so are the latter, from a second pass where ``percentiles`` are asked for, and mean
    and deviation are put together from those of each patch without rounding.  Threads and the
    order of patches change nothing.  An infinite pixel makes mean and deviation what numpy makes
    them; a band without data is NaN throughout.

    RequestError where any of this cannot be had; TruncatedError and OSError as `Reader.read`.
    """
    names = select_bands(ds, bands)
    factors, summands = resolve_scales(ds, names, scale)
    if not all(factors) or overflows_float32(factors + summands):
        raise RequestError(f"scale={scale!r}; numbers but 0 that float32 can hold are needed")
    percents = _percents(percentiles)
    window = ds.valid_window if window is None else _inside(window, ds.layout.patch)
    threads = resolve_threads(threads)
    keys = list(zip(names, factors, summands, strict=True))
    # The second pass over floats reads them once more.
    total = sum(
        scan.bytes_to_read(ds, name, window=window)
        * (1 + bool(percents and ds.dtype(name).kind == "f"))
        for name, *_ in {*keys}
    )
    found: dict[tuple[str, float, float], dict[str, Any]] = {}
    with progress_bar(total, shown=progress, what="bands") as advance:
        how: dict[str, Any] = {"window": window, "threads": threads, "advance": advance}
        for key in dict.fromkeys(keys):
            # Of whole numbers the histogram says all there is to say.
            floats = ds.dtype(key[0]).kind == "f"
            counts = scan.count_array(ds, key[0], records=floats, **how)
            within = partial(scan.count_lower_halves, ds, key[0], **how)
            found[key] = _band(counts, ds.band(key[0]).nodata, *key[1:], percents, within)
    each = [found[key] for key in keys]

    def column(entry: str, dtype: type) -> np.ndarray:
        return frozen(np.array([one[entry] for one in each], dtype))

    return BandStats(
        names=names,
        percents=percents,
        percentiles=column("percentiles", np.float64),
        scale=frozen(np.array(factors)),
        offset=frozen(np.array(summands)),
        histograms=tuple(one["histogram"] for one in each),
        of=Provenance.of(ds, names, window),
        **{entry: column(entry, np.int64) for entry in ("count", "n_nodata", "n_nan")},
        **{entry: column(entry, np.float64) for entry in ("min", "max", "mean", "std")},
    )


def _band(
    counts: scan.ArrayCounts,
    nodata: float | None,
    factor: float,
    summand: float,
    percents: Sequence[float],
    within: Callable[[np.ndarray], np.ndarray],
) -> dict[str, Any]:
    """The entries of one band, by the names of the result's fields."""
    patches, histogram, n_nan = counts.patches, None, 0
    if counts.dtype.kind == "f":
        n, n_nodata, n_nan = (int(patches[entry].sum()) for entry in ("data", "nodata", "nan"))
    else:
        histogram = _histogram(counts, nodata)
        n = int(histogram.counts.sum())
        n_nodata = int(counts.histogram.sum()) - n

    def scaled(stored: np.ndarray) -> np.ndarray:
        numbers = np.asarray(stored, np.float64) * factor
        return numbers + summand if summand else numbers

    def pick(ranks: np.ndarray) -> np.ndarray:
        if histogram is None:
            return moments.floats_at_ranks(counts.histogram, within, ranks)
        return moments.at_ranks(histogram.values, histogram.counts, ranks)

    entries: dict[str, Any] = {
        "count": n,
        "n_nodata": n_nodata,
        "n_nan": n_nan,
        "histogram": histogram,
        "percentiles": np.full(len(percents), np.nan),
    }
    if not n:
        return entries | dict.fromkeys(("min", "max", "mean", "std"), np.nan)
    some = patches[patches["data"] > 0]
    if histogram is None:
        least, most = some["minimum"].min(), some["maximum"].max()
    else:
        least, most = histogram.values[[0, -1]]
    ends = np.sort(scaled(np.array([least, most])))
    entries |= {"min": float(ends[0]), "max": float(ends[1])}
    if percents:
        entries["percentiles"] = moments.percentiles(n, percents, pick, scaled, falling=factor < 0)
    if len(infinite := ends[np.isinf(ends)]):
        # As numpy has it: the sum of both infinities, and the distance from one, are no number.
        return entries | {"mean": float(infinite[0]) + float(infinite[-1]), "std": np.nan}
    if histogram is None:
        mean, variance = moments.moments_of_parts(
            *(some[entry] for entry in ("data", "center", "mean", "m2"))
        )
    else:
        mean, variance = moments.moments(histogram.values, histogram.counts)
    return entries | {
        "mean": float(mean * Fraction(factor) + Fraction(summand)),
        "std": moments.root(variance * Fraction(factor) ** 2),
    }


def _histogram(counts: scan.ArrayCounts, nodata: float | None) -> Histogram:
    """The stored numbers that occur among the data, as the numbers they are."""
    # By their bits the negative ones are the upper half.
    first = int(np.iinfo(counts.dtype).min)
    ascending = np.roll(counts.histogram, -first)
    places = np.flatnonzero(ascending != 0)
    if nodata is not None:
        places = places[places + first != nodata]
    return Histogram(frozen(places + first), frozen(ascending[places]))


@overload
def classes(  # type: ignore[overload-overlap]  # a str is a sequence of them
    ds: Dataset,
    labels: str = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ClassStats: ...


@overload
def classes(
    ds: Dataset,
    labels: Sequence[str] | Mapping[str, Any],
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ResultSet[ClassStats]: ...


def classes(
    ds: Dataset,
    labels: str | Sequence[str] | Mapping[str, Any] = "manual_hq",
    *,
    n_classes: int | None = None,
    ignore: int = 255,
    threads: int | None = None,
    progress: bool = False,
) -> ClassStats | ResultSet[ClassStats]:
    """Pixels of each class within the valid window, per patch and in all, of one label or several.

    ``labels`` and ``ignore`` are those of `Reader`: a name, several, or a mapping to a policy, a
    `LabelMap`, a mapping of codes, or None for codes as stored.  ``n_classes``: how many classes
    there are; None is what the map can give.  Of one name a `ClassStats`, else one for each.
    """
    maps = resolve_label_maps(ds, labels)
    threads = resolve_threads(threads)
    _check_counts(ignore, n_classes)
    plans = {
        name: None if to is None else fold_of(ds, name, to, n_classes, ignore)
        for name, to in maps.items()
    }
    # Which codes of two bytes there are takes a pass of its own.
    passes = {name: 1 + (to is None and ds.dtype(name).itemsize > 1) for name, to in maps.items()}
    total = sum(scan.bytes_to_read(ds, name) * n for name, n in passes.items())
    found: dict[str, ClassStats] = {}
    with progress_bar(total, shown=progress, what="classes") as advance:
        how: dict[str, Any] = {"threads": threads, "advance": advance}
        for name, plan in plans.items():
            numbers, fold = plan or codes_of(ds, name, threads, advance)
            per_patch = scan.count_array(
                ds, name, records=False, class_lut=fold, **how
            ).class_counts
            assert per_patch is not None
            n = len(numbers)
            # What no code becomes has no column.
            columns = np.zeros((len(ds), max(n + 1, per_patch.shape[1])), np.int64)
            columns[:, : per_patch.shape[1]] = per_patch
            keep = columns[:, :n].any(axis=0) if maps[name] is None else slice(None)
            numbers = numbers[keep]
            found[name] = ClassStats(
                label=name,
                label_map=maps[name],
                classes=frozen(numbers),
                names=names_of(name, maps[name], numbers.tolist()),
                per_patch=frozen(np.ascontiguousarray(columns[:, :n][:, keep])),
                ignored_per_patch=frozen(columns[:, n].copy()),
                of=Provenance.of(ds, [name]),
            )
    return next(iter(found.values())) if isinstance(labels, str) else ResultSet(found)


@overload
def agreement(  # type: ignore[overload-overlap]
    ds: Dataset,
    source: str,
    reference: str | Mapping[str, Any] = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    per_patch: bool = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> Agreement: ...


@overload
def agreement(
    ds: Dataset,
    source: Sequence[str] | Mapping[str, Any],
    reference: str | Mapping[str, Any] = ...,
    *,
    n_classes: int | None = ...,
    ignore: int = ...,
    per_patch: bool = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> ResultSet[Agreement]: ...


def agreement(
    ds: Dataset,
    source: str | Sequence[str] | Mapping[str, Any],
    reference: str | Mapping[str, Any] = "manual_hq",
    *,
    n_classes: int | None = None,
    ignore: int = 255,
    per_patch: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Agreement | ResultSet[Agreement]:
    """Compare the classes of a label with a reference's, pixel by pixel of the valid window.

    ``source`` and ``reference`` are as ``labels`` of `Reader`, but codes as stored; ``reference``
    is one.  Pixels that either map ignores are left out, and counted.  Of one name an `Agreement`,
    of several or a mapping one for each, which print side by side.  ``per_patch``: count each patch
    for itself too, some ten times as slow.

    What a detector cannot say it gets wrong: one of cloud or clear finds no thin cloud and no
    shadow of its reference.  Merge classes first: ``.binary((1, 2))`` is cloud, thick or thin,
    against the rest, as CloudSEN12's paper compares detectors, ``.binary((3,))`` is cloud shadow,
    and ``.merged({"clear": (0, 3), "cloud": (1, 2)})`` any other grouping.
    """
    if len(referred := resolve_label_maps(ds, reference)) != 1:
        raise RequestError(f"reference={reference!r}; one label is needed")
    (against,) = referred
    maps = resolve_label_maps(ds, source)
    threads = resolve_threads(threads)
    _check_counts(ignore, n_classes)
    if against in maps:
        raise RequestError(f"{against} is both source and reference; name another source")
    known = {name: to for name, to in (referred | maps).items() if to is not None}
    if raw := [name for name in (referred | maps) if name not in known]:
        raise RequestError(f"{raw[0]} as stored; a map to the classes of the other is needed")
    folds = {name: fold_of(ds, name, to, n_classes, ignore) for name, to in known.items()}
    total = sum(scan.bytes_to_read(ds, name) + scan.bytes_to_read(ds, against) for name in maps)
    found: dict[str, Agreement] = {}
    with progress_bar(total, shown=progress, what="agreement") as advance:
        for name in maps:
            sizes = [len(folds[one][0]) for one in (against, name)]
            n = max(sizes)
            tables = (widened(folds[against], n), widened(folds[name], n))
            settings = (ds, (against, name), tables, n + 1, threads, advance)
            each = joint_per_patch(*settings) if per_patch else None
            totals = joint(*settings) if each is None else each.sum(axis=0)
            by_reference, by_source = int(totals[n].sum()), int(totals[:, n].sum())
            wider = against if sizes[0] == n else name
            found[name] = Agreement(
                source=name,
                reference=against,
                source_map=known[name],
                reference_map=known[against],
                names=names_of(wider, known[wider], range(n)),
                says=tuple(k in given(known[name], ignore) for k in range(n)),
                matrix=frozen(totals[:n, :n].copy()),
                per_patch=None if each is None else frozen(each[:, :n, :n].copy()),
                ignored=by_reference + by_source - int(totals[n, n]),
                ignored_by_reference=by_reference,
                ignored_by_source=by_source,
                of=Provenance.of(ds, [against, name]),
            )
    return next(iter(found.values())) if isinstance(source, str) else ResultSet(found)


# ---- decisions -----------------------------------------------------------------------------------


def _percents(given: Any) -> tuple[float, ...]:
    try:
        percents = tuple(float(percent) for percent in given)
    except (TypeError, ValueError):
        percents = (np.nan,)
    if isinstance(given, (str, bytes)):  # whose characters are numbers too
        percents = (np.nan,)
    if not all(0 <= percent <= 100 for percent in percents):
        raise RequestError(f"percentiles={given!r}; a sequence of numbers 0..100 is needed")
    return percents


def _inside(window: Any, patch: tuple[int, int]) -> Window:
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
        f"window={window!r}; a Window inside a patch of {patch[0]} x {patch[1]} is needed"
    )


def _check_counts(ignore: Any, n_classes: Any) -> None:
    check_whole("ignore", ignore, -(2**63), 2**63 - 1, needed="a whole number")
    if n_classes is not None:
        check_whole("n_classes", n_classes, 1, MOST)
