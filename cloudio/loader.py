"""Batches of an epoch, read ahead of who takes them, in an order that can be repeated.

What is drawn is draws.py's, one batch is reader.py's, and memory _pool's; here is when.
"""

import contextlib
import hashlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from ._pool import Pool
from .draws import Views, check_epoch, check_seed, shuffled
from .errors import RequestError
from .reader import Batch, Reader
from .request import aligned, allocate_image, choice, is_whole, picks

# Of what a state holds.
VERSION = 1
# Samples that are drawn at once: arithmetic on few numbers costs as much.
_DRAWN = 1024
_UINT8 = np.dtype(np.uint8)


class Samples(NamedTuple):
    """What a loader draws for positions of an epoch: ``reader.read(*samples)`` reads them.

    ``index``: the patches.  ``origin``: (n, 2), or None where the reader's own is meant.
    ``symmetry``: (n,), or None.
    """

    index: np.ndarray  # type: ignore[assignment]  # a tuple's method gives way
    origin: np.ndarray | None
    symmetry: np.ndarray | None


class _Array(NamedTuple):
    """Of one sample, an array's shape and type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Loader:
    """Epochs of batches, shuffled, cropped, turned, and read ahead in the background.

    ``for batch in loader`` is one epoch, and the next such loop the next: `epoch` counts.
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
    any writable buffer, for example one that other processes see; it is ``.memory`` of what
    ``batch.image.base`` is then.

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
        if not isinstance(reader, Reader):
            raise RequestError(f"{type(reader).__name__} is no Reader; ds.reader(...) makes one")
        self.reader = reader
        self.batch_size = _count("batch_size", batch_size, 1)
        self.shuffle, self.drop_last = choice("shuffle", shuffle), choice("drop_last", drop_last)
        self.seed = check_seed(seed)
        self.crop, self.symmetry = crop, symmetry
        self._views = Views.of(reader, crop, symmetry)
        self._index = None if index is None else picks(index, len(reader))
        self.n_patches = len(reader) if self._index is None else len(self._index)
        self.world_size = _count("world_size", world_size, 1)
        if self.world_size > self.n_patches:
            raise RequestError(f"world_size={world_size}, but there are {self.n_patches} patches")
        self.rank = _count("rank", rank, 0)
        if self.rank >= self.world_size:
            raise RequestError(f"rank={rank}; 0..{self.world_size - 1} are needed")
        if len(self) == 0:
            raise RequestError(
                f"drop_last=True leaves none of {self.n_patches} patches: batch_size="
                f"{batch_size} in each of {self.world_size} ranks"
            )
        self.prefetch = _count("prefetch", prefetch, 0)
        if allocate is not None and not callable(allocate):
            raise RequestError(f"allocate={allocate!r}; a function of a number of bytes is needed")
        self._allocate = allocate
        self._arrays = self._arrays_of_a_sample()
        self._progress = _Progress(0, 0)
        # Of iterations that have ended, for those to come.
        self._pools: list[Pool] = []

    # ---- an epoch ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Batches of a whole epoch, for this rank."""
        return self._n_batches(0)

    def __iter__(self) -> Iterator[Batch[np.ndarray]]:
        """The batches of `epoch`, from its beginning, or from where a loaded state has it."""
        self._progress = progress = self._progress.of_next()
        return Batches(self, progress)

    @property
    def epoch(self) -> int:
        """That of the iteration begun last; once it has ended, the next."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch; of another than `epoch`, from its beginning."""
        epoch = check_epoch(epoch)
        if epoch != self.epoch:
            self._progress = _Progress(epoch, 0)

    def samples(self, positions: Any, epoch: int | None = None) -> Samples:
        """What is drawn for these positions of an epoch, of all ranks, in any order.

        Position k costs the same wherever it is.  IndexError where there is no such position.
        """
        where = np.asarray(positions, np.int64).reshape(-1)
        epoch = self.epoch if epoch is None else check_epoch(epoch)
        if len(where) and not (where.min() >= 0 and where.max() < self.n_patches):
            raise IndexError(f"an epoch has positions 0..{self.n_patches - 1}")
        if self.shuffle:
            where = shuffled(where, self.n_patches, self.seed, epoch)
        patches = where if self._index is None else self._index[where]
        return Samples(patches, *self._views.drawn(patches, self.seed, epoch))

    def _n_samples(self, start: int) -> int:
        """How many there are for each rank from this position on."""
        left = self.n_patches - start
        if not self.drop_last:
            return -(-left // self.world_size)
        share = left // self.world_size
        return share - share % self.batch_size

    def _n_batches(self, start: int) -> int:
        return -(-self._n_samples(start) // self.batch_size)

    def _arrays_of_a_sample(self) -> list[_Array | None]:
        """Of image, label and mask; None for what the reader has not."""
        reader = self.reader
        image = allocate_image((0, *reader.image_shape), reader.dtype_name)  # if numpy can
        label = valid = None
        if reader.label_shape is not None:
            label = _Array(reader.label_shape, reader.label_dtype)
        if reader.valid:
            valid = _Array(reader.size, _UINT8)
        return [_Array(reader.image_shape, image.dtype), label, valid]

    def _pool(self) -> Pool:
        with contextlib.suppress(IndexError):
            return self._pools.pop()
        most = min(self.batch_size, self._n_samples(0))
        sizes = [most * array.n_bytes for array in self._arrays if array is not None]
        return Pool(sizes, max(self.prefetch, 1), self._allocate or _aligned, SimpleQueue())

    # ---- states ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, int]:
        """Where the iteration begun last is: after the batches that it has handed out.

        Whole numbers alone, the same in every rank.  A loader of the same data, seed and shuffling
        continues from there, with any batch size, number of ranks, crop and symmetry.
        """
        return {
            "version": VERSION,
            "seed": self.seed,
            "shuffle": int(self.shuffle),
            "patches": self.n_patches,
            "data": self._fingerprint(),
            "epoch": self._progress.epoch,
            "position": self._progress.position,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Let the next iteration continue where `state_dict` was asked for.

        RequestError, naming the difference, where the state is of other data, another seed or
        another version.  An iteration under way goes on unchanged.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or "version" not in state:
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
                f"the state is of {own['patches']} other patches, or in another order: layout, "
                "splits, subset or index differ"
            )
        epoch, position = check_epoch(state["epoch"]), state["position"]
        if not 0 <= position <= self.n_patches:
            raise RequestError(f"position={position} of {self.n_patches} patches")
        self._progress = _Progress(epoch, int(position), loaded=True)

    def _fingerprint(self) -> int:
        """Of which patches these are, by number; not of their pixels, nor where files lie."""
        ds = self.reader.dataset
        splits = {name: len(which) for name, which in ds.splits.items()}
        text = f"{ds.layout.name} {ds.layout.patch} {splits}"
        digest = hashlib.blake2b(text.encode(), digest_size=8)
        if ds.is_subset or self._index is not None:
            index = np.arange(len(self.reader)) if self._index is None else self._index
            stored = ds.stored_index(index.copy()) if ds.is_subset else index
            digest.update(stored.astype("<i8").tobytes())
        return int.from_bytes(digest.digest(), "little") >> 1

    # ---- as a thing --------------------------------------------------------------------------

    def _settings(self) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "crop": self.crop,
            "symmetry": self.symmetry,
            "drop_last": self.drop_last,
            "index": self._index,
            "rank": self.rank,
            "world_size": self.world_size,
            "prefetch": self.prefetch,
            "allocate": self._allocate,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        at = self._progress
        return _restore, (type(self), self.reader, self._settings(), at.epoch, at.position)

    def __repr__(self) -> str:
        rank = f", rank {self.rank} of {self.world_size}" if self.world_size > 1 else ""
        order = f"shuffled by {self.seed}" if self.shuffle else "in order"
        return (
            f"<cloudio.{type(self).__name__} of {self.n_patches:,} patches {order}: "
            f"{len(self):,} batches of {self.batch_size}{rank}, crop {self.crop}, symmetry "
            f"{self.symmetry}, epoch {self.epoch}>\n{self.reader!r}"
        )


class _Progress:
    """Where an iteration is: its alone to change, for each has its own."""

    def __init__(self, epoch: int, position: int, loaded: bool = False) -> None:
        self.epoch, self.position, self.loaded = epoch, position, loaded

    def of_next(self) -> "_Progress":
        """That of an iteration begun now: what was loaded is used once."""
        return _Progress(self.epoch, self.position if self.loaded else 0)


def _restore(
    kind: type[Loader], reader: Reader, settings: dict[str, Any], epoch: int, position: int
) -> Loader:
    loader = kind(reader, **settings)
    loader._progress = _Progress(epoch, position, loaded=True)
    return loader


# ---- one iteration -------------------------------------------------------------------------------


class Batches(Iterator[Batch[np.ndarray]]):
    """The batches of one epoch that are still to come, in turn.

    Its thread ends when this is closed, dropped or done, when anything is raised in place of a
    batch, and with the interpreter.
    """

    def __init__(self, loader: Loader, progress: _Progress) -> None:
        self._loader, self._progress, self._process = loader, progress, os.getpid()
        self._line = line = _Line(loader, progress)
        thread = None
        if loader.prefetch > 0:
            thread = threading.Thread(target=line.work, name="cloudio.Loader", daemon=True)
        # No method of this object, which it would keep alive.
        self._end = weakref.finalize(self, _finish, line, thread, self._process)
        if thread is not None:
            thread.start()

    def __len__(self) -> int:
        """How many are still to come."""
        return self._line.n_batches - self._line.n_taken if self._end.alive else 0

    def __next__(self) -> Batch[np.ndarray]:
        if not self._end.alive:
            raise StopIteration
        if os.getpid() != self._process:
            raise RequestError(
                f"this iteration belongs to process {self._process}, where its thread is; begin "
                "one in this process: iter(loader)"
            )
        if len(self) == 0:
            self.close()
            if self._loader._progress is self._progress:
                self._loader._progress = _Progress(self._progress.epoch + 1, 0)
            raise StopIteration
        try:
            batch = self._line.take()
            self._progress.position = self._line.position
            return batch
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it: no batch comes any more, and its thread is gone."""
        self._end()


class _Line:
    """Where the batches of an iteration are built, ahead of who takes them.

    At most ``prefetch`` batches are under way, which the pool counts.  One begins in memory that
    came back, or in new memory where fewer than that are under way; but not while the memory of
    the batch before the last is about to come back, as in a ``for`` loop, whose variable holds
    that batch until the next is there.
    """

    def __init__(self, loader: Loader, progress: _Progress) -> None:
        self.loader, self.pool = loader, loader._pool()
        self.epoch, self.start = progress.epoch, progress.position
        self.n_samples = loader._n_samples(self.start)
        self.n_batches = loader._n_batches(self.start)
        self.n_taken = 0
        self.stopped = False
        self._coming_back = 0
        self._ready: SimpleQueue[Batch[np.ndarray] | BaseException] = SimpleQueue()
        self._samples = _drawn(loader, self.epoch, self.start)

    # ---- for who takes them ------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Up to where the epoch has been taken, by all ranks together."""
        taken = min(self.n_taken * self.loader.batch_size, self.n_samples)
        return min(self.start + taken * self.loader.world_size, self.loader.n_patches)

    def take(self) -> Batch[np.ndarray]:
        """The next batch; what was raised while it was built is raised here."""
        pool = self.pool
        if self.loader.prefetch == 0:
            batch = self._built(next(self._samples))
        else:
            self._coming_back = 0
            if self._ready.empty():
                pool.returned.put(None)
            got = self._ready.get()
            if isinstance(got, BaseException):
                raise got
            batch = got
        # Of the first batch nothing is held yet that could come back.
        self._coming_back = min(self.n_taken, 1)
        self.n_taken += 1
        pool.taken += 1
        if self.loader.prefetch > 0 and self._may_begin():
            pool.returned.put(None)
        return batch

    def drop(self) -> None:
        """Let go of batches that nobody will take."""
        while not self._ready.empty():
            self._ready.get()

    # ---- for the thread ----------------------------------------------------------------------

    def work(self) -> None:
        """Build all batches in turn, until `stopped`."""
        try:
            now = next(self._samples, None)
            while now is not None:
                after = next(self._samples, None)
                if after is not None:
                    self.loader.reader.prefetch(after.index, after.origin)
                if not self._wait():
                    return
                self._ready.put(self._built(now))
                now = after
        except BaseException as error:
            error.add_note(f"while a batch of epoch {self.epoch} was built")
            self._ready.put(error)

    def _wait(self) -> bool:
        """Wait until a batch may begin; False where none is wanted any more."""
        while not (self.stopped or self._may_begin()):
            self.pool.returned.get()
        return not self.stopped

    def _may_begin(self) -> bool:
        under_way = self.pool.begun - self.pool.taken
        return under_way < self.pool.most and (
            self.pool.n_free > 0 or under_way + self._coming_back < self.pool.most
        )

    def _built(self, samples: Samples) -> Batch[np.ndarray]:
        told = self.pool.returned
        while not told.empty():
            told.get()
        leases: Iterator[Any] = iter(self.pool.lend())
        n = len(samples.index)
        image, label, valid = (
            None if array is None else np.ndarray((n, *array.shape), array.dtype, next(leases))
            for array in self.loader._arrays
        )
        out = (image, label) if valid is None else (image, label, None, valid)
        return self.loader.reader.read(*samples, out=out)


def _drawn(loader: Loader, epoch: int, start: int) -> Iterator[Samples]:
    """The samples of each batch from a position on, drawn for many at once."""
    n_samples, size = loader._n_samples(start), loader.batch_size
    step = size * max(1, _DRAWN // size)
    for first in range(0, n_samples, step):
        of_rank = np.arange(first, min(first + step, n_samples))
        positions = start + of_rank * loader.world_size + loader.rank
        drawn = loader.samples(positions % loader.n_patches, epoch)
        for k in range(0, len(of_rank), size):
            parts = (None if part is None else part[k : k + size] for part in drawn)
            yield Samples(*parts)  # type: ignore[arg-type]


def _finish(line: _Line, thread: threading.Thread | None, process: int) -> None:
    """End a line; its memory is for the loader's next iteration."""
    if os.getpid() != process:  # a child has no such thread, and perhaps a queue that is held
        return
    line.stopped = True
    if thread is not None and thread.ident is not None:
        line.pool.returned.put(None)
        if thread is threading.current_thread():  # which collects garbage
            return
        thread.join()
    line.pool.begun = line.pool.taken = 0
    line.drop()
    if not line.loader._pools:
        line.loader._pools.append(line.pool)


def _aligned(n_bytes: int) -> np.ndarray:
    return aligned((n_bytes,), _UINT8)


def _count(what: str, given: Any, least: int) -> int:
    if not is_whole(given) or not least <= given < 2**31:
        raise RequestError(f"{what}={given!r}; a whole number from {least} on is needed")
    return int(given)
