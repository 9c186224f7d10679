"""Epochs of batches: their order, the part of a rank, and the position to begin at.

sampling.py draws the samples, prefetch.py builds the batches, iteration.py hands them out.
"""

import contextlib
import math
import operator
import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from queue import SimpleQueue
from typing import Any, Generic

import numpy as np

from .._core.pool import Pool
from .._utils.numbers import check_bool, check_whole, whole_numbers
from .._utils.types import Crop, Index, Symmetries
from ..errors import RequestError
from ..reading.batch import B
from ..reading.indexing import resolve_index_or_mask
from ..reading.outputs import allocate_aligned, allocate_image
from ..reading.reader import Reader, check_reader
from .augmentation import Augmentation
from .iteration import BatchIterator, Progress
from .prefetch import BatchSpec, IdlePools, Producer, TransferHook
from .sampling import Sampler, Samples, Shard, check_epoch, check_seed
from .state import VERSION, check_state, fingerprint

_UINT8 = np.dtype(np.uint8)
_FIXED = (
    "reader", "batch_size", "shuffle", "seed", "crop", "symmetry", "drop_last", "rank",
    "world_size", "prefetch", "n_patches",
)  # fmt: skip


class Loader(Generic[B]):
    """Iterates over epochs of batches: shuffled, cropped, flipped, and built in the background.

    Each ``for batch in loader`` is one epoch, and the next loop is the next epoch.  A loop that
    stops before its last batch does not finish the epoch; the next loop starts it again.

    Parameters
    ----------
    reader : Reader
        What to read from each patch.
    batch_size : int
        Patches per batch.
    shuffle : bool
        True: the order depends on ``seed`` and the epoch.  False: the order of ``index``.
    seed : int
        From 0 to 2**64 - 1.
    crop : "random", "center" or (row, col)
        "random": any origin inside the valid window; along an axis where the reader's size is
        larger than it, any origin around it.  "center": the reader's own origin.  (row, col): this
        origin.
    symmetry : {"d4", "flip", None}
        Random flips and rotations: "d4" one of all eight, "flip" one of the four without quarter
        turns.
    drop_last : bool
        Whether to drop the last batch if it is not full, and patches that do not divide among the
        ranks.
    index : sequence of int or bool array, optional
        The patches of the reader to load, numbers or a mask.  By default all.  Repeats of a patch
        have the same crop and symmetry in an epoch.
    rank, world_size : int
        This process is number ``rank`` of ``world_size``, and takes every ``world_size``-th
        position. Every rank has the same number of samples: without ``drop_last`` the last ones are
        filled with patches from the beginning of the epoch.
    prefetch : int
        Batches that a thread builds ahead; it also prefetches the pages of the batch after them.  0
        builds each batch when it is requested.
    allocate : callable, optional
        A function that takes a number of bytes and returns a writable buffer, such as shared
        memory, for batches.  The loader's thread calls it.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    Crop and symmetry of a patch depend only on seed, epoch and its number in the reader, so they
    are the same for any batch size, number of ranks and threads, ``prefetch`` and ``io``.

    Batches reuse the memory of earlier batches that are no longer in use.  At most
    ``prefetch`` of them, at least one, are free or in progress.  ``batch.image.base.memory`` is
    the buffer that ``allocate`` returned.  It is reused when the batch is gone, even if something
    else refers to the buffer.

    Threads may share a loader.  Each iteration belongs to one thread at a time, in the process that
    began it; several iterations at once are a whole epoch each.  A loader pickles with its state.
    """

    def __init__(
        self,
        reader: Reader[B],
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        crop: Crop = "random",
        symmetry: Symmetries = None,
        drop_last: bool = False,
        index: Index | None = None,
        rank: int = 0,
        world_size: int = 1,
        prefetch: int = 2,
        allocate: Callable[[int], Any] | None = None,
    ) -> None:
        check_reader(reader)
        self.reader: Reader[Any] = reader
        self.batch_size = _count("batch_size", batch_size, 1)
        self.shuffle = check_bool("shuffle", shuffle)
        self.drop_last = check_bool("drop_last", drop_last)
        self.seed = check_seed(seed)
        augmentation = Augmentation.parse(reader, crop, symmetry)
        # The caller may change a list.
        self.crop = crop if isinstance(crop, str) else augmentation.first_origin
        self.symmetry: Symmetries = symmetry
        self._index = None if index is None else resolve_index_or_mask(index, len(reader))
        if self._index is not None and np.array_equal(self._index, np.arange(len(reader))):
            self._index = None
        self.n_patches = len(reader) if self._index is None else len(self._index)
        if self.n_patches == 0:
            raise RequestError("there are no patches to load; the data set or index is empty")
        self._sampler = Sampler(self.n_patches, self.shuffle, self.seed, self._index, augmentation)
        self.world_size = _count("world_size", world_size, 1)
        if self.world_size > self.n_patches:
            raise RequestError(
                f"world_size={world_size}, but there are only {self.n_patches} patches"
            )
        self.rank = _count("rank", rank, 0)
        if self.rank >= self.world_size:
            raise RequestError(
                f"rank={rank}; with world_size={self.world_size} rank must be "
                f"0..{self.world_size - 1}"
            )
        self._shard = Shard(
            self.n_patches, self.batch_size, self.drop_last, self.rank, self.world_size
        )
        if len(self) == 0:
            raise RequestError(
                f"drop_last=True leaves no batch: {self.n_patches} patches, batch_size="
                f"{batch_size}, world_size={self.world_size}; use a smaller batch_size"
            )
        self.prefetch = _count("prefetch", prefetch, 0)
        if allocate is not None and not callable(allocate):
            raise RequestError(
                f"allocate={allocate!r}; allocate must be a function that takes a number of bytes"
            )
        self._allocate = allocate
        self._arrays = self._sample_arrays()
        self._progress = Progress(0, 0)
        self._idle_pools: IdlePools = []
        self._last: Producer | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in self.__dict__:
            raise AttributeError(f"{name} cannot be changed; make another loader")
        super().__setattr__(name, value)

    # ---- an epoch ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, for this rank."""
        return self._shard.n_batches(0)

    def __iter__(self) -> BatchIterator[B]:
        """Return the batches of `epoch`, from its beginning or from a loaded state's position."""
        progress = self._progress.next()
        if self._last is not None and self._last.pool.stopped:
            self._last.join()  # its memory can be used again
        spec = BatchSpec(
            self._batch_reader,
            self._shard,
            partial(self._sampler.samples, epoch=progress.epoch),
            self._arrays,
            progress.position,
            self.prefetch,
        )
        batches: BatchIterator[B] = BatchIterator(
            spec, self._take_pool(), self._idle_pools, progress, self._new_hook()
        )
        self._last = batches.producer
        self._progress = progress  # not before: if no thread can start, nothing has begun
        return batches

    @property
    def epoch(self) -> int:
        """The epoch of the last iteration; once that has ended, the next epoch."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration this epoch.

        Parameters
        ----------
        epoch : int
            From 0 on.  The iteration begins at the beginning, or at the position of a loaded state.
        """
        epoch = check_epoch(epoch)
        if epoch != self.epoch or self._progress.done:
            self._progress = Progress(epoch, 0)

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
        if len(positions) and not (positions.min() >= 0 and positions.max() < self.n_patches):
            raise IndexError(
                f"positions {positions.min()}..{positions.max()}; "
                f"an epoch has positions 0..{self.n_patches - 1}"
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
        if not 0 <= operator.index(batch) < len(self):
            raise IndexError(f"batch {batch}; an epoch has batches 0..{len(self) - 1}")
        first = batch * self.batch_size
        last = min(first + self.batch_size, self._shard.n_samples(0))
        return self.samples(self._shard.positions(0, np.arange(first, last)), epoch)

    # ---- memory ------------------------------------------------------------------------------

    def _sample_arrays(self) -> list[tuple[tuple[int, ...], np.dtype[Any]] | None]:
        """Return shape and type of image, label and mask; None for what the reader lacks."""
        reader = self._batch_reader
        label = None if reader.label_shape is None else (reader.label_shape, reader.label_dtype)
        return [
            (reader.image_shape, self._image_dtype()),
            label,
            (reader.size, _UINT8) if reader.valid else None,
        ]

    def _take_pool(self) -> Pool:
        """Return an idle pool of this process, or a new one.

        Without a thread iterations share one pool, which stays among the idle ones.
        """
        pool = None
        with contextlib.suppress(IndexError):
            while pool is None:
                process, idle = self._idle_pools.pop()
                # The parent's memory may be shared with it, and the parent still uses it.
                pool = idle if process == os.getpid() else None
        if pool is None:
            n_samples = min(self.batch_size, self._shard.n_samples(0))
            sizes = [
                n_samples * math.prod(array[0]) * array[1].itemsize
                for array in self._arrays
                if array is not None
            ]
            pool = self._new_pool(sizes, max(self.prefetch, 1))
        if self.prefetch == 0:
            self._idle_pools.append((os.getpid(), pool))
        return pool

    # ---- for subclasses to override ------------------------------------------------------------

    @property
    def _batch_reader(self) -> Reader[Any]:
        """The reader of the batches: `reader`, or one of the same patches."""
        return self.reader

    def _image_dtype(self) -> np.dtype[Any]:
        """Return the type of images; RequestError if numpy lacks it."""
        return allocate_image((0,), self.reader.dtype_name).dtype

    def _new_pool(self, sizes: list[int], capacity: int) -> Pool:
        return Pool(sizes, capacity, partial(_allocate, self._allocate), SimpleQueue())

    def _new_hook(self) -> TransferHook:
        return TransferHook()

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
            "epoch": self._progress.epoch,
            "position": self._progress.position,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Make the next iteration continue at the position of a state.

        Parameters
        ----------
        state : mapping of str to int
            From `state_dict`.  Iterations that have begun are not changed.

        Raises
        ------
        RequestError
            If the state belongs to other data, another seed or another version; it names the
            difference.
        """
        epoch, position = check_state(state, self.state_dict())
        self._progress = Progress(epoch, position, loaded=True)

    @cached_property
    def _fingerprint(self) -> int:
        return fingerprint(self.reader.dataset, self._index)

    def __getstate__(self) -> dict[str, Any]:
        progress = Progress(self._progress.epoch, self._progress.position, loaded=True)
        state = {**vars(self), "_idle_pools": [], "_last": None, "_progress": progress}
        state.pop("_fingerprint", None)  # of the files as they are here
        return state

    def __repr__(self) -> str:
        rank = f", rank {self.rank} of {self.world_size}" if self.world_size > 1 else ""
        order = f"shuffled by {self.seed}" if self.shuffle else "in order"
        return (
            f"<cloudio.{type(self).__name__} of {self.n_patches:,} patches {order}: "
            f"{len(self):,} batches of {self.batch_size}{rank}, crop {self.crop}, symmetry "
            f"{self.symmetry}, epoch {self.epoch}>\n{self.reader!r}"
        )


def _allocate(allocate: Callable[[int], Any] | None, n_bytes: int) -> Any:
    """Return memory of the caller's function, checked, or our own if that is None."""
    if allocate is None:
        return allocate_aligned((n_bytes,), _UINT8)
    try:
        memory = allocate(n_bytes)
    except StopIteration as error:  # it would end the epoch without a message
        raise RuntimeError("allocate raised StopIteration") from error
    try:
        view = memoryview(memory)
        got = f"{'read-only, ' if view.readonly else ''}{view.nbytes} bytes"
        fits = view.c_contiguous and not view.readonly and view.nbytes >= n_bytes
    except TypeError:
        got, fits = type(memory).__name__, False
    if not fits:
        raise RequestError(
            f"allocate({n_bytes}) returned {got}; it must return at least {n_bytes} writable, "
            "contiguous bytes"
        )
    return memory


def _count(what: str, value: Any, least: int) -> int:
    needed = f"a whole number, {least} or more"
    return check_whole(what, value, least, 2**31 - 1, needed=needed)
