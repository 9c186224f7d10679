"""Padding, wherever it lies."""

import os
import shutil
from pathlib import Path

import numpy as np
from clean import found_checks, verify_tiny
from planting import ALL, INNER, edit

import cloudio
from cloudio import Window
from cloudio.verification.pixel_checks.padding import find_padding


def test_the_padding_of_a_patch_is_found_whatever_it_is():
    rng = np.random.default_rng(0)
    for value in (0, -99, np.nan, 255):
        for window in (Window(0, 0, 20, 20), Window(3, 1, 9, 15), Window(5, 6, 1, 1)):
            patch = np.full((24, 22), value, "f4")
            inner = rng.normal(1000, 1, window.size)
            patch[window.row : window.row + window.height, window.col :][:, : window.width] = inner
            assert find_padding(patch).inner == window
        assert find_padding(np.full((4, 4), value, "f4")).inner is None


def test_padding_of_one_value_per_patch_is_one_finding(tiny):
    array = edit(tiny, "S1_VV")
    inner = array[:, INNER, INNER].copy()
    array[...] = np.array([1, 2.5, 3], "f4")[:, None, None]
    array[:, INNER, INNER] = inner
    (finding,) = verify_tiny(tiny).findings
    assert (finding.check, finding.patches) == ("frame-value", ALL)
    assert finding.message == "the padding is one value per patch, of 3 such as 1, 2.5, 3"


def test_patches_of_512_are_checked_like_small_ones(tmp_path, synthetic):
    path = Path(shutil.copytree(synthetic, tmp_path / "whole", copy_function=os.link))
    for name, dtype in (("L1C_B8", "<i2"), ("LABEL_sen2cor", "u1")):
        file = path / "train" / f"{name}.dat"
        array = np.fromfile(file, dtype).reshape(-1, 512, 512)
        if name == "L1C_B8":
            array = np.roll(array, (-1, -1), (1, 2))  # as CloudSEN12+ pads
        else:
            array[1, 100, 100:103] = 12
        file.unlink()  # not what is linked to it
        array.tofile(file)
    report = cloudio.verify(path)
    assert found_checks(report) == [
        ("codes", "train", "LABEL_sen2cor.dat", (1,)),
        ("frame", "train", "L1C_B8.dat", (0, 1, 2)),
    ]
    assert "rows 0..508, columns 0..508; the layout says rows 1..509" in str(report)
