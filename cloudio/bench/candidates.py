"""Implementations of one batch whose pages are in memory: the baseline, the best numpy, cloudio."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..reading.batch import Batch
from .timing import Candidate, interleave, with_threads
from .workload import Workload

BASELINE, BEST_NUMPY, CLOUDIO = "baseline (np.stack, float64) *", "best numpy", "cloudio"


# ---- numpy ---------------------------------------------------------------------------------------


class Recipe(NamedTuple):
    """The numpy calls that scale one window and look up one label, in place."""

    name: str
    scale: Callable[[np.ndarray, np.float32, np.ndarray], object]
    look_up: Callable[[np.ndarray, np.ndarray, np.ndarray], object]


def multiply(window: np.ndarray, scale: np.float32, out: np.ndarray) -> None:
    np.multiply(window, scale, out=out, casting="unsafe")


def cast_then_multiply(window: np.ndarray, scale: np.float32, out: np.ndarray) -> None:
    out[...] = window
    out *= scale


def take_clip(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    np.take(table, codes, out=out, mode="clip")


def take_wrap(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    np.take(table, codes, out=out, mode="wrap")


def subscript(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    out[...] = table[codes]


SCALINGS = {
    'np.multiply(window, scale, out=out, casting="unsafe")': multiply,
    "out[...] = window; out *= scale": cast_then_multiply,
}
# With its default mode, np.take writes to a copy of its output first.
LOOK_UPS = {
    'np.take(table, codes, out=out, mode="clip")': take_clip,
    'np.take(table, codes, out=out, mode="wrap")': take_wrap,
    "out[...] = table[codes]": subscript,
}


def recipes(workload: Workload) -> list[Recipe]:
    """Return every recipe for numpy that writes to an allocated output."""
    if workload.codes is None:
        return [Recipe(name, scale, subscript) for name, scale in SCALINGS.items()]
    return [
        Recipe(f"{name} and {other}", scale, look_up)
        for name, scale in SCALINGS.items()
        for other, look_up in LOOK_UPS.items()
    ]


def best_recipe(workload: Workload, out: Batch[np.ndarray]) -> Recipe:
    """Return the fastest recipe here; it depends on the window and the machine."""
    by_name = {recipe.name: recipe for recipe in recipes(workload)}
    tried = [by_numpy(workload, recipe, name=name) for name, recipe in by_name.items()]
    timings = interleave(tried, out, 3)
    return by_name[min(timings, key=lambda name: min(timings[name].seconds))]


def by_numpy(
    workload: Workload,
    recipe: Recipe,
    pool: ThreadPoolExecutor | None = None,
    threads: int = 1,
    *,
    name: str | None = None,
) -> Candidate:
    """Read window by window into the output; with a pool, its threads share the samples."""
    shares = min(threads, len(workload))

    def samples(out: Batch[np.ndarray], first: int) -> None:
        for k in range(first, len(workload), shares):
            window, image = workload.windows[k], out.image[k]
            for b, array in enumerate(workload.maps):
                recipe.scale(array[window], workload.scales[b], image[b])
            if workload.codes is not None and out.label is not None:
                codes, table = workload.codes
                recipe.look_up(table, codes[window], out.label[k])

    def run(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        if pool is None:
            samples(out, 0)
        else:
            list(pool.map(partial(samples, out), range(shares)))
        return out

    return Candidate(name or with_threads(BEST_NUMPY, threads), threads, run)


# ---- the baseline --------------------------------------------------------------------------------


def unit_step(scales: Sequence[np.float32], dtype: Any = np.float64) -> tuple[Any, Any]:
    """Return how people scale such bands: np.divide and 10000 for 1e-4, else np.multiply.

    The second is a scalar of ``dtype`` if all bands share it, else an array (band, 1, 1).
    """
    whole = [round(1 / float(scale)) for scale in scales]
    divide = all(n and np.float32(1 / n) == scale for n, scale in zip(whole, scales, strict=True))
    units = np.array(whole if divide else scales, dtype)
    return (
        np.divide if divide else np.multiply,
        units[0] if (units == units[0]).all() else units[:, None, None],
    )


def by_baseline(workload: Workload) -> Candidate:
    """Read as people write it: whole patches, scaled in float64, then cropped and cast."""
    step, unit = unit_step(workload.scales)

    def run(_: Batch[np.ndarray]) -> Batch[np.ndarray]:
        images, labels = [], []
        for i, rows, cols in workload.windows:
            image = step(np.stack([array[i] for array in workload.maps]), unit)
            images.append(image[:, rows, cols].astype(np.float32))
            if workload.codes is not None:
                codes, table = workload.codes
                labels.append(table[codes[i]][rows, cols])
        return Batch(np.stack(images), np.stack(labels) if labels else None, workload.index)

    return Candidate(BASELINE, 1, run, ulps=1)


# ---- cloudio -------------------------------------------------------------------------------------


def by_cloudio(workload: Workload, threads: int) -> Candidate:
    reader = workload.reader(threads)

    def run(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        return reader.read(workload.index, workload.origin, out=out)

    return Candidate(with_threads(CLOUDIO, threads), threads, run)


def all_candidates(
    workload: Workload, recipe: Recipe, pool: ThreadPoolExecutor, threads: int
) -> list[Candidate]:
    """Return the baseline, numpy by this recipe and cloudio, each in one thread and in all."""
    found = [
        by_baseline(workload),
        by_numpy(workload, recipe),
        by_numpy(workload, recipe, pool, threads),
        by_cloudio(workload, 1),
        by_cloudio(workload, threads),
    ]
    return list({candidate.name: candidate for candidate in found}.values())
