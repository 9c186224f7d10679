"""Opening folders: what is found in them, what is refused, and how a data set behaves."""

import gc
import os
import pickle
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import builders
import numpy as np
import processes
import pytest
from builders import SMALL, write_metadata, write_root, write_split
from processes import in_subprocess
from profiles import scaled

import cloudio
from cloudio import CLOUDSEN12, LayoutError, RequestError, TruncatedError, Window

BANDS = ("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8A")
# Bytes of one patch, a byte a pixel.
PATCH = 40 * 48


def open_small(path, **options):
    return cloudio.open(path, layout=SMALL, **options)


def fill(folder, **sizes):
    """Files of so many bytes, and no metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, size in sizes.items():
        (folder / f"{stem}.dat").write_bytes(bytes(size))


def refusal(error, *words):
    """Expect an error whose message has these words, in that order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(word)) for word in words))


# Before Python 3.13 a mapping keeps a copy of its file's descriptor.
PER_VIEWED_FILE = 1 if sys.version_info >= (3, 13) else 2


def descriptors():
    """How many files this process has open."""
    gc.collect()
    return len(os.listdir("/dev/fd"))


needs_dev_fd = pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there is no /dev/fd")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of four splits, and the arrays in it."""
    folder = tmp_path_factory.mktemp("root")
    return folder, write_root(folder, {"train": 3, "val": 1, "test": 2, "extra": 2})


@pytest.fixture
def ds(root):
    return open_small(root[0])


# ---- what is found -------------------------------------------------------------------------------


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
    with refusal(LayoutError, "metadata.csv is beside the splits train, val; each needs its own, "):
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
        with refusal(RequestError, "'b04' can be L1C_B4 or L2A_B4 in", ds.path, "name one"):
            ask("b04")


def test_an_unknown_name_lists_what_there_is(ds):
    with refusal(RequestError, "no array 'B77'", ds.path, "has L1C_B2, L1C_B3", "LABEL_percent"):
        ds.split("val")["B77"]


@pytest.mark.parametrize("name", [0, -1, slice(2), None, np.int64(0), ("L1C_B2", 0)])
def test_a_data_set_is_asked_for_arrays_and_not_for_patches(ds, name):
    with refusal(RequestError, "is no name of an array; ds.reader() reads patches, ds.subset"):
        ds[name]
    with refusal(RequestError, "is no name of an array"):
        list(ds)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_an_array_that_one_split_lacks_is_told_apart_from_one_that_is_nowhere(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2", "B3"])
    write_split(tmp_path / "val", 1, names=["B2"])
    write_split(tmp_path / "test", 1, names=["B2"])
    ds = open_small(tmp_path)
    assert ds.names == ("L1C_B2",)
    with refusal(RequestError, "L1C_B3 is not in val, test of", "ds.split('train') has it"):
        ds.reader("B3")
    assert ds.split("train").names == ("L1C_B2", "L1C_B3")
    assert ds.warnings == (
        "val: no L1C_B3, which others have",
        "test: no L1C_B3, which others have",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("L1C_B04", "L1C_B4"), ("B4", "L1C_B4"), ("target", "LABEL_hq"), ("l1c_b2", "L1C_B2")],
)
def test_two_files_of_one_array_are_refused(tmp_path, one, other):
    write_split(tmp_path, 1, names=[one, other])
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system does not tell upper from lower case")
    with refusal(LayoutError, tmp_path, "and", tmp_path, "are both", SMALL.name_of_file(one)):
        open_small(tmp_path)


def test_two_files_of_one_array_of_an_older_copy_are_refused(tmp_path):
    write_split(tmp_path, 1, names=["train_B2", "TRAIN_B2"])
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system does not tell upper from lower case")
    with refusal(LayoutError, "train_B2.dat and", "TRAIN_B2.dat are both B2 of train"):
        open_small(tmp_path)


def test_endings_in_upper_case_are_files_too(tmp_path):
    arrays = write_split(tmp_path, 1, names=["B2"])
    (tmp_path / "B2.dat").rename(tmp_path / "B2.DAT")
    assert open_small(tmp_path)["B2"].tobytes() == arrays["L1C_B2"].tobytes()
    write_split(tmp_path, 1, names=["B2"])
    if len(os.listdir(tmp_path)) == 3:
        with refusal(LayoutError, "B2.dat", "B2.DAT", "have the same name"):
            open_small(tmp_path)


