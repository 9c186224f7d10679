"""The loader whose batches are tensors: on the CPU, in pinned memory, or on a device.

transfer.py hands the batches out; scaling.py scales stored numbers on a device.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, overload

import numpy as np
import torch

from .._core.pool import Pool
from .._utils.keywords import explain_unknown
from .._utils.numbers import check_bool
from .._utils.types import Crop, Index, KeyNames, Symmetries, Weights
from ..errors import RequestError
from ..loading import loader
from ..loading.arguments import REPLACED, LoaderOptions
from ..loading.finish import Finish
from ..loading.iteration import BatchIterator
from ..loading.loader import R
from ..loading.prefetch import TransferHook
from ..reading.arguments.keys import arrays_reader
from ..reading.batch import Batch, L, MaskedBatch
from ..reading.reader import Reader, check_reader
from .compat import LoaderBatches, LoaderDataset, LoaderSampler, collate_done, sampler_of
from .devices import has_accelerator, parse_device
from .pinned import PinnedPool, allocate_pinned, pinned_tensors
from .scaling import Scaling, stored_reader
from .tensors import T, as_tensors, column_values
from .transfer import COPIES_AT_ONCE, StreamCopies, TensorHook

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    ProcessGroups = torch.distributed.ProcessGroup | DeviceMesh
else:  # a torch may lack them
    ProcessGroups = Any


class Loader(loader.Loader[T]):
    """A `cloudio.Loader` whose batches are tensors, with the same bytes in the same order.

    Parameters
    ----------
    reader : Reader
        What to read from each patch.
    batch_size : int
        Patches per batch.
    pin_memory : bool
        True reads into pinned memory, from which ``tensor.to(device, non_blocking=True)`` copies in
        the background.  Memory that such a copy still reads is not overwritten.
    device : str or torch.device, optional
        Where the tensors go; see Notes.  By default they stay on the CPU.
    scale_on : {"cpu", "device"}
        "device": numbers are read and copied as stored, half the bytes or a quarter, and ``device``
        scales, normalizes, clips, rounds and fills them.  All bands must be stored in one type of
        whole numbers.
    process_group : ProcessGroup or DeviceMesh, optional
        The ranks that share an epoch, such as the data-parallel dimension of a mesh; by default all
        ranks of torch.distributed.  Ranks of the same number in several groups, such as those that
        hold parts of one model, get the same batches.
    shuffle, seed, crop, symmetry, drop_last, index, rank, world_size, prefetch, allocate
        As in `cloudio.Loader`.
    weights, replacement, num_samples, crops_per_patch, even_batches, columns, keys, transform
        As in `cloudio.Loader`.

    Raises
    ------
    RequestError
        If an argument is wrong, or the device cannot be used.

    Notes
    -----
    Without ``device`` the tensors lie in the memory they were read into, which is reused when the
    last tensor over it is gone, views included.  ``index`` is int64.  In a batch it is always on
    the CPU; in a dict, such as ``columns`` and ``keys`` make, it goes to the device with the other
    tensors.  bfloat16 does not need ml_dtypes.

    For ``"cuda"`` or ``"cuda:1"`` batches are read into pinned memory and copied on the loader's
    own stream, one batch ahead if that batch is built when the one before it is handed out.  The
    caller's current stream waits for the copy; the caller itself waits only if two earlier copies
    have not ended.  At most two copies run at once, in memory beside that of ``prefetch``.  For
    other devices a batch is copied when it is requested.

    Bits scaled on the device are the same if it keeps subnormal numbers: CUDA does, a CPU does
    unless ``torch.set_flush_denormal(True)`` was called, other devices may not.

    ``transform`` gets tensors on the CPU.  For a device, the tensors in what it returns are copied
    there: of a batch all but the index, and those in dicts, lists and tuples.  Other objects stay
    as they are.  Columns of numbers become tensors, texts a list; dates stay an array.

    `state_dict` counts batches that were handed out, not batches that were copied ahead.
    """

    @overload
    def __init__(
        self: "Loader[Batch[torch.Tensor, L]]",
        reader: Reader[Batch[np.ndarray, L]],
        batch_size: int,
        *,
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
        process_group: ProcessGroups | None = ...,
        columns: None = ...,
        keys: None = ...,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[MaskedBatch[torch.Tensor, L]]",
        reader: Reader[MaskedBatch[np.ndarray, L]],
        batch_size: int,
        *,
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
        process_group: ProcessGroups | None = ...,
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
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
        process_group: ProcessGroups | None = ...,
        columns: Sequence[str],
        keys: None = ...,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[dict[str, Any]]",
        reader: Reader[dict[str, Any]],
        batch_size: int,
        *,
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
        columns: Sequence[str] | None = ...,
        keys: KeyNames | None = ...,
        transform: None = ...,
        **options: Unpack[LoaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[dict[str, Any]]",
        reader: Reader[Any],
        batch_size: int,
        *,
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
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
        pin_memory: bool = ...,
        device: str | torch.device | None = ...,
        scale_on: Literal["cpu", "device"] = ...,
        process_group: ProcessGroups | None = ...,
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
        pin_memory: bool = False,
        device: str | torch.device | None = None,
        scale_on: Literal["cpu", "device"] = "cpu",
        process_group: ProcessGroups | None = None,
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
        if not isinstance(scale_on, str) or scale_on not in ("cpu", "device"):
            raise RequestError(f"scale_on={scale_on!r}; scale_on must be 'cpu' or 'device'")
        self.device = None if device is None else parse_device(device)
        self.pin_memory, self.scale_on = check_bool("pin_memory", pin_memory), scale_on
        if self.pin_memory:
            if allocate is not None:
                raise RequestError("pin_memory=True allocates memory itself; leave out allocate")
            if not has_accelerator():
                raise RequestError(
                    "pin_memory=True, but torch finds no device that copies from pinned memory; "
                    "leave pin_memory out"
                )
            if scale_on == "device" and (self.device is None or self.device.type == "cpu"):
                raise RequestError(
                    "pin_memory=True with scale_on='device' needs a device: batches that the CPU "
                    "scales are not pinned; pass device= or scale_on='cpu'"
                )
        if transform is not None and scale_on == "device":
            raise RequestError(
                "transform with scale_on='device' would get numbers as stored; pass "
                "scale_on='cpu', or transform the batches in the loop"
            )
        check_reader(reader)
        self._set_scaling(reader)
        self._group = None if process_group is None else _parse_group(process_group, rank)
        super().__init__(
            reader,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            crop=crop,
            symmetry=symmetry,
            drop_last=drop_last,
            index=index,
            rank=rank,
            world_size=world_size,
            prefetch=prefetch,
            allocate=allocate,
            weights=weights,
            replacement=replacement,
            num_samples=num_samples,
            crops_per_patch=crops_per_patch,
            even_batches=even_batches,
            columns=cast(Any, columns),
            keys=cast(Any, keys),
            transform=cast(Any, transform),
        )

    def __iter__(self) -> BatchIterator[T]:
        """Return the batches of `epoch` as tensors."""
        return super().__iter__()

    def __repr__(self) -> str:
        text = super().__repr__().replace("<cloudio.", "<cloudio.torch.", 1)
        own = {"device": self.device, "pin_memory": self.pin_memory, "scale_on": self.scale_on}
        usual = {"device": None, "pin_memory": False, "scale_on": "cpu"}
        changed = [f", {name} {value}" for name, value in own.items() if value != usual[name]]
        return text.replace(">\n", f"{''.join(changed)}>\n", 1)

    # ---- what training code asks of a DataLoader ------------------------------------------------

    # There are no worker processes.
    num_workers, prefetch_factor = 0, None

    @property
    def dataset(self) -> LoaderDataset:
        """The patches to load as a map-style data set, for ``len(loader.dataset)`` and samples."""
        return LoaderDataset(self)

    @property
    def sampler(self) -> LoaderSampler:
        """The order of an epoch for this rank; its ``set_epoch`` is the loader's."""
        return sampler_of(self)

    @property
    def batch_sampler(self) -> LoaderBatches:
        """The batches of the next iteration, for programs that make a DataLoader to skip some."""
        return LoaderBatches(self)

    @property
    def collate_fn(self) -> Callable[[Any], Any]:
        """What such a DataLoader needs to hand out the loader's batches as they are."""
        return collate_done

    @cached_property
    def _batch_reader(self) -> Reader[Any]:
        return arrays_reader(self._stored_reader or self.reader, self._keys)

    def _process_group(self) -> Any:
        return self._group

    def _image_dtype(self) -> np.dtype[Any]:
        name = self._batch_reader.dtype_name
        return np.dtype("uint16" if name == "bfloat16" else name)

    @property
    def _uses_stream(self) -> bool:
        return self.device is not None and self.device.type == "cuda"

    @property
    def _batches_at_once(self) -> int:
        # Copies hold the memory of single batches, and that of a PinnedPool goes back to torch.
        return 1 if self.pin_memory or self._uses_stream else super()._batches_at_once

    def _new_pool(self, sizes: list[int], capacity: int) -> Pool:
        if self._uses_stream and self._allocate is None:
            return Pool(sizes, capacity + COPIES_AT_ONCE, allocate_pinned, SimpleQueue())
        if self.pin_memory and not self._uses_stream:
            return PinnedPool(sizes, capacity, allocate_pinned, SimpleQueue())
        return super()._new_pool(sizes, capacity)

    def _new_hook(self) -> TransferHook:
        as_tensors = None if self._finish is not None else self._as_tensors
        if self._uses_stream:
            return StreamCopies(self.device, as_tensors, self._scaling, self._image_key)
        return TensorHook(self.device, as_tensors, self._scaling, self._image_key)

    @property
    def _image_key(self) -> str | None:
        """The name of the image in batches that are dicts; None if it is left out."""
        return "image" if self._keys is None else self._keys.names.get("image")

    def _new_finish(self, columns: Mapping[str, np.ndarray]) -> Finish:
        return Finish(columns, self.transform, self._as_tensors, column_values, self._keys)

    @property
    def _as_tensors(self) -> Callable[[Any], Any]:
        """Makes tensors of what was read, on the CPU."""
        view_dtype = torch.bfloat16 if self._batch_reader.dtype_name == "bfloat16" else None
        pinned = self.pin_memory and not self._uses_stream
        return partial(pinned_tensors if pinned else as_tensors, view_dtype=view_dtype)

    def __getstate__(self) -> dict[str, Any]:
        other = {"_stored_reader": None, "_scaling": None, "_group": None}
        return {**super().__getstate__(), **other}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_scaling(self.reader)

    def _set_scaling(self, reader: Reader[Any]) -> None:
        self._stored_reader = self._scaling = None
        if self.scale_on == "device":
            self._stored_reader, self._scaling = stored_reader(reader), Scaling(reader)


def _parse_group(group: Any, rank: Any) -> Any:
    """Return a process group, or that of a mesh of one dimension; RequestError otherwise."""
    if rank is not None:
        raise RequestError("process_group= tells the rank; leave out rank= and world_size=")
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        raise RequestError("process_group= needs torch.distributed; call init_process_group first")
    if group == torch.distributed.GroupMember.NON_GROUP_MEMBER:
        raise RequestError("this process is not in process_group=; make a loader in its ranks only")
    if isinstance(group, torch.distributed.device_mesh.DeviceMesh):
        if group.ndim != 1:
            names = ", ".join(map(repr, group.mesh_dim_names or ()))
            raise RequestError(
                f"process_group= is a mesh of {group.ndim} dimensions; give the data-parallel one, "
                f"such as mesh[{names.partition(',')[0] or repr('dp')}]"
            )
        group = group.get_group()
    if not isinstance(group, torch.distributed.ProcessGroup):
        raise RequestError(
            f"process_group is a {type(group).__name__}; it must be a ProcessGroup or a DeviceMesh"
        )
    return group
