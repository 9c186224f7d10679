"""A process that runs one rival and ends: `python -m benchmarks.suite.worker FILE`.

processes.py starts it with a file that holds a `Job`, and reads lines of JSON from its standard
output.  Needs numpy and what the rival imports, and Python 3.10.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import counting, task
from .job import Job, Plan
from .measures import Memory, adopt_orphans, usage
from .rival import Read, Rival

BENCHMARKS = Path(__file__).parents[1]
# float32 numbers of a page: a consumer looks at one of each, as a copy to a device does.
_STEP = 1024
# Characters of an error that are shown in a table.
_MOST = 200


class WrongAnswerError(Exception):
    """An answer that is not numpy's: it ends the whole run."""


@contextmanager
def read_by(rival: Rival, one: Any) -> Iterator[Read]:
    """Open a rival, and make numpy arrays of its answers.

    They are made while the clock runs: what is computed only when somebody looks counts, too.
    """
    with rival.opened(one) as read:

        def arrays(k: int) -> Any:
            answer = read(k)
            if isinstance(answer, (tuple, list)):
                return tuple(None if part is None else np.asarray(part) for part in answer)
            return None if answer is None else np.asarray(answer)

        yield arrays


# ---- verbs ---------------------------------------------------------------------------------------


def check(rival: Rival, job: Job) -> dict[str, Any]:
    """Read every batch of every task, and compare each with numpy's."""
    for one in job.tasks:
        with read_by(rival, one) as read:
            for k in range(one.n_batches):
                compare(rival, one, k, read(k))
    return {"packages": {name: _version(name) for name in rival.packages}}


def convert(rival: Rival, job: Job) -> dict[str, Any]:
    """Write the data set in the format of the rival."""
    assert rival.convert is not None
    assert job.folder is not None
    start = time.perf_counter()
    rival.convert(job.tasks[0], job.folder)
    seconds = time.perf_counter() - start
    n_bytes = sum(file.stat().st_size for file in job.folder.rglob("*") if file.is_file())
    return {"seconds": seconds, "bytes": n_bytes}


def time_all(rival: Rival, job: Job) -> dict[str, Any]:
    """Time every task, one after another."""
    return {
        "timings": [
            time_one(rival, *one, job.checked) for one in zip(job.tasks, job.plans, strict=True)
        ]
    }


def time_one(rival: Rival, one: Any, plan: Plan, checked: bool) -> dict[str, Any]:
    # Before it is opened: what a loader keeps in /dev/shm from then on is its memory.
    memory = Memory()
    with read_by(rival, one) as read:
        if plan.evict:
            say({"evict": True})
            sys.stdin.buffer.readline()
        end = time.perf_counter() + plan.most_seconds
        first, answer = 0, None
        while first < plan.settle and time.perf_counter() < end:
            # Held until the next one is there, as later: loaders need as much memory from now on.
            answer = read(first)
            first += 1
        k = first - 1
        before, start = usage(), time.perf_counter()
        stop, end = start, start + plan.most_seconds
        while k < first + plan.timed - 1 and stop < end:
            k += 1
            answer = read(k)
            stop = time.perf_counter()
        used = usage().since(before)
        if checked:
            compare(rival, one, k, answer)
        del answer
        found = {"seconds": stop - start, **used._asdict()}
        found["samples"] = (k + 1 - first) * one.batch_size
        found["waited"] = None
        if plan.consumed:
            # While the answer was compared, loaders have read ahead: that is used up first.
            k = _used_up(read, k, plan)
            found["waited"], k = consume(read, k, plan)
        with memory.watched():
            for more in range(plan.watched):
                read(k + 1 + more)
        return {**found, "pss_bytes": memory.pss, "shm_bytes": memory.shm}


def _used_up(read: Read, k: int, plan: Plan) -> int:
    """Read as many batches as are consumed, and return the last one."""
    end, last = time.perf_counter() + plan.most_seconds, k + plan.consumed
    while k < last and time.perf_counter() < end:
        k += 1
        read(k)
    return k


def consume(read: Read, k: int, plan: Plan) -> tuple[float, int]:
    """Return the share of its time in which a consumer waits for batches, and the last batch.

    It is busy with each for the seconds of the plan.  Busy is asleep, as a process is that waits
    for a device: it needs no CPU and no GIL.
    """
    begin = time.perf_counter()
    waited, last = 0.0, k + plan.consumed
    while k < last and time.perf_counter() < begin + plan.most_seconds:
        k += 1
        asked = time.perf_counter()
        image, _ = read(k)
        arrived = time.perf_counter()
        waited += arrived - asked
        np.asarray(image).reshape(-1)[::_STEP].max()
        if (left := arrived + plan.consumer_seconds - time.perf_counter()) > 0:
            time.sleep(left)
    return waited / (time.perf_counter() - begin), k


def compare(rival: Rival, one: Any, k: int, answer: Any) -> None:
    """Raise WrongAnswerError, with batch and sample, if an answer differs from numpy's."""
    oracle: ModuleType = counting if isinstance(one, counting.Counting) else task
    words = oracle.difference(answer, oracle.expected(one, k), rival.ulps)
    if words is not None:
        raise WrongAnswerError(f"{rival.name}, batch {k}: {words}; its time would mean nothing")


# ---- the process ---------------------------------------------------------------------------------

VERBS = {"check": check, "convert": convert, "time": time_all}


def rivals_of(file: Path) -> dict[str, Rival]:
    """Import a file, as a module of benchmarks.rivals if it lies elsewhere; return its rivals."""
    if file.is_relative_to(BENCHMARKS):
        name = ".".join(("benchmarks", *file.relative_to(BENCHMARKS).with_suffix("").parts))
        return {rival.name: rival for rival in importlib.import_module(name).RIVALS}
    name = f"benchmarks.rivals.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    # Modules that are imported again, by worker processes of rivals, are found by their name.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {rival.name: rival for rival in module.RIVALS}


def say(words: dict[str, Any]) -> None:
    _pipe.write(json.dumps(words) + "\n")
    _pipe.flush()


def main() -> None:
    adopt_orphans()
    try:
        job: Job = pickle.loads(Path(sys.argv[1]).read_bytes())
        say({"done": VERBS[job.verb](rivals_of(job.file)[job.rival], job)})
    except WrongAnswerError as error:
        say({"wrong": str(error)})
    except BaseException as error:
        traceback.print_exc()
        words = "".join(traceback.format_exception_only(error)).strip()
        say({"failed": words.splitlines()[0][:_MOST]})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    # What a rival prints goes to the standard error.
    _pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main()
