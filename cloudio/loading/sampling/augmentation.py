"""Random crops and symmetries: one for each patch and epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._utils.tensors import as_host_array
from ...errors import RequestError
from ...reading.reader import Reader
from .permutation import mix, random_keys, reduce_below

# All eight, and those that need no square: none, half a turn, left-right, up-down.
SYMMETRIES = {"d4": range(8), "flip": (0, 2, 4, 6)}


@dataclass(frozen=True)
class Augmentation:
    """The origins and symmetries to draw from.

    ``rows`` and ``cols``: the first origin, and how many there are; None for the reader's own.
    ``symmetries``: the numbers to draw from; None for patches as stored.
    """

    rows: tuple[int, int] | None
    cols: tuple[int, int] | None
    symmetries: Sequence[int] | None

    @classmethod
    def parse(cls, reader: Reader[Any], crop: Any, symmetry: Any) -> "Augmentation":
        """Return the origins and symmetries for ``crop`` and ``symmetry`` of a `Loader`."""
        rows, cols = _parse_crop(reader, crop)
        if symmetry is None:
            return cls(rows, cols, None)
        if not isinstance(symmetry, str) or symmetry not in SYMMETRIES:
            raise RequestError(f"symmetry={symmetry!r}; symmetry must be 'd4', 'flip' or None")
        height, width = reader.size
        if symmetry == "d4" and height != width:
            raise RequestError(
                f"symmetry='d4' has quarter turns, which need a square window; this one is "
                f"{height} x {width}: use a square size, or symmetry='flip'"
            )
        return cls(rows, cols, SYMMETRIES[symmetry])

    @property
    def is_random(self) -> bool:
        """Whether two draws of a patch may differ."""
        sides = [axis[1] for axis in (self.rows, self.cols) if axis is not None]
        return self.symmetries is not None or max(sides, default=1) > 1

    @property
    def first_origin(self) -> tuple[int, int] | None:
        """The first origin; None for the reader's own."""
        if self.rows is None or self.cols is None:
            return None
        return self.rows[0], self.cols[0]

    def draw(
        self, index: np.ndarray, seed: int, epoch: int, repetition: np.ndarray | None = None
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the origin and symmetry of each patch, as `Reader.read` takes them.

        They depend only on seed, epoch, the patch's index and its repetition; None is 0 for all.
        """
        row_key, col_key, symmetry_key = random_keys("view", seed, epoch, 3)
        numbers = index.astype(np.uint64)
        if repetition is not None:
            numbers += mix(repetition.astype(np.uint64))  # which leaves 0 as it is

        def draw_below(n: int, key: np.uint64) -> np.ndarray:
            hashed = mix(mix(numbers + key) + key)
            return reduce_below(hashed, n).astype(np.int64)

        origin = symmetry = None
        if self.rows is not None and self.cols is not None:
            origin = np.empty((len(index), 2), np.int64)
            for axis, (first, n), key in (0, self.rows, row_key), (1, self.cols, col_key):
                origin[:, axis] = draw_below(n, key) + first
        if self.symmetries is not None:
            which = draw_below(len(self.symmetries), symmetry_key)
            symmetry = np.asarray(self.symmetries, np.int64)[which]
        return origin, symmetry


def _parse_crop(reader: Reader[Any], crop: Any) -> Sequence[tuple[int, int] | None]:
    """Return, for rows and columns, the first origin and how many there are."""
    if isinstance(crop, str) and crop == "center":
        return None, None
    if isinstance(crop, str) and crop == "random":
        return _random_origins(reader)
    try:
        origin = np.asarray(as_host_array("crop", crop))
    except ValueError:  # parts of different lengths
        origin = np.empty(0)
    if origin.shape != (2,) or origin.dtype.kind not in "iu":
        raise RequestError(
            f"crop={crop!r}; crop must be 'random', 'center' or an origin (row, col)"
        )
    patch = reader.dataset.layout.patch
    last = [stored - side for side, stored in zip(reader.size, patch, strict=True)]
    if not all(0 <= x <= limit for x, limit in zip(origin, last, strict=True)):
        raise RequestError(
            f"crop={crop!r}; a window of {reader.size[0]} x {reader.size[1]} must begin between "
            f"(0, 0) and ({last[0]}, {last[1]})"
        )
    return [(int(x), 1) for x in origin]


def _random_origins(reader: Reader[Any]) -> list[tuple[int, int]]:
    """Return the origins of windows inside the valid window; around it, if they are larger."""
    valid, patch = reader.dataset.valid_window, reader.dataset.layout.patch
    origins = []
    for first, extent, side, stored in zip(
        (valid.row, valid.col), valid.size, reader.size, patch, strict=True
    ):
        last = first + extent - side
        low = max(0, min(first, last))
        high = min(stored - side, max(first, last))
        origins.append((low, high - low + 1))
    return origins
