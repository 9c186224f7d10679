"""The best that torch can do for each kind of output on the CPU, in an output that is there.

As numpy's, the recipes are tried and the fastest stands for torch: with torch's threads inside
each call, or with a pool in which each worker has a torch of one thread.  torch is imported when
`way` is called.
"""

import importlib.util
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from threading import Barrier
from typing import Any

import numpy as np
from kinds import Job, Kind, Outs
from kinds_numpy import spread_over

from cloudio.bench.candidates import Contender

#: None, or why there is no torch to compare with.
MISSING = None if importlib.util.find_spec("torch") else "torch is not installed"
# Rows of all bands together; in planes apart, blocks were tried and lost to whole planes.
_ROWS = 64
# What is flipped before an odd symmetry transposes, for torch has no views that run backwards.
_FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0, 1), (0,), (1,), (), (0,), (0, 1))


@dataclass(frozen=True)
class Recipe:
    """``load``: "mul" casts and scales in one call, "copy" in two.  ``rows``: as numpy's.

    ``turn``: a quarter turn as a strided "view" or in a "copy" of the stored numbers, or after
    they are "scaled".  ``bands``: under NHWC, each written at its "stride", or all together from
    "planes", or stacked as "stored" and then scaled.
    """

    load: str
    rows: int | None = None
    turn: str = "view"
    bands: str = "stride"
    threads: str = "inside"

    def __str__(self) -> str:
        """Where it differs from the first of all, and how it loads and who has the threads."""
        given = [f"{self.rows} rows" if self.rows else "", self.turn, self.bands]
        words = [word for word in given if word not in ("", "view", "stride")]
        return ", ".join((self.load, *words, f"threads {self.threads}"))


def recipes(kind: Kind) -> list[Recipe]:
    """Those that differ for a kind."""
    found = [Recipe(load) for load in ("copy", "mul")]
    if kind.is_stored:
        found = found[:1]
    if kind.symmetry % 2:
        found = [replace(one, turn=how) for one in found for how in ("view", "copy", "scaled")]
    if kind.layout == "NHWC":
        together = product(found, ("planes", "stored"), (None, _ROWS))
        found += [replace(one, bands=bands, rows=rows) for one, bands, rows in together]
    return found + [replace(one, threads="outside") for one in found]


