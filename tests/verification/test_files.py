"""Files that cannot be read or opened, and how they are named."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import processes
import pytest
from clean import SIDE, found_checks, verify_tiny
from paths import SUPPORT
from planting import edit, only_bands

import cloudio
from cloudio import Band, Layout, LayoutError, Window
from cloudio.reading import scan


def test_an_array_that_cannot_be_read_is_reported_and_the_others_are_checked(tiny, monkeypatch):
    array = scan.count_array

    def failing(ds, name, **options):
        if name == "L1C_B4" and "train" in ds.splits:
            path = ds.path / "train" / "L1C_B4.dat"
            raise cloudio.TruncatedError.about(path, "holds less", patch=1)
        return array(ds, name, **options)

    monkeypatch.setattr(scan, "count_array", failing)
    edit(tiny, "S1_VV", "val")[0, 5, 5] = np.nan
    report = verify_tiny(tiny)
    assert found_checks(report) == [
        ("nan", "val", "S1_VV.dat", (0,)),
        ("read", "train", "L1C_B4.dat", (1,)),
    ]
    assert report.findings[0].message == "holds less"


HERE = str(SUPPORT)

# Python's own files may be closed to nobody, so that all is imported before.
UNREADABLE = """
import encodings.utf_8_sig, os, sys, tqdm
sys.path.insert(0, sys.argv[2])
from clean import found_checks, verify_tiny

verify_tiny(sys.argv[1])  # imports all it needs, where others may not
if os.geteuid() == 0:
    os.seteuid(65534)
for full in (True, False):
    print(found_checks(verify_tiny(sys.argv[1], full=full)))
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind")
def test_a_file_that_may_not_be_read_is_reported_and_the_others_are_checked(corners):
    with tempfile.TemporaryDirectory() as name:  # one that others may enter, to a certain extent
        path = Path(shutil.copytree(corners, Path(name) / "tiny"))
        edit(path, "S1_VV", "val")[0, 5, 5] = np.nan
        for entry in (Path(name), path, *path.rglob("*")):
            entry.chmod(0o755)
        (path / "train" / "L1C_B2.dat").chmod(0)
        run = processes.run([sys.executable, "-c", UNREADABLE, path, HERE])
    closed = ("unreadable", "train", "L1C_B2.dat", ())
    assert run.stderr == ""
    assert run.stdout.splitlines() == [
        str([("nan", "val", "S1_VV.dat", (0,)), closed]),
        str([closed]),
    ]


def test_without_any_array_the_error_is_that_of_open(tiny):
    only_bands(tiny)
    for file in (tiny / "val").glob("*.dat"):
        os.truncate(file, 100)
    with pytest.raises(LayoutError, match="holds 100 bytes, and no file here holds a whole"):
        verify_tiny(tiny)
    with pytest.raises(FileNotFoundError, match="no folder"):
        verify_tiny(tiny / "nowhere")


def test_a_split_that_cannot_be_opened_is_reported(tiny):
    for file in (tiny / "val").glob("*.dat"):
        os.truncate(file, 0)
    report = verify_tiny(tiny)
    assert {(f.check, f.split) for f in report.findings} == {("unreadable", "val")}
    assert {f.file for f in report.findings} == {f.name for f in (tiny / "val").glob("*.dat")}
    assert not any("val" in f.message for f in report.findings)
    assert report.splits == {"train": 3}


def test_metadata_with_the_name_of_its_split_is_named_so(tmp_path, tiny):
    path = tmp_path / "older"
    path.mkdir()
    for file in tiny.glob("*/*"):
        shutil.copy(file, path / f"{file.parent.name}_{file.name}")
    assert verify_tiny(path).ok
    (path / "val_metadata.csv").unlink()
    edit_of = np.memmap(path / "train_L1C_B4.dat", "<i2", "r+", shape=(3, SIDE, SIDE))
    edit_of[1, 30, 30] = -5
    assert found_checks(verify_tiny(path)) == [
        ("negative", "train", "train_L1C_B4.dat", (1,)),
        ("no-metadata", "val", "val_metadata.csv", ()),
    ]


def test_findings_name_the_channel_of_a_stacked_file(tmp_path):
    bands = tuple(
        Band(name, file="S2.npy", channel=k, channels=2, wavelength=500.0 + k)
        for k, name in enumerate(("one", "two"))
    )
    layout = Layout("Stacked", (32, 32), Window(1, 1, 30, 30), bands)
    rng = np.random.default_rng(5)
    array = np.zeros((3, 2, 32, 32), "<i2")
    array[:, :, 1:31, 1:31] = rng.integers(1, 2000, (3, 2, 30, 30))
    array[2, 1, 1:31, 1:31] = 9
    np.save(tmp_path / "S2.npy", array)
    assert found_checks(verify_tiny(tmp_path, layout=layout)) == [
        ("constant", tmp_path.name, "S2.npy[1]", (2,))
    ]
