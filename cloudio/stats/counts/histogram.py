"""`Histogram`: numbers and how often they occur; histograms can be added."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..._utils.json_files import refuse
from ..._utils.tensors import frozen
from ..serialize import ints_from_plain

# Numbers of two bytes are added in an array of all of them.
_MOST_IN_ONE = 1 << 16


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


def histogram_from_plain(pair: Any) -> Histogram | None:
    """Return the histogram that a file has; None for None."""
    if pair is None:
        return None
    values, counts = pair
    values = ints_from_plain(values, (-1,))
    counts = ints_from_plain(counts, (len(values),))
    refuse(bool((values[1:] <= values[:-1]).any()), "numbers in no order")
    refuse(bool((counts < 1).any()), "numbers that do not occur")
    return Histogram(values, counts)


def add_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """Return how often each number occurs in all of them."""
    ends = [(int(x[0]), int(x[-1])) for x in (each.values for each in histograms) if len(x)]
    first, last = min((one for one, _ in ends), default=0), max((two for _, two in ends), default=0)
    if last - first < _MOST_IN_ONE:
        return _add_close(histograms, first, last)
    values = np.concatenate([each.values for each in histograms])
    distinct, where = np.unique(values, return_inverse=True)
    counts = np.zeros(len(distinct), np.int64)
    np.add.at(counts, where.ravel(), np.concatenate([each.counts for each in histograms]))
    return Histogram(frozen(distinct), frozen(counts))


def _add_close(histograms: Sequence[Histogram], first: int, last: int) -> Histogram:
    """Add histograms of numbers from ``first`` to ``last``, without a copy of all of them."""
    counts = np.zeros(last - first + 1, np.int64)
    for each in histograms:
        counts[each.values - first] += each.counts
    occur = np.flatnonzero(counts)
    return Histogram(frozen(occur + first), frozen(counts[occur]))
