"""Train a small U-Net to find clouds, in one process or several, and resume where it stopped.

    python train_unet.py                          # on synthetic data, 20 s on two idle cores
    python train_unet.py --data CloudSEN12/ --size 256 --val-size 512 --width 32 --checkpoint run.pt
    python train_unet.py (the same) --resume      # resumes from run.pt
    python train_unet.py --data floods/ --bands S2 --label water   # your own data, with a layout
    python train_unet.py --ranks 2                # two processes
    torchrun --nproc-per-node 2 train_unet.py     # the same, started by torchrun

Copy from it.  A run that was stopped anywhere and resumed has the same losses and weights, bit for
bit, as one that was not.  It computes on the CPU; docs/guides/train.md says what a GPU changes.
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
IGNORE = 255
PARTS = "model", "optimizer", "loader"


# ---- the net -------------------------------------------------------------------------------------


def convolutions(n_in: int, n_out: int) -> nn.Sequential:
    """Return two, with group norm: batch norm depends on the batch size, and differs by rank."""
    layers: list[nn.Module] = []
    for n in n_in, n_out:
        layers += [nn.Conv2d(n, n_out, 3, padding=1), nn.GroupNorm(4, n_out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(sample, band, row, column) to (sample, class, row, column); sides are multiples of 4."""

    def __init__(self, n_bands: int, n_classes: int, width: int) -> None:
        super().__init__()
        pairs = list(pairwise((width, 2 * width, 4 * width)))
        self.first = convolutions(n_bands, width)
        self.down = nn.ModuleList(convolutions(a, b) for a, b in pairs)
        self.drop = nn.Dropout2d(0.1)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs))
        self.up = nn.ModuleList(convolutions(2 * a, a) for a, _ in reversed(pairs))
        self.last = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, passed = self.first(x), []
        for down in self.down:
            passed.append(x)
            x = down(functional.max_pool2d(x, 2))
        x = self.drop(x)
        for grow, up in zip(self.grow, self.up, strict=True):
            x = up(torch.cat([grow(x), passed.pop()], 1))
        return self.last(x)


def masked_loss(scores: Tensor, label: Tensor) -> Tensor:
    """Return the mean loss of the pixels that have a class; 0, not NaN, if none has."""
    total = functional.cross_entropy(scores, label.long(), ignore_index=IGNORE, reduction="sum")
    return total / (label != IGNORE).sum().clamp(min=1)


# ---- the data ------------------------------------------------------------------------------------


def check(args: argparse.Namespace) -> None:
    """Stop with a message if the data do not have what the program reads."""
    try:
        ds = cloudio.open(args.data)
        for split, size in ("train", args.size), ("val", args.val_size):
            ds.split(split).reader(args.bands, args.label, size=size)
    except (cloudio.CloudioError, OSError) as error:
        options = "Options for your data: --bands NAME ... --label NAME --size N --val-size N"
        raise SystemExit(f"train_unet.py: {error}\n{options}") from error


def class_names(reader: cloudio.Reader) -> tuple[str, ...]:
    """Return the names of the classes 0, 1, ... of the label, or their numbers without names."""
    name = reader.labels[0]
    label_map = reader.label_maps[name]
    assert label_map is not None  # a label that is given by its name has a map
    table = label_map.table(reader.dataset.dtype(name), np.dtype(np.uint8), IGNORE, name)
    return label_map.names or tuple(str(k) for k in range(table[table != IGNORE].max() + 1))


