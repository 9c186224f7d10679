"""`BandStats`: count, extremes, mean, deviation, percentiles and histograms of bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np

from .._utils.json_files import refuse
from .._utils.tensors import frozen, ratio
from .._utils.text import listed, percent, suggest
from ..errors import RequestError
from . import moments
from .counts.floats import FloatCounts, LowerHalves, SecondRound
from .counts.histogram import Histogram, histogram_from_plain
from .counts.scaled_band import ScaledBand
from .provenance import Provenance, check_arrays, of_arrays, of_patches
from .result import Result, Table, format_number
from .serialize import floats_from_plain, ints_from_plain, texts_from_plain


@dataclass(frozen=True, eq=False, repr=False)
class BandStats(Result):
    """Count, extremes, mean, standard deviation and percentiles of bands.

    `cloudio.stats.bands` returns it.  ``print`` shows it as tables.  All arrays are read-only.

    Attributes
    ----------
    names : tuple of str
        The bands; every array has them on its first axis, in this order.
    count : ndarray of int64, (band,)
        Pixels with data: neither NaN nor the band's no-data number.
    n_nodata, n_nan : ndarray of int64, (band,)
        Pixels that hold the no-data number, and pixels that are NaN.
    min, max, mean, std : ndarray of float64, (band,)
        Of the pixels with data, in scaled units; NaN if there are none.  ``std`` divides by
        ``count``, as numpy does by default.
    percents : tuple of float
        The percentages of ``percentiles``.
    percentiles : ndarray of float64, (band, percent)
        Percentiles of the pixels with data, in scaled units; NaN if there are none.
    scale, offset : ndarray of float64, (band,)
        Scaled units are ``x * scale + offset`` of the stored number x.
    histograms : tuple of Histogram or None
        The counts of the stored numbers of each band; None for bands of floats.
    of : Provenance
        The patches, arrays and window that were counted.
    floats : tuple of FloatCounts or None
        What `merge` needs of each band; None for bands of whole numbers.
    pending : tuple of str
        Bands of floats whose percentiles are NaN, because results were merged.  `second_round`
        and `finish` compute them.
    """

    names: tuple[str, ...]
    count: np.ndarray
    n_nodata: np.ndarray
    n_nan: np.ndarray
    min: np.ndarray
    max: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    percents: tuple[float, ...]
    percentiles: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    histograms: tuple[Histogram | None, ...]
    of: Provenance
    floats: tuple[FloatCounts | None, ...] | None = field(default=None, compare=False)
    pending: tuple[str, ...] = ()

    @property
    def nodata(self) -> np.ndarray:
        """The share of pixels without data (no-data number or NaN), (band,) float64.

        It is NaN if there are no pixels at all.
        """
        without = self.n_nodata + self.n_nan
        return ratio(without, without + self.count)

    def select(self, names: str | Sequence[str]) -> "BandStats":
        """Return the statistics of some of the bands.

        Parameters
        ----------
        names : str or sequence of str
            Names as in ``self.names``, in the order needed.

        Returns
        -------
        BandStats
            With these bands in this order.  ``of`` names only these arrays.

        Raises
        ------
        RequestError
            If a name is not in ``self.names``.
        """
        names = (names,) if isinstance(names, str) else names
        if missing := [name for name in names if name not in self.names]:
            raise RequestError(
                f"no band {listed(missing)}; these are statistics of {listed(self.names)}"
                f"{suggest(missing[0], self.names)}"
            )
        which = [self.names.index(name) for name in names]
        columns: dict[str, Any] = {
            each.name: frozen(getattr(self, each.name)[which])
            for each in fields(self)
            if isinstance(getattr(self, each.name), np.ndarray)
        }
        arrays = {name: self.of.arrays[name] for name in names}
        return replace(
            self,
            names=tuple(names),
            histograms=tuple(self.histograms[k] for k in which),
            floats=None if self.floats is None else tuple(self.floats[k] for k in which),
            pending=tuple(name for name in self.pending if name in names),
            of=of_arrays(self.of, arrays),
            **columns,
        )

    def second_round(self) -> SecondRound:
        """Return what must be counted so that pending percentiles can be computed.

        Returns
        -------
        SecondRound
            For `cloudio.stats.lower_halves`, of each part of the data set.

        Raises
        ------
        RequestError
            If no band is in ``pending``.
        """
        if not self.pending:
            raise RequestError("no percentile is pending; these statistics are complete")
        upper = tuple(map(self._upper_halves, self.pending))
        return SecondRound(self.pending, upper, self.of.window)

    def finish(self, lower: LowerHalves) -> "BandStats":
        """Return the statistics with the percentiles that are pending.

        Parameters
        ----------
        lower : LowerHalves
            The second round over the same patches: what `cloudio.stats.lower_halves` returns for
            ``second_round()``, merged if it was counted in parts.

        Returns
        -------
        BandStats
            Equal to the result of one pass, bit for bit.

        Raises
        ------
        RequestError
            If ``lower`` counts other patches, bands or a window, or if files have changed between
            the two rounds.
        """
        if not isinstance(lower, LowerHalves):
            raise RequestError(
                f"lower is of type {type(lower).__name__}; finish takes what "
                "cloudio.stats.lower_halves returns"
            )
        self._check_patches(lower.of)
        check_arrays(self.of, [lower.of])
        percentiles = self.percentiles.copy()
        for k, name in enumerate(self.names):
            if name in self.pending:
                percentiles[k] = self._float_percentiles(k, lower)
        return replace(self, percentiles=frozen(percentiles), pending=())

    def _check_patches(self, second: Provenance) -> None:
        """Raise RequestError unless the second round is of the same patches, in any order."""
        ours = self.of.covers
        if second.covers is not None:  # merged statistics are in ascending order
            second = of_patches(second, second.covers.merged([])[0])
        if replace(second, arrays=self.of.arrays) != self.of:
            theirs = second.covers
            other = ours.difference(theirs) if ours is not None and theirs is not None else ""
            raise RequestError(
                f"the second round counted {second}, and these are statistics of {self.of}; it "
                f"must count the same patches{f': only one of both has {other}' if other else ''}"
            )

    def _upper_halves(self, name: str) -> np.ndarray:
        """Return the upper halves of the keys between which the percentiles of a band lie."""
        found = []
        for k in (k for k, other in enumerate(self.names) if other == name):
            falling = bool(self.scale[k] < 0)
            ranks, _ = moments.ranks_of_percentiles(
                int(self.count[k]), self.percents, falling=falling
            )
            found.append(moments.upper_halves_at_ranks(self._float_counts(k).histogram(), ranks))
        return frozen(np.unique(np.concatenate(found)))

    def _float_percentiles(self, k: int, lower: LowerHalves) -> np.ndarray:
        name, histogram = self.names[k], self._float_counts(k).histogram()
        band = ScaledBand(name, float(self.scale[k]), float(self.offset[k]))

        def count_lower(upper: np.ndarray) -> np.ndarray:
            counts = lower.counts(name, upper)
            if (counts.sum(axis=1) != histogram[upper]).any():
                raise RequestError(
                    f"the second round found other numbers in {name} than the first; its files "
                    "have changed: count them again"
                )
            return counts

        at_ranks = partial(moments.floats_at_ranks, histogram, count_lower)
        n = int(self.count[k])
        return moments.percentiles(
            n, self.percents, at_ranks, band.in_units, falling=band.scale < 0
        )

    def _float_counts(self, k: int) -> FloatCounts:
        floats = None if self.floats is None else self.floats[k]
        if floats is None:
            raise RequestError(f"{self.names[k]} has no counts of floats; count its patches again")
        return floats

    def tables(self) -> list[Table | str]:
        columns, nodata = (self.min, self.max, self.mean, self.std), self.nodata
        rows: list[Sequence[str]] = [("band", "data", "no data", "min", "max", "mean", "std")]
        for k, name in enumerate(self.names):
            data, share = f"{self.count[k]:,}", percent(nodata[k])
            rows.append((name, data, share, *(format_number(column[k]) for column in columns)))
        parts: list[Table | str] = [f"bands of {self.of}", (rows, range(1, 7))]
        if self.percents:
            head = ("band", *(f"{number:g} %" for number in self.percents))
            more = [
                (name, *map(format_number, row))
                for name, row in zip(self.names, self.percentiles, strict=True)
            ]
            parts.append(([head, *more], range(1, len(head))))
        if self.pending:
            parts.append(
                f"percentiles of {listed(self.pending)} need a second round over the files: "
                "stats.second_round(), cloudio.stats.lower_halves(...), stats.finish(...)"
            )
        return parts

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "BandStats":
        names, percents = texts_from_plain(entries["names"]), entries["percents"]
        each = (len(names),)
        columns = {
            name: ints_from_plain(entries[name], each) for name in ("count", "n_nodata", "n_nan")
        }
        for name in ("min", "max", "mean", "std", "scale", "offset"):
            columns[name] = floats_from_plain(entries[name], each)
        histograms = _histograms(entries["histograms"], columns["count"])
        pending = texts_from_plain(entries.get("pending", []))
        refuse(not set(names).issuperset(pending), "other bands that are pending")
        floats = None
        if "floats" in entries:
            floats = _floats(entries["floats"], histograms, columns["count"])
        return cls(
            names=names,
            percents=_percents(percents),
            percentiles=floats_from_plain(entries["percentiles"], (len(names), len(percents))),
            histograms=histograms,
            of=Provenance.from_plain(entries["of"]),
            floats=floats,
            pending=pending,
            **columns,
        )


def _percents(entries: Any) -> tuple[float, ...]:
    percents = floats_from_plain(entries, (-1,))
    refuse(not ((percents >= 0) & (percents <= 100)).all(), "other percents than 0 to 100")
    return tuple(percents.tolist())


def _histograms(pairs: Any, counts: np.ndarray) -> tuple[Histogram | None, ...]:
    """Return the histogram of each band, or None, of which the band has as many pixels."""
    found = tuple(map(histogram_from_plain, pairs))
    for histogram, n in zip(found, counts.tolist(), strict=True):
        if histogram is not None:
            refuse(int(histogram.counts.sum()) != n, "a histogram of another number of pixels")
            beyond = (histogram.values < -(1 << 15)) | (histogram.values >= 1 << 16)
            refuse(bool(beyond.any()), "numbers of more than two bytes")
    return found


def _floats(
    entries: Any, histograms: Sequence[Histogram | None], counts: np.ndarray
) -> tuple[FloatCounts | None, ...]:
    """Return the counts of each band that has no histogram."""
    found = tuple(None if one is None else FloatCounts.from_plain(one) for one in entries)
    for floats, histogram, n in zip(found, histograms, counts.tolist(), strict=True):
        refuse((floats is None) == (histogram is None), "a band without counts, or with two")
        if floats is not None:
            refuse(int(floats.upper.counts.sum()) != n, "counts of another number of pixels")
    return found
