"""One file for each band, or one for all bands of a split: which is faster to read?

    python benchmarks/scripts/stacked.py FOLDER [--patches N] [--rounds N]

FOLDER is made, with the same patches of 13 bands, uint16, 256 x 256, packed twice: each band in a
file, and all bands in one.  The two take turns; a batch of each is compared with numpy's before the
clock starts.  Each turn reads random patches in batches of 32, crops of 224 x 224 as float32: from
memory, and from the disk, whose pages are dropped before.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import _path  # noqa: F401
import numpy as np

import cloudio

SIDE, N_BANDS, CROP, BATCH = 256, 13, 224, 32
NAMES = [f"band_{k}" for k in range(N_BANDS)]


def patches(n: int) -> Iterator[np.ndarray]:
    """``n`` patches; the first ones are the same for any ``n``."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 10_000, (N_BANDS, 2 * SIDE, 2 * SIDE), np.uint16)
    for _ in range(n):
        r, c = random.integers(0, SIDE, 2)
        yield noise[:, r : r + SIDE, c : c + SIDE]


def pack(folder: Path, n: int, *, stack: bool) -> None:
    samples = ({"image": patch} for patch in patches(n))
    cloudio.pack(samples, folder, names={"image": NAMES}, stack=stack)


def check(ds: cloudio.Dataset, bands: list[str], index: list[int]) -> None:
    """Compare the middle of some patches with that of what was packed."""
    some = list(patches(max(index) + 1))
    first = (SIDE - CROP) // 2
    middle = slice(first, first + CROP)
    channels = [NAMES.index(band) for band in bands]
    wanted = np.stack([some[k][channels, middle, middle] for k in index]).astype(np.float32)
    assert np.array_equal(ds.reader(bands, size=CROP).read(index).image, wanted)


def drop_pages(ds: cloudio.Dataset) -> None:
    for path in ds.path.rglob("*.npy"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def turn(ds: cloudio.Dataset, bands: list[str], n: int, seed: int) -> float:
    """Read ``n`` random patches; return patches per second."""
    index = np.random.default_rng(seed).permutation(len(ds))[:n]
    reader = ds.reader(bands, size=CROP)
    loader = cloudio.Loader(reader, BATCH, index=index, seed=seed)
    start = time.perf_counter()
    done = sum(len(batch.image) for batch in loader)
    return done / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patches", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    for name, stack in (("own files", False), ("one file", True)):
        path = arguments.folder / name.replace(" ", "_")
        if not path.exists():
            pack(path, arguments.patches, stack=stack)
        sets[name] = cloudio.open(path)
    for what, bands in (("13 bands", NAMES), ("3 bands", NAMES[3:6]), ("1 band", NAMES[3:4])):
        for ds in sets.values():
            check(ds, bands, [0, 7, 3])
        for is_cold in (False, True):
            n = min(256 if is_cold else 1024, arguments.patches)
            rates: dict[str, list[float]] = {name: [] for name in sets}
            for seed in range(arguments.rounds):
                for name, ds in sets.items():
                    if is_cold:
                        drop_pages(ds)
                    rates[name].append(turn(ds, bands, n, seed))
            own, one = (median(rates[name]) for name in sets)
            where = "disk" if is_cold else "memory"
            print(f"{what}, {where}: one file {one / own:.2f} x own files ({own:,.0f} patches/s)")


if __name__ == "__main__":
    main()
