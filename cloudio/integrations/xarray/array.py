"""One array of a data set as xarray indexes it: pixels are read when they are asked for."""

import asyncio
import math
from functools import cached_property
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, VectorizedIndexer

from ..._core import kernels
from ..._core.plans import Gather
from ..._utils.machine import resolve_threads
from ...reading.arguments.outputs import allocate_aligned
from ...reading.dataset import Dataset
from ...storage.arrays import plan_inputs
from ...storage.errors import error_from_fault, request_error
from .keys import Span, parse_patches, parse_span, resolve_places

# Of indexers that skip pixels, so many bytes of windows are held at a time.
_PART_BYTES = 64 << 20


class StoredArray(BackendArray):
    """An array (patch, row, column) as stored, of whole patches.

    Each indexing reads the patches and the window that it needs in one call.  Indexers with steps
    read the window around what they select.  Threads may share it; it pickles as the data set.
    """

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.dataset, self.name = dataset, name
        self.dtype = dataset.dtype(name)
        self.shape = len(dataset), *dataset.layout.patch

    def __getitem__(self, key: ExplicitIndexer) -> np.ndarray:
        if isinstance(key, VectorizedIndexer):
            return self._read_points(key.tuple)
        return self._read_outer(key.tuple)

    async def async_getitem(self, key: ExplicitIndexer) -> np.ndarray:
        return await asyncio.to_thread(self.__getitem__, key)

    def _read_outer(self, key: tuple[Any, ...]) -> np.ndarray:
        """Return the pixels of indexers that each select along their own axis."""
        patches = parse_patches(key[0], self.shape[0])
        rows, cols = (parse_span(k, n) for k, n in zip(key[1:], self.shape[1:], strict=True))
        origin = np.array([rows.start, cols.start], np.int64)
        read = self._read(patches.reshape(-1), origin, rows, cols)
        return read.reshape(patches.shape + read.shape[1:])

    def _read_points(self, key: tuple[Any, ...]) -> np.ndarray:
        """Return the pixels of arrays that select points together.

        Rows or columns whose array varies where no other does are a window, as of slices.  Each of
        the other points is a sample with a window of its own.
        """
        arrays = _arrays(key, self.shape)
        together = np.broadcast_shapes(*(places.shape for places in arrays))
        if 0 in together:
            return np.empty(together, self.dtype)
        arrays = [_compact(places) for places in arrays]
        varies = [np.array(places.shape) > 1 for places in arrays]
        spans, corners, sides = [], [], []
        for axis, other in ((1, 2), (2, 1)):
            if (varies[axis] & (varies[0] | varies[other])).any():
                span, corner, side = Span(0, 1, 0), arrays[axis], (1,) * len(together)
            else:
                span = parse_span(arrays[axis].reshape(-1), self.shape[axis])
                corner, side = np.array(span.start), arrays[axis].shape
            spans.append(span)
            corners.append(corner)
            sides.append(side)
        shape = np.broadcast_shapes(arrays[0].shape, *(corner.shape for corner in corners))
        patches, *origin = (
            np.broadcast_to(places, shape).reshape(-1) for places in (arrays[0], *corners)
        )
        read = self._read(patches, np.stack(origin, axis=1), *spans)
        # Each axis of the result is one of the samples, of rows or of columns.
        n_axes = len(together)
        order = [part * n_axes + k for k in range(n_axes) for part in range(3)]
        read = read.reshape(shape + sides[0] + sides[1]).transpose(order)
        read = read.reshape(np.broadcast_shapes(*(places.shape for places in arrays)))
        return read if read.shape == together else np.broadcast_to(read, together).copy()

    def _read(self, patches: np.ndarray, origin: np.ndarray, rows: Span, cols: Span) -> np.ndarray:
        """Return what the spans take of each patch; ``origin`` is (2,) or (sample, 2)."""
        shape = len(patches), *rows.shape, *cols.shape
        size = rows.extent, cols.extent
        if 0 in shape:
            return np.empty(shape, self.dtype)
        if rows.is_whole and cols.is_whole:
            return self._gather(patches, origin, size)
        out = np.empty(shape, self.dtype)
        step = max(1, _PART_BYTES // (math.prod(size) * self.dtype.itemsize))
        for start in range(0, len(patches), step):
            part = slice(start, start + step)
            windows = self._gather(
                patches[part], origin if origin.ndim == 1 else origin[part], size
            )
            out[part] = windows[:, rows.taken][..., cols.taken]
        return out

    def _gather(self, patches: np.ndarray, origin: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return a window of each patch, (sample, row, column)."""
        plan, ds = self._plan, self.dataset
        index = np.array(patches, np.int64)  # of its own: the kernels write to it
        index = ds.stored_index(index) if ds.is_subset else index
        out = allocate_aligned((len(index), 1, *size), self.dtype)
        origin = np.ascontiguousarray(origin)
        try:
            fault = kernels.run((plan,), (out,), index, origin, None, resolve_threads(None))
        except ValueError as error:
            raise request_error(error) from None
        if fault is not None:
            raise error_from_fault(fault)
        return out[:, 0]

    @cached_property
    def _plan(self) -> Gather:
        """The files are opened when the first pixel is read."""
        return Gather(
            *plan_inputs([self.dataset.open_arrays(self.dataset.find(self.name))]), None, None
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredArray, (self.dataset, self.name)

    def __repr__(self) -> str:
        return f"<{self.name} of {self.dataset.path}: {self.shape} {self.dtype}>"


def _arrays(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return indexers of points as arrays that broadcast; the axes of slices come last."""
    n_slices = sum(isinstance(k, slice) for k in key)
    arrays, n_axes, found = [], max(np.ndim(k) for k in key if not isinstance(k, slice)), 0
    for k, n in zip(key, shape, strict=True):
        if isinstance(k, slice):
            found += 1
            after = n_slices - found
            places = np.arange(*k.indices(n)).reshape(
                (1,) * (n_axes + found - 1) + (-1,) + (1,) * after
            )
        else:
            places = resolve_places(k, n)
            places = places.reshape((1,) * (n_axes - places.ndim) + places.shape + (1,) * n_slices)
        arrays.append(places)
    return arrays


def _compact(places: np.ndarray) -> np.ndarray:
    """Return places with axes of length 1 where they are the same: xarray gives each point's."""
    for axis in range(places.ndim):
        first = places.take([0], axis)
        if (places.take([-1], axis) == first).all() and (places == first).all():
            places = first
    return places
