"""Ways to read one batch, numpy's and ours; how their answers are checked, and how they race.

`Work` is a batch, a `Contender` a way to read it; `check` and `race` are the judges, and `roof` the
plain copy that none can beat.  What is timed for whom is bench.py's; benchmarks/ asks its own
questions with the same parts.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .._core import kernels
from .._core.plans import Gather
from .._utils.text import counted
from ..errors import CloudioError
from ..reading.batch import Batch
from ..reading.dataset import Dataset
from ..reading.reader import Reader

W = TypeVar("W")
IDIOM, BEST_NUMPY, CLOUDIO = "the idiom *", "best numpy", "cloudio"
_IGNORE = 255
# int16 in a row of the roof's copies: 2 KiB, about two rows of a valid window.
_ROOF_COLS = 1024

# ---- the work ------------------------------------------------------------------------------------


class Work:
    """One batch to read from a data set of one split: random windows of random patches.

    ``maps`` are the arrays of ``bands``, ``scales`` their factors.  ``codes`` is None, or the
    array of ``label``, its bits as unsigned numbers, and the table of their classes.  Patches
    repeat where there are fewer than ``n``; windows lie in the valid window; the same seed gives
    the same batch.  ``at``: patches and origins to read instead of random ones.
    """

    def __init__(
        self,
        dataset: Dataset,
        bands: Sequence[str],
        label: str | None,
        size: tuple[int, int],
        n: int,
        *,
        seed: int = 0,
        at: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.dataset, self.bands, self.label, self.size = dataset, tuple(bands), label, size
        self.index, self.origin = at or _random(dataset, size, n, seed)
        self.windows = [
            (int(patch), slice(row, row + size[0]), slice(col, col + size[1]))
            for patch, (row, col) in zip(self.index, self.origin.tolist(), strict=True)
        ]
        self.maps = [dataset[name] for name in self.bands]
        self.scales = [np.float32(dataset.band(name).scale or 1) for name in self.bands]
        self.codes = None if label is None else _codes_and_table(dataset, label)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def bytes_read(self) -> int:
        return self._n_pixels * sum(array.itemsize for array in self._arrays)

    @property
    def bytes_written(self) -> int:
        return self._n_pixels * (4 * len(self.bands) + (self.label is not None))

    @property
    def _n_pixels(self) -> int:
        return len(self) * self.size[0] * self.size[1]

    @property
    def _arrays(self) -> list[np.ndarray]:
        return [*self.maps, *([] if self.codes is None else self.codes[:1])]

    def reader(self, threads: int | None) -> Reader:
        return self.dataset.reader(
            self.bands, self.label, size=self.size, scale=self.scales, threads=threads
        )

    def allocate(self) -> Batch[np.ndarray]:
        """An output whose every page is there already."""
        out = self.reader(1).allocate(len(self))
        spoil(out)
        return out

    def expected(self) -> Batch[np.ndarray]:
        """The answer, in the plainest numpy."""
        out = self.allocate()
        for k, window in enumerate(self.windows):
            for b, (stored, scale) in enumerate(zip(self.maps, self.scales, strict=True)):
                out.image[k, b] = stored[window].astype(np.float32) * scale
            if self.codes is not None and out.label is not None:
                codes, table = self.codes
                out.label[k] = table[codes[window]]
        return out

    def warm(self) -> None:
        """Bring every page of these patches into memory."""
        for array in self._arrays:
            for patch in np.unique(self.index):
                array[patch].max()


def _random(
    dataset: Dataset, size: tuple[int, int], n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng, valid = np.random.default_rng(seed), dataset.valid_window
    index = np.resize(rng.permutation(len(dataset)), n)
    room = np.subtract(valid.size, size) + 1
    return index, np.add(rng.integers(0, room, (n, 2)), (valid.row, valid.col))


def _codes_and_table(dataset: Dataset, label: str) -> tuple[np.ndarray, np.ndarray]:
    stored = dataset[label]
    card = dataset.layout.label_maps[label]["card"]
    table = card.table(stored.dtype, np.dtype(np.uint8), _IGNORE, label)
    return stored.view(f"u{stored.itemsize}"), table


def spoil(out: Batch[np.ndarray]) -> None:
    """Fill an output with what no answer holds."""
    out.image.fill(np.nan)
    if out.label is not None:
        out.label.fill(_IGNORE - 1)


# ---- the ways ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """A way to do some work: ``run(out)`` returns the answer, in ``out`` unless it is the idiom's.

    ``out`` is a Batch, or in benchmarks/ whatever the question needs.
    ``ulps``: by how many units in the last place a pixel may differ from numpy's.
    """

    name: str
    threads: int
    run: Callable[[Any], Any]
    ulps: int = 0


class Recipe(NamedTuple):
    """How numpy scales one window, and looks one up, each into its place."""

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


def recipes(work: Work) -> list[Recipe]:
    """Every way we know for numpy to do the work in an output that is there."""
    if work.codes is None:
        return [Recipe(name, scale, subscript) for name, scale in SCALINGS.items()]
    return [
        Recipe(f"{name} and {other}", scale, look_up)
        for name, scale in SCALINGS.items()
        for other, look_up in LOOK_UPS.items()
    ]


def best_recipe(work: Work, out: Batch[np.ndarray]) -> Recipe:
    """The fastest of them here: which one that is depends on the window and the machine."""
    ways = {recipe.name: recipe for recipe in recipes(work)}
    timings = race([by_numpy(work, way, name=name) for name, way in ways.items()], out, 3)
    return ways[min(timings, key=lambda name: min(timings[name].seconds))]


def by_numpy(
    work: Work,
    recipe: Recipe,
    pool: ThreadPoolExecutor | None = None,
    threads: int = 1,
    *,
    name: str | None = None,
) -> Contender:
    """Window by window into the output; of the threads, each takes every so-manyth sample."""
    shares = min(threads, len(work))

    def samples(out: Batch[np.ndarray], first: int) -> None:
        for k in range(first, len(work), shares):
            window, image = work.windows[k], out.image[k]
            for b, stored in enumerate(work.maps):
                recipe.scale(stored[window], work.scales[b], image[b])
            if work.codes is not None and out.label is not None:
                codes, table = work.codes
                recipe.look_up(table, codes[window], out.label[k])

    def run(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        if pool is None:
            samples(out, 0)
        else:
            list(pool.map(partial(samples, out), range(shares)))
        return out

    return Contender(name or named(BEST_NUMPY, threads), threads, run)


def divisors(scales: Sequence[np.float32]) -> list[float]:
    """What people divide by, and do not multiply with: 10000 for 1e-4."""
    exact = [1 / float(scale) for scale in scales]
    return [round(x) if math.isclose(x, round(x), rel_tol=1e-6) else x for x in exact]


def by_idiom(work: Work) -> Contender:
    """What people write: whole patches, divided in float64, then cropped, cast and stacked."""
    units = np.array(divisors(work.scales))
    divisor = units[0].item() if (units == units[0]).all() else units[:, None, None]

    def run(_: Batch[np.ndarray]) -> Batch[np.ndarray]:
        images, labels = [], []
        for i, rows, cols in work.windows:
            image = np.stack([stored[i] for stored in work.maps]) / divisor
            images.append(image[:, rows, cols].astype(np.float32))
            if work.codes is not None:
                codes, table = work.codes
                labels.append(table[codes[i]][rows, cols])
        return Batch(np.stack(images), np.stack(labels) if labels else None, work.index)

    return Contender(IDIOM, 1, run, ulps=1)


def by_cloudio(work: Work, threads: int) -> Contender:
    reader = work.reader(threads)

    def run(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        return reader.read(work.index, work.origin, out=out)

    return Contender(named(CLOUDIO, threads), threads, run)


def contenders(
    work: Work, recipe: Recipe, pool: ThreadPoolExecutor, threads: int
) -> list[Contender]:
    """The idiom; numpy by this recipe and cloudio, each in one thread and in all."""
    alone, together = by_numpy(work, recipe), by_numpy(work, recipe, pool, threads)
    found = [by_idiom(work), alone, together, by_cloudio(work, 1), by_cloudio(work, threads)]
    return list({way.name: way for way in found}.values())


def roof(
    work: Work, pool: ThreadPoolExecutor, threads: int, spare: Batch[np.ndarray]
) -> list[Contender]:
    """Two plain copies of (read + written) / 2 bytes, as many to move; the faster is the roof.

    What is copied is the memory of ``spare``, another output.  A patch that the work reads twice
    is copied twice, so that the cache helps neither more than the other.
    """
    n_values = (work.bytes_read + work.bytes_written) // (4 * len(work))
    n_cols = min(_ROOF_COLS, n_values)
    shape = n_values // n_cols, n_cols
    patches, index = np.unique(work.index, return_inverse=True)
    source = _as_int16(spare, len(patches), shape)
    gather = Gather([[source]], [[None]], None, None)
    origin, shares = np.zeros(2, np.int64), min(threads, len(work))

    def samples(target: np.ndarray, first: int) -> None:
        for k in range(first, len(work), shares):
            np.copyto(target[k], source[index[k]])

    def copyto(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        list(pool.map(partial(samples, _as_int16(out, len(work), shape)), range(shares)))
        return out

    def streamed(out: Batch[np.ndarray]) -> Batch[np.ndarray]:
        target = _as_int16(out, len(work), shape)
        kernels.run([gather], [target], index, origin, None, threads)
        return out

    return [
        Contender(named("np.copyto", threads), threads, copyto),
        Contender(named("streamed copy", threads), threads, streamed),
    ]


def _as_int16(batch: Batch[np.ndarray], n: int, shape: tuple[int, int]) -> np.ndarray:
    """The beginning of an image's memory: of 4 bytes a pixel, a copy needs at most as many."""
    flat = batch.image.reshape(-1).view(np.int16)
    return flat[: n * shape[0] * shape[1]].reshape(n, *shape)


