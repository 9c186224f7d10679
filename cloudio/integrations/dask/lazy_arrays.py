"""`cloudio.dask.array` and `batches`: lazy arrays whose chunks are patches."""

from typing import Any

import dask.array as da
import numpy as np
from dask.tokenize import tokenize

from ..._core import kernels
from ..._core.plans import Gather
from ..._utils.types import Index
from ...reading.arguments.indexing import resolve_index
from ...reading.arguments.outputs import allocate_aligned
from ...reading.collection import check_dataset
from ...reading.dataset import Dataset
from ...reading.reader import Reader, check_reader
from ...storage.arrays import plan_inputs
from ...storage.errors import error_from_fault
from ..parts import Patches
from .chunks import make_chunks
from .sources import Source


def array(ds: Dataset, name: str, *, patches_per_chunk: int = 64) -> da.Array:
    """Return an array of a data set as a lazy Dask array, as it is stored.

    Parameters
    ----------
    ds : Dataset
        The patches.
    name : str
        The array, in any spelling that `Dataset.find` knows.
    patches_per_chunk : int
        The patches of a chunk, which is read in one call.

    Returns
    -------
    dask.array.Array, (patch, row, column)
        Whole stored patches, with the padding around the valid window, in the stored type.

    Raises
    ------
    RequestError
        If an argument is wrong.

    Notes
    -----
    The graph holds the path and patch numbers.  Equal calls give arrays of the same name, until a
    file changes.
    """
    check_dataset(ds)
    name = ds.find(name)
    dtype, (height, width) = ds.dtype(name), ds.layout.patch
    chunks = make_chunks(ds, None, patches_per_chunk)
    read = _ReadArray(Source.of_dataset(ds), name)
    return da.blockwise(
        read,
        (0, 1, 2),
        chunks,
        (0,),
        new_axes={1: height, 2: width},
        name=f"{name}-{tokenize(read, chunks)}",
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
        align_arrays=False,
    )


def batches(reader: Reader[Any], index: Index | None = None, *, patches_per_chunk: int = 64) -> Any:
    """Return what a reader reads as lazy Dask arrays: scaled, cropped, with labels as classes.

    Parameters
    ----------
    reader : Reader
        What to read of each patch.
    index : int, sequence of int, ndarray or tensor, optional
        Patch numbers, as in `Reader.read`.  By default all patches.
    patches_per_chunk : int
        The patches of a chunk, which is read in one call.

    Returns
    -------
    Batch, MaskedBatch or dict
        As ``reader.read(index)`` returns, with Dask arrays.

    Raises
    ------
    RequestError, IndexError
        If an argument is wrong.

    Notes
    -----
    Arrays that are computed together, as by ``dask.compute(*batch)``, read each chunk once.  A task
    reads with one thread, unless the reader was made with ``threads``.
    """
    check_reader(reader)
    ds = reader.dataset
    wanted = None if index is None else resolve_index(index, len(ds))
    chunks = make_chunks(ds, wanted, patches_per_chunk)
    read = _ReadBatch(Source.of_reader(reader))
    token = tokenize(read, chunks)
    # An entry is a batch, and none of the arrays that users see.
    whole = da.blockwise(
        read,
        (0,),
        chunks,
        (0,),
        name=f"batch-{token}",
        dtype=object,
        meta=np.empty(0, object),
        align_arrays=False,
    )
    like = reader.read([])
    named = like if isinstance(like, dict) else like._asdict()
    parts = {
        name: None if part is None else _part(whole, name, part, token)
        for name, part in named.items()
    }
    return parts if isinstance(like, dict) else like._replace(**parts)


def _part(whole: da.Array, name: str, like: np.ndarray, token: str) -> da.Array:
    """Return one array of batches; ``like`` is that of no patches."""
    return da.blockwise(
        _TakePart(name),
        tuple(range(like.ndim)),
        whole,
        (0,),
        new_axes={k: side for k, side in enumerate(like.shape) if k},
        name=f"{name}-{token}",
        dtype=like.dtype,
        meta=like,
        align_arrays=False,
    )


# ---- tasks ---------------------------------------------------------------------------------------


class _ReadArray:
    """Reads patches of an array as they are stored."""

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name

    def __call__(self, patches: tuple[Patches, Patches]) -> np.ndarray:
        ds: Dataset = self.source.open()
        stored = np.array(patches[0], np.int64)
        plan = Gather(*plan_inputs([ds.open_arrays(ds.find(self.name))]), None, None)
        out = allocate_aligned((len(stored), 1, *ds.layout.patch), ds.dtype(self.name))
        origin = np.zeros(2, np.int64)
        fault = kernels.run((plan,), (out,), stored, origin, None, 1)
        if fault is not None:
            raise error_from_fault(fault)
        return out[:, 0]

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "cloudio.dask array", self.source.key, self.name


class _ReadBatch:
    """Reads batches."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, patches: tuple[Patches, Patches]) -> Any:
        reader = self.source.open()
        stored, given = (np.array(numbers, np.int64) for numbers in patches)
        batch = reader.read(stored)
        if not isinstance(batch, dict):
            return batch._replace(index=given)
        key = reader.batch_keys.names.get("index")
        return batch if key is None else {**batch, key: given}

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "cloudio.dask batch", self.source.key


class _TakePart:
    """Takes one array of a batch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, batch: Any) -> np.ndarray:
        part: np.ndarray = (
            batch[self.name] if isinstance(batch, dict) else getattr(batch, self.name)
        )
        return part

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "cloudio.dask part", self.name
