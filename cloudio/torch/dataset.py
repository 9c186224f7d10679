"""The map-style data set for torch's DataLoader, and reads into tensors."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import data

from .._utils.numbers import is_whole
from ..errors import RequestError
from ..loading.augmentation import Augmentation
from ..loading.sampling import check_epoch, check_seed
from ..reading.batch import Batch, first_sample
from ..reading.indexing import resolve_index
from ..reading.reader import Reader, check_reader, worker_reader
from .tensors import read_tensors

# The version of what `Dataset.state_dict` returns.
VERSION = 1


class Dataset(data.Dataset):
    """A map-style data set: the patches of a reader as tensors, with random crops and symmetries.

    For ``DataLoader(dataset, batch_size, collate_fn=cloudio.torch.collate)``, with any sampler: a
    batch is one read.  ``crop``, ``symmetry`` and ``seed`` are those of `cloudio.Loader`, and in
    an epoch a patch has the same bytes as there; the order is the sampler's.

    `set_epoch` reaches a DataLoader's worker processes however they were started, those that stay
    (``persistent_workers``) too.  Other processes, such as ranks, have their own epoch.  In a
    worker one thread reads, unless the reader's ``threads`` or CLOUDIO_THREADS say how many.
    A pickle is small, and holds the epoch and what a subclass has added.
    """

    def __init__(
        self, reader: Reader, *, crop: Any = "random", symmetry: str | None = None, seed: int = 0
    ) -> None:
        check_reader(reader)
        self.reader, self.symmetry = reader, symmetry
        self.seed = check_seed(seed)
        self._augmentation = Augmentation.parse(reader, crop, symmetry)
        # The caller may change a list.
        self.crop = crop if isinstance(crop, str) else self._augmentation.first_origin
        self._new_cell(0, False)

    def __len__(self) -> int:
        self._epoch_cell()  # samplers ask for the length before workers are forked
        return len(self.reader)

    @property
    def epoch(self) -> int:
        """The epoch whose crops and symmetries are read."""
        return int(self._epoch_cell()[0])

    def set_epoch(self, epoch: int) -> None:
        """Read as in this epoch from now on, here and in the workers of DataLoaders begun here.

        Call it between epochs, before the DataLoader is iterated: batches that workers have
        already begun are of the old epoch or the new one.
        """
        self._epoch_cell().copy_(torch.tensor([check_epoch(epoch), 1], device="cpu"))

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and what it is of, as whole numbers, for torchdata's StatefulDataLoader.

        The position in the epoch is not part of it: the loader knows what it has handed out.
        """
        return {
            "version": VERSION,
            "seed": self.seed,
            "patches": len(self),
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Read as in the state's epoch, unless `set_epoch` has been called, whose epoch then stays.

        A StatefulDataLoader loads a state only when it is iterated.  RequestError, naming the
        difference, where the state is of another seed, size or version.
        """
        own = self.state_dict()
        wrong = (
            f"{state!r} is not the state of a Dataset; it must have whole numbers for "
            f"{', '.join(own)}"
        )
        if not isinstance(state, Mapping) or "version" not in state:
            raise RequestError(wrong)
        for name in ("version", "seed", "patches"):
            if name in state and state[name] != own[name]:
                raise RequestError(
                    f"the state has {name}={state[name]}, but this Dataset has {name}={own[name]}"
                )
        if state.keys() != own.keys() or not all(map(is_whole, state.values())):
            raise RequestError(wrong)
        epoch, cell = check_epoch(state["epoch"]), self._epoch_cell()
        if not cell[1]:
            cell[0] = epoch

    def __getitem__(self, index: Any) -> Batch[Any]:
        """Return one sample for a whole number; a batch for a slice or a sequence of them."""
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        if np.ndim(index):
            return self.__getitems__(index)
        return first_sample(self._read(index, shared=False))

    def __getitems__(self, index: Any) -> Batch[Any]:
        """Return a whole batch in one read: DataLoader fetches one through this hook.

        A worker process reads it into memory that the queue sends on without a copy.
        """
        return self._read(index, shared=data.get_worker_info() is not None)

    def _read(self, index: Any, shared: bool) -> Batch[Any]:
        index = resolve_index(_as_array(index), len(self))
        origin, symmetry = self._augmentation.draw(index, self.seed, self.epoch)
        return read_tensors(worker_reader(self.reader), index, origin, symmetry, shared)

    # ---- the epoch, in memory that workers share -----------------------------------------------

    def _epoch_cell(self) -> torch.Tensor:
        """Return (epoch, was it set): this process's, or in a worker its parent's."""
        if os.getpid() != self._process and data.get_worker_info() is None:
            self._new_cell(*self._cell.tolist())
        cell: torch.Tensor = self._cell
        return cell

    def _new_cell(self, epoch: int, was_set: int) -> None:
        """Make a cell that no other process shares yet."""
        with torch.inference_mode(False):
            cell = torch.tensor([epoch, was_set], dtype=torch.int64, device="cpu")
            self._cell = cell.share_memory_()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        self._epoch_cell()  # it may be sent to workers
        return {name: value for name, value in vars(self).items() if name != "_augmentation"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._augmentation = Augmentation.parse(self.reader, self.crop, self.symmetry)
        # A process that starts gets the same memory; a file gives a copy.
        if not self._cell.is_shared():
            self._new_cell(*self._cell.tolist())

    def __copy__(self) -> "Dataset":
        other: Dataset = object.__new__(type(self))
        other.__setstate__({**self.__getstate__(), "_cell": self._cell.detach().clone()})
        return other

    def __repr__(self) -> str:
        return (
            f"<cloudio.torch.Dataset of {len(self):,} patches: crop {self.crop}, symmetry "
            f"{self.symmetry}, seed {self.seed}, epoch {self.epoch}>\n{self.reader!r}"
        )


def read(reader: Reader, index: Any, origin: Any = None, symmetry: Any = None) -> Batch[Any]:
    """Read a batch into new tensors, as `Reader.read` does; bfloat16 does not need ml_dtypes.

    ``index``, ``origin`` and ``symmetry`` may be tensors.
    """
    return read_tensors(reader, _as_array(index), _as_array(origin), _as_array(symmetry))


def _as_array(numbers: Any) -> Any:
    return numbers.numpy() if isinstance(numbers, torch.Tensor) else numbers
