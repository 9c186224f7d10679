"""The suites: which cases each has, and how many batches of a case are read.

A case is made into a task for each rival, since these differ in threads, workers and order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cloudio import Dataset

from .cases import make_counting, make_task, questions_of
from .job import Plan
from .rival import Rival

TITLES = {
    "warm": "Random crops, pages in memory",
    "outputs": "The same crops as other outputs, pages in memory",
    "cold": "Random crops, pages on the disk",
    "loader": "Loaders, and a consumer that is busy with each batch",
    "formats": "The same crops from other formats, pages in memory",
    "stats": "Statistics: one pass over every patch",
    "small": "Growth with crop, bands, batch and threads",
}
#: What a consumer of the suite "loader" does with each sample, in seconds.
CONSUMER_SECONDS = 10e-3 / 32


@dataclass(frozen=True)
class Scale:
    """How much a run does.

    ``sizes`` are those of the suites "warm" and "cold".  ``timed`` are batches of 224 x 224;
    larger windows are fewer.  Before, each patch is read once in each of ``epochs``.
    ``most_seconds``: a rival that is slow is timed for no longer, with fewer batches.
    """

    n_patches: int
    batch_size: int
    timed: int
    epochs: int
    rounds: int
    rounds_of: dict[str, int]
    sizes: tuple[int, ...]
    crops: tuple[int, ...]
    bands: tuple[int, ...]
    batches: tuple[int, ...]
    n_counted: int
    most_seconds: float


FULL = Scale(
    n_patches=96, batch_size=32, timed=16, epochs=2, rounds=3, rounds_of={"warm": 5, "small": 5},
    sizes=(224, 509), crops=(64, 128, 224, 352, 509), bands=(1, 2, 4, 8, 13, 16),
    batches=(1, 4, 16, 32, 64), n_counted=32, most_seconds=1.5,
)  # fmt: skip
QUICK = Scale(
    n_patches=48, batch_size=16, timed=12, epochs=1, rounds=2, rounds_of={}, sizes=(224,),
    crops=(64, 509), bands=(1, 13), batches=(1, 64), n_counted=8, most_seconds=1.0,
)  # fmt: skip
#: Only the answers count.
SMOKE = Scale(
    n_patches=4, batch_size=2, timed=1, epochs=1, rounds=1, rounds_of={}, sizes=(64,),
    crops=(16,), bands=(2,), batches=(1,), n_counted=2, most_seconds=0.2,
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The data set of one split that is read, and what is read of it: its first ``n_patches``.

    ``more_bands`` are read too where a case grows beyond ``bands``.
    """

    dataset: Dataset
    description: str
    bands: tuple[str, ...]
    more_bands: tuple[str, ...]
    label: str | None
    n_patches: int
    threads: int


@dataclass(frozen=True)
class Case:
    """A row of batches, or of passes: ``task_of(n, seed, order)`` makes the first ``n`` of them.

    ``facts`` go into the results.  ``bytes_read`` and ``bytes_written`` are of one batch.
    """

    title: str
    facts: dict[str, Any]
    plan: Plan
    task_of: Callable[[int, int, str], Any]
    small_task_of: Callable[[str], Any]
    axis: str | None = None
    value: int | None = None

    def task(self, rival: Rival, converted: Path | None, seed: int = 0) -> Any:
        """Return what a rival reads in a round."""
        return self._for(rival, self.task_of(self.plan.n_batches, seed, rival.order), converted)

    def small_task(self, rival: Rival, converted: Path | None) -> Any:
        """Return a few small batches, of which each is checked."""
        return self._for(rival, self.small_task_of(rival.order), converted)

    def includes(self, rival: Rival) -> bool:
        """Whether a rival is what the axis of threads is about."""
        return self.axis != "threads" or rival.threads in (None, self.value)

    def _for(self, rival: Rival, task: Any, converted: Path | None) -> Any:
        threads = rival.threads or task.threads
        return replace(task, threads=threads, workers=rival.workers, converted=converted)


