"""How many patches each split gets."""

import numpy as np
import pytest
from metadata_sets import CARD, HALVES, metadata_only

import cloudio
from cloudio import make_splits


def test_single_patches_have_the_shares_of_the_card():
    ds = metadata_only(x=[str(k) for k in range(10_000)])
    splits = make_splits(ds, CARD, group=None)
    assert [len(which) for which in splits.values()] == [8490, 535, 975]


def test_shares_are_rounded_to_the_nearest_patches():
    splits = make_splits(
        metadata_only(x=list("abcdefg")), {"a": 0.5, "b": 0.3, "c": 0.2}, group=None
    )
    assert [len(which) for which in splits.values()] == [4, 2, 1]  # of 3.5, 2.1, 1.4


def test_shares_that_groups_allow_are_met_exactly():
    ds = metadata_only(roi_id=list("aaabbbccddee"))
    for seed in range(30):
        splits = make_splits(ds, HALVES, seed=seed, group="roi_id")
        assert [len(which) for which in splits.values()] == [6, 6]


def test_a_split_without_patches_is_empty_with_a_warning():
    words = (
        r"^val gets no patch, although its share is 0\.0535 of 3: the patches are in 3 groups "
        r"of up to 1, which stay whole$"
    )
    with pytest.warns(cloudio.CloudioWarning, match=words) as caught:
        splits = make_splits(
            metadata_only(x=list("abc")), {"train": 0.6, "val": 0.0535, "test": 0.3465}, group=None
        )
    assert [len(which) for which in splits.values()] == [2, 0, 1]
    assert splits["val"].dtype == np.int64
    assert [one.filename for one in caught] == [__file__]


def test_one_split_gets_every_patch():
    assert make_splits(metadata_only(x=list("abc")), {"all": 1}, group=None)["all"].tolist() == [
        0,
        1,
        2,
    ]
