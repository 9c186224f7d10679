"""The map-style data set for torch's DataLoader, and reads into tensors."""

import mmap
import os
from collections.abc import Mapping
from multiprocessing.context import get_spawning_popen
from typing import Any, SupportsIndex, cast, overload

import numpy as np
import torch
from torch.utils import data

from .._utils.numbers import is_whole
from .._utils.text import listed, shown
from .._utils.types import Crop, Index, KeyNames, Origin, Symmetries
from .._utils.warn import warn
from ..errors import CloudioWarning, RequestError
from ..loading.sampling.augmentation import Augmentation
from ..loading.sampling.sampler import check_epoch, check_seed
from ..loading.state import is_state_number
from ..reading.arguments.indexing import resolve_index
from ..reading.arguments.keys import keys_of
from ..reading.batch import A, Batch, L, MaskedBatch
from ..reading.reader import Reader, check_reader
from ..reading.samples import SampleList, each_sample, sample_of
from .tensors import NamedReads, T, no_shared_memory

# The version of what `Dataset.state_dict` returns.
VERSION = 1
# In place of the number of samples that were read.
_NOT_COUNTED = -1
_EPOCH_STAYS = (
    "more samples were read than this cloudio.torch.Dataset has, and set_epoch was never called: "
    "every epoch gives a patch the same crop and symmetry. Call dataset.set_epoch(epoch) before "
    "each epoch, in Lightning in on_train_epoch_start; dataset.set_epoch(0), once, if that is meant"
)


