"""PyTorch's door: data sets, loaders and batches of tensors."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import data

from .._utils.numbers import is_whole
from ..errors import RequestError
from ..loading.sampling import Augmentation, check_epoch, check_seed
from ..reading.batch import Batch, first_sample
from ..reading.indexing import resolve_index
from ..reading.reader import Reader, check_reader, worker_reader
from . import tensors

# Of what the state of a Dataset holds.
VERSION = 1


class Dataset(data.Dataset):
    """A map-style data set: the patches of a reader as tensors, cropped and turned by chance.

    For ``DataLoader(dataset, batch_size, collate_fn=cloudio.torch.collate)``, with any sampler: a
    batch is one read.  ``crop``, ``symmetry`` and ``seed`` are those of `cloudio.Loader`, and in
    an epoch a patch has the same bytes as there; the order is the sampler's.

    `set_epoch` reaches a DataLoader's worker processes however they were started, those that stay
    (``persistent_workers``) too; other processes, as ranks are, have an epoch of their own.  In a
    worker a single thread reads, unless the reader's ``threads`` or CLOUDIO_THREADS say how many.
    Pickles small, with its epoch and what a subclass has added.
    """

    def __init__(
        self, reader: Reader, *, crop: Any = "random", symmetry: str | None = None, seed: int = 0
    ) -> None:
        check_reader(reader)
        self.reader, self.symmetry = reader, symmetry
        self.seed = check_seed(seed)
        self._augmentation = Augmentation.parse(reader, crop, symmetry)
        # A list of the caller's may change.
        self.crop = crop if isinstance(crop, str) else self._augmentation.corner
        self._share(0, False)

    def __len__(self) -> int:
        self._own()  # for samplers ask for the length before workers are forked
        return len(self.reader)

    @property
    def epoch(self) -> int:
        """That whose crops and symmetries are read."""
        return int(self._own()[0])

    def set_epoch(self, epoch: int) -> None:
        """Read as in this epoch from now on, here and in the workers of DataLoaders begun here.

        To be called between epochs, before the DataLoader is iterated; batches that workers are
        already asked for are of either.
        """
        self._own().copy_(torch.tensor([check_epoch(epoch), 1], device="cpu"))

    def state_dict(self) -> dict[str, int]:
        """Which epoch of what is read: whole numbers alone.  torchdata's StatefulDataLoader asks.

        Not where in it: the loader knows what it has handed out.
        """
        return {
            "version": VERSION,
            "seed": self.seed,
            "patches": len(self),
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Read as in the state's epoch, unless `set_epoch` has been called: then in that one.

        For a StatefulDataLoader loads what it was given as late as when it is iterated.
        RequestError, naming the difference, where the state is of another seed, size or version.
        """
        own = self.state_dict()
        needed = f"no state of a Dataset: {', '.join(own)} are needed"
        if not isinstance(state, Mapping) or "version" not in state:
            raise RequestError(f"{state!r} is {needed}")
        for name in ("version", "seed", "patches"):
            if name in state and state[name] != own[name]:
                raise RequestError(
                    f"the state has {name}={state[name]}, this Dataset {name}={own[name]}"
                )
        if state.keys() != own.keys() or not all(map(is_whole, state.values())):
            raise RequestError(f"{state!r} is {needed}")
        epoch, at = check_epoch(state["epoch"]), self._own()
        if not at[1]:
            at[0] = epoch

    def __getitem__(self, index: Any) -> Batch[Any]:
        """One sample for a whole number; a batch for a slice or a sequence of them."""
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        if np.ndim(index):
            return self.__getitems__(index)
        return first_sample(self._read(index, shared=False))

    def __getitems__(self, index: Any) -> Batch[Any]:
        """A whole batch in one read: the hook through which DataLoader fetches one.

        In a worker process it is read into memory that the queue sends on without a copy.
        """
        return self._read(index, shared=data.get_worker_info() is not None)

    def _read(self, index: Any, shared: bool) -> Batch[Any]:
        patches = resolve_index(_array(index), len(self))
        origin, symmetry = self._augmentation.draw(patches, self.seed, self.epoch)
        return tensors.read(worker_reader(self.reader), patches, origin, symmetry, shared)

    # ---- the epoch, in memory that workers share -----------------------------------------------

    def _own(self) -> torch.Tensor:
        """The epoch, and whether it was set: this process's, or in a worker its parent's."""
        if os.getpid() != self._process and data.get_worker_info() is None:
            self._share(*self._shared.tolist())
        shared: torch.Tensor = self._shared
        return shared

    def _share(self, epoch: int, was_set: int) -> None:
        """Have an epoch that no other process has yet."""
        with torch.inference_mode(False):
            at = torch.tensor([epoch, was_set], dtype=torch.int64, device="cpu")
            self._shared = at.share_memory_()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        self._own()  # for workers may be what it is sent to
        return {name: held for name, held in vars(self).items() if name != "_augmentation"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._augmentation = Augmentation.parse(self.reader, self.crop, self.symmetry)
        # To a process being started it comes as the same memory; from a file, as a copy.
        if not self._shared.is_shared():
            self._share(*self._shared.tolist())

    def __copy__(self) -> "Dataset":
        other: Dataset = object.__new__(type(self))
        other.__setstate__({**self.__getstate__(), "_shared": self._shared.detach().clone()})
        return other

    def __repr__(self) -> str:
        return (
            f"<cloudio.torch.Dataset of {len(self):,} patches: crop {self.crop}, symmetry "
            f"{self.symmetry}, seed {self.seed}, epoch {self.epoch}>\n{self.reader!r}"
        )


def read(reader: Reader, index: Any, origin: Any = None, symmetry: Any = None) -> Batch[Any]:
    """Read a batch into new tensors; as `Reader.read`, and in bfloat16 without ml_dtypes too.

    ``index``, ``origin`` and ``symmetry`` may be tensors.
    """
    return tensors.read(reader, _array(index), _array(origin), _array(symmetry))


def _array(given: Any) -> Any:
    return given.numpy() if isinstance(given, torch.Tensor) else given
