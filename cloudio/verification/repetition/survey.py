"""The pass of `verify` that looks for repeated pixels in every patch."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..._utils.progress import Advance
from ...layouts.layout import Layout
from ...storage.arrays import ArrayFile
from ...storage.discovery import Split
from .choice import EXCEPTIONS, REPEATS, choose, fitting
from .phases import Pair, find_phases
from .report import Repetition

_NO_PHASE = -1


def window_bytes(splits: Sequence[Split], layout: Layout) -> int:
    """Return the bytes that `find_repetitions` reads."""
    n_pixels = layout.valid.height * layout.valid.width
    return sum(
        array.shape[0] * n_pixels * array.dtype.itemsize
        for split in splits
        for array in split.arrays.values()
        if array.native is None
    )


def find_repetitions(
    splits: Sequence[Split], layout: Layout, n_threads: int, advance: Advance
) -> tuple[Repetition, ...]:
    """Return for each array how its pixels are repeated, in every patch."""
    everything = dict.fromkeys(name for split in splits for name in split.arrays)
    known = [band.name for band in layout.bands if band.name in everything]
    repeats = fitting(REPEATS, layout.valid.size)
    names = [*known, *sorted(everything.keys() - set(known))]
    with ThreadPoolExecutor(n_threads, thread_name_prefix="cloudio-verify") as threads:

        def phases_of(array: ArrayFile) -> np.ndarray:
            numbers = range(array.shape[0])
            places = []
            for each in threads.map(lambda k: _places(array, k, layout, repeats), numbers):
                places.append(each)
                advance(layout.valid.height * layout.valid.width * array.dtype.itemsize)
            return np.array(places).reshape(-1, len(repeats))

        found = []
        for name in names:
            arrays = {split.name: split.arrays[name] for split in splits if name in split.arrays}
            if any(array.native is not None for array in arrays.values()):
                found.append(_native(name, layout, arrays))
                continue
            places = {split: phases_of(array) for split, array in arrays.items()}
            found.append(_summarize(name, places, repeats, layout))
        return tuple(found)


def _places(array: ArrayFile, k: int, layout: Layout, repeats: Sequence[Pair]) -> list[int]:
    """Return the phase of a patch for each repeat, as one number."""
    phases = find_phases(array.read_window(k, layout.valid), repeats)
    return [
        _NO_PHASE if phase is None else phase[0] * repeat[1] + phase[1]
        for phase, repeat in zip(phases, repeats, strict=True)
    ]


def _native(name: str, layout: Layout, arrays: Mapping[str, ArrayFile]) -> Repetition:
    band = layout.band(name)
    assert band is not None
    n = sum(array.shape[0] for array in arrays.values())
    return Repetition(name, band.kind, band.repeat, True, True, n, n, 0, {})


def _summarize(
    name: str, places: dict[str, np.ndarray], repeats: Sequence[Pair], layout: Layout
) -> Repetition:
    band = layout.band(name)
    kind = "band" if band is None else band.kind
    together = np.concatenate(list(places.values()))
    exact, n = together != _NO_PHASE, len(together)
    chosen = choose(exact, repeats, layout.valid.size, layout.patch, EXCEPTIONS)
    if not exact.any():
        return Repetition(name, kind, 1, False, False, n, 0, 0, {})
    # The first of the largest counts is the largest repeat.
    k = int(exact.sum(axis=0).argmax()) if chosen is None else chosen
    exceptions = {
        split: tuple(np.flatnonzero(some[:, k] == _NO_PHASE).tolist())
        for split, some in places.items()
    }
    found = np.unique(together[exact[:, k], k])
    ry, rx = repeats[k]
    return Repetition(
        name,
        kind,
        ry if ry == rx else (ry, rx),
        chosen is not None,
        False,
        n,
        int(exact[:, k].sum()),
        len(found),
        {split: numbers for split, numbers in exceptions.items() if numbers},
    )
