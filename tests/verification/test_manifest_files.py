"""Files of manifests: refused, written, never replaced unasked."""

import json
import os

import pytest
from clean import SIDE, TINY, verify_tiny
from planting import flip_bit

import cloudio
from cloudio import RequestError
from cloudio.cli import main
from cloudio.layouts import toml_writer
from cloudio.reading import scan
from cloudio.verification import verify as verify_module


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no JSON", "is not a manifest; cloudio verify data/ --manifest FILE writes"),
        ([1], "is not a manifest; cloudio verify data/ --manifest FILE writes one"),
        ({"format": None}, "is not a manifest; cloudio verify"),
        (
            {"format": "cloudio manifest 9"},
            "has the format 'cloudio manifest 9'; this cloudio reads",
        ),
        ({"checksum": "crc"}, "has checksums of the kind 'crc', but this cloudio computes"),
        ({"layout": "Other"}, "is the manifest of a data set of the layout 'Other', not 'Tiny'"),
        ({"arrays": None}, "arrays is missing, or is not a list"),
        ({"arrays": [7]}, r"arrays\[0\] is not an entry"),
        ({"metadata": [{}]}, r"metadata\[0\] needs 'split' of type str"),
        (("bytes", True), r"arrays\[1\] needs 'bytes' of type int"),
        (("bytes", -4), r"arrays\[1\] has bytes=-4; it must be 0 or more"),
        (("patches", 2), r"arrays\[1\]: checksums must be 16 hexadecimal digits per patch"),
        (("checksums", ""), r"arrays\[1\]: checksums must be 16 hexadecimal digits per patch"),
        (("array", "L1C_B2"), r"arrays\[2\]: train L1C_B2 occurs twice"),
        ("bytes", r"arrays\[1\] needs 'bytes' of type int"),
        ("checksums", r"arrays\[1\]: checksums must be 16 hexadecimal digits per patch"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(with_manifest, change, message):
    path, manifest = with_manifest
    held = json.loads(manifest.read_text(encoding="utf-8"))
    if change == "no JSON":
        manifest.write_text("{", encoding="utf-8")
        message = "is not a manifest; cloudio verify data/"
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
        verify_tiny(path, against=manifest)


def test_wrong_paths_are_refused_before_the_pass(with_manifest, monkeypatch):
    path, manifest = with_manifest
    monkeypatch.setattr(scan, "count_array", None)
    with pytest.raises(FileNotFoundError):
        verify_tiny(path, against=manifest.with_name("gone"))
    with pytest.raises(FileNotFoundError, match=r"m cannot be written: there is no folder"):
        verify_tiny(path, manifest=path / "gone" / "m")
    with pytest.raises(RequestError, match="is a folder; give the path of a file"):
        verify_tiny(path, manifest=path)
    with pytest.raises(
        RequestError, match="with full=False; a manifest has checksums of every byte, so use"
    ):
        verify_tiny(path, manifest=manifest, full=False)


def test_a_manifest_never_replaces_the_one_it_is_compared_with(with_manifest, monkeypatch):
    path, manifest = with_manifest
    before = manifest.read_bytes()
    link = manifest.with_name("link")
    link.symlink_to(manifest)
    monkeypatch.setattr(scan, "count_array", None)
    for one, other in ((manifest, manifest), (link, manifest), (manifest, link)):
        with pytest.raises(
            RequestError, match="is the file to compare with; give another file name"
        ):
            verify_tiny(path, manifest=one, against=other, force=True)
    assert manifest.read_bytes() == before


def test_an_existing_file_is_replaced_only_with_force(with_manifest, monkeypatch):
    path, manifest = with_manifest
    manifest.write_text("mine", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(scan, "count_array", None)
        with pytest.raises(FileExistsError, match="exists already; force=True or --force repl"):
            verify_tiny(path, manifest=manifest)
    assert manifest.read_text(encoding="utf-8") == "mine"
    assert verify_tiny(path, manifest=manifest, force=True).ok
    assert json.loads(manifest.read_text(encoding="utf-8"))["layout"] == "Tiny"


def test_a_file_that_appears_during_the_pass_is_not_replaced(tiny, tmp_path, monkeypatch):
    manifest = tmp_path / "m.json"
    describe = verify_module.describe

    def late(*given):
        manifest.write_text("mine", encoding="utf-8")
        return describe(*given)

    monkeypatch.setattr(verify_module, "describe", late)
    with pytest.raises(FileExistsError, match="exists already"):
        verify_tiny(tiny, manifest=manifest)
    assert manifest.read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "tiny"]


def test_a_link_is_followed_and_stays(with_manifest, tmp_path):
    path, manifest = with_manifest
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    verify_tiny(path, manifest=link)
    verify_tiny(path, manifest=link, force=True)
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == manifest.read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_file_that_is_not_regular_is_not_replaced(tiny, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(RequestError, match="is not a regular file; give the path of one"):
            verify_tiny(tiny, manifest=path, force=True)
    assert (tmp_path / "pipe").is_fifo()


def test_an_interrupt_leaves_the_old_manifest(with_manifest, monkeypatch):
    path, manifest = with_manifest
    before = manifest.read_bytes()

    def fsync(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        verify_tiny(path, manifest=manifest, force=True)
    assert manifest.read_bytes() == before
    assert sorted(p.name for p in manifest.parent.iterdir()) == ["manifest.json", "tiny"]


def test_the_command_writes_and_compares(with_manifest, tmp_path, capsys):
    path, manifest = with_manifest
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
    flip_bit(path / "train" / "L1C_B4.dat", 2 * (30 * SIDE + 30))
    assert main([*command, "--against", str(again)]) == 1
    assert "L1C_B4.dat  0  other bytes" in capsys.readouterr().out
    assert main([*command, "--against", str(layout)]) == 2
    assert "is not a manifest" in capsys.readouterr().err


def test_a_missing_manifest_is_one(with_manifest):
    path, manifest = with_manifest
    wrong = manifest.with_name(f"{manifest.name}x")
    with pytest.raises(FileNotFoundError, match=f"no manifest {wrong}; did you mean {manifest}[?]"):
        cloudio.verify(path, layout=TINY, against=wrong)
