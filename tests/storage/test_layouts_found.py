"""Which layout a folder has, if none is given: its own, its root's, or that of its splits."""

import dataclasses
import os
import pickle

import numpy as np
import pytest
from builders import SMALL, write_root, write_split
from own_files import refusal
from toml_sets import toml
from warned import warned, warnings_and_result

import cloudio
from cloudio import CLOUDSEN12, LayoutError, Window
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml

NAMES = ["B2", "B3"]
PLAIN = dataclasses.replace(SMALL, presets={})
OTHER = dataclasses.replace(PLAIN, name="Other", valid=Window(0, 0, 40, 48))


def write_layout(folder, layout=PLAIN):
    return toml(folder, to_toml(layout), "cloudio.toml")


def same(one, other):
    return dataclasses.replace(one, name="") == dataclasses.replace(other, name="")


@pytest.mark.parametrize("name", ["train", "val", "high_test", "scribble", "2019"])
def test_a_split_that_is_opened_alone_has_the_layout_of_its_root(tmp_path, name):
    arrays = write_split(tmp_path / name, 2, names=NAMES)
    path = write_layout(tmp_path)
    ds = cloudio.open(tmp_path / name)
    assert ds.layout.file.path == path
    assert ds.valid_window == SMALL.valid
    assert ds["B2"].tobytes() == arrays["L1C_B2"].tobytes()
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == ds.layout
    assert again["B3"].tobytes() == arrays["L1C_B3"].tobytes()


def test_a_split_is_opened_alone_by_any_path(tmp_path, monkeypatch):
    write_split(tmp_path / "train", 2, names=NAMES)
    write_layout(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "train")
    monkeypatch.chdir(tmp_path / "train")
    for path in (".", "../train", "../train/.", tmp_path / "link", os.fspath(tmp_path / "train")):
        assert same(cloudio.open(path).layout, PLAIN)


def test_a_link_to_a_split_has_the_layout_of_the_split(tmp_path):
    arrays = write_split(tmp_path / "set" / "train", 2, names=NAMES)
    write_layout(tmp_path / "set")
    (tmp_path / "link").symlink_to(tmp_path / "set" / "train")
    ds = cloudio.open(tmp_path / "link")
    assert same(ds.layout, PLAIN)
    assert ds["B2"].tobytes() == arrays["L1C_B2"].tobytes()


LAYOUTS = {"broken": "patch = [", "other": to_toml(dataclasses.replace(OTHER, bands=()))}
LAYOUTS["other"] += '\n[[arrays]]\nname = "x"\ndtype = "uint8"\n'


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("part", [".", "copy", "train"])
def test_layouts_of_other_data_nearby_do_not_count(tmp_path, text, part):
    """Beside CloudSEN12, above a folder of it that has no name of a split, and below its root."""
    root = tmp_path / "set"
    for name in ("train", "val"):
        write_split(root / name, 1, CLOUDSEN12, names=NAMES, metadata=True)
    write_split(root / "copy" / "more", 1, CLOUDSEN12, names=NAMES, metadata=True)
    (root / "old").mkdir()
    toml(root / "old", text, "cloudio.toml")
    np.save(root / "old" / "x.npy", np.zeros((2, 40, 48), "u1"))
    toml(root / "copy", text, "cloudio.toml")
    folder = root / "copy" / "more" if part == "copy" else root / part
    if part == ".":
        (root / "copy").rename(tmp_path / "copy")
    assert cloudio.open(folder).layout is CLOUDSEN12


def test_the_root_and_its_splits_have_one_layout_for_the_commands_too(tmp_path, capsys):
    write_split(tmp_path / "train", 2, names=NAMES)
    write_layout(tmp_path)
    for command in ("info", "verify"):
        main([command, str(tmp_path / "train")])
        assert "Small" in capsys.readouterr().out


def test_a_folder_beside_the_files_of_a_data_set_has_a_layout_of_its_own(tmp_path):
    write_split(tmp_path, 2, names=NAMES)
    write_layout(tmp_path)
    cloudio.synthesize(tmp_path / "cloudsen12", {"train": 1}, arrays=["L1C_B4"])
    assert cloudio.open(tmp_path / "cloudsen12").layout is cloudio.CLOUDSEN12
    assert cloudio.open(tmp_path / "cloudsen12" / "train").layout is cloudio.CLOUDSEN12


