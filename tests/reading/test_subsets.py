"""Splits, subsets and metadata: which patches a part of a data set has."""

import pickle

import numpy as np
import pytest
from builders import write_root, write_split
from small_sets import open_small, raises

from cloudio import RequestError

# ---- splits and subsets --------------------------------------------------------------------------


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
    with raises(RequestError, "no split 'valid'; ", ds.path, "has train, val, test, extra"):
        ds.split("valid")
    with raises(RequestError, "no split 'val'; ", ds.path, "has train"):
        ds.split("train").split("val")
    with raises(RequestError, "no split 0; "):
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


def test_negative_numbers_count_from_the_end_of_the_part(ds, root):
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
        ([True, False], RequestError, "the mask has shape (2,); it must be (8,)"),
        (np.ones(9, bool), RequestError, "the mask has shape (9,); it must be (8,)"),
        (np.ones((8, 1), bool), RequestError, "the mask has shape (8, 1); it must be (8,)"),
        (True, RequestError, "the mask has shape (); it must be (8,)"),
        ([True, 1, 0], RequestError, "index holds True or False; it must hold whole numbers"),
        ([0.0], RequestError, "index has dtype float64; it must hold whole numbers"),
        (
            ["train"],
            RequestError,
            "index=['train']; index must be whole numbers, such as",
        ),
        ("train", RequestError, "subset('train'); pass patch numbers such as [0, 3], a mask, or a"),
        ("roi_id", RequestError, "a condition on a column of the metadata such as roi_id=value"),
        (len, RequestError, "subset(<built-in function len>); pass patch numbers"),
        (None, RequestError, "subset() needs an index, a mask, or a condition on the metadata"),
        ([None], RequestError, "index=[None]; index must be whole numbers, such as [0, 3, 5]"),
        ([[0, 1]], RequestError, "index has shape (1, 2); it must have one dimension"),
        ([[0], [1, 2]], RequestError, "index must be an array of whole numbers"),
    ],
)
def test_an_index_that_names_no_patches_is_refused(ds, index, error, words):
    with raises(error, words):
        ds.subset(index)


def test_patches_of_a_subset_are_counted_in_it(ds):
    with raises(IndexError, "index[0] = 2; there are 2 patches"):
        ds.subset([5, 6]).subset([2])
    with raises(IndexError, "index[0] = 0; there are 0 patches"):
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
    with raises(RequestError, "index has dtype bool; it must hold whole numbers"):
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
    with raises(RequestError, "subset(index=...) is ambiguous; pass positions as the first"):
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
        ({"roi_id": 5}, "roi_id=5; roi_id holds text, and cannot equal it"),
        ({"s2_date": 2019}, "s2_date=2019; s2_date holds dates, and cannot equal it; give a date"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(ds, where, words):
    with raises(RequestError, *([words] if isinstance(words, str) else words)):
        ds.subset(**where)


def test_conditions_need_metadata(tmp_path):
    write_split(tmp_path / "train", 1, names=["B2"], metadata=False)
    with raises(
        RequestError, "there is no column 'roi_id'; not every split of", "has a metadata.csv"
    ):
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
    assert ds.warnings == ("val: there is no metadata.csv, which other splits have",)
    assert len(ds.split("train").metadata["index"]) == 1
    assert ds.split("train").warnings == ()


def test_columns_that_one_split_lacks_are_left_out(tmp_path):
    write_root(tmp_path, {"train": 1, "val": 1}, names=["B2"])
    (tmp_path / "val" / "metadata.csv").write_text("roi_id,index\nROI_9,77\n")
    metadata = open_small(tmp_path).metadata
    assert list(metadata) == ["index", "roi_id"]
    assert metadata["index"][1] == 77
    assert metadata["roi_id"][1] == "ROI_9"
