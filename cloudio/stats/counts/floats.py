"""Counts of floats, and of the second round over the files that their percentiles take."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..._utils.json_files import refuse
from ..._utils.tensors import frozen
from ..._utils.text import listed
from ...errors import RequestError
from ...layouts.band import Window
from ..provenance import Provenance
from ..result import Result, Table
from ..serialize import (
    floats_from_plain,
    fraction_from_plain,
    ints_from_plain,
    texts_from_plain,
)
from .histogram import Histogram, histogram_from_plain


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
        upper = histogram_from_plain(entries["upper"])
        if upper is None or ((upper.values < 0) | (upper.values > 65535)).any():
            raise ValueError("it has no histogram of upper halves")
        total, squares = (None if x is None else fraction_from_plain(x) for x in sums)
        ends = floats_from_plain([entries["minimum"], entries["maximum"]], (2,)).tolist()
        return cls(ends[0], ends[1], total, squares, upper)


@dataclass(frozen=True, eq=False)
class SecondRound:
    """What `cloudio.stats.lower_halves` must count, so that percentiles of floats can be computed.

    `BandStats.second_round` returns it.  It is small, and can be sent to other processes.

    Attributes
    ----------
    names : tuple of str
        The bands of floats.
    upper : tuple of ndarray of int64
        For each band, the upper halves of ordered 32-bit keys that contain a percentile.
    window : Window
        The pixels of each patch to count.
    """

    names: tuple[str, ...]
    upper: tuple[np.ndarray, ...]
    window: Window


@dataclass(frozen=True, eq=False, repr=False)
class LowerHalves(Result):
    """How often the numbers near percentiles of floats occur.

    `cloudio.stats.lower_halves` returns it, `cloudio.stats.merge` merges it, and `BandStats.finish`
    takes it.

    Attributes
    ----------
    names : tuple of str
        The bands of floats.
    upper : tuple of ndarray of int64
        The upper halves of keys that were counted, as in `SecondRound`.
    keys : tuple of Histogram
        How often each ordered 32-bit key with one of these upper halves occurs.
    of : Provenance
        The patches, arrays and window that were counted.
    """

    names: tuple[str, ...]
    upper: tuple[np.ndarray, ...]
    keys: tuple[Histogram, ...]
    of: Provenance

    def counts(self, name: str, upper: np.ndarray) -> np.ndarray:
        """Return how often each lower half occurs with each of some upper halves.

        Parameters
        ----------
        name : str
            One of ``names``.
        upper : ndarray of int64, (half,)
            Ascending upper halves, of those that were counted.

        Returns
        -------
        ndarray of int64, (half, 65536)
            The counts of one band.

        Raises
        ------
        RequestError
            If one of these was not counted.
        """
        which = self.names.index(name) if name in self.names else None
        if which is None or not np.isin(upper, self.upper[which]).all():
            raise RequestError(
                f"{name} was counted for another second round, that of {listed(self.names)}; give "
                "what stats.second_round() returns to cloudio.stats.lower_halves"
            )
        keys, counts = self.keys[which]
        wanted = np.isin(keys >> 16, upper)
        found = np.zeros((len(upper), 65536), np.int64)
        found[np.searchsorted(upper, keys[wanted] >> 16), keys[wanted] & 0xFFFF] = counts[wanted]
        return found

    def tables(self) -> list[Table | str]:
        rows = [("band", "halves", "numbers", "pixels")]
        for name, upper, keys in zip(self.names, self.upper, self.keys, strict=True):
            pixels = int(keys.counts.sum())
            rows.append((name, f"{len(upper):,}", f"{len(keys.values):,}", f"{pixels:,}"))
        return [f"numbers near percentiles of {self.of}", (rows, range(1, 4))]

    @classmethod
    def from_plain(cls, entries: Mapping[str, Any]) -> "LowerHalves":
        names = texts_from_plain(entries["names"])
        upper = tuple(
            ints_from_plain(one, (-1,)) for _, one in zip(names, entries["upper"], strict=True)
        )
        pairs = zip(names, entries["keys"], strict=True)
        keys = tuple(key for _, pair in pairs if (key := histogram_from_plain(pair)))
        refuse(len(keys) < len(names), "bands without keys")
        for one in (*upper, *(each.values >> 16 for each in keys)):
            if ((one < 0) | (one > 0xFFFF)).any():
                raise ValueError("it has other keys than those of 32 bits")
        return cls(names, upper, keys, Provenance.from_plain(entries["of"]))


def sparse_keys(upper: np.ndarray, counts: np.ndarray) -> Histogram:
    """Return the keys that occur, from (half, 65536) counts."""
    which, lower = np.nonzero(counts)
    return Histogram(frozen((upper[which] << 16) + lower), frozen(counts[which, lower]))
