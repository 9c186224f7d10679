"""Which repeat an array can be stored with, by the patches that are exact repetitions."""

from collections.abc import Sequence
from math import prod

import numpy as np

from .phases import Pair, stored_side

#: What Sentinel-2 has in patches of 10 m, largest first.
REPEATS: tuple[Pair, ...] = ((6, 6), (3, 3), (2, 2))
#: The largest share of patches that may be no repetition.
EXCEPTIONS = 0.05


def native_share(repeat: Pair, valid: Pair, patch: Pair) -> float:
    """Return the pixels that are stored of a patch with a repeat, of those that it has."""
    return prod(map(stored_side, valid, repeat)) / prod(patch)


def choose(
    exact: np.ndarray, repeats: Sequence[Pair], valid: Pair, patch: Pair, most: float
) -> int | None:
    """Return the number of the largest repeat by which few enough patches are no repetition.

    ``exact``: (patch, repeat) whether each is, largest first.  ``most``: a share of the patches.
    None if there is none, or if it would save nothing.
    """
    for k, repeat in enumerate(repeats):
        share = 1 - exact[:, k].mean()
        if share <= most and native_share(repeat, valid, patch) + share < 1:
            return k
    return None


def fitting(repeats: Sequence[Pair], valid: Pair) -> tuple[Pair, ...]:
    """Return the repeats that are not larger than the valid window."""
    return tuple(p for p in repeats if all(r <= side for r, side in zip(p, valid, strict=True)))
