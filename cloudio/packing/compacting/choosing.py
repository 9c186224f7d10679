"""Which repeat an array is stored with: first by some of its patches, at the end by all."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...layouts.band import Window
from ...storage.discovery import Split, locate_patches
from ...verification.repetition.choice import choose
from ...verification.repetition.phases import Pair, allowed_by_strips, strips
from .source import SourceSet

#: Patches of an array that are looked at before the run.
N_SAMPLED = 64
# A share of exceptions in the sample by which all patches are worth a look.
_TWICE, _MORE = 2, 0.1


@dataclass(frozen=True)
class Rules:
    """What `compact` may choose.

    ``repeats``: those that are tried for each array, largest first.  ``exceptions``: the largest
    share of the patches of an array that may be none.
    """

    repeats: Mapping[str, tuple[Pair, ...]]
    exceptions: float

    def of(self, name: str) -> tuple[Pair, ...]:
        return self.repeats.get(name, ())

    def digest(self) -> str:
        return repr((sorted(self.repeats.items()), self.exceptions))


def choose_for(
    source: SourceSet, rules: Rules, name: str, exact: np.ndarray, most: float
) -> Pair | None:
    """Return the largest repeat of an array by which few enough patches are no repetition.

    ``exact``: (patch, repeat) whether each is.
    """
    layout, repeats = source.layout, rules.of(name)
    k = choose(exact, repeats, layout.valid.size, layout.patch, most)
    return None if k is None else repeats[k]


def least_share(exact: np.ndarray) -> float:
    """Return the share of patches that are no repetition, by the repeat that has fewest."""
    return float(1 - exact.mean(axis=0).max())


def choose_by_sample(
    source: SourceSet, rules: Rules, n_workers: int
) -> tuple[dict[str, Pair | None], dict[str, float]]:
    """Return a choice for every array, by strips of some of its patches, and `least_share`.

    A repeat with a few more exceptions than are allowed is chosen too: all patches decide.
    """
    names = [name for name in source.arrays if rules.of(name)]
    chosen: dict[str, Pair | None] = dict.fromkeys(source.arrays)
    shares: dict[str, float] = {}
    with ThreadPoolExecutor(n_workers, thread_name_prefix="cloudio-compact") as threads:
        for name, exact in threads.map(lambda name: (name, sample(source, name, rules)), names):
            shares[name] = least_share(exact)
            is_all = len(exact) == source.arrays[name].total
            limits = [rules.exceptions]
            limits += [] if is_all else [min(1.0, _TWICE * rules.exceptions + _MORE)]
            for most in limits:
                chosen[name] = choose_for(source, rules, name, exact, most)
                if chosen[name] is not None:
                    break
    return chosen, shares


def sample(source: SourceSet, name: str, rules: Rules) -> np.ndarray:
    """Return (patch, repeat) whether strips of some patches of an array allow each repeat."""
    found = [
        _possible(split, name, row, source.layout.valid, rules.of(name))
        for split, row in sampled_patches(source, name)
    ]
    return np.array(found)


def sampled_patches(source: SourceSet, name: str) -> list[tuple[Split, int]]:
    """Return the patches of an array that are looked at before the run, in order."""
    splits = [split for split in source.ds.stored_splits if name in split.arrays]
    total = source.arrays[name].total
    numbers = np.unique(np.linspace(0, total - 1, min(total, N_SAMPLED)).astype(np.int64))
    which, rows = locate_patches(splits, numbers)
    return [(splits[w], int(row)) for w, row in zip(which.tolist(), rows, strict=True)]


def _possible(
    split: Split, name: str, k: int, valid: Window, repeats: Sequence[Pair]
) -> list[bool]:
    array = split.arrays[name]
    windows = (
        Window(valid.row + strip.start, valid.col, strip.stop - strip.start, valid.width)
        for strip in strips(valid.height)
    )
    return allowed_by_strips((array.read_window(k, window) for window in windows), repeats)
