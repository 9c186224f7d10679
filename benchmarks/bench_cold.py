"""How fast are random windows read whose pages are on the disk, and how fast is the disk alone?

Other patches in each round, every page evicted before it.  Use CLOUDIO_BENCH_DATA: a synthetic
data set has too few patches to tell what readahead costs.  The table of `cloudio bench --cold` is
where ratios are quoted from.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any, NamedTuple

import pytest
from environment import N_SMOKE, bench_data

from cloudio import Batch, CloudioError
from cloudio._utils.threads import available_cpus
from cloudio.bench.cold import N_SAMPLES, ROUNDS, ColdRounds, evictable_files, n_samples
from cloudio.bench.cold_candidates import cold_candidates
from cloudio.bench.cold_workload import ColdCandidate, Read
from cloudio.bench.limits import DEPTHS, disk_limits
from cloudio.bench.workload import bands_of

CANDIDATES = (
    "baseline", "numpy after MADV_WILLNEED", "os.preadv", "torch", "cloudio mmap + prefetch",
    "cloudio mmap,", "cloudio pread",
)  # fmt: skip


class Stage(NamedTuple):
    rounds: ColdRounds
    candidates: list[ColdCandidate]
    out: Batch

    def candidate(self, name: str) -> ColdCandidate:
        for candidate in self.candidates:
            if candidate.name.startswith(name):
                return candidate
        pytest.skip(f"no {name} here")


@pytest.fixture(scope="module", params=[509, 224])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """One window, for all candidates that follow; their answers have been checked."""
    size = request.param, request.param
    with ExitStack() as stack:
        data, _ = stack.enter_context(bench_data())
        bands = bands_of(data)
        try:
            files = stack.enter_context(evictable_files(data, bands))
            files.evict()
        except CloudioError as error:
            pytest.skip(str(error))
        rounds = ColdRounds(data, bands, size, n_samples(data, bands, N_SMOKE or N_SAMPLES), files)
        workload = rounds.workload(0)
        candidates = stack.enter_context(cold_candidates(workload, available_cpus()[0]))
        rounds.check(candidates)
        yield Stage(rounds, [*candidates, *disk_limits(workload)], workload.allocate())


@pytest.fixture
def timed_cold(benchmark: Any) -> Any:
    """Time a candidate, other patches each time, all evicted before the clock starts."""

    def time(stage: Stage, name: str) -> None:
        candidate, rounds = stage.candidate(name), count(1)
        benchmark.group = f"cold, {stage.rounds.size[0]} x {stage.rounds.size[1]}"
        benchmark.extra_info.update(candidate=candidate.name, cache="cold")
        read: list[Read] = []
        with ExitStack() as stack:

            def evicted() -> None:
                read.clear()
                stack.close()
                workload = stage.rounds.workload(next(rounds))
                read.append(stack.enter_context(candidate.opened(workload)))
                stage.rounds.files.evict()

            benchmark.pedantic(
                lambda: read[0](stage.out), setup=evicted, rounds=1 if N_SMOKE else ROUNDS
            )
            read.clear()

    return time


@pytest.mark.parametrize("name", CANDIDATES)
def test_read(timed_cold: Any, stage: Stage, name: str) -> None:
    timed_cold(stage, name)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("path", ["page cache", "O_DIRECT"])
def test_the_disk_alone(timed_cold: Any, stage: Stage, path: str, depth: int) -> None:
    timed_cold(stage, f"{path}, {depth} at once")
