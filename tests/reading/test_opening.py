"""Opening folders: which splits and arrays are found in them."""

import os
import pickle

import numpy as np
import pytest
from builders import SMALL, write_metadata, write_root, write_split
from small_sets import BANDS, open_small, raises, write_zeros

import cloudio
from cloudio import CLOUDSEN12, LayoutError, RequestError, Window


def test_one_split_is_a_data_set(tmp_path):
    arrays = write_split(tmp_path / "val", 3)
    ds = open_small(tmp_path / "val")
    assert len(ds) == 3
    assert ds.splits == {"val": range(3)}
    assert ds.names == tuple(arrays) == tuple(band.name for band in SMALL.bands)
    assert ds.valid_window == Window(row=1, col=2, height=35, width=41)
    for name, array in arrays.items():
        assert ds[name].dtype == array.dtype
        assert ds[name].tobytes() == array.tobytes()


def test_splits_come_as_train_val_test_and_then_by_name(tmp_path):
    write_root(tmp_path, {"b": 1, "test": 2, "a": 3, "val": 4, "train": 5}, names=["B2"])
    splits = open_small(tmp_path).splits
    assert list(splits.items()) == [
        ("train", range(5)),
        ("val", range(5, 9)),
        ("test", range(9, 11)),
        ("a", range(11, 14)),
        ("b", range(14, 15)),
    ]


def test_the_numbers_of_a_root_run_through_its_splits(ds, root):
    assert len(ds) == 8
    image, label, _ = ds.reader(BANDS, "hq", size=(40, 48), scale=None).read(range(8))
    for band, name in enumerate(BANDS):
        assert np.array_equal(image[:, band], root[1][name])
    assert np.array_equal(label[3, 1:36, 2:43] == 3, root[1]["LABEL_hq"][3, 1:36, 2:43] == 3)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("high_train", "train"),
        ("high_val", "val"),
        ("High_Test", "test"),
        ("Train", "train"),
        ("scribble", "scribble"),
        ("high_quality", "high_quality"),
        ("retrain", "retrain"),
    ],
)
def test_the_release_calls_its_splits_high(tmp_path, folder, name):
    write_split(tmp_path / folder, 1, names=["B2"])
    assert list(open_small(tmp_path).splits) == [name]
    assert list(open_small(tmp_path / folder).splits) == [name]


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_one_folder_may_hold_the_splits_of_an_older_copy(tmp_path):
    train = write_split(tmp_path, 3, names=["train_B02", "train_target"], metadata=False)
    val = write_split(tmp_path, 1, names=["VAL_B02", "VAL_target"], metadata=False)
    ds = open_small(tmp_path)
    assert ds.splits == {"train": range(3), "val": range(3, 4)}
    assert ds.names == ("L1C_B2", "LABEL_hq")
    assert ds.split("train")["B2"].tobytes() == train["train_B02"].tobytes()
    assert ds.split("val")["B2"].tobytes() == val["VAL_B02"].tobytes()


def test_metadata_of_an_older_copy_belongs_to_one_split(tmp_path):
    write_split(tmp_path, 2, names=["train_B02"])
    assert len(open_small(tmp_path).metadata["index"]) == 2
    write_split(tmp_path, 2, names=["val_B02"], metadata=False)
    with raises(
        LayoutError, "metadata.csv is beside the splits train, val; each split needs its own file, "
    ):
        open_small(tmp_path)
    (tmp_path / "metadata.csv").rename(tmp_path / "train_metadata.csv")
    write_metadata(tmp_path / "val_metadata.csv", 2, seed=9)
    whole = open_small(tmp_path)
    assert len(whole.metadata["index"]) == 4
    assert np.array_equal(
        whole.metadata["index"][2:], open_small(tmp_path).split("val").metadata["index"]
    )


def test_files_named_as_a_split_and_files_that_are_not_are_one_split(tmp_path):
    write_split(tmp_path / "x", 2, names=["B2", "test_score"])
    ds = open_small(tmp_path / "x")
    assert ds.names == ("L1C_B2", "test_score")
    assert ds.splits == {"x": range(2)}


def test_the_names_of_the_card_are_known_on_disk_and_in_requests(tmp_path):
    stems = ["L1C_B04", "manual_hq", "QA60", "LC10", "S1_VV", "l2a_b8a"]
    arrays = write_split(tmp_path, 1, CLOUDSEN12, names=stems)
    ds = cloudio.open(tmp_path)
    names = ("L1C_B4", "L2A_B8A", "S1_VV", "EXTRA_lc10", "LABEL_manual_hq", "LABEL_qa60")
    assert ds.names == names
    assert set(arrays) == set(names)
    asked = ("B04", "B08A", "vv", "EXTRA_LC10", "MANUAL_HQ", "label_QA60")
    for spelling, name in zip(asked, names, strict=True):
        assert ds[spelling].tobytes() == arrays[name].tobytes()
        assert ds.band(spelling).name == name
    assert ds.reader(["b4", "L2A_B08A"], "target", scale=None).labels == ("LABEL_manual_hq",)