def readers(args: argparse.Namespace) -> tuple[cloudio.Reader, cloudio.Reader]:
    """Return readers of the training and the validation patches, normalized the same way."""
    ds = cloudio.open(args.data)
    train, val = ds.split("train"), ds.split("val")
    # 200 patches at most, evenly spread, are enough for mean and standard deviation.
    some = train.subset(np.arange(len(train))[:: -(-len(train) // 200)])
    stats = cloudio.stats.bands(some, args.bands)
    options: dict[str, Any] = {"bands": args.bands, "labels": args.label, "ignore": IGNORE}
    options |= {"mean": stats.mean, "std": stats.std, "threads": args.threads}
    return train.reader(size=args.size, **options), val.reader(size=args.val_size, **options)


@torch.no_grad()
def confusion(model: UNet, reader: cloudio.Reader, batch_size: int) -> Tensor:
    """Return pixel counts by class (rows) and predicted class (columns), summed over all ranks.

    No patch may be counted twice, so a rank may have fewer patches than another, or none.
    """
    model.eval()
    n = model.last.out_channels
    matrix = torch.zeros(n * n, dtype=torch.int64)
    loader = cloudio.torch.Loader(
        reader, batch_size, shuffle=False, crop="center", even_batches=False
    )
    for image, label, _ in loader:
        known = label != IGNORE
        pairs = label[known].long() * n + model(image).argmax(1)[known]
        matrix += torch.bincount(pairs, minlength=n * n)
    if n_ranks() > 1:
        dist.all_reduce(matrix)
    model.train()
    return matrix.view(n, n)


def class_iou(matrix: Tensor, names: tuple[str, ...]) -> dict[str, float]:
    """Return intersection over union of each class that occurs or is predicted, and their mean."""
    hits, unions = matrix.diag(), matrix.sum(0) + matrix.sum(1) - matrix.diag()
    iou = {
        name: hit / union
        for name, hit, union in zip(names, hits.tolist(), unions.tolist(), strict=True)
        if union
    }
    return iou | {"mean": sum(iou.values()) / max(1, len(iou))}


# ---- training, and resuming it -------------------------------------------------------------------


@dataclass
class Run:
    """Everything that training depends on, except the data and torch's random state."""

    model: UNet
    optimizer: torch.optim.Optimizer
    loader: cloudio.torch.Loader
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of this rank, in this epoch

    def save(self, path: Path) -> None:
        """Write a checkpoint; at any moment the file of that name is complete.

        Every rank calls this after the same batch; rank 0 writes.
        """
        random = [torch.get_rng_state()]
        if n_ranks() > 1:
            own, random = random[0], [torch.empty_like(random[0]) for _ in range(n_ranks())]
            dist.all_gather(random, own)
        if rank() != 0:
            return
        state = {part: getattr(self, part).state_dict() for part in PARTS}
        state |= {"random": random, "step": self.step, "losses": self.losses}
        partial = path.with_name(f"{path.name}.partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    def restore(self, path: Path) -> None:
        """Restore everything to what it was when it was saved."""
        try:
            state = torch.load(path, weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            why = type(error).__name__
            raise SystemExit(f"{path} cannot be read as a checkpoint: {why}") from error
        for part in PARTS:
            getattr(self, part).load_state_dict(state[part])
        self.step, self.losses = state["step"], state["losses"]
        if rank() < len(state["random"]):  # else a new rank, with a new random state
            torch.set_rng_state(state["random"][rank()])


def train(args: argparse.Namespace) -> None:
    """Train, in each rank."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    reader, val_reader = readers(args)
    classes = class_names(reader)
    model = UNet(len(reader.bands), len(classes), args.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    loader = cloudio.torch.Loader(reader, args.batch_size, seed=args.seed, symmetry="d4")
    torch.manual_seed(args.seed + 1 + rank())  # dropout, which must differ between ranks
    run = Run(model, optimizer, loader)
    if args.resume and args.checkpoint.exists():
        run.restore(args.checkpoint)
        finished = "finished" if loader.epoch >= args.epochs else "resumes"
        print_once(f"{finished} after batch {run.step} of {args.checkpoint}")
    elif args.resume:
        print_once(f"no {args.checkpoint} yet; starts from the beginning")
    trained = DistributedDataParallel(model) if n_ranks() > 1 else model

    last = None if args.max_batches is None else run.step + args.max_batches
    while loader.epoch < args.epochs and run.step != last:
        epoch, begin = loader.epoch, time.perf_counter()
        for image, label, index in islice(loader, None if last is None else last - run.step):
            loss = masked_loss(trained(image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step += 1
            run.losses.append(loss.item())
            entry = {"epoch": epoch, "step": run.step, "loss": run.losses[-1]}
            log(args, entry | {"patches": index.tolist()})
            if args.checkpoint and run.step % args.checkpoint_every == 0:
                run.save(args.checkpoint)
        if loader.epoch > epoch:  # the epoch is complete
            iou = class_iou(confusion(model, val_reader, args.batch_size), classes)
            log(args, {"epoch": epoch, "iou": iou})
            mean, seconds = sum(run.losses) / len(run.losses), time.perf_counter() - begin
            each = ", ".join(f"{name} {value:.3f}" for name, value in iou.items())
            print_once(f"epoch {epoch}: loss {mean:.4f}, IoU: {each}; {seconds:.1f} s")
            run.losses.clear()
    if args.checkpoint:
        run.save(args.checkpoint)
    log(args, {"step": run.step, "weights": digest(model)})


# ---- one process or several ----------------------------------------------------------------------


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def n_ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def print_once(text: str) -> None:
    """Print, in rank 0 only."""
    if rank() == 0:
        print(text, flush=True)


def log(args: argparse.Namespace, entry: dict[str, Any]) -> None:
    """Append a line of JSON to ``--log`` in one write, so that lines of ranks do not mix."""
    if args.log:
        with open(args.log, "ab", buffering=0) as file:
            file.write(json.dumps({"rank": rank()} | entry).encode() + b"\n")


def digest(model: nn.Module) -> str:
    """Return a checksum of the weights, bit for bit: the same in every rank."""
    checksum = hashlib.sha256()
    for weights in model.state_dict().values():
        checksum.update(weights.numpy().tobytes())
    return checksum.hexdigest()


def train_in_group(args: argparse.Namespace, **rendezvous: Any) -> None:
    """Train as one rank of several; ``rendezvous`` is for ranks that torchrun did not start."""
    dist.init_process_group("gloo", **rendezvous)
    try:
        train(args)
    finally:
        dist.destroy_process_group()


def run_rank(number: int, args: argparse.Namespace, address: str) -> None:
    train_in_group(args, init_method=address, rank=number, world_size=args.ranks)


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
        check(args)
        if "TORCHELASTIC_RUN_ID" in os.environ:
            train_in_group(args)
        elif args.ranks > 1:
            address = (folder / "rendezvous").as_uri()
            torch.multiprocessing.spawn(run_rank, (args, address), nprocs=args.ranks)
        else:
            train(args)


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="a folder with train/ and val/; None means a synthetic one")
    add("--bands", nargs="+", default=BANDS, help="input bands")
    add("--label", default="manual_hq", help="the label, which needs a label map in the layout")
    add("--epochs", type=positive, default=12, help="in all")
    add("--batch-size", type=positive, default=4, help="of each rank")
    add("--size", type=positive, default=64, help="side of the random crops")
    add("--val-size", type=positive, default=256, help="side of the validation windows")
    add("--width", type=positive, default=8, help="channels of the first level, a multiple of 4")
    add("--lr", type=float, default=1e-2, help="learning rate")
    add("--seed", type=int, default=0, help="for weights, order, crops, symmetries and dropout")
    add("--threads", type=positive, default=2, help="of each rank, for reading and for computing")
    add("--ranks", type=positive, default=1, help="processes; leave it out with torchrun")
    add("--checkpoint", type=Path, help="file to write, and to resume from")
    add("--checkpoint-every", type=positive, default=100, metavar="BATCHES", help="and at the end")
    add("--resume", action="store_true", help="resume from --checkpoint, if it exists")
    add("--max-batches", type=positive, help="stop after so many batches")
    # By its second name it is none of torchrun's.
    add("--log", "--log-file", type=Path, help="file for a line of JSON of each batch")
    args = parser.parse_args()
    if args.resume and args.checkpoint is None:
        parser.error("--resume needs --checkpoint")
    if any(number % 4 for number in (args.size, args.val_size, args.width)):
        parser.error("--size, --val-size and --width must be multiples of 4")
    for file in args.checkpoint, args.log:
        if file and (file.is_dir() or not file.parent.is_dir()):
            parser.error(f"{file} cannot be written: its folder does not exist")
    return args


if __name__ == "__main__":
    main()
