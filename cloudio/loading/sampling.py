"""Chance that can be repeated: the order of an epoch, and how each patch is seen in it.

Everything is a function of whole numbers, in 64-bit arithmetic: no state, no stream, no order in
which things must be asked for.  So any position of any epoch is had at once, and the same on every
machine.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._utils.numbers import check_whole
from ..errors import RequestError
from ..reading.reader import Reader

SEEDS = 2**64
# The eight, and those of them that need no square: as it is, half a turn, left-right, up-down.
SYMMETRIES = {"d4": range(8), "flip": (0, 2, 4, 6)}
_ROUNDS = 12
# Of few things all orders can be counted: after 12 rounds the likeliest of 8 comes three times as
# often as it should, after 24 1.05 times.
_FEW, _ROUNDS_OF_FEW = 64, 24
_HALF = np.uint64(32)


def check_seed(seed: Any) -> int:
    return check_whole("seed", seed, 0, SEEDS - 1, needed="a whole number from 0 to 2**64 - 1")


def check_epoch(epoch: Any) -> int:
    return check_whole("epoch", epoch, 0, 2**63 - 1, needed="a whole number from 0 on")


# ---- numbers that look random --------------------------------------------------------------------


def keys(purpose: str, seed: int, epoch: int, n: int) -> np.ndarray:
    """``n`` numbers of 64 bits that differ with each of the others."""
    text = f"cloudio {purpose} {seed} {epoch}".encode()
    digest = hashlib.shake_256(text).digest(8 * n)
    return np.frombuffer(digest, "<u8").astype(np.uint64)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit numbers in which every bit depends on all: SplitMix64's last steps.

    Of an array of at least one dimension: scalars would warn of overflows.
    """
    z: np.ndarray = numbers ^ (numbers >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _below(numbers: np.ndarray, limit: int) -> np.ndarray:
    """Numbers 0..limit - 1 out of the upper halves: none is likelier by more than limit / 2**32."""
    out: np.ndarray = (numbers >> _HALF) * np.uint64(limit) >> _HALF
    return out


# ---- the order of an epoch -----------------------------------------------------------------------


def permute(positions: np.ndarray, n: int, seed: int, epoch: int) -> np.ndarray:
    """Which of ``n`` things stand at these positions of an epoch: a permutation of 0..n - 1.

    A Feistel network on (row, column) of a nearly square table that holds ``n``: each round turns
    every row by what a keyed hash makes of its number, or every column.  What falls past ``n`` goes
    through again, about one in the square root of ``n`` at most (Black and Rogaway, "Ciphers with
    Arbitrary Finite Domains", 2002).
    """
    n_rows = math.isqrt(n - 1) + 1
    n_rows += n_rows % 2  # turns of odd rows and odd columns make even permutations alone
    n_cols = -(-n // n_rows)
    round_keys = keys("order", seed, epoch, _ROUNDS if n > _FEW else _ROUNDS_OF_FEW)
    out = positions.astype(np.uint64)
    left = np.arange(len(out))
    while len(left):
        out[left] = _once(out[left], n_rows, n_cols, round_keys)
        left = left[out[left] >= n]
    return out.astype(np.int64)


def _once(numbers: np.ndarray, n_rows: int, n_cols: int, round_keys: np.ndarray) -> np.ndarray:
    rows, cols = np.divmod(numbers, np.uint64(n_cols))
    for k in range(0, len(round_keys), 2):
        rows += _below(_mixed(cols + round_keys[k]), n_rows)
        rows %= np.uint64(n_rows)
        cols += _below(_mixed(rows + round_keys[k + 1]), n_cols)
        cols %= np.uint64(n_cols)
    return rows * np.uint64(n_cols) + cols


@dataclass(frozen=True)
class Shard:
    """Which positions of an epoch are for one of ``world_size`` ranks, in batches.

    From any position on, ranks take turns; each has as many samples as the others.
    """

    n_patches: int
    batch_size: int
    drop_last: bool
    rank: int
    world_size: int

    def n_samples(self, start: int) -> int:
        """Of each rank, from position ``start`` on."""
        left = self.n_patches - start
        if not self.drop_last:
            return -(-left // self.world_size)
        share = left // self.world_size
        return share - share % self.batch_size

    def n_batches(self, start: int) -> int:
        return -(-self.n_samples(start) // self.batch_size)

    def positions(self, start: int, of_rank: np.ndarray) -> np.ndarray:
        """Of this rank's samples, counted from ``start``; past the end the epoch begins again."""
        return (start + of_rank * self.world_size + self.rank) % self.n_patches

    def position(self, start: int, n_batches: int) -> int:
        """Up to where the epoch is taken once each rank has taken so many batches."""
        taken = min(n_batches * self.batch_size, self.n_samples(start))
        return min(start + taken * self.world_size, self.n_patches)


# ---- how a patch is seen -------------------------------------------------------------------------


class Samples(NamedTuple):
    """What a loader draws for positions of an epoch: ``reader.read(*samples)`` reads them.

    ``index``: the patches.  ``origin``: (n, 2), or None where the reader's own is meant.
    ``symmetry``: (n,), or None.
    """

    index: np.ndarray  # type: ignore[assignment]  # a tuple's method gives way
    origin: np.ndarray | None
    symmetry: np.ndarray | None


@dataclass(frozen=True)
class Augmentation:
    """In which windows and symmetries patches are seen.

    ``rows`` and ``cols``: the first origin there can be, and how many; None where the reader
    decides.  ``symmetries``: those there can be; None for as stored.
    """

    rows: tuple[int, int] | None
    cols: tuple[int, int] | None
    symmetries: Sequence[int] | None

    @classmethod
    def parse(cls, reader: "Reader", crop: Any, symmetry: Any) -> "Augmentation":
        """What ``crop`` and ``symmetry`` mean for a reader; RequestError where nothing."""
        rows, cols = _origins(reader, crop)
        if symmetry is None:
            return cls(rows, cols, None)
        if not isinstance(symmetry, str) or symmetry not in SYMMETRIES:
            raise RequestError(f"symmetry={symmetry!r}; 'd4', 'flip' or None can be had")
        height, width = reader.size
        if symmetry == "d4" and height != width:
            raise RequestError(
                f"symmetry='d4' has quarter turns, for which a window must be square; it is "
                f"{height} x {width} ('flip' takes any)"
            )
        return cls(rows, cols, SYMMETRIES[symmetry])

    @property
    def corner(self) -> tuple[int, int] | None:
        """The first origin there can be."""
        if self.rows is None or self.cols is None:
            return None
        return self.rows[0], self.cols[0]

    def draw(
        self, patches: np.ndarray, seed: int, epoch: int
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The origin and symmetry of each of these patches, as `Reader.read` takes them.

        They depend on seed, epoch and the patch's number alone.
        """
        by_row, by_col, by_symmetry = keys("view", seed, epoch, 3)

        def chosen(key: np.uint64, n: int) -> np.ndarray:
            return _below(_mixed(_mixed(patches.astype(np.uint64) + key) + key), n).astype(np.int64)

        origin = symmetry = None
        if self.rows is not None and self.cols is not None:
            origin = np.empty((len(patches), 2), np.int64)
            for axis, (first, n), key in (0, self.rows, by_row), (1, self.cols, by_col):
                origin[:, axis] = chosen(key, n) + first
        if self.symmetries is not None:
            which = chosen(by_symmetry, len(self.symmetries))
            symmetry = np.asarray(self.symmetries, np.int64)[which]
        return origin, symmetry


@dataclass(frozen=True)
class Sampler:
    """Which patches an epoch holds, in which order, and how each is seen.

    ``index``: the patches, in the order of positions that are not shuffled; None is all.
    """

    n_patches: int
    shuffle: bool
    seed: int
    index: np.ndarray | None
    views: Augmentation

    def samples(self, positions: np.ndarray, epoch: int) -> Samples:
        """What is at these positions, which there must be."""
        if self.shuffle:
            positions = permute(positions, self.n_patches, self.seed, epoch)
        patches = positions if self.index is None else self.index[positions]
        return Samples(patches, *self.views.draw(patches, self.seed, epoch))


def _origins(reader: "Reader", crop: Any) -> Sequence[tuple[int, int] | None]:
    """Along rows and columns, the first origin and how many; None where the reader decides."""
    if isinstance(crop, str) and crop == "center":
        return None, None
    valid, patch = reader.dataset.valid_window, reader.dataset.layout.patch
    axes = zip((valid.row, valid.col), valid.size, reader.size, patch, strict=True)
    if isinstance(crop, str) and crop == "random":
        # Inside the valid window; what is larger than that, around it.
        ends = [(first, first + whole - side, stored - side) for first, whole, side, stored in axes]
        low = [max(0, min(first, last)) for first, last, _ in ends]
        high = [min(most, max(first, last)) for first, last, most in ends]
        return [(a, b - a + 1) for a, b in zip(low, high, strict=True)]
    try:
        given = np.asarray(crop)
    except ValueError:
        given = np.empty(0)
    if given.shape != (2,) or given.dtype.kind not in "iu":
        raise RequestError(f"crop={crop!r}; 'random', 'center' or an origin (row, col) is needed")
    corner = [int(x) for x in given]
    most = [stored - side for side, stored in zip(reader.size, patch, strict=True)]
    if not all(0 <= x <= last for x, last in zip(corner, most, strict=True)):
        raise RequestError(
            f"crop={crop!r}; a window of {reader.size[0]} x {reader.size[1]} fits a patch from "
            f"(0, 0) to ({most[0]}, {most[1]})"
        )
    return [(x, 1) for x in corner]
