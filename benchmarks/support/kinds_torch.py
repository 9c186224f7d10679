"""The best that torch can do for each kind of output on the CPU, in an allocated output.

As numpy's, the recipes are tried and the fastest stands for torch: with torch's threads inside
each call, or with a pool in which each worker uses torch in one thread.  torch is imported when
`by_torch` is called.
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
from kinds import Kind, KindWorkload, Outputs
from kinds_numpy import ROWS, dealt_out, differences

from cloudio.bench.timing import Candidate, with_threads

#: None, or why there is no torch to compare with.
MISSING = None if importlib.util.find_spec("torch") else "torch is not installed"
# The axes to flip before an odd symmetry transposes: torch has no views that run backwards.
_FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0, 1), (0,), (1,), (), (0,), (0, 1))


@dataclass(frozen=True)
class Recipe:
    """``load``: "mul" casts and scales in one call, "copy" in two.  ``rows``: as numpy's.

    ``transpose``: as a strided "view" or in a "copy" of the stored numbers, or after they are
    "scaled".  ``bands``: under NHWC, each written at its "stride", or all together from "planes",
    or stacked as "stored" and then scaled.  ``threads``: of torch, or
    of a pool outside of it.
    """

    load: str
    rows: int | None = None
    transpose: str = "view"
    bands: str = "stride"
    threads: str = "threads inside"

    def __str__(self) -> str:
        """How it loads, what differs from the defaults, and who has the threads."""
        words = differences(self)
        return words if self.threads in words else f"{words}, {self.threads}"


def recipes(kind: Kind) -> list[Recipe]:
    """Those that differ for a kind."""
    found = [Recipe(load) for load in ("copy", "mul")]
    if kind.is_stored:
        found = found[:1]
    if kind.symmetry % 2:
        found = [replace(one, transpose=to) for one in found for to in ("view", "copy", "scaled")]
    if kind.layout == "NHWC":
        together = product(found, ("planes", "stored"), (None, ROWS))
        found += [replace(one, bands=bands, rows=rows) for one, bands, rows in together]
    return found + [replace(one, threads="threads outside") for one in found]


def by_torch(workload: KindWorkload, recipe: Recipe, threads: int) -> Candidate:
    pool = _pool(threads)
    if recipe.threads == "threads inside":
        run = dealt_out(workload, None, [Steps(workload, recipe)], _tensors)
    else:
        steps = [Steps(workload, recipe) for _ in range(threads)]
        run = dealt_out(workload, pool, steps, _tensors)
    return Candidate(with_threads(f"torch: {recipe}", threads), threads, run)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Workers that use torch in one thread each; the caller uses it in all."""
    import torch

    ready = Barrier(threads)

    def alone() -> None:
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(threads, initializer=alone)
    list(pool.map(abs, range(threads)))
    # Each thread has its own number, but a new thread starts with the last one that was set.
    torch.set_num_threads(threads)
    return pool


def _tensors(outputs: Outputs) -> Outputs:
    import torch

    image, mask = outputs
    bits = torch.from_numpy(image.view(np.int16) if image.itemsize == 2 else image)
    kind = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(image.dtype.name, bits.dtype)
    valid = None if mask is None else torch.from_numpy(mask).view(torch.bool)
    return Outputs(bits.view(kind), valid)


class Steps:
    """One sample by one recipe; the scratch memory is for one thread."""

    def __init__(self, workload: KindWorkload, recipe: Recipe) -> None:
        import torch

        self.torch, self.workload, self.recipe = torch, workload, recipe
        self.kind = workload.kind
        (height, width), n_bands = workload.batch.size, len(workload.batch.bands)
        self.rows = recipe.rows or height
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # maps are read-only, which tensors cannot be
            self.maps = [torch.from_numpy(np.asarray(array)) for array in workload.batch.maps]
        self.scale = [float(x) for x in workload.scale]
        self.offset = [float(x) for x in workload.offset]
        self.plane = torch.ones(self.rows, width)
        self.transposed = torch.ones(self.rows, width, dtype=torch.int16)
        self.where = torch.ones(self.rows, width, dtype=torch.bool)
        if recipe.bands != "stride":
            self.planes = torch.ones(n_bands, self.rows, width)
            self.stored = torch.ones(self.rows, width, n_bands, dtype=torch.int16)
            self.scaled = torch.ones(self.rows, width * n_bands)
        self.scales = torch.tensor(self.scale).repeat(width)
        bands = {"stride": self.by_band, "planes": self.by_planes, "stored": self.by_stored}
        self.sample = bands[recipe.bands]

    def __call__(self, k: int, outputs: Any) -> None:
        kind, batch = self.kind, self.workload.batch
        patch, rows, cols = batch.windows[k]
        windows = [array[patch, rows, cols] for array in self.maps]
        if outputs.mask is not None:
            outputs.mask[k].fill_(True)
        height = batch.size[0]
        for first in range(0, height, self.rows):
            last = min(first + self.rows, height)
            mask = None if outputs.mask is None else outputs.mask[k, first:last]
            image = outputs.image[k]
            block = image[:, first:last] if kind.layout == "NCHW" else image[first:last]
            self.sample([self.flipped(window, first, last) for window in windows], block, mask)

    def flipped(self, window: Any, first: int, last: int) -> Any:
        """The part that becomes rows ``first`` to ``last``, flipped but not yet transposed."""
        flips, axis = _FLIPS[self.kind.symmetry], self.kind.symmetry % 2
        if axis in flips:
            extent = window.shape[axis]
            first, last = extent - last, extent - first
        part = window.narrow(axis, first, last - first)
        return self.torch.flip(part, flips) if flips else part

    # ---- all bands of a block of rows ------------------------------------------------------------

    def by_band(self, windows: list[Any], out: Any, mask: Any) -> None:
        torch, kind = self.torch, self.kind
        for b, window in enumerate(windows):
            target = out[..., b] if kind.layout == "NHWC" else out[b]
            n = len(target)
            if kind.is_stored:
                target.copy_(window)
            elif kind.symmetry % 2 and self.recipe.transpose == "scaled":
                scratch = self.plane.view(-1)[: window.numel()].view(window.shape)
                self.compute(window, b, scratch)
                target.copy_(scratch.t())
            else:
                if kind.symmetry % 2:
                    window = window.t()
                    if self.recipe.transpose == "copy":
                        window = self.transposed[:n].copy_(window)
                halved = target.dtype != torch.float32 and self.recipe.load == "copy"
                scratch = self.plane[:n] if halved else target
                self.compute(window, b, scratch)
                if halved:
                    target.copy_(scratch)
            if mask is not None:
                where = torch.ne(window, self.workload.nodata[b], out=self.where[:n])
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
        kind, workload = self.kind, self.workload
        if kind.mixed and self.scale[b] == 1:
            out.copy_(window)
            return
        self.load(window, self.scale[b], out)
        if kind.normalized:
            out.add_(self.offset[b])
        if kind.clip is not None:
            out.clamp_(*kind.clip)
        if kind.fill is not None:
            where = self.torch.eq(window, workload.nodata[b], out=self.where[: len(window)])
            self.torch.where(where, self.torch.tensor(kind.fill), out, out=out)

    def load(self, window: Any, scale: Any, out: Any) -> None:
        if self.recipe.load == "mul":
            self.torch.mul(window, scale, out=out)
        else:
            out.copy_(window).mul_(scale)
