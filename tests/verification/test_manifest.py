"""Manifests: what was there, and what has changed since, to the byte."""

import json
import os
import shutil

import numpy as np
import pytest
from builders import SMALL, write_root, write_split
from clean import SIDE, TINY, found, look

import cloudio
from cloudio import RequestError
from cloudio.cli import main
from cloudio.layouts import toml_writer
from cloudio.reading import scan
from cloudio.verification import manifest as manifests


@pytest.fixture
def kept(tiny, tmp_path):
    """A clean set, and its manifest."""
    manifest = tmp_path / "manifest.json"
    assert look(tiny, manifest=manifest).ok
    return tiny, manifest


def flip(path, byte):
    with open(path, "r+b") as file:
        file.seek(byte)
        held = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([held ^ 1]))


def test_a_manifest_has_sizes_and_a_checksum_of_every_patch(kept):
    path, manifest = kept
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


def test_against_its_own_manifest_nothing_has_changed(kept):
    path, manifest = kept
    assert look(path, against=manifest).ok
    assert look(path, against=manifest, full=False).ok


def test_a_flipped_bit_is_told_with_file_and_patch(kept):
    path, manifest = kept
    flip(
        path / "train" / "L1C_B4.dat", 2 * (SIDE * SIDE + 30 * SIDE + 30)
    )  # in the window of patch 1
    assert look(path).ok  # by itself it is a number like any other
    report = look(path, against=manifest)
    assert found(report) == [("manifest-bytes", "train", "L1C_B4.dat", (1,))]
    assert look(path, against=manifest, full=False).ok


def test_bits_that_are_flipped_at_both_ends_of_a_file_are_told(kept):
    path, manifest = kept
    array = path / "val" / "S1_VV.dat"
    flip(array, 4 * (SIDE + 1))
    flip(array, 4 * (2 * SIDE * SIDE - 2 * SIDE - 4))
    assert found(look(path, against=manifest)) == [("manifest-bytes", "val", "S1_VV.dat", (0, 1))]


def test_other_sizes_and_types_are_told(kept):
    path, manifest = kept
    file = path / "val" / "LABEL_manual_hq.dat"
    np.fromfile(file, "u1").astype("<i2").tofile(file)
    for full in (True, False):
        told = [
            f for f in look(path, against=manifest, full=full).findings if "manifest" in f.check
        ]
        assert [(f.check, f.split, f.file) for f in told] == [
            ("manifest-size", "val", "LABEL_manual_hq.dat")
        ]
        assert told[0].message == f"{4 * SIDE * SIDE:,} bytes; there were {2 * SIDE * SIDE:,}"


def test_an_array_that_is_gone_or_new_is_told(kept):
    path, manifest = kept
    for split in ("train", "val"):
        shutil.move(path / split / "S1_VV.dat", path / split / "LABEL_qa60.npy")
        np.save(path / split / "LABEL_qa60.npy", np.eye(SIDE, dtype="<i2")[None].repeat(3, 0))
    shutil.copy(path / "train" / "metadata.csv", path / "val" / "metadata.csv")
    shutil.rmtree(path / "val")
    assert [f for f in found(look(path, against=manifest, full=False)) if "manifest" in f[0]] == [
        ("manifest-missing", "train", "S1_VV.dat", ()),
        *(
            ("manifest-missing", "val", name, ())
            for name in sorted([*(f"{b.name}.dat" for b in TINY.bands[:-1]), "metadata.csv"])
        ),
        ("manifest-new", "train", "LABEL_qa60.npy", ()),
    ]


def test_other_metadata_is_told(kept):
    path, manifest = kept
    file = path / "train" / "metadata.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("ROI_", "roi_"), encoding="utf-8")
    report = look(path, against=manifest, full=False)
    assert found(report) == [("manifest-bytes", "train", "metadata.csv", ())]


def test_what_is_told_of_a_file_already_is_not_told_twice(kept):
    path, manifest = kept
    os.truncate(path / "train" / "L1C_B4.dat", 100)
    (path / "val" / "S1_VV.dat").unlink()
    assert found(look(path, against=manifest)) == [
        ("cut", "train", "L1C_B4.dat", (0, 1, 2)),
        ("missing", "val", "S1_VV.dat", ()),
    ]


