"""States of a loader: an epoch continues from any position, over the same patches only."""

import copy
import json
import pickle
import shutil

import loading
import numpy as np
import pytest
from loading import DRAWN, N, batch_indices, loaders_of_ranks, make_reader, patch_bytes

import cloudio
from cloudio import RequestError


def test_a_state_is_a_handful_of_whole_numbers(reader):
    loader = cloudio.Loader(reader, 4, seed=2**64 - 1)
    iteration = iter(loader)
    next(iteration)
    state = loader.state_dict()
    assert list(state) == ["version", "seed", "shuffle", "patches", "data", "epoch", "position"]
    assert all(type(number) is int for number in state.values())
    assert (state["epoch"], state["position"]) == (0, 4)
    assert state["data"] < 2**63
    other = cloudio.Loader(reader, 4, seed=2**64 - 1)
    other.load_state_dict(json.loads(json.dumps(state)))
    assert other.state_dict() == state
    other.load_state_dict({name: np.uint64(number) for name, number in state.items()})
    assert other.state_dict() == state
    assert all(type(number) is int for number in other.state_dict().values())


@pytest.mark.parametrize("prefetch", [0, 4])
def test_an_epoch_continues_from_every_position(reader, prefetch):
    """With another batch size and number of ranks, every sample is there once."""
    whole = patch_bytes(cloudio.Loader(reader, 7, **DRAWN))
    for (before, size), (after, other) in [
        ((1, 4), (1, 4)), ((1, 1), (2, 7)), ((2, 3), (1, 32)), ((2, 2), (3, 4)), ((3, 1), (2, 5)),
    ]:  # fmt: skip
        steps = len(loaders_of_ranks(reader, before, size)[0])
        for n_taken in range(steps + 1):
            ranks = loaders_of_ranks(reader, before, size, prefetch=prefetch, **DRAWN)
            iterations = [iter(rank) for rank in ranks]
            seen = [next(one) for _ in range(n_taken) for one in iterations]
            states = [rank.state_dict() for rank in ranks]
            assert all(state == states[0] for state in states)
            assert states[0]["position"] == min(n_taken * size * before, N)
            for one in iterations:
                one.close()
            rest = loaders_of_ranks(reader, after, other, prefetch=prefetch, **DRAWN)
            for rank in rest:
                rank.load_state_dict(states[0])
                assert rank.state_dict() == states[0]
            coming = [batch for rank in rest for batch in rank]
            assert patch_bytes(seen + coming) == whole
            # None is there twice but those that fill up the last round of ranks.
            left = N - states[0]["position"]
            assert sum(len(batch.index) for batch in coming) == -(-left // after) * after
            assert {rank.epoch for rank in rest} == {1}


def test_what_was_dropped_last_is_left_for_other_batch_sizes(reader):
    loader = cloudio.Loader(reader, 10, drop_last=True, **DRAWN)
    iteration = iter(loader)
    seen = [next(iteration), next(iteration)]
    state = loader.state_dict()
    assert state["position"] == 20
    same = cloudio.Loader(reader, 10, drop_last=True, **DRAWN)
    same.load_state_dict(state)
    assert batch_indices(same) == []
    assert same.epoch == 1
    smaller = cloudio.Loader(reader, 2, drop_last=True, **DRAWN)
    smaller.load_state_dict(state)
    seen += list(smaller)
    assert sum(len(batch.index) for batch in seen) == 22
    assert len(patch_bytes(seen)) == 22


def test_after_the_last_batch_and_after_the_epoch(reader):
    loader = cloudio.Loader(reader, 8, **DRAWN)
    iteration = iter(loader)
    for _ in range(3):
        next(iteration)
    last = loader.state_dict()
    assert (last["epoch"], last["position"]) == (0, N)
    assert next(iteration, None) is None
    over = loader.state_dict()
    assert (over["epoch"], over["position"]) == (1, 0)
    second = batch_indices(loader)
    for state, first in (last, []), (over, second):
        other = cloudio.Loader(reader, 8, **DRAWN)
        other.load_state_dict(state)
        assert batch_indices(other) == first
    assert batch_indices(other) != second
    other.load_state_dict(last)
    assert batch_indices(other) == []
    assert batch_indices(other) == second


def test_a_position_is_kept_by_its_own_epoch(reader):
    loader = cloudio.Loader(reader, 8)
    whole = batch_indices(loader)
    state = {**loader.state_dict(), "epoch": 0, "position": 8}
    loader.load_state_dict(state)
    loader.set_epoch(0)
    assert loader.state_dict() == state
    assert len(iter(loader)) == 2
    assert batch_indices(loader) == whole[1:]
    loader.load_state_dict(state)
    loader.set_epoch(1)
    loader.set_epoch(0)
    assert batch_indices(loader) == whole


def test_a_loader_pickles_with_its_state(reader):
    loader = cloudio.Loader(reader, 5, drop_last=True, rank=1, world_size=2, prefetch=1, **DRAWN)
    loader.set_epoch(4)
    whole = batch_indices(loader)
    loader.set_epoch(4)
    iteration = iter(loader)
    next(iteration)
    text = pickle.dumps(loader)
    assert len(text) < 2000
    for other in pickle.loads(text), copy.deepcopy(loader), copy.copy(loader):
        assert other.state_dict() == loader.state_dict()
        assert repr(other) == repr(loader)
        for name in vars(other).keys() - {
            "reader",
            "_progress",
            "_idle_pools",
            "_last",
            "_membership",
        }:
            assert vars(other)[name] == vars(loader)[name], name
        assert batch_indices(other) == whole[1:]
        assert other.epoch == 5


class Named(cloudio.Loader):
    def __init__(self, name, *request):
        super().__init__(*request)
        self.name = name


def test_what_a_subclass_has_added_is_carried(reader):
    loader = Named("first", reader, 5)
    next(iter(loader))
    for other in pickle.loads(pickle.dumps(loader)), copy.copy(loader):
        assert (type(other), other.name) == (Named, "first")
        assert other.state_dict() == loader.state_dict()
        assert len(batch_indices(other)) == len(loader) - 1


def test_states_of_other_parts_of_a_data_set_are_refused(ds, folder):
    def state(part, **settings):
        return cloudio.Loader(make_reader(part), 4, **settings).state_dict()

    def takes(part, state, **settings):
        cloudio.Loader(make_reader(part), 4, **settings).load_state_dict(state)

    halves = ds.subset(range(10)), ds.subset(range(10, 20))
    takes(ds.subset(range(10)), state(halves[0]))
    takes(loading.open_set(folder, "pread"), state(ds))
    takes(ds, state(ds, index=[3, 1]), index=[3, 1 - N])
    for part, settings, of in (
        (halves[0], {}, state(halves[1])),
        (halves[0], {}, state(ds.subset(range(9, -1, -1)))),
        (ds, {"index": [1, 3]}, state(ds, index=[3, 1])),
        (ds, {"index": [1, 3]}, state(ds, index=[1, 2])),
    ):
        with pytest.raises(
            RequestError, match=r"the state belongs to \d+ other patches, or to another"
        ):
            takes(part, of, **settings)


def test_all_patches_by_number_are_all_patches(ds):
    state = cloudio.Loader(make_reader(ds), 4).state_dict()
    cloudio.Loader(make_reader(ds), 4, index=range(N)).load_state_dict(state)


# ---- refusals ------------------------------------------------------------------------------------


GOOD = {"version": 1, "seed": 3, "shuffle": 1, "patches": N, "epoch": 2, "position": 8}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": 2}, r"the state has version 2; this cloudio reads version 1"),
        ({"version": "1"}, r"is not the state of a loader"),
        ({"version": None}, r"is not the state of a loader"),
        ({"seed": 4}, r"the state has seed=4, but this loader has seed=3"),
        ({"shuffle": 0}, r"the state has shuffle=0, but this loader has shuffle=1"),
        ({"patches": 24}, r"the state has patches=24, but this loader has patches=23"),
        (
            {"data": 5},
            r"the state belongs to 23 other patches, or to another order: layout, splits, metadata",
        ),
        ({"epoch": -1}, r"epoch=-1; epoch must be a whole number, 0 or more"),
        ({"epoch": 2**63}, r"epoch=9223372036854775808; epoch must be a whole number"),
        ({"position": -1}, r"position=-1; with 23 patches position must be 0..23"),
        ({"position": 24}, r"position=24; with 23 patches position must be 0..23"),
        (
            {"position": 8.0},
            r"is not the state of a loader; it must have whole numbers for version, seed",
        ),
        (
            {"position": True},
            r"is not the state of a loader; it must have whole numbers for version",
        ),
        ({"seed": None}, r"is not the state of a loader; it must have whole numbers for version"),
        ({"more": 1}, r"is not the state of a loader; it must have whole numbers for version"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(reader, changed, says):
    loader = cloudio.Loader(reader, 4, **DRAWN)
    good = {**GOOD, "data": loader.state_dict()["data"]}
    loader.load_state_dict(good)
    with pytest.raises(RequestError, match=says):
        loader.load_state_dict({**good, **changed})
    assert loader.state_dict() == good
    rest = batch_indices(loader)
    assert sum(map(len, rest)) == N - 8


@pytest.mark.parametrize("state", [None, 3, [], {}, "state", [("version", 1)], {"epoch": 0}])
def test_what_is_no_state_is_refused(reader, state):
    loader = cloudio.Loader(reader, 4)
    with pytest.raises(RequestError, match=r"is not the state of a loader"):
        loader.load_state_dict(state)


def test_a_state_that_lacks_something_is_refused(reader):
    loader = cloudio.Loader(reader, 4)
    for name in list(loader.state_dict())[1:]:
        state = loader.state_dict()
        del state[name]
        with pytest.raises(
            RequestError,
            match=r"is not the state of a loader; it must have whole numbers for version, seed",
        ):
            loader.load_state_dict(state)


def test_the_same_data_may_be_renamed_and_other_data_may_not_be_taken_for_it(tmp_path):
    for name, seed in ("one", 1), ("other", 2):
        cloudio.synthesize(tmp_path / name, {"train": 2}, seed=seed)
    shutil.copytree(tmp_path / "one" / "train", tmp_path / "moved")

    def of(*parts):
        return cloudio.Loader(cloudio.open(tmp_path.joinpath(*parts)).reader("rgb", size=8), 1)

    state = of("one", "train").state_dict()
    of("moved").load_state_dict(state)
    with pytest.raises(RequestError, match=r"metadata\.csv, subset or index differ"):
        of("other", "train").load_state_dict(state)
