"""The loader: its arguments, the memory of its batches, and what subclasses replace.

epochs.py has its epochs, sampling/ draws their samples, prefetch.py builds the batches.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from queue import SimpleQueue
from typing import Any, TypeVar, Unpack, overload

import numpy as np

from .._core.pool import Pool
from .._utils.keywords import explain_unknown
from .._utils.numbers import check_bool
from .._utils.types import Crop, Index, KeyNames, Symmetries, Weights
from ..reading.arguments.keys import arrays_reader, keys_of
from ..reading.arguments.outputs import allocate_image
from ..reading.batch import B
from ..reading.reader import Reader, check_reader
from .arguments import (
    REPLACED,
    LoaderOptions,
    check_allocate,
    check_count,
    check_crops,
    check_replacement,
    check_shard,
    parse_patches,
)
from .epochs import Epochs
from .finish import Finish, check_columns, check_transform
from .iteration import Progress
from .memory import SampleArrays, batches_at_once, buffer_sizes, sample_arrays, take_idle
from .memory import allocate as allocate_checked
from .prefetch import IdlePools, Producer, TransferHook
from .ranks import ALONE, Membership, check_ranks, find_ranks
from .sampling.augmentation import Augmentation
from .sampling.orders import make_order
from .sampling.sampler import Sampler, check_seed
from .sampling.weights import choose, parse_weights

# What a transform returns.
R = TypeVar("R")
_FIXED = (
    "reader", "batch_size", "shuffle", "seed", "crop", "symmetry", "drop_last", "prefetch",
    "n_patches", "weights", "replacement", "num_samples", "crops_per_patch", "even_batches",
    "columns", "transform",
)  # fmt: skip


class Loader(Epochs[B]):
    """Iterates over epochs of batches: shuffled, cropped, flipped, and built in the background.

    Each ``for batch in loader`` is one epoch, and the next loop is the next epoch, also if a loop
    stops before its last batch.

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
        Whether to drop the last batch if it is not full, and samples that do not divide among the
        ranks.
    index : sequence of int or bool array, optional
        The patches of the reader to load, numbers or a mask.  By default all.  Repeats of a patch
        have the same crop and symmetry in an epoch; ``crops_per_patch`` gives it several.
    rank, world_size : int, optional
        This process is number ``rank`` of ``world_size``, and takes every ``world_size``-th
        position. Every rank has the same number of samples: without ``drop_last`` the last ones are
        filled with samples from the beginning of the epoch.  By default they are found when
        ``len`` is asked or an iteration begins: from torch.distributed if that is initialized, else
        from RANK and WORLD_SIZE of the environment, else the process is alone.  ``rank=0,
        world_size=1`` loads everything in each process.
    prefetch : int
        Batches that a thread builds ahead, of small ones more; it also prefetches the pages of the
        batch after them.  0 builds each batch when it is requested.
    allocate : callable, optional
        A function that takes a number of bytes and returns a writable buffer, such as shared
        memory, for batches.  The loader's thread calls it.
    weights : sequence of float, optional
        A weight for each patch of the reader, 0 or more, also where ``index`` chooses among them.
        Patches are drawn in proportion, and ``shuffle`` must be True.
    replacement : bool, optional
        Whether a patch can be drawn more than once in an epoch.  By default True with ``weights``,
        else False.  With replacement each draw has a crop and symmetry of its own.
    num_samples : int, optional
        Samples in an epoch, over all ranks.  By default as many as patches, times
        ``crops_per_patch``.  Without replacement at most these, with weights at most the patches of
        a weight above 0, which is then the default.
    crops_per_patch : int
        How often a patch comes in an epoch, each time with a crop and symmetry of its own.  Without
        ``shuffle`` the crops of a patch follow each other.
    even_batches : bool
        False: every sample comes once, and ranks may have different numbers of batches, even none.
    columns : sequence of str, optional
        Metadata columns to add.  Batches are then dicts: image, label, index, valid and the
        columns.  There is no key for what the reader does not read.
    keys : {"torchgeo", "transformers"} or mapping, optional
        Names that make dicts of batches, as in `Reader`; by default those of the reader.  What they
        leave out is not read.  ``columns`` are added to them.
    transform : callable, optional
        A function that takes each batch and returns what the loader hands out in its place.  The
        loader's thread calls it once the batch is read, with ``prefetch=0`` the caller's.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    Crop and symmetry of a patch depend only on seed, epoch, its number in the reader and its
    repetition: which of ``crops_per_patch`` it is, with replacement its position, else 0.  So they
    are the same for any batch size, number of ranks and threads, ``prefetch`` and ``io``.
    A draw with replacement depends on seed, epoch, position and weights; one without on all draws
    before it, so the order of an epoch is computed when the epoch begins.

    Batches reuse the memory of earlier batches that are no longer in use.  At most
    ``prefetch`` of them, at least one, are free or in progress, with a ``transform`` one more.
    ``batch.image.base.memory`` is the buffer that ``allocate`` returned.  It is reused when the
    batch is gone, even if something else refers to the buffer.

    Small batches, of 2 MB or less, are built in groups of up to 16, and share memory of up to 8 MB.
    It is reused when the whole group is gone.  At most as many groups as hold ``prefetch`` batches,
    at least one, are free or in progress: until the first batch is taken.  With ``allocate`` or
    ``transform`` each batch has memory of its own, in `cloudio.torch.Loader` also if it is pinned.

    Threads may share a loader.  Each iteration belongs to one thread at a time, in the process that
    began it; several iterations at once are a whole epoch each.  A loader pickles with its state,
    in less than 2 KB besides ``index`` and ``weights`` (8 bytes per patch each, with both 8 more)
    and what ``transform`` needs.

    An error of ``transform`` is raised where the batch would have come, with its traceback.  To
    close an iteration waits for a transform in progress.
    """

    @overload
    def __init__(
        self,
        reader: Reader[B],
        batch_size: int,
        *,
        columns: None = ...,
        keys: None = ...,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[dict[str, Any]]",
        reader: Reader[Any],
        batch_size: int,
        *,
        columns: Sequence[str],
        keys: None = ...,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[dict[str, Any]]",
        reader: Reader[Any],
        batch_size: int,
        *,
        columns: Sequence[str] | None = ...,
        keys: KeyNames,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[R]",
        reader: Reader[Any],
        batch_size: int,
        *,
        columns: Sequence[str] | None = ...,
        keys: KeyNames | None = ...,
        transform: Callable[[Any], R],
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @explain_unknown(REPLACED)
    def __init__(
        self,
        reader: Reader[Any],
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        crop: Crop = "random",
        symmetry: Symmetries = None,
        drop_last: bool = False,
        index: Index | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        prefetch: int = 2,
        allocate: Callable[[int], Any] | None = None,
        weights: Weights | None = None,
        replacement: bool | None = None,
        num_samples: int | None = None,
        crops_per_patch: int = 1,
        even_batches: bool = True,
        columns: Sequence[str] | None = None,
        keys: KeyNames | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        check_reader(reader)
        self.reader: Reader[Any] = reader
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.shuffle = check_bool("shuffle", shuffle)
        self.drop_last = check_bool("drop_last", drop_last)
        self.seed = check_seed(seed)
        augmentation = Augmentation.parse(reader, crop, symmetry)
        # The caller may change a list.
        self.crop = crop if isinstance(crop, str) else augmentation.first_origin
        self.symmetry: Symmetries = symmetry
        self._keys = keys_of(reader, keys)
        self.columns = () if columns is None else check_columns(reader.dataset, columns, self._keys)
        self.transform = check_transform(transform)
        self._index = parse_patches(index, len(reader))
        self.n_patches = len(reader) if self._index is None else len(self._index)
        self.weights = None if weights is None else parse_weights(weights, len(reader))
        self.replacement = check_replacement(replacement, weights)
        can_differ = augmentation.is_random or transform is not None
        self.crops_per_patch = check_crops(crops_per_patch, can_differ)
        order = make_order(
            self.n_patches,
            self.seed,
            shuffle=self.shuffle,
            crops=self.crops_per_patch,
            weights=choose(self.weights, self._index),
            replacement=self.replacement,
            num_samples=num_samples,
        )
        self._sampler = Sampler(order, self._index, augmentation)
        self.num_samples = order.n_samples
        self.even_batches = check_bool("even_batches", even_batches)
        told = check_ranks(rank, world_size)
        group, find = self._process_group(), self._find_ranks
        self._membership = Membership(told, self._index, len(reader), group, find)
        check_shard(self._shard_of(told or ALONE), self.n_patches)
        self.prefetch = check_count("prefetch", prefetch, 0)
        self._allocate = check_allocate(allocate)
        self._progress = Progress(0, 0)
        self._idle_pools: IdlePools = []
        self._last: Producer | None = None
        _ = self._arrays  # numpy may lack the type of images

    def __setattr__(self, name: str, value: Any) -> None:
        if (name in _FIXED and name in self.__dict__) or name in ("rank", "world_size"):
            raise AttributeError(f"{name} cannot be changed; make another loader")
        super().__setattr__(name, value)

    # ---- memory ------------------------------------------------------------------------------

    @cached_property
    def _arrays(self) -> SampleArrays:
        return sample_arrays(self._batch_reader, self._image_dtype())

    @property
    def _batches_at_once(self) -> int:
        """How many batches one read builds: one if code of the caller is called for each."""
        if self.prefetch == 0 or self._allocate is not None or self.transform is not None:
            return 1
        return batches_at_once(self._arrays, self.batch_size)

    def _take_pool(self) -> Pool:
        """Return an idle pool of this process, or a new one.

        Without a thread iterations share one pool, which stays among the idle ones.
        """
        pool = take_idle(self._idle_pools)
        if pool is None:
            at_once = self._batches_at_once
            n_samples = min(self.batch_size * at_once, self._shard.n_samples(0))
            # What a transform returns may not refer to the batch, whose memory is then free while
            # as many batches as allowed are under way.
            capacity = max(1, -(-self.prefetch // at_once)) + (self.transform is not None)
            pool = self._new_pool(buffer_sizes(self._arrays, n_samples), capacity)
        if self.prefetch == 0:
            self._idle_pools.append((os.getpid(), pool))
        return pool

    # ---- for subclasses to override ------------------------------------------------------------

    # Finds the ranks that the caller did not tell, in the process group or anywhere.
    _find_ranks = staticmethod(find_ranks)

    @cached_property
    def _batch_reader(self) -> Reader[Any]:
        """The reader of the batches: `reader`, or one of the same patches."""
        return arrays_reader(self.reader, self._keys)

    def _process_group(self) -> Any:
        """Return the group of processes that ranks are found in; None is all of them."""

    def _image_dtype(self) -> np.dtype[Any]:
        """Return the type of images; RequestError if numpy lacks it."""
        return allocate_image((0,), self.reader.dtype_name).dtype

    def _new_pool(self, sizes: list[int], capacity: int) -> Pool:
        return Pool(sizes, capacity, partial(allocate_checked, self._allocate), SimpleQueue())

    def _new_hook(self) -> TransferHook:
        return TransferHook()

    def _new_finish(self, columns: Mapping[str, np.ndarray]) -> Finish:
        return Finish(columns, self.transform, keys=self._keys)

    @cached_property
    def _finish(self) -> Finish | None:
        """What is done to each batch after its read; None is nothing."""
        if not self.columns and self._keys is None and self.transform is None:
            return None
        columns = self.reader.dataset.metadata_columns(self.columns) if self.columns else {}
        return self._new_finish(columns)

    # ---- pickles and repr ----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        progress = Progress(self._progress.epoch, self._progress.position)
        state = {**vars(self), "_idle_pools": [], "_last": None, "_progress": progress}
        # What is computed when needed; the files may differ there.
        for name in "_fingerprint", "_finish", "_arrays", "_batch_reader":
            state.pop(name, None)
        return state

    def __repr__(self) -> str:
        ranks = self._membership.known
        rank = "" if ranks == ALONE else f", {ranks or 'rank unknown'}"
        n_batches = f"{self._shard_of(ranks).n_batches(0):,}" if ranks else "?"
        uneven = "" if self.even_batches else ", even_batches False"
        own_keys = "" if self._keys is self.reader.batch_keys else f", keys {self._keys}"
        return (
            f"<cloudio.{type(self).__name__} of {self._sampler.order.describe()}: "
            f"{n_batches} batches of {self.batch_size}{rank}{uneven}, "
            f"crop {self.crop}, symmetry "
            f"{self.symmetry}, epoch {self.epoch}{own_keys}>\n{self.reader!r}"
        )
