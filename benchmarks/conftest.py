"""What all benchmarks share: the data, and facts that go with every result.

    python -m pytest benchmarks --benchmark-only --benchmark-json=times.json

README.md says which file answers which question, and what the environment may set.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from environment import bench_data
from kinds import FLOAT_BANDS
from timed import Timed

from cloudio import Dataset
from cloudio._core import runtime
from cloudio._utils import machine
from cloudio._utils.threads import available_cpus
from cloudio.bench.timing import Candidate


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    machine_info["cloudio"] = machine.facts() | {
        "cache": "every page in memory before the clock starts, except in bench_cold.py"
    }


@pytest.fixture(scope="session")
def data() -> Iterator[Dataset]:
    """A data set of one split; a synthetic one has 13 bands, radar and a label."""
    with bench_data(FLOAT_BANDS) as (dataset, _):
        yield dataset


@pytest.fixture(scope="session")
def threads() -> int:
    return available_cpus()[0]


@pytest.fixture(scope="session")
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(threads) as pool:
        yield pool


@pytest.fixture
def tuned() -> Iterator[Callable[..., object]]:
    """`runtime.tune`, undone afterwards."""
    before = runtime.tune()
    yield runtime.tune
    runtime.tune(**before)


@pytest.fixture
def timed(benchmark: Any) -> Timed:
    """Time ``run(out)`` of a candidate, whose answer has been checked, in its group."""

    def time(group: str, candidate: Candidate, out: Any) -> None:
        benchmark.group = group
        benchmark.extra_info.update(
            candidate=candidate.name, threads=candidate.threads, isa=runtime.isa(), cache="warm"
        )
        benchmark(candidate.run, out)

    return time
