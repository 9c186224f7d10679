"""The patches of an epoch, their order, and the part of one rank."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..._utils.numbers import check_whole
from .augmentation import Augmentation
from .orders import Order

SEEDS = 2**64


def check_seed(seed: Any) -> int:
    return check_whole("seed", seed, 0, SEEDS - 1, needed="a whole number from 0 to 2**64 - 1")


def check_epoch(epoch: Any) -> int:
    return check_whole("epoch", epoch, 0, 2**63 - 1, needed="a whole number, 0 or more")


class Samples(NamedTuple):
    """What a loader draws for positions of an epoch: ``reader.read(*samples)`` reads them.

    Attributes
    ----------
    index : ndarray of int64, (sample,)
        The patches of the reader.
    origin : ndarray of int64, (sample, 2), or None
        The first pixel of each window; None is the reader's own.
    symmetry : ndarray of int64, (sample,), or None
        0 to 7; None without symmetries.
    """

    index: np.ndarray  # type: ignore[assignment]  # a tuple's method gives way
    origin: np.ndarray | None
    symmetry: np.ndarray | None


@dataclass(frozen=True)
class Sampler:
    """Draws the patches of an epoch's positions, with their crops and symmetries.

    ``index``: the patches at the places of ``order``; None is all.
    """

    order: Order
    index: np.ndarray | None
    augmentation: Augmentation

    def samples(self, positions: np.ndarray, epoch: int) -> Samples:
        """Return the samples at these positions, which must exist."""
        places, repetition = self.order.places(positions, epoch)
        index = places if self.index is None else self.index[places]
        return Samples(index, *self.augmentation.draw(index, self.order.seed, epoch, repetition))


@dataclass(frozen=True)
class Shard:
    """The positions of an epoch for one of ``world_size`` ranks, in batches.

    Ranks take turns from any position on.  With ``even`` each has as many samples as the others;
    without, none is repeated or left out.
    """

    n_positions: int
    batch_size: int
    drop_last: bool
    rank: int
    world_size: int
    even: bool = True

    def n_samples(self, start: int) -> int:
        """Return how many samples this rank has from position ``start`` on."""
        left = self.n_positions - start
        if not self.even:
            return max(0, -(-(left - self.rank) // self.world_size))
        if not self.drop_last:
            return -(-left // self.world_size)
        share = left // self.world_size
        return share - share % self.batch_size

    def n_batches(self, start: int) -> int:
        return -(-self.n_samples(start) // self.batch_size)

    def positions(self, start: int, numbers: np.ndarray) -> np.ndarray:
        """Return the positions of this rank's samples, counted from ``start``.

        Past its end the epoch begins again.
        """
        return (start + numbers * self.world_size + self.rank) % self.n_positions

    def position(self, start: int, n_batches: int) -> int:
        """Return the position up to which the epoch is done after ``n_batches`` of each rank."""
        return min(start + n_batches * self.batch_size * self.world_size, self.n_positions)
