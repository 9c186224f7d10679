"""Candidates side by side: `check` compares their answers with numpy's, `interleave` times them."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .._utils.progress import ProgressBar, progress_bar
from .._utils.text import counted
from ..errors import CloudioError
from ..reading.batch import Batch
from .workload import poison

C = TypeVar("C")


@dataclass(frozen=True)
class Candidate:
    """An implementation to time: ``run(out)`` returns the answer, in ``out`` or in new memory.

    ``out`` is a Batch, or in benchmarks/ any value that the question needs.
    ``ulps``: by how many units in the last place a pixel may differ from numpy's.
    """

    name: str
    threads: int
    run: Callable[[Any], Any]
    ulps: int = 0


def with_threads(name: str, threads: int) -> str:
    return f"{name}, {counted(threads, 'thread')}"


# ---- answers -------------------------------------------------------------------------------------


def check(candidate: Candidate, out: Batch[np.ndarray], expected: Batch[np.ndarray]) -> None:
    """Raise CloudioError, with the number of the sample, if the answer differs from numpy's."""
    poison(out)
    answer = candidate.run(out)
    for what, given, wanted in (
        ("image", answer.image, expected.image),
        ("label", answer.label, expected.label),
    ):
        if given is None or wanted is None:
            if given is not wanted:
                words = (
                    f"no {what}; numpy has one" if given is None else f"a {what}; numpy has none"
                )
                raise CloudioError(f"{candidate.name}: {words}")
        elif given.shape != wanted.shape or given.dtype != wanted.dtype:
            raise CloudioError(
                f"{candidate.name}: its {what} is {given.shape} {given.dtype}; numpy's is "
                f"{wanted.shape} {wanted.dtype}"
            )
        elif (k := first_difference(given, wanted, candidate.ulps)) is not None:
            raise CloudioError(
                f"{candidate.name}: the {what} of sample {k} differs from numpy's; its time would "
                "mean nothing"
            )


def first_difference(given: np.ndarray, wanted: np.ndarray, ulps: int = 0) -> int | None:
    """Return the first sample that differs by more than ``ulps``; None if all agree."""
    for k in range(len(wanted)):
        if not _agree(given[k], wanted[k], ulps):
            return k
    return None


def _agree(given: np.ndarray, wanted: np.ndarray, ulps: int) -> bool:
    bits = f"u{wanted.itemsize}"
    same = given.view(bits) == wanted.view(bits)
    if wanted.dtype.kind == "f" and not same.all():
        same |= np.isnan(given) & np.isnan(wanted)  # of whatever bits
        with np.errstate(invalid="ignore"):
            same |= np.abs(given - wanted) <= ulps * np.spacing(np.abs(wanted))
    return bool(same.all())


# ---- rounds --------------------------------------------------------------------------------------


class Timing(NamedTuple):
    """Seconds of every round: of the wall clock, and of all CPUs together."""

    seconds: list[float]
    cpu_seconds: list[float]


def round_order(candidates: Sequence[C], k: int) -> list[C]:
    """Return the order of round ``k``: it starts with the next candidate; odd rounds are reversed.

    So a busy neighbor slows all of them, and none always runs after the same other one.
    """
    first = k % len(candidates)
    order = [*candidates[first:], *candidates[:first]]
    return order[::-1] if k % 2 else order


def interleave(
    candidates: Sequence[Candidate],
    out: Any,
    rounds: int,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Time every candidate once a round, in `round_order`; ``tick`` is called after each round."""
    timings = {candidate.name: Timing([], []) for candidate in candidates}
    for k in range(rounds):
        for candidate in round_order(candidates, k):
            cpu, start = time.process_time(), time.perf_counter()
            answer = candidate.run(out)
            stop, cpu_stop = time.perf_counter(), time.process_time()
            del answer  # new memory is freed off the clock
            timings[candidate.name].seconds.append(stop - start)
            timings[candidate.name].cpu_seconds.append(cpu_stop - cpu)
        tick()
    return timings


def progress(n_cases: int, rounds: int) -> AbstractContextManager[ProgressBar]:
    """Give a bar on a terminal, with one step for each round and the check of each case."""
    return progress_bar(n_cases * (1 + rounds), shown=None, what="timing", in_bytes=False)
