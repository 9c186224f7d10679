"""Sources of batches for a training loop: ours, and torch's DataLoader on what people write.

All deliver the same samples in the same order: those that a cloudio.Loader draws.  What is
measured of each is in train_workload.py.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from .candidates import unit_step
from .cold_workload import FileArray, file_array
from .train_workload import TrainCandidate, TrainWorkload

WORKERS = 0, 2, 4
OURS, TORCH_OURS = "cloudio.Loader", "cloudio.torch.Loader"
IN_A_LOOP = "reader.read in a loop"
TORCH_DATASET, USUAL = "DataLoader, cloudio.torch.Dataset", "DataLoader, usual Dataset *"


# ---- ours ----------------------------------------------------------------------------------------


@contextmanager
def _in_a_loop(workload: TrainWorkload) -> Iterator[Iterator[Any]]:
    """Read in a loop: no batch is read ahead, and all are written to the same output."""
    reader, out = workload.reader, workload.reader.allocate(workload.batch_size)
    samples = map(workload.samples, range(workload.n_batches))
    yield (reader.read(drawn.index, drawn.origin, out=out) for drawn in samples)


@contextmanager
def _by_loader(workload: TrainWorkload) -> Iterator[Iterator[Any]]:
    yield iter(workload.loader())


@contextmanager
def _by_torch_loader(workload: TrainWorkload) -> Iterator[Iterator[Any]]:
    from .. import torch

    yield iter(torch.Loader(workload.reader, workload.batch_size, **workload.sampling))


# ---- torch's DataLoader --------------------------------------------------------------------------


class _Usual:
    """The usual data set class: a sample is the crops of all bands, scaled, as a tensor.

    The crops are given, as (patch, rows, columns), so that all candidates read the same ones.
    """

    def __init__(
        self,
        arrays: Sequence[FileArray],
        step: tuple[Any, Any],
        windows: Sequence[tuple[int, slice, slice]],
    ) -> None:
        self.maps = [_memmap(array) for array in arrays]
        self.step, self.windows = step, windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, k: int) -> Any:
        import torch

        window = self.windows[k]
        scale, unit = self.step
        image = scale(np.stack([array[window] for array in self.maps]).astype(np.float32), unit)
        return torch.from_numpy(image)


def _memmap(array: FileArray) -> np.ndarray:
    """Return a np.memmap of an array, which may be one channel of many in its file."""
    n_items = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))
    flat = np.memmap(
        array.path,
        array.dtype,
        mode="r",
        offset=array.start,
        shape=(n_items // array.dtype.itemsize + 1,),
    )
    return np.lib.stride_tricks.as_strided(flat, array.shape, array.strides, subok=True)


@contextmanager
def _by_usual(workload: TrainWorkload, n_workers: int) -> Iterator[Iterator[Any]]:
    step = unit_step(workload.scales, np.float32)
    arrays = [file_array(workload.dataset, name) for name in workload.bands]
    windows = workload.batch(workload.dataset, *workload.all_samples[:2]).windows
    yield _data_loader(workload, _Usual(arrays, step, windows), n_workers)


@contextmanager
def _by_torch_dataset(workload: TrainWorkload, n_workers: int) -> Iterator[Iterator[Any]]:
    from .. import torch

    data = torch.Dataset(
        workload.reader, crop=workload.sampling["crop"], seed=workload.sampling["seed"]
    )
    data.set_epoch(0)  # patches that come again have the same crops in every candidate
    order = workload.all_samples.index.tolist()
    yield _data_loader(workload, data, n_workers, sampler=order, collate_fn=torch.collate)


def _data_loader(workload: TrainWorkload, data: Any, n_workers: int, **more: Any) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    if n_workers:
        # A spawned worker would get a np.memmap as a copy of its file.
        more["multiprocessing_context"] = "fork"
    with warnings.catch_warnings():
        # More workers than CPUs are intended.
        warnings.filterwarnings("ignore", "This DataLoader will create")
        return iter(DataLoader(data, workload.batch_size, num_workers=n_workers, **more))


# ---- all of them ---------------------------------------------------------------------------------


def train_candidates(with_torch: bool) -> list[TrainCandidate]:
    """Return every candidate; the others are compared with the first, the read itself."""
    ours = [TrainCandidate(IN_A_LOOP, _in_a_loop), TrainCandidate(OURS, _by_loader)]
    if not with_torch:
        return ours
    return [
        *ours,
        TrainCandidate(TORCH_OURS, _by_torch_loader),
        *(_with_workers(TORCH_DATASET, _by_torch_dataset, n) for n in WORKERS[:2]),
        *(_with_workers(USUAL, _by_usual, n, ulps=1) for n in WORKERS),
    ]


def _with_workers(name: str, opened: Any, n: int, ulps: int = 0) -> TrainCandidate:
    return TrainCandidate(f"{name}, {n} workers", partial(opened, n_workers=n), n, ulps)
