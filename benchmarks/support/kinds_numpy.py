"""The best that numpy can do for each kind of output, in an output that is there.

A recipe says in which steps.  Which is the best depends on the kind, the window and the machine:
kinds_race.py tries all that differ for a kind, and the fastest stands for numpy.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from kinds import Job, Kind, Outs, seen

from cloudio.bench.candidates import Contender

# Rows of all bands together: 13 x 64 x 509 float32 are 1.7 MB; 8 rows lost to them, and in planes
# apart blocks lost to whole planes for every kind.
_ROWS = 64


@dataclass(frozen=True)
class Recipe:
    """``load``: "multiply" casts and scales in one call, "cast" in two.

    ``rows``: of a block, or None for all.  ``to``: where float32 is computed, "out" or
    "scratch".  ``turn``: as a strided "view", or in a "copy" of the stored numbers.  ``bands``:
    under NHWC, each written at its "stride", or all together from "planes", or interleaved as
    "stored" and then scaled.  ``halves``: by "assignment", or with whole numbers on the "bits".
    """

    load: str
    rows: int | None = None
    to: str = "out"
    turn: str = "view"
    bands: str = "stride"
    halves: str = "assignment"

    def __str__(self) -> str:
        """Where it differs from the first of all, and how it loads."""
        given = [f"{self.rows} rows" if self.rows else "", self.to, self.turn, self.bands]
        words = [word for word in (*given, self.halves) if word not in ("", *_DEFAULTS)]
        return ", ".join((self.load, *words))


_DEFAULTS = ("out", "view", "stride", "assignment")


def recipes(kind: Kind) -> list[Recipe]:
    """Those that differ for a kind."""
    found = [Recipe(load) for load in ("multiply", "cast")]
    if kind.is_stored:
        return found[:1]
    if kind.symmetry:
        found += [replace(recipe, turn="copy") for recipe in found]
    if kind.dtype != "float32":
        # float16 before it is scaled is rounded too early; numpy can do both in one call.
        straight = found[:1] if kind.dtype == "float16" else []
        found = straight + [replace(recipe, to="scratch") for recipe in found]
    if kind.dtype == "bfloat16":
        found += [replace(recipe, halves="bits") for recipe in found]
    if kind.layout == "NHWC":
        together = product(found, ("planes", "stored"))
        found += [replace(recipe, bands=bands, rows=_ROWS) for recipe, bands in together]
    return list(dict.fromkeys(found))


def way(job: Job, recipe: Recipe, pool: ThreadPoolExecutor | None, threads: int) -> Contender:
    """By the caller alone, or by a pool, of whose threads each takes every so-manyth sample."""
    shares = 1 if pool is None else min(threads, len(job.work))
    run = spread_over(job, pool, [Steps(job, recipe) for _ in range(shares)])
    return Contender(f"numpy: {recipe}; {threads} thread{'s' if threads > 1 else ''}", threads, run)


def spread_over(
    job: Job,
    pool: ThreadPoolExecutor | None,
    steps: Sequence[Callable[[int, Any], None]],
    seen_as: Callable[[Outs], Any] = lambda outs: outs,
) -> Callable[[np.ndarray], Outs]:
    """All samples, by the caller or by a pool's workers, each with steps of its own.

    ``seen_as`` makes of the outputs what the steps write to.
    """

    def samples(outs: Any, first: int) -> None:
        for k in range(first, len(job.work), len(steps)):
            steps[first](k, outs)

    def run(memory: np.ndarray) -> Outs:
        outs = job.outs(memory)
        if pool is None:
            samples(seen_as(outs), 0)
        else:
            list(pool.map(partial(samples, seen_as(outs)), range(len(steps))))
        return outs

    return run


class Steps:
    """One sample by one recipe; the scratch is one thread's."""

    def __init__(self, job: Job, recipe: Recipe) -> None:
        self.job, self.recipe = job, recipe
        (height, width), n_bands = job.work.size, len(job.work.bands)
        self.rows = recipe.rows or height
        self.plane = np.ones((self.rows, width), np.float32)
        self.bits = np.ones((self.rows, width), np.uint32)
        self.where = np.ones((self.rows, width), bool)
        self.turned = np.ones((self.rows, width), np.int16)
        if recipe.bands != "stride":
            self.planes = np.ones((n_bands, self.rows, width), np.float32)
            self.stored = np.ones((self.rows, width, n_bands), np.int16)
            self.scaled = np.ones((self.rows, width * n_bands), np.float32)
        self.scales = np.tile(np.array(job.scale), width)
        self.load = {"multiply": self.multiply, "cast": self.cast}[recipe.load]
        whole = {"stride": self.by_band, "planes": self.by_planes, "stored": self.by_stored}
        self.sample = whole[recipe.bands]

    def __call__(self, k: int, outs: Outs) -> None:
        work, symmetry = self.job.work, self.job.kind.symmetry
        windows = [seen(array[work.windows[k]], symmetry) for array in work.maps]
        height = work.size[0]
        if outs.mask is not None:
            outs.mask[k] = 1
        for first in range(0, height, self.rows):
            rows = slice(first, first + self.rows)
            mask = None if outs.mask is None else outs.mask[k, rows].view(bool)
            image = outs.image[k]
            block = image[:, rows] if self.job.kind.layout == "NCHW" else image[rows]
            self.sample([window[rows] for window in windows], block, mask)

    # ---- all bands of a block of rows ------------------------------------------------------------

    def by_band(self, windows: list[np.ndarray], out: np.ndarray, mask: np.ndarray | None) -> None:
        kind, last = self.job.kind, self.job.kind.layout == "NHWC"
        for b, window in enumerate(windows):
            target = out[..., b] if last else out[b]
            if kind.is_stored:
                np.copyto(target, window)
                continue
            if self.recipe.turn == "copy":
                np.copyto(self.turned[: len(window)], window)
                window = self.turned[: len(window)]
            scratch = target if self.recipe.to == "out" else self.plane[: len(window)]
            self.compute(window, b, scratch)
            if scratch is not target:
                self.halve(scratch, target)
            if mask is not None:
                where = self.where[: len(window)]
                np.not_equal(window, self.job.nodata[b], out=where)
                np.logical_and(mask, where, out=mask)

    def by_planes(self, windows: list[np.ndarray], out: np.ndarray, _: np.ndarray | None) -> None:
        planes = self.planes[:, : len(out)]
        for b, window in enumerate(windows):
            self.compute(window, b, planes[b])
        out[...] = planes.transpose(1, 2, 0)

    def by_stored(self, windows: list[np.ndarray], out: np.ndarray, _: np.ndarray | None) -> None:
        stored = self.stored[: len(out)]
        for b, window in enumerate(windows):
            stored[..., b] = window
        stored, flat = stored.reshape(len(out), -1), out.reshape(len(out), -1)
        scaled = flat if flat.dtype == np.float32 else self.scaled[: len(out)]
        self.load(stored, self.scales, scaled)
        if scaled is not flat:
            flat[...] = scaled

    # ---- one plane -------------------------------------------------------------------------------

    def compute(self, window: np.ndarray, b: int, out: np.ndarray) -> None:
        job, kind = self.job, self.job.kind
        if kind.mixed and job.scale[b] == 1:
            np.copyto(out, window)
            return
        self.load(window, job.scale[b], out)
        if kind.normalised:
            out += job.offset[b]
        if kind.clip is not None:
            np.clip(out, *kind.clip, out=out)
        if kind.fill is not None:
            where = self.where[: len(window)]
            np.equal(window, job.nodata[b], out=where)
            np.copyto(out, kind.fill, where=where)

    @staticmethod
    def multiply(window: np.ndarray, scale: np.ndarray, out: np.ndarray) -> None:
        np.multiply(window, scale, out=out, casting="unsafe")

    @staticmethod
    def cast(window: np.ndarray, scale: np.ndarray, out: np.ndarray) -> None:
        out[...] = window
        out *= scale

    def halve(self, pixels: np.ndarray, out: np.ndarray) -> None:
        if self.recipe.halves == "assignment":
            out[...] = pixels
            return
        # To nearest even: half of the last place that stays, less one where that is even.
        given, bits = pixels.view(np.uint32), self.bits[: len(pixels)]
        np.right_shift(given, 16, out=bits)
        np.bitwise_and(bits, 1, out=bits)
        np.add(bits, 0x7FFF, out=bits)
        np.add(bits, given, out=bits)
        np.right_shift(bits, 16, out=out.view(np.uint16), casting="unsafe")
