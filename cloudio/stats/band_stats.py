"""`BandStats`: count, extremes, mean, deviation, percentiles and histograms of bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from .._utils.tensors import frozen, ratio
from .._utils.text import listed, percent, suggest
from ..errors import RequestError
from .provenance import Provenance
from .result import Result, Table, format_number
from .serialize import floats_from_plain, ints_from_plain, texts_from_plain


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
            field.name: frozen(getattr(self, field.name)[which])
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        arrays = {name: self.of.arrays[name] for name in names}
        return replace(
            self,
            names=tuple(names),
            histograms=tuple(self.histograms[k] for k in which),
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
            **columns,
        )


def _histogram(pair: Any) -> Histogram | None:
    if pair is None:
        return None
    values, counts = pair
    values = ints_from_plain(values, (-1,))
    return Histogram(values, ints_from_plain(counts, (len(values),)))
