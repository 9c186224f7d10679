"""Which patches form a group: equal values, connections, repeats."""

import numpy as np
import pytest
from builders import SMALL, write_root
from metadata_sets import HALVES, metadata_only, release_columns, split_per_patch

import cloudio
from cloudio import make_splits


def test_patches_connected_through_others_stay_together():
    ds = metadata_only(roi_id=["a", "b", "b", "c", "d", "e"], s2_id=["1", "1", "2", "2", "3", "4"])
    for seed in range(20):
        splits = make_splits(ds, {"a": 4 / 6, "b": 2 / 6}, seed=seed)
        assert split_per_patch(splits) == ["a"] * 4 + ["b"] * 2
        assert (splits.n_groups, splits.largest) == (3, 4)


def test_a_long_chain_is_one_group():
    n = 20_000
    link = [str(k // 2) for k in range(n)], [str((k + 1) // 2) for k in range(n)]
    order = np.random.default_rng(0).permutation(n)
    ds = metadata_only(
        **{name: [x[k] for k in order] for name, x in zip(("a", "b"), link, strict=True)}
    )
    with pytest.warns(
        cloudio.CloudioWarning,
        match="^b gets no patch, although its share is 0.4 of 20000: the patches are in 1",
    ):
        splits = make_splits(ds, {"a": 0.6, "b": 0.4}, group=("a", "b"))
    assert (splits.n_groups, splits.largest) == (1, n)
    assert len(splits["a"]) == n


@pytest.mark.parametrize(
    "value", ["1", "1.5", "2019-06-01", "x"], ids=["int", "nan", "nat", "text"]
)
def test_empty_fields_connect_nothing(value):
    ds = metadata_only(roi_id=[*[""] * 9, value, value])
    assert make_splits(ds, {"a": 0.7, "b": 0.3}, group="roi_id").n_groups == 10


def test_spaces_around_a_value_do_not_make_another_value():
    assert make_splits(metadata_only(roi_id=["a", "a ", "b"]), HALVES, group="roi_id").n_groups == 2


def test_a_patch_that_occurs_twice_is_in_one_split():
    whole = metadata_only(**release_columns(20))
    ds = whole.subset([3, 3, *range(20), 4, 3])
    for seed in range(20):
        splits = make_splits(ds, HALVES, seed=seed, group=None)
        placed = split_per_patch(splits)
        assert len({placed[k] for k in (0, 1, 5, 23)}) == 1
        assert placed[6] == placed[22]
        assert splits.n_groups == 20
    bare = metadata_only(("train", {"x": ["1"] * 5}), ("val", {"y": ["1"] * 5})).subset(
        [*range(10), 2]
    )
    assert bare.metadata == {}
    assert make_splits(bare, HALVES, group=None).n_groups == 10


def test_positions_are_those_of_the_data_set_that_was_split(tmp_path):
    write_root(tmp_path, {"train": 12, "val": 9, "test": 9}, names=["B2"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    splits = make_splits(ds, {"train": 0.7, "test": 0.3}, group="roi_id")
    parts = {name: ds.subset(which) for name, which in splits.items()}
    places = {name: set(part.metadata["roi_id"]) for name, part in parts.items()}
    assert not places["train"] & places["test"]
    assert np.array_equal(
        parts["test"].reader("B2", scale=None, dtype="int16").read(range(len(parts["test"]))).image,
        ds.reader("B2", scale=None, dtype="int16").read(splits["test"]).image,
    )
