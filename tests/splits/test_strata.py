"""Splits with about the same share of each value."""

import numpy as np
from metadata_sets import CARD, HALVES, metadata_only, release_columns

from cloudio import make_splits


def test_single_patches_give_every_split_the_same_shares_of_values():
    values = ["forest"] * 50 + ["city"] * 30 + ["sea"] * 20
    ds = metadata_only(x=[str(k) for k in range(100)], cover=values)
    asked = {"train": 0.6, "val": 0.2, "test": 0.2}
    for stratify in ("cover", values, np.array(values), np.array(values, object)):
        for seed in range(3):
            splits = make_splits(ds, asked, seed=seed, group=None, stratify=stratify)
            assert splits.strata == {
                "city": {"train": 18, "val": 6, "test": 6},
                "forest": {"train": 30, "val": 10, "test": 10},
                "sea": {"train": 12, "val": 4, "test": 4},
            }
    assert make_splits(ds, asked, group=None).strata == {}


def test_numbers_are_values_to_stratify_by():
    classes = np.repeat(np.array([0, 3, 1], np.uint8), 20)
    splits = make_splits(
        metadata_only(x=[str(k) for k in range(60)]), HALVES, group=None, stratify=classes
    )
    assert splits.strata == {value: {"a": 10, "b": 10} for value in "013"}


def test_groups_are_stratified_as_far_as_groups_allow():
    ds = metadata_only(**release_columns(1000))
    cover = ds.metadata["land_cover"]

    def furthest(splits):
        return max(
            abs(np.mean(cover[which] == value) - np.mean(cover == value))
            for which in splits.values()
            for value in np.unique(cover)
        )

    with_strata = [make_splits(ds, CARD, seed=s, stratify="land_cover") for s in range(5)]
    without = [make_splits(ds, CARD, seed=s) for s in range(5)]
    assert max(map(furthest, with_strata)) < 0.04
    assert max(map(furthest, with_strata)) < min(map(furthest, without))
    for splits in with_strata:
        assert f"off by {furthest(splits):.4f} at most" in str(splits)
        assert not any(
            set(ds.metadata["roi_id"][splits["train"]]) & set(ds.metadata["roi_id"][splits[name]])
            for name in ("val", "test")
        )


def test_values_that_occur_once_do_not_change_the_shares():
    ds = metadata_only(x=[str(k) for k in range(1000)])
    splits = make_splits(ds, CARD, group=None, stratify=np.random.default_rng(0).random(1000))
    assert [len(which) for which in splits.values()] == [849, 53, 98]


def test_an_empty_field_is_a_value_to_stratify_by():
    ds = metadata_only(x=[str(k) for k in range(20)], cover=["", "1"] * 10)
    splits = make_splits(ds, HALVES, group=None, stratify="cover")
    assert splits.strata == {"": {"a": 5, "b": 5}, "1": {"a": 5, "b": 5}}
