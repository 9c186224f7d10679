"""Arrays of a data set: where one lies on disk, and the same one in a file that is open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._core.plans import Repeated
from .._utils.files import open_raw
from ..errors import TruncatedError
from ..layouts.band import Window
from .files import File
from .phases import PhaseFile


@dataclass(frozen=True, slots=True)
class Native:
    """How patches follow from a file of fewer pixels, each of which covers several of a patch.

    A pixel covers ``repeat`` rows and columns of the ``patch`` (height, width).  Those of the file
    cover the ``window`` of the patch; outside it a patch is 0.  ``phase``: in which row and column
    of its pixel the window begins, for all patches or for each.  ``exceptions`` are the patches
    that are stored whole.
    """

    repeat: tuple[int, int]
    patch: tuple[int, int]
    window: Window
    phase: tuple[int, int] | PhaseFile
    exceptions: "ArrayFile | None" = None

    def place(self, k: int) -> int:
        """Return the place (see `PhaseFile`) of patch k; LayoutError if it is wrong."""
        phase = self.phase
        if isinstance(phase, PhaseFile):
            return phase.place(k)
        return phase[0] * self.repeat[1] + phase[1]

    def places(self) -> int | np.ndarray:
        """Return the place of all patches, or int32 (patch,); LayoutError if one is wrong."""
        return self.phase.places() if isinstance(self.phase, PhaseFile) else self.place(0)


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """One array of one split: its file, and the type and shape of what the file holds.

    ``shape`` is (patch, row, column), or (patch, channel, row, column) of which the array is one
    ``channel``; (patch, row, column, channel) where ``channels_last``.  ``start`` is where the
    first pixel is, in bytes.  With ``native`` rows and columns are fewer than those of a patch.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int = 0
    channel: int | None = None
    channels_last: bool = False
    native: Native | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that the array lies in: its own first, then those of ``native``."""
        others = (self.native.phase, self.native.exceptions) if self.native else ()
        tables = (each for each in others if isinstance(each, (PhaseFile, ArrayFile)))
        return (self.path, *(each.path for each in tables))

    @property
    def size(self) -> tuple[int, int]:
        """The rows and columns of a patch in the file."""
        _, height, width = self.buffer_spec[2]
        return height, width

    @property
    def exception_bytes(self) -> int:
        """The bytes of the patches that are stored whole, beside those of the file."""
        whole = None if self.native is None else self.native.exceptions
        return 0 if whole is None else whole.end - whole.start

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
        native = self.native
        if native is None:
            return self.read_stored(k, window)
        place = native.place(k)
        if place < 0:
            assert native.exceptions is not None
            return native.exceptions.read_window(-1 - place, window)
        out = np.zeros(window.size, self.dtype)
        # Rows and columns of the window, counted from the corner of the part that is stored.
        inner = native.window
        rows = np.arange(window.height) + window.row - inner.row
        cols = np.arange(window.width) + window.col - inner.col
        inside = (rows >= 0) & (rows < inner.height), (cols >= 0) & (cols < inner.width)
        if all(has.any() for has in inside):
            out[np.ix_(*inside)] = self._repeat(k, place, rows[inside[0]], cols[inside[1]])
        return out

    def _repeat(self, k: int, place: int, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Return rows and columns of the part of patch k that is stored, each pixel repeated."""
        assert self.native is not None
        row_repeat, col_repeat = self.native.repeat
        row_phase, col_phase = divmod(place, col_repeat)
        rows, cols = (rows + row_phase) // row_repeat, (cols + col_phase) // col_repeat
        top, left = int(rows[0]), int(cols[0])
        window = Window(top, left, int(rows[-1]) - top + 1, int(cols[-1]) - left + 1)
        pixels: np.ndarray = self.read_stored(k, window)[np.ix_(rows - top, cols - left)]
        return pixels

    def read_stored(self, k: int, window: Window) -> np.ndarray:
        """Return a window of the pixels that the file stores of patch k, as `read_window` does."""
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

    It keeps the file open; channels of one file share the file.  ``places`` and ``exceptions``:
    those of ``stored.native``.
    """

    def __init__(
        self,
        file: File,
        stored: ArrayFile,
        places: int | np.ndarray = 0,
        exceptions: "OpenArray | None" = None,
    ) -> None:
        self.file, self.stored = file, stored
        self.places, self.exceptions = places, exceptions
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

    @property
    def plan_input(self) -> Any:
        """What a plan takes: the buffer spec, or a `Repeated`."""
        native, whole = self.stored.native, self.exceptions
        if native is None:
            return self.buffer_spec
        window = native.window
        return Repeated(
            self.buffer_spec,
            repeat=native.repeat,
            patch=native.patch,
            window=(window.row, window.col, *window.size),
            places=self.places,
            exceptions=None if whole is None else whole.buffer_spec,
            exceptions_file=None if whole is None else whole.file,
        )


def plan_inputs(
    arrays: Sequence[Sequence[OpenArray]],
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Return what a plan takes of arrays, each given as one `OpenArray` per split: specs, files."""
    specs = [[array.plan_input for array in row] for row in arrays]
    return specs, [[array.file for array in row] for row in arrays]
