"""A small U-Net that learns clouds, in one process or several, and goes on where it was stopped.

    python train_unet.py                          # on made-up data, 20 s on two quiet cores
    python train_unet.py --data CloudSEN12/ --size 256 --val-size 512 --width 32 --checkpoint run.pt
    python train_unet.py (the same) --resume      # goes on where run.pt was written
    python train_unet.py --ranks 2                # two processes
    torchrun --nproc-per-node 2 train_unet.py     # the same, started by torchrun

To be copied from.  Stopped anywhere and resumed alike, it comes to the same losses and weights, bit
for bit.  It computes on the CPU; docs/training.md says what a GPU changes.
"""

import argparse
import hashlib
import json
import os
import pickle
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

import cloudio

BANDS = ("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8", "L1C_B10", "L1C_B11")
CLASSES, IGNORE = cloudio.CLASSES, 255
PARTS = "model", "optimizer", "loader"


# ---- the net -------------------------------------------------------------------------------------


def convolutions(n_in: int, n_out: int) -> nn.Sequential:
    """Two, with group norm: batch norm would depend on the batch size, and differ between ranks."""
    layers: list[nn.Module] = []
    for n in n_in, n_out:
        layers += [nn.Conv2d(n, n_out, 3, padding=1), nn.GroupNorm(4, n_out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(sample, band, row, column) to (sample, class, row, column); sides are multiples of 4."""

    def __init__(self, n_bands: int, width: int) -> None:
        super().__init__()
        pairs = list(pairwise((width, 2 * width, 4 * width)))
        self.first = convolutions(n_bands, width)
        self.down = nn.ModuleList(convolutions(a, b) for a, b in pairs)
        self.drop = nn.Dropout2d(0.1)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs))
        self.up = nn.ModuleList(convolutions(2 * a, a) for a, _ in reversed(pairs))
        self.last = nn.Conv2d(width, len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        x, passed = self.first(x), []
        for down in self.down:
            passed.append(x)
            x = down(functional.max_pool2d(x, 2))
        x = self.drop(x)
        for grow, up in zip(self.grow, self.up, strict=True):
            x = up(torch.cat([grow(x), passed.pop()], 1))
        return self.last(x)


def loss_of(scores: Tensor, label: Tensor) -> Tensor:
    """The mean over pixels that have a class; 0, and not NaN, where none has."""
    total = functional.cross_entropy(scores, label.long(), ignore_index=IGNORE, reduction="sum")
    return total / (label != IGNORE).sum().clamp(min=1)


# ---- the data ------------------------------------------------------------------------------------


def readers(args: argparse.Namespace) -> tuple[cloudio.Reader, cloudio.Reader]:
    """Of the patches to train on and to validate on, normalised alike."""
    ds = cloudio.open(args.data)
    train, val = ds.split("train"), ds.split("val")
    # At most 200 patches, spread evenly, tell mean and deviation well enough.
    some = train.subset(np.arange(len(train))[:: -(-len(train) // 200)])
    stats = cloudio.stats.bands(some, args.bands)
    how: dict[str, Any] = {"bands": args.bands, "labels": "manual_hq", "ignore": IGNORE}
    how |= {"mean": stats.mean, "std": stats.std, "threads": args.threads}
    return train.reader(size=args.size, **how), val.reader(size=args.val_size, **how)


@torch.no_grad()
def confusion(model: nn.Module, reader: cloudio.Reader, batch_size: int) -> Tensor:
    """Pixels by class (rows) and by what the model takes them for (columns), of all ranks.

    No patch may be counted twice, so ranks share them out by ``index`` and not as in training; one
    may have fewer than another, or none.
    """
    model.eval()
    n = len(CLASSES)
    matrix = torch.zeros(n * n, dtype=torch.int64)
    own = np.arange(len(reader))[rank() :: n_ranks()]
    if len(own):
        loader = cloudio.torch.Loader(reader, batch_size, shuffle=False, crop="center", index=own)
        for image, label, _ in loader:
            known = label != IGNORE
            pairs = label[known].long() * n + model(image).argmax(1)[known]
            matrix += torch.bincount(pairs, minlength=n * n)
    if n_ranks() > 1:
        dist.all_reduce(matrix)
    model.train()
    return matrix.view(n, n)


def iou_of(matrix: Tensor) -> dict[str, float]:
    """Intersection over union of the classes that are there or predicted, and their mean."""
    hits, unions = matrix.diag(), matrix.sum(0) + matrix.sum(1) - matrix.diag()
    iou = {
        name: hit / union
        for name, hit, union in zip(CLASSES, hits.tolist(), unions.tolist(), strict=True)
        if union
    }
    return iou | {"mean": sum(iou.values()) / max(1, len(iou))}


# ---- training, and going on with it --------------------------------------------------------------


@dataclass
class Run:
    """All that training depends on, but for the data and the chance of torch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loader: cloudio.torch.Loader
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of this rank, in this epoch

    def save(self, path: Path) -> None:
        """Write it: at any moment there is a whole file of that name.

        Every rank calls this, after the same batch; the first one writes.
        """
        chance = [torch.get_rng_state()]
        if n_ranks() > 1:
            own, chance = chance[0], [torch.empty_like(chance[0]) for _ in range(n_ranks())]
            dist.all_gather(chance, own)
        if rank() != 0:
            return
        state = {part: getattr(self, part).state_dict() for part in PARTS}
        state |= {"chance": chance, "step": self.step, "losses": self.losses}
        partial = path.with_name(f"{path.name}.partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    def restore(self, path: Path) -> None:
        """Make everything what it was when it was saved."""
        try:
            state = torch.load(path, weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            why = type(error).__name__
            raise SystemExit(f"{path} cannot be read as a checkpoint: {why}") from error
        for part in PARTS:
            getattr(self, part).load_state_dict(state[part])
        self.step, self.losses = state["step"], state["losses"]
        if rank() < len(state["chance"]):  # of ranks that were not there, chance begins anew
            torch.set_rng_state(state["chance"][rank()])


def train(args: argparse.Namespace) -> None:
    """What each rank does."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    reader, val_reader = readers(args)
    model = UNet(len(reader.bands), args.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    shard = {"rank": rank(), "world_size": n_ranks()}
    loader = cloudio.torch.Loader(reader, args.batch_size, seed=args.seed, symmetry="d4", **shard)
    torch.manual_seed(args.seed + 1 + rank())  # dropout, which is to differ between ranks
    run = Run(model, optimizer, loader)
    if args.resume and args.checkpoint.exists():
        run.restore(args.checkpoint)
        finished = "finished" if loader.epoch >= args.epochs else "goes on"
        say(f"{finished} after batch {run.step} of {args.checkpoint}")
    elif args.resume:
        say(f"no {args.checkpoint} yet; begins anew")
    trained = DistributedDataParallel(model) if n_ranks() > 1 else model

    last = None if args.max_batches is None else run.step + args.max_batches
    while loader.epoch < args.epochs and run.step != last:
        epoch, begin = loader.epoch, time.perf_counter()
        for image, label, index in islice(loader, None if last is None else last - run.step):
            loss = loss_of(trained(image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step += 1
            run.losses.append(loss.item())
            entry = {"epoch": epoch, "step": run.step, "loss": run.losses[-1]}
            log(args, entry | {"patches": index.tolist()})
            if args.checkpoint and run.step % args.checkpoint_every == 0:
                run.save(args.checkpoint)
        if loader.epoch > epoch:  # it was taken to its end
            iou = iou_of(confusion(model, val_reader, args.batch_size))
            log(args, {"epoch": epoch, "iou": iou})
            mean, seconds = sum(run.losses) / len(run.losses), time.perf_counter() - begin
            each = ", ".join(f"{name} {value:.3f}" for name, value in iou.items())
            say(f"epoch {epoch}: loss {mean:.4f}, IoU: {each}; {seconds:.1f} s")
            run.losses.clear()
    if args.checkpoint:
        run.save(args.checkpoint)
    log(args, {"step": run.step, "weights": digest(model)})


# ---- one process or several ----------------------------------------------------------------------


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def n_ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def say(text: str) -> None:
    if rank() == 0:
        print(text, flush=True)


def log(args: argparse.Namespace, entry: dict[str, Any]) -> None:
    """Append a line of JSON to ``--log``, at once, so that lines of several ranks do not mix."""
    if args.log:
        with open(args.log, "ab", buffering=0) as file:
            file.write(json.dumps({"rank": rank()} | entry).encode() + b"\n")


def digest(model: nn.Module) -> str:
    """Of the weights, bit for bit: the same in every rank."""
    found = hashlib.sha256()
    for weights in model.state_dict().values():
        found.update(weights.numpy().tobytes())
    return found.hexdigest()


def in_group(args: argparse.Namespace, **how: Any) -> None:
    """Train as one of several; ``how`` they find each other, where torchrun does not say."""
    dist.init_process_group("gloo", **how)
    try:
        train(args)
    finally:
        dist.destroy_process_group()


def spawned(number: int, args: argparse.Namespace, meeting: str) -> None:
    in_group(args, init_method=meeting, rank=number, world_size=args.ranks)


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.data is None:  # the same in every rank and run
            args.data = folder / "data"
            presets = cloudio.CLOUDSEN12.presets
            arrays = {name for band in args.bands for name in presets.get(band, [[band]])[0]}
            arrays.add("LABEL_manual_hq")
            cloudio.synthesize(args.data, {"train": 40, "val": 10}, arrays=[*arrays])
        if "TORCHELASTIC_RUN_ID" in os.environ:
            in_group(args)
        elif args.ranks > 1:
            meeting = (folder / "meeting").as_uri()
            torch.multiprocessing.spawn(spawned, (args, meeting), nprocs=args.ranks)
        else:
            train(args)


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="a folder with train/ and val/; None makes one up")
    add("--bands", nargs="+", default=BANDS, help="what the net sees")
    add("--epochs", type=positive, default=12, help="in all")
    add("--batch-size", type=positive, default=4, help="of each rank")
    add("--size", type=positive, default=64, help="side of the random crops")
    add("--val-size", type=positive, default=256, help="side of the windows to validate on")
    add("--width", type=positive, default=8, help="channels of the first level, a multiple of 4")
    add("--lr", type=float, default=1e-2, help="learning rate")
    add("--seed", type=int, default=0, help="of weights, order, crops, symmetries and dropout")
    add("--threads", type=positive, default=2, help="of each rank, to read and to compute with")
    add("--ranks", type=positive, default=1, help="processes; leave it out with torchrun")
    add("--checkpoint", type=Path, help="file to write, and to go on from")
    add("--checkpoint-every", type=positive, default=100, metavar="BATCHES", help="and at the end")
    add("--resume", action="store_true", help="go on from --checkpoint, if it is there")
    add("--max-batches", type=positive, help="stop after so many, wherever that is")
    add("--log", type=Path, help="file to append a line of JSON to, for each batch")
    args = parser.parse_args()
    if args.resume and args.checkpoint is None:
        parser.error("--resume needs --checkpoint")
    if any(number % 4 for number in (args.size, args.val_size, args.width)):
        parser.error("--size, --val-size and --width are to be multiples of 4")
    for file in args.checkpoint, args.log:
        if file and (file.is_dir() or not file.parent.is_dir()):
            parser.error(f"{file} cannot be written: it is to be a file in a folder that is there")
    return args


if __name__ == "__main__":
    main()
