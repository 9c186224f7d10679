"""How near does a loop over a Loader come to `Reader.read` in a loop, over the same samples?

    python benchmarks/scripts/small_batches.py [--data PATH] [--only WORD ...] [--rounds N]

Each turn is a whole epoch.  All candidates take turns in one process, over the same windows, which
lie in memory.  The samples of reads are known before the clock starts; some reads draw them on the
clock, as many at once as a loader does.

Consumers: ``idle`` drops each batch.  ``numpy`` computes for as long as a read takes, mostly
without the GIL.  ``python`` does so without ever releasing the GIL.

What is printed is the time of the reads over that of each candidate, of the medians and of the
fastest turns, and likewise the CPU seconds, which a busy machine disturbs least.  A loop needs two
outputs in turn at least: its variable holds a batch until the next one is there.  What that alone
costs is the difference between the reads to one output and to two.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import _path  # noqa: F401
import numpy as np

from cloudio import Dataset, Loader
from cloudio._utils import machine, tables
from cloudio._utils.threads import available_cpus
from cloudio.bench.timing import Candidate, Timing, first_difference, interleave
from cloudio.bench.workload import bands_of, label_of, open_data, warm_patches

Consume = Callable[[Any], object]


class Case(NamedTuple):
    """Batches of one kind, and how many are an epoch."""

    name: str
    n_bands: int
    label: bool
    side: int
    batch_size: int
    n_batches: int


CASES = (
    Case("64 x 64 x 8, 3 bands", 3, False, 64, 8, 400),
    Case("64 x 64 x 8, 3 bands and a label", 3, True, 64, 8, 400),
    Case("64 x 64 x 8, 13 bands and a label", 13, True, 64, 8, 150),
    Case("224 x 224 x 32, 13 bands", 13, False, 224, 32, 8),
    Case("509 x 509 x 16, 13 bands", 13, False, 509, 16, 6),
)
PREFETCH = 0, 2
CONSUMERS = "idle", "numpy", "python"
READS = "reads, one output"
# Samples that are drawn at once.
N_DRAWN = 1024


def loader_of(data: Dataset, case: Case, threads: int, prefetch: int) -> Loader:
    size = None if case.side >= min(data.valid_window.size) else case.side
    label = label_of(data) if case.label else None
    reader = data.reader(bands_of(data)[: case.n_bands], label, size=size, threads=threads)
    index = np.resize(np.arange(len(data)), case.batch_size * case.n_batches)
    return Loader(reader, case.batch_size, index=index, prefetch=prefetch)


# ---- consumers -----------------------------------------------------------------------------------


def consumer(name: str, seconds: float) -> Consume:
    """What computes for about that long, with an amount of work that is settled here."""
    if name == "idle":
        return lambda batch: None
    work = add_without_gil if name == "numpy" else count
    n = 1
    while timed(work, n) < 0.01:
        n *= 2
    n = max(1, round(n * seconds / min(timed(work, n) for _ in range(5))))
    return lambda batch: work(n)


def timed(work: Callable[[int], object], n: int) -> float:
    start = time.perf_counter()
    work(n)
    return time.perf_counter() - start


_A, _B = np.ones((2, 8192), np.float32)


def add_without_gil(n: int) -> None:
    for _ in range(n):
        np.add(_A, _B, out=_B)


def count(n: int) -> None:
    for _ in range(n):
        pass


# ---- candidates ----------------------------------------------------------------------------------


def reads(
    loader: Loader, consume: Consume, n_outputs: int = 1, drawn: bool = False
) -> Callable[[Any], None]:
    """Reads of an epoch; ``out`` has several outputs."""
    n, n_batches, read = loader.batch_size, len(loader), loader.reader.read
    samples = [loader.samples_of(k, 0) for k in range(n_batches)]

    def run(out: Any) -> None:
        for k, each in enumerate(samples):
            consume(read(*each, out=out[k % n_outputs]))

    def run_and_draw(out: Any) -> None:
        at_once = max(1, N_DRAWN // n)
        for first in range(0, n_batches, at_once):
            last = min(first + at_once, n_batches)
            index, origin, symmetry = loader.samples(range(first * n, last * n), 0)
            assert origin is not None
            assert symmetry is None
            for k in range(last - first):
                part = slice(k * n, (k + 1) * n)
                consume(read(index[part], origin[part], out=out[k % n_outputs]))

    return run_and_draw if drawn else run


def epoch(loader: Loader, consume: Consume) -> Callable[[Any], None]:
    batch: Any = None

    def run(out: Any) -> None:
        nonlocal batch  # it holds the last batch until the next epoch's first one is there
        loader.set_epoch(0)
        for batch in loader:
            consume(batch)

    return run


def candidates(loaders: Sequence[Loader], consume: Consume) -> Iterator[Candidate]:
    first, threads = loaders[0], first_threads(loaders[0])
    yield Candidate(READS, threads, reads(first, consume))
    yield Candidate("reads, two outputs", threads, reads(first, consume, 2))
    yield Candidate("reads, two outputs, drawn", threads, reads(first, consume, 2, drawn=True))
    for loader in loaders:
        yield Candidate(f"Loader, prefetch={loader.prefetch}", threads, epoch(loader, consume))


def first_threads(loader: Loader) -> int:
    return int(loader.reader.settings["threads"] or 1)


def check(loader: Loader) -> None:
    """AssertionError where a batch of the loader is not what its samples say."""
    loader.set_epoch(0)
    for k, batch in enumerate(loader):
        for given, wanted in zip(batch, loader.reader.read(*loader.samples_of(k, 0)), strict=True):
            if wanted is not None and first_difference(given, wanted) is not None:
                raise AssertionError(f"batch {k} of {loader!r} is not what its samples say")


# ---- results -------------------------------------------------------------------------------------

HEAD = ("", "us a batch", "speed", "fastest", "CPU us", "CPU speed", "fastest")


def rows(case: Case, consumer: str, timings: dict[str, Timing]) -> Iterator[tuple[str, ...]]:
    yield (f"{case.name}, {consumer}", *[""] * (len(HEAD) - 1))
    for name, timing in timings.items():
        row = [f"    {name}"]
        for base, each in zip(timings[READS], timing, strict=True):
            row += [
                f"{median(each) / case.n_batches * 1e6:,.0f}",
                f"{median(base) / median(each):.2f}",
                f"{min(base) / min(each):.2f}",
            ]
        yield tuple(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a data set (default: a synthetic one)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose names have one")
    parser.add_argument("--consumers", nargs="+", choices=CONSUMERS, default=CONSUMERS)
    parser.add_argument("--prefetch", nargs="+", type=int, default=PREFETCH)
    parser.add_argument("--rounds", type=int, default=31, help="epochs of each (default: 31)")
    parser.add_argument("--threads", type=int, default=available_cpus()[0])
    given = parser.parse_args()
    found: list[tuple[str, ...]] = []
    with open_data(given.data) as (data, words):
        label = label_of(data)
        arrays = [*bands_of(data), *([label] if label else [])]
        warm_patches(data, arrays, np.arange(len(data)))
        for case in CASES:
            if given.only and not any(word in case.name for word in given.only):
                continue
            loaders = [loader_of(data, case, given.threads, n) for n in given.prefetch]
            for loader in loaders:
                check(loader)
            out = [loaders[0].reader.allocate(case.batch_size) for _ in range(2)]
            run = reads(loaders[0], lambda batch: None)
            seconds = min(timed(run, out) for _ in range(5)) / case.n_batches
            for name in given.consumers:
                everyone = list(candidates(loaders, consumer(name, seconds)))
                found += rows(case, name, interleave(everyone, out, given.rounds))
    print(tables.text(list(machine.facts().items())))
    print(f"\n{words}; warm; medians of {given.rounds} interleaved epochs\n")
    print(tables.text([HEAD, *found], range(1, len(HEAD))))


if __name__ == "__main__":
    main()
