"""How fast are bands, classes and two labels counted, against what people write for it?

The answers are checked before the clock; the roof is a copy of as many bytes, and beside it
stands reading them alone.
CLOUDIO_BENCH_SAMPLES counts fewer patches, where only the answers matter.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Timed
from stats_candidates import SOURCE, Question, questions

from cloudio.bench import warm as bench

QUESTIONS = ("bands", "classes", "agreement")
KINDS = ("ours", "numpy", "idioms", "roof")


@pytest.fixture(scope="module")
def asked(pool: ThreadPoolExecutor, threads: int) -> Iterator[dict[str, Question]]:
    path, n = os.environ.get("CLOUDIO_BENCH_DATA"), os.environ.get("CLOUDIO_BENCH_SAMPLES")
    with bench.data(Path(path) if path else None, [SOURCE]) as (data, _):
        made = questions(data, pool, threads, int(n) if n else None)
        yield dict(zip(QUESTIONS, made, strict=True))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_stats(
    timed: Timed, asked: dict[str, Question], question: str, kind: str, place: int
) -> None:
    ways = getattr(asked[question], kind)
    if place >= len(ways):
        pytest.skip("no more such ways")
    timed(asked[question].name, ways[place], None)
