"""Which patch stands at a position of an epoch: in order, shuffled, or drawn by weight."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._utils.numbers import check_whole
from ..._utils.text import counted
from ...errors import RequestError
from .permutation import permute
from .weights import cumulate, hash_numbers, high_product, look_up, order_by_weight

#: What `places` returns: the patches' places among those of the loader, and the repetition of each,
#: which its crop and symmetry depend on.  None is 0 for all.
Places = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Order:
    """The patches of an epoch in the order they are given, each ``crops`` times in a row.

    ``n_patches``: how many there are to choose from.  ``n_samples``: how many an epoch has.
    """

    n_patches: int
    n_samples: int
    crops: int
    seed: int

    def places(self, positions: np.ndarray, epoch: int) -> Places:
        """Return the places and repetitions at these positions."""
        if self.crops == 1:
            return positions, None
        return np.divmod(positions, self.crops)

    @property
    def settings(self) -> dict[str, int]:
        """What states hold of it: nothing if each patch comes once, as in older versions."""
        return {} if self.crops == 1 else self._settings()

    def _settings(self, replacement: bool = False, weights: int = 0) -> dict[str, int]:
        return {
            "crops_per_patch": self.crops,
            "replacement": int(replacement),
            "weights": weights,
        }

    def describe(self) -> str:
        return f"{self._patches()} in order"

    def _patches(self) -> str:
        whole = self.n_patches * self.crops
        part = "" if self.n_samples == whole else f"{counted(self.n_samples, 'sample')} of "
        crops = "" if self.crops == 1 else f", {self.crops} crops of each,"
        return f"{part}{counted(self.n_patches, 'patch')}{crops}"

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Shuffled(Order):
    """A permutation of all patches, or of all their crops."""

    def places(self, positions: np.ndarray, epoch: int) -> Places:
        items = permute(positions, self.n_patches * self.crops, self.seed, epoch)
        return super().places(items, epoch)

    def describe(self) -> str:
        return f"{self._patches()} shuffled by {self.seed}"


@dataclass(frozen=True)
class Drawn(Order):
    """Draws with replacement: each position on its own, and each with a crop of its own.

    ``weights``: of each patch; None if all are as likely.
    """

    weights: np.ndarray | None

    def places(self, positions: np.ndarray, epoch: int) -> Places:
        bits = hash_numbers("replacement", positions, self.seed, epoch)
        if self.weights is None:
            return high_product(bits, self.n_patches).astype(np.int64), positions
        return look_up(self._cumulated, bits), positions

    @cached_property
    def _cumulated(self) -> np.ndarray:
        assert self.weights is not None
        return cumulate(self.weights)

    @property
    def settings(self) -> dict[str, int]:
        return self._settings(True, _fingerprint(self.weights))

    def describe(self) -> str:
        weights = "" if self.weights is None else "by weight "
        return f"{self._patches()} drawn {weights}with replacement by {self.seed}"


@dataclass(frozen=True)
class DrawnOnce(Order):
    """Weighted draws without replacement.  The order of a whole epoch is computed at once."""

    weights: np.ndarray

    def places(self, positions: np.ndarray, epoch: int) -> Places:
        recent: tuple[tuple[int, np.ndarray], ...] = vars(self).get("_recent", ())
        for known, order in recent:
            if known == epoch:
                return order[positions], None
        order = order_by_weight(self.weights, self.seed, epoch, self.n_samples)
        # That of the epoch in progress, and of another that `samples` is asked for.
        vars(self)["_recent"] = ((epoch, order), *recent[:1])
        return order[positions], None

    @property
    def settings(self) -> dict[str, int]:
        return self._settings(False, _fingerprint(self.weights))

    def describe(self) -> str:
        return f"{self._patches()} drawn by weight without replacement by {self.seed}"


def make_order(
    n_patches: int,
    seed: int,
    *,
    shuffle: bool,
    crops: int,
    weights: np.ndarray | None,
    replacement: bool,
    num_samples: Any,
) -> Order:
    """Return the order for arguments of a `Loader`; RequestError if they do not agree."""
    if num_samples is not None:
        needed = "a whole number, 1 or more and 2**62 at most"
        num_samples = check_whole("num_samples", num_samples, 1, 2**62, needed=needed)
    if weights is None and not replacement:
        n_samples = _limit(num_samples, n_patches * crops, "crops_per_patch= or replacement=True")
        return (Shuffled if shuffle else Order)(n_patches, n_samples, crops, seed)
    what = "replacement=True" if weights is None else "weights"
    if not shuffle:
        raise RequestError(f"shuffle=False with {what}: draws have no other order; leave it out")
    if crops > 1:
        raise RequestError(
            f"crops_per_patch={crops} with {what}; leave it out: with replacement each draw has a "
            "crop of its own, and num_samples= is how many there are"
        )
    if weights is not None and not weights.any():
        raise RequestError("weights are 0 for all patches to load; at least one must be above 0")
    if replacement:
        n_samples = n_patches if num_samples is None else num_samples
        return Drawn(n_patches, n_samples, 1, seed, weights)
    assert weights is not None
    n_samples = _limit(num_samples, int((weights > 0).sum()), "replacement=True", " of weight > 0")
    return DrawnOnce(n_patches, n_samples, 1, seed, weights)


def _limit(num_samples: int | None, most: int, cure: str, which: str = "") -> int:
    if num_samples is not None and num_samples > most:
        raise RequestError(
            f"num_samples={num_samples}, but without replacement an epoch has at most "
            f"{counted(most, 'sample')}{which}; use {cure}"
        )
    return most if num_samples is None else num_samples


def _fingerprint(weights: np.ndarray | None) -> int:
    """Return a number of the weights, up to a power of two; 0 for none."""
    if weights is None:
        return 0
    _, exponent = np.frexp(weights.max())
    scaled = np.ldexp(weights, -int(exponent)).astype("<f8")
    return int.from_bytes(hashlib.blake2b(scaled, digest_size=8).digest(), "little") >> 1 or 1
