"""What all benchmarks share: the data, and facts that go with every result.

    python -m pytest benchmarks --benchmark-only --benchmark-json=times.json

CLOUDIO_BENCH_DATA names a data set to use; otherwise one is made up, and removed at the end.
pytest-benchmark runs contenders one after another; interleaved.py is where ratios are quoted from.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kinds import FLOAT_BANDS

from cloudio import Dataset
from cloudio._core import kernels
from cloudio._utils import machine
from cloudio._utils.machine import available_cpus
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender

Timed = Callable[[str, Contender, Any], None]


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    machine_info["cloudio"] = machine.facts() | {
        "cache": "every page in memory before the clock, but for bench_cold.py"
    }


@pytest.fixture(scope="session")
def data() -> Iterator[Dataset]:
    """A data set of one split, with 13 bands, radar and a label unless it is the user's own."""
    path = os.environ.get("CLOUDIO_BENCH_DATA")
    with bench.data(Path(path) if path else None, FLOAT_BANDS) as (dataset, _):
        yield dataset


@pytest.fixture(scope="session")
def threads() -> int:
    return available_cpus()


@pytest.fixture(scope="session")
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(threads) as pool:
        yield pool


@pytest.fixture
def tuned() -> Iterator[Callable[..., object]]:
    """`kernels.tune`, undone afterwards."""
    before = kernels.tune()
    yield kernels.tune
    kernels.tune(**before)


@pytest.fixture
def timed(benchmark: Any) -> Timed:
    """Time ``run(out)`` of a way, whose answer has been checked, among others of a group."""

    def time(group: str, way: Contender, out: Any) -> None:
        benchmark.group = group
        benchmark.extra_info.update(
            way=way.name, threads=way.threads, isa=kernels.isa(), cache="warm"
        )
        benchmark(way.run, out)

    return time
