"""What does each kind of output cost, against plain float32 and against the best that numpy and
torch can do for the same result?
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from environment import N_SMOKE
from kinds import KINDS, SIZES, kinds_of, memory_for
from kinds_compare import Candidates, prepared
from kinds_torch import MISSING
from timed import Timed

from cloudio import Dataset


class Stage(NamedTuple):
    group: str
    candidates: Candidates
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
    """One crop and kind, for all candidates that follow; their answers have been checked."""
    size, kind = request.param
    if kind not in kinds_of(data):
        pytest.skip(f"{data.path} lacks the bands")
    _, candidates = prepared(data, kind, size, memory, pool, threads, n_samples=N_SMOKE)
    return Stage(f"{size} x {size}, {kind.name}", candidates, memory)


@pytest.mark.parametrize("name", Candidates._fields)
def test_kind(timed: Timed, stage: Stage, name: str) -> None:
    candidate = getattr(stage.candidates, name)
    if candidate is None:
        pytest.skip(MISSING)
    timed(stage.group, candidate, stage.memory)
