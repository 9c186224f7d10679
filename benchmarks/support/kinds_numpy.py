"""The best that numpy can do for each kind of output, in an allocated output.

A recipe says in which steps.  Which is the best depends on the kind, the window and the machine:
kinds_compare.py tries all that differ for a kind, and the fastest stands for numpy.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from kinds import Kind, KindWorkload, Outputs, turned

from cloudio.bench.candidates import cast_then_multiply, multiply
from cloudio.bench.timing import Candidate, with_threads

# Rows of all bands together: 13 x 64 x 509 float32 are 1.7 MB.  8 rows were slower, and so were
# blocks of rows where each band is computed alone.
ROWS = 64


@dataclass(frozen=True)
class Recipe:
    """``load``: "multiply" casts and scales in one call, "cast" in two.

    ``rows``: of a block, or None for all.  ``to``: where float32 is computed, "out" or
    "scratch".  ``transpose``: as a strided "view", or in a "copy" of the stored numbers.
    ``bands``: under NHWC, each written at its "stride", or all together from "planes", or
    interleaved as "stored" and then scaled.  ``half``: half precision by "assignment", or with
    whole numbers on the "bits".
    """

    load: str
    rows: int | None = None
    to: str = "out"
    transpose: str = "view"
    bands: str = "stride"
    half: str = "assignment"

    def __str__(self) -> str:
        """How it loads, and what differs from the defaults."""
        return differences(self)


def differences(recipe: Any) -> str:
    """The first field of a recipe, and those that are not at their defaults."""
    first, *others = fields(recipe)
    words = [getattr(recipe, first.name)]
    for field in others:
        value = getattr(recipe, field.name)
        if value != field.default:
            words.append(f"{value} rows" if field.name == "rows" else value)
    return ", ".join(words)


def recipes(kind: Kind) -> list[Recipe]:
    """Those that differ for a kind."""
    found = [Recipe(load) for load in ("multiply", "cast")]
    if kind.is_stored:
        return found[:1]
    if kind.symmetry:
        found += [replace(recipe, transpose="copy") for recipe in found]
    if kind.dtype != "float32":
        # float16 before it is scaled is rounded too early; numpy can do both in one call.
        direct = found[:1] if kind.dtype == "float16" else []
        found = direct + [replace(recipe, to="scratch") for recipe in found]
    if kind.dtype == "bfloat16":
        found += [replace(recipe, half="bits") for recipe in found]
    if kind.layout == "NHWC":
        together = product(found, ("planes", "stored"))
        found += [replace(recipe, bands=bands, rows=ROWS) for recipe, bands in together]
    return list(dict.fromkeys(found))


def by_numpy(
    workload: KindWorkload, recipe: Recipe, pool: ThreadPoolExecutor | None, threads: int
) -> Candidate:
    """By the caller alone, or by the threads of a pool, to which the samples are dealt out."""
    shares = 1 if pool is None else min(threads, len(workload.batch))
    run = dealt_out(workload, pool, [Steps(workload, recipe) for _ in range(shares)])
    return Candidate(with_threads(f"numpy: {recipe}", threads), threads, run)


def dealt_out(
    workload: KindWorkload,
    pool: ThreadPoolExecutor | None,
    steps: Sequence[Callable[[int, Any], None]],
    view: Callable[[Outputs], Any] = lambda outputs: outputs,
) -> Callable[[np.ndarray], Outputs]:
    """All samples, by the caller or by a pool's workers, each with steps of its own.

    ``view`` turns the outputs into what the steps write to.
    """

    def samples(outputs: Any, first: int) -> None:
        for k in range(first, len(workload.batch), len(steps)):
            steps[first](k, outputs)

    def run(memory: np.ndarray) -> Outputs:
        outputs = workload.outputs(memory)
        if pool is None:
            samples(view(outputs), 0)
        else:
            list(pool.map(partial(samples, view(outputs)), range(len(steps))))
        return outputs

    return run


class Steps:
    """One sample by one recipe; the scratch memory is for one thread."""

    def __init__(self, workload: KindWorkload, recipe: Recipe) -> None:
        self.workload, self.kind, self.recipe = workload, workload.kind, recipe
        (height, width), n_bands = workload.batch.size, len(workload.batch.bands)
        self.rows = recipe.rows or height
        self.plane = np.ones((self.rows, width), np.float32)
        self.bits = np.ones((self.rows, width), np.uint32)
        self.where = np.ones((self.rows, width), bool)
        self.transposed = np.ones((self.rows, width), np.int16)
        if recipe.bands != "stride":
            self.planes = np.ones((n_bands, self.rows, width), np.float32)
            self.stored = np.ones((self.rows, width, n_bands), np.int16)
            self.scaled = np.ones((self.rows, width * n_bands), np.float32)
        self.scales = np.tile(np.array(workload.scale), width)
        self.load = {"multiply": multiply, "cast": cast_then_multiply}[recipe.load]
        whole = {"stride": self.by_band, "planes": self.by_planes, "stored": self.by_stored}
        self.sample = whole[recipe.bands]

    def __call__(self, k: int, outputs: Outputs) -> None:
        batch = self.workload.batch
        windows = [turned(array[batch.windows[k]], self.kind.symmetry) for array in batch.maps]
        height = batch.size[0]
        if outputs.mask is not None:
            outputs.mask[k] = 1
        for first in range(0, height, self.rows):
            rows = slice(first, first + self.rows)
            mask = None if outputs.mask is None else outputs.mask[k, rows].view(bool)
            image = outputs.image[k]
            block = image[:, rows] if self.kind.layout == "NCHW" else image[rows]
            self.sample([window[rows] for window in windows], block, mask)

    # ---- all bands of a block of rows ------------------------------------------------------------

    def by_band(self, windows: list[np.ndarray], out: np.ndarray, mask: np.ndarray | None) -> None:
        kind, last = self.kind, self.kind.layout == "NHWC"
        for b, window in enumerate(windows):
            target = out[..., b] if last else out[b]
            if kind.is_stored:
                np.copyto(target, window)
                continue
            if self.recipe.transpose == "copy":
                np.copyto(self.transposed[: len(window)], window)
                window = self.transposed[: len(window)]
            scratch = target if self.recipe.to == "out" else self.plane[: len(window)]
            self.compute(window, b, scratch)
            if scratch is not target:
                self.round(scratch, target)
            if mask is not None:
                where = self.where[: len(window)]
                np.not_equal(window, self.workload.nodata[b], out=where)
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
        workload, kind = self.workload, self.kind
        if kind.mixed and workload.scale[b] == 1:
            np.copyto(out, window)
            return
        self.load(window, workload.scale[b], out)
        if kind.normalized:
            out += workload.offset[b]
        if kind.clip is not None:
            np.clip(out, *kind.clip, out=out)
        if kind.fill is not None:
            where = self.where[: len(window)]
            np.equal(window, workload.nodata[b], out=where)
            np.copyto(out, kind.fill, where=where)

    def round(self, pixels: np.ndarray, out: np.ndarray) -> None:
        if self.recipe.half == "assignment":
            out[...] = pixels
            return
        # To nearest even: half of the last place that stays, less one where that is even.
        given, bits = pixels.view(np.uint32), self.bits[: len(pixels)]
        np.right_shift(given, 16, out=bits)
        np.bitwise_and(bits, 1, out=bits)
        np.add(bits, 0x7FFF, out=bits)
        np.add(bits, given, out=bits)
        np.right_shift(bits, 16, out=out.view(np.uint16), casting="unsafe")
