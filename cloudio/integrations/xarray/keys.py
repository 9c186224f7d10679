"""Indexers of one axis: the smallest range that has what they select, and how to take it."""

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Span:
    """The range of an axis that is read, and what is taken of it: ``range[taken]``."""

    start: int
    extent: int
    taken: int | slice | np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is taken: () for one number."""
        if isinstance(self.taken, slice):
            return (len(range(*self.taken.indices(self.extent))),)
        return np.shape(self.taken)

    @property
    def is_whole(self) -> bool:
        """Whether all of the range is taken, in its order."""
        return isinstance(self.taken, slice) and self.taken.step in (None, 1)


def parse_span(key: Any, n: int) -> Span:
    """Return the range of an integer, a slice, or an array of integers (place,)."""
    if isinstance(key, slice):
        chosen = range(*key.indices(n))
        if not chosen:
            return Span(0, 0, slice(None))
        start = min(chosen[0], chosen[-1])
        extent = max(chosen[0], chosen[-1]) - start + 1
        return Span(start, extent, slice(None, None, chosen.step if len(chosen) > 1 else None))
    if np.ndim(key) == 0:
        return Span(int(resolve_places(operator.index(key), n)), 1, 0)
    places = resolve_places(key, n)
    if not places.size:
        return Span(0, 0, places)
    start = int(places.min())
    extent, taken = int(places.max()) - start + 1, places - start
    is_range = len(taken) == extent and np.array_equal(taken, np.arange(extent))
    return Span(start, extent, slice(None) if is_range else taken)


def parse_patches(key: Any, n: int) -> np.ndarray:
    """Return the patch numbers of such an indexer: int64, (patch,), or () for an integer."""
    if isinstance(key, slice):
        return np.arange(*key.indices(n), dtype=np.int64)
    return resolve_places(key, n)


def resolve_places(places: Any, n: int) -> np.ndarray:
    """Return places on an axis of length n as int64, negative ones counted from its start."""
    places = np.asarray(places)
    if places.dtype.kind not in "iu" and places.size:
        raise IndexError(f"an indexer has dtype {places.dtype}; indexers are whole numbers")
    resolved: np.ndarray = places.astype(np.int64)
    resolved[resolved < 0] += n
    if resolved.size and (resolved.min() < 0 or resolved.max() >= n):
        wrong = places[(resolved < 0) | (resolved >= n)].flat[0]
        raise IndexError(f"index {wrong} is out of range for an axis of length {n}")
    return resolved
