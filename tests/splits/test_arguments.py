"""Arguments that are refused, and numbers of numpy that are not."""

import re

import numpy as np
import pytest
from metadata_sets import (
    HALVES,
    metadata_only,
    release_columns,
)

from cloudio import RequestError, make_splits


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shares": {}}, "shares={}; a share for each split is needed: {'train': 0.8}"),
        ({"shares": [0.8, 0.2]}, "shares=[0.8, 0.2]; a share for each split"),
        ({"shares": {"a": 0.8, "b": 0.1}}, "the shares sum to 0.9; 1 is needed"),
        ({"shares": {"a": 80, "b": 20}}, "the shares sum to 100; 1 is needed"),
        ({"shares": {"a": 0.5, "b": 0.500002}}, "the shares sum to 1.000002; 1 is needed"),
        ({"shares": {"a": 1.0, "b": 0}}, "shares['b'] = 0; a number above 0 is needed"),
        ({"shares": {"a": 1.5, "b": -0.5}}, "shares['b'] = -0.5; a number above 0"),
        ({"shares": {"a": float("nan")}}, "shares['a'] = nan; a number above 0"),
        ({"shares": {"a": float("inf")}}, "shares['a'] = inf; a number above 0"),
        ({"shares": {"a": 10**400}}, "; a number above 0"),
        ({"shares": {"a": True}}, "shares['a'] = True; a number above 0"),
        ({"shares": {"a": "1"}}, "shares['a'] = '1'; a number above 0"),
        ({"shares": {1: 1.0}}, "no split can be called 1; a name is needed"),
        ({"shares": {"": 1.0}}, "no split can be called ''; a name is needed"),
        ({"seed": -1}, "seed=-1; a whole number from 0 to 2**64 - 1 is needed"),
        ({"seed": 2**64}, "seed=18446744073709551616; a whole number"),
        ({"seed": True}, "seed=True; a whole number"),
        ({"seed": 1.0}, "seed=1.0; a whole number"),
        ({"seed": None}, "seed=None; a whole number"),
        (
            {"group": "roi"},
            "no column 'roi'; the metadata of somewhere has index, roi_id, s2_id, s2",
        ),
        ({"group": ("roi_id", "tile")}, "no column 'tile'; the metadata of somewhere has index"),
        ({"group": 5}, "5 names no columns; a name is needed, names, or None"),
        ({"group": [5]}, "no column 5; the metadata of somewhere has index"),
        ({"group": [["roi_id"]]}, "no column ['roi_id']; the metadata of"),
        ({"stratify": "class"}, "no column 'class'; the metadata of somewhere has"),
        (
            {"stratify": [1, 2]},
            "stratify is (2,) int64; a column is needed, or an array with a num",
        ),
        ({"stratify": np.ones((10, 1))}, "stratify is (10, 1) float64; a column is needed"),
        ({"stratify": [None] * 10}, "stratify is (10,) object; a column is needed"),
        ({"stratify": 3}, "stratify is () int64; a column is needed"),
        ({"stratify": [[1], [1, 2]]}, "stratify is no array of values: "),
    ],
)
def test_wrong_arguments_are_refused(options, words):
    with pytest.raises(RequestError, match=re.escape(words)):
        make_splits(metadata_only(**release_columns(10)), **{"shares": HALVES} | options)


def test_numbers_of_numpy_are_accepted():
    ds = metadata_only(**release_columns(50))
    asked = {name: np.float32(share) for name, share in HALVES.items()}
    assert make_splits(ds, asked, seed=np.int64(3)) == make_splits(ds, HALVES, seed=3)


def test_patches_and_metadata_are_needed():
    with pytest.raises(RequestError, match=r"^there are no patches to split$"):
        make_splits(metadata_only(**release_columns(5)).subset([]), HALVES)
    with pytest.raises(RequestError, match=r"^'data' is no data set; cloudio.open\(path\) makes"):
        make_splits("data", HALVES)
    bare = metadata_only(("train", {"x": ["1"]}), ("val", {"y": ["1"]}))
    with pytest.raises(RequestError, match=r"^no column 'roi_id'; somewhere has no metadata.csv"):
        make_splits(bare, HALVES)
    assert len(make_splits(bare, HALVES, group=None)) == 2