def test_metadata_that_is_gone_is_told_once(kept):
    path, manifest = kept
    (path / "val" / "metadata.csv").unlink()
    told = found(look(path, against=manifest, full=False))
    assert told == [("no-metadata", "val", "metadata.csv", ())]
    (path / "train" / "metadata.csv").unlink()  # which no split has now
    assert found(look(path, against=manifest, full=False)) == [
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
        look(tiny, manifest=manifest)
    assert found(look(tiny, against=manifest)) == [("manifest-new", "train", "L1C_B4.dat", ())]


def test_files_of_a_split_that_are_all_empty_are_told_once(kept):
    path, manifest = kept
    names = sorted(file.name for file in (path / "val").glob("*.dat"))
    for name in names:
        os.truncate(path / "val" / name, 0)
    assert found(look(path, against=manifest, full=False)) == [
        ("unreadable", "val", name, ()) for name in names
    ]


def test_a_split_that_is_the_folder_itself_and_one_that_moved_have_the_same_manifest(tmp_path):
    path, manifest = tmp_path / "a" / "train", tmp_path / "m.json"
    write_split(path, 2)
    look(path, layout=SMALL, manifest=manifest)
    moved = tmp_path / "b" / "train"
    moved.parent.mkdir()
    shutil.move(path, moved)
    told = look(moved, layout=SMALL, against=manifest)
    assert not any("manifest" in f.check for f in told.findings)
    flip(moved / "L2A_B4.dat", 700)
    told = look(moved, layout=SMALL, against=manifest)
    assert [f for f in found(told) if "manifest" in f[0]] == [
        ("manifest-bytes", "train", "L2A_B4.dat", (0,))
    ]


def test_any_flipped_byte_of_any_array_is_told(tmp_path):
    write_root(tmp_path / "x", {"train": 2, "test": 1})
    manifest = tmp_path / "m.json"
    look(tmp_path / "x", layout=SMALL, manifest=manifest)
    rng = np.random.default_rng(1)
    for band in SMALL.bands:
        file = tmp_path / "x" / "train" / f"{band.name}.dat"
        held = file.read_bytes()
        byte = int(rng.integers(len(held)))
        flip(file, byte)
        report = look(tmp_path / "x", layout=SMALL, against=manifest)
        told = [f for f in found(report) if "manifest" in f[0]]
        patch = byte * 2 // len(held)
        assert told == [("manifest-bytes", "train", file.name, (patch,))]
        file.write_bytes(held)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no JSON", "is no manifest: Expecting value"),
        ([1], "is no manifest; cloudio verify --manifest FILE writes one"),
        ({"format": None}, "is no manifest; cloudio verify"),
        ({"format": "cloudio manifest 9"}, "is a 'cloudio manifest 9'; this cloudio reads"),
        ({"checksum": "crc"}, "has checksums of 'crc'; this cloudio has"),
        ({"layout": "Other"}, "is of the layout 'Other', not 'Tiny'"),
        ({"arrays": None}, "arrays is missing, or no list"),
        ({"arrays": [7]}, r"arrays\[0\] is no entry"),
        ({"metadata": [{}]}, r"metadata\[0\] has no 'split' that is str"),
        (("bytes", True), r"arrays\[1\] has no 'bytes' that is int"),
        (("bytes", -4), r"arrays\[1\] has -4 bytes"),
        (("patches", 2), r"arrays\[1\]: checksums are no 16 digits a patch"),
        (("checksums", ""), r"arrays\[1\]: checksums are no 16 digits a patch"),
        (("array", "L1C_B2"), r"arrays\[2\]: train L1C_B2 is there twice"),
        ("bytes", r"arrays\[1\] has no 'bytes' that is int"),
        ("checksums", r"arrays\[1\]: checksums are no 16 digits a patch"),
    ],
)
def test_what_is_no_manifest_is_refused(kept, change, message):
    path, manifest = kept
    held = json.loads(manifest.read_text(encoding="utf-8"))
    if change == "no JSON":
        manifest.write_text("{", encoding="utf-8")
        message = "is no manifest: Expecting"
    else:
        if isinstance(change, dict):
            held |= change
        elif isinstance(change, tuple):
            held["arrays"][1][change[0]] = change[1]
        elif isinstance(change, str):
            held["arrays"][1][change] = "0" * 15
        else:
            held = change
        manifest.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(RequestError, match=message):
        look(path, against=manifest)