def test_the_layout_two_folders_up_is_not_used(tmp_path):
    cloudio.synthesize(tmp_path / "a", {"train": 1}, arrays=["L1C_B4"])
    write_layout(tmp_path)
    assert cloudio.open(tmp_path / "a" / "train").layout is cloudio.CLOUDSEN12
    assert cloudio.open(tmp_path / "a").layout is cloudio.CLOUDSEN12


def test_a_layout_above_that_is_broken_is_named(tmp_path):
    write_split(tmp_path / "train", 2, names=NAMES)
    toml(tmp_path, 'name = "x"\n', "cloudio.toml")
    with refusal(LayoutError, tmp_path / "cloudio.toml", "a layout needs the key 'patch'"):
        cloudio.open(tmp_path / "train")
    toml(tmp_path, "", "cloudio.toml")  # what a shell leaves there
    assert cloudio.open(tmp_path / "train", layout=SMALL).names


def test_a_root_has_the_layout_that_all_its_splits_have(tmp_path):
    arrays = write_root(tmp_path, {"train": 2, "val": 1}, names=NAMES)
    write_layout(tmp_path / "train", dataclasses.replace(PLAIN, name="Train"))
    write_layout(tmp_path / "val", dataclasses.replace(PLAIN, name="Val"))
    (tmp_path / "docs").mkdir()
    ds = cloudio.open(tmp_path)
    assert same(ds.layout, PLAIN)
    assert ds.warnings == ()
    image = ds.reader(["B2"], size=(40, 48), scale=None).read(range(3)).image
    assert np.array_equal(image[:, 0], arrays["L1C_B2"])


def test_splits_with_different_layouts_are_refused(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1}, names=NAMES)
    write_layout(tmp_path / "train")
    write_layout(tmp_path / "val", OTHER)
    train, val = (tmp_path / name / "cloudio.toml" for name in ("train", "val"))
    with refusal(LayoutError, f"{train} and {val} differ; open each split alone, or write one"):
        cloudio.open(tmp_path)
    with refusal(LayoutError, "differ"):
        cloudio.verify(tmp_path)
    assert same(cloudio.open(tmp_path / "val").layout, OTHER)


def test_splits_of_which_only_some_have_a_layout_are_refused(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1, "test": 1}, names=NAMES)
    write_layout(tmp_path / "train")
    words = "describes train, but test, val of"
    with refusal(LayoutError, tmp_path / "train" / "cloudio.toml", words, "move it to"):
        cloudio.open(tmp_path)


def test_a_split_that_says_otherwise_than_its_root_is_told(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1}, names=NAMES)
    write_layout(tmp_path)
    write_layout(tmp_path / "train", dataclasses.replace(PLAIN, name="The same"))
    assert warned(lambda: cloudio.open(tmp_path)) == []
    write_layout(tmp_path / "val", OTHER)
    (text,), ds = warnings_and_result(lambda: cloudio.open(tmp_path))
    root, val = (folder / "cloudio.toml" for folder in (tmp_path, tmp_path / "val"))
    sentence = f"val: it is read as {root} says; {val} says otherwise"
    assert ds.warnings == (sentence,)
    assert text == (
        f"{tmp_path}: 1 warning about its files; ds.warnings lists all.\n- {sentence}: if the "
        "layout is not that of the files, their pixels, scales, classes and valid window are "
        "wrong: write the right one into cloudio.toml, or pass layout=."
    )
    assert warned(lambda: cloudio.open(tmp_path, layout=SMALL)) == []
    (finding,) = [f for f in cloudio.verify(tmp_path, full=False).findings if f.check == "layout"]
    assert (finding.severity, finding.split) == ("warning", "val")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.npy", b"\x93NUMPY", "is a file; give the folder of the .dat or .npy files, "),
        ("cloudio.toml", b"", "is a file; give the folder of the data, and this file as layout='"),
        ("x.npz", b"PK\x03\x04", "is a file; it is a zip archive, such as .npz or .pt; unpack it"),
        ("x.tif", b"II*\0", "is a file; it is a TIFF image; cloudio pack writes"),
    ],
)
def test_a_file_that_is_given_for_a_folder_says_what_to_give(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with refusal(NotADirectoryError, tmp_path / name, words):
        cloudio.open(tmp_path / name)


def test_a_broken_layout_of_a_split_matters_only_where_it_is_used(tmp_path):
    write_split(tmp_path / "train", 2, names=NAMES)
    broken = toml(tmp_path / "train", "name =", "cloudio.toml")
    with refusal(LayoutError, broken):
        cloudio.open(tmp_path)
    write_layout(tmp_path)
    assert warned(lambda: cloudio.open(tmp_path)) == []
