"""PyTorch's door: data sets, loaders and batches of tensors."""

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("cloudio.torch needs PyTorch: pip install 'cloudio[torch]'") from error

from torch.utils import data

from . import tensors
from .draws import Views, check_epoch, check_seed
from .errors import RequestError
from .reader import Batch, MaskedBatch, Reader, like, sample_of
from .request import resolved
from .torch_loader import Loader

__all__ = ["Dataset", "Loader", "collate", "read"]


class Dataset(data.Dataset):
    """A map-style data set: the patches of a reader as tensors, cropped and turned by chance.

    For ``DataLoader(dataset, batch_size, collate_fn=cloudio.torch.collate)``, with any sampler: a
    batch is one read.  ``crop``, ``symmetry`` and ``seed`` are those of `cloudio.Loader`, and in
    an epoch a patch has the same bytes as there; the order is the sampler's.

    `set_epoch` reaches worker processes however they were started, those that stay
    (``persistent_workers``) too.  In one of them a single thread reads, unless the reader's
    ``threads`` or CLOUDIO_THREADS say how many.  Pickles small, with its epoch.
    """

    def __init__(
        self, reader: Reader, *, crop: Any = "random", symmetry: str | None = None, seed: int = 0
    ) -> None:
        if not isinstance(reader, Reader):
            raise RequestError(f"{type(reader).__name__} is no Reader; ds.reader(...) makes one")
        self.reader, self.crop, self.symmetry = reader, crop, symmetry
        self.seed = check_seed(seed)
        self._views = Views.of(reader, crop, symmetry)
        self._epoch = torch.zeros(1, dtype=torch.int64, device="cpu").share_memory_()
        self._of_worker: Reader | None = None

    def __len__(self) -> int:
        return len(self.reader)

    @property
    def epoch(self) -> int:
        """That whose crops and symmetries are read."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Read as in this epoch from now on, in every process that has this data set.

        To be called between epochs, before the DataLoader is iterated; batches that workers are
        already asked for are of either.
        """
        self._epoch.fill_(check_epoch(epoch))

    def __getitem__(self, index: Any) -> Batch[Any]:
        """One sample for a whole number; a batch for a slice or a sequence of them."""
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        if np.ndim(index):
            return self.__getitems__(index)
        return sample_of(self._read(index, shared=False))

    def __getitems__(self, index: Any) -> Batch[Any]:
        """A whole batch in one read: the hook through which DataLoader fetches one.

        In a worker process it is read into memory that the queue sends on without a copy.
        """
        return self._read(index, shared=data.get_worker_info() is not None)

    def _read(self, index: Any, shared: bool) -> Batch[Any]:
        patches = resolved(_array(index), len(self))
        origin, symmetry = self._views.drawn(patches, self.seed, self.epoch)
        return tensors.read(self._reader_here(), patches, origin, symmetry, shared)

    def _reader_here(self) -> Reader:
        """The reader, or in a worker process one like it that uses one thread."""
        threads = self.reader.settings["threads"]
        if data.get_worker_info() is None or threads or os.environ.get("CLOUDIO_THREADS"):
            return self.reader
        if self._of_worker is None:
            self._of_worker = like(self.reader, threads=1)
        return self._of_worker

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {"crop": self.crop, "symmetry": self.symmetry, "seed": self.seed}
        return _restore, (type(self), self.reader, settings, self._epoch)

    def __repr__(self) -> str:
        return (
            f"<cloudio.torch.Dataset of {len(self):,} patches: crop {self.crop}, symmetry "
            f"{self.symmetry}, seed {self.seed}, epoch {self.epoch}>\n{self.reader!r}"
        )


def _restore(
    kind: type[Dataset], reader: Reader, settings: dict[str, Any], epoch: torch.Tensor
) -> Dataset:
    dataset = kind(reader, **settings)
    # To a process being started it comes as the same memory; from a file, as memory of its own.
    dataset._epoch = epoch if epoch.is_shared() else epoch.share_memory_()
    return dataset


def collate(batch: Batch[Any] | Sequence[Batch[Any]]) -> Batch[torch.Tensor]:
    """Turn what a DataLoader fetched from a Reader or a `Dataset` into a Batch of tensors.

    For ``DataLoader(reader, collate_fn=cloudio.torch.collate)``: there a batch is one read, and
    its tensors are its arrays, not copies.  A list of samples, as a dataset that wraps a Reader
    hands on, is stacked.  A MaskedBatch stays one; bfloat16 arrays become bfloat16 tensors.
    """
    if isinstance(batch, (Batch, MaskedBatch)):
        return tensors.tensors(cast(Batch[Any], batch))
    columns = zip(*batch, strict=True)
    return type(batch[0])(*map(_stacked, columns))


def read(reader: Reader, index: Any, origin: Any = None, symmetry: Any = None) -> Batch[Any]:
    """Read a batch into new tensors; as `Reader.read`, and in bfloat16 without ml_dtypes too.

    ``index``, ``origin`` and ``symmetry`` may be tensors.
    """
    return tensors.read(reader, _array(index), _array(origin), _array(symmetry))


def _array(given: Any) -> Any:
    return given.numpy() if isinstance(given, torch.Tensor) else given


def _stacked(samples: Sequence[Any]) -> Any:
    """One tensor of as many samples: of arrays, or of numbers of patches."""
    parts = list(map(tensors.tensor, samples))
    return None if parts[0] is None else torch.stack(parts)
