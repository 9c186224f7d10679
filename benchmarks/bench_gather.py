"""How fast is a batch of 32 random crops read, by size of the crop and number of bands?"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from environment import N_SMOKE
from timed import Timed

from cloudio import Batch, Dataset
from cloudio.bench.candidates import all_candidates, best_recipe
from cloudio.bench.limits import copy_limits
from cloudio.bench.timing import Candidate, check
from cloudio.bench.workload import Workload, bands_of, n_samples_that_fit

CANDIDATES = "baseline", "best numpy, 1", "best numpy, all", "cloudio, 1", "cloudio, all"
LIMITS = "copy limit: np.copyto", "copy limit: streamed copy"


class Stage(NamedTuple):
    group: str
    candidates: dict[str, Candidate]
    out: Batch
    expected: Batch


@pytest.fixture(
    scope="module",
    params=[(size, n_bands) for size in (509, 224, 64) for n_bands in (13, 3)],
    ids=lambda param: "{}-{}".format(*param),
)
def stage(
    request: pytest.FixtureRequest, data: Dataset, pool: ThreadPoolExecutor, threads: int
) -> Stage:
    """One crop and number of bands, for all candidates that follow."""
    size, n_bands = request.param
    bands = bands_of(data)[:n_bands]
    n = n_samples_that_fit((size, size), len(bands), N_SMOKE)
    workload = Workload(data, bands, None, (size, size), n)
    workload.warm()
    out, expected = workload.allocate(), workload.expected()
    candidates = all_candidates(workload, best_recipe(workload, out), pool, threads)
    if threads == 1:
        baseline, numpy, ours = candidates
        candidates = [baseline, numpy, numpy, ours, ours]
    candidates += copy_limits(workload, pool, threads, expected)
    named = dict(zip((*CANDIDATES, *LIMITS), candidates, strict=True))
    return Stage(f"gather, {size} x {size}, {len(bands)} bands", named, out, expected)


@pytest.mark.parametrize("name", CANDIDATES)
def test_gather(timed: Timed, stage: Stage, name: str) -> None:
    check(stage.candidates[name], stage.out, stage.expected)
    timed(stage.group, stage.candidates[name], stage.out)


@pytest.mark.parametrize("name", LIMITS)
def test_copy_limit(timed: Timed, stage: Stage, name: str) -> None:
    timed(stage.group, stage.candidates[name], stage.out)
