"""What Ray Train does in tests, on two nodes on this machine: trainings are killed and resumed.

    python ray_programs.py FOLDER

FOLDER has the data.  The program prints one line of JSON last.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import loading
import ray
import ray.train
import ray.train.torch
from ray.train import Checkpoint, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray_cluster import cluster

import cloudio
import cloudio.torch
from cloudio import RequestError


def fit(trainer: Any, function: Any, folder: Path, name: str, n_workers: int, **more: Any) -> str:
    """Train; return what killed the training, if anything."""
    config = {"folder": str(folder), "log": f"{name}-{n_workers}", **more}
    try:
        trainer(
            function,
            train_loop_config=config,
            scaling_config=ScalingConfig(
                num_workers=n_workers,
                resources_per_worker={"CPU": 1},
                placement_strategy="SPREAD" if n_workers > 2 else "STRICT_SPREAD",
            ),
            run_config=RunConfig(name=name, storage_path=str(folder / "storage")),
        ).fit()
    except ray.train.TrainingFailedError as error:
        return str(error)
    return ""


def write(config: dict, entry: Any) -> None:
    """Add a line to what this worker says."""
    rank = ray.train.get_context().get_world_rank()
    with open(Path(config["folder"], f"{config['log']}-{rank}"), "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def read(folder: Path, log: str) -> list[list[Any]]:
    """Return what each worker said."""
    files = sorted(folder.glob(f"{log}-*"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def n_kept(storage: Path) -> int:
    """Return how many of the reported checkpoints Ray would go on from."""
    with contextlib.suppress(OSError, ValueError):  # there is none yet, or it is being written
        kept = json.loads((storage / "checkpoint_manager_snapshot.json").read_text())
        return len(kept["checkpoint_results"])
    return 0


def stopped(config: dict) -> None:
    """An epoch without a process group, whose state is reported after each batch."""
    reader = loading.make_reader(loading.open_set(Path(config["folder"], "data")))
    loader = cloudio.ray.Loader(reader, config["batch_size"], **loading.DRAWN)
    resumed, epoch = loader.restore(), loader.epoch
    write(config, [resumed, loader.state_dict()["position"], repr(loader).splitlines()[0]])
    rank = ray.train.get_context().get_world_rank()
    for step, batch in enumerate(loader):
        if step == config.get("killed") and rank == 1:
            while n_kept(Path(config["folder"], "storage", "run")) < step:
                time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGKILL)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Checkpoint.from_directory(folder)
            if rank == 0:
                loader.save(checkpoint)
            ray.train.report({"epoch": epoch}, checkpoint=checkpoint if rank == 0 else None)
        write(config, batch.index.tolist())


def torch_group(config: dict) -> None:
    """Two epochs of each kind of loader, where Ray has set up torch.distributed."""
    from torch.utils.data import DataLoader

    reader = loading.make_reader(loading.open_set(Path(config["folder"], "data")))
    dataset = cloudio.torch.Dataset(reader, **loading.DRAWN)
    batches = ray.train.torch.prepare_data_loader(
        DataLoader(dataset, 4, shuffle=True, collate_fn=cloudio.torch.collate)
    )
    loaders = {
        "ray": cloudio.ray.Loader(reader, 4, **loading.DRAWN),
        "torch": cloudio.torch.Loader(reader, 4, **loading.DRAWN),
        "numpy": cloudio.Loader(reader, 4, **loading.DRAWN),
    }
    said: dict[str, Any] = {"reprs": {k: repr(each).splitlines()[0] for k, each in loaders.items()}}
    for name, loader in loaders.items():
        said[name] = [[batch.index.tolist() for batch in loader] for _ in range(2)]
    said["DataLoader"] = []
    for epoch in range(2):
        batches.sampler.set_epoch(epoch)
        dataset.set_epoch(epoch)
        said["DataLoader"].append([index.tolist() for _, _, index in batches])
    write(config, said)


def resumed(config: dict) -> None:
    """The rest of the epoch that was stopped, and what loaders do in a process group."""
    stopped(config)
    torch_group({**config, "log": "torch"})


def refusals(folder: Path) -> dict[str, str]:
    """What is said outside of a worker, and of checkpoints without a state."""
    reader = loading.make_reader(loading.open_set(folder / "data"))
    loader = cloudio.ray.Loader(reader, 4)
    empty = Checkpoint.from_directory(tempfile.mkdtemp(dir=folder))
    said = {"alone": repr(loader).splitlines()[0], "states": ""}
    for name, act in {
        "empty": lambda: loader.restore(empty),
        "other": lambda: loader.restore(empty, "val"),
        "path": lambda: loader.save(str(folder)),
        "two": lambda: (loader.save(empty, "val"), loader.save(empty)),
        "third": lambda: loader.restore(empty, "test"),
        "seed": lambda: cloudio.ray.Loader(reader, 4, seed=1).restore(empty),
    }.items():
        try:
            act()
        except RequestError as error:
            said[name] = str(error)
    other = cloudio.ray.Loader(reader, 4, seed=2**64 - 1)
    other.set_epoch(3)
    other.save(empty, "big")
    again = cloudio.ray.Loader(reader, 4, seed=2**64 - 1)
    said["big"] = again.restore(empty, "big") and again.epoch == 3
    return said


def main(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {"refusals": refusals(folder)}
    with cluster(2):
        said["error"] = fit(DataParallelTrainer, stopped, folder, "run", 2, batch_size=2, killed=3)
        said["before"] = read(folder, "run-2")
        said["fine"] = fit(ray.train.torch.TorchTrainer, resumed, folder, "run", 3, batch_size=3)
        said["after"] = read(folder, "run-3")
        said["loaders"] = read(folder, "torch")
    return said


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
