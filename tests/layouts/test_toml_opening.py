"""Data sets opened with the layout of a file, and their pickles."""

import dataclasses
import os
import pickle

import numpy as np
import pytest
from builders import SMALL, write_root, write_split
from own_files import refusal
from toml_sets import LAYOUT, WHOLE, toml, write_whole

import cloudio
from cloudio import CLOUDSEN12, CloudioWarning, Layout, LayoutError, RequestError, Window
from cloudio.layouts.toml_writer import to_toml


def test_a_folder_is_opened_with_a_file(tmp_path):
    path = toml(tmp_path, WHOLE)
    arrays = write_whole(tmp_path / "data" / "train")
    for layout in (path, str(path), Layout.from_toml(path)):
        ds = cloudio.open(tmp_path / "data", layout=layout).split("train")
        assert ds.warnings == ()
        assert set(ds.names) == set(arrays)
        for name, array in arrays.items():
            assert ds[name].tobytes() == array.tobytes()
        assert ds.band("B3") == LAYOUT.bands[1]
        assert ds.valid_window == LAYOUT.valid


def test_an_offset_is_added_before_the_scale(tmp_path):
    arrays = write_whole(tmp_path)
    ds = cloudio.open(tmp_path, layout=toml(tmp_path, WHOLE))
    image = ds.reader(["S2_B3", "S1_VV"], size=(40, 48)).read([1, 0]).image
    factor, summand = np.float32(1e-4), np.float32(-1000 * 1e-4)
    expected = arrays["S2_B3"][[1, 0]].astype("f4") * factor + summand
    assert np.array_equal(image[:, 0], expected)
    assert np.array_equal(image[:, 1], arrays["S1_VV"][[1, 0]], equal_nan=True)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_label_by_its_name_follows_its_first_policy(tmp_path):
    arrays = write_whole(tmp_path)
    ds = cloudio.open(tmp_path, layout=toml(tmp_path, WHOLE))
    for labels in ("water", ["water"], {"water": "flood"}):
        label = ds.reader("red", labels, scale=1).read([0]).label.reshape(35, 41)
        codes = arrays["water"][0, 1:36, 2:43].astype(int)
        assert np.array_equal(label, np.where((codes == 0) | (codes == 1), codes, 255))
    both = ds.reader("red", {"water": "both"}, scale=1).read([0]).label[0]
    assert np.array_equal(both[0], np.where(codes == 0, 0, 1))
    with refusal(RequestError, "red has no label map in", "Give {'red': None} for codes as stored"):
        ds.reader("red", "red", scale=1)


def test_the_argument_outweighs_the_folders_file_and_that_the_built_in(tmp_path):
    root = tmp_path / "root"
    write_root(root, {"train": 2, "val": 1})
    with refusal(LayoutError, "3 patches of 512 x 512"):
        write_root(root, {"train": 3, "val": 1})
        cloudio.open(root)
    toml(root, to_toml(dataclasses.replace(SMALL, presets={}, name="Root")), "cloudio.toml")
    assert cloudio.open(root / "val").layout.name == "Root"
    other = dataclasses.replace(SMALL, presets={}, name="Val", valid=Window(0, 0, 40, 48))
    toml(root / "val", to_toml(other), "cloudio.toml")
    with pytest.warns(CloudioWarning, match="val: it is read as"):
        assert cloudio.open(root).layout.name == "Root"
    assert cloudio.open(str(root)).split("val").layout.name == "Root"
    assert cloudio.open(root / "val").layout.name == "Val"
    assert cloudio.open(root / "train").layout.name == "Root"
    assert cloudio.open(root, layout=SMALL).layout is SMALL
    with refusal(LayoutError, "patches of 512 x 512"):
        cloudio.open(root, layout=CLOUDSEN12)
    (root / "val" / "cloudio.toml").unlink()
    # What a shell leaves there before anything has been written to it.
    toml(root, "", "cloudio.toml")
    with refusal(LayoutError, "patches of 512 x 512"):
        cloudio.open(root)
    toml(root, "\n", "cloudio.toml")
    with refusal(LayoutError, root / "cloudio.toml", "line 1: a layout needs the key 'name'"):
        cloudio.open(root)


def test_a_layout_that_is_not_there_is_refused(tmp_path):
    with refusal(FileNotFoundError, f"there is no layout file {tmp_path / 'none.toml'}"):
        cloudio.open(tmp_path, layout=tmp_path / "none.toml")
    for layout in ("NCHW", tmp_path / "x.json"):
        words = f"layout={os.fspath(layout)!r}; layout must be a cloudio.Layout or the path of"
        with refusal(RequestError, words):
            cloudio.open(tmp_path, layout=layout)
    with refusal(RequestError, f"layout={os.fspath(tmp_path)!r} is a folder; give the path of a"):
        cloudio.open(tmp_path, layout=tmp_path)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_data_set_with_a_file_pickles_small_and_comes_back(tmp_path, monkeypatch):
    arrays = write_whole(tmp_path / "data" / "val")
    toml(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path)
    ds = cloudio.open("data", layout="my.toml").split("val")
    reader = ds.reader(["S2_B2"], "water")
    monkeypatch.chdir("/")
    for part in (ds, ds.subset([1, 0]), reader):
        pickled = pickle.dumps(part)
        assert len(pickled) < 2048
        assert len(pickle.loads(pickled)) == 2
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == LAYOUT
    assert again["S2_B4"].tobytes() == arrays["S2_B4"].tobytes()


def test_a_pickle_whose_layout_changed_is_refused(tmp_path):
    write_whole(tmp_path / "val")
    path = toml(tmp_path, WHOLE)
    pickled = pickle.dumps(cloudio.open(tmp_path / "val", layout=path))
    toml(tmp_path, "# a comment changes nothing\n" + WHOLE)
    assert len(pickle.loads(pickled)) == 2
    for old, new in (("offset = -1000", "offset = -999"), ("1 = 1,", "1 = 0,"), ("nan", "-1")):
        toml(tmp_path, WHOLE.replace(old, new))
        words = f"{path} has changed since {tmp_path / 'val'} was pickled"
        with refusal(LayoutError, words):
            pickle.loads(pickled)
    path.unlink()
    with refusal(FileNotFoundError, "my.toml"):
        pickle.loads(pickled)


def test_a_pickle_keeps_the_layout_that_it_was_opened_with(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4"])
    pickled = pickle.dumps(cloudio.open(tmp_path))
    layout = dataclasses.replace(
        CLOUDSEN12, name="Half", patch=(256, 512), valid=Window(0, 0, 9, 9)
    )
    (tmp_path / "metadata.csv").unlink()
    toml(tmp_path, to_toml(layout), "cloudio.toml")
    assert len(cloudio.open(tmp_path)) == 2
    assert pickle.loads(pickled).layout is CLOUDSEN12
    assert len(pickle.loads(pickle.dumps(cloudio.open(tmp_path)))) == 2


def test_a_changed_copy_of_a_layout_from_a_file_is_its_own(tmp_path):
    write_whole(tmp_path / "val")
    layout = dataclasses.replace(Layout.from_toml(toml(tmp_path, WHOLE)), name="Other")
    assert layout.file is None
    again = pickle.loads(pickle.dumps(cloudio.open(tmp_path / "val", layout=layout)))
    assert again.layout == layout
