"""`BandStats`: count, extremes, mean, deviation, percentiles and histograms of bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from .._utils.arrays import frozen, ratio
from .._utils.text import percent
from ..errors import RequestError
from .provenance import Provenance
from .result import Result, Table, format_number
from .serialize import floats_from_plain, ints_from_plain


class Histogram(NamedTuple):
    """How often (``counts``) each stored number (``values``, ascending) occurs among the data."""

    values: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class BandStats(Result):
    """Statistics of bands: each array is (band,), in the order of ``names``.

    Data are pixels that are neither NaN nor the band's no-data number.  ``count`` is the number of
    data, ``n_nodata`` and ``n_nan`` count the other pixels.  ``std`` divides by ``count``.
    ``percentiles`` is (band, percent).  Without data all of them are NaN.  They describe
    ``x * scale + offset`` of the stored number x; ``histograms`` count x, None for bands of floats.
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
        """(band,): the share of pixels that are no data or NaN; NaN where there are no pixels."""
        without = self.n_nodata + self.n_nan
        return ratio(without, without + self.count)

    def select(self, names: str | Sequence[str]) -> "BandStats":
        """Return the statistics of some bands, in that order: for a reader of just these."""
        names = (names,) if isinstance(names, str) else names
        if missing := [name for name in names if name not in self.names]:
            raise RequestError(f"no {', '.join(missing)}; there is {', '.join(self.names)}")
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
        columns = self.min, self.max, self.mean, self.std
        rows: list[Sequence[str]] = [("band", "data", "no data", "min", "max", "mean", "std")]
        for k, name in enumerate(self.names):
            data, share = f"{self.count[k]:,}", percent(self.nodata[k])
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
        n_bands, n_percents = len(entries["names"]), len(entries["percents"])
        columns = {name: ints_from_plain(entries[name]) for name in ("count", "n_nodata", "n_nan")}
        for name in ("min", "max", "mean", "std", "scale", "offset"):
            columns[name] = floats_from_plain(entries[name])
        return cls(
            names=tuple(entries["names"]),
            percents=tuple(entries["percents"]),
            percentiles=floats_from_plain(entries["percentiles"], (n_bands, n_percents)),
            histograms=tuple(
                None if pair is None else Histogram(*map(ints_from_plain, pair))
                for pair in entries["histograms"]
            ),
            of=Provenance.from_plain(entries["of"]),
            **columns,
        )
