"""Limits of memory: loops of limits.c that move or read the rows of a batch, and plain copies.

All they need is made before the clock starts: no limit pays for Python.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .counting import Counting
from .rival import Read
from .task import ArrayFile

SCALED, HALVED, LOOKED_UP, MIXED, BESIDE, COPY, READ = range(7)
#: The struct of limits.c.
PLANE = np.dtype(
    [("from", "u8"), ("to", "u8")]
    + [(name, "i8") for name in ("kind", "n_rows", "row_bytes", "row_step")]
    + [("scale", "f8"), ("table", "u8"), ("n_bands", "i8")]
)
#: Of limits.c: bands of a pixel, and stored numbers of a row of all bands.
MOST_BANDS, MOST_MIXED = 64, 65000
_KINDS = {"float32": SCALED, "float16": HALVED}
#: Parts of a batch for each thread, at least.
_PARTS = 16
# Bytes of a huge page.
_HUGE = 1 << 21
_OPTIONS = "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC", "-pthread"


def compile_limits(_: Any, folder: Path) -> None:
    """Compile limits.c for this machine; RuntimeError, in words, where that fails."""
    named = os.environ.get("CC", "cc").split()
    if shutil.which(named[0]) is None:
        raise RuntimeError(f"no compiler: {named[0]} was not found")
    source = Path(__file__).with_name("limits.c")
    command = [*named, *_OPTIONS, str(source), "-o", str(folder / "limits.so")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{named[0]} cannot compile {source.name}: {done.stderr.strip()[:300]}")


Planes = Callable[[Any, int, list[np.ndarray], int], np.ndarray]


@contextmanager
def mover(
    library: ctypes.CDLL, threads: int, batches: list[np.ndarray]
) -> Iterator[Callable[[int], None]]:
    """Give what moves the planes of batch ``k`` by limits.c, in threads that wait for it."""
    library.gather.restype = ctypes.c_void_p
    library.part.argtypes = (ctypes.c_void_p,)
    move = library.move
    move.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
    # Made before the clock starts: no limit pays for Python.
    places = [(planes.ctypes.data, planes.size) for planes in batches]
    team = library.gather(ctypes.c_int64(threads))
    try:
        yield lambda k: move(team, *places[k])
    finally:
        library.part(team)


def moved(planes: Planes) -> Callable:
    """Return the ``opened`` of a rival that moves planes by limits.c."""

    @contextmanager
    def opened(task: Any) -> Iterator[Read]:
        assert task.converted is not None
        library = ctypes.CDLL(str(task.converted / "limits.so"))
        if not ctypes.c_int.in_dll(library, "halves") and getattr(task, "dtype", "") == "float16":
            raise RuntimeError("the compiler knows no float16")
        maps = [array.mapped() for array in task.arrays]
        with aligned(_batch_bytes(task)) as out:
            batches = [planes(task, k, maps, out.ctypes.data) for k in range(task.n_batches)]
            answer = outputs(task, out)
            with mover(library, task.threads, batches) as move:

                def read(k: int) -> tuple[np.ndarray | None, np.ndarray | None]:
                    move(k)
                    return answer

                yield read

    return opened


def rows(task: Any, k: int, maps: list[np.ndarray], out: int) -> np.ndarray:
    """Return the windows of batch ``k`` as planes (sample, part of the rows, array)."""
    if isinstance(task, Counting):
        return _window_planes(task, maps, np.arange(task.n_patches), np.array(task.window[:2]))
    height, width = task.size
    n_bands, n_pixels, item = len(task.bands), height * width, np.dtype(task.dtype).itemsize
    for k_array, array in enumerate(task.arrays):
        if np.dtype(array.dtype) != ("<i2" if k_array < n_bands else "u1"):
            raise RuntimeError(f"it moves int16 bands and labels of a byte; {array.name} is not")
    planes = _window_planes(task, maps, task.index[k], task.origin[k])
    steps = np.full(planes.shape[1], width * item)
    image, label = planes[:, :n_bands], planes[:, n_bands:]
    samples = np.arange(task.batch_size)[:, None]
    image["kind"], image["scale"] = _KINDS[task.dtype], task.scales
    image["to"] = out + item * n_pixels * (samples * n_bands + np.arange(n_bands))
    if task.channels_last:
        if task.dtype != "float32" or n_bands > MOST_BANDS or n_bands * width > MOST_MIXED:
            raise RuntimeError(f"it mixes float32 of at most {MOST_BANDS} bands in short rows")
        image["kind"], image["n_bands"] = [MIXED] + [BESIDE] * (n_bands - 1), n_bands
        image["to"] = out + item * n_pixels * n_bands * samples
        steps[:n_bands] *= n_bands
    if task.label is not None:
        label["kind"], label["table"] = LOOKED_UP, task.label.table.ctypes.data
        label["to"] = out + item * n_pixels * n_bands * task.batch_size + n_pixels * samples
        steps[n_bands:] = width
    return _in_parts(planes, steps, task.threads)


def _in_parts(planes: np.ndarray, steps: np.ndarray, threads: int) -> np.ndarray:
    """Return planes in so many parts that no thread has to wait for long at the end."""
    n_rows = int(planes[0, 0]["n_rows"])
    n = max(1, min(n_rows, -(-_PARTS * threads // planes.size)))
    found = np.repeat(planes[:, None], n, 1)
    bounds = n_rows * np.arange(n + 1) // n
    first = bounds[:-1, None]
    found["n_rows"] = np.diff(bounds)[:, None]
    found["from"] += (first * found["row_step"]).astype(np.uint64)
    found["to"] += (first * steps).astype(np.uint64)
    return found


def _window_planes(
    task: Any, maps: list[np.ndarray], index: np.ndarray, origin: np.ndarray
) -> np.ndarray:
    """Return planes (sample, array) that are only read."""
    height, width = _size(task)
    planes = np.zeros((len(index), len(maps)), PLANE)
    for array, mapped, plane in zip(task.arrays, maps, planes.T, strict=True):
        patch, row, col = array.strides
        if col != np.dtype(array.dtype).itemsize:
            raise RuntimeError(f"it moves rows without gaps; {array.name} has some")
        plane["from"] = mapped.ctypes.data + index * patch + origin @ np.array((row, col))
        plane["kind"], plane["n_rows"] = READ, height
        plane["row_bytes"], plane["row_step"] = width * col, row
    return planes


def pieces(task: Any, k: int, maps: list[np.ndarray], out: int) -> np.ndarray:
    """Return a piece of the file for each window of batch ``k``, from the same patch on.

    Each has half of the bytes that are read and written for the window.
    """
    index = np.arange(task.n_patches) if isinstance(task, Counting) else task.index[k]
    planes = np.zeros((len(index), len(maps)), PLANE)
    for array, mapped, plane in zip(task.arrays, maps, planes.T, strict=True):
        n_bytes = math.prod(_size(task)) * _moved_bytes(task, array) // 2
        last = _mapped_bytes(array) - n_bytes
        if last < 0:
            raise RuntimeError(f"{array.name} has fewer bytes than a window and its output")
        plane["from"] = mapped.ctypes.data + np.minimum(index * array.strides[0], last)
        plane["row_bytes"] = n_bytes
    planes["kind"], planes["n_rows"] = COPY, 1
    # Each begins on a cache line.
    steps = -(-planes["row_bytes"] // 64) * 64
    ends = np.cumsum(steps.ravel()).reshape(steps.shape)
    planes["to"] = out + ends - steps
    return planes


@contextmanager
def copied(task: Any) -> Iterator[Read]:
    """The same copy by np.copyto, in threads."""
    maps = [array.mapped() for array in task.arrays]
    with aligned(_batch_bytes(task)) as out, ThreadPoolExecutor(task.threads) as pool:
        batches = []
        for k in range(task.n_batches):
            planes = pieces(task, k, maps, out.ctypes.data).ravel()
            batches.append(
                [
                    tuple(_memory(one[at], one["row_bytes"]) for at in ("to", "from"))
                    for one in planes
                ]
            )

        def share(k: int, first: int) -> None:
            for to, source in batches[k][first :: task.threads]:
                np.copyto(to, source)

        def read(k: int) -> tuple[np.ndarray, None]:
            list(pool.map(share, [k] * task.threads, range(task.threads)))
            return out, None

        yield read


def _memory(address: int, n_bytes: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * int(n_bytes)).from_address(int(address)))


def _size(task: Any) -> tuple[int, int]:
    size: tuple[int, int] = task.window[2:] if isinstance(task, Counting) else task.size
    return size


def _mapped_bytes(array: ArrayFile) -> int:
    """Return the bytes of the file from the array's first pixel to its last."""
    steps = zip(array.shape, array.strides, strict=True)
    return int(sum((n - 1) * step for n, step in steps)) + np.dtype(array.dtype).itemsize


