"""`BandStats`: count, extremes, mean, deviation, percentiles and histograms of bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .._utils.tensors import frozen, ratio
from .._utils.text import listed, percent, suggest
from ..errors import RequestError
from .provenance import Provenance
from .result import Result, Table, format_number
from .serialize import floats_from_plain, fraction_from_plain, ints_from_plain, texts_from_plain


class Histogram(NamedTuple):
    """The stored numbers that occur among the data of a band, and how often.

    Attributes
    ----------
    values : ndarray of int64, (number,)
        Stored numbers in ascending order, before scale and offset.  Read-only.
    counts : ndarray of int64, (number,)
        The number of pixels with each of them.  Read-only.
    """

    values: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class FloatCounts:
    """What `cloudio.stats.merge` needs of a band of floats; nothing is rounded.

    Attributes
    ----------
    minimum, maximum : float
        Of the data, as stored; NaN if there are none.
    total, squares : Fraction or None
        The sum of the data as stored, and that of their squares; None if data are infinite.
    upper : Histogram
        How often each upper half of the data's ordered 32-bit keys occurs.
    """

    minimum: float
    maximum: float
    total: Fraction | None
    squares: Fraction | None
    upper: Histogram

    def histogram(self) -> np.ndarray:
        """Return ``upper`` as (65536,) int64."""
        found = np.zeros(65536, np.int64)
        found[self.upper.values] = self.upper.counts
        return found

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "FloatCounts":
        sums = (entries[key] for key in ("total", "squares"))
        upper = _histogram(entries["upper"])
        if upper is None or ((upper.values < 0) | (upper.values > 65535)).any():
            raise ValueError("it has no histogram of upper halves")
        total, squares = (None if x is None else fraction_from_plain(x) for x in sums)
        ends = floats_from_plain([entries["minimum"], entries["maximum"]], (2,)).tolist()
        return cls(ends[0], ends[1], total, squares, upper)


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
            of=replace(self.of, arrays=arrays),
            **columns,
        )

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
        return cls(
            names=names,
            percents=tuple(floats_from_plain(percents, (-1,)).tolist()),
            percentiles=floats_from_plain(entries["percentiles"], (len(names), len(percents))),
            histograms=tuple(
                _histogram(pair) for _, pair in zip(names, entries["histograms"], strict=True)
            ),
            of=Provenance.from_plain(entries["of"]),
            floats=_floats(entries["floats"], len(names)) if "floats" in entries else None,
            pending=texts_from_plain(entries.get("pending", [])),
            **columns,
        )


def _floats(entries: Any, n: int) -> tuple[FloatCounts | None, ...]:
    if len(entries) != n:
        raise ValueError("it has counts of other bands")
    return tuple(None if one is None else FloatCounts.from_plain(one) for one in entries)


def _histogram(pair: Any) -> Histogram | None:
    if pair is None:
        return None
    values, counts = pair
    values = ints_from_plain(values, (-1,))
    return Histogram(values, ints_from_plain(counts, (len(values),)))
