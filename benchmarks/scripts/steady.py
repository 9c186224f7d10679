"""Does a loader that runs for long take more and more memory, and does it leave kept batches alone?

    python benchmarks/scripts/steady.py [PATH] [--batches N] [--kept N] [--prefetch N]

Epochs of 1,000 batches of 8 random crops of 64 x 64, 3 bands.  The first batches are
kept to the end and then compared with what numpy reads.  Needs Linux, for the proportional set
size.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from cloudio import Batch, Dataset, Loader
from cloudio._utils import machine, tables
from cloudio.bench.page_cache import Pss
from cloudio.bench.timing import Candidate, check
from cloudio.bench.workload import Workload, bands_of, open_data, warm_patches

EPOCH, BATCH, SIZE, N_BANDS, N_PATCHES = 1000, 8, (64, 64), 3, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--batches", type=int, default=10_000, help="in all (default: 10,000)")
    parser.add_argument("--kept", type=int, default=1000, help="of the first (default: 1,000)")
    parser.add_argument("--prefetch", type=int, default=2)
    given = parser.parse_args()
    with open_data(given.path) as (data, words):
        bands, patches = bands_of(data)[:N_BANDS], np.arange(min(len(data), N_PATCHES))
        # Once mapped, no page of theirs adds to the memory.
        warm_patches(data, bands, patches)
        reader = Workload(data, bands, None, SIZE, 1).reader(1)
        index = np.resize(patches, EPOCH * BATCH)
        loader = Loader(reader, BATCH, index=index, prefetch=given.prefetch)
        kept, rows = run(loader, given.batches, given.kept)
        print(tables.text(list(machine.facts().items())))
        print(f"\n{words}; batches of {BATCH} crops of {SIZE[0]} x {SIZE[1]}, {N_BANDS} bands\n")
        print(tables.text(rows, range(5)))
        for k, batch in enumerate(kept):
            check_batch(data, bands, loader, k, batch)
        print(f"\n{len(kept):,} kept batches are what numpy reads, bit for bit")


def run(loader: Loader, n: int, n_kept: int) -> tuple[list[Batch], list[tuple[str, ...]]]:
    """The first batches, and a row for every 1,000: what they took of memory and of time."""
    kept: list[Batch] = []
    rows = [("batches", "PSS MB", "of files", "minor faults", "batches/s")]
    while (done := (len(rows) - 1) * EPOCH) < n:
        faults, begin = minor_faults(), time.perf_counter()
        for batch in loader:
            if len(kept) < n_kept:
                kept.append(batch)
        del batch
        seconds, faults = time.perf_counter() - begin, minor_faults() - faults
        pss = Pss()
        rows.append(
            (
                f"{done + EPOCH:,}",
                f"{pss.before / 1e6:,.1f}",
                f"{(pss.before - pss.own_before) / 1e6:,.1f}",
                f"{faults:,}",
                f"{EPOCH / seconds:,.0f}",
            )
        )
    return kept, rows


def minor_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def check_batch(
    data: Dataset, bands: tuple[str, ...], loader: Loader, k: int, batch: Batch
) -> None:
    """CloudioError where batch ``k``, counted over all epochs, has changed."""
    epoch, at = divmod(k, EPOCH)
    index, origin, _ = loader.samples(range(at * BATCH, (at + 1) * BATCH), epoch)
    if origin is None:
        raise AssertionError("random crops have origins")
    workload = Workload(data, bands, None, SIZE, BATCH, at=(index, origin))
    kept = Candidate(f"kept batch {k}", 1, lambda _: batch)
    check(kept, workload.allocate(), workload.expected())


if __name__ == "__main__":
    main()
