"""The cases of every suite: which batches of a data set are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloudio import Dataset
from cloudio.bench.cold_workload import file_array
from cloudio.bench.workload import Workload

from .task import ArrayFile, Task


def make_task(
    dataset: Dataset,
    bands: Sequence[str],
    label: str | None,
    size: tuple[int, int],
    batch_size: int,
    n_batches: int,
    *,
    threads: int,
    order: str = "any",
    seed: int = 0,
) -> Task:
    """Return batches of random windows of the data set's one split.

    Each patch is read once before any is read again; with order "stored" they come as they are
    stored.
    """
    (split,) = dataset.splits
    n = n_batches * batch_size
    rng = np.random.default_rng(seed)
    epochs = -(-n // len(dataset))
    if order == "stored":
        index = np.tile(np.arange(len(dataset)), epochs)[:n]
    else:
        index = np.concatenate([rng.permutation(len(dataset)) for _ in range(epochs)])[:n]
    valid = dataset.valid_window
    room = np.subtract(valid.size, size) + 1
    origin = np.add(rng.integers(0, room, (n, 2)), (valid.row, valid.col))
    return Task(
        Path(dataset.path),
        split,
        _array_files(dataset, bands),
        None if label is None else _label_file(dataset, label),
        size,
        index.reshape(n_batches, batch_size),
        origin.reshape(n_batches, batch_size, 2),
        threads,
    )


def _array_files(dataset: Dataset, names: Sequence[str]) -> tuple[ArrayFile, ...]:
    return tuple(_array_file(dataset, name, scale=dataset.band(name).scale or 1) for name in names)


def _label_file(dataset: Dataset, name: str) -> ArrayFile:
    codes, table = Workload(dataset, (), name, dataset.valid_window.size, 0).codes or ((), ())
    found = _array_file(dataset, name, classes=tuple(np.asarray(table).tolist()))
    return ArrayFile(**{**vars(found), "dtype": f"u{np.asarray(codes).itemsize}"})


def _array_file(dataset: Dataset, name: str, **more: object) -> ArrayFile:
    found = file_array(dataset, name)
    n, height, width = found.shape
    strides = found.strides[0], found.strides[1], found.strides[2]
    dtype = found.dtype.str
    return ArrayFile(name, found.path, dtype, (n, height, width), found.start, strides, **more)  # type: ignore[arg-type]
