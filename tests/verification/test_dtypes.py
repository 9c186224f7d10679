"""Arrays that are read as another type or in another byte order."""

import dataclasses
import shutil

import numpy as np
import pytest
from clean import TINY, TINY_PATCHES, found_checks, verify_tiny
from defects import PLANTED
from planting import INNER, edit

from cloudio import Layout
from cloudio.verification.pixel_checks.dtypes import looks_byte_swapped, looks_misread


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_a_label_is_not_cut_because_bands_are_misread(tiny, dtype):
    names = ("L1C_B2", "L1C_B4")
    bands = [dataclasses.replace(TINY.band(name), dtype=dtype) for name in names]
    label = TINY.band("LABEL_manual_hq")
    policies = {label.name: TINY.label_maps[label.name]}
    layout = Layout("Two", TINY.patch, TINY.valid, (*bands, label), label_maps=policies)
    shutil.rmtree(tiny / "train")
    for file in (tiny / "val").iterdir():
        if file.stem in names:
            (np.fromfile(file, "<i2") * np.float32(1e-4)).tofile(file)
        elif file.stem != "LABEL_manual_hq":
            file.unlink()
    # Bands of int16 may be stored as float32, and the label says that they are.
    check, patches = ("type", ()) if dtype == "int16" else ("halves", (0, 1, 2, 3))
    reported = [(check, "val", f"{name}.dat", patches) for name in names]
    assert found_checks(verify_tiny(tiny, layout=layout)) == reported


def test_with_metadata_a_cut_file_is_reported_beside_a_misread_one(tiny):
    PLANTED["an_unknown_file_is_float32"][0](tiny)
    PLANTED["a_file_is_cut"][0](tiny)
    assert [f.check for f in verify_tiny(tiny).findings] == ["cut", "halves", "unknown"]


def test_numbers_of_12_bits_in_the_upper_bits_of_16_are_not_byte_swapped(tiny):
    for split in TINY_PATCHES:
        part = edit(tiny, "L1C_B4", split)
        part[...] = np.minimum(part, 2047) << 4
    assert verify_tiny(tiny).ok


def test_rows_of_one_number_each_are_not_byte_swapped(tiny):
    edit(tiny)[:, INNER, INNER] = 256 * np.arange(61)[:, None] + np.arange(61)[:, None] % 7
    assert verify_tiny(tiny).ok


def test_real_patches_look_like_what_they_are(mini):
    for split in mini.splits:
        part = mini.split(split)
        for name in part.names:
            patch = np.ascontiguousarray(part[name][0])
            assert not looks_byte_swapped(patch)
            if patch.dtype.itemsize < 4:
                assert not looks_misread(patch)
            else:
                assert looks_misread(patch.view("<i2")[:, :512])
            if name.startswith("L1C") and name != "L1C_B10":
                assert looks_byte_swapped(patch.byteswap())
                assert looks_misread((patch * np.float32(1e-4)).view("<i2")[:, :512])
