"""Tiny patches of whole numbers by a formula, for loaders, and what these made of them.

Apart from tests that use it, for those that run in a process of their own.
"""

import hashlib
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import cloudio
from cloudio import Band, LabelMap, Layout, Window

LAYOUT = Layout(
    name="Counted",
    patch=(12, 14),
    valid=Window(row=1, col=2, height=9, width=11),
    bands=(
        Band("B0", scale=1e-4),
        Band("B1", scale=1e-4),
        Band("LABEL", kind="label", dtype="uint8"),
    ),
    label_maps={"LABEL": {"card": LabelMap({0: 0, 1: 1, 2: 2, 3: 3})}},
)
#: One band, whose percentiles need a second round where parts are counted.
FLOATS = Layout(
    name="Floats", patch=(6, 6), valid=Window(0, 0, 6, 6), bands=(Band("F", dtype="float32"),)
)
BANDS = ["B0", "B1"]
#: Patches of most tests.
N = 23
#: Settings by which crops and symmetries are drawn.
DRAWN = {"seed": 3, "symmetry": "d4"}


def write(folder: Path, n_patches: int, layout: Layout = LAYOUT) -> None:
    """Pixels that differ, by no generator whose numbers might change."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(n_patches * layout.patch[0] * layout.patch[1], dtype=np.int64)
    for k, band in enumerate(layout.bands):
        if band.kind == "label":
            (numbers * 7 // 5 % 5).astype(np.uint8).tofile(folder / f"{band.name}.dat")
        else:
            mixed = numbers * 40_503 + k * 7_919
            (mixed % 32_749).astype("<i2").tofile(folder / f"{band.name}.dat")


def open_set(folder: Path, io: str = "mmap") -> cloudio.Dataset:
    return cloudio.open(folder, layout=LAYOUT, io=io)


def make_reader(ds: cloudio.Dataset, **settings: Any) -> cloudio.Reader:
    return ds.reader(BANDS, {"LABEL": "card"}, **{"size": 6, "threads": 1, **settings})


def loaders_of_ranks(
    reader: cloudio.Reader, world_size: int, batch_size: int, **settings: Any
) -> list[cloudio.Loader]:
    return [
        cloudio.Loader(reader, batch_size, rank=rank, world_size=world_size, **settings)
        for rank in range(world_size)
    ]


def batch_indices(loader: cloudio.Loader) -> list[list[int]]:
    """Return the patches of each batch of an epoch."""
    return [batch.index.tolist() for batch in loader]


def patch_bytes(batches: Iterable[Any]) -> dict[int, bytes]:
    """What was seen of each patch, which has to be the same wherever it comes twice."""
    found: dict[int, bytes] = {}
    for batch in batches:
        for k, patch in enumerate(batch.index):
            what = batch.image[k].tobytes() + batch.label[k].tobytes()
            assert found.setdefault(int(patch), what) == what
    return found


def digest(found: dict[int, bytes]) -> str:
    sha256 = hashlib.sha256()
    for patch in sorted(found):
        sha256.update(patch.to_bytes(8, "little") + found[patch])
    return sha256.hexdigest()[:16]


def epoch_digest(loader: cloudio.Loader) -> str:
    """Of a whole epoch, for what runs in another process."""
    return digest(patch_bytes(loader))


def threads() -> list[threading.Thread]:
    """Those of loaders."""
    return [thread for thread in threading.enumerate() if thread.name == "cloudio.Loader"]


class CountingAllocator:
    """Memory for a loader that counts what was asked for, and how much was alive at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._gone: list[None] = []  # appended to by finalizers, which must not take a lock
        self.most_alive = 0

    def __call__(self, n_bytes: int) -> np.ndarray:
        self.asked.append(n_bytes)
        memory = np.empty(n_bytes, np.uint8)
        weakref.finalize(memory, self._gone.append, None)
        self.most_alive = max(self.most_alive, self.alive)
        return memory

    @property
    def alive(self) -> int:
        return len(self.asked) - len(self._gone)
