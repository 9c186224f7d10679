"""A manifest, and what has changed since, to the byte."""

import json
import os
import shutil

import numpy as np
from builders import SMALL, write_root, write_split
from clean import SIDE, TINY, found_checks, verify_tiny
from planting import flip_bit

import cloudio
from cloudio.reading import scan


def test_a_manifest_has_sizes_and_a_checksum_of_every_patch(with_manifest):
    path, manifest = with_manifest
    held = json.loads(manifest.read_text(encoding="utf-8"))
    assert held["layout"] == "Tiny"
    assert held["written by"]["cloudio"] == cloudio.__version__
    ds = cloudio.open(path, layout=TINY)
    assert len(held["arrays"]) == 20
    for entry in held["arrays"]:
        part = ds.split(entry["split"])
        array = part[entry["array"]]
        assert (path / entry["file"]).stat().st_size == entry["bytes"]
        assert np.dtype(entry["dtype"]) == array.dtype
        sums = scan.count_array(part, entry["array"], whole=True, checksum=True).patches["checksum"]
        assert entry["checksums"] == "".join(f"{int(n):016x}" for n in sums)
    assert [entry["file"] for entry in held["metadata"]] == [
        "train/metadata.csv",
        "val/metadata.csv",
    ]
    assert [p.name for p in manifest.parent.iterdir()] == ["tiny", "manifest.json"]


def test_against_its_own_manifest_nothing_has_changed(with_manifest):
    path, manifest = with_manifest
    assert verify_tiny(path, against=manifest).ok
    assert verify_tiny(path, against=manifest, full=False).ok


def test_a_flipped_bit_is_reported_with_file_and_patch(with_manifest):
    path, manifest = with_manifest
    flip_bit(
        path / "train" / "L1C_B4.dat", 2 * (SIDE * SIDE + 30 * SIDE + 30)
    )  # in the window of patch 1
    assert verify_tiny(path).ok  # by itself it is a number like any other
    report = verify_tiny(path, against=manifest)
    assert found_checks(report) == [("manifest-bytes", "train", "L1C_B4.dat", (1,))]
    assert verify_tiny(path, against=manifest, full=False).ok


def test_flipped_bits_at_both_ends_of_a_file_are_reported(with_manifest):
    path, manifest = with_manifest
    array = path / "val" / "S1_VV.dat"
    flip_bit(array, 4 * (SIDE + 1))
    flip_bit(array, 4 * (2 * SIDE * SIDE - 2 * SIDE - 4))
    assert found_checks(verify_tiny(path, against=manifest)) == [
        ("manifest-bytes", "val", "S1_VV.dat", (0, 1))
    ]


def test_another_size_or_type_is_reported(with_manifest):
    path, manifest = with_manifest
    file = path / "val" / "LABEL_manual_hq.dat"
    np.fromfile(file, "u1").astype("<i2").tofile(file)
    for full in (True, False):
        reported = [
            f
            for f in verify_tiny(path, against=manifest, full=full).findings
            if "manifest" in f.check
        ]
        assert [(f.check, f.split, f.file) for f in reported] == [
            ("manifest-size", "val", "LABEL_manual_hq.dat")
        ]
        assert reported[0].message == f"{4 * SIDE * SIDE:,} bytes; it had {2 * SIDE * SIDE:,}"


def test_a_missing_and_a_new_array_are_reported(with_manifest):
    path, manifest = with_manifest
    for split in ("train", "val"):
        shutil.move(path / split / "S1_VV.dat", path / split / "LABEL_qa60.npy")
        np.save(path / split / "LABEL_qa60.npy", np.eye(SIDE, dtype="<i2")[None].repeat(3, 0))
    shutil.copy(path / "train" / "metadata.csv", path / "val" / "metadata.csv")
    shutil.rmtree(path / "val")
    assert [
        f
        for f in found_checks(verify_tiny(path, against=manifest, full=False))
        if "manifest" in f[0]
    ] == [
        ("manifest-missing", "train", "S1_VV.dat", ()),
        *(
            ("manifest-missing", "val", name, ())
            for name in sorted([*(f"{b.name}.dat" for b in TINY.bands[:-1]), "metadata.csv"])
        ),
        ("manifest-new", "train", "LABEL_qa60.npy", ()),
    ]


