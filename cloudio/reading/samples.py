"""Single samples, and the samples of one batch as a list."""

import operator
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, SupportsIndex, TypeVar, cast, overload

import numpy as np

from .._utils.text import listed
from .._utils.types import Index
from .batch import A, B, Batch, L, MaskedBatch
from .torch_collate import explain_to_torch

# A sample.
S = TypeVar("S", covariant=True)


class SampleList(Sequence[S]):
    """The samples of a batch, as a list: each is a view of it, made when it is asked for.

    `cloudio.torch.collate` takes the batch back without a copy.

    Attributes
    ----------
    batch : Batch, MaskedBatch or dict
        The batch, with a sample axis.
    """

    __slots__ = ("_index_key", "batch")

    # Both are needed: torch calls type(sequence)(list) to copy a sequence, or else makes a list.
    def __init__(self, batch: Any, index_key: str | None) -> None:
        self.batch, self._index_key = batch, index_key

    def __len__(self) -> int:
        batch = self.batch
        return len(next(iter(batch.values())) if isinstance(batch, dict) else batch.index)

    @overload
    def __getitem__(self, number: SupportsIndex) -> S: ...
    @overload
    def __getitem__(self, number: slice) -> list[S]: ...

    def __getitem__(self, number: Any) -> Any:
        """Return one sample, or a list of those of a slice."""
        n = len(self)
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(n))]
        k = operator.index(number)
        if not -n <= k < n:
            raise IndexError(f"sample {k}; there are {n} samples")
        return sample_of(self.batch, k % n, self._index_key)

    def __iter__(self) -> Iterator[S]:
        return (sample_of(self.batch, k, self._index_key) for k in range(len(self)))

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other] if isinstance(other, (list, SampleList)) else NotImplemented

    def __radd__(self, other: Any) -> list[Any]:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def __repr__(self) -> str:
        batch = self.batch
        which = f"a dict of {listed(batch)}" if isinstance(batch, dict) else repr(batch)
        return f"<{len(self)} samples of {which}>"


def sample_of(batch: Any, k: int, index_key: str | None = None) -> Any:
    """Return a sample of a batch, without the sample axis; its index is an int.

    ``index_key``: the name of the index in a batch that is a dict, if the index is there.
    """
    if isinstance(batch, dict):
        return {
            name: int(part[k]) if name == index_key else part[k] for name, part in batch.items()
        }
    parts: list[Any] = [None if part is None else part[k] for part in batch]
    parts[2] = int(parts[2])
    return type(batch)(*parts)


class SampleAccess(Generic[B]):
    """What a reader is besides: a sequence of samples, for people and for torch's DataLoader."""

    _n_patches: int

    def __len__(self) -> int:
        """Return the number of patches."""
        return self._n_patches

    @overload
    def __getitem__(
        self: "SampleAccess[Batch[A, L]]", index: SupportsIndex
    ) -> Batch[A, L, int]: ...
    @overload
    def __getitem__(
        self: "SampleAccess[MaskedBatch[A, L]]", index: SupportsIndex
    ) -> MaskedBatch[A, L, int]: ...
    @overload
    def __getitem__(
        self: "SampleAccess[dict[str, Any]]", index: SupportsIndex
    ) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice | Index) -> B: ...

    def __getitem__(self, index: slice | Index) -> Any:
        """Return one sample for a whole number, and a batch for a slice or what `read` takes."""
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        batch = self.read(index)
        if np.ndim(cast(Any, index)):
            return batch
        explain_to_torch()
        return sample_of(batch, 0, self._index_key)

    @overload
    def __getitems__(
        self: "SampleAccess[Batch[A, L]]", index: Index
    ) -> SampleList[Batch[A, L, int]]: ...
    @overload
    def __getitems__(
        self: "SampleAccess[MaskedBatch[A, L]]", index: Index
    ) -> SampleList[MaskedBatch[A, L, int]]: ...
    @overload
    def __getitems__(
        self: "SampleAccess[dict[str, Any]]", index: Index
    ) -> SampleList[dict[str, Any]]: ...
    @overload
    def __getitems__(self, index: Index) -> SampleList[Any]: ...

    def __getitems__(self, index: Any) -> Any:
        """Return the samples as a list that shares one batch; torch's DataLoader calls this.

        A subclass that overrides ``__getitem__`` is asked for each sample.
        """
        explain_to_torch()
        if type(self).__getitem__ is not SampleAccess.__getitem__:
            return each_sample(self, index)
        return SampleList(self._read_in_worker(index), self._index_key)

    # ---- what a reader has -------------------------------------------------------------------

    @abstractmethod
    def read(self, index: Index) -> B:
        """Return a batch."""

    @abstractmethod
    def _read_in_worker(self, index: Index) -> B:
        """As `read`, with one thread in a worker process of torch's DataLoader."""

    @property
    @abstractmethod
    def _index_key(self) -> str | None:
        """The name of the index in batches that are dicts."""


def each_sample(samples: Any, index: Any) -> list[Any]:
    """Return ``samples[k]`` for each number of ``index``."""
    return [samples[k] for k in (index.tolist() if hasattr(index, "tolist") else index)]