def _moved_bytes(task: Any, array: ArrayFile) -> int:
    """Return the bytes that are read and written for a pixel."""
    read = int(np.dtype(array.dtype).itemsize)
    if isinstance(task, Counting):
        return read
    return read + (1 if array is task.label else np.dtype(task.dtype).itemsize)


def _batch_bytes(task: Any) -> int:
    """Return the bytes that hold an output, or the copies that are made instead of one."""
    n_bytes = math.prod(_size(task)) * (4 * len(task.bands) + 2) + 64 * len(task.arrays)
    return int(task.batch_size) * n_bytes


@contextmanager
def aligned(n_bytes: int) -> Iterator[np.ndarray]:
    """Give memory that begins on a page, and whose pages are all mapped.

    The pages are huge where the kernel has them, as those of the outputs of numpy and cloudio: a
    limit whose output has small ones is slower than what it limits.
    """
    mapped = mmap.mmap(-1, n_bytes + _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages
        mapped.madvise(mmap.MADV_HUGEPAGE)
    memory = np.frombuffer(mapped, np.uint8)
    start = -memory.ctypes.data % _HUGE
    memory = memory[start : start + n_bytes]
    memory.fill(1)
    yield memory


def outputs(task: Any, out: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the image and the label that `rows` writes to, where there are any."""
    if isinstance(task, Counting):
        return None, None
    n_bytes = np.dtype(task.dtype).itemsize * math.prod(task.image_shape)
    image, label = None, None
    if task.bands:
        image = out[:n_bytes].view(task.dtype).reshape(task.image_shape)
    if task.label is not None:
        n_pixels = task.batch_size * math.prod(task.size)
        label = out[n_bytes : n_bytes + n_pixels].reshape(task.batch_size, *task.size)
    return image, label
