"""What this process holds of files, and which of their pages memory holds.

Apart from tests that use it, for those that run in a process of their own.
"""

import ctypes
import gc
import itertools
import mmap
import os
import sys
import time
import unittest
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from builders import pixels

from cloudio import Band, Layout, Window
from cloudio._core import files

PAGE = mmap.PAGESIZE
NAMES = tuple(f"B{k}" for k in range(8))


def layout_of(
    height: int, width: int, names: Iterable[str] = NAMES, dtypes: Mapping[str, str] | None = None
) -> Layout:
    """Bands of int16, or of another type, that are real everywhere."""
    bands = [Band(name, dtype=(dtypes or {}).get(name, "int16"), scale=1.0) for name in names]
    return Layout("Files", (height, width), Window(0, 0, height, width), bands)


SMALL = layout_of(32, 32)


def write(folder: Path, layout: Layout, **n_patches: int) -> dict[str, np.ndarray]:
    """Write a folder of splits, to the disk, and return its arrays."""
    arrays: dict[str, list[np.ndarray]] = {band.name: [] for band in layout.bands}
    for seed, (split, n) in enumerate(n_patches.items()):
        (folder / split).mkdir(parents=True)
        for band in layout.bands:
            array = pixels(band.name, (n, *layout.patch), band.dtype, seed)
            with open(folder / split / f"{band.name}.dat", "wb") as file:
                array.tofile(file)
                file.flush()
                os.fsync(file.fileno())
            arrays[band.name].append(array)
    return {name: np.concatenate(parts) for name, parts in arrays.items()}


def is_sanitized() -> bool:
    """Whether a sanitizer keeps what is freed, to see who still uses it."""
    return "asan" in os.environ.get("LD_PRELOAD", "")


def soon(is_so: Callable[[], object], seconds: float = 60) -> bool:
    """Whether something comes true before long: time is only up where something hangs."""
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.002)
    return bool(is_so())


class _Mallinfo(ctypes.Structure):
    """The ``struct mallinfo2`` of <malloc.h>."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd".split()),
        *((name, ctypes.c_size_t) for name in "usmblks fsmblks uordblks fordblks keepcost".split()),
    ]


def allocated() -> tuple[int, int]:
    """Return how many blocks Python and how many bytes ``malloc`` have given out and not got back.

    Unlike the memory that a system says a process has, this is nobody else's affair.  The second is
    0 where the C library does not say.
    """
    gc.collect()
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
    if mallinfo is None or is_sanitized():
        return sys.getallocatedblocks(), 0
    mallinfo.restype = _Mallinfo
    found = mallinfo()
    return sys.getallocatedblocks(), found.uordblks + found.hblkhd


def leaks(act: Callable[[int], object], n: int = 100) -> tuple[int, int]:
    """Return by how many of both `act`, told to do something ``n`` times, leaves more than before.

    The least of three, and after it has been done: what is made once is no leak.
    """
    act(n // 2)
    counts = [allocated()]
    for _ in range(3):
        act(n)
        counts.append(allocated())
    blocks, n_bytes = zip(*counts, strict=True)
    return tuple(min(b - a for a, b in itertools.pairwise(column)) for column in (blocks, n_bytes))


def held(folder: Path) -> list[str]:
    """What this process holds of a folder's files: descriptors, and then mappings."""
    gc.collect()
    prefix, found = os.path.realpath(folder) + "/", []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the one that lists them
            continue
    found += [
        line.split(maxsplit=5)[5]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.count(" ") > 5 and "/" in line
    ]
    return sorted(name.strip() for name in found if name.startswith(prefix))


# ---- pages ---------------------------------------------------------------------------------------


def opened(path: Path) -> files.File:
    return files.File(os.open(path, os.O_RDONLY), path, path.stat().st_size, False)


def resident(path: Path) -> set[int]:
    """The pages of a file that are in memory, or on their way there."""
    file = opened(path)
    n_bytes = file.n_bytes
    return {
        at // PAGE for at in range(0, n_bytes, PAGE) if file.resident(at, min(PAGE, n_bytes - at))
    }


_KEPT: set[int] = set()  # devices whose pages stay in memory


def evict(paths: Iterable[Path]) -> None:
    """Have memory forget files that nobody maps; a test is skipped where it does not."""
    for path in paths:
        file, device = opened(path), path.stat().st_dev

        def gone(file: files.File = file) -> bool:
            file.evict(0, file.n_bytes)
            return file.resident(0, file.n_bytes) == 0

        if file.resident(0, file.n_bytes) < 0:
            raise unittest.SkipTest("the system does not say which pages are in memory")
        # Those still on their way can only be forgotten once they are there.
        if device in _KEPT or not soon(gone, 5):
            _KEPT.add(device)
            raise unittest.SkipTest(f"pages of {path.parent} stay in memory, as on tmpfs")