def test_changed_metadata_is_reported(with_manifest):
    path, manifest = with_manifest
    file = path / "train" / "metadata.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("ROI_", "roi_"), encoding="utf-8")
    report = verify_tiny(path, against=manifest, full=False)
    assert found_checks(report) == [("manifest-bytes", "train", "metadata.csv", ())]


def test_a_file_with_another_finding_is_not_reported_again(with_manifest):
    path, manifest = with_manifest
    os.truncate(path / "train" / "L1C_B4.dat", 100)
    (path / "val" / "S1_VV.dat").unlink()
    assert found_checks(verify_tiny(path, against=manifest)) == [
        ("cut", "train", "L1C_B4.dat", (0, 1, 2)),
        ("missing", "val", "S1_VV.dat", ()),
    ]


def test_missing_metadata_is_reported_once(with_manifest):
    path, manifest = with_manifest
    (path / "val" / "metadata.csv").unlink()
    reported = found_checks(verify_tiny(path, against=manifest, full=False))
    assert reported == [("no-metadata", "val", "metadata.csv", ())]
    (path / "train" / "metadata.csv").unlink()  # which no split has now
    assert found_checks(verify_tiny(path, against=manifest, full=False)) == [
        ("manifest-missing", split, "metadata.csv", ()) for split in ("train", "val")
    ]


def test_an_array_that_cannot_be_read_is_not_in_the_manifest(tiny, tmp_path, monkeypatch):
    array, manifest = scan.count_array, tmp_path / "m.json"

    def failing(ds, name, **options):
        if name == "L1C_B4" and "train" in ds.splits:
            raise OSError("the disk failed")
        return array(ds, name, **options)

    with monkeypatch.context() as patched:
        patched.setattr(scan, "count_array", failing)
        verify_tiny(tiny, manifest=manifest)
    assert found_checks(verify_tiny(tiny, against=manifest)) == [
        ("manifest-new", "train", "L1C_B4.dat", ())
    ]


def test_empty_files_are_reported_once(with_manifest):
    path, manifest = with_manifest
    names = sorted(file.name for file in (path / "val").glob("*.dat"))
    for name in names:
        os.truncate(path / "val" / name, 0)
    assert found_checks(verify_tiny(path, against=manifest, full=False)) == [
        ("unreadable", "val", name, ()) for name in names
    ]


def test_the_manifest_of_a_single_split_is_the_same_after_a_move(tmp_path):
    path, manifest = tmp_path / "a" / "train", tmp_path / "m.json"
    write_split(path, 2)
    verify_tiny(path, layout=SMALL, manifest=manifest)
    moved = tmp_path / "b" / "train"
    moved.parent.mkdir()
    shutil.move(path, moved)
    reported = verify_tiny(moved, layout=SMALL, against=manifest)
    assert not any("manifest" in f.check for f in reported.findings)
    flip_bit(moved / "L2A_B4.dat", 700)
    reported = verify_tiny(moved, layout=SMALL, against=manifest)
    assert [f for f in found_checks(reported) if "manifest" in f[0]] == [
        ("manifest-bytes", "train", "L2A_B4.dat", (0,))
    ]


def test_a_flipped_byte_of_any_array_is_reported(tmp_path):
    write_root(tmp_path / "x", {"train": 2, "test": 1})
    manifest = tmp_path / "m.json"
    verify_tiny(tmp_path / "x", layout=SMALL, manifest=manifest)
    rng = np.random.default_rng(1)
    for band in SMALL.bands:
        file = tmp_path / "x" / "train" / f"{band.name}.dat"
        held = file.read_bytes()
        byte = int(rng.integers(len(held)))
        flip_bit(file, byte)
        report = verify_tiny(tmp_path / "x", layout=SMALL, against=manifest)
        reported = [f for f in found_checks(report) if "manifest" in f[0]]
        patch = byte * 2 // len(held)
        assert reported == [("manifest-bytes", "train", file.name, (patch,))]
        file.write_bytes(held)
