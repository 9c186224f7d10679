"""What do pages cost that are in memory, but not yet mapped by this process?

    python benchmarks/scripts/first_touch.py [--patches N] [--rounds N] [--threads N] [--folder DIR]

Every first epoch pays that, and every worker of a DataLoader.  Random crops of 224 x 224 and whole
patches, 13 bands; each patch is read once in an epoch.  In each round every candidate opens the
data set anew, which maps it anew, and reads three epochs; the candidates take turns.  Shown are the
medians of the first epoch and of the third, in microseconds and in microseconds of all CPUs.

- The page cache is filled by writing, which leaves large folios; then by reading in order; then by
  advice, page by page, as cold reads of cloudio leave it.
- ``faults alone`` is the limit: a C loop that touches a byte of each page of the same windows.
  ``populate alone`` is MADV_POPULATE_READ of each window.
- ``mmap, populated first`` does the latter right before each read, ``mmap, populated ahead`` in a
  thread during the read before, and ``mmap, populated whole`` maps all files in the first epoch.

Needs Linux 5.14 and a C compiler.  Answers are compared with numpy's before the clock counts.
"""

import argparse
import ctypes
import gc
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import ClassVar, Literal, NamedTuple

import numpy as np

import cloudio
from cloudio._utils import machine, tables

