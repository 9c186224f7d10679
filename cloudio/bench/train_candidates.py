"""Ways for a training loop to get its batches: ours, and torch's DataLoader on what people write.

All deliver the same samples in the same order: those that a cloudio.Loader draws.  What each is
asked for, and what is measured then, is train_work.py's; who runs when, train.py's.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from .candidates import divisors
from .cold_workload import Stored, stored
from .train_workload import Job, Way

WORKERS = 0, 2, 4
OURS, TORCH_OURS = "cloudio.Loader", "cloudio.torch.Loader"
IN_A_LOOP = "reader.read in a loop"
TORCH_DATASET, USUAL = "DataLoader, cloudio.torch.Dataset", "DataLoader, usual Dataset *"


# ---- ours ----------------------------------------------------------------------------------------


@contextmanager
def _in_a_loop(job: Job) -> Iterator[Iterator[Any]]:
    """Nothing is read ahead, and all goes to the same output."""
    reader, out = job.reader, job.reader.allocate(job.batch_size)
    drawn = map(job.samples, range(job.n_batches))
    yield (reader.read(samples.index, samples.origin, out=out) for samples in drawn)


@contextmanager
def _by_loader(job: Job) -> Iterator[Iterator[Any]]:
    yield iter(job.loader())


@contextmanager
def _by_torch_loader(job: Job) -> Iterator[Iterator[Any]]:
    from .. import torch

    yield iter(torch.Loader(job.reader, job.batch_size, **job.drawn))


# ---- torch's DataLoader --------------------------------------------------------------------------


class _Usual:
    """The usual data set class: a sample is the crops of all bands, scaled, as a tensor.

    Where crops lie is given, as (patch, rows, columns), so that everybody reads the same ones.
    """

    def __init__(
        self,
        arrays: Sequence[Stored],
        divisor: float | np.ndarray,
        windows: Sequence[tuple[int, slice, slice]],
    ) -> None:
        self.maps = [_memmap(array) for array in arrays]
        self.divisor, self.windows = divisor, windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, k: int) -> Any:
        import torch

        window = self.windows[k]
        image = np.stack([array[window] for array in self.maps]).astype(np.float32) / self.divisor
        return torch.from_numpy(image)


def _memmap(array: Stored) -> np.ndarray:
    """A np.memmap of an array, also where it is one channel of many in its file."""
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
def _by_usual(job: Job, n_workers: int) -> Iterator[Iterator[Any]]:
    units = np.array(divisors(job.scales), np.float32)
    divisor = units[0].item() if (units == units[0]).all() else units[:, None, None]
    arrays = [stored(job.dataset, name) for name in job.bands]
    windows = job.work(job.dataset, *job.all_samples[:2]).windows
    yield _data_loader(job, _Usual(arrays, divisor, windows), n_workers)


@contextmanager
def _by_torch_dataset(job: Job, n_workers: int) -> Iterator[Iterator[Any]]:
    from .. import torch

    data = torch.Dataset(job.reader, crop=job.drawn["crop"], seed=job.drawn["seed"])
    order = job.all_samples.index.tolist()
    yield _data_loader(job, data, n_workers, sampler=order, collate_fn=torch.collate)


def _data_loader(job: Job, data: Any, n_workers: int, **more: Any) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    if n_workers:
        # Elsewhere than in a forked worker, a np.memmap arrives as a copy of its file.
        more["multiprocessing_context"] = "fork"
    with warnings.catch_warnings():
        # More workers than CPUs are what is asked for.
        warnings.filterwarnings("ignore", "This DataLoader will create")
        return iter(DataLoader(data, job.batch_size, num_workers=n_workers, **more))


# ---- all of them ---------------------------------------------------------------------------------


def ways(with_torch: bool) -> list[Way]:
    """Every contender; the first is the read itself, by which the others are measured."""
    ours = [Way(IN_A_LOOP, _in_a_loop), Way(OURS, _by_loader)]
    if not with_torch:
        return ours
    return [
        *ours,
        Way(TORCH_OURS, _by_torch_loader),
        *(_with_workers(TORCH_DATASET, _by_torch_dataset, n) for n in WORKERS[:2]),
        *(_with_workers(USUAL, _by_usual, n, ulps=1) for n in WORKERS),
    ]


def _with_workers(name: str, opened: Any, n: int, ulps: int = 0) -> Way:
    return Way(f"{name}, {n} workers", partial(opened, n_workers=n), n, ulps)
