"""Numbers and texts of files; ValueError or TypeError unless a file holds what they are to be."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._utils.json_files import refuse
from ..._utils.numbers import is_int64

# More would take 100 GB of memory; a file can claim them.
MOST_PATCHES = 1 << 33


def runs_of(numbers: Any) -> list[list[int]]:
    """Return patch numbers as runs: the first number, and how many follow each other."""
    numbers = np.asarray(numbers, np.int64)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    starts = np.concatenate([[0], breaks])[: len(numbers)].astype(np.int64)
    lengths = np.diff(np.append(starts, len(numbers)))
    found: list[list[int]] = np.stack([numbers[starts], lengths], axis=1).tolist()
    return found


def numbers_of(runs: Sequence[Any]) -> np.ndarray:
    """Return the patch numbers of runs."""
    flat = [whole(number) for first, n in runs for number in (first, n)]
    starts, lengths = np.array(flat, np.int64).reshape(-1, 2).T
    total = sum(lengths.tolist())
    refuse(bool((lengths < 1).any()) or total > MOST_PATCHES, "runs of no or too many patches")
    is_beyond = (starts < 0) | (starts > MOST_PATCHES)
    refuse(bool(is_beyond.any()), "patches that do not exist")
    begins = np.cumsum(lengths) - lengths
    found: np.ndarray = np.repeat(starts - begins, lengths) + np.arange(total)
    return found


def text(entry: Any) -> str:
    refuse(not isinstance(entry, str), "another value than text")
    return str(entry)


def whole(entry: Any) -> int:
    refuse(not is_int64(entry), "another value than a whole number of 64 bits")
    return int(entry)


def seconds(entry: Any) -> float:
    refuse(type(entry) not in (int, float), "another value than a number")
    return float(entry)
