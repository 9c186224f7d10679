"""Data sets: their arrays and files, pickles, threads and forks."""

import gc
import os
import pickle
import shutil
import sys
import threading

import builders
import numpy as np
import pytest
from builders import write_root, write_split
from processes import in_subprocess
from profiles import scaled
from small_sets import open_small, raises

import cloudio
from cloudio import CLOUDSEN12, LayoutError, RequestError, TruncatedError, Window

# Before Python 3.13 a mapping keeps a copy of its file's descriptor.
PER_VIEWED_FILE = 1 if sys.version_info >= (3, 13) else 2


def descriptors():
    """How many files this process has open."""
    gc.collect()
    return len(os.listdir("/dev/fd"))


needs_dev_fd = pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there is no /dev/fd")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


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
    with raises(
        RequestError,
        "L1C_B2'] is a view of one file",
        "has 4 splits",
        "ds.split('train')['L1C_B2']",
    ):
        ds["L1C_B2"]
    with raises(RequestError, "L1C_B2'] is a view of one file", "is a subset", "ds.reader"):
        ds.split("train").subset([0])["L1C_B2"]
    with raises(RequestError, "L1C_B2'] is a view of one file", "is a subset"):
        ds.subset([0]).split("train")["L1C_B2"]


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_splits_of_two_types_are_read_one_by_one(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2", "hq"])
    write_split(tmp_path / "val", 1, names=["B2", "hq"], dtypes={"hq": "int16"})
    ds = open_small(tmp_path)
    words = "LABEL_hq is uint8 in train, int16 in val; read these splits separately"
    for ask in (ds.dtype, ds.band, lambda name: ds.reader("B2", name)):
        with raises(RequestError, words):
            ask("hq")
    for part in (ds.split("val"), ds.subset([1]).split("val")):
        assert part.dtype("hq") == np.int16
        assert part.reader("B2", "hq").read([0]).label.shape == (1, 35, 41)


def test_a_file_cut_before_its_first_use_is_an_error(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    ds = open_small(tmp_path)
    os.truncate(tmp_path / "B2.dat", 100)
    words = f"{tmp_path / 'B2.dat'} holds 100 bytes; it held 7,680 when the data set was opened"
    for use in (lambda: ds["B2"], lambda: ds.reader("B2"), lambda: ds.reader(["B3", "B2"])):
        with raises(TruncatedError, words):
            use()
    with pytest.raises(OSError, match="100 bytes"):
        ds["B2"]
    assert ds["B3"].shape == (2, 40, 48)


def test_a_file_gone_before_its_first_use_is_an_error(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    ds = open_small(tmp_path)
    (tmp_path / "B2.dat").unlink()
    with raises(FileNotFoundError, "B2.dat"):
        ds["B2"]


def stored(ds):
    """Which stored patches a data set has, by a band that no two patches share."""
    image = ds.reader("B2", size=(40, 48), scale=None).read(range(len(ds))).image
    return [pixels.tobytes() for pixels in image]


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
    words = "has patches {'train': 2, 'val': 3}; it had {'train': 2, 'val': 1} when it was"
    with raises(LayoutError, tmp_path, words):
        pickle.loads(pickled["all"])
    assert len(pickle.loads(pickled["train"])) == 2
    shutil.rmtree(tmp_path / "train")
    with raises(LayoutError, tmp_path, "has patches {}; it had {'train': 2}"):
        pickle.loads(pickled["train"])
    shutil.rmtree(tmp_path)
    with raises(FileNotFoundError, "no folder", tmp_path):
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

def slow(*args, **kwargs):
    inside.set()
    go_on.wait()
    return quick(*args, **kwargs)

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


# ---- text ----------------------------------------------------------------------------------------


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