def way(job: Job, recipe: Recipe, threads: int) -> Contender:
    pool = _pool(threads)
    if recipe.threads == "inside":
        run = spread_over(job, None, [Steps(job, recipe)], _tensors)
    else:
        run = spread_over(job, pool, [Steps(job, recipe) for _ in range(threads)], _tensors)
    return Contender(f"torch: {recipe}; {threads} thread{'s' if threads > 1 else ''}", threads, run)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Workers with a torch of one thread each, and for the caller one of all."""
    import torch

    ready = Barrier(threads)

    def alone() -> None:
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(threads, initializer=alone)
    list(pool.map(abs, range(threads)))
    # The number is each thread's own, but what the last one said would be everyone's first.
    torch.set_num_threads(threads)
    return pool


def _tensors(outs: Outs) -> Outs:
    import torch

    image, mask = outs
    bits = torch.from_numpy(image.view(np.int16) if image.itemsize == 2 else image)
    kind = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(image.dtype.name, bits.dtype)
    return Outs(bits.view(kind), None if mask is None else torch.from_numpy(mask).view(torch.bool))


class Steps:
    """One sample by one recipe; the scratch is one thread's."""

    def __init__(self, job: Job, recipe: Recipe) -> None:
        import torch

        self.torch, self.job, self.recipe = torch, job, recipe
        (height, width), n_bands = job.work.size, len(job.work.bands)
        self.rows = recipe.rows or height
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # maps are read-only, which tensors cannot be
            self.maps = [torch.from_numpy(np.asarray(array)) for array in job.work.maps]
        self.scale = [float(x) for x in job.scale]
        self.offset = [float(x) for x in job.offset]
        self.plane = torch.ones(self.rows, width)
        self.turned = torch.ones(self.rows, width, dtype=torch.int16)
        self.where = torch.ones(self.rows, width, dtype=torch.bool)
        if recipe.bands != "stride":
            self.planes = torch.ones(n_bands, self.rows, width)
            self.stored = torch.ones(self.rows, width, n_bands, dtype=torch.int16)
            self.scaled = torch.ones(self.rows, width * n_bands)
        self.scales = torch.tensor(self.scale).repeat(width)
        bands = {"stride": self.by_band, "planes": self.by_planes, "stored": self.by_stored}
        self.sample = bands[recipe.bands]

    def __call__(self, k: int, outs: Any) -> None:
        kind, work = self.job.kind, self.job.work
        patch, rows, cols = work.windows[k]
        windows = [array[patch, rows, cols] for array in self.maps]
        if outs.mask is not None:
            outs.mask[k].fill_(True)
        height = work.size[0]
        for first in range(0, height, self.rows):
            last = min(first + self.rows, height)
            mask = None if outs.mask is None else outs.mask[k, first:last]
            image = outs.image[k]
            block = image[:, first:last] if kind.layout == "NCHW" else image[first:last]
            self.sample([self.flipped(window, first, last) for window in windows], block, mask)

    def flipped(self, window: Any, first: int, last: int) -> Any:
        """What becomes rows ``first`` to ``last``, flipped but not yet transposed."""
        flips, axis = _FLIPS[self.job.kind.symmetry], self.job.kind.symmetry % 2
        if axis in flips:
            extent = window.shape[axis]
            first, last = extent - last, extent - first
        part = window.narrow(axis, first, last - first)
        return self.torch.flip(part, flips) if flips else part

    # ---- all bands of a block of rows ------------------------------------------------------------

    def by_band(self, windows: list[Any], out: Any, mask: Any) -> None:
        torch, kind = self.torch, self.job.kind
        for b, window in enumerate(windows):
            target = out[..., b] if kind.layout == "NHWC" else out[b]
            n = len(target)
            if kind.is_stored:
                target.copy_(window)
            elif kind.symmetry % 2 and self.recipe.turn == "scaled":
                scratch = self.plane.view(-1)[: window.numel()].view(window.shape)
                self.compute(window, b, scratch)
                target.copy_(scratch.t())
            else:
                if kind.symmetry % 2:
                    window = window.t()
                    if self.recipe.turn == "copy":
                        window = self.turned[:n].copy_(window)
                halved = target.dtype != torch.float32 and self.recipe.load == "copy"
                scratch = self.plane[:n] if halved else target
                self.compute(window, b, scratch)
                if halved:
                    target.copy_(scratch)
            if mask is not None:
                where = torch.ne(window, self.job.nodata[b], out=self.where[:n])
                mask.logical_and_(where)

    def by_planes(self, windows: list[Any], out: Any, _: Any) -> None:
        planes = self.planes[:, : len(out)]
        for b, window in enumerate(windows):
            self.compute(window, b, planes[b])
        out.copy_(planes.permute(1, 2, 0))

    def by_stored(self, windows: list[Any], out: Any, _: Any) -> None:
        stored = self.stored[: len(out)]
        self.torch.stack(windows, 2, out=stored)
        flat = out.view(len(out), -1)
        halved = flat.dtype != self.torch.float32 and self.recipe.load == "copy"
        scaled = self.scaled[: len(out)] if halved else flat
        self.load(stored.view(len(out), -1), self.scales, scaled)
        if halved:
            flat.copy_(scaled)

    # ---- one plane -------------------------------------------------------------------------------

    def compute(self, window: Any, b: int, out: Any) -> None:
        kind, job = self.job.kind, self.job
        if kind.mixed and self.scale[b] == 1:
            out.copy_(window)
            return
        self.load(window, self.scale[b], out)
        if kind.normalised:
            out.add_(self.offset[b])
        if kind.clip is not None:
            out.clamp_(*kind.clip)
        if kind.fill is not None:
            where = self.torch.eq(window, job.nodata[b], out=self.where[: len(window)])
            self.torch.where(where, self.torch.tensor(kind.fill), out, out=out)

    def load(self, window: Any, scale: Any, out: Any) -> None:
        if self.recipe.load == "mul":
            self.torch.mul(window, scale, out=out)
        else:
            out.copy_(window).mul_(scale)
