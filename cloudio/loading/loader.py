"""Epochs of batches: what is loaded in which order, by whom, and from where on.

What is drawn is sampling.py's, how batches are built ahead prefetch.py's, a batch reader.py's.
"""

import contextlib
import hashlib
import math
import operator
import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from .._core.pool import Pool
from .._utils.numbers import check_bool, check_whole, is_whole, whole_numbers
from ..errors import RequestError
from ..reading.indexing import resolve_index_or_mask
from ..reading.outputs import allocate_aligned, allocate_image
from ..reading.reader import Reader, check_reader
from ..storage.discovery import METADATA_CSV
from .prefetch import BatchIterator, BatchSpec, Pools, Producer, Progress, TransferHook
from .sampling import Augmentation, Sampler, Samples, Shard, check_epoch, check_seed

# Of what a state holds.
VERSION = 1
_UINT8 = np.dtype(np.uint8)
_DECIDED = (
    "reader", "batch_size", "shuffle", "seed", "crop", "symmetry", "drop_last", "rank",
    "world_size", "prefetch", "n_patches",
)  # fmt: skip


class Loader:
    """Epochs of batches, shuffled, cropped, turned, and read ahead in the background.

    ``for batch in loader`` is one epoch, and the next such loop the next: `epoch` counts.  A loop
    that is left before its last batch begins the same epoch anew.
    ``batch_size`` patches of ``reader`` a batch.  ``shuffle``: in an order that ``seed`` (0 to
    2**64 - 1) and the epoch give; else as ``index`` has them.  ``crop``: ``"random"``, any origin
    inside the valid window (around it, along an axis where the reader's size exceeds it);
    ``"center"``, the reader's own; or (row, col), the same for all.  ``symmetry``: ``"d4"``, one of
    the eight; ``"flip"``, one of the four without quarter turns; or None.  Crop and symmetry of a
    patch depend on seed, epoch and its number in the reader alone, so that what is read of it is
    the same for any batch size, number of ranks and threads, depth and engine.

    ``index``: which patches of the reader, numbers or a mask; None is all.  A patch that it repeats
    is seen alike in one epoch.  ``rank`` of ``world_size`` processes takes every ``world_size``-th
    position, as many in each: patches from the beginning of the epoch fill up the last ones, or
    with ``drop_last`` those that are left over, and a batch that is not full, are dropped.

    ``prefetch``: batches that are built ahead by a thread of the loader's; their pages, and those
    of the batch after them, are asked for ahead.  0 builds each when it is asked for.  Batches are
    built in memory of batches that nobody holds any more, and at most ``prefetch`` of them (at
    least one) are free or under way.  ``allocate``: what makes that memory, of a number of bytes:
    any writable buffer, for example one that other processes see; it is then ``.memory`` of
    ``batch.image.base``, and used again once the batch is gone, whoever holds that.  It is called
    in the loader's thread.

    Threads may share a loader; each iteration is for one thread at a time, in the process that
    began it, and iterations at once are whole ones each.  It pickles with its state.  RequestError
    where any of this cannot be had.
    """

    def __init__(
        self,
        reader: Reader,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        crop: Any = "random",
        symmetry: str | None = None,
        drop_last: bool = False,
        index: Any = None,
        rank: int = 0,
        world_size: int = 1,
        prefetch: int = 2,
        allocate: Callable[[int], Any] | None = None,
    ) -> None:
        check_reader(reader)
        self.reader = reader
        self.batch_size = _count("batch_size", batch_size, 1)
        self.shuffle = check_bool("shuffle", shuffle)
        self.drop_last = check_bool("drop_last", drop_last)
        self.seed = check_seed(seed)
        views = Augmentation.parse(reader, crop, symmetry)
        # A list of the caller's may change.
        self.crop = crop if isinstance(crop, str) else views.corner
        self.symmetry = symmetry
        self._index = None if index is None else resolve_index_or_mask(index, len(reader))
        if self._index is not None and np.array_equal(self._index, np.arange(len(reader))):
            self._index = None
        self.n_patches = len(reader) if self._index is None else len(self._index)
        if self.n_patches == 0:
            raise RequestError("there are no patches to load")
        self._sampler = Sampler(self.n_patches, self.shuffle, self.seed, self._index, views)
        self.world_size = _count("world_size", world_size, 1)
        if self.world_size > self.n_patches:
            raise RequestError(f"world_size={world_size}, but there are {self.n_patches} patches")
        self.rank = _count("rank", rank, 0)
        if self.rank >= self.world_size:
            raise RequestError(f"rank={rank}; 0..{self.world_size - 1} are needed")
        self._shard = Shard(
            self.n_patches, self.batch_size, self.drop_last, self.rank, self.world_size
        )
        if len(self) == 0:
            raise RequestError(
                f"drop_last=True leaves none of {self.n_patches} patches: batch_size="
                f"{batch_size}, world_size={self.world_size}"
            )
        self.prefetch = _count("prefetch", prefetch, 0)
        if allocate is not None and not callable(allocate):
            raise RequestError(f"allocate={allocate!r}; a function of a number of bytes is needed")
        self._allocate = allocate
        self._arrays = self._arrays_of_a_sample()
        self._progress = Progress(0, 0)
        self._pools: Pools = []
        self._last: Producer | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _DECIDED and name in self.__dict__:
            raise AttributeError(f"{name} is decided when a loader is made; make another")
        super().__setattr__(name, value)

    # ---- an epoch ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Batches of a whole epoch, for this rank."""
        return self._shard.n_batches(0)

    def __iter__(self) -> BatchIterator[np.ndarray]:
        """The batches of `epoch`, from its beginning, or from where a loaded state has it."""
        at = self._progress.of_next()
        if self._last is not None and self._last.pool.stopped:
            self._last.join()  # its memory is to be used again
        work = BatchSpec(
            self._source,
            self._shard,
            partial(self._sampler.samples, epoch=at.epoch),
            self._arrays,
            at.position,
            self.prefetch,
        )
        batches: BatchIterator[np.ndarray] = BatchIterator(
            work, self._pool(), self._pools, at, self._hook()
        )
        self._last = batches.producer
        self._progress = at  # not before: where no thread can be had, nothing has begun
        return batches

    @property
    def epoch(self) -> int:
        """That of the iteration begun last; once it has ended, the next."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its beginning or from where a state has it."""
        epoch = check_epoch(epoch)
        if epoch != self.epoch or self._progress.done:
            self._progress = Progress(epoch, 0)

    def samples(self, positions: Any, epoch: int | None = None) -> Samples:
        """What is drawn for these positions of an epoch, of all ranks, in any order.

        Of `epoch` where none is given.  Position k costs the same wherever it is.  IndexError where
        there is no such position.
        """
        where = whole_numbers("positions", positions).reshape(-1)
        epoch = self.epoch if epoch is None else check_epoch(epoch)
        if len(where) and not (where.min() >= 0 and where.max() < self.n_patches):
            raise IndexError(
                f"positions {where.min()}..{where.max()}; an epoch has 0..{self.n_patches - 1}"
            )
        return self._sampler.samples(where, epoch)

    def samples_of(self, batch: int, epoch: int | None = None) -> Samples:
        """What batch k of this rank holds in a whole epoch; IndexError where there is none."""
        if not 0 <= operator.index(batch) < len(self):
            raise IndexError(f"batch {batch}; an epoch has 0..{len(self) - 1}")
        first = batch * self.batch_size
        last = min(first + self.batch_size, self._shard.n_samples(0))
        return self.samples(self._shard.positions(0, np.arange(first, last)), epoch)

    def _arrays_of_a_sample(self) -> list[tuple[tuple[int, ...], np.dtype[Any]] | None]:
        """Shape and type of image, label and mask; None for what the reader has not."""
        reader = self._source
        label = None if reader.label_shape is None else (reader.label_shape, reader.label_dtype)
        return [
            (reader.image_shape, self._image_dtype()),
            label,
            (reader.size, _UINT8) if reader.valid else None,
        ]

    def _pool(self) -> Pool:
        """One of this process that nobody uses, or without a thread, anybody; or a new one."""
        pool = None
        with contextlib.suppress(IndexError):
            while pool is None:
                process, kept = self._pools.pop()
                # Memory of the parent may be shared with it, and it uses it too.
                pool = kept if process == os.getpid() else None
        if pool is None:
            most = min(self.batch_size, self._shard.n_samples(0))
            sizes = [
                most * math.prod(array[0]) * array[1].itemsize
                for array in self._arrays
                if array is not None
            ]
            pool = self._new_pool(sizes, max(self.prefetch, 1))
        if self.prefetch == 0:
            self._pools.append((os.getpid(), pool))
        return pool

    # ---- for other packages' loaders to decide -------------------------------------------------

    @property
    def _source(self) -> Reader:
        """Who reads the batches: `reader`, or one of the same patches."""
        return self.reader

    def _image_dtype(self) -> np.dtype[Any]:
        """The type of what is read; RequestError where numpy has none of that name."""
        return allocate_image((0,), self.reader.dtype_name).dtype

    def _new_pool(self, sizes: list[int], most: int) -> Pool:
        return Pool(sizes, most, partial(_memory, self._allocate), SimpleQueue())

    def _hook(self) -> TransferHook:
        return TransferHook()

    # ---- states ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, int]:
        """Where the iteration begun last is: after the batches that it has handed out.

        Whole numbers alone, the same in every rank.  A loader of the same data, seed and shuffling
        continues from there, with any batch size, number of ranks, crop and symmetry.  Data are
        the same if layout, each split's metadata.csv (its name, where it has none) and number of
        patches, subset and index are; pixels are not compared.
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
        """Let the next iteration continue where `state_dict` was asked for.

        RequestError, naming the difference, where the state is of other data, another seed or
        another version.  An iteration under way goes on unchanged.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or not is_whole(state.get("version")):
            raise RequestError(f"{state!r} is no state of a loader")
        if state["version"] != VERSION:
            raise RequestError(
                f"the state is of version {state['version']}; this cloudio reads {VERSION}"
            )
        if state.keys() != own.keys() or not all(map(is_whole, state.values())):
            raise RequestError(f"{state!r} is no state of a loader: {', '.join(own)} are needed")
        for name in ("seed", "shuffle", "patches"):
            if state[name] != own[name]:
                raise RequestError(
                    f"the state has {name}={state[name]}, this loader {name}={own[name]}"
                )
        if state["data"] != own["data"]:
            raise RequestError(
                f"the state is not of these {own['patches']} patches in this order: layout, "
                "splits, metadata.csv, subset or index differ"
            )
        epoch, position = check_epoch(state["epoch"]), state["position"]
        if not 0 <= position <= self.n_patches:
            raise RequestError(f"position={position} of {self.n_patches} patches")
        self._progress = Progress(epoch, int(position), loaded=True)

    @cached_property
    def _fingerprint(self) -> int:
        """Of which patches these are: by metadata or name of their splits, and by numbers."""
        ds = self.reader.dataset
        digest = hashlib.blake2b(f"{ds.layout.name} {ds.layout.patch}".encode(), digest_size=8)
        for name, which in ds.splits.items():
            table = ds.folders[name] / METADATA_CSV
            told = table.read_bytes() if table.exists() else name.encode()
            digest.update(hashlib.blake2b(told).digest() + len(which).to_bytes(8, "little"))
        if ds.is_subset or self._index is not None:
            index = np.arange(len(self.reader)) if self._index is None else self._index
            stored = ds.stored_index(index.copy()) if ds.is_subset else index
            digest.update(stored.astype("<i8").tobytes())
        return int.from_bytes(digest.digest(), "little") >> 1

    # ---- as a thing --------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        at = self._progress
        continued = Progress(at.epoch, at.position, loaded=True)
        state = {**vars(self), "_pools": [], "_last": None, "_progress": continued}
        state.pop("_fingerprint", None)  # of files as they were here
        return state

    def __repr__(self) -> str:
        rank = f", rank {self.rank} of {self.world_size}" if self.world_size > 1 else ""
        order = f"shuffled by {self.seed}" if self.shuffle else "in order"
        return (
            f"<cloudio.{type(self).__name__} of {self.n_patches:,} patches {order}: "
            f"{len(self):,} batches of {self.batch_size}{rank}, crop {self.crop}, symmetry "
            f"{self.symmetry}, epoch {self.epoch}>\n{self.reader!r}"
        )


def _memory(allocate: Callable[[int], Any] | None, n_bytes: int) -> Any:
    if allocate is None:
        return allocate_aligned((n_bytes,), _UINT8)
    try:
        memory = allocate(n_bytes)
    except StopIteration as error:  # which would end the epoch without a word
        raise RuntimeError("allocate raised StopIteration") from error
    try:
        view = memoryview(memory)
        got = f"{'read-only, ' if view.readonly else ''}{view.nbytes} bytes"
        fits = view.c_contiguous and not view.readonly and view.nbytes >= n_bytes
    except TypeError:
        got, fits = type(memory).__name__, False
    if not fits:
        raise RequestError(
            f"allocate({n_bytes}) gave {got}; that many are needed, writable and in one piece"
        )
    return memory


def _count(what: str, given: Any, least: int) -> int:
    needed = f"a whole number from {least} on"
    return check_whole(what, given, least, 2**31 - 1, needed=needed)
