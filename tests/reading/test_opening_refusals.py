"""Folders and files that are refused when they are opened."""

import os
import sys
import tempfile
from pathlib import Path

import processes
import pytest
from builders import write_root, write_split
from small_sets import PATCH, open_small, raises, write_zeros

import cloudio
from cloudio import CLOUDSEN12, LayoutError, RequestError


def test_a_missing_folder_is_named(tmp_path):
    with raises(FileNotFoundError, "no folder", tmp_path / "nowhere"):
        open_small(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path):
    write_zeros(tmp_path, B2=PATCH)
    with raises(
        NotADirectoryError, tmp_path / "B2.dat", "is a file; give the folder of the .dat or"
    ):
        open_small(tmp_path / "B2.dat")


@pytest.mark.parametrize("made", ["", "train", "train/deeper"])
def test_a_folder_without_files_is_refused(tmp_path, made):
    (tmp_path / made).mkdir(parents=True, exist_ok=True)
    (tmp_path / made / "L1C_B2.bin").write_bytes(b"x")
    with raises(LayoutError, "there are no .dat or .npy files in", tmp_path, "or its sub-folders"):
        open_small(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    write_zeros(tmp_path, B2=2 * PATCH, B3=0)
    with raises(LayoutError, tmp_path / "B3.dat", "is empty"):
        open_small(tmp_path)


def test_a_folder_where_a_file_should_be_is_refused(tmp_path):
    write_zeros(tmp_path, B2=2 * PATCH)
    (tmp_path / "B3.dat").mkdir()
    with raises(LayoutError, tmp_path / "B3.dat", "is not a regular file"):
        open_small(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_where_a_file_should_be_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "B3.dat")
    with raises(LayoutError, tmp_path / "B3.dat", "is not a regular file"):
        open_small(tmp_path)


def test_a_link_to_nothing_is_refused(tmp_path):
    write_zeros(tmp_path, B2=2 * PATCH)
    (tmp_path / "B3.dat").symlink_to(tmp_path / "gone")
    with raises(FileNotFoundError, tmp_path / "B3.dat", "a link to a file that does not exist"):
        open_small(tmp_path)


def test_a_link_to_a_file_is_that_file(tmp_path):
    arrays = write_split(tmp_path / "a", 2, names=["B2"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "B3.dat").symlink_to(tmp_path / "a" / "B2.dat")
    assert open_small(tmp_path / "b")["B3"].tobytes() == arrays["L1C_B2"].tobytes()


def test_one_split_under_two_names_is_refused(tmp_path):
    write_root(tmp_path, {"train": 1, "high_train": 1}, names=["B2"])
    with raises(LayoutError, "train and", "high_train are both the split 'train'"):
        open_small(tmp_path)


def test_files_beside_the_splits_are_refused(tmp_path):
    write_root(tmp_path, {"train": 1, "val": 1}, names=["B2"])
    write_zeros(tmp_path, B2=2 * PATCH)
    with raises(LayoutError, tmp_path, "has array files beside the split", "train"):
        open_small(tmp_path)


def test_an_error_in_one_split_of_a_root_names_the_file(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 2}, names=["B2", "B3"])
    os.truncate(tmp_path / "val" / "B3.dat", 100)
    with raises(LayoutError, tmp_path / "val" / "B3.dat", "holds 100 bytes, but ", "2 patches"):
        open_small(tmp_path)


@pytest.mark.parametrize("io", ["MMAP", "read", None, 1])
def test_an_unknown_io_is_refused(root, io):
    with raises(RequestError, f"io={io!r}; ", "'mmap'"):
        open_small(root[0], io=io)


@pytest.mark.parametrize("layout", ["CloudSEN12", "NCHW", {}, cloudio.Layout])
def test_a_layout_is_a_layout(root, layout):
    with raises(RequestError, f"layout={layout!r}; layout must be a cloudio.Layout"):
        cloudio.open(root[0], layout=layout)


def test_a_layout_that_does_not_fit_is_refused_with_its_patch(root):
    with raises(
        LayoutError,
        ".dat holds 11,520 bytes, but ",
        "3 patches of 512 x 512 are 1,572,864 bytes (int16)",
    ):
        cloudio.open(root[0])


# Python's own files may be closed to nobody, so the codec is loaded before.
UNREADABLE = """
import encodings.utf_8_sig, os, sys
import cloudio

if os.geteuid() == 0:
    os.seteuid(65534)
try:
    ds = cloudio.open(sys.argv[1])
    print(ds.names)
    print(ds["B3"].shape)
    ds["B4"]
except PermissionError as error:
    print("refused", error.filename)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind")
@pytest.mark.parametrize("kind", ["file", "metadata", "folder"])
def test_what_may_not_be_read_is_named(kind):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "train"
        write_split(folder, 1, CLOUDSEN12, names=["L1C_B3", "L1C_B4"])
        closed = {"file": "L1C_B4.dat", "metadata": "metadata.csv", "folder": "."}
        for path in (Path(name), folder, *folder.iterdir()):
            path.chmod(0o755)
        (folder / closed[kind]).chmod(0)
        run = processes.run([sys.executable, "-c", UNREADABLE, folder])
        folder.chmod(0o755)
    lines = run.stdout.splitlines()
    assert run.stderr == ""
    assert lines.pop() == f"refused {folder / closed[kind]}"
    # One file that is closed does not keep the others from being read.
    assert lines == (["('L1C_B3', 'L1C_B4')", "(1, 512, 512)"] if kind == "file" else [])
