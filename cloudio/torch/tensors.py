"""Arrays as tensors over the same memory, and reads into new tensors."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import RequestError
from ..reading.arguments.indexing import parse_index
from ..reading.arguments.keys import Keys, arrays_reader
from ..reading.batch import Batch, MaskedBatch, make_batch
from ..reading.copies import worker_reader
from ..reading.reader import Reader

# The batch type of tensors.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", covariant=True, default=Batch[torch.Tensor, Any])
else:
    from typing import TypeVar

    T = TypeVar("T", covariant=True)


def as_tensor(array: Any, view_dtype: Any = None) -> Any:
    """Return a tensor over an array's memory; None and tensors as they are; a number's tensor.

    ``view_dtype``: the type whose bits the array holds; None is the array's own.
    """
    if array is None or isinstance(array, torch.Tensor):
        return array
    if not isinstance(array, np.ndarray):
        return torch.as_tensor(array, device="cpu")
    if array.dtype.name == "bfloat16":
        array, view_dtype = array.view(np.uint16), torch.bfloat16
    # Not as_tensor, which copies to the default device.
    tensor = torch.from_numpy(array)
    return tensor if view_dtype is None else tensor.view(view_dtype)


def as_tensors(batch: Any, view_dtype: Any = None) -> Any:
    """Return a batch of tensors; ``view_dtype`` is for its image.

    In a batch that is a dict, arrays that are no numbers become what `column_values` says.
    """
    if isinstance(batch, dict):
        return {
            name: column_values(part) if isinstance(part, np.ndarray) else part
            for name, part in batch.items()
        }
    image, *others = batch
    return type(batch)(as_tensor(image, view_dtype), *map(as_tensor, others))


def map_tensors(function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function for each tensor of a batch, a dict, a list or a tuple, at any depth.

    Return the same structure of what it returned.  The index of a batch, and other objects, stay.
    """
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, (Batch, MaskedBatch)):
        image, label, index, *valid = value
        parts = (map_tensors(function, part) for part in (image, label, *valid))
        return type(value)(next(parts), next(parts), index, *parts)
    if isinstance(value, dict):
        made = copy.copy(value)
        made.update({name: map_tensors(function, part) for name, part in value.items()})
        return made
    if isinstance(value, (list, tuple)):
        parts = (map_tensors(function, part) for part in value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def column_values(values: np.ndarray) -> Any:
    """Return an array as torch has it: numbers as a tensor, texts as a list.

    Dates stay an array.
    """
    if values.dtype.kind in "biuf" or values.dtype.name == "bfloat16":
        return as_tensor(values)
    return values.tolist() if values.dtype.kind in "OSTU" else values


def read_tensors(
    reader: Reader[Any], index: Any, origin: Any, symmetry: Any, shared: bool = False
) -> Any:
    """`Reader.read` into new tensors; ``shared``: in memory that can be sent to processes."""
    index = parse_index(index, len(reader))
    n = len(index)
    image = _empty((n, *reader.image_shape), reader.dtype_name, shared)
    bits = image.view(torch.uint16) if image.dtype is torch.bfloat16 else image
    label = valid = None
    if reader.label_shape is not None:
        label = _empty((n, *reader.label_shape), reader.label_dtype.name, shared)
    out = [bits.numpy(), None if label is None else label.numpy()]
    if reader.valid:
        valid = _empty((n, *reader.size), "uint8", shared)
        out += [None, valid.numpy()]
    read = reader.read(index, origin, symmetry, tuple(out))
    # A subclass may return other arrays than those it was given.
    image = image if read.image is out[0] else as_tensor(read.image)
    label = label if read.label is out[1] else as_tensor(read.label)
    if reader.valid:
        valid = valid if read.valid is out[3] else as_tensor(read.valid)
    return make_batch(image, label, as_tensor(read.index), valid)


class NamedReads:
    """Reads batches of tensors, which ``keys`` names.  ``reader`` reads what they name."""

    def __init__(self, reader: Reader[Any], keys: Keys | None) -> None:
        self.reader, self._keys = arrays_reader(reader, keys), keys
        self.index_key = None if keys is None else keys.names.get("index")

    def __call__(self, index: Any, origin: Any, symmetry: Any, shared: bool = False) -> Any:
        """Read a batch; in a worker process of torch's DataLoader with one thread."""
        return self.by(worker_reader(self.reader), index, origin, symmetry, shared)

    def by(
        self, reader: Reader[Any], index: Any, origin: Any, symmetry: Any, shared: bool = False
    ) -> Any:
        """Read a batch with this reader."""
        batch = read_tensors(reader, index, origin, symmetry, shared)
        if self._keys is None:
            return batch
        return self._keys.name(batch, batch.index.numpy(), column_values)


def _empty(shape: tuple[int, ...], dtype: str, shared: bool) -> Any:
    tensor = torch.empty(shape, dtype=getattr(torch, dtype), device="cpu")
    if not shared:
        return tensor
    try:
        return tensor.share_memory_()
    except (OSError, RuntimeError) as error:
        raise no_shared_memory(f"a batch of {tensor.nbytes:,} bytes ({error})") from None


def no_shared_memory(what: str) -> RequestError:
    """Return the error for what needs memory that processes share, where there is none."""
    return RequestError(
        f"the system has no shared memory for {what}; use num_workers=0 or cloudio.torch.Loader, "
        "or make /dev/shm larger and writable (docker run --shm-size=2g)"
    )