def test_a_manifest_that_is_not_there_or_cannot_be_written_is_an_error_before_the_pass(
    kept, monkeypatch
):
    path, manifest = kept
    monkeypatch.setattr(scan, "count_array", None)
    with pytest.raises(FileNotFoundError):
        look(path, against=manifest.with_name("gone"))
    with pytest.raises(FileNotFoundError, match=r"no folder .* to write m in"):
        look(path, manifest=path / "gone" / "m")
    with pytest.raises(RequestError, match="is a folder; a file is needed"):
        look(path, manifest=path)
    with pytest.raises(RequestError, match="with full=False; checksums need every byte"):
        look(path, manifest=manifest, full=False)


def test_a_manifest_never_replaces_the_one_it_is_compared_with(kept, monkeypatch):
    path, manifest = kept
    before = manifest.read_bytes()
    link = manifest.with_name("link")
    link.symlink_to(manifest)
    monkeypatch.setattr(scan, "count_array", None)
    for one, other in ((manifest, manifest), (link, manifest), (manifest, link)):
        with pytest.raises(RequestError, match="is what is compared with; name another file"):
            look(path, manifest=one, against=other, force=True)
    assert manifest.read_bytes() == before


def test_a_file_that_is_there_is_replaced_only_on_demand(kept, monkeypatch):
    path, manifest = kept
    manifest.write_text("mine", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(scan, "count_array", None)
        with pytest.raises(FileExistsError, match="is there already; force=True or --force repl"):
            look(path, manifest=manifest)
    assert manifest.read_text(encoding="utf-8") == "mine"
    assert look(path, manifest=manifest, force=True).ok
    assert json.loads(manifest.read_text(encoding="utf-8"))["layout"] == "Tiny"


def test_a_file_that_appears_during_the_pass_is_not_replaced(tiny, tmp_path, monkeypatch):
    manifest = tmp_path / "m.json"
    describe = manifests.describe

    def late(*given):
        manifest.write_text("mine", encoding="utf-8")
        return describe(*given)

    monkeypatch.setattr(manifests, "describe", late)
    with pytest.raises(FileExistsError, match="is there already"):
        look(tiny, manifest=manifest)
    assert manifest.read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "tiny"]


def test_a_link_is_followed_and_stays(kept, tmp_path):
    path, manifest = kept
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    look(path, manifest=link)
    look(path, manifest=link, force=True)
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == manifest.read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_regular_file_is_not_replaced(tiny, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(RequestError, match="is no regular file; one is needed"):
            look(tiny, manifest=path, force=True)
    assert (tmp_path / "pipe").is_fifo()


def test_an_interrupt_leaves_the_old_manifest(kept, monkeypatch):
    path, manifest = kept
    before = manifest.read_bytes()

    def fsync(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        look(path, manifest=manifest, force=True)
    assert manifest.read_bytes() == before
    assert sorted(p.name for p in manifest.parent.iterdir()) == ["manifest.json", "tiny"]


def test_the_command_writes_and_compares(kept, tmp_path, capsys):
    path, manifest = kept
    layout = tmp_path / "tiny.toml"
    layout.write_text(toml_writer.to_toml(TINY), encoding="utf-8")
    command = ["verify", str(path), "--layout", str(layout)]
    again = tmp_path / "again.json"
    assert main([*command, "--manifest", str(again), "--against", str(manifest)]) == 0
    assert again.read_bytes() == manifest.read_bytes()
    assert main([*command, "--manifest", str(again)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main([*command, "--manifest", str(again), "--force"]) == 0
    capsys.readouterr()
    flip(path / "train" / "L1C_B4.dat", 2 * (30 * SIDE + 30))
    assert main([*command, "--against", str(again)]) == 1
    assert "L1C_B4.dat  0  other bytes" in capsys.readouterr().out
    assert main([*command, "--against", str(layout)]) == 2
    assert "is no manifest" in capsys.readouterr().err
