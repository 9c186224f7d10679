"""Threads that do something at the same moment."""

import sys
import threading
from collections.abc import Callable
from typing import Any

from processes import SECONDS


def together(n_threads: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what ``work(k)`` returned in each thread, in order; they begin at once.

    An error of a thread is raised here.  With a GIL, threads take turns as often as they can.
    """
    start, results, errors = threading.Barrier(n_threads), [None] * n_threads, []

    def run(k: int) -> None:
        try:
            start.wait(SECONDS)
            results[k] = work(k)
        except BaseException as error:
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=run, args=[k], daemon=True) for k in range(n_threads)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive(), "a thread waits for ever"
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
    return results
