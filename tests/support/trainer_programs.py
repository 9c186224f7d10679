"""What accelerate and transformers do in tests, each rank in a process of its own.

    python trainer_programs.py NAME RANK WORLD_SIZE FOLDER

FOLDER has the data, and the file by which the ranks meet.  A program prints one line of JSON last.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import loading
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

import cloudio
import cloudio.torch

KEYS = {"image": "pixel_values", "label": "labels", "index": "index"}


def begin(folder: Path, rank: int, world_size: int) -> None:
    """Meet as torchrun would have it, without a port; one rank is alone."""
    if world_size == 1:
        return
    variables = {
        "RANK": rank,
        "WORLD_SIZE": world_size,
        "LOCAL_RANK": rank,
        "LOCAL_WORLD_SIZE": world_size,
        "MASTER_ADDR": "localhost",  # must be set, and is not used
        "MASTER_PORT": 1,
    }
    os.environ |= {name: str(value) for name, value in variables.items()}
    address = f"file://{folder / f'meet-{world_size}'}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)


def make_reader(folder: Path) -> cloudio.Reader:
    return loading.open_set(folder / "data").reader(loading.BANDS, "LABEL", size=6, threads=1)


# ---- accelerate ----------------------------------------------------------------------------------


def accelerator(**options: Any) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DataLoaderConfiguration

    AcceleratorState._reset_state()
    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**options))


#: How accelerate shares the batches of a DataLoader.
SHARING = {
    "default": {},
    "seedable": {"use_seedable_sampler": True},
    "dispatch": {"dispatch_batches": True},
    "split": {"split_batches": True},
}


def shares(folder: Path, rank: int, world_size: int) -> Any:
    """Two epochs of a loader, and of a DataLoader in each way that accelerate shares batches."""
    reader = make_reader(folder)
    own = accelerator()
    loader = cloudio.torch.Loader(reader, 4, **loading.DRAWN)
    prepared = own.prepare(loader)
    said: dict[str, Any] = {"is the same": prepared is loader}
    said["loader"] = [[batch.index.tolist() for batch in prepared] for _ in range(2)]
    for name, options in SHARING.items():
        own = accelerator(**options)
        dataset = cloudio.torch.Dataset(reader, **loading.DRAWN)
        torch.manual_seed(5)
        batches = own.prepare(
            DataLoader(dataset, 4, shuffle=True, collate_fn=cloudio.torch.collate)
        )
        said[name] = {"epochs": [], "gathered": [], "set": []}
        for epoch in range(2):
            if name == "seedable":
                dataset.set_epoch(epoch)  # where ranks share, accelerate does not
            indices, gathered = [], []
            for batch in batches:
                indices.append(batch.index.tolist())
                gathered += own.gather_for_metrics(batch.index).tolist()
            said[name]["set"].append(dataset.epoch)
            said[name]["epochs"].append(indices)
            said[name]["gathered"].append(gathered)
    return said


def accelerate_resumes(folder: Path, rank: int, world_size: int) -> Any:
    """Save in the second epoch, in the first ranks to come; load and go on in those after them."""
    own = accelerator()
    loader = cloudio.torch.Loader(make_reader(folder), 5 - world_size, **loading.DRAWN)
    own.register_for_checkpointing(loader)
    saves = not (folder / "state").exists()
    own.wait_for_everyone()
    if saves:
        loader.set_epoch(1)
    else:
        own.load_state(str(folder / "state"))
    said = {"epoch": loader.epoch, "batches": []}
    for batch in loader:
        said["batches"].append(batch.index.tolist())
        if saves and len(said["batches"]) == 2:
            own.save_state(str(folder / "state"))
            break
    return said


def accelerate_skips(folder: Path, rank: int, world_size: int) -> Any:
    """Two steps of the second epoch of a DataLoader, in the first ranks; the rest in others."""
    own = accelerator(use_seedable_sampler=True, data_seed=3)
    dataset = cloudio.torch.Dataset(make_reader(folder), **loading.DRAWN)
    size = 4 // world_size
    batches = own.prepare(DataLoader(dataset, size, shuffle=True, collate_fn=cloudio.torch.collate))
    stops = not (folder / "stopped").exists()
    own.wait_for_everyone()
    batches.set_epoch(1)
    dataset.set_epoch(1)
    said = []
    for batch in batches if stops else own.skip_first_batches(batches, 2):
        said.append(batch.index.tolist())
        if stops and len(said) == 2:
            break
    (folder / "stopped").touch()
    return {"batches": said, "epoch": dataset.epoch}


# ---- transformers --------------------------------------------------------------------------------


def trainer(folder: Path, world_size: int, kind: str, stop: int) -> Any:
    """Return a Trainer that stops and saves at a step, and what its model has seen."""
    from transformers import (
        PretrainedConfig,
        PreTrainedModel,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    reader, seen = make_reader(folder), []
    dataset = cloudio.torch.Dataset(reader, keys=KEYS, **loading.DRAWN)

    class Config(PretrainedConfig):
        model_type = "tiny"

    class Model(PreTrainedModel):
        config_class = Config
        main_input_name = "pixel_values"

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.layer = torch.nn.Conv2d(2, 4, 1)
            self.post_init()

        def forward(self, pixel_values: Any, labels: Any = None, index: Any = None) -> Any:
            epoch = own.loader.epoch if kind == "loader" else dataset.epoch
            pixels = hashlib.sha256(pixel_values.contiguous().numpy().tobytes()).hexdigest()
            seen.append((self.training, epoch, index.tolist(), pixels))
            logits = self.layer(pixel_values)
            loss = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=255)
            return {"loss": loss, "logits": logits}

    class Callback(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            dataset.set_epoch(int(state.epoch))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == stop:
                control.should_training_stop = control.should_save = True

    class LoaderTrainer(Trainer):
        def get_train_dataloader(self) -> Any:
            size = self.args.per_device_train_batch_size
            self.loader = cloudio.torch.Loader(reader, size, keys=KEYS, **loading.DRAWN)
            return self.loader

    arguments = TrainingArguments(
        str(folder / kind),
        per_device_train_batch_size=4 // world_size,
        num_train_epochs=2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        ddp_backend="gloo" if world_size > 1 else None,
    )
    own = (LoaderTrainer if kind == "loader" else Trainer)(
        model=Model(Config()),
        args=arguments,
        train_dataset=None if kind == "loader" else dataset,
        eval_dataset=cloudio.torch.Dataset(reader, keys=KEYS, crop="center"),
        data_collator=None if kind == "default" else cloudio.torch.collate,
        callbacks=[Callback()],
    )
    return own, seen


def trains(folder: Path, rank: int, world_size: int) -> Any:
    """Train until step 8 of 12, or go on from there; evaluate in the end."""
    said = {}
    for kind in "dataset", "default", "loader":
        saves = not (folder / kind).exists()
        if world_size > 1:
            dist.barrier()
        own, seen = trainer(folder, world_size, kind, 8 if saves else 0)
        own.train(resume_from_checkpoint=not saves)
        said[kind] = {
            str(epoch): [batch for training, of, *batch in seen if training and of == epoch]
            for epoch in (0, 1)
        }
        seen.clear()
        if not saves:
            result = own.predict(own.eval_dataset)
            said[kind]["predicted"] = [len(result.predictions), len(result.label_ids)]
    return said


if __name__ == "__main__":
    name, rank, world_size, folder = sys.argv[1:]
    begin(Path(folder), int(rank), int(world_size))
    said = globals()[name](Path(folder), int(rank), int(world_size))
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    print(json.dumps(said), flush=True)
    # Threads of gloo that hold tensors at the end of Python abort the process (PyTorch #179291).
    os._exit(0)
