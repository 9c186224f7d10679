"""Every kind of output against plain float32, and against the best of numpy and torch for it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import kinds_numpy
import kinds_torch
import numpy as np
from kinds import PLAIN, SIZES, Kind, KindWorkload, by_cloudio, kinds_of, memory_for
from ratios import Ratio

from cloudio import Dataset
from cloudio.bench.timing import Candidate, interleave

# Samples: enough that the output leaves the cache, and few enough to wait for.
_FEW = 4
# From a question, its candidates and their output to the median seconds of each by its name.
Measure = Callable[[str, Sequence[Candidate], object], dict[str, float]]


class Candidates(NamedTuple):
    """Ours, and the best of the others; ``torch`` is None where it is not installed."""

    ours: Candidate
    alone: Candidate
    numpy: Candidate
    numpy_threads: Candidate
    torch: Candidate | None


def prepared(
    data: Dataset,
    kind: Kind,
    size: int,
    memory: np.ndarray,
    pool: ThreadPoolExecutor,
    threads: int,
    rounds: int = 2,
    n_samples: int | None = None,
) -> tuple[KindWorkload, Candidates]:
    """A workload, and its candidates, whose answers have been checked, in the memory of all kinds.

    ``rounds``: in which all recipes are timed to find numpy's and torch's best.  ``n_samples``:
    None for as many as all benchmarks have.
    """
    workload = KindWorkload(data, kind, size, n_samples)
    few = KindWorkload(data, kind, size, min(_FEW, n_samples or _FEW))
    workload.batch.warm()
    best = partial(_best, workload, few, memory, rounds)
    numpy, torch = kinds_numpy.recipes(kind), kinds_torch.recipes(kind)
    candidates = Candidates(
        by_cloudio(workload, threads),
        by_cloudio(workload, 1),
        best(numpy, lambda some, recipe: kinds_numpy.by_numpy(some, recipe, None, 1)),
        best(numpy, lambda some, recipe: kinds_numpy.by_numpy(some, recipe, pool, threads)),
        None
        if kinds_torch.MISSING
        else best(torch, lambda some, recipe: kinds_torch.by_torch(some, recipe, threads)),
    )
    workload.check([candidate for candidate in candidates if candidate is not None], memory)
    return workload, candidates


def _best(
    workload: KindWorkload,
    few: KindWorkload,
    memory: np.ndarray,
    rounds: int,
    recipes: Sequence[Any],
    candidate_of: Callable[[KindWorkload, Any], Candidate],
) -> Candidate:
    """All samples by the recipe that is the fastest on a few of them."""
    tried = [candidate_of(few, recipe) for recipe in recipes]
    timings = interleave(tried, memory, rounds)
    fastest = min(range(len(tried)), key=lambda k: min(timings[tried[k].name].seconds))
    return candidate_of(workload, recipes[fastest])


def kind_ratios(
    data: Dataset, pool: ThreadPoolExecutor, threads: int, measure: Measure
) -> Iterator[Ratio]:
    memory = memory_for(data)
    for size in SIZES:
        workloads, ours = {}, {}
        ratios: dict[Kind, list[Ratio]] = {}
        for kind in kinds_of(data):
            workload, candidates = prepared(data, kind, size, memory, pool, threads, 5)
            workloads[kind], ours[kind] = workload, candidates.ours
            found = {one.name: one for one in candidates if one is not None}
            seconds = measure(f"{size}: {kind.name}", list(found.values()), memory)
            ratios[kind] = list(_over_others(f"{size}: {kind.name}", kind, candidates, seconds))
        named = [Candidate(kind.name, threads, one.run) for kind, one in ours.items()]
        seconds = measure(f"{size}: every kind", named, memory)
        plain = workloads[PLAIN].bytes_moved, seconds[PLAIN.name]
        for kind, workload in workloads.items():
            if kind is not PLAIN:
                n_bytes = workload.bytes_moved if kind.mixed else plain[0]
                what = "bytes/s" if kind.mixed else "samples/s"
                reached = n_bytes / plain[0] * plain[1] / seconds[kind.name]
                question = f"{size}: {kind.name}, of plain float32's {what}"
                yield Ratio(question, reached, kind.of_plain)
            yield from ratios[kind]


def _over_others(
    what: str, kind: Kind, candidates: Candidates, seconds: dict[str, float]
) -> Iterator[Ratio]:
    """Two speed-ups: over numpy, by the better of one thread and all, and over torch."""
    ours, _, *numpy, torch = candidates
    names = [min((one.name for one in numpy if one), key=seconds.__getitem__)]
    for name in (*names, *([torch.name] if torch else [])):
        yield Ratio(f"{what}, over {name}", seconds[name] / seconds[ours.name], kind.of_others)