def test_hidden_files_and_folders_are_nobodys(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"])
    write_split(tmp_path / ".train.tmp", 9, names=["B2"])
    fill(tmp_path / "train", **{"._L1C_B2": 163})
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


# ---- types and numbers of patches ----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("metadata", [True, False])
def test_bands_already_scaled_are_float32_of_unknown_scale(tmp_path, metadata):
    arrays = write_split(
        tmp_path,
        2,
        names=["B2", "B3", "S1_VV", "hq", "sc"],
        dtypes={"B2": "float32", "B3": "float32"},
        metadata=metadata,
    )
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds["B2"].dtype == np.float32
    assert ds["B2"].tobytes() == arrays["L1C_B2"].tobytes()
    assert ds.band("B2").scale is None
    assert ds.warnings == (
        f"{tmp_path.name}: B2.dat is float32 by its size, where Small has int16",
        f"{tmp_path.name}: B3.dat is float32 by its size, where Small has int16",
    )
    with refusal(RequestError, "the scale of L1C_B2 is not known", "float32", "scale="):
        ds.reader(["B2", "VV"])
    image = ds.reader(["B2", "VV"], size=(40, 48), scale=1).read([1, 0]).image
    for band, name in enumerate(("L1C_B2", "S1_VV")):
        assert np.array_equal(image[:, band], arrays[name][::-1], equal_nan=True)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_labels_of_two_bytes_are_read_as_such(tmp_path):
    arrays = write_split(tmp_path, 3, names=["B2", "hq"], dtypes={"hq": "int16"}, metadata=False)
    codes = arrays["LABEL_hq"] % 5 - 1
    codes.astype("<i2").tofile(tmp_path / "hq.dat")
    ds = open_small(tmp_path)
    assert ds.dtype("hq") == np.int16
    assert ds.band("hq").kind == "label"
    with pytest.warns(UserWarning, match="LABEL_hq is int16 by the sizes .* Small has uint8"):
        reader = ds.reader("B2", "hq", size=(40, 48))
    label = reader.read([2]).label[0]
    expected = np.full((40, 48), 255)
    inside = codes[2, 1:36, 2:43]
    expected[1:36, 2:43] = np.where(inside < 0, 255, inside)
    assert np.array_equal(label, expected)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_metadata_settles_the_type_where_sizes_leave_it_open(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"], dtypes=dict.fromkeys(["B2", "B3"], "float32"))
    assert open_small(tmp_path)["B2"].dtype == np.float32
    assert len(open_small(tmp_path)) == 2


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("stem", ["mask", "A_mask"])
@pytest.mark.parametrize("metadata", [True, False])
def test_an_array_the_layout_does_not_know_has_the_type_of_its_size(
    tmp_path, stem, dtype, metadata
):
    arrays = write_split(tmp_path, 4, names=["B2", stem], dtypes={stem: dtype}, metadata=metadata)
    ds = open_small(tmp_path)
    assert ds.names == ("L1C_B2", stem)
    assert ds["B2"].dtype == np.int16
    assert ds[stem].dtype == dtype
    assert ds[stem].tobytes() == arrays[stem].tobytes()
    assert ds.warnings[0] == (
        f"{tmp_path.name}: {stem}.dat is not an array of Small; taken as {dtype} by its size"
    )
    # Without metadata.csv, two patches of wider types would have the same sizes.
    assert len(ds.warnings) == (1 if metadata or dtype == "float32" else 2)
    with refusal(RequestError, f"the scale of {stem} is not known", "scale="):
        ds.reader(stem)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("labels", [True, False])
def test_scaled_bands_that_pass_for_twice_as_many_patches_are_told(tmp_path, labels):
    """float32 bands and labels of two bytes have the sizes of twice as many patches."""
    names = ["B2", "B3", *(["hq"] if labels else [])]
    wide = {"B2": "float32", "B3": "float32", "hq": "int16"}
    write_split(tmp_path, 2, names=names, dtypes=wide, metadata=False)
    ds = open_small(tmp_path)
    assert len(ds) == 4
    types = "float32 and int16" if labels else "float32"
    assert ds.warnings == (
        f"{tmp_path.name}: taken for 4 patches by the sizes of the files, which 2 of {types} would "
        "have too; a metadata.csv with a row per patch would tell",
    )
    write_metadata(tmp_path / "metadata.csv", 2)
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds.dtype("B2") == np.float32
    assert not any("taken for" in said for said in ds.warnings)


def test_a_folder_that_may_not_be_read_is_no_split_unless_it_is_called_one(tmp_path, monkeypatch):
    """As lost+found beside the splits of a disk."""
    write_root(tmp_path, {"train": 2, "val": 1})
    closed = tmp_path / "lost+found"
    closed.mkdir()
    listed = Path.iterdir

    def iterdir(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert list(open_small(tmp_path).splits) == ["train", "val"]
    closed = tmp_path / "val"
    with pytest.raises(PermissionError, match="val"):
        open_small(tmp_path)


def test_many_unknown_files_do_not_outvote_a_known_one(tmp_path):
    stems = [f"x{k}" for k in range(5)]
    write_split(
        tmp_path, 4, names=["B2", *stems], dtypes=dict.fromkeys(stems, "uint8"), metadata=False
    )
    assert len(open_small(tmp_path)) == 4
    assert open_small(tmp_path).dtype("B2") == np.int16


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_one_known_type_decides_for_files_that_could_be_two(tmp_path):
    fill(tmp_path, B2=8 * PATCH, B3=8 * PATCH, B4=8 * PATCH, hq=2 * PATCH)
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds.dtype("B2") == np.float32
    fill(tmp_path, hq=4 * PATCH)
    assert len(open_small(tmp_path)) == 4
    assert open_small(tmp_path).dtype("B2") == np.int16


@pytest.mark.parametrize("odd", ["B2", "B4", "hq"])
def test_files_that_disagree_are_told_by_size(tmp_path, odd):
    sizes = {"B2": 6 * PATCH, "B3": 6 * PATCH, "B4": 6 * PATCH, "hq": 3 * PATCH, "VV": 12 * PATCH}
    fill(tmp_path, **(sizes | {odd: 10 * PATCH}))
    fit = "5,760 (uint8) or 11,520 (int16)" if odd == "hq" else "11,520 (int16) or 23,040 (float32)"
    with refusal(
        LayoutError,
        f"{tmp_path / odd}.dat holds 19,200 bytes; 3 patches of 40 x 48, by 4 of 5 files, ",
        f"need {fit}",
    ):
        open_small(tmp_path)


def test_two_files_that_disagree_do_not_pretend_to_a_majority(tmp_path):
    fill(tmp_path, B2=6 * PATCH, B3=10 * PATCH)
    with refusal(LayoutError, "B3.dat holds 19,200 bytes; 3 patches", "by 1 of 2 files, need"):
        open_small(tmp_path)


def test_metadata_outweighs_the_files(tmp_path):
    write_split(tmp_path, 3, names=["B2", "hq", "VV"])
    write_metadata(tmp_path / "metadata.csv", 5)
    with refusal(
        LayoutError,
        "B2.dat holds 11,520 bytes; 5 patches of 40 x 48, by the rows of metadata.csv, ",
        "need 19,200 (int16) or 38,400 (float32)",
    ):
        open_small(tmp_path)


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n", "index,roi_id\n"])
def test_metadata_without_rows_is_refused(tmp_path, content):
    write_split(tmp_path, 3, names=["B2"])
    (tmp_path / "metadata.csv").write_text(content, encoding="utf-8")
    with refusal(LayoutError, tmp_path, "metadata.csv has no rows; it needs one per patch"):
        open_small(tmp_path)


@pytest.mark.parametrize("size", [1, 2 * PATCH - 1, 2 * PATCH + 1, 3 * PATCH])
def test_a_size_that_fits_no_type_is_told_with_what_a_patch_needs(tmp_path, size):
    fill(tmp_path, B2=size)
    with refusal(
        LayoutError,
        f"{tmp_path / 'B2.dat'} holds {size:,} bytes, and no file here holds a whole number of ",
        "patches of 40 x 48: one of int16 needs 3,840",
    ):
        open_small(tmp_path)


def test_a_stack_of_bands_in_one_file_is_not_taken_for_one_band(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    np.zeros((2, 13, 40, 48), "<i2").tofile(tmp_path / "stack.dat")
    with refusal(LayoutError, "stack.dat holds 99,840 bytes; 2 patches of 40 x 48"):
        open_small(tmp_path)


# ---- what is refused -----------------------------------------------------------------------------


def test_a_missing_folder_is_named(tmp_path):
    with refusal(FileNotFoundError, "no folder", tmp_path / "nowhere"):
        open_small(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path):
    fill(tmp_path, B2=PATCH)
    with refusal(NotADirectoryError, tmp_path / "B2.dat", "is a file; a folder of .dat or"):
        open_small(tmp_path / "B2.dat")


@pytest.mark.parametrize("made", ["", "train", "train/deeper"])
def test_a_folder_without_files_is_refused(tmp_path, made):
    (tmp_path / made).mkdir(parents=True, exist_ok=True)
    (tmp_path / made / "L1C_B2.bin").write_bytes(b"x")
    with refusal(LayoutError, "no .dat or .npy files in", tmp_path, "nor in folders in it"):
        open_small(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    fill(tmp_path, B2=2 * PATCH, B3=0)
    with refusal(LayoutError, tmp_path / "B3.dat", "is empty"):
        open_small(tmp_path)


def test_a_folder_where_a_file_should_be_is_refused(tmp_path):
    fill(tmp_path, B2=2 * PATCH)
    (tmp_path / "B3.dat").mkdir()
    with refusal(LayoutError, tmp_path / "B3.dat", "is not a regular file"):
        open_small(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_where_a_file_should_be_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "B3.dat")
    with refusal(LayoutError, tmp_path / "B3.dat", "is not a regular file"):
        open_small(tmp_path)


def test_a_link_to_nothing_is_refused(tmp_path):
    fill(tmp_path, B2=2 * PATCH)
    (tmp_path / "B3.dat").symlink_to(tmp_path / "gone")
    with refusal(FileNotFoundError, tmp_path / "B3.dat", "a link to a file that does not exist"):
        open_small(tmp_path)


def test_a_link_to_a_file_is_that_file(tmp_path):
    arrays = write_split(tmp_path / "a", 2, names=["B2"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "B3.dat").symlink_to(tmp_path / "a" / "B2.dat")
    assert open_small(tmp_path / "b")["B3"].tobytes() == arrays["L1C_B2"].tobytes()


def test_one_split_under_two_names_is_refused(tmp_path):
    write_root(tmp_path, {"train": 1, "high_train": 1}, names=["B2"])
    with refusal(LayoutError, "train and", "high_train are both the split 'train'"):
        open_small(tmp_path)


def test_files_beside_the_splits_are_refused(tmp_path):
    write_root(tmp_path, {"train": 1, "val": 1}, names=["B2"])
    fill(tmp_path, B2=2 * PATCH)
    with refusal(LayoutError, tmp_path, "has files of its own beside the split", "train"):
        open_small(tmp_path)


def test_an_error_in_one_split_of_a_root_names_the_file(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 2}, names=["B2", "B3"])
    os.truncate(tmp_path / "val" / "B3.dat", 100)
    with refusal(LayoutError, tmp_path / "val" / "B3.dat", "holds 100 bytes; 2 patches"):
        open_small(tmp_path)


@pytest.mark.parametrize("io", ["MMAP", "read", None, 1])
def test_an_unknown_io_is_refused(root, io):
    with refusal(RequestError, f"io={io!r}; ", "'mmap'"):
        open_small(root[0], io=io)


@pytest.mark.parametrize("layout", ["CloudSEN12", "NCHW", {}, cloudio.Layout])
def test_a_layout_is_a_layout(root, layout):
    with refusal(RequestError, f"layout={layout!r}; a cloudio.Layout is needed"):
        cloudio.open(root[0], layout=layout)


def test_a_layout_that_does_not_fit_is_refused_with_its_patch(root):
    with refusal(
        LayoutError, ".dat holds 11,520 bytes; 3 patches of 512 x 512", "1,572,864 (int16)"
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


# ---- arrays --------------------------------------------------------------------------------------


def test_an_array_is_a_view_that_cannot_be_written(ds):
    val = ds.split("val")
    array = val["S1_VV"]
    assert array.shape == (1, 40, 48)
    assert not array.flags.writeable
    assert not array.flags.owndata
    assert np.shares_memory(array, val["vv"])
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.setflags(write=True)


def test_an_array_outlives_its_data_set(tmp_path):
    arrays = write_split(tmp_path, 2, names=["B2"])
    array = open_small(tmp_path)["B2"]
    shutil.rmtree(tmp_path)
    gc.collect()
    assert array.tobytes() == arrays["L1C_B2"].tobytes()


def test_an_array_is_of_one_whole_split(ds):
    with refusal(RequestError, "L1C_B2 is a view of one file", "is several splits", "ds.split("):
        ds["L1C_B2"]
    with refusal(RequestError, "L1C_B2 is a view of one file", "is a subset of one", "ds.reader"):
        ds.split("train").subset([0])["L1C_B2"]
    with refusal(RequestError, "L1C_B2 is a view of one file", "is a subset of one"):
        ds.subset([0]).split("train")["L1C_B2"]


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_splits_of_two_types_are_read_one_by_one(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2", "hq"])
    write_split(tmp_path / "val", 1, names=["B2", "hq"], dtypes={"hq": "int16"})
    ds = open_small(tmp_path)
    words = "LABEL_hq is uint8 in train, int16 in val; read these splits one by one"
    for ask in (ds.dtype, ds.band, lambda name: ds.reader("B2", name)):
        with refusal(RequestError, words):
            ask("hq")
    for part in (ds.split("val"), ds.subset([1]).split("val")):
        assert part.dtype("hq") == np.int16
        assert part.reader("B2", "hq").read([0]).label.shape == (1, 35, 41)


def test_a_file_cut_before_its_first_use_is_told(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    ds = open_small(tmp_path)
    os.truncate(tmp_path / "B2.dat", 100)
    words = f"{tmp_path / 'B2.dat'} holds 100 bytes; it held 7,680 when the data set was opened"
    for use in (lambda: ds["B2"], lambda: ds.reader("B2"), lambda: ds.reader(["B3", "B2"])):
        with refusal(TruncatedError, words):
            use()
    with pytest.raises(OSError, match="100 bytes"):
        ds["B2"]
    assert ds["B3"].shape == (2, 40, 48)


def test_a_file_gone_before_its_first_use_is_told(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    ds = open_small(tmp_path)
    (tmp_path / "B2.dat").unlink()
    with refusal(FileNotFoundError, "B2.dat"):
        ds["B2"]


# ---- parts ---------------------------------------------------------------------------------------


def stored(ds):
    """Which stored patches a data set has, by a band that no two patches share."""
    image = ds.reader("B2", size=(40, 48), scale=None).read(range(len(ds))).image
    return [pixels.tobytes() for pixels in image]


def expected(root, index):
    return [root[1]["L1C_B2"][k].astype(np.float32).tobytes() for k in index]


def test_a_split_is_a_data_set(ds, root):
    test = ds.split("test")
    assert len(test) == 2
    assert test.splits == {"test": range(2)}
    assert stored(test) == expected(root, [4, 5])
    assert test.split("test").splits == test.splits


def test_an_unknown_split_lists_what_there_is(ds):
    with refusal(RequestError, "no split 'valid'; ", ds.path, "has train, val, test, extra"):
        ds.split("valid")
    with refusal(RequestError, "no split 'val'; ", ds.path, "has train"):
        ds.split("train").split("val")
    with refusal(RequestError, "no split 0; "):
        ds.split(0)


@pytest.mark.parametrize(
    "index",
    [[0], [7, 0, 7, 3], range(8), range(7, -1, -2), [], np.array([5, 1], np.uint8), (2,), 6],
    ids=str,
)
def test_a_subset_keeps_order_and_repeats(ds, root, index):
    part = ds.subset(index)
    wanted = np.atleast_1d(np.asarray(index, int)).tolist()
    assert len(part) == len(wanted)
    assert stored(part) == expected(root, wanted)


def test_negative_numbers_count_from_the_end_of_what_is_asked(ds, root):
    part = ds.subset([-1, -8, 2])
    assert stored(part) == expected(root, [7, 0, 2])
    assert stored(part.subset([-1, 0])) == expected(root, [2, 7])


def test_a_subset_of_a_subset_of_a_split_counts_from_its_own_start(ds, root):
    test = ds.split("test").subset([1, 0, 1])
    assert stored(test) == expected(root, [5, 4, 5])
    assert stored(test.subset([2, 1])) == expected(root, [5, 4])


def test_splits_of_a_subset_are_positions_in_it(ds, root):
    part = ds.subset([5, 0, 4, 2, 5, 7])
    assert {name: which.tolist() for name, which in part.splits.items()} == {
        "train": [1, 3],
        "val": [],
        "test": [0, 2, 4],
        "extra": [5],
    }
    for name, index in {"train": [0, 2], "val": [], "test": [5, 4, 5], "extra": [7]}.items():
        split = part.split(name)
        assert list(split.splits) == [name]
        assert len(split) == len(index)
        assert stored(split) == expected(root, index)
        assert np.array_equal(split.metadata["index"], ds.metadata["index"][index])
    assert stored(part.split("test").subset([-1])) == expected(root, [5])
    assert stored(part.split("test").split("test")) == expected(root, [5, 4, 5])


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_split_of_a_subset_has_the_arrays_of_its_split(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2", "B3"])
    write_split(tmp_path / "val", 2, names=["B2"])
    part = open_small(tmp_path).subset([3, 1]).split("train")
    assert part.names == ("L1C_B2", "L1C_B3")
    assert part.reader(["B2", "B3"]).read([0]).image.shape == (1, 2, 35, 41)


def test_the_index_of_a_subset_is_its_own(ds, root):
    index = np.array([3, 1])
    part = ds.subset(index)
    index[:] = 0
    assert stored(part) == expected(root, [3, 1])


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        ([8], IndexError, "index[0] = 8; there are 8 patches"),
        ([0, -9], IndexError, "index[1] = -9; there are 8 patches"),
        (np.array([2**64 - 1], np.uint64), IndexError, "18446744073709551615; there are 8"),
        ([True, False], RequestError, "the mask has shape (2,); (8,) is needed"),
        (np.ones(9, bool), RequestError, "the mask has shape (9,); (8,) is needed"),
        (np.ones((8, 1), bool), RequestError, "the mask has shape (8, 1); (8,) is needed"),
        (True, RequestError, "the mask has shape (); (8,) is needed"),
        ([True, 1, 0], RequestError, "index holds True or False; whole numbers are needed"),
        ([0.0], RequestError, "index is of float64; whole numbers are needed"),
        (["train"], RequestError, "index is of <U5; whole numbers are needed"),
        ("train", RequestError, "index is of <U5; whole numbers are needed"),
        (None, RequestError, "subset() needs an index, a mask, or a condition on the metadata"),
        ([None], RequestError, "index is of object; whole numbers are needed"),
        ([[0, 1]], RequestError, "index has shape (1, 2); one dimension is needed"),
        ([[0], [1, 2]], RequestError, "index is no array of whole numbers"),
    ],
)
def test_an_index_that_names_no_patches_is_refused(ds, index, error, words):
    with refusal(error, words):
        ds.subset(index)


def test_patches_of_a_subset_are_counted_in_it(ds):
    with refusal(IndexError, "index[0] = 2; there are 2 patches"):
        ds.subset([5, 6]).subset([2])
    with refusal(IndexError, "index[0] = 0; there are 0 patches"):
        ds.subset([]).reader("B2").read([0])


# ---- subsets by metadata -------------------------------------------------------------------------


def test_a_mask_picks_the_patches_where_it_is_true(ds, root):
    mask = ds.metadata["index"] > np.median(ds.metadata["index"])
    picked = np.flatnonzero(mask)
    assert 0 < len(picked) < 8
    assert stored(ds.subset(mask)) == stored(ds.subset(mask.tolist())) == expected(root, picked)
    part = ds.subset([7, 1, 7, 3])
    assert stored(part.subset([True, False, True, False])) == expected(root, [7, 7])
    assert len(ds.subset(np.zeros(8, bool))) == 0
    assert len(ds.subset([]).subset(np.zeros(0, bool))) == 0
    with refusal(RequestError, "index is of bool; whole numbers are needed"):
        ds.reader("B2").read(mask)


def test_conditions_pick_patches_and_all_must_be_true(ds, root):
    cover, date = ds.metadata["cloud_coverage"], ds.metadata["s2_date"]
    cloudy = np.flatnonzero(cover == "cloudy")
    assert 0 < len(cloudy) < 8
    assert stored(ds.subset(cloud_coverage="cloudy")) == expected(root, cloudy)
    both = [k for k in range(8) if cover[k] != "cloud-free" and date[k] == date[2]]
    assert 2 in both or cover[2] == "cloud-free"
    asked = {"cloud_coverage": ("cloudy", "almost-clear"), "s2_date": str(date[2])}
    assert stored(ds.subset(**asked)) == expected(root, both)
    order = [5, cloudy[0], 2, cloudy[0], 0]
    kept = [k for k in order if cover[k] == "cloudy"]
    assert stored(ds.subset(order, cloud_coverage="cloudy")) == expected(root, kept)
    assert stored(ds.subset(order).subset(cloud_coverage="cloudy")) == expected(root, kept)
    assert stored(ds.subset(cover == "cloudy", s2_date=date)) == expected(root, cloudy)


def test_the_column_index_picks_by_its_values_and_never_is_a_row_number(ds, root):
    """Row k describes patch k, whatever its index says."""
    numbers = ds.metadata["index"]
    reader = ds.reader("B2", scale=None, dtype="int16")
    for k in (0, 3, 7):
        rows = np.flatnonzero(numbers == numbers[k])
        assert k in rows
        assert numbers[k] != k
        part = ds.subset(numbers == numbers[k])
        assert stored(part) == expected(root, rows)
        again = part.reader("B2", scale=None, dtype="int16").read(range(len(rows)))
        assert np.array_equal(again.image, reader.read(rows).image)
    with refusal(RequestError, "subset(index=...) could mean two things; positions are the first"):
        ds.subset(index=numbers[0])


def test_a_condition_that_nothing_meets_gives_an_empty_data_set(ds):
    part = ds.subset(cloud_coverage="foggy")
    assert len(part) == 0
    assert part.splits.keys() == ds.splits.keys()
    assert len(part.metadata["index"]) == 0
    reader = part.reader("B2", "hq")
    assert len(reader) == 0
    batch = reader.read([])
    assert batch.image.shape == (0, 1, 35, 41)
    assert batch.label.shape == (0, 35, 41)
    assert len(part.subset(cloud_coverage="cloudy")) == len(part.split("train")) == 0
    assert len(pickle.loads(pickle.dumps(part))) == 0


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (
            {"cover": 1},
            ("no column 'cover'; the metadata of", "has index, roi_id, s2_date, cloud_c"),
        ),
        ({"roi_id": 5}, "roi_id=5; roi_id holds text (<U8), and cannot equal it"),
        ({"s2_date": 2019}, "s2_date=2019; s2_date holds dates (datetime64[D]), and cannot"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(ds, where, words):
    with refusal(RequestError, *([words] if isinstance(words, str) else words)):
        ds.subset(**where)


def test_conditions_need_metadata(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"], metadata=False)
    with refusal(RequestError, "no column 'roi_id';", "has no metadata.csv in every split"):
        open_small(tmp_path).subset(roi_id="ROI_0001")


# ---- metadata ------------------------------------------------------------------------------------


def test_metadata_has_a_row_per_patch_in_their_order(ds):
    metadata = ds.metadata
    assert {len(column) for column in metadata.values()} == {8}
    parts = [ds.split(name).metadata["index"] for name in ds.splits]
    assert np.array_equal(metadata["index"], np.concatenate(parts))
    assert [len(part) for part in parts] == [3, 1, 2, 2]
    assert metadata["s2_date"].dtype.kind == "M"


def test_metadata_follows_the_patches_of_a_subset(ds):
    part = ds.subset([6, 0, 6]).subset([2, 1])
    for name, column in ds.metadata.items():
        assert part.metadata[name].tolist() == column[[6, 0]].tolist() or name == "difficulty"
    assert len(ds.subset([]).metadata["index"]) == 0


def test_metadata_cannot_be_changed(ds):
    with pytest.raises(TypeError):
        ds.metadata["index"] = 1
    for part in (ds, ds.subset([0]), ds.split("val")):
        with pytest.raises(ValueError, match="read-only"):
            part.metadata["index"][0] = 1


def test_a_split_without_metadata_takes_it_from_the_whole_and_says_so(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"])
    write_split(tmp_path / "val", 1, names=["B2"], metadata=False)
    ds = open_small(tmp_path)
    assert ds.metadata == {}
    assert ds.subset([0]).metadata == {}
    assert ds.warnings == ("val: no metadata.csv, which others have",)
    assert len(ds.split("train").metadata["index"]) == 1
    assert ds.split("train").warnings == ()


def test_columns_that_one_split_lacks_are_left_out(tmp_path):
    write_root(tmp_path, {"train": 1, "val": 1}, names=["B2"])
    (tmp_path / "val" / "metadata.csv").write_text("roi_id,index\nROI_9,77\n")
    metadata = open_small(tmp_path).metadata
    assert list(metadata) == ["index", "roi_id"]
    assert metadata["index"][1] == 77
    assert metadata["roi_id"][1] == "ROI_9"


# ---- pickles, threads, descriptors ---------------------------------------------------------------


def parts_of(ds):
    return [ds, ds.split("test"), ds.subset([7, 0, 7]), ds.subset([5, 4, 0]).split("test")]


@pytest.mark.parametrize("which", range(4), ids=["whole", "split", "subset", "split of subset"])
def test_a_pickle_brings_back_the_same_patches(ds, which):
    part = parts_of(ds)[which]
    again = pickle.loads(pickle.dumps(part))
    assert repr(again) == repr(part)
    assert again.names == part.names
    assert stored(again) == stored(part)
    assert again.metadata["index"].tolist() == part.metadata["index"].tolist()


def test_a_pickle_holds_a_path_and_no_pixels(tmp_path):
    write_root(tmp_path, {"train": 1, "val": 1}, CLOUDSEN12, names=["B2", "manual_hq"])
    ds = cloudio.open(tmp_path)
    ds.split("train")["B2"].sum()
    assert len(ds.metadata["index"]) == 2
    for part in (ds, ds.split("val"), ds.subset([1, 0]), ds.reader("B2", "manual_hq")):
        assert len(pickle.dumps(part)) < 2048


def test_a_pickle_of_a_set_that_changed_is_refused(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1}, names=["B2"])
    whole = open_small(tmp_path)
    pickled = {
        name: pickle.dumps(part)
        for name, part in {"train": whole.split("train"), "all": whole}.items()
    }
    write_split(tmp_path / "val", 3, names=["B2"])
    words = "now has patches {'train': 2, 'val': 3}; it had {'train': 2, 'val': 1} when it was"
    with refusal(LayoutError, tmp_path, words):
        pickle.loads(pickled["all"])
    assert len(pickle.loads(pickled["train"])) == 2
    shutil.rmtree(tmp_path / "train")
    with refusal(LayoutError, tmp_path, "now has patches {}; it had {'train': 2}"):
        pickle.loads(pickled["train"])
    shutil.rmtree(tmp_path)
    with refusal(FileNotFoundError, "no folder", tmp_path):
        pickle.loads(pickled["all"])


@needs_dev_fd
def test_files_are_opened_once_for_all_readers_and_closed_with_the_last(tmp_path):
    write_root(tmp_path, {"train": 2, "val": 1})
    before = descriptors()
    ds = open_small(tmp_path)
    assert descriptors() == before
    readers = [ds.reader("L1C", "hq")]
    readers[0].read([0, 2])
    first = descriptors()
    assert first - before == 5 * 2  # five arrays of two splits
    for part in (ds, ds.subset([2, 0]), ds.split("train"), ds.subset([0]).split("train")):
        readers += [part.reader("L1C", "hq", size=size) for size in (8, None)]
    for reader in readers:
        reader.read([0])
    assert ds.split("train")["B2"].shape == (2, 40, 48)
    assert descriptors() == first - 1 + PER_VIEWED_FILE
    first = descriptors()
    del ds, part, reader
    assert descriptors() == first
    del readers
    assert descriptors() == before


@needs_dev_fd
def test_a_refusal_leaves_no_file_open(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    ds = open_small(tmp_path)
    os.truncate(tmp_path / "B2.dat", 100)
    before = descriptors()
    for _ in range(5):
        with pytest.raises(TruncatedError):
            ds["B2"]
        with pytest.raises(LayoutError):
            open_small(tmp_path)
    assert descriptors() == before


@needs_dev_fd
def test_threads_that_open_at_once_share_one_mapping(tmp_path):
    arrays = write_split(tmp_path, 2, names=["B2", "B3"])
    before = descriptors()
    for _ in range(scaled(4, 20)):
        ds = open_small(tmp_path)
        start, seen = threading.Barrier(8), []

        def use(ds=ds, start=start, seen=seen):
            start.wait()
            seen.append((ds["B2"], ds["B3"]))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 8
        assert len({id(array) for pair in seen for array in pair}) == 2
        assert seen[0][0].tobytes() == arrays["L1C_B2"].tobytes()
        assert descriptors() == before + 2 * PER_VIEWED_FILE
        seen.clear()
    del ds, use, threads, thread
    assert descriptors() == before


FORK = """
import sys, threading
import cloudio, forks, cloudio.storage.open_files as open_files

inside, go_on = threading.Event(), threading.Event()

def slow(*given, **how):
    inside.set()
    go_on.wait()
    return quick(*given, **how)

ds = cloudio.open(sys.argv[1])
quick, open_files.open_file = open_files.open_file, slow
thread = threading.Thread(target=ds.__getitem__, args=["B4"])
thread.start()
inside.wait()
open_files.open_file = quick
status = forks.forked(lambda: ds["B4"].shape == ds["B3"].shape == (1, 512, 512))
go_on.set()
thread.join()
print("status", status)
"""


@needs_fork
def test_a_child_forked_while_a_thread_opens_a_file_can_open_it_too(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B3", "L1C_B4"])
    assert in_subprocess(FORK, tmp_path) == "status 0"


# ---- as a thing ----------------------------------------------------------------------------------


def test_a_data_set_shows_what_it_is(ds, root):
    assert repr(ds).splitlines()[0] == (
        f"<cloudio.Dataset Small at {root[0]}: 8 patches (train 3, val 1, test 2, extra 2), "
        f"14 arrays>"
    )
    assert "0 patches (train 0" in repr(ds.subset([]))


def test_splits_cannot_be_changed(ds):
    with pytest.raises(TypeError):
        ds.splits["train"] = range(1)


def test_nothing_unusual_gives_no_warnings(ds):
    assert ds.warnings == ()


def test_the_small_patches_of_the_release_open(mini):
    assert {name: len(which) for name, which in mini.splits.items()} == {
        "train": 3,
        "val": 1,
        "test": 2,
    }
    assert len(mini.names) == 26
    assert mini.warnings == ()
    assert mini.valid_window == Window(1, 1, 509, 509)
    for name in mini.splits:
        split = mini.split(name)
        for array in split.names:
            path = mini.path / name / f"{array}.dat"
            assert np.array_equal(
                split[array].ravel(), np.fromfile(path, split[array].dtype), equal_nan=True
            )


def test_what_the_builders_write_is_what_they_return(tmp_path):
    arrays = write_root(tmp_path, {"test": 1, "train": 2}, names=["S1_VV", "hq"], seed=3)
    other = builders.pixels("S1_VV", (2, 40, 48), "float32", seed=3)
    assert arrays["S1_VV"][:2].tobytes() == other.tobytes()
    assert np.isnan(other).any()
    assert len(np.unique(arrays["LABEL_hq"])) == 256
