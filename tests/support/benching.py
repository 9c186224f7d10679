"""What tests of the benchmarks read: small batches, warm, cold and for a consumer."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12, Band, Batch, Layout, Window
from cloudio.bench.cold_workload import ColdWorkload
from cloudio.bench.page_cache import EvictableFiles
from cloudio.bench.train_workload import TrainWorkload
from cloudio.bench.workload import Workload

L1C, L2A = CLOUDSEN12.presets["L1C"][0], CLOUDSEN12.presets["L2A"][0]
#: Samples of a batch, and the bands of a cold one.
N, COLD_BANDS = 3, L1C[:2]


def warm_workload(
    folder: Path,
    size: tuple[int, int] = (64, 64),
    label: str | None = "LABEL_manual_hq",
    n: int = N,
) -> Workload:
    return Workload(cloudio.open(folder), L1C, label, size, n)


def cold_workload(folder: Path, size: tuple[int, int] = (64, 64), seed: int = 1) -> ColdWorkload:
    return ColdWorkload(cloudio.open(folder), COLD_BANDS, size, N, seed=seed)


def write_evictable(path: Path) -> Path:
    """Write a split of three patches; skip the test where its pages cannot be evicted."""
    write_split(path, N, CLOUDSEN12, names=COLD_BANDS)
    try:
        with EvictableFiles(path.glob("*.dat")) as files:
            for file in files.paths:
                with open(file, "rb") as one:
                    os.posix_fadvise(one.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            left = files.resident()
    except cloudio.CloudioError as error:
        pytest.skip(f"no eviction here: {error}")
    if left:
        pytest.skip(f"pages of {', '.join(map(str, left))} stay in memory here")
    return path


# ---- training ------------------------------------------------------------------------------------

TRAIN_BANDS = (
    Band("B2", "band", "int16", scale=1e-4),
    Band("B3", "band", "int16", scale=2.75e-5),
)
TRAIN_LAYOUT = Layout("Small", (40, 48), Window(1, 2, 36, 40), TRAIN_BANDS)
N_PATCHES, BATCH, SIZE = 24, 2, 32


def right_batches(workload: TrainWorkload) -> Iterator[Batch]:
    """What numpy would deliver, read by one reader."""
    for k in range(workload.n_batches):
        yield workload.reader.read(*workload.samples(k)[:2])._replace(label=None)
