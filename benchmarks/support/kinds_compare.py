"""Every kind of output against plain float32, and against the best of numpy and torch for it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import kinds_numpy as by_numpy
import kinds_torch as by_torch
import numpy as np
from kinds import PLAIN, SIZES, Job, Kind, by_cloudio, kinds_of, memory_for
from ratios import Line

from cloudio import Dataset
from cloudio.bench.candidates import Contender, race

# Enough that the output leaves the cache, and few enough to wait for.
_FEW = 4
# Ways, and an output, to the median seconds of each by its name, under a question.
Race = Callable[[str, Sequence[Contender], object], dict[str, float]]


class Ways(NamedTuple):
    """The ways to do a job: ours, and the best of the others; torch's is None where it is not."""

    ours: Contender
    alone: Contender
    numpy: Contender
    numpy_threads: Contender
    torch: Contender | None


def prepared(
    data: Dataset,
    kind: Kind,
    size: int,
    memory: np.ndarray,
    pool: ThreadPoolExecutor,
    threads: int,
    rounds: int = 2,
    n_samples: int | None = None,
) -> tuple[Job, Ways]:
    """A job, and the ways to do it whose answers have been checked, in the memory of all jobs.

    ``rounds``: in which all recipes race for who is numpy's and torch's best.  ``n_samples``: None
    for as many as all benchmarks have.
    """
    job, few = Job(data, kind, size, n_samples), Job(data, kind, size, min(_FEW, n_samples or _FEW))
    job.work.warm()
    best = partial(_best, job, few, memory, rounds)
    ways = Ways(
        by_cloudio(job, threads),
        by_cloudio(job, 1),
        best(by_numpy.recipes(kind), lambda on, how: by_numpy.way(on, how, None, 1)),
        best(by_numpy.recipes(kind), lambda on, how: by_numpy.way(on, how, pool, threads)),
        None
        if by_torch.MISSING
        else best(by_torch.recipes(kind), lambda on, how: by_torch.way(on, how, threads)),
    )
    job.check([way for way in ways if way is not None], memory)
    return job, ways


def _best(
    job: Job,
    few: Job,
    memory: np.ndarray,
    rounds: int,
    recipes: Sequence[Any],
    way: Callable[[Job, Any], Contender],
) -> Contender:
    """The whole job by the recipe that is the fastest on a part of it."""
    tried = [way(few, recipe) for recipe in recipes]
    timings = race(tried, memory, rounds)
    fastest = min(range(len(tried)), key=lambda k: min(timings[tried[k].name].seconds))
    return way(job, recipes[fastest])


def kind_lines(data: Dataset, pool: ThreadPoolExecutor, threads: int, race: Race) -> Iterator[Line]:
    memory = memory_for(data)
    for size in SIZES:
        jobs, ours = {}, {}
        lines: dict[Kind, list[Line]] = {}
        for kind in kinds_of(data):
            job, ways = prepared(data, kind, size, memory, pool, threads, 5)
            jobs[kind], ours[kind] = job, ways.ours
            there = {way.name: way for way in ways if way is not None}
            seconds = race(f"{size}: {kind.name}", list(there.values()), memory)
            lines[kind] = list(_against_others(f"{size}: {kind.name}", kind, ways, seconds))
        named = [Contender(kind.name, threads, way.run) for kind, way in ours.items()]
        seconds = race(f"{size}: every kind", named, memory)
        plain = jobs[PLAIN].bytes_moved, seconds[PLAIN.name]
        for kind, job in jobs.items():
            if kind is not PLAIN:
                n_bytes = job.bytes_moved if kind.mixed else plain[0]
                what = "bytes/s" if kind.mixed else "samples/s"
                reached = n_bytes / plain[0] * plain[1] / seconds[kind.name]
                yield Line(
                    f"{size}: {kind.name}, of plain float32's {what}", reached, kind.of_plain
                )
            yield from lines[kind]


def _against_others(what: str, kind: Kind, ways: Ways, seconds: dict[str, float]) -> Iterator[Line]:
    """Two lines: numpy's, by the better of one thread and all, and torch's."""
    numpy = min((ways.numpy.name, ways.numpy_threads.name), key=seconds.__getitem__)
    for name in (numpy, *([ways.torch.name] if ways.torch else [])):
        yield Line(f"{what}, times {name}", seconds[name] / seconds[ways.ours.name], kind.of_others)
