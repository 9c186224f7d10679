"""How fast are bands, classes and two labels counted, against what people write for it?

The answers are checked before the clock starts; beside the copy limit stands reading alone.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from environment import N_SMOKE, bench_data
from stats_candidates import questions
from stats_questions import SOURCE, Question
from timed import Timed

QUESTIONS = ("bands", "classes", "agreement")
GROUPS = ("ours", "numpy", "baselines", "limits")


@pytest.fixture(scope="module")
def by_name(pool: ThreadPoolExecutor, threads: int) -> Iterator[dict[str, Question]]:
    with bench_data([SOURCE]) as (data, _):
        yield dict(zip(QUESTIONS, questions(data, pool, threads, N_SMOKE), strict=True))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_stats(
    timed: Timed, by_name: dict[str, Question], question: str, group: str, place: int
) -> None:
    candidates = getattr(by_name[question], group)
    if place >= len(candidates):
        pytest.skip(f"{group} has {len(candidates)} candidates")
    timed(by_name[question].name, candidates[place], None)
