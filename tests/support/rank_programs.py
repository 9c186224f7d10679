"""What ranks of a real process group do in tests, each in a process of its own.

    python rank_programs.py NAME RANK WORLD_SIZE FOLDER

FOLDER has the data, "<rank>/" of each rank or "data/" of all, and the file by which the ranks meet.
A program prints one line of JSON.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forks
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
    said = what_is_said(begins)
    dist.barrier()
    return said


def what_is_said(begins: Any) -> str:
    try:
        begins()
    except RequestError as error:
        return str(error)
    return "fine"


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


class Noisy(cloudio.Reader):
    """What is read differs in each rank; what is stored does not."""

    def read(self, *args: Any, **more: Any) -> Any:
        batch = super().read(*args, **more)
        batch.image[:] += dist.get_rank()
        return batch


class OwnState(cloudio.Loader):
    def state_dict(self) -> Any:
        return {**super().state_dict(), "own": dist}


class Failing(cloudio.Loader):
    """The second rank fails to begin, once."""

    has_failed = False

    @property
    def crop(self) -> Any:
        if dist.is_initialized() and dist.get_rank() == 1 and not self.has_failed:
            self.has_failed = True
            raise OSError("the first time")
        return "random"

    @crop.setter
    def crop(self, value: Any) -> None: ...


def alike(folder: Path, rank: int, world_size: int) -> Any:
    """What is said of loaders that share an epoch, in programs where they seem to differ."""
    reader = data(folder, rank)
    noisy = Noisy.__new__(Noisy)
    vars(noisy).update(vars(reader))
    begin(folder, rank, world_size)

    def by_threads() -> None:
        loader = cloudio.Loader(reader, 4)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(lambda: next(iter(loader))) for _ in range(1 + 3 * rank)]:
                done.result()

    def again() -> None:
        loader = Failing(reader, 4)
        try:
            next(iter(loader))
        except OSError:
            next(iter(loader))

    def iterate() -> None:
        next(iter(cloudio.Loader(reader, 3)))

    def in_child() -> None:
        child = forks.fork(lambda: what_is_said(iterate) == "fine")
        if forks.status_of(child):
            raise RequestError("the child was refused")

    programs = {
        "noise": lambda: next(iter(cloudio.Loader(noisy, 4))),
        "state": lambda: next(iter(OwnState(reader, 4))),
        "threads": by_threads,
        "again": again,
        "child": in_child,
        "last": lambda: next(iter(cloudio.Loader(reader, 5))),
    }
    return {name: what_happens(program) for name, program in programs.items()}


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
    print(json.dumps(globals()[name](Path(folder), int(rank), int(world_size))), flush=True)
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    # Threads of gloo that hold tensors at the end of Python abort the process (PyTorch #179291).
    os._exit(0)
