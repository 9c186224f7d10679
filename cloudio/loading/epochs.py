"""The epochs of a loader: iterations over them, their samples, and states."""

import operator
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Generic

import numpy as np

from .._core.pool import Pool
from .._utils.numbers import whole_numbers
from .._utils.types import Index
from ..reading.batch import B
from ..reading.reader import Reader
from .agreement import compare_ranks
from .arguments import check_shard
from .finish import Finish
from .iteration import BatchIterator, Progress
from .memory import SampleArrays
from .prefetch import BatchSpec, IdlePools, Producer, TransferHook
from .ranks import Membership, Ranks
from .sampling.sampler import Sampler, Samples, Shard, check_epoch
from .state import VERSION, check_state, fingerprint


class Epochs(Generic[B]):
    """What a `Loader` does with its arguments: it iterates, tells samples, and keeps states."""

    reader: Reader[Any]
    batch_size: int
    shuffle: bool
    seed: int
    drop_last: bool
    even_batches: bool
    prefetch: int
    n_patches: int
    num_samples: int
    _index: np.ndarray | None
    _sampler: Sampler
    _membership: Membership
    _progress: Progress
    _idle_pools: IdlePools
    _last: Producer | None

    # ---- an epoch ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, for this rank."""
        return self._settle().n_batches(0)

    def __iter__(self) -> BatchIterator[B]:
        """Return the batches of `epoch`, from its beginning or from a loaded state's position."""
        progress = self._progress.next()
        batches: BatchIterator[B] = BatchIterator(self._start, progress)
        self._last = batches.producer
        self._progress = progress  # not before: if no thread can start, nothing has begun
        return batches

    def _start(self, progress: Progress) -> tuple[Producer, TransferHook]:
        """Return what builds the batches from ``progress`` on, and what hands them out."""
        shard = self._begin(progress)
        if self._last is not None and self._last.pool.stopped:
            self._last.join()  # its memory can be used again
        spec = BatchSpec(
            self._batch_reader,
            shard,
            partial(self._sampler.samples, epoch=progress.epoch),
            self._arrays,
            progress.position,
            self.prefetch,
            self._finish,
            self._batches_at_once,
        )
        hook = self._new_hook()
        return Producer(spec, self._take_pool(), self._idle_pools, progress.epoch, hook), hook

    @property
    def epoch(self) -> int:
        """The epoch of the last iteration; once that has ended, the next epoch."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration this epoch, and the last one if no batch of it was taken.

        Parameters
        ----------
        epoch : int
            From 0 on.  The iteration begins at the beginning, or at the position of a loaded state.
        """
        epoch = check_epoch(epoch)
        if epoch != self.epoch or self._progress.begun:
            self._move(Progress(epoch, 0))

    def _move(self, progress: Progress) -> None:
        """Go on from ``progress``: in the next iteration, and in one that was only prepared."""
        self._progress.moved_to = progress
        self._progress = progress

    def samples(self, positions: Index, epoch: int | None = None) -> Samples:
        """Return what the loader draws for some positions of an epoch.

        Parameters
        ----------
        positions : int or sequence of int
            Positions of the epoch over all ranks, in any order; all cost the same.
        epoch : int, optional
            By default `epoch`.

        Returns
        -------
        Samples
            A named tuple (index, origin, symmetry): ``reader.read(*samples)`` reads them.

        Raises
        ------
        IndexError
            If there is no such position.
        """
        positions = whole_numbers("positions", positions).reshape(-1)
        epoch = self.epoch if epoch is None else check_epoch(epoch)
        if len(positions) and not (positions.min() >= 0 and positions.max() < self.num_samples):
            raise IndexError(
                f"positions {positions.min()}..{positions.max()}; "
                f"an epoch has positions 0..{self.num_samples - 1}"
            )
        return self._sampler.samples(positions, epoch)

    def samples_of(self, batch: int, epoch: int | None = None) -> Samples:
        """Return what the loader draws for one batch of this rank.

        Parameters
        ----------
        batch : int
            The number of the batch in a whole epoch.
        epoch : int, optional
            By default `epoch`.

        Returns
        -------
        Samples
            A named tuple (index, origin, symmetry): ``reader.read(*samples)`` reads them.

        Raises
        ------
        IndexError
            If there is no such batch.
        """
        shard = self._shard
        n_batches = shard.n_batches(0)
        if not 0 <= operator.index(batch) < n_batches:
            which = f"batches 0..{n_batches - 1}" if n_batches else "no batches for this rank"
            raise IndexError(f"batch {batch}; an epoch has {which}")
        first = batch * self.batch_size
        last = min(first + self.batch_size, shard.n_samples(0))
        return self.samples(shard.positions(0, np.arange(first, last)), epoch)

    # ---- ranks -------------------------------------------------------------------------------

    @property
    def rank(self) -> int:
        """The number of this process among those that share an epoch."""
        return self._membership.current.rank

    @property
    def world_size(self) -> int:
        """How many processes share an epoch."""
        return self._membership.current.world_size

    @property
    def _shard(self) -> Shard:
        """The positions of this rank."""
        return self._shard_of(self._membership.current)

    def _shard_of(self, ranks: Ranks) -> Shard:
        size, drop_last, even = self.batch_size, self.drop_last, self.even_batches
        return Shard(self.num_samples, size, drop_last, ranks.rank, ranks.world_size, even)

    def _n_batches_of(self, ranks: Ranks) -> int:
        shard = self._shard_of(ranks)
        check_shard(shard, self.n_patches)
        return shard.n_batches(0)

    def _settle(self, begin: bool = False) -> Shard:
        """Return the positions of this rank, from now on."""
        return self._shard_of(self._membership.settle(self._n_batches_of, begin))

    def _begin(self, progress: Progress) -> Shard:
        """Return the positions of this rank, for an iteration; ranks are compared before any."""
        membership = self._membership
        if not membership.begun:
            compare_ranks(membership, membership.settle(self._n_batches_of), self, progress)
        return self._settle(begin=True)

    # ---- states ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, int]:
        """Return the position of the last iteration, after the batches that it has handed out.

        Returns
        -------
        dict of str to int
            The same in every rank.  A loader of the same data, seed and shuffling continues from
            there, with any batch size, number of ranks, crop and symmetry.  Data are the same if
            layout, subset and index are, and each split's number of patches and metadata.csv (its
            name, if it has none); pixels are not compared.
        """
        return {
            "version": VERSION,
            "seed": self.seed,
            "shuffle": int(self.shuffle),
            "patches": self.n_patches,
            "data": self._fingerprint,
            **self._sampler.order.settings,
            "epoch": self._progress.epoch,
            "position": self._progress.position,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Make the next iteration continue at the position of a state.

        So does the last iteration, if no batch of it was taken.

        Parameters
        ----------
        state : mapping of str to int
            From `state_dict`.  An iteration of which a batch was taken is not changed.

        Raises
        ------
        RequestError
            If the state belongs to other data, another seed or another version; it names the
            difference.
        """
        self._move(Progress(*check_state(state, self.state_dict(), self.num_samples)))

    @cached_property
    def _fingerprint(self) -> int:
        return fingerprint(self.reader.dataset, self._index)

    # ---- what a loader has ----------------------------------------------------------------------

    @property
    @abstractmethod
    def _batch_reader(self) -> Reader[Any]:
        """The reader of the batches: `reader`, or one of the same patches."""

    @property
    @abstractmethod
    def _arrays(self) -> SampleArrays:
        """Shape and type of image, label and mask of one sample."""

    @property
    @abstractmethod
    def _batches_at_once(self) -> int:
        """How many batches one read builds."""

    @property
    @abstractmethod
    def _finish(self) -> Finish | None:
        """What is done to each batch after its read; None is nothing."""

    @abstractmethod
    def _take_pool(self) -> Pool:
        """Return memory for an iteration."""

    @abstractmethod
    def _new_hook(self) -> TransferHook:
        """Return what hands the batches of an iteration to the caller."""