def named(name: str, threads: int) -> str:
    return f"{name}, {counted(threads, 'thread')}"


# ---- the judges ----------------------------------------------------------------------------------


def check(way: Contender, out: Batch[np.ndarray], expected: Batch[np.ndarray]) -> None:
    """CloudioError, naming the sample, where the answer is not numpy's."""
    spoil(out)
    answer = way.run(out)
    for what, given, wanted in (
        ("image", answer.image, expected.image),
        ("label", answer.label, expected.label),
    ):
        if given is None or wanted is None:
            if given is not wanted:
                raise CloudioError(f"{way.name}: no {what} where numpy has one, or one too many")
        elif given.shape != wanted.shape or given.dtype != wanted.dtype:
            raise CloudioError(
                f"{way.name}: its {what} is {given.shape} {given.dtype}; numpy's is "
                f"{wanted.shape} {wanted.dtype}"
            )
        else:
            for k in range(len(wanted)):
                if not _agree(given[k], wanted[k], way.ulps):
                    raise CloudioError(
                        f"{way.name}: the {what} of sample {k} is not the one numpy computes; "
                        "its time would mean nothing"
                    )


def _agree(given: np.ndarray, wanted: np.ndarray, ulps: int) -> bool:
    if ulps and wanted.dtype.kind == "f":
        return bool((np.abs(given - wanted) <= ulps * np.spacing(np.abs(wanted))).all())
    bits = f"u{wanted.itemsize}"
    return np.array_equal(given.view(bits), wanted.view(bits))


class Timing(NamedTuple):
    """Seconds of every round: by the clock, and of all CPUs together."""

    seconds: list[float]
    cpu_seconds: list[float]


def turns(ways: Sequence[W], k: int) -> list[W]:
    """The order of round k: the next one first each time, and every other time backwards.

    So a busy neighbour troubles all of them, and none always runs after the same other.
    """
    first = k % len(ways)
    order = [*ways[first:], *ways[:first]]
    return order[::-1] if k % 2 else order


def race(
    ways: Sequence[Contender],
    out: Any,
    rounds: int,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Time every way once a round, in `turns`."""
    timings = {way.name: Timing([], []) for way in ways}
    for k in range(rounds):
        for way in turns(ways, k):
            cpu, start = time.process_time(), time.perf_counter()
            answer = way.run(out)
            stop, cpu_stop = time.perf_counter(), time.process_time()
            del answer  # what the idiom allocates is freed off the clock
            timings[way.name].seconds.append(stop - start)
            timings[way.name].cpu_seconds.append(cpu_stop - cpu)
        tick()
    return timings
