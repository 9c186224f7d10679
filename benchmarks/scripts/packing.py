"""How fast is `cloudio pack`, and how much faster is training afterwards?

    python benchmarks/scripts/packing.py FOLDER [--patches N] [--rounds N] [--workers N]

FOLDER is made, with GeoTIFF patches of 4 bands, uint16, 256 x 256: deflated, and uncompressed.  In
each round the candidates take turns, each in a process of its own:

- decode: as many worker processes as pack has read every file with rasterio, and drop the pixels;
- pack: `cloudio pack` of the same files;
- copy, for uncompressed files: their bytes are copied and flushed to the disk: the disk limit.

Training: batches of 32 crops of 224 x 224, float32 scaled, over a torch DataLoader whose data set
reads with rasterio, and over `cloudio.Loader` of what was packed.  Before a clock starts, the files
are packed once, and every patch is compared with what rasterio reads.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import _path  # noqa: F401
import numpy as np

import cloudio

SIDE, N_BANDS, CROP, BATCH = 256, 4, 224, 32
SCALE = 1e-4


def write_files(folder: Path, n: int, compress: str | None) -> None:
    """Write patches that compress about as well as real ones: smooth, with noise."""
    import rasterio

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    profile = {"driver": "GTiff", "count": N_BANDS, "height": SIDE, "width": SIDE}
    profile |= {"dtype": "uint16", "crs": "EPSG:32631", "compress": compress or "none"}
    for k in range(n):
        slopes = random.uniform(-4, 4, (N_BANDS, 2, 1, 1))
        pixels = 3000 + slopes[:, 0] * rows + slopes[:, 1] * cols
        pixels = pixels + random.normal(0, 30, pixels.shape)
        where = rasterio.Affine(10, 0, 500_000 + 2560 * k, 0, -10, 4_600_000)
        with rasterio.open(folder / f"{k:05}.tif", "w", transform=where, **profile) as file:
            file.write(pixels.astype(np.uint16))


# ---- packing -------------------------------------------------------------------------------------


def decode(paths: list[str]) -> int:
    """Read files as fast as rasterio does, and drop the pixels."""
    import rasterio

    n_bytes = 0
    for path in paths:
        with rasterio.open(path) as file:
            n_bytes += file.read().nbytes
    return n_bytes


def run_decode(source: Path, dest: Path, workers: int) -> None:
    paths = sorted(map(str, source.glob("*.tif")))
    tasks = [paths[k : k + 8] for k in range(0, len(paths), 8)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        assert sum(pool.map(decode, tasks)) == len(paths) * N_BANDS * SIDE * SIDE * 2


def run_pack(source: Path, dest: Path, workers: int) -> None:
    cloudio.pack(source, dest, images="{id}.tif", workers=workers)


def run_copy(source: Path, dest: Path, workers: int) -> None:
    dest.mkdir()
    with open(dest / "all", "wb") as target:
        for path in sorted(source.glob("*.tif")):
            target.write(path.read_bytes())
        target.flush()
        os.fsync(target.fileno())


CANDIDATES = {"decode": run_decode, "pack": run_pack, "copy": run_copy}


def turn(name: str, source: Path, dest: Path, workers: int) -> dict[str, float]:
    """Run a candidate in a process of its own; its seconds, and its memory in MB."""
    shutil.rmtree(dest, ignore_errors=True)
    words = [sys.executable, __file__, "--turn", name, str(source), str(dest), str(workers)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run_turn(name: str, source: str, dest: str, workers: str) -> None:
    peak, ended = [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, ended))
    watch.start()
    start = time.perf_counter()
    CANDIDATES[name](Path(source), Path(dest), int(workers))
    seconds = time.perf_counter() - start
    ended.set()
    watch.join()
    print(json.dumps({"seconds": seconds, "mb": peak[0]}))


def _watch(peak: list[float], ended: threading.Event) -> None:
    """Keep the most memory that this process and its children have had, without shared pages."""
    while not ended.wait(0.1):
        peak[0] = max(peak[0], sum(map(_private_mb, [os.getpid(), *_children()])))


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _private_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024


def compare(source: Path, scratch: Path, names: list[str], rounds: int, workers: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in names}
    memory = 0.0
    for _ in range(rounds):
        for name in names:
            found = turn(name, source, scratch / name, workers)
            seconds[name].append(found["seconds"])
            memory = max(memory, found["mb"]) if name == "pack" else memory
    medians = {name: median(times) for name, times in seconds.items()}
    print(f"{source.name}: " + ", ".join(f"{name} {s:.2f} s" for name, s in medians.items()))
    for name in names:
        if name != "pack":
            print(f"  pack reaches {medians[name] / medians['pack']:.2f} of {name}")
    print(f"  memory of all processes that pack: {memory:.0f} MB")


# ---- training ------------------------------------------------------------------------------------


class Tiles:
    """What people write: a map-style data set over rasterio, with random crops."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(map(str, folder.glob("*.tif")))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int) -> np.ndarray:
        import rasterio

        with rasterio.open(self.paths[k]) as file:
            pixels = file.read()
        row, col = np.random.default_rng().integers(0, SIDE - CROP + 1, 2)
        return pixels[:, row : row + CROP, col : col + CROP].astype(np.float32) * np.float32(SCALE)


def epoch_of_torch(folder: Path) -> int:
    from torch.utils.data import DataLoader

    loader = DataLoader(Tiles(folder), BATCH, shuffle=True, num_workers=2, drop_last=True)
    return sum(len(batch) for batch in loader)


def epoch_of_cloudio(packed: Path) -> int:
    reader = cloudio.open(packed).reader("image", size=CROP, scale=SCALE)
    return sum(len(batch.image) for batch in cloudio.Loader(reader, BATCH, drop_last=True))


def check(folder: Path, packed: Path) -> None:
    """Compare what was packed with what rasterio reads, as `Tiles` scales it."""
    import rasterio

    tiles, reader = Tiles(folder), cloudio.open(packed).reader("image", scale=SCALE)
    assert len(tiles) == len(cloudio.open(packed))
    for k, path in enumerate(tiles.paths):
        with rasterio.open(path) as file:
            wanted = file.read().astype(np.float32) * np.float32(SCALE)
        assert np.array_equal(reader.read([k]).image[0], wanted)


def train(folder: Path, packed: Path, rounds: int) -> None:
    times: dict[str, list[float]] = {"torch": [], "cloudio": []}
    for _ in range(rounds):
        for name, run in (
            ("torch", lambda: epoch_of_torch(folder)),
            ("cloudio", lambda: epoch_of_cloudio(packed)),
        ):
            start = time.perf_counter()
            n = run()
            times[name].append((time.perf_counter() - start) / n)
    before, after = median(times["torch"]), median(times["cloudio"])
    rates = f"{1 / before:,.0f} patches/s before, {1 / after:,.0f} after"
    print(f"training: {rates}: {before / after:.0f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patches", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    scratch = arguments.folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    for name, compress in (("deflate", "deflate"), ("uncompressed", None)):
        source = arguments.folder / name
        if not source.exists():
            write_files(source, arguments.patches, compress)
        packed = scratch / "pack"
        shutil.rmtree(packed, ignore_errors=True)
        run_pack(source, packed, arguments.workers)
        check(source, packed)
        names = ["decode", "pack"] + ["copy"] * (compress is None)
        compare(source, scratch, names, arguments.rounds, arguments.workers)
        if compress is not None:
            train(source, packed, arguments.rounds)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        run_turn(*sys.argv[2:])
    else:
        main()