@dataclass(frozen=True)
class Suite:
    """``limits`` are the kinds that are measured; ``together``: one process runs all cases."""

    name: str
    cases: list[Case]
    limits: tuple[str, ...] = ("pattern", "copy")
    together: bool = False
    title: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", TITLES[self.name])


# ---- suites --------------------------------------------------------------------------------------


def make_suite(name: str, data: Data, scale: Scale) -> Suite:
    sizes = [_square(data, size) for size in scale.sizes]
    if name == "warm":
        cases = [_reading(data, scale, size) for size in sizes]
        if data.label:
            cases.append(_reading(data, scale, sizes[0], label=data.label))
        cases.append(_reading(data, scale, sizes[0], first=True))
        return Suite(name, cases[:1] if scale is QUICK else cases, together=True)
    if name == "outputs":
        cases = list(_outputs(data, scale))
        return Suite(name, cases if scale is FULL else cases[:1], together=True)
    if name == "cold":
        return Suite(name, [_cold(data, scale, size) for size in sizes], ("disk",))
    if name == "stats":
        cases = [_counting(data, scale, one) for one in questions_of(data.dataset)]
        return Suite(name, cases, together=True)
    if name == "small":
        return Suite(name, list(_growth(data, scale)), together=True)
    if name == "loader":
        # Batches that a loader had ready when the clock starts are few among these.
        scale = replace(scale, timed=2 * scale.timed)
    consumed = scale.timed if name == "loader" else 0
    return Suite(name, [_reading(data, scale, sizes[0], label=data.label, consumed=consumed)])


