"""`shared`: values that several splits have."""

import pytest
from metadata_sets import metadata_only, splits_without_warnings

import cloudio
from cloudio import CLOUDSEN12, RequestError, Splits, make_splits
from cloudio.splits import shared


def as_lists(found):
    """As lists, for comparison."""
    return [
        (one.column, one.value, {name: which.tolist() for name, which in one.patches.items()})
        for one in found
    ]


def test_values_in_several_splits_are_found_with_their_patches():
    ds = metadata_only(
        ("train", {"roi_id": ["a", "b", "c", "b"], "s2_id": ["1", "2", "", "4"]}),
        ("val", {"roi_id": ["d", "b ", ""], "s2_id": ["4", "", "6"]}),
        ("test", {"roi_id": ["c", "b", ""], "s2_id": ["7", "8", "9"]}),
    )
    expected = [
        ("roi_id", "b", {"train": [1, 3], "val": [1], "test": [1]}),
        ("roi_id", "c", {"train": [2], "test": [0]}),
        ("s2_id", "4", {"train": [3], "val": [0]}),
    ]
    assert as_lists(shared(ds)) == expected
    assert as_lists(shared(ds, "s2_id")) == expected[2:]
    assert shared(ds.split("train")) == []
    for column, value, patches in shared(ds, "roi_id"):
        for name, which in patches.items():
            there = ds.split(name).metadata[column][which].tolist()
            assert {field.strip() for field in there} == {value}
    # Of a subset they are counted as its splits count them.
    part = ds.subset([7, 3, 6, 0, 2, 5])
    assert as_lists(shared(part)) == [
        ("roi_id", "b", {"train": [0], "val": [1]}),
        ("roi_id", "c", {"train": [2], "test": [0]}),
    ]
    assert part.split("train").metadata["roi_id"].tolist() == ["b", "a", "c"]
    with pytest.raises(
        RequestError, match=r"^there is no column 'tile'; the metadata of somewhere has roi_"
    ):
        shared(ds, ["tile"])


def test_splits_of_real_patches_share_scenes_and_new_ones_do_not(mini):
    found = as_lists(shared(mini))
    assert ("roi_id", "ROI_0202", {"train": [1], "val": [0]}) in found
    assert {one[0] for one in found} == {"roi_id", "s2_id"}
    assert all(len(one[2]) > 1 for one in found)
    splits = splits_without_warnings(mini, {"train": 0.5, "test": 0.5})
    for column in ("roi_id", "s2_id"):
        values = [set(mini.metadata[column][which]) for which in splits.values()]
        assert not values[0] & values[1]


def test_splits_of_a_synthetic_data_set_share_nothing(tmp_path):
    cloudio.synthesize(tmp_path / "data", {"train": 7, "val": 6, "test": 6}, arrays=["LABEL_qa60"])
    ds = cloudio.open(tmp_path / "data")
    assert ds.layout is CLOUDSEN12
    assert shared(ds) == []
    assert isinstance(make_splits(ds, {"train": 0.7, "test": 0.3}), Splits)
