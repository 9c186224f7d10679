"""What does each kind of output cost, against plain float32 and against the best that numpy and
torch can do for the same result?

CLOUDIO_BENCH_SAMPLES makes a batch smaller, where only the answers matter.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from conftest import Timed
from kinds import KINDS, SIZES, kinds_of, memory_for
from kinds_compare import Ways, prepared
from kinds_torch import MISSING

from cloudio import Dataset

N_SAMPLES = os.environ.get("CLOUDIO_BENCH_SAMPLES")


class Stage(NamedTuple):
    group: str
    ways: Ways
    memory: np.ndarray


@pytest.fixture(scope="module")
def memory(data: Dataset) -> np.ndarray:
    return memory_for(data)


@pytest.fixture(
    scope="module",
    params=[(size, kind) for size in SIZES for kind in KINDS],
    ids=lambda param: f"{param[0]}-{param[1].name}",
)
def stage(
    request: pytest.FixtureRequest, data: Dataset, memory: np.ndarray, pool: ThreadPoolExecutor,
    threads: int,
) -> Stage:  # fmt: skip
    """One crop and kind, for all ways that follow; their answers have been checked."""
    size, kind = request.param
    if kind not in kinds_of(data):
        pytest.skip(f"{data.path} lacks the bands")
    n = int(N_SAMPLES) if N_SAMPLES else None
    _, ways = prepared(data, kind, size, memory, pool, threads, n_samples=n)
    return Stage(f"{size} x {size}, {kind.name}", ways, memory)


@pytest.mark.parametrize("way", Ways._fields)
def test_kind(timed: Timed, stage: Stage, way: str) -> None:
    contender = getattr(stage.ways, way)
    if contender is None:
        pytest.skip(MISSING)
    timed(stage.group, contender, stage.memory)
