"""Arguments that a loader refuses, before anything has changed."""

import numpy as np
import pytest
from loading import make_reader

import cloudio
from cloudio import RequestError


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch_size": 0}, r"batch_size=0; batch_size must be a whole number, 1 or more"),
        ({"batch_size": -3}, r"batch_size=-3; batch_size must be a whole number, 1 or more"),
        ({"batch_size": 2.0}, r"batch_size=2\.0; batch_size must be a whole number"),
        ({"batch_size": True}, r"batch_size=True; batch_size must be a whole number"),
        ({"batch_size": 2**31}, r"batch_size=2147483648; batch_size must be a whole number"),
        ({"batch_size": None}, r"batch_size=None; batch_size must be a whole number"),
        ({"shuffle": 1}, r"shuffle=1; shuffle must be True or False"),
        ({"drop_last": "no"}, r"drop_last='no'; drop_last must be True or False"),
        ({"seed": -1}, r"seed=-1; seed must be a whole number from 0 to 2\*\*64 - 1"),
        ({"seed": 2**64}, r"seed=18446744073709551616; seed must be a whole number"),
        ({"seed": None}, r"seed=None; seed must be a whole number"),
        ({"crop": "corner"}, r"crop='corner'; crop must be 'random', 'center' or an origin"),
        (
            {"crop": (7, 0)},
            r"crop=\(7, 0\); a window of 6 x 6 must begin between \(0, 0\) and \(6, 8",
        ),
        ({"symmetry": "all"}, r"symmetry='all'; symmetry must be 'd4', 'flip' or None"),
        (
            {"rank": 0, "world_size": 0},
            r"world_size=0; world_size must be a whole number, 1 or more",
        ),
        ({"rank": 0, "world_size": 24}, r"world_size=24, but there are only 23 patches"),
        (
            {"rank": 0, "world_size": 3, "index": [1, 2]},
            r"world_size=3, but there are only 2 patches",
        ),
        ({"index": []}, r"there are no patches to load"),
        ({"index": np.ones(3, bool)}, r"the mask has shape \(3,\); it must be \(23,\)"),
        ({"index": [0.5]}, r"index has dtype float64; it must hold whole numbers"),
        ({"rank": 1}, r"rank=1 without world_size; pass both, or neither: then they are found"),
        ({"world_size": 2}, r"world_size=2 without rank; pass both, or neither"),
        ({"rank": 1, "world_size": 1}, r"rank=1; with world_size=1 rank must be 0\.\.0"),
        ({"rank": "0", "world_size": 2}, r"rank=.0.; rank must be a whole number"),
        ({"rank": 3, "world_size": 3}, r"rank=3; with world_size=3 rank must be 0\.\.2"),
        ({"rank": -1, "world_size": 3}, r"rank=-1; rank must be a whole number, 0 or more"),
        (
            {"batch_size": 12, "drop_last": True, "rank": 0, "world_size": 2},
            r"drop_last=True leaves no batch: 23 patches, batch_size=12, world_size=2",
        ),
        ({"prefetch": -1}, r"prefetch=-1; prefetch must be a whole number, 0 or more"),
        ({"prefetch": 1.5}, r"prefetch=1\.5; prefetch must be a whole number"),
        (
            {"allocate": 64},
            r"allocate=64; allocate must be a function that takes a number of bytes",
        ),
    ],
)
def test_a_refusal_says_what_was_given_and_what_is_needed(reader, settings, says):
    with pytest.raises(RequestError, match=says):
        cloudio.Loader(reader, **{"batch_size": 4, **settings})


def test_an_index_out_of_range_is_refused(reader):
    with pytest.raises(IndexError, match=r"23.*there are 23 patches"):
        cloudio.Loader(reader, 4, index=[0, 23])


def test_quarter_turns_of_what_is_no_square_are_refused(ds):
    with pytest.raises(RequestError, match=r"which need a square window; this one is 6 x 7"):
        cloudio.Loader(make_reader(ds, size=(6, 7)), 4, symmetry="d4")


@pytest.mark.parametrize("given", [None, "train", 3, [1, 2]])
def test_a_loader_is_of_a_reader(given):
    with pytest.raises(
        RequestError, match=r"reader is a .*; it must be a Reader, as ds\.reader\(\.\.\.\) returns"
    ):
        cloudio.Loader(given, 4)


def test_a_data_set_is_no_reader(ds):
    with pytest.raises(RequestError, match=r"reader is a Dataset; it must be a Reader"):
        cloudio.Loader(ds, 4)


@pytest.mark.parametrize(
    ("positions", "error", "says"),
    [
        ([23], IndexError, r"an epoch has positions 0\.\.22"),
        ([-1], IndexError, r"an epoch has positions 0\.\.22"),
        ([0, 2**63 - 1], IndexError, r"an epoch has positions 0\.\.22"),
        ([1.5], RequestError, r"positions has dtype float64; it must hold whole numbers"),
        ([True], RequestError, r"positions"),
        (["1"], RequestError, r"positions=\['1'\]; positions must be whole numbers"),
    ],
)
def test_positions_are_whole_numbers_of_an_epoch(reader, positions, error, says):
    with pytest.raises(error, match=says):
        cloudio.Loader(reader, 4).samples(positions)


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None, 2**63])
def test_an_epoch_that_is_none_is_refused_and_changes_nothing(reader, epoch):
    loader = cloudio.Loader(reader, 4)
    loader.set_epoch(6)
    with pytest.raises(RequestError, match=r"epoch=.*; epoch must be a whole number, 0 or more"):
        loader.set_epoch(epoch)
    assert loader.epoch == 6
