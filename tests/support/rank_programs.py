"""What ranks of a real process group do in tests, each in a process of its own.

    python rank_programs.py NAME RANK WORLD_SIZE FOLDER

FOLDER has the data, "<rank>/" of each rank or "data/" of all, and the file by which the ranks meet.
A program prints one line of JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import loading
import torch.distributed as dist
from loading import batch_indices, make_reader

import cloudio
import cloudio.torch
from cloudio import RequestError


def data(folder: Path, rank: int) -> cloudio.Reader:
    own = folder / str(rank)
    return make_reader(loading.open_set(own if own.exists() else folder / "data"))


def begin(folder: Path, rank: int, world_size: int, name: str = "meet") -> None:
    address = f"file://{folder / name}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)


def what_happens(begins: Any) -> str:
    """Return "fine", or the text of a refusal; all ranks are asked before one ends."""
    try:
        begins()
        said = "fine"
    except RequestError as error:
        said = str(error)
    dist.barrier()
    return said


def share(folder: Path, rank: int, world_size: int) -> Any:
    """The patches of two epochs, of a loader made before the group and of one made after it."""
    reader = data(folder, rank)
    early = cloudio.torch.Loader(reader, 4, **loading.DRAWN)
    begin(folder, rank, world_size)
    late = cloudio.Loader(reader, 4, **loading.DRAWN)
    pairs = [[batch_indices(loader) for _ in range(2)] for loader in (early, late)]
    text = repr(early).splitlines()[0]
    return {"epochs": pairs, "length": len(late), "repr": text}


def differ(folder: Path, rank: int, world_size: int) -> Any:
    """What is said where one argument, the data, or the order of loaders differ."""
    reader = data(folder, rank)
    named = {**reader.settings, "keys": {"label": "y"}, "valid": rank == 0}
    begin(folder, rank, world_size)
    loaders = {
        "same": lambda: cloudio.Loader(reader, 4),
        "named": lambda: cloudio.Loader(reader.dataset.reader(**named), 4),
        "batch_size": lambda: cloudio.Loader(reader, 4 + rank),
        "seed": lambda: cloudio.Loader(reader, 4, seed=rank),
        "index": lambda: cloudio.Loader(reader, 4, index=range(rank, 20)),
        "share": lambda: cloudio.Loader(reader, 4, index=range(rank, 23, world_size)),
        "evens": lambda: cloudio.Loader(reader, 4, index=range(0, 23, world_size)),
        "told": lambda: cloudio.Loader(reader, 4 + rank, rank=0, world_size=1),
        "epoch": lambda: cloudio.Loader(reader, 4),
    }
    said = {}
    for name, make in loaders.items():
        loader = make()
        if name == "epoch":
            loader.set_epoch(rank)
        said[name] = what_happens(lambda loader=loader: next(iter(loader)))
    return said


def data_differ(folder: Path, rank: int, world_size: int) -> Any:
    """What is said of data that differ, in folders of their own."""
    begin(folder, rank, world_size)
    said = {}
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        loader = cloudio.Loader(data(kind, rank), 4)
        said[kind.name] = what_happens(lambda loader=loader: next(iter(loader)))
    return said


def groups(folder: Path, rank: int, world_size: int) -> Any:
    """Two groups of ranks, as in a mesh: by number, the ranks of both see the same batches."""
    from torch.distributed.device_mesh import init_device_mesh

    begin(folder, rank, world_size)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    reader = data(folder, rank)
    of_mesh = cloudio.torch.Loader(reader, 4, process_group=mesh["dp"])
    of_group = cloudio.torch.Loader(reader, 4, process_group=mesh.get_group("dp"))
    outside = dist.new_group([0])
    said = {
        "mesh": batch_indices(of_mesh),
        "group": batch_indices(of_group),
        "repr": repr(of_mesh).splitlines()[0],
    }
    for name, refused in {
        "whole": lambda: cloudio.torch.Loader(reader, 4, process_group=mesh),
        "outside": lambda: len(cloudio.torch.Loader(reader, 4, process_group=outside)),
        "both": lambda: cloudio.torch.Loader(
            reader, 4, process_group=mesh["dp"], rank=0, world_size=1
        ),
        "pickle": lambda: __import__("pickle").dumps(of_mesh),
    }.items():
        said[name] = what_happens(refused)
    return said


def destroyed(folder: Path, rank: int, world_size: int) -> Any:
    """A group that is destroyed while a loader is iterated, and another one after it."""
    begin(folder, rank, world_size)
    loader = cloudio.Loader(data(folder, rank), 4)
    iteration = iter(loader)
    first = next(iteration).index.tolist()
    dist.barrier()
    dist.destroy_process_group()
    rest = [batch.index.tolist() for batch in iteration]
    said = {"batches": [first, *rest]}
    try:
        iter(loader)
    except RequestError as error:
        said["alone"] = str(error)
    begin(folder, 1 - rank, world_size, "meet-again")
    said["again"] = what_happens(lambda: iter(loader))
    return said


def sharded(folder: Path, rank: int, world_size: int) -> Any:
    """Part of an epoch of a model that FSDP shards; torch's distributed checkpoint keeps both.

    The first ranks to come save, in an epoch that they leave.  Those after them load.
    """
    import torch
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    class State:
        def state_dict(self) -> Any:
            weights, moments = get_state_dict(model, optimizer)
            return {"model": weights, "optimizer": moments}

        def load_state_dict(self, state: Any) -> None:
            set_state_dict(
                model,
                optimizer,
                model_state_dict=state["model"],
                optim_state_dict=state["optimizer"],
            )

    begin(folder, rank, world_size, f"meet-{world_size}")
    mesh = init_device_mesh("cpu", (world_size,))
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 6, 1), torch.nn.Conv2d(6, 4, 1))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters())
    loader = cloudio.torch.Loader(data(folder, rank), 5 - world_size, **loading.DRAWN)
    state = {"state": State(), "loader": loader}
    saves = not (folder / "checkpoint").exists()
    dist.barrier()
    if saves:
        loader.set_epoch(1)
    else:
        dcp.load(state, checkpoint_id=folder / "checkpoint")
    said = {"epoch": loader.epoch, "batches": []}
    for batch in loader:
        loss = model(batch.image).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        said["batches"].append(batch.index.tolist())
        if saves and len(said["batches"]) == 2:
            dcp.save(state, checkpoint_id=folder / "checkpoint")
            break
    return said


if __name__ == "__main__":
    name, rank, world_size, folder = sys.argv[1:]
    for variable in "RANK", "WORLD_SIZE":
        os.environ.pop(variable, None)
    print(json.dumps(globals()[name](Path(folder), int(rank), int(world_size))))
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