class Dataset(data.Dataset[T]):
    """A map-style data set for PyTorch: the patches of a reader as tensors.

    Use it as ``DataLoader(dataset, batch_size, collate_fn=cloudio.torch.collate)``, with any
    sampler; each batch is one read.

    Parameters
    ----------
    reader : Reader
        What to read from each patch.
    crop : "random", "center" or (row, col)
        As in `cloudio.Loader`.
    symmetry : {"d4", "flip", None}
        As in `cloudio.Loader`.
    seed : int
        As in `cloudio.Loader`.  In an epoch a patch has the same bytes as there; the order is the
        sampler's.
    keys : {"torchgeo", "transformers"} or mapping, optional
        Names that make dicts of samples and batches, as in `Reader`; by default those of the
        reader.  What they leave out is not read.  Metadata of numbers are tensors, texts are texts.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    `set_epoch` reaches the worker processes of a DataLoader however they were started, also those
    that persist.  Other processes, such as ranks, have their own epoch.  If crops or symmetries are
    random and `set_epoch` is never called, a CloudioWarning says so, once.

    A worker reads with one thread, unless the reader's ``threads`` or CLOUDIO_THREADS is set.  A
    pickle is small; it holds the epoch and the attributes that a subclass has added.
    """

    @overload
    def __init__(
        self: "Dataset[Batch[torch.Tensor, L]]",
        reader: Reader[Batch[np.ndarray, L]],
        *,
        crop: Crop = ...,
        symmetry: Symmetries = ...,
        seed: int = ...,
        keys: None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: "Dataset[MaskedBatch[torch.Tensor, L]]",
        reader: Reader[MaskedBatch[np.ndarray, L]],
        *,
        crop: Crop = ...,
        symmetry: Symmetries = ...,
        seed: int = ...,
        keys: None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: "Dataset[dict[str, Any]]",
        reader: Reader[dict[str, Any]],
        *,
        crop: Crop = ...,
        symmetry: Symmetries = ...,
        seed: int = ...,
        keys: KeyNames | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: "Dataset[dict[str, Any]]",
        reader: Reader[Any],
        *,
        crop: Crop = ...,
        symmetry: Symmetries = ...,
        seed: int = ...,
        keys: KeyNames,
    ) -> None: ...

    def __init__(
        self,
        reader: Reader[Any],
        *,
        crop: Crop = "random",
        symmetry: Symmetries = None,
        seed: int = 0,
        keys: KeyNames | None = None,
    ) -> None:
        check_reader(reader)
        self.reader: Reader[Any] = reader
        self._keys = keys_of(reader, keys)
        self.symmetry = symmetry
        self.seed = check_seed(seed)
        self._augmentation = Augmentation.parse(reader, crop, symmetry)
        # The caller may change a list.
        self.crop = crop if isinstance(crop, str) else self._augmentation.first_origin
        self._read_batch = NamedReads(reader, self._keys)
        self._new_cell([0, 0, 0 if self._augmentation.is_random else _NOT_COUNTED])

    def __len__(self) -> int:
        """Return the number of patches."""
        self._epoch_cell()  # samplers ask for the length before workers are forked
        return len(self.reader)

    @property
    def epoch(self) -> int:
        """The epoch whose crops and symmetries are read."""
        return int(self._epoch_cell()[0])

    def set_epoch(self, epoch: int) -> None:
        """Read the crops and symmetries of this epoch from now on.

        Parameters
        ----------
        epoch : int
            From 0 on.  Call this between epochs, before the DataLoader is iterated: batches that
            workers have begun already may belong to the old epoch.
        """
        cell = [check_epoch(epoch), 1, _NOT_COUNTED]
        self._epoch_cell().copy_(torch.tensor(cell, device="cpu"))

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and what it belongs to, for torchdata's StatefulDataLoader.

        Returns
        -------
        dict of str to int
            Version, seed, number of patches and epoch.  The position in the epoch is not part of
            it, because the DataLoader knows what it has handed out.
        """
        return {
            "version": VERSION,
            "seed": self.seed,
            "patches": len(self),
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Read the epoch of a state, unless `set_epoch` has been called.

        Parameters
        ----------
        state : mapping of str to int
            From `state_dict`.  A StatefulDataLoader loads a state only when it is iterated, so an
            epoch that `set_epoch` has set before stays.

        Raises
        ------
        RequestError
            If the state has another seed, number of patches or version; it names the difference.
        """
        own = self.state_dict()
        wrong = (
            f"{shown(state)} is not the state of a Dataset; it must have whole numbers for "
            f"{listed(own)}"
        )
        if not isinstance(state, Mapping) or not is_whole(state.get("version")):
            raise RequestError(wrong)
        for name in ("version", "seed", "patches"):
            if is_state_number(given := state.get(name)) and given != own[name]:
                raise RequestError(
                    f"the state has {name}={given}, but this Dataset has {name}={own[name]}"
                )
        if state.keys() != own.keys() or not all(map(is_state_number, state.values())):
            raise RequestError(wrong)
        epoch, cell = check_epoch(state["epoch"]), self._epoch_cell()
        cell[2] = _NOT_COUNTED
        if not cell[1]:
            cell[0] = epoch

    @overload
    def __getitem__(self: "Dataset[Batch[A, L]]", index: SupportsIndex) -> Batch[A, L, int]: ...

    @overload
    def __getitem__(
        self: "Dataset[MaskedBatch[A, L]]", index: SupportsIndex
    ) -> MaskedBatch[A, L, int]: ...

    @overload
    def __getitem__(self: "Dataset[dict[str, Any]]", index: SupportsIndex) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice | Index) -> T: ...

    def __getitem__(self, index: slice | Index) -> Any:
        """Return one sample for a whole number, and a batch for a slice or a sequence of them."""
        if isinstance(index, slice):
            return self._read(range(*index.indices(len(self))))
        if np.ndim(cast(Any, index)):
            return self._read(index)
        return sample_of(self._read(index, may_share=False), 0, self._read_batch.index_key)

    @overload
    def __getitems__(
        self: "Dataset[Batch[A, L]]", index: Index
    ) -> SampleList[Batch[A, L, int]]: ...

    @overload
    def __getitems__(
        self: "Dataset[MaskedBatch[A, L]]", index: Index
    ) -> SampleList[MaskedBatch[A, L, int]]: ...

    @overload
    def __getitems__(
        self: "Dataset[dict[str, Any]]", index: Index
    ) -> SampleList[dict[str, Any]]: ...

    @overload
    def __getitems__(self, index: Index) -> SampleList[Any]: ...

    def __getitems__(self, index: Any) -> Any:
        """Return the samples as a list that shares one batch; torch's DataLoader calls this.

        It is one read.  A worker process reads into memory that the queue sends on without a copy.
        A subclass that overrides ``__getitem__`` is asked for each sample.
        """
        if type(self).__getitem__ is not Dataset.__getitem__:
            return each_sample(self, index)
        return SampleList(self._read(index), self._read_batch.index_key)

    def _read(self, index: Any, may_share: bool = True) -> T:
        shared = may_share and data.get_worker_info() is not None
        index = resolve_index(index, len(self))
        cell = self._epoch_cell()
        if cell[2] != _NOT_COUNTED:
            self._count(cell, len(index))
        origin, symmetry = self._augmentation.draw(index, self.seed, int(cell[0]))
        read: T = self._read_batch(index, origin, symmetry, shared)
        return read

    def _count(self, cell: torch.Tensor, n_samples: int) -> None:
        """Warn once if an epoch and more were read, and nobody has said which epoch it is.

        Workers count together.  If two add at once, one of the numbers may be lost.
        """
        cell[2] += n_samples
        if cell[2] > len(self.reader):
            cell[2] = _NOT_COUNTED
            try:
                warn(_EPOCH_STAYS)
            except CloudioWarning:
                cell[2] = len(self.reader)  # a filter makes it an error, also the next time
                raise

    # ---- the epoch, in memory that workers share -----------------------------------------------

    def _epoch_cell(self) -> torch.Tensor:
        """Return the cell of this process, or in a worker that of its parent.

        It holds the epoch, whether `set_epoch` was called, and how many samples were read while
        nobody set or loaded an epoch.
        """
        if os.getpid() != self._process and data.get_worker_info() is None:
            self._new_cell(self._cell.tolist())
        cell: torch.Tensor = self._cell
        return cell

    def _new_cell(self, numbers: list[int]) -> None:
        """Make a cell that no other process shares yet."""
        with torch.inference_mode(False):
            cell = torch.tensor(numbers, dtype=torch.int64, device="cpu")
            try:
                self._cell = cell.share_memory_()
            except (OSError, RuntimeError):
                # No shared memory that has a name.  Forked processes share this mapping too.
                self._cell = torch.frombuffer(mmap.mmap(-1, cell.nbytes), dtype=torch.int64)
                self._cell.copy_(cell)
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        cell = self._epoch_cell()  # it may be sent to workers
        if not cell.is_shared() and get_spawning_popen() is not None:
            raise no_shared_memory("a Dataset that is sent to workers")
        made = "_augmentation", "_read_batch"
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._augmentation = Augmentation.parse(self.reader, self.crop, self.symmetry)
        self._read_batch = NamedReads(self.reader, self._keys)
        # A process that starts gets the same memory; a file gives a copy.
        if not self._cell.is_shared():
            self._new_cell(self._cell.tolist())

    def __copy__(self) -> "Dataset[T]":
        other: Dataset[T] = object.__new__(type(self))
        other.__setstate__({**self.__getstate__(), "_cell": self._cell.detach().clone()})
        return other

    def __repr__(self) -> str:
        keys = "" if self._keys is self.reader.batch_keys else f", keys {self._keys}"
        return (
            f"<cloudio.torch.Dataset of {len(self):,} patches: crop {self.crop}, symmetry "
            f"{self.symmetry}, seed {self.seed}, epoch {self.epoch}{keys}>\n{self.reader!r}"
        )


