"""Arguments that a loader refuses, before anything has changed."""

import numpy as np
import pytest
from loading import make_reader

import cloudio
from cloudio import RequestError


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch_size": 0}, r"batch_size=0; a whole number from 1 on is needed"),
        ({"batch_size": -3}, r"batch_size=-3; a whole number from 1 on"),
        ({"batch_size": 2.0}, r"batch_size=2\.0; a whole"),
        ({"batch_size": True}, r"batch_size=True; a whole"),
        ({"batch_size": 2**31}, r"batch_size=2147483648; a whole"),
        ({"batch_size": None}, r"batch_size=None; a whole"),
        ({"shuffle": 1}, r"shuffle=1; True or False is needed"),
        ({"drop_last": "no"}, r"drop_last='no'; True or False is needed"),
        ({"seed": -1}, r"seed=-1; a whole number from 0 to 2\*\*64 - 1 is needed"),
        ({"seed": 2**64}, r"seed=18446744073709551616; a whole"),
        ({"seed": None}, r"seed=None; a whole"),
        ({"crop": "corner"}, r"crop='corner'; 'random', 'center' or an origin"),
        (
            {"crop": (7, 0)},
            r"crop=\(7, 0\); a window of 6 x 6 fits a patch from \(0, 0\) to \(6, 8",
        ),
        ({"symmetry": "all"}, r"symmetry='all'; 'd4', 'flip' or None is needed"),
        ({"world_size": 0}, r"world_size=0; a whole number from 1 on is needed"),
        ({"world_size": 24}, r"world_size=24, but there are 23 patches"),
        ({"world_size": 3, "index": [1, 2]}, r"world_size=3, but there are 2 patches"),
        ({"index": []}, r"there are no patches to load"),
        ({"index": np.ones(3, bool)}, r"the mask has shape \(3,\); \(23,\) is needed"),
        ({"index": [0.5]}, r"index is of float64; whole numbers are needed"),
        ({"rank": 1}, r"rank=1; 0\.\.0 are needed"),
        ({"rank": 3, "world_size": 3}, r"rank=3; 0\.\.2 are needed"),
        ({"rank": -1, "world_size": 3}, r"rank=-1; a whole number from 0 on is needed"),
        (
            {"batch_size": 12, "drop_last": True, "world_size": 2},
            r"drop_last=True leaves none of 23 patches: batch_size=12, world_size=2",
        ),
        ({"prefetch": -1}, r"prefetch=-1; a whole number from 0 on is needed"),
        ({"prefetch": 1.5}, r"prefetch=1\.5; a whole"),
        ({"allocate": 64}, r"allocate=64; a function of a number of bytes is needed"),
    ],
)
def test_a_refusal_says_what_was_given_and_what_is_needed(reader, settings, says):
    with pytest.raises(RequestError, match=says):
        cloudio.Loader(reader, **{"batch_size": 4, **settings})


def test_an_index_out_of_range_is_refused(reader):
    with pytest.raises(IndexError, match=r"23.*there are 23 patches"):
        cloudio.Loader(reader, 4, index=[0, 23])


def test_quarter_turns_of_what_is_no_square_are_refused(ds):
    with pytest.raises(RequestError, match=r"must be square; it is 6 x 7"):
        cloudio.Loader(make_reader(ds, size=(6, 7)), 4, symmetry="d4")


@pytest.mark.parametrize("given", [None, "train", 3, [1, 2]])
def test_a_loader_is_of_a_reader(given):
    with pytest.raises(RequestError, match=r"is no Reader; ds\.reader\(\.\.\.\) makes one"):
        cloudio.Loader(given, 4)


def test_a_data_set_is_no_reader(ds):
    with pytest.raises(RequestError, match=r"Dataset is no Reader"):
        cloudio.Loader(ds, 4)


@pytest.mark.parametrize(
    ("positions", "error", "says"),
    [
        ([23], IndexError, r"an epoch has 0\.\.22"),
        ([-1], IndexError, r"an epoch has 0\.\.22"),
        ([0, 2**63 - 1], IndexError, r"an epoch has 0\.\.22"),
        ([1.5], RequestError, r"positions is of float64; whole numbers are needed"),
        ([True], RequestError, r"positions"),
        (["1"], RequestError, r"positions is of"),
    ],
)
def test_positions_are_whole_numbers_of_an_epoch(reader, positions, error, says):
    with pytest.raises(error, match=says):
        cloudio.Loader(reader, 4).samples(positions)


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None, 2**63])
def test_an_epoch_that_is_none_is_refused_and_changes_nothing(reader, epoch):
    loader = cloudio.Loader(reader, 4)
    loader.set_epoch(6)
    with pytest.raises(RequestError, match=r"epoch=.*; a whole number from 0 on is needed"):
        loader.set_epoch(epoch)
    assert loader.epoch == 6
