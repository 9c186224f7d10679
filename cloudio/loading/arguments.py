"""The options of a loader and their checks, and what replaces those of torch's DataLoader."""

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np

from .._utils.numbers import check_bool, check_whole
from .._utils.text import counted
from .._utils.types import Crop, Index, Symmetries, Weights
from ..errors import RequestError
from ..reading.arguments.indexing import resolve_index_or_mask
from .sampling.sampler import Shard


class LoaderOptions(TypedDict, total=False):
    """The parameters of `Loader` that do not change what kind of batch it hands out.

    For type checkers and editors.
    """

    shuffle: bool
    seed: int
    crop: Crop
    symmetry: Symmetries
    drop_last: bool
    index: Index | None
    rank: int | None
    world_size: int | None
    prefetch: int
    allocate: Callable[[int], Any] | None
    weights: Weights | None
    replacement: bool | None
    num_samples: int | None
    crops_per_patch: int
    even_batches: bool


_NO_WORKERS = "there are no worker processes: leave it out"
# Arguments of torch's DataLoader that a loader does not have.
REPLACED = {
    "num_workers": "one thread reads whole batches with all CPUs: leave it out. prefetch= is how "
    "many batches it builds ahead, threads= of the reader how many CPUs it uses",
    "collate_fn": "batches are read whole, and nothing is collated: leave it out. transform= is "
    "called with each batch",
    "prefetch_factor": "prefetch= is how many batches are built ahead",
    "persistent_workers": _NO_WORKERS,
    "worker_init_fn": f"{_NO_WORKERS}. seed= decides what is random",
    "multiprocessing_context": _NO_WORKERS,
    "timeout": _NO_WORKERS,
    "in_order": "batches are always in order: leave it out",
    "generator": "seed= decides what is random",
    "sampler": "index= chooses patches (with shuffle=False in that order), weights= and "
    "replacement= draw them, and rank= and world_size= share them",
    "batch_sampler": "batch_size=, drop_last=, index= and weights= decide what a batch holds",
    "pin_memory": "cloudio.torch.Loader has pin_memory=",
    "pin_memory_device": "device= of cloudio.torch.Loader copies batches to a device, from pinned "
    "memory",
    "device": "cloudio.torch.Loader has device=",
    "dataset": "the first argument is a reader, as ds.reader(...) returns",
}


def check_count(what: str, value: Any, least: int) -> int:
    needed = f"a whole number, {least} or more"
    return check_whole(what, value, least, 2**31 - 1, needed=needed)


def parse_patches(index: Any, n_patches: int) -> np.ndarray | None:
    """Return the numbers of the patches to load, from 0 on; None if they are all, in order."""
    numbers = None if index is None else resolve_index_or_mask(index, n_patches)
    if numbers is not None and np.array_equal(numbers, np.arange(n_patches)):
        numbers = None
    if (n_patches if numbers is None else len(numbers)) == 0:
        raise RequestError("there are no patches to load; the data set or index is empty")
    return numbers


def check_replacement(replacement: Any, weights: Any) -> bool:
    """Return whether a patch may be drawn twice: as told, or if there are weights."""
    return weights is not None if replacement is None else check_bool("replacement", replacement)


def check_crops(crops: Any, can_differ: bool) -> int:
    """Return ``crops_per_patch``."""
    n = check_count("crops_per_patch", crops, 1)
    if n > 1 and not can_differ:
        raise RequestError(
            f"crops_per_patch={crops}, but all crops of a patch would be the same; use "
            "crop='random' and a size smaller than the valid window, a symmetry or a transform"
        )
    return n


def check_shard(shard: Shard, n_patches: int) -> None:
    """Raise RequestError if a rank has no batch."""
    if not shard.even:
        if shard.drop_last:
            raise RequestError(
                "even_batches=False keeps every sample, drop_last=True does not; leave one out"
            )
        return
    n, world_size = shard.n_positions, shard.world_size
    samples = counted(n, "patch") if n == n_patches else f"{counted(n, 'sample')} in an epoch"
    if world_size > n:
        verb = "is" if n == 1 else "are"
        raise RequestError(
            f"world_size={world_size}, but there {verb} only {samples}; to validate with fewer "
            "samples than ranks, pass even_batches=False"
        )
    if shard.n_batches(0) == 0:
        raise RequestError(
            f"drop_last=True leaves no batch: {samples}, batch_size={shard.batch_size}, "
            f"world_size={world_size}; use a smaller batch_size"
        )


def check_allocate(allocate: Any) -> Any:
    if allocate is not None and not callable(allocate):
        raise RequestError(
            f"allocate={allocate!r}; allocate must be a function that takes a number of bytes"
        )
    return allocate
