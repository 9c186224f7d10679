"""A data set for loaders of tensors, and their batches compared with those of arrays."""

import dataclasses

import builders
import numpy as np
import pytest

import cloudio

torch = pytest.importorskip("torch", reason="torch is an extra")
NODATA = {"L1C_B2": -99, "L1C_B3": 0, "EXTRA_depth": 7, "EXTRA_cover": 255}
LAYOUT = dataclasses.replace(
    builders.SMALL,
    bands=tuple(
        dataclasses.replace(band, nodata=NODATA.get(band.name, band.nodata), offset=offset)
        for band in builders.SMALL.bands
        for offset in [-1000.0 if band.name == "L1C_B4" else 0.0]
    ),
)


def open_set(root):
    """Write two splits, with nodata in some bands, and open them."""
    builders.write_root(root, {"train": 8, "val": 3}, LAYOUT)
    for name, number in NODATA.items():
        for split in ("train", "val"):
            dtype = LAYOUT.band(name).dtype
            stored = np.memmap(root / split / f"{name}.dat", dtype, "r+")
            stored[::5], stored[3::7] = number, 0
            del stored
    return cloudio.open(root, layout=LAYOUT)


def same_bytes(tensor, array):
    return bytes(tensor.contiguous().view(torch.uint8).numpy()) == array.tobytes()


def assert_same_batches(loader, wanted, n_epochs=1):
    """Compare with the batches of a loader of arrays, all kept to the end."""
    for _ in range(n_epochs):
        got, arrays = list(loader), list(wanted)
        assert len(got) == len(arrays) == len(loader)
        for batch, of_arrays in zip(got, arrays, strict=True):
            assert type(batch) is type(of_arrays)
            assert batch.index.dtype is torch.int64
            assert batch.image.dtype is getattr(torch, loader.reader.dtype_name)
            for part, array in zip(batch, of_arrays, strict=True):
                assert (array is None) == (part is None)
                assert array is None or (same_bytes(part, array) and part.shape == array.shape)
