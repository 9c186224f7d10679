"""What both commands do with files that hold no result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def attempt(command: str, work: Callable[[], T], missing: Callable[[KeyError], str]) -> T | None:
    """Return what ``work`` makes of results; None, after the error was printed, if it cannot.

    ``missing`` says in words that a result lacks a key.
    """
    try:
        return work()
    except (OSError, ValueError) as error:
        words = str(error)
    except KeyError as error:
        words = missing(error)
    print(f"benchmarks {command}: {words}", file=sys.stderr)
    return None
