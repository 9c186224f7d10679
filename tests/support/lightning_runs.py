"""Trainers, models and data for tests of Lightning: what a run saw, batch by batch.

    python lightning_runs.py NAME STRATEGY FOLDER

runs one of the programs below in two processes, which meet by a port that Lightning finds.  FOLDER
has the data, and gets "fit-0.json" and so on: what each rank saw in each stage.
"""

import hashlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import loading
import torch

import cloudio

#: Patches of each split.
N = {"train": 22, "val": 5, "test": 3}
LABELS = {"LABEL": "card"}


def write(folder: Path) -> None:
    for name, n in N.items():
        loading.write(folder / name, n)


def data_module(folder: Path, **options: Any) -> Any:
    """Return a data module of small crops, two to a batch."""
    given = {
        "path": loading.open_set(folder),
        "bands": loading.BANDS,
        "labels": LABELS,
        "size": 6,
        "batch_size": 2,
        "threads": 1,
        **loading.DRAWN,
    }
    return cloudio.lightning.DataModule(**{**given, **options})


def digests(batch: Any) -> list[tuple[int, str]]:
    """Return the number of each patch of a batch, and a digest of its image and label."""
    found = []
    for k, patch in enumerate(batch.index.tolist()):
        parts = [batch.image[k].numpy().tobytes()]
        parts += [] if batch.label is None else [batch.label[k].numpy().tobytes()]
        found.append((patch, hashlib.sha256(b"".join(parts)).hexdigest()[:16]))
    return found


class Model(pl.LightningModule):
    """Keeps what it saw: for each stage (epoch, number of the batch, digests)."""

    def __init__(self, *, estimates: bool = False, stop_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: dict[str, list[Any]] = {"train": [], "val": [], "test": [], "predict": []}
        self.estimates, self.stop_at = estimates, stop_at

    def _see(self, stage: str, batch: Any, number: int) -> None:
        self.seen[stage].append((self.current_epoch, number, digests(batch)))

    def training_step(self, batch: Any, number: int) -> Any:
        if len(self.seen["train"]) == self.stop_at:
            raise KeyError("stopped")
        self._see("train", batch, number)
        return self.layer(batch.image.mean().reshape(1, 1)).sum()

    def validation_step(self, batch: Any, number: int) -> None:
        if not self.trainer.sanity_checking:
            self._see("val", batch, number)

    def test_step(self, batch: Any, number: int) -> None:
        self._see("test", batch, number)

    def predict_step(self, batch: Any, number: int) -> Any:
        self._see("predict", batch, number)

    def configure_optimizers(self) -> Any:
        if self.estimates:  # Lightning then makes its loaders, and drops their states
            assert self.trainer.estimated_stepping_batches
        return torch.optim.SGD(self.parameters(), 0.0)

    def patches(self, stage: str = "train", epoch: int | None = None) -> list[int]:
        """Return the patches of a stage, in the order in which they were seen."""
        return [
            patch
            for in_epoch, _, batch in self.seen[stage]
            if epoch in (None, in_epoch)
            for patch, _ in batch
        ]


def trainer(**options: Any) -> Any:
    """Return a trainer that prints and writes nothing; one process unless told."""
    given = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": any(  # Lightning would add a callback that writes where it runs
            isinstance(callback, pl.callbacks.Checkpoint)
            for callback in options.get("callbacks", ())
        ),
    }
    return pl.Trainer(**{**given, **options})


def checkpoints(folder: Path, **when: Any) -> Any:
    """Return a callback that keeps a checkpoint after each step: "0.ckpt" and so on."""
    return pl.callbacks.ModelCheckpoint(
        folder,
        filename="{step}",
        auto_insert_metric_name=False,
        save_top_k=-1,
        **(when or {"every_n_train_steps": 1}),
    )


# ---- two processes -------------------------------------------------------------------------------


class Writer(pl.Callback):
    """Writes what a rank saw when its run ends: the other process has no other way to tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        data = trainer.datamodule
        said = {"seen": pl_module.seen, "normalization": data and data.normalization}
        name = f"{trainer.state.fn.value}-{trainer.global_rank}.json"
        (self.folder / name).write_text(json.dumps(said), encoding="utf-8")


def run_all(folder: Path, ranks: dict[str, Any]) -> None:
    """Whole epochs with a checkpoint after each step, a test, loaders of other kinds, a resumption.

    "resumed.ckpt" in the folder is the checkpoint of a run of one process.
    """
    model, data = Model(), data_module(folder / "data")
    whole = trainer(callbacks=[checkpoints(folder / "kept"), Writer(folder)], **ranks)
    whole.fit(model, data)
    whole.test(model, data)

    reader = loading.make_reader(loading.open_set(folder / "data" / "train"))
    samples = cloudio.torch.Dataset(reader, crop="center")
    for name, loader in {
        "loader": cloudio.torch.Loader(reader, 2, **loading.DRAWN),
        "samples": torch.utils.data.DataLoader(samples, 2, collate_fn=cloudio.torch.collate),
    }.items():
        trainer(callbacks=[Writer(folder / name)], max_epochs=1, **ranks).fit(Model(), loader)

    resumed = trainer(callbacks=[Writer(folder / "resumed")], **ranks)
    path = folder / "resumed.ckpt"
    resumed.fit(Model(estimates=True), data_module(folder / "data"), ckpt_path=path)


def run_epoch(folder: Path, ranks: dict[str, Any]) -> None:
    """One epoch."""
    writer = Writer(folder)
    trainer(callbacks=[writer], max_epochs=1, **ranks).fit(Model(), data_module(folder / "data"))


def quiet() -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


if __name__ == "__main__":
    quiet()
    name, strategy, path = sys.argv[1:]
    globals()[name](Path(path), {"strategy": strategy, "devices": 2})
