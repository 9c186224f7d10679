"""How fast is a batch of 32 random crops read, by size of the crop and number of bands?

CLOUDIO_BENCH_SAMPLES makes a batch smaller, where only the answers matter.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from conftest import Timed

from cloudio import Batch, Dataset
from cloudio.bench import warm as bench
from cloudio.bench.candidates import Contender, Work, best_recipe, check, contenders, roof

WAYS = (
    "the idiom", "best numpy, 1", "best numpy, all", "cloudio, 1", "cloudio, all",
    "roof: np.copyto", "roof: streamed copy",
)  # fmt: skip


class Stage(NamedTuple):
    group: str
    ways: dict[str, Contender]
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
    """One crop and number of bands, for all ways that follow."""
    size, n_bands = request.param
    bands = bench.bands_of(data)[:n_bands]
    most = int(os.environ.get("CLOUDIO_BENCH_SAMPLES", bench.N_SAMPLES))
    work = Work(data, bands, None, (size, size), bench.n_samples((size, size), len(bands), most))
    work.warm()
    out, expected = work.allocate(), work.expected()
    ways = contenders(work, best_recipe(work, out), pool, threads)
    if threads == 1:
        ways = [*ways[:2], ways[1], ways[2], ways[2]]
    ways += roof(work, pool, threads, expected)
    group = f"gather, {size} x {size}, {len(bands)} bands"
    return Stage(group, dict(zip(WAYS, ways, strict=True)), out, expected)


@pytest.mark.parametrize("way", WAYS)
def test_gather(timed: Timed, stage: Stage, way: str) -> None:
    contender = stage.ways[way]
    if not way.startswith("roof"):
        check(contender, stage.out, stage.expected)
    timed(stage.group, contender, stage.out)
