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
        (
            {"shares": {}},
            "shares={}; shares must map each split to its share, such as {'train': 0.8",
        ),
        (
            {"shares": [0.8, 0.2]},
            "shares=[0.8, 0.2]; shares must map each split to its share, such as",
        ),
        ({"shares": {"a": 0.8, "b": 0.1}}, "the shares sum to 0.9; they must sum to 1"),
        ({"shares": {"a": 80, "b": 20}}, "the shares sum to 100; they must sum to 1"),
        ({"shares": {"a": 0.5, "b": 0.500002}}, "the shares sum to 1.000002; they must sum to 1"),
        ({"shares": {"a": 1.0, "b": 0}}, "shares['b']=0; a share must be a number above 0"),
        ({"shares": {"a": 1.5, "b": -0.5}}, "shares['b']=-0.5; a share must be a number above 0"),
        ({"shares": {"a": float("nan")}}, "shares['a']=nan; a share must be a number above 0"),
        ({"shares": {"a": float("inf")}}, "shares['a']=inf; a share must be a number above 0"),
        ({"shares": {"a": 10**400}}, "; a share must be a number above 0"),
        ({"shares": {"a": True}}, "shares['a']=True; a share must be a number above 0"),
        ({"shares": {"a": "1"}}, "shares['a']='1'; a share must be a number above 0"),
        ({"shares": {1: 1.0}}, "1 cannot name a split; give a string that is not empty"),
        ({"shares": {"": 1.0}}, "'' cannot name a split; give a string that is not empty"),
        ({"seed": -1}, "seed=-1; seed must be a whole number from 0 to 2**64 - 1"),
        ({"seed": 2**64}, "seed=18446744073709551616; seed must be a whole number from 0 to"),
        ({"seed": True}, "seed=True; seed must be a whole number"),
        ({"seed": 1.0}, "seed=1.0; seed must be a whole number"),
        ({"seed": None}, "seed=None; seed must be a whole number"),
        (
            {"group": "roi"},
            "no column 'roi'; the metadata of somewhere has index, roi_id, s2_id, s2",
        ),
        ({"group": ("roi_id", "tile")}, "no column 'tile'; the metadata of somewhere has index"),
        ({"group": 5}, "columns 5; they must be the name of a column, a list of names, or None"),
        ({"group": [5]}, "no column 5; the metadata of somewhere has index"),
        ({"group": [["roi_id"]]}, "no column ['roi_id']; the metadata of"),
        ({"stratify": "class"}, "no column 'class'; the metadata of somewhere has"),
        (
            {"stratify": [1, 2]},
            "stratify has shape (2,) and dtype int64; it must be the name of a column, or an array",
        ),
        (
            {"stratify": np.ones((10, 1))},
            "stratify has shape (10, 1) and dtype float64; it must be the name of a column",
        ),
        (
            {"stratify": [None] * 10},
            "stratify has shape (10,) and dtype object; it must be the name of a column",
        ),
        ({"stratify": 3}, "stratify has shape () and dtype int64; it must be the name of a column"),
        ({"stratify": [[1], [1, 2]]}, "stratify cannot be made an array: setting an array element"),
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
    with pytest.raises(
        RequestError, match=r"^there are no patches to split; the data set is empty$"
    ):
        make_splits(metadata_only(**release_columns(5)).subset([]), HALVES)
    with pytest.raises(
        RequestError,
        match=r"^ds is of type str; ds must be a Dataset, as cloudio.open\(path\) returns$",
    ):
        make_splits("data", HALVES)
    bare = metadata_only(("train", {"x": ["1"]}), ("val", {"y": ["1"]}))
    with pytest.raises(
        RequestError,
        match=r"^there is no column 'roi_id'; not every split of somewhere has a metadata.csv",
    ):
        make_splits(bare, HALVES)
    assert len(make_splits(bare, HALVES, group=None)) == 2
    for ds in (bare, metadata_only(name=["a", "b"])):
        with pytest.raises(
            RequestError,
            match=r"no column 'roi_id'; .*group=\.\.\., .* or group=None, which splits",
        ):
            make_splits(ds, HALVES)
    with pytest.raises(RequestError, match=r"no column 'roi'; .*; did you mean roi_id\?$"):
        make_splits(metadata_only(**release_columns(5)), HALVES, group="roi")
