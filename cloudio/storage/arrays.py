"""Arrays of a data set: where one lies on disk, and the same one in a file that is open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.files import open_raw
from ..errors import TruncatedError
from ..layouts.band import Window
from .files import File


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """One array of one split: its file, and the type and shape of what the file holds.

    ``shape`` is (patch, row, column), or (patch, channel, row, column) of which the array is one
    ``channel``; (patch, row, column, channel) where ``channels_last``.  ``start`` is where the
    first pixel is, in bytes.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int = 0
    channel: int | None = None
    channels_last: bool = False

    @property
    def end(self) -> int:
        """Where the last pixel ends, in bytes: the size of the file."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    @property
    def buffer_spec(self) -> tuple[str, int, tuple[int, int, int], tuple[int, int, int]]:
        """What the kernels take: format, first pixel, shape, strides; in bytes."""
        item, (n, *sides) = self.dtype.itemsize, self.shape
        n_channels = sides.pop(-1 if self.channels_last else 0) if len(sides) == 3 else 1
        height, width = sides
        plane = height * width * item
        # From one pixel to the next, and from one channel to the next.
        pixel, step = (n_channels * item, item) if self.channels_last else (item, plane)
        begin = self.start + step * (self.channel or 0)
        strides = plane * n_channels, width * pixel, pixel
        return self.dtype.char, begin, (n, height, width), strides

    def read_window(self, k: int, window: Window) -> np.ndarray:
        """Return a window of patch k, by a read of the bytes from its first to its last pixel.

        The file is opened for this alone, so that threads and processes share nothing; a mapping
        would end the process where the file has become shorter: this is a TruncatedError.
        """
        _, begin, _, (patch_step, row_step, col_step) = self.buffer_spec
        begin += k * patch_step + window.row * row_step + window.col * col_step
        steps = (window.height - 1) * row_step + (window.width - 1) * col_step
        n_bytes = steps + self.dtype.itemsize
        with open_raw(self.path) as file:
            file.seek(begin)
            held = file.read(n_bytes)
        if len(held) < n_bytes:
            raise TruncatedError.about(self.path, f"ends within patch {k}", patch=k)
        return np.ndarray(window.size, self.dtype, held, 0, (row_step, col_step))


class OpenArray:
    """One array of an open file, all of it or a channel: ``array`` is (patch, row, column).

    It keeps the file open; channels of one file share the file.
    """

    def __init__(self, file: File, stored: ArrayFile) -> None:
        self.file, self.stored = file, stored
        self.dtype, self.buffer_spec = stored.dtype, stored.buffer_spec

    @property
    def array(self) -> np.ndarray:
        """A read-only view, without a copy; always the same object, which keeps the file mapped."""
        if (view := vars(self).get("_array")) is None:
            _, begin, shape, strides = self.buffer_spec
            made = np.ndarray(shape, self.dtype, self.file.pages, begin, strides)
            view = vars(self).setdefault("_array", made)
        array: np.ndarray = view
        return array


def plan_inputs(
    arrays: Sequence[Sequence[OpenArray]],
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Return what a plan takes of arrays, each given as one `OpenArray` per split: specs, files."""
    specs = [[array.buffer_spec for array in row] for row in arrays]
    return specs, [[array.file for array in row] for row in arrays]
