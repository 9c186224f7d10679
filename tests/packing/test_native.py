"""Data sets of lower resolution are packed and unpacked as the patches that are read of them."""

import dataclasses

import numpy as np
import pytest
from native import FULL, PHASES, native_layout, write_roots

import cloudio
from cloudio.packing.sources.datasets import DatasetSource


@pytest.fixture
def roots(tmp_path):
    return write_roots(tmp_path, {"train": 4, "val": 2})


def opened(roots, **layout):
    return cloudio.open(roots.native, layout=dataclasses.replace(native_layout(), **layout))


@pytest.mark.parametrize("crop", [None, 16])
def test_a_packed_copy_has_whole_patches(roots, tmp_path, crop):
    with opened(roots) as ds, cloudio.open(roots.full, layout=FULL) as full:
        cloudio.pack(ds, tmp_path / "one", crop=crop, workers=1, progress=False)
        cloudio.pack(full, tmp_path / "two", crop=crop, workers=1, progress=False)
    with cloudio.open(tmp_path / "one") as one, cloudio.open(tmp_path / "two") as two:
        assert one.names == two.names
        assert {band.repeat for band in one.layout.bands} == {1}
        assert one.layout.bands == two.layout.bands
        for split in ("train", "val"):
            for name in one.names:
                found, expected = one.split(split)[name], two.split(split)[name]
                assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"), name


def test_a_copy_of_channels_that_are_last_is_possible(tmp_path):
    roots = write_roots(tmp_path, {"train": 2}, stacked="last")
    with cloudio.open(roots.native, layout=native_layout(stacked="last")) as ds:
        cloudio.pack(ds, tmp_path / "one", workers=1, progress=False)
    with cloudio.open(tmp_path / "one") as one:
        for name in ("L1C_B3", "L1C_B4", "L2A_B4", "L1C_B2"):
            assert np.array_equal(one.split("train")[name], roots.arrays[name])


def test_an_unfinished_copy_is_not_resumed_with_other_phases(roots):
    before = DatasetSource(opened(roots)).digest()
    assert DatasetSource(opened(roots)).digest() == before
    bands = [
        dataclasses.replace(band, phase=2) if band.name == "L2A_AOT" else band
        for band in native_layout().bands
    ]
    assert DatasetSource(opened(roots, bands=tuple(bands))).digest() != before
    path = roots.native / "train" / PHASES.format(name="L1C_B3")
    np.save(path, np.zeros((4, 2), "i8"))
    assert DatasetSource(opened(roots)).digest() != before


def test_unpacked_files_are_those_of_whole_patches(roots, tmp_path):
    with opened(roots) as ds, cloudio.open(roots.full, layout=FULL) as full:
        for name, each in (("one", ds), ("two", full)):
            cloudio.unpack(each, tmp_path / name, format="npy", workers=1)
    files = sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*.npy"))
    assert len(files) >= 6
    for file in files:
        one, two = (tmp_path / name / file for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), file
