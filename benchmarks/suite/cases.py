"""The batches that rivals read, and the passes that they count: tasks of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import cloudio
from cloudio import Dataset
from cloudio.bench.cold_workload import file_array
from cloudio.bench.workload import Workload, bands_of

from .counting import N_CLASSES, Counting
from .task import IGNORE, ArrayFile, Task

#: What `agreement` compares with the label: two of those that CloudSEN12 has.
SOURCE, REFERENCE = "LABEL_sen2cor", "LABEL_manual_hq"
_CODES = "card"


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
    n_patches: int | None = None,
    dtype: str = "float32",
    channels_last: bool = False,
) -> Task:
    """Return batches of random windows of the data set's one split, or of its first patches.

    Without bands there are labels alone.  Each patch is read once before any is read again; with
    order "stored" they come as they are stored.  A cloudio.Loader draws the windows, so that one
    can be timed, too.
    """
    (split,) = dataset.splits
    n = n_batches * batch_size
    n_patches = n_patches or len(dataset)
    rng = np.random.default_rng(seed)
    epochs = -(-n // n_patches)
    if order == "stored":
        index = np.tile(np.arange(n_patches), epochs)[:n]
    else:
        index = np.concatenate([rng.permutation(n_patches) for _ in range(epochs)])[:n]
    reader = dataset.reader(*(bands or bands_of(dataset))[:1], size=size)
    loader = cloudio.Loader(reader, batch_size, shuffle=False, seed=seed, index=index)
    origin = loader.samples(range(n)).origin
    assert origin is not None
    return Task(
        Path(dataset.path),
        split,
        tuple(first_patches(one, n_patches) for one in _band_files(dataset, bands)),
        None if label is None else first_patches(_label_file(dataset, label), n_patches),
        size,
        index.reshape(n_batches, batch_size),
        origin.reshape(n_batches, batch_size, 2),
        threads,
        seed=seed,
        dtype=dtype,
        channels_last=channels_last,
    )


def make_counting(
    dataset: Dataset,
    question: str,
    bands: Sequence[str],
    n_patches: int,
    n_passes: int,
    *,
    threads: int,
) -> Counting:
    """Return passes over the first patches of the data set's one split."""
    (split,) = dataset.splits
    window = dataset.valid_window
    wanted = {"bands": (), "classes": (REFERENCE,), "agreement": (REFERENCE, SOURCE)}[question]
    files = _band_files(dataset, bands if question == "bands" else ())
    labels = [_label_file(dataset, name, none=N_CLASSES) for name in wanted]
    first = [first_patches(one, n_patches) for one in (*files, *labels)]
    label, source, *_ = (*first[len(files) :], None, None)
    return Counting(
        Path(dataset.path),
        split,
        question,
        tuple(first[: len(files)]),
        label,
        source,
        (window.row, window.col, *window.size),
        n_passes,
        threads,
    )


def first_patches(array: ArrayFile, n: int) -> ArrayFile:
    return replace(array, shape=(n, *array.shape[1:]))


def questions_of(dataset: Dataset) -> list[str]:
    """Return what can be counted in a data set."""
    found = ["bands"]
    if REFERENCE in dataset.names:
        found += ["classes"]
    if REFERENCE in dataset.names and SOURCE in dataset.names:
        found += ["agreement"]
    return found


def _band_files(dataset: Dataset, names: Sequence[str]) -> tuple[ArrayFile, ...]:
    return tuple(_array_file(dataset, name, scale=dataset.band(name).scale or 1) for name in names)


def _label_file(dataset: Dataset, name: str, none: int = IGNORE) -> ArrayFile:
    if none == IGNORE:
        codes, table = Workload(dataset, (), name, dataset.valid_window.size, 0).codes or ((), ())
    else:
        codes = dataset[name]
        label_map = dataset.layout.label_maps[name][_CODES]
        table = label_map.table(codes.dtype, np.dtype(np.uint8), none, name)
    found = _array_file(dataset, name, classes=tuple(np.asarray(table).tolist()))
    return replace(found, dtype=f"u{np.asarray(codes).itemsize}")


def _array_file(dataset: Dataset, name: str, **more: object) -> ArrayFile:
    found = file_array(dataset, name)
    n, height, width = found.shape
    strides = found.strides[0], found.strides[1], found.strides[2]
    dtype = found.dtype.str
    return ArrayFile(name, found.path, dtype, (n, height, width), found.start, strides, **more)  # type: ignore[arg-type]
