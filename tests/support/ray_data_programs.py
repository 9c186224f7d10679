"""What Ray does in tests on two nodes on this machine; a worker is killed, and a node.

    python ray_data_programs.py FOLDER

FOLDER has the data.  The program writes arrays and results there, and prints one line of JSON last.
"""

import contextlib
import io
import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from typing import Any

import loading
import numpy as np
import ray
import ray.data
from ray_cluster import cluster

import cloudio

DRAWN = {"seed": 3, "crop": "random", "symmetry": "d4", "patches_per_block": 2}


def with_node(batch: dict[str, Any]) -> dict[str, Any]:
    """Add the node that reads."""
    node = ray.get_runtime_context().get_node_id()
    return {**batch, "node": np.full(len(batch["index"]), node)}


def end_once(batch: dict[str, Any], marker: str) -> dict[str, Any]:
    """Kill the process of the first task that comes here."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return batch
    os.kill(os.getpid(), signal.SIGKILL)
    return batch


def wait_for(batch: dict[str, Any], marker: str, first: int) -> dict[str, Any]:
    """Wait until the file is there, but not with the first patch."""
    end = time.monotonic() + 60
    while first not in batch["index"] and not os.path.exists(marker) and time.monotonic() < end:
        time.sleep(0.05)
    return batch


def save(path: Path, batches: list[dict[str, Any]]) -> None:
    names = ("image", "label", "index")
    np.savez(path, **{k: np.concatenate([batch[k] for batch in batches]) for k in names})


def main(folder: Path, nodes: Any, second: Any) -> dict[str, Any]:
    ds = loading.open_set(folder / "data")
    read = cloudio.ray.read(loading.make_reader(ds), **DRAWN)
    said: dict[str, Any] = {"schema": read.schema().names}
    for epoch in range(2):
        blocks = [*read.iter_batches(batch_size=None)]
        save(folder / f"epoch-{epoch}.npz", blocks)
        said[f"sizes-{epoch}"] = [len(block["index"]) for block in blocks]

    pinned = cloudio.ray.read(loading.make_reader(ds), label_selector={"files": "here"})
    found = [*pinned.map_batches(with_node).iter_batches()]
    said["pinned"] = sorted({str(node) for batch in found for node in batch["node"]})
    said["second"] = second.node_id

    marker = {"marker": str(folder / "killed")}
    read = cloudio.ray.read(loading.make_reader(ds), **DRAWN, epoch=1)
    ended = read.map_batches(end_once, batch_size=None, fn_kwargs=marker)
    save(folder / "worker.npz", [*ended.iter_batches(batch_size=None)])

    part = ds.subset(range(1, loading.N))
    count, sizes = cloudio.ray.stats, {"patches_per_task": 1}
    bands = count(cloudio.stats.bands, part, loading.BANDS, **sizes)
    classes = count(cloudio.stats.classes, part, "LABEL", label_selector={"files": "here"})
    whole = cloudio.open(folder / "floats", layout=loading.FLOATS)
    floats = count(cloudio.stats.bands, whole, "F", patches_per_task=2)
    (folder / "results").write_bytes(pickle.dumps((bands, classes, floats)))
    reports = (
        cloudio.ray.verify(part, patches_per_task=9),
        cloudio.ray.verify(folder / "data", layout=loading.LAYOUT, patches_per_task=9),
    )
    (folder / "reports").write_bytes(pickle.dumps(reports))

    broken = loading.open_set(folder / "broken")
    loading.make_reader(broken).read([0])  # here the files are open
    os.truncate(folder / "broken" / "B1.dat", 20 * 12 * 14 * 2)
    for name, act in {
        "stats": lambda: count(cloudio.stats.bands, broken, loading.BANDS, progress=True, **sizes),
        "verified": lambda: cloudio.ray.verify(part, patches_per_task=9, progress=True),
    }.items():
        error, shown = None, io.StringIO()
        with contextlib.redirect_stderr(shown):
            try:
                act()
            except cloudio.CloudioError as raised:
                error = [type(raised).__name__, str(raised)]
        said[name] = [error, shown.getvalue()]

    loader = cloudio.Loader(loading.make_reader(ds), 1, seed=DRAWN["seed"], rank=0, world_size=1)
    removed = folder / "removed"
    waits = {"marker": str(removed), "first": int(loader.samples([0], 1).index[0])}
    waiting = read.map_batches(wait_for, batch_size=None, fn_kwargs=waits)
    batches = []
    for batch in waiting.iter_batches(batch_size=None, prefetch_batches=0):
        batches.append(batch)
        if not removed.exists():
            nodes.remove_node(second, allow_graceful=False)
            removed.touch()
    save(folder / "node.npz", batches)
    end = time.monotonic() + 60
    said["alive"] = 2
    while said["alive"] > 1 and time.monotonic() < end:
        time.sleep(0.1)
        said["alive"] = sum(node["Alive"] for node in ray.nodes())
    return said


if __name__ == "__main__":
    with cluster(1) as both:
        ray.data.DataContext.get_current().enable_progress_bars = False
        said = main(Path(sys.argv[1]), *both)
    print()
    print(json.dumps(said))
