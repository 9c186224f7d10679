"""Holes in sparse files."""

import os

import numpy as np
import pytest
from clean import found_checks

import cloudio


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="holes cannot be asked for")
def test_patches_in_holes_are_reported_as_holes_and_not_as_constant(tmp_path):
    """Files large enough for a hole: patches of 512 x 512, of two bytes."""
    arrays = ["L1C_B3", "L1C_B4", "LABEL_sen2cor"]
    cloudio.synthesize(tmp_path / "x", {"train": 3}, arrays=arrays)
    path = tmp_path / "x" / "train" / "L1C_B4.dat"
    held, plane = path.read_bytes(), 2 * 512 * 512
    with open(path, "wb") as file:
        file.write(held[:plane])
        file.seek(2 * plane)
        file.write(held[2 * plane :])
    if path.stat().st_blocks * 512 >= path.stat().st_size:
        pytest.skip("this file system makes no holes")
    for full in (False, True):
        report = cloudio.verify(tmp_path / "x", full=full)
        reported = [f for f in report.findings if f.check != "codes"]
        assert [(f.check, f.split, f.file, f.patches) for f in reported] == [
            ("holes", "train", "L1C_B4.dat", (1,))
        ]
        assert "1,048,576 of 1,572,864 bytes" in reported[0].message


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="holes cannot be asked for")
@pytest.mark.parametrize("zeros", ["written", "left out"])
def test_holes_of_a_label_count_only_where_its_other_zeros_are_written(tmp_path, zeros):
    """Patches 0..3: some codes, a hole, only zeros, some codes."""
    names = ["L1C_B2", "L1C_B8A", "LABEL_manual_hq"]
    cloudio.synthesize(tmp_path / "x", {"train": 4}, arrays=names)
    path = tmp_path / "x" / "train" / "LABEL_manual_hq.dat"
    patches = np.fromfile(path, "u1").reshape(4, 512 * 512)
    patches[2] = 0
    with open(path, "wb") as file:
        for k, patch in enumerate(patches):
            if k == 1 or (k == 2 and zeros == "left out"):
                file.seek(512 * 512, os.SEEK_CUR)
            else:
                file.write(patch)
    if path.stat().st_blocks * 512 >= path.stat().st_size:
        pytest.skip("this file system makes no holes")
    expected = [("holes", "train", "LABEL_manual_hq.dat", (1,))] if zeros == "written" else []
    assert found_checks(cloudio.verify(tmp_path / "x")) == expected
    assert found_checks(cloudio.verify(tmp_path / "x", full=False)) == expected
