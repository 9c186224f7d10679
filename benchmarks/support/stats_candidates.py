"""The questions of statistics: bands, classes, and the agreement of two labels."""

from concurrent.futures import ThreadPoolExecutor

from stats_bands import count_bands
from stats_labels import compare_labels, count_classes
from stats_questions import Data, Question, wrong

from cloudio import Dataset


def questions(
    split: Dataset, pool: ThreadPoolExecutor, threads: int, n_patches: int | None = None
) -> list[Question]:
    """All three, every answer checked; AssertionError where one is wrong."""
    data = Data(split, n_patches)
    found = [ask(data, pool, threads) for ask in (count_bands, count_classes, compare_labels)]
    for question in found:
        for candidate in (*question.ours, *question.numpy, *question.baselines):
            if wrong(candidate.run(None), question.expected):
                raise AssertionError(
                    f"{question.name}: {candidate.name} has another answer than numpy"
                )
    return found
