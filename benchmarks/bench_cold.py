"""How fast are random windows read whose pages are on the disk, and how fast is the disk alone?

Other patches in each round, every page evicted before it.  CLOUDIO_BENCH_DATA names a data set to
use; one that is made up here has too few patches to tell what reading ahead costs.
CLOUDIO_BENCH_SAMPLES makes a batch smaller, where only the answers matter.  The table of
`cloudio bench --cold` is where ratios are quoted from.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloudio import Batch, CloudioError
from cloudio._utils.machine import available_cpus
from cloudio.bench import warm as bench
from cloudio.bench.cold import N_SAMPLES, ROUNDS, Race, files_of, n_samples
from cloudio.bench.cold_candidates import ways
from cloudio.bench.cold_workload import DEPTHS, Run, Way, disk

SMOKE = os.environ.get("CLOUDIO_BENCH_SAMPLES")
WAYS = (
    "the idiom", "numpy after MADV_WILLNEED", "os.preadv", "torch", "cloudio mmap + prefetch",
    "cloudio mmap,", "cloudio pread",
)  # fmt: skip
HOWS = "page cache", "O_DIRECT"


class Stage(NamedTuple):
    race: Race
    ways: list[Way]
    out: Batch

    def way(self, name: str) -> Way:
        for way in self.ways:
            if way.name.startswith(name):
                return way
        pytest.skip(f"no {name} here")


@pytest.fixture(scope="module", params=[509, 224])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """One window, for all ways that follow; their answers have been checked."""
    path, size = os.environ.get("CLOUDIO_BENCH_DATA"), (request.param, request.param)
    with ExitStack() as stack:
        data, _ = stack.enter_context(bench.data(Path(path) if path else None))
        bands = bench.bands_of(data)
        try:
            files = stack.enter_context(files_of(data, bands))
            files.evict()
        except CloudioError as error:
            pytest.skip(str(error))
        race = Race(data, bands, size, n_samples(data, bands, int(SMOKE or N_SAMPLES)), files)
        work = race.work(0)
        found = stack.enter_context(ways(work, available_cpus()))
        race.check(found)
        yield Stage(race, [*found, *disk(work)], work.allocate())


@pytest.fixture
def timed_cold(benchmark: Any) -> Any:
    """Time a way, other patches each time, all of them evicted before the clock starts."""

    def time(stage: Stage, name: str) -> None:
        way, rounds = stage.way(name), count(1)
        benchmark.group = f"cold, {stage.race.size[0]} x {stage.race.size[1]}"
        benchmark.extra_info.update(way=way.name, cache="cold")
        read: list[Run] = []
        with ExitStack() as stack:

            def evicted() -> None:
                read.clear()
                stack.close()
                read.append(stack.enter_context(way.opened(stage.race.work(next(rounds)))))
                stage.race.files.evict()

            benchmark.pedantic(
                lambda: read[0](stage.out), setup=evicted, rounds=1 if SMOKE else ROUNDS
            )
            read.clear()

    return time


@pytest.mark.parametrize("name", WAYS)
def test_read(timed_cold: Any, stage: Stage, name: str) -> None:
    timed_cold(stage, name)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("how", HOWS)
def test_the_disk_alone(timed_cold: Any, stage: Stage, how: str, depth: int) -> None:
    timed_cold(stage, f"{how}, {depth} at once")
