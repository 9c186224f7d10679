"""Which patches each chunk has: a graph holds a range, or the numbers of a subset once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from dask.layers import ArrayBlockwiseDep

from ..._utils.numbers import check_whole
from ...reading.dataset import Dataset
from ..parts import Patches


class Chunks(ArrayBlockwiseDep):
    """The patches of each chunk of an axis, for `dask.array.blockwise`.

    Parameters
    ----------
    stored : range or ndarray of int64, (patch,)
        The patches, as the files have them over all splits.
    given : range or ndarray of int64, (patch,)
        The same patches, as the user numbers them.
    size : int
        The patches of a chunk; the last one may have fewer.
    """

    def __init__(self, stored: Patches, given: Patches, size: int) -> None:
        self.stored, self.given, self.size = stored, given, size
        self.numblocks = (max(1, -(-len(stored) // size)),)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The patches of each chunk; one of none if there are no patches."""
        n, size = len(self.stored), self.size
        if not n:
            return ((0,),)
        full, rest = divmod(n, size)
        return ((size,) * full + ((rest,) if rest else ()),)

    def __getitem__(self, block: Any) -> tuple[Patches, Patches]:
        part = slice(block[0] * self.size, (block[0] + 1) * self.size)
        return self.stored[part], self.given[part]

    def __iter__(self) -> Iterator[Patches]:
        """Yield the stored patches of each chunk."""
        return (self[(k,)][0] for k in range(self.numblocks[0]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Chunks, (self.stored, self.given, self.size)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "cloudio.dask chunks", self.stored, self.given, self.size


def make_chunks(ds: Dataset, index: np.ndarray | None, patches_per_chunk: Any) -> Chunks:
    """Return the chunks of patches of a data set, by default of all."""
    given = range(len(ds)) if index is None else as_range(index)
    stored = given
    if ds.is_subset:
        stored = as_range(ds.stored_index(np.array(given, np.int64)))
    return as_chunks(stored, patches_per_chunk, given)


def as_chunks(stored: Patches, patches_per_chunk: Any, given: Patches | None = None) -> Chunks:
    """Return the chunks of stored patches."""
    size = check_whole("patches_per_chunk", patches_per_chunk, 1)
    return Chunks(stored, stored if given is None else given, size)


def as_range(numbers: Patches) -> Patches:
    """Return numbers that follow each other as a range, others as they are."""
    if isinstance(numbers, range):
        return numbers
    if len(numbers):
        first = int(numbers[0])
        if np.array_equal(numbers, np.arange(first, first + len(numbers))):
            return range(first, first + len(numbers))
    return numbers if len(numbers) else range(0)
