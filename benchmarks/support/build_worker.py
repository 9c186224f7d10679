"""One build of cloudio, in a process of its own, that compare_builds.py asks to prepare and time.

    PYTHONPATH=BUILD python build_worker.py BUILD DATA THREADS

A request is a line of JSON on stdin, its answer a line on stdout.  The process ends with stdin.
"""

import gc
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from build_cases import CASES, COLD_CASES, Data, Prepared

import cloudio


class Worker:
    """The requests, a method each; it keeps one prepared case."""

    def __init__(self, path: str, threads: int) -> None:
        self.path, self.threads = path, threads
        self.data: Data | None = None
        self.case: Prepared | None = None

    def prepare(self, name: str) -> dict[str, Any]:
        """Prepare a case whose pages are in memory; its answer's digest."""
        self.case = None
        if self.data is None:
            self.data = Data(self.path, self.threads)
        self.case = CASES[name](self.data)
        return {"digest": digest(self.case.answer())}

    def prepare_cold(self, name: str, seed: int) -> dict[str, Any]:
        """Open a data set anew, and decide what to read of it; no page of it is touched."""
        self.data, self.case = COLD_CASES[name](self.path, self.threads, seed)
        return {}

    def answer(self) -> dict[str, Any]:
        """The digest of what a cold case has read; its data set is closed then."""
        assert self.case is not None
        assert self.data is not None
        found = digest(self.case.answer())
        self.data.whole.close()
        self.data = self.case = None
        gc.collect()
        return {"digest": found}

    def run(self, calls: int) -> dict[str, Any]:
        """Seconds per call of the wall clock and of all CPUs, and bytes read from disks."""
        assert self.case is not None
        run = self.case.run
        gc.collect()
        gc.disable()
        read = read_bytes()
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(calls):
            run()
        stop, cpu_stop = time.perf_counter(), time.process_time()
        gc.enable()
        return {
            "seconds": (stop - start) / calls,
            "cpu_seconds": (cpu_stop - cpu) / calls,
            "read_bytes": read_bytes() - read,
        }


def digest(arrays: Iterator[Any]) -> str:
    """Of types, shapes and bytes."""
    found = hashlib.blake2b()
    for array in arrays:
        array = np.ascontiguousarray(array)
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(array.reshape(-1).view(np.uint8))
    return found.hexdigest()


def read_bytes() -> int:
    counts = Path("/proc/self/io")
    if not counts.exists():
        return 0
    lines = dict(line.split(": ") for line in counts.read_text().splitlines())
    return int(lines["read_bytes"])


def main() -> None:
    build, path, threads = sys.argv[1:]
    # What cloudio may print is not to be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if not Path(cloudio.__file__).resolve().is_relative_to(Path(build).resolve()):
        sys.exit(f"{build} has no cloudio: {cloudio.__file__} was imported")
    worker = Worker(path, int(threads))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            found = getattr(worker, request.pop("do"))(**request)
        except Exception:
            found = {"error": traceback.format_exc()}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
