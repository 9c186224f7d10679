"""`cloudio pack` is killed at random moments and resumed: are its files as without a kill?

    python tests/support/random_kills.py [--rounds N] [--files N] [--seed N] [--compact]

The sources are GeoTIFFs, two worker processes read them, and SIGKILL comes to the process that the
command is.  With --compact it is `cloudio compact`, and the source so many synthetic patches.  A
kill counts if the command lived then; each round has two at most, and then ends.
The exit status is 1 if a file differs, a command fails, or a process is left.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE, N_BANDS = 128, 4


def write_files(folder: Path, n: int) -> None:
    import rasterio

    folder.mkdir()
    numbers = np.random.default_rng(0)
    profile = {"driver": "GTiff", "count": N_BANDS, "height": SIDE, "width": SIDE}
    profile |= {"dtype": "uint16", "crs": "EPSG:32631", "compress": "deflate"}
    for k in range(n):
        where = rasterio.Affine(10, 0, 500_000 + k, 0, -10, 4_600_000)
        with rasterio.open(folder / f"{k}.tif", "w", transform=where, **profile) as file:
            file.write(numbers.integers(0, 9000, (N_BANDS, SIDE, SIDE), np.uint16))


def write_patches(folder: Path, n: int) -> None:
    import cloudio

    names = [band.name for band in cloudio.CLOUDSEN12.bands if band.name.startswith("L1C")]
    cloudio.synthesize(folder, {"train": n}, arrays=[*names, "LABEL_fmask"], repeats=True)
    with open(folder / "train" / "L1C_B9.dat", "rb+") as file:  # only one in two is a repetition
        for k in range(1, n, 2):
            file.seek(((k * 512 + 200) * 512 + 300) * 2)
            file.write(b"\x01\x00\x02\x00\x03\x00")


def start(source: Path, dest: Path, *options: str) -> subprocess.Popen:
    words = [*options, source, dest, "--workers", "2", "--resume"]
    command = [sys.executable, "-m", "cloudio", *map(str, words)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # of killed workers
    return subprocess.Popen(command, start_new_session=True, **quiet)


def contents(folder: Path) -> dict[Path, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def alive(session: int) -> bool:
    """Return whether a process of a session lives, after a moment to end."""
    for _ in range(100):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compact", action="store_true")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        source, whole = Path(folder, "files"), Path(folder, "whole", "set")
        options = ["compact"] if arguments.compact else ["pack", "--images", "{id}.tif"]
        (write_patches if arguments.compact else write_files)(source, arguments.files)
        whole.parent.mkdir()
        began = time.perf_counter()
        assert start(source, whole, *options).wait() == 0
        seconds, wanted = time.perf_counter() - began, contents(whole)
        n_killed = n_resumed = n_bad = k = 0
        while n_killed < arguments.rounds:
            dest = Path(folder, f"round_{k}", "set")
            dest.parent.mkdir()
            k += 1
            for limit in (seconds, seconds, None):
                process = start(source, dest, *options)
                if limit is not None:
                    time.sleep(moments.uniform(0, limit))
                    process.send_signal(signal.SIGKILL)
                status = process.wait()
                n_killed += status == -signal.SIGKILL
                n_bad += status not in (0, -signal.SIGKILL) or alive(process.pid)
                n_resumed += (dest.parent / "set.packing" / "journal").exists()
                if status == 0 or dest.exists():  # killed right after the data got their name
                    break
            n_bad += contents(dest) != wanted
        print(f"{n_killed} killed, {n_resumed} of them with a journal to resume, {n_bad} bad")
        return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