def _reading(
    data: Data,
    scale: Scale,
    size: tuple[int, int],
    *,
    label: str | None = None,
    consumed: int = 0,
    first: bool = False,
    plan: Plan | None = None,
    bands: tuple[str, ...] | None = None,
    batch_size: int = 0,
    threads: int = 0,
    axis: str | None = None,
    value: int | None = None,
    dtype: str = "float32",
    channels_last: bool = False,
) -> Case:
    """Return a case; what is not given is as in the middle of all cases."""
    bands, threads = data.bands if bands is None else bands, threads or data.threads
    batch_size = batch_size or scale.batch_size
    epoch = -(-data.n_patches // batch_size)
    if plan is None:
        seconds = CONSUMER_SECONDS * batch_size
        timed = max(1, round(scale.timed * min(1, 2 * 224**2 / math.prod(size))))
        plan = Plan(epoch * scale.epochs, timed, consumed, 2, seconds)
        if first:
            # Opened, but nothing was read: pages are in memory and not yet mapped.
            plan = Plan(0, epoch, 0, 2)
    plan = replace(plan, most_seconds=scale.most_seconds)

    def task_of(n_batches: int, seed: int, order: str, batch_size: int = batch_size) -> Any:
        return make_task(
            data.dataset, bands, label, size, batch_size, n_batches,
            threads=threads, order=order, seed=seed, n_patches=data.n_patches,
            dtype=dtype, channels_last=channels_last,
        )  # fmt: skip

    one = task_of(1, 0, "any")
    n_pixels, item = batch_size * math.prod(size), np.dtype(dtype).itemsize
    read = n_pixels * sum(np.dtype(array.dtype).itemsize for array in one.arrays)
    return Case(
        ", ".join(filter(None, (
            f"{size[0]} x {size[1]}",
            f"{len(bands)} band{'s' * (len(bands) != 1)}" if bands else "label alone",
            dtype if dtype != "float32" else "",
            "channels last" if channels_last else "",
            "label" if bands and label else "",
            "first epoch of a process" if first else "",
        ))),
        {
            "size": size, "n_bands": len(bands), "label": label is not None,
            "batch_size": batch_size, "n_batches": plan.timed, "threads": threads, "workers": 0,
            "cold": plan.evict, "consumer_seconds": plan.consumer_seconds if consumed else None,
            "bytes_read": plan.timed * read,
            "bytes_written": plan.timed * n_pixels * (item * len(bands) + (label is not None)),
        },
        plan,
        task_of,
        lambda order: task_of(3, 1, order, min(batch_size, 4)),
        axis,
        value,
    )  # fmt: skip


def _outputs(data: Data, scale: Scale) -> Iterator[Case]:
    """Yield cases of other outputs; the first one stands for all in a short run."""
    size = _square(data, scale.sizes[0])
    yield _reading(data, scale, size, dtype="float16")
    yield _reading(data, scale, size, channels_last=True)
    if data.label:
        epoch = -(-data.n_patches // scale.batch_size)
        plan = Plan(epoch * scale.epochs, 8 * scale.timed, 0, 2)
        yield _reading(data, scale, size, bands=(), label=data.label, plan=plan)
    yield _reading(data, scale, _square(data, scale.sizes[-1]), dtype="float16")


def _cold(data: Data, scale: Scale, size: tuple[int, int]) -> Case:
    n = data.n_patches
    batch_size = min(scale.batch_size, n)
    plan = Plan(0, n // batch_size, 0, 1, evict=True)
    # With a label, as in the other suites of rivals that convert: once is enough.
    return _reading(data, scale, size, label=data.label, batch_size=batch_size, plan=plan)


def _counting(data: Data, scale: Scale, question: str) -> Case:
    n = min(scale.n_counted, data.n_patches)
    plan = Plan(1, 2, most_seconds=scale.most_seconds)

    def task_of(n_passes: int, _: int, __: str) -> Any:
        return make_counting(data.dataset, question, data.bands, n, n_passes, threads=data.threads)

    one = task_of(1, 0, "any")
    pixels = n * math.prod(data.dataset.valid_window.size)
    read = pixels * sum(np.dtype(array.dtype).itemsize for array in one.arrays)
    titles = {
        "bands": f"mean and deviation of {len(data.bands)} bands",
        "classes": "pixels of each class and patch",
        "agreement": "agreement of two labels",
    }
    return Case(
        titles[question],
        {
            "size": data.dataset.valid_window.size, "n_bands": len(one.bands),
            "label": one.label is not None, "batch_size": n, "n_batches": plan.timed,
            "threads": data.threads, "workers": 0, "cold": False, "consumer_seconds": None,
            "bytes_read": plan.timed * read, "bytes_written": 0,
        },
        plan,
        task_of,
        lambda order: task_of(1, 0, order),
    )  # fmt: skip


def _growth(data: Data, scale: Scale) -> Iterator[Case]:
    """Yield cases around a middle, of which one number changes at a time."""
    middle = _square(data, scale.crops[0] if scale is SMOKE else 224)

    def grown(axis: str, value: int, size: tuple[int, int] = middle, **more: Any) -> Case:
        batch_size = more.get("batch_size", scale.batch_size)
        n_bands = len(more.get("bands", data.bands))
        # About as many pixels in each case, so that none is over in a moment.
        share = math.prod(middle) * len(data.bands) / (math.prod(size) * n_bands)
        n = scale.batch_size * scale.timed / 2 / batch_size * min(8.0, max(0.5, share))
        epoch = -(-data.n_patches // batch_size)
        plan = Plan(epoch, max(1, round(n)))
        return _reading(data, scale, size, plan=plan, axis=axis, value=value, **more)

    for crop in scale.crops:
        size = _square(data, crop)
        yield grown("crop", size[0], size)
    names = data.bands + data.more_bands
    for n in sorted({min(n, len(names)) for n in scale.bands}):
        yield grown("bands", n, bands=names[:n])
    for n in scale.batches:
        yield grown("batch", n, batch_size=n)
    for n in range(1, data.threads + 1):
        yield grown("threads", n, threads=n)


def _square(data: Data, size: int) -> tuple[int, int]:
    height, width = data.dataset.valid_window.size
    return min(size, height), min(size, width)
