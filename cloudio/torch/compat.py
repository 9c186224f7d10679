"""What training code asks of a torch DataLoader, for `Loader`: its data set, samplers and collate.

accelerate's ``skip_first_batches`` makes a DataLoader of these.  Its batches are the loader's own:
the batch sampler has a ticket for each, and the data set exchanges them for batches.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from torch.utils import data

from ..errors import RequestError
from ..loading.iteration import Progress
from ..loading.loader import Loader
from ..reading.arguments.indexing import resolve_index
from ..reading.samples import SampleList, sample_of
from .collate import collate
from .tensors import NamedReads

_DRAWN_AT_ONCE = 1024


class DrawnPlace(int):
    """The number of a patch in a `LoaderDataset`, with the epoch and repetition of its draw."""

    epoch: int
    repetition: int


class LoaderDataset(data.Dataset):
    """The patches of a loader as a map-style data set: one sample of each, cropped as in its epoch.

    Samples have the loader's ``keys``.  There are no metadata columns of ``columns``, the loader's
    transform is not called, and tensors are on the CPU.
    """

    def __init__(self, loader: Loader[Any]) -> None:
        self._loader = loader
        self._read_batch = NamedReads(loader.reader, loader._keys)

    def __len__(self) -> int:
        return self._loader.n_patches

    def set_epoch(self, epoch: int) -> None:
        """Set the loader's epoch."""
        self._loader.set_epoch(epoch)

    def __getitem__(self, index: Any) -> Any:
        """Return one sample for a whole number, and a batch for a slice or a sequence of them."""
        if isinstance(index, slice):
            return self._read(range(*index.indices(len(self))))
        batch = self._read([index] if isinstance(index, int) else index)
        return batch if np.ndim(index) else sample_of(batch, 0, self._read_batch.index_key)

    def __getitems__(self, index: Any) -> Any:
        """Return samples that share one batch, or what `collate_fn` makes one of."""
        if isinstance(index, Ticket):
            return _Done(index.exchange())
        return SampleList(self._read(index), self._read_batch.index_key)

    def _read(self, index: Any) -> Any:
        loader = self._loader
        drawn = index if isinstance(index, list) else []
        numbers = resolve_index(index, len(self))
        epochs = {getattr(number, "epoch", loader.epoch) for number in drawn}
        if len(epochs) > 1:
            raise RequestError(
                f"a batch has samples of the epochs {sorted(epochs)}; it can have one"
            )
        repetition = np.array([getattr(number, "repetition", 0) for number in drawn], np.int64)
        sampler = loader._sampler
        patches = numbers if sampler.index is None else sampler.index[numbers]
        origin, symmetry = sampler.augmentation.draw(
            patches,
            loader.seed,
            epochs.pop() if epochs else loader.epoch,
            repetition if drawn else None,
        )
        shared = data.get_worker_info() is not None
        return self._read_batch(patches, origin, symmetry, shared)


class LoaderSampler(data.Sampler):
    """The order of a loader's epoch: for this rank, the numbers of patches in `Loader.dataset`."""

    def __init__(self, loader: Loader[Any]) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return self._loader._shard.n_samples(0)

    @property
    def epoch(self) -> int:
        """The loader's epoch."""
        return self._loader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the loader's epoch, which its next iteration reads."""
        self._loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[DrawnPlace]:
        loader, epoch = self._loader, self._loader.epoch
        for first in range(0, len(self), _DRAWN_AT_ONCE):
            numbers = np.arange(first, min(first + _DRAWN_AT_ONCE, len(self)))
            positions = loader._shard.positions(0, numbers)
            places, repetitions = loader._sampler.order.places(positions, epoch)
            for k, place in enumerate(places.tolist()):
                drawn = DrawnPlace(place)
                drawn.epoch = epoch
                drawn.repetition = 0 if repetitions is None else int(repetitions[k])
                yield drawn


class OrderedLoaderSampler(LoaderSampler, data.SequentialSampler):
    """That of a loader that does not shuffle: programs look for a sampler of this class."""

    def __init__(self, loader: Loader[Any]) -> None:
        super().__init__(loader)
        self.data_source = LoaderDataset(loader)


def sampler_of(loader: Loader[Any]) -> LoaderSampler:
    """Return the sampler that a loader shows."""
    return LoaderSampler(loader) if loader.shuffle else OrderedLoaderSampler(loader)


class LoaderBatches:
    """The batches of a loader's next iteration, as tickets that its data set exchanges."""

    def __init__(self, loader: Loader[Any]) -> None:
        self._loader = loader
        self.batch_size, self.drop_last = loader.batch_size, loader.drop_last

    def __len__(self) -> int:
        return self._loader._shard.n_batches(self._loader._progress.next().position)

    def set_epoch(self, epoch: int) -> None:
        """Set the loader's epoch; transformers calls this for the batches that it skips some of."""
        self._loader.set_epoch(epoch)

    def __iter__(self) -> Iterator["Ticket"]:
        exchange = _Exchange(self._loader, len(self))
        for number in range(exchange.n_batches):
            yield Ticket(number, exchange)
        exchange.end()


class _Exchange:
    """One iteration of the loader, which begins with the first ticket that is exchanged."""

    def __init__(self, loader: Loader[Any], n_batches: int) -> None:
        self._loader, self.n_batches = loader, n_batches
        self._batches: Iterator[Any] | None = None
        self._n_taken = 0

    def batch(self, number: int) -> Any:
        loader = self._loader
        if data.get_worker_info() is not None:
            raise RequestError("the batches of a cloudio loader need num_workers=0")
        if self._batches is None:
            start = loader._progress.next()
            position = loader._shard.position(start.position, number)
            loader._progress = Progress(start.epoch, position)
            self._batches, self._n_taken = iter(loader), number
        if number != self._n_taken:
            raise RequestError(_SHARED)
        self._n_taken += 1
        return next(self._batches)

    def end(self) -> None:
        """End the epoch, as the end of a loop over the loader does."""
        if self._batches is None:
            self._loader._progress = Progress(self._loader._progress.next().epoch + 1, 0)
        elif self._n_taken == self.n_batches:
            next(self._batches, None)


_SHARED = (
    "these batches come from a cloudio loader, in turn; they cannot be shared among processes, "
    "changed or reordered. The loader of each rank has its share already: do not prepare it"
)


class Ticket:
    """Stands for a batch of the loader; only its data set can exchange it."""

    def __init__(self, number: int, exchange: _Exchange) -> None:
        self._number, self._exchange = number, exchange

    def exchange(self) -> Any:
        return self._exchange.batch(self._number)

    def __iter__(self) -> Iterator[int]:
        raise RequestError(_SHARED)

    def __len__(self) -> int:
        raise RequestError(_SHARED)


class _Done(NamedTuple):
    """A finished batch on its way through a DataLoader."""

    batch: Any


def collate_done(batch: Any) -> Any:
    """Return a finished batch as it is; collate anything else."""
    return batch.batch if isinstance(batch, _Done) else collate(batch)
