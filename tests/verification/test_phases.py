"""Arrays of lower resolution: what verify says of their files, and of their patches."""

import dataclasses
import os

import numpy as np
import pytest
from native import EXCEPTIONS, FULL, PHASES, native_layout, write_roots

import cloudio
from cloudio.verification.file_checks.disk import patches_in_holes

PATCHES = {"train": 4, "val": 3}


@pytest.fixture
def roots(tmp_path):
    return write_roots(tmp_path, PATCHES)


def verify(roots, **options):
    return cloudio.verify(roots.native, layout=native_layout(), progress=False, **options)


def found(report):
    return {(f.check, f.split, f.file, f.patches) for f in report.findings}


def without_files(report):
    """Findings by array, because files of both forms may have other endings."""
    return {
        (f.check, f.split, f.file.rpartition(".")[0], f.patches, f.message) for f in report.findings
    }


def test_findings_are_those_of_whole_patches(roots):
    native = verify(roots)
    full = cloudio.verify(roots.full, layout=FULL, progress=False)
    assert without_files(native) == without_files(full)
    assert native.splits == full.splits
    sizes = [
        np.prod(native_layout().stored_size(band)) * np.dtype(band.dtype).itemsize
        for band in native_layout().bands
    ]
    exceptions = [each.exceptions for each in roots.stored.values() if each.exceptions is not None]
    n_exceptions = sum(each.nbytes for each in exceptions)
    assert native.n_bytes == sum(PATCHES.values()) * sum(sizes) + n_exceptions
    assert native.n_files == sum(path.suffix != ".csv" for path in roots.native.rglob("*.*"))
    assert native.n_bytes < full.n_bytes / 1.5


def test_manifests_of_both_forms_have_the_same_checksums(roots, tmp_path):
    manifest = tmp_path / "manifest.json"
    verify(roots, manifest=manifest)
    assert not any(f.check.startswith("manifest") for f in verify(roots, against=manifest).findings)
    # Another phase gives other patches, although no pixel has changed.
    path = roots.native / "train" / PHASES.format(name="L1C_B3")
    phases = np.load(path)
    phases[1] = 1 - phases[1]
    np.save(path, phases)
    report = verify(roots, against=manifest)
    changed = {(f.split, f.patches) for f in report.findings if f.check == "manifest-bytes"}
    assert changed == {("train", (1,))}


@pytest.mark.parametrize("full", [True, False])
def test_phases_out_of_range_are_found_and_nothing_else_of_the_array(roots, full):
    before = found(verify(roots, full=full))
    path = roots.native / "val" / PHASES.format(name="L2A_B4")
    phases = np.load(path)
    phases[0], phases[2] = (6, 0), (-1, 7)
    np.save(path, phases)
    report = verify(roots, full=full)
    new = [f for f in report.findings if f.check == "phases"]
    assert [(f.split, f.file, f.patches) for f in new] == [
        ("val", PHASES.format(name="L2A_B4"), (0, 2))
    ]
    assert "has the phase (6, 0) for patch 0; the phase of rows must be 0..5" in new[0].message
    others = {each for each in found(report) if each[0] != "phases"}
    assert others == {each for each in before if each[1:3] != ("val", "L2A_B4.dat")}
    with pytest.raises(cloudio.LayoutError, match="patch 0"):
        cloudio.open(roots.native, layout=native_layout()).reader("L2A_B4")


@pytest.mark.parametrize(
    ("break_it", "file", "words"),
    [
        (lambda path: path.unlink(), PHASES, "matches nothing in"),
        (lambda path: np.save(path, np.load(path)[:-1]), PHASES, "has 2 rows; val has 3 patches"),
        (lambda path: path.write_bytes(b""), PHASES, "is empty"),
        (lambda path: os.truncate(path, 130), PHASES, "holds 130 bytes"),
        (lambda path: np.save(path, np.load(path)[:, 1:]), EXCEPTIONS, "has shape (1, 39, 48)"),
        (lambda path: os.truncate(path, 500), EXCEPTIONS, "holds 500 bytes"),
        (lambda path: path.unlink(), EXCEPTIONS, "is an exception, but no file in"),
    ],
)
def test_missing_and_damaged_tables_are_findings(roots, break_it, file, words):
    path = roots.native / "val" / file.format(name="L2A_B4")
    break_it(path)
    report = verify(roots)
    (finding,) = [f for f in report.findings if f.check == "phases"]
    assert finding.split == "val"
    assert words in finding.message
    assert not any(f.check in ("missing", "read") for f in report.findings)


def test_links_of_tables_that_lead_out_of_the_folder_are_noted(roots):
    names = [PHASES.format(name="L1C_B3"), EXCEPTIONS.format(name="L1C_B4")]
    for name in names:
        path = roots.native / "train" / name
        path.rename(roots.native.parent / path.name)
        path.symlink_to(roots.native.parent / path.name)
    links = {f.file for f in verify(roots, full=False).findings if f.check == "link"}
    assert links == {*names}


def test_exceptions_are_no_holes(roots):
    """Their rows in the file of other patches may never have been written."""
    path = roots.native / "train" / "wide.dat"
    ds = cloudio.open(roots.native, layout=native_layout())
    array = ds.stored_splits[0].arrays["L1C_B4"]
    stored = roots.stored["train", "L1C_B4"]
    pixels = np.ones((4, 1 << 16), "i2")
    with open(path, "wb") as file:
        for k in range(4):
            if stored.phase[k][0] == -1 or k == 3:
                file.seek(pixels[k].nbytes, os.SEEK_CUR)
            else:
                file.write(pixels[k].tobytes())
        file.truncate(pixels.nbytes)
    wide = dataclasses.replace(array, path=path, shape=(4, 256, 256), start=0)
    if path.stat().st_blocks * 512 >= pixels.nbytes:
        pytest.skip("this file system has no holes")
    expected = [] if stored.phase[3][0] == -1 else [3]
    assert patches_in_holes(wide, measured=True) == expected
    assert patches_in_holes(dataclasses.replace(wide, native=None), measured=True) != expected
