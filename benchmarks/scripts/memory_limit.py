"""Does a pass over more data than memory holds stay within a limit, and how fast is it then?

    python benchmarks/scripts/memory_limit.py PATH [--limit MB] [--batch N] [--rounds N]

Reads every patch of a split once, cold, in batches: without a limit, and in a memory cgroup of its
own with ``evict=True`` and without.  Needs Linux and the right to make cgroups (root).  A cgroup is
charged for what its processes allocate and for the pages that they bring into memory.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import cloudio
from cloudio import CloudioError
from cloudio._utils import machine, tables
from cloudio.bench.timing import round_order
from cloudio.bench.workload import bands_of, open_data

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# Name, whether the memory is limited, and what happens to pages that have been read.
CANDIDATES = (
    ("no limit", False, "keep"),
    ("limit", True, "keep"),
    ("limit, evict=True", True, "evict"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("path", type=Path)
    arguments.add_argument("--limit", type=int, default=400, help="MB (default: 400)")
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--io", default="mmap")
    arguments.add_argument("--pages", choices=("evict", "keep"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.pages:
        print(json.dumps(one_pass(given.path, given.batch, given.pages == "evict", given.io)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name, *_ in CANDIDATES}
    for k in range(given.rounds):
        for name, limited, pages in round_order(CANDIDATES, k):
            found[name].append(run(given, limited, pages))
    print(tables.text(list(machine.facts().items())))
    rows = [("", "MB/s", "of no limit", "peak of the cgroup, MB", "times at the limit")]
    free = median(each["mb_per_second"] for each in found["no limit"])
    for name, results in found.items():
        speed = median(each["mb_per_second"] for each in results)
        peak = max(each.get("peak", 0) for each in results) / 1e6
        hits = max(each.get("hits", 0) for each in results)
        limited = (f"{peak:,.0f}", f"{hits:,}") if name != "no limit" else ("", "")
        rows.append((name, f"{speed:,.0f}", f"{speed / free:.2f}", *limited))
    read = f"{found['no limit'][0]['bytes'] / 1e6:,.0f} MB in batches of {given.batch}"
    print(f"\n{read}; limit {given.limit:,} MB; io={given.io}")
    print(tables.text(rows, range(1, 5)))


def run(given: argparse.Namespace, limited: bool, pages: str) -> dict[str, float]:
    """One pass in a process of its own."""
    command = [sys.executable, __file__, str(given.path), "--pages", pages]
    command += ["--batch", str(given.batch), "--io", given.io]
    if not limited:
        return dict(json.loads(subprocess.check_output(command)))
    with cgroup(given.limit * 1_000_000) as group:
        enter = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))  # noqa: E731
        result = dict(json.loads(subprocess.check_output(command, preexec_fn=enter)))
        return result | charged(group)


@contextmanager
def cgroup(limit: int) -> Iterator[Path]:
    group = (V1 if V1.is_dir() else V2) / f"cloudio-{os.getpid()}"
    group.mkdir()
    try:
        name = "memory.limit_in_bytes" if V1.is_dir() else "memory.max"
        (group / name).write_text(str(limit))
        yield group
    finally:
        while group.is_dir():
            try:
                group.rmdir()
            except OSError:  # the process is not gone yet
                time.sleep(0.05)


def charged(group: Path) -> dict[str, float]:
    """The peak of what was charged, and how often the limit was reached."""
    if V1.is_dir():
        hits = int((group / "memory.failcnt").read_text())
        return {"peak": int((group / "memory.max_usage_in_bytes").read_text()), "hits": hits}
    events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    return {"peak": int((group / "memory.peak").read_text()), "hits": int(events["max"])}


def one_pass(path: Path, batch: int, evict: bool, io: str) -> dict[str, float]:
    with open_data(path) as (split, _):
        dataset = cloudio.open(path, io=io)
        dataset = dataset.split(
            next(name for name in dataset.splits if len(dataset.split(name)) == len(split))
        )
        bands = bands_of(dataset)
    reader = dataset.reader(bands, evict=evict)
    if dataset.reader(bands).read([0, -1]).image.tobytes() != reader.read([0, -1]).image.tobytes():
        raise CloudioError("a read with evict=True differs from one without")
    for source in (dataset.open_arrays(name)[0] for name in bands):
        source.file.evict(0, source.file.n_bytes)
    out = reader.allocate(batch)
    begin = time.perf_counter()
    for first in range(0, len(reader) - batch + 1, batch):
        reader.read(range(first, first + batch), out=out)
    seconds = time.perf_counter() - begin
    n_bytes = (len(reader) // batch * batch) * sum(
        source.buffer_spec[3][0] for source in (dataset.open_arrays(name)[0] for name in bands)
    )
    return {"bytes": n_bytes, "mb_per_second": n_bytes / 1e6 / seconds}


if __name__ == "__main__":
    main()