@overload
def read(
    reader: Reader[Batch[np.ndarray, L]],
    index: Index,
    origin: Origin | None = ...,
    symmetry: Index | None = ...,
) -> Batch[torch.Tensor, L]: ...


@overload
def read(
    reader: Reader[dict[str, Any]],
    index: Index,
    origin: Origin | None = ...,
    symmetry: Index | None = ...,
) -> dict[str, Any]: ...


@overload
def read(
    reader: Reader[MaskedBatch[np.ndarray, L]],
    index: Index,
    origin: Origin | None = ...,
    symmetry: Index | None = ...,
) -> MaskedBatch[torch.Tensor, L]: ...


def read(
    reader: Reader[Any],
    index: Index,
    origin: Origin | None = None,
    symmetry: Index | None = None,
) -> Any:
    """Return a batch of new tensors, read as `Reader.read` does.

    Parameters
    ----------
    reader : Reader
        What to read from each patch.
    index : int, sequence of int, ndarray or tensor
        Patch numbers in any order.
    origin : (row, col), array or tensor (sample, 2), optional
        The first pixel of each window.
    symmetry : int, array or tensor (sample,), optional
        0 to 7.

    Returns
    -------
    Batch, MaskedBatch or dict
        Tensors on the CPU, in a dict if the reader has ``keys``.  bfloat16 does not need ml_dtypes.

    Raises
    ------
    RequestError, IndexError, OSError
        As `Reader.read`.
    """
    reads = NamedReads(reader, reader.batch_keys)
    return reads.by(reads.reader, index, origin, symmetry)
