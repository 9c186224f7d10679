"""Arrays that are read as another type or in another byte order."""

import dataclasses
import shutil

import numpy as np
import pytest
from clean import TINY, TINY_PATCHES, found_checks, verify_tiny
from defects import PLANTED
from planting import INNER, edit

from cloudio import Layout, verify
from cloudio.verification.pixel_checks.dtypes import (
    looks_byte_swapped,
    looks_misread,
    other_type,
)


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


def smooth(n=128):
    """A field of 0 to 1 whose neighbors are alike."""
    field = np.random.default_rng(0).normal(size=(n, n))
    for _ in range(6):
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1)) / 3
    return (field - field.min()) / np.ptp(field)


FIELD = smooth()
NOISE = np.random.default_rng(1).random((128, 128))
OTHERS = {
    "reflectance": (200 + FIELD * 9000, "<u2", "uint16 or int16"),
    "noise": (200 + NOISE * 9000, "<u2", "uint16 or int16"),
    "below zero": (FIELD * 4000 - 2000, "<i2", "uint16 or int16"),
    "below 256": (FIELD * 200, "<u2", "uint16 or int16"),
    "bright": (14000 + FIELD * 4000, "<u2", "uint16 or int16"),
    "bytes": (FIELD * 255, "u1", "uint8"),
    "int32": (FIELD * 3000, "<i4", "int32"),
    "float64": (FIELD * 0.4, "<f8", "float64"),
    "whole float64": (np.round(FIELD * 3000), "<f8", "float64"),
    "float32 as float64": ((FIELD * 0.3).astype("f4"), "<f8", "float64"),
    "dB": (FIELD * -30, "<f8", "float64"),
    "power": (FIELD * 1e-5, "<f8", "float64"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_type_that_is_described_as_float32_is_told(tmp_path, name):
    numbers, dtype, kind = OTHERS[name]
    patches = np.stack([np.roll(numbers, 7 * k, 1) for k in range(8)]).astype(dtype)
    patches.tofile(tmp_path / "red.dat")
    (tmp_path / "cloudio.toml").write_text(
        'name = "u"\npatch = [128, 128]\n[[arrays]]\nname = "red"\ndtype = "float32"\n'
    )
    (finding,) = verify(tmp_path).findings
    assert (finding.check, finding.file) == ("not-float32", "red.dat")
    assert finding.message == f"read as float32, but its pixels look like {kind}"


def masked(numbers, value):
    return np.where(FIELD < 0.5, np.float32(value), numbers)


LEGITIMATE = {
    "reflectance": FIELD * 0.4,
    "power of radar": FIELD * 1e-6,
    "little power": np.random.default_rng(2).exponential(1e-9, (128, 128)),
    "columns of gas": FIELD * 1e-12,
    "large": FIELD * 1e20,
    "of all magnitudes": 10 ** (FIELD * 60 - 30),
    "elevation": FIELD * 3000 - 100,
    "whole elevation": np.round(FIELD * 3000),
    "of a byte": np.round(FIELD * 255) / 255,
    "few": np.round(FIELD * 10),
    "noise": NOISE - 0.5,
    "whole noise": np.round(NOISE * 2**24),
    "NaN": masked(FIELD * 0.3, np.nan),
    "-9999": masked(FIELD * 0.3, -9999),
    "lowest": masked(FIELD * 0.3, -3.4028235e38),
    "mostly lowest": np.where(FIELD < 0.9, np.float32(-3.4028235e38), FIELD),
    "zeros between columns": np.where(np.arange(128) % 2, FIELD * 2 + 1, 0),
    "zeros between rows": np.where(np.arange(128)[:, None] % 2, FIELD * 2 + 1, 0),
    "mask": (FIELD > 0.5) * 1.0,
    "zeros": FIELD * 0,
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_float32_is_taken_for_nothing_else(name):
    assert other_type(LEGITIMATE[name].astype("<f4")) is None


def test_real_bands_are_float32_where_they_are_scaled(mini):
    for split in mini.splits:
        part = mini.split(split)
        for name in part.names:
            patch = np.ascontiguousarray(part[name][0])
            if patch.dtype == np.float32:
                assert other_type(patch) is None
            elif patch.dtype == np.int16:
                assert other_type((patch * np.float32(1e-4)).astype("<f4")) is None
                assert other_type(patch.astype("<f4")) is None
