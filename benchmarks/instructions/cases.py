"""The calls that are counted: from two data sets to functions without arguments.

All use one thread, and the same windows each time.  What a case starts ends with its call.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cloudio
from cloudio import stats

Call = Callable[[], object]
#: Arrays of the data sets: 13 bands and two labels.
BANDS = [f"L1C_B{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12)]
LABEL, OTHER_LABEL = "LABEL_manual_hq", "LABEL_sen2cor"
N_PATCHES = 2
CROP = 224
#: Calls of a small case. Of small reads, every eighth looks for absent pages.
SMALL_CALLS = 8
#: Reads of each data set before anything is counted: as many as it takes for a file to be warm.
READS_BEFORE = 64
#: Bytes of a cache line. Rows that begin elsewhere take more instructions.
LINE = 64


def make_data(folder: Path) -> None:
    """Write what `cases` read: bands at 10 m, and the same as the sensor saw them."""
    patches = {"train": N_PATCHES}
    arrays = [*BANDS, LABEL, OTHER_LABEL]
    cloudio.synthesize(folder / "repeated", patches, arrays=arrays, repeats=True)
    cloudio.compact(folder / "repeated", folder / "native")


def cases(folder: Path) -> dict[str, Call]:
    """Return the calls by their names in limits.toml."""
    ds = cloudio.open(folder / "repeated").split("train")
    native = cloudio.open(folder / "native").split("train")
    by_position = cloudio.open(folder / "repeated", io="pread").split("train")
    for each in ds, native, by_position:
        reader = each.reader(BANDS, LABEL, size=8, threads=1)
        for _ in range(READS_BEFORE):
            reader.read([0, 1], (100, 100))
    return {
        "read 224": read(ds),
        "read 509": read(ds, size=None),
        "read 8": small(read(ds, size=8)),
        "read 224 float16": read(ds, dtype="float16"),
        "read 224 int16": read(ds, dtype="int16", scale=None),
        "read 224 NHWC": read(ds, layout="NHWC"),
        "read 224 NHWC float16": read(ds, layout="NHWC", dtype="float16"),
        "read 224 flipped": read(ds, symmetry=2),
        "read 224 turned": read(ds, symmetry=1),
        "read 224 pread": read(by_position),
        "read 224 label": read(ds, label=LABEL),
        "read 224 native": read(native),
        "read one sample": small(sample(ds)),
        "gather 224": gather(ds),
        "remap 224 uint8": remap(ds, "uint8"),
        "remap 224 int64": remap(ds, "int64"),
        "loader": loader(ds),
        "stats bands": lambda: stats.bands(ds, BANDS, threads=1),
        "stats classes": lambda: stats.classes(ds, LABEL, threads=1),
        "stats agreement": agreement(ds),
    }


def aligned(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Zeros that begin at a cache line, whatever numpy does."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + n_bytes].view(dtype).reshape(shape)


def small(call: Call) -> Call:
    def calls() -> None:
        for _ in range(SMALL_CALLS):
            call()

    return calls


def windows(size: int | None) -> tuple[list[int], Any]:
    index = list(range(N_PATCHES))
    return index, None if size is None else [(37 * k + 5, 51 * k + 9) for k in index]


def read(
    ds: cloudio.Dataset,
    size: int | None = CROP,
    label: str | None = None,
    symmetry: int | None = None,
    **options: Any,
) -> Call:
    """`Reader.read` of 13 bands into the same output."""
    reader = ds.reader(BANDS, label, size=size, threads=1, **options)
    index, origin = windows(size)
    out = reader.allocate(len(index))
    return lambda: reader.read(index, origin, symmetry, out)


def sample(ds: cloudio.Dataset) -> Call:
    """``reader[k]``, as a DataLoader of PyTorch takes it: what Python does counts here."""
    reader = ds.reader(BANDS[:3], size=8, threads=1)
    return lambda: reader[0]


def gather(ds: cloudio.Dataset) -> Call:
    arrays = [ds[name] for name in BANDS]
    index, origin = windows(CROP)
    out = aligned((len(index), len(arrays), CROP, CROP), "float32")
    return lambda: cloudio.gather(
        arrays, index, size=CROP, origin=origin, scale=1e-4, out=out, threads=1
    )


def remap(ds: cloudio.Dataset, dtype: str) -> Call:
    codes, table = ds[LABEL], np.arange(256)[::-1].astype(dtype)
    index, origin = windows(CROP)
    out = aligned((len(index), CROP, CROP), dtype)
    return lambda: cloudio.remap(
        codes, index, table, size=CROP, origin=origin, dtype=dtype, out=out, threads=1
    )


def loader(ds: cloudio.Dataset) -> Call:
    """An epoch of random crops and symmetries, in the thread that asks for it."""
    reader = ds.reader(BANDS, LABEL, size=64, threads=1)
    batches = cloudio.Loader(reader, 4, index=np.arange(16) % N_PATCHES, symmetry="d4", prefetch=0)

    def epoch() -> None:
        batches.set_epoch(0)
        for _ in batches:
            pass

    return epoch


def agreement(ds: cloudio.Dataset) -> Call:
    return lambda: stats.agreement(ds, {OTHER_LABEL: "card"}, LABEL, threads=1)