def test_an_ambiguous_name_lists_the_choices(ds):
    for ask in (ds.__getitem__, ds.find, ds.band, ds.dtype, ds.reader):
        with raises(
            RequestError, "'b04' is ambiguous; in", ds.path, "it can be L1C_B4 or L2A_B4: give one"
        ):
            ask("b04")


def test_an_unknown_name_lists_what_there_is(ds):
    with raises(RequestError, "no array 'B77'", ds.path, "has L1C_B2, L1C_B3", "and 2 more"):
        ds.split("val")["B77"]


@pytest.mark.parametrize("name", [0, -1, slice(2), None, np.int64(0), ("L1C_B2", 0)])
def test_subscripts_of_a_data_set_are_arrays_and_not_patches(ds, name):
    with raises(
        RequestError, "is not the name of an array; ds.reader() reads patches, and ds.subset"
    ):
        ds[name]
    with raises(RequestError, "is not the name of an array"):
        list(ds)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_an_array_that_one_split_lacks_differs_from_one_that_is_nowhere(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2", "B3"])
    write_split(tmp_path / "val", 1, names=["B2"])
    write_split(tmp_path / "test", 1, names=["B2"])
    ds = open_small(tmp_path)
    assert ds.names == ("L1C_B2",)
    with raises(RequestError, "L1C_B3 is not in val, test of", "ds.split('train') has it"):
        ds.reader("B3")
    assert ds.split("train").names == ("L1C_B2", "L1C_B3")
    assert ds.warnings == (
        "val: there is no L1C_B3, which other splits have",
        "test: there is no L1C_B3, which other splits have",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("L1C_B04", "L1C_B4"), ("B4", "L1C_B4"), ("target", "LABEL_hq"), ("l1c_b2", "L1C_B2")],
)
def test_two_files_of_one_array_are_refused(tmp_path, one, other):
    write_split(tmp_path, 1, names=[one, other])
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system does not tell upper from lower case")
    with raises(LayoutError, tmp_path, "and", tmp_path, "are both", SMALL.name_of_file(one)):
        open_small(tmp_path)


def test_two_files_of_one_array_of_an_older_copy_are_refused(tmp_path):
    write_split(tmp_path, 1, names=["train_B2", "TRAIN_B2"])
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system does not tell upper from lower case")
    with raises(LayoutError, "train_B2.dat and", "TRAIN_B2.dat are both B2 of train"):
        open_small(tmp_path)


def test_endings_in_upper_case_are_files_too(tmp_path):
    arrays = write_split(tmp_path, 1, names=["B2"])
    (tmp_path / "B2.dat").rename(tmp_path / "B2.DAT")
    assert open_small(tmp_path)["B2"].tobytes() == arrays["L1C_B2"].tobytes()
    write_split(tmp_path, 1, names=["B2"])
    if len(os.listdir(tmp_path)) == 3:
        with raises(LayoutError, "B2.dat", "B2.DAT", "are the same array; keep one of them"):
            open_small(tmp_path)


def test_hidden_files_and_folders_are_ignored(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"])
    write_split(tmp_path / ".train.tmp", 9, names=["B2"])
    write_zeros(tmp_path / "train", **{"._L1C_B2": 163})
    (tmp_path / "train" / "notes.txt").write_text("seen")
    assert open_small(tmp_path).splits == {"train": range(1)}


def test_folders_without_files_are_no_splits(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"])
    (tmp_path / "docs").mkdir()
    assert list(open_small(tmp_path).splits) == ["train"]


def test_a_folder_inside_a_split_is_no_part_of_it(tmp_path):
    write_split(tmp_path, 1, names=["B2"])
    write_split(tmp_path / "backup", 2, names=["B3"])
    assert open_small(tmp_path).names == ("L1C_B2",)


def test_a_link_keeps_its_name(tmp_path, monkeypatch):
    arrays = write_split(tmp_path / "store" / "v17", 2, names=["B2"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "store" / "v17")
    monkeypatch.chdir(tmp_path / "data")
    for path in ("train", "./train/", tmp_path / "data", "."):
        ds = open_small(path)
        assert list(ds.splits) == ["train"]
        monkeypatch.chdir(tmp_path)
        assert pickle.loads(pickle.dumps(ds))["B2"].tobytes() == arrays["L1C_B2"].tobytes()
        monkeypatch.chdir(tmp_path / "data")


def test_a_path_up_from_here_is_followed(tmp_path, monkeypatch):
    write_split(tmp_path / "val", 2, names=["B2"])
    (tmp_path / "val" / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "val" / "inner")
    assert list(open_small("..").splits) == ["val"]
