"""What Dask does in tests with two worker processes on this machine; one of them is killed.

    python dask_programs.py FOLDER

FOLDER has the data.  The program writes arrays there, and prints one line of JSON last.
"""

import json
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import dask
import loading
import numpy as np
from distributed import Client, LocalCluster

import cloudio


def times_opened(folder: Path) -> list[int]:
    """Return how often this process has opened the file of a band, and how often it is mapped."""
    path = os.path.realpath(folder / "B0.dat")
    found = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return [found.count(path), maps.count(path)]


def end_once(block: np.ndarray, marker: str) -> np.ndarray:
    """Kill the process of the first task that comes here."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)
    return block


def main(folder: Path, client: Client) -> dict[str, Any]:
    ds = loading.open_set(folder / "data")
    reader = loading.make_reader(ds, valid=True)
    array = cloudio.dask.array(ds, "B0", patches_per_chunk=2)
    batch = cloudio.dask.batches(reader, patches_per_chunk=2)
    np.save(folder / "array.npy", array.compute())
    linux = sys.platform == "linux"
    opened = client.run(times_opened, folder / "data") if linux else {}
    for name, part in zip(batch._fields, dask.compute(*batch), strict=True):
        np.save(folder / f"{name}.npy", part)
    changed = folder / "new.dat"
    (7 - ds["B0"]).astype("<i2").tofile(changed)
    changed.replace(folder / "data" / "B0.dat")
    now = cloudio.dask.array(loading.open_set(folder / "data"), "B0", patches_per_chunk=2)
    np.save(folder / "changed.npy", now.compute())
    # Without meta Dask would call the function here.
    marker = str(folder / "killed")
    ended = now.map_blocks(end_once, marker, dtype=now.dtype, meta=np.empty((0, 0, 0), now.dtype))
    np.save(folder / "ended.npy", ended.compute())
    ds = loading.open_set(folder / "data").subset(range(1, loading.N))
    count = cloudio.dask.stats
    found = count(cloudio.stats.bands, ds, loading.BANDS, patches_per_chunk=1)
    found.save(folder / "bands.json")
    count(cloudio.stats.classes, ds, "LABEL", patches_per_chunk=5).save(folder / "classes.json")
    report = cloudio.dask.verify(
        folder / "data", layout=loading.LAYOUT, patches_per_chunk=8, progress=True
    )
    (folder / "report.pickle").write_bytes(pickle.dumps(report))
    return {
        "names": [array.name, *(part.name for part in batch)],
        "opened": [*opened.values()],
    }


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        said = main(Path(sys.argv[1]), client)
    print()
    print(json.dumps(said))
