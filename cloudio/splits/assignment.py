"""The split of each group.

There is no random generator and no float: hashes order the groups and draw their splits, and the
patches that a split still lacks are counted in whole numbers.  So the result is the same on every
machine.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from .groups import Group, keyed_digest

# Limits of the attempts, and of the draws of all attempts together: a second or two of Python, or
# one attempt if there are more groups than draws.
_MAX_ATTEMPTS = 64
_MAX_DRAWS = 200_000
# Bits behind the point of the weights of a draw.
_FRACTION_BITS = 32


def assign(groups: Sequence[Group], shares: Mapping[str, Fraction]) -> list[str]:
    """Return the split of each group, from the attempt that is closest to ``shares``."""
    # Everything is counted in 1/unit patches, so that shares are whole numbers.
    unit = math.lcm(*(share.denominator for share in shares.values()))
    weights = [int(share * unit) for share in shares.values()]
    # Large groups come first, while there is room for them; small ones fill the rest.
    order = sorted(range(len(groups)), key=lambda g: (-groups[g].size, groups[g].digest))
    best: tuple[tuple[int, int], list[int]] | None = None
    for attempt in range(max(1, min(_MAX_ATTEMPTS, _MAX_DRAWS // len(groups)))):
        drawn, lacks = _attempt([groups[g] for g in order], weights, unit, attempt)
        # Less than one patch is rounding, which cannot be avoided.
        off = sum(max(0, abs(sum(split)) - unit + 1) for split in lacks)
        # Relative to the size of the split, because its shares are.
        off_strata = sum(
            sum(map(abs, split)) * unit // weight
            for split, weight in zip(lacks, weights, strict=True)
        )
        if best is None or (off, off_strata) < best[0]:
            best = (off, off_strata), drawn
        if all(abs(lack) < unit for split in lacks for lack in split) and not off:
            break
    assert best is not None
    names = list(shares)
    assigned = [""] * len(groups)
    for g, s in zip(order, best[1], strict=True):
        assigned[g] = names[s]
    return assigned


def _attempt(
    groups: Sequence[Group], weights: Sequence[int], unit: int, attempt: int
) -> tuple[list[int], list[list[int]]]:
    """Return a split for each group, and the patches of each stratum that each split lacks.

    A group goes to a split that has room for it; if none has, to the one that lacks most.  So the
    deviation of a split is less than the largest group: docs/decisions/splits-keep-groups-whole.md
    has the proof.
    """
    totals: Counter[int] = Counter()
    for group in groups:
        totals.update(dict(group.counts))
    lacks = [[weight * totals[v] for v in range(len(totals))] for weight in weights]
    room = [sum(split) for split in lacks]
    drawn = []
    for size, counts, digest in groups:
        roomy = [s for s, free in enumerate(room) if free >= size * unit]
        fitting = [s for s in roomy if all(lacks[s][v] >= n * unit for v, n in counts)]
        if fitting:
            # The weight is the number of such groups that fit, so that all free places are equal.
            fit = [min((lacks[s][v] << _FRACTION_BITS) // n for v, n in counts) for s in fitting]
            s = _draw(fitting, fit, keyed_digest(digest, attempt))
        elif roomy:
            s = min(roomy, key=lambda s: _cost(counts, lacks[s], unit) * unit // weights[s])
        else:
            s = max(range(len(room)), key=room.__getitem__)
        room[s] -= size * unit
        for v, n in counts:
            lacks[s][v] -= n * unit
        drawn.append(s)
    return drawn, lacks


def _cost(counts: Sequence[tuple[int, int]], lacks: Sequence[int], unit: int) -> int:
    """Return how much such a group adds to the sum of squares of what a split lacks."""
    return sum(n * (n * unit - 2 * lacks[v]) for v, n in counts)


def _draw(splits: Sequence[int], weights: Sequence[int], digest: bytes) -> int:
    """Return one of ``splits``, each as likely as its weight; ``digest`` is the random number."""
    position = int.from_bytes(digest, "little") * sum(weights) >> 8 * len(digest)
    for s, weight in zip(splits, weights, strict=True):
        if position < weight:
            return s
        position -= weight
    raise AssertionError("a position beyond the last")