SUPPORT = Path(__file__).resolve().parents[1] / "support"
BANDS = [f"L1C_B{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12)]
PATCH, VALID, ITEM, SCALE = 512, cloudio.Window(1, 1, 509, 509), 2, np.float32(1e-4)
PATCH_BYTES, ROW_BYTES = PATCH * PATCH * ITEM, PATCH * ITEM
SIZES = 224, VALID.height
BATCH, EPOCHS = 8, 3
TOUCH, POPULATE = 0, 1
ADVICE_BYTES, READ_BYTES = 128 << 10, 1 << 20


class Cost(NamedTuple):
    """Of an epoch: seconds, CPU seconds, page faults that read nothing."""

    seconds: float
    cpu_seconds: float
    faults: float


class Windows(NamedTuple):
    """The windows of an epoch, in batches."""

    size: int
    patch: np.ndarray
    origin: np.ndarray

    def begin(self) -> np.ndarray:
        """The first byte of each, in the file of every band."""
        rows, cols = self.origin.T
        begin: np.ndarray = self.patch * PATCH_BYTES + rows * ROW_BYTES + cols * ITEM
        return begin

    def n_bytes(self) -> int:
        return (self.size - 1) * ROW_BYTES + self.size * ITEM

    def batches(self) -> list["Windows"]:
        parts = [slice(k, k + BATCH) for k in range(0, len(self.patch), BATCH)]
        return [Windows(self.size, self.patch[part], self.origin[part]) for part in parts]


Epoch = Callable[[], object]


class Candidates:
    """What reads an epoch; each opens the files anew, so that none of their pages is mapped."""

    memory: ClassVar[list[np.ndarray]] = []  # of loaders of this size

    def __init__(self, folder: Path, library: ctypes.CDLL, windows: Windows, threads: int) -> None:
        self.paths = [folder / "train" / f"{band}.dat" for band in BANDS]
        self.folder, self.library, self.windows, self.threads = folder, library, windows, threads
        self.out = self.reader("mmap").allocate(BATCH)
        self.out.image.fill(0)  # memory that is in use already

    def all(self) -> dict[str, Callable[[], Epoch]]:
        return {
            "cloudio, mmap": lambda: self.loop("mmap"),
            "mmap, populated first": lambda: self.populated("first"),
            "mmap, populated ahead": lambda: self.populated("ahead"),
            "mmap, populated whole": lambda: self.populated("whole"),
            "cloudio, pread": lambda: self.loop("pread"),
            "cloudio, Loader": self.loader,
            "numpy, mapped": self.numpy,
            "faults alone": lambda: self.alone(TOUCH),
            "populate alone": lambda: self.alone(POPULATE),
        }

    def reader(self, io: Literal["mmap", "pread"]) -> cloudio.Reader:
        ds = cloudio.open(self.folder, io=io).split("train")
        return ds.reader(BANDS, size=self.windows.size, threads=self.threads)

    def loop(self, io: Literal["mmap", "pread"]) -> Epoch:
        reader = self.reader(io)

        def epoch() -> None:
            for each in self.windows.batches():
                reader.read(each.patch, each.origin, None, self.out)

        return epoch

    def populated(self, when: str) -> Epoch:
        reader, batches = self.reader("mmap"), self.windows.batches()
        bases = [mapped_at(path) for path in self.paths]
        thread = ThreadPoolExecutor(1)
        whole = Windows(PATCH, np.arange(len(self.windows.patch)), self.windows.origin * 0)
        left = True

        def map_pages(windows: Windows) -> None:
            for base in bases:
                self.map_windows(base, windows, POPULATE)

        def epoch() -> None:
            nonlocal left
            ahead: Future[None] | None = None
            if left and when == "whole":
                map_pages(whole)
            for k, each in enumerate(batches):
                if left and when == "first":
                    map_pages(each)
                if ahead is not None:
                    ahead.result()
                if left and when == "ahead" and k + 1 < len(batches):
                    ahead = thread.submit(map_pages, batches[k + 1])
                reader.read(each.patch, each.origin, None, self.out)
            left = False

        return epoch

    def loader(self) -> Epoch:
        memory = list(self.memory)

        def allocate(n_bytes: int) -> np.ndarray:
            """Memory that is in use already."""
            if not memory:
                self.memory.append(np.ones(n_bytes, np.uint8))
                return self.memory[-1]
            return memory.pop()

        loader = cloudio.Loader(self.reader("mmap"), BATCH, allocate=allocate)

        def epoch() -> None:
            for batch in loader:
                self.out.image[0, 0, 0, 0] = batch.image[0, 0, 0, 0]

        return epoch

    def numpy(self) -> Epoch:
        arrays = [np.memmap(path, np.int16, "r").reshape(-1, PATCH, PATCH) for path in self.paths]

        def epoch() -> None:
            for each in self.windows.batches():
                numpy_read(arrays, each, self.out.image)

        return epoch

    def alone(self, how: int) -> Epoch:
        """One thread for each part of the windows, of every file."""
        arrays = [np.memmap(path, np.uint8, "r") for path in self.paths]
        parts = np.array_split(np.arange(len(self.windows.patch)), self.threads)
        pool = ThreadPoolExecutor(self.threads)

        def map_part(part: np.ndarray) -> None:
            windows = self.windows._replace(
                patch=self.windows.patch[part], origin=self.windows.origin[part]
            )
            for array in arrays:
                self.map_windows(array.ctypes.data, windows, how)

        return lambda: list(pool.map(map_part, parts))

    def map_windows(self, base: int, windows: Windows, how: int) -> None:
        begin = np.ascontiguousarray(windows.begin(), np.int64)
        failed = self.library.map_windows(
            ctypes.c_void_p(base), ctypes.c_void_p(begin.ctypes.data), ctypes.c_size_t(len(begin)),
            ctypes.c_size_t(windows.n_bytes()), how,
        )  # fmt: skip
        if failed:
            raise SystemExit("MADV_POPULATE_READ needs Linux 5.14")


def numpy_read(arrays: Sequence[np.ndarray], windows: Windows, out: np.ndarray) -> None:
    for k, (patch, (row, col)) in enumerate(zip(windows.patch, windows.origin, strict=True)):
        rows, cols = slice(row, row + windows.size), slice(col, col + windows.size)
        for band, array in enumerate(arrays):
            np.multiply(array[patch, rows, cols], SCALE, out=out[k, band], casting="unsafe")


def mapped_at(path: Path) -> int:
    """Where this process has mapped a file last."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    (found,) = (line for line in lines if line.endswith(f" {path}"))
    return int(found.partition("-")[0], 16)


# ---- the page cache ------------------------------------------------------------------------------


def by_writing(path: Path) -> None:
    """Leave the file as it was written."""


def in_order(path: Path) -> None:
    evict(path)
    with path.open("rb") as file:
        while file.read(READ_BYTES):
            pass


def by_advice(path: Path) -> None:
    evict(path)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for at in range(0, path.stat().st_size, ADVICE_BYTES):
            os.posix_fadvise(file.fileno(), at, ADVICE_BYTES, os.POSIX_FADV_WILLNEED)
    path.read_bytes()  # which waits


def evict(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


FILLED = {"by writing": by_writing, "by reading in order": in_order, "by advice": by_advice}


# ---- times ---------------------------------------------------------------------------------------


def cost(epoch: Epoch) -> Cost:
    gc.disable()
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    epoch()
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    gc.enable()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, used, after.ru_minflt - before.ru_minflt)


def measure(
    folder: Path, library: ctypes.CDLL, size: int, given: argparse.Namespace
) -> dict[str, list[list[Cost]]]:
    """For each candidate the costs of its epochs, in every round."""
    found: dict[str, list[list[Cost]]] = {}
    Candidates.memory.clear()
    for k in range(given.rounds + 1):
        windows = random_windows(size, given.patches, seed=k)
        candidates = Candidates(folder, library, windows, given.threads)
        ordered = list(candidates.all().items())[:: -1 if k % 2 else 1]
        for name, start in ordered:
            epoch = start()
            costs = [cost(epoch) for _ in range(EPOCHS)]
            # The files are closed.
            del epoch
            gc.collect()
            if k:  # the first round is that of the answers
                found.setdefault(name, []).append(costs)
            elif name.startswith(("cloudio, mmap", "cloudio, pread", "mmap", "numpy")):
                check(name, candidates)
    return found


def random_windows(size: int, n: int, seed: int) -> Windows:
    rng = np.random.default_rng(seed)
    origin = rng.integers(VALID.row, VALID.row + VALID.height - size + 1, (n, 2))
    return Windows(size, rng.permutation(n), origin)


def check(name: str, candidates: Candidates) -> None:
    """Compare the last batch."""
    arrays = [np.memmap(p, np.int16, "r").reshape(-1, PATCH, PATCH) for p in candidates.paths]
    answer, out = candidates.out.image.copy(), candidates.out.image
    numpy_read(arrays, candidates.windows.batches()[-1], out)
    if not np.array_equal(answer, out):
        raise SystemExit(f"{name}: the answer differs from numpy's")


HEAD = "", "first epoch", "third", "ratio", "CPU, first", "third", "ratio", "faults"


def row(name: str, rounds: list[list[Cost]], n: int) -> tuple[str, ...]:
    """Medians, for one sample."""

    def figures(what: str) -> tuple[str, str, str]:
        first, third = (
            1e6 * median(getattr(costs[k], what) for costs in rounds) / n for k in (0, EPOCHS - 1)
        )
        return f"{first:,.0f}", f"{third:,.0f}", f"{first / third:.2f}" if third else ""

    faults = median(costs[0].faults for costs in rounds) / n
    return name, *figures("seconds"), *figures("cpu_seconds"), f"{faults:,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patches", type=int, default=96, help="6.8 MB each (default: 96)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where the data are written, and removed")
    given = parser.parse_args()
    if given.patches % BATCH:
        parser.error(f"--patches {given.patches}: it must be a multiple of {BATCH}")
    print(tables.text(list(machine.facts().items())))
    with tempfile.TemporaryDirectory(prefix="cloudio-first-touch-", dir=given.folder) as folder:
        library = ctypes.CDLL(str(compiled(Path(folder))))
        library.map_windows.restype = ctypes.c_size_t
        data = Path(folder, "data")
        cloudio.synthesize(data, {"train": given.patches}, arrays=BANDS)
        for state, fill in FILLED.items():
            for path in sorted(data.rglob("*.dat")):
                fill(path)
            for size in SIZES:
                found = measure(data, library, size, given)
                print(f"\n{size} x {size}, {given.threads} threads, page cache filled {state}: us")
                rows = [row(name, rounds, given.patches) for name, rounds in sorted(found.items())]
                print(tables.text([HEAD, *rows], range(1, len(HEAD))), flush=True)


def compiled(folder: Path) -> Path:
    library, source = folder / "first_touch.so", SUPPORT / "first_touch.c"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


if __name__ == "__main__":
    main()
