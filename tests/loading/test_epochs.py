"""Epochs of a loader: one after the other, left early, several at once."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pytest
from loading import DRAWN, N, batch_indices, digest, patch_bytes

import cloudio


def test_epochs_follow_each_other(reader):
    loader = cloudio.Loader(reader, 6)
    assert loader.epoch == 0
    first = batch_indices(loader)
    assert loader.epoch == 1
    iteration = iter(loader)
    assert loader.epoch == 1
    second = [batch.index.tolist() for batch in iteration]
    assert loader.epoch == 2
    assert first != second
    loader.set_epoch(0)
    assert batch_indices(loader) == first
    assert batch_indices(loader) == second


def test_after_an_epoch_that_was_left_comes_the_next_one(reader):
    loader, other = cloudio.Loader(reader, 6), cloudio.Loader(reader, 6)
    first = batch_indices(other)
    for n_taken in 1, 2, len(loader):  # a loop that is left at its last batch has not ended
        for _ in itertools.islice(loader, n_taken):
            pass
        assert loader.state_dict()["position"] == min(6 * n_taken, N)
        assert batch_indices(loader) == batch_indices(other)
        other.set_epoch(loader.epoch + 1)
    loader.set_epoch(0)
    assert [batch.index.tolist() for batch in itertools.islice(loader, 1)] == first[:1]
    loader.set_epoch(0)  # asked for by number, it begins again
    assert batch_indices(loader) == first


def test_an_iteration_of_which_nothing_was_taken_is_none(reader):
    loader = cloudio.Loader(reader, 6)
    whole = batch_indices(cloudio.Loader(reader, 6))
    iter(loader).close()
    assert batch_indices(loader) == whole
    loader.load_state_dict({**loader.state_dict(), "epoch": 0, "position": 12})
    iter(loader).close()
    assert batch_indices(loader) == whole[2:]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_iteration_of_which_nothing_was_taken_follows_its_loader(reader, prefetch):
    """Trainers make an iteration first, and then say which epoch it is."""
    epochs = [batch_indices(each) for each in [cloudio.Loader(reader, 6)] for _ in range(4)]
    loader = cloudio.Loader(reader, 6, prefetch=prefetch)
    iteration = iter(loader)
    for epoch in 1, 2:
        loader.set_epoch(epoch)
    assert len(iteration) == len(loader)
    assert [batch.index.tolist() for batch in iteration] == epochs[2]
    assert loader.epoch == 3
    iteration = iter(loader)
    loader.load_state_dict({**loader.state_dict(), "epoch": 1, "position": 12})
    first = next(iteration)
    assert loader.state_dict()["position"] == 18
    assert [batch.index.tolist() for batch in (first, *iteration)] == epochs[1][2:]
    iteration = iter(loader)
    loader.set_epoch(3)
    iteration.close()
    assert list(iteration) == []
    assert batch_indices(loader) == epochs[3]


def test_only_the_last_iteration_follows_its_loader(reader):
    epochs = [batch_indices(each) for each in [cloudio.Loader(reader, 6)] for _ in range(2)]
    loader = cloudio.Loader(reader, 6)
    before, last = iter(loader), iter(loader)
    loader.set_epoch(1)
    assert [batch.index.tolist() for batch in before] == epochs[0]
    assert [batch.index.tolist() for batch in last] == epochs[1]


def test_an_iteration_in_progress_goes_on_when_its_loader_changes(reader):
    loader = cloudio.Loader(reader, 6)
    whole = batch_indices(cloudio.Loader(reader, 6))
    iteration = iter(loader)
    next(iteration)
    loader.set_epoch(7)
    state = {**loader.state_dict(), "position": 12}
    loader.load_state_dict(state)
    assert [batch.index.tolist() for batch in iteration] == whole[1:]
    assert loader.state_dict() == state
    other = cloudio.Loader(reader, 6)
    other.set_epoch(7)
    assert batch_indices(loader) == batch_indices(other)[2:]
    assert loader.epoch == 8


def test_iterations_at_once_are_whole_ones_each(reader):
    loader = cloudio.Loader(reader, 6)
    whole = batch_indices(cloudio.Loader(reader, 6))
    pairs = list(zip(loader, loader, strict=True))
    assert [one.index.tolist() for one, _ in pairs] == whole
    assert [other.index.tolist() for _, other in pairs] == whole
    for one, other in pairs:
        assert not np.shares_memory(one.image, other.image)
        assert oracle.same_bits(one.image, other.image)
    loader.set_epoch(0)
    nested = [(a.index.tolist(), batch_indices(loader)) for a in itertools.islice(loader, 2)]
    assert [order for order, _ in nested] == whole[:2]
    following = cloudio.Loader(reader, 6)
    following.set_epoch(1)
    assert [order for _, order in nested] == [batch_indices(following), batch_indices(following)]


def test_threads_that_iterate_one_loader_get_whole_epochs_each(reader):
    loader = cloudio.Loader(reader, 2, **DRAWN)

    with ThreadPoolExecutor(4) as pool:
        epochs = set(pool.map(lambda _: digest(patch_bytes(loader)), range(12)))
    by_itself = set()
    loader.set_epoch(0)
    for _ in range(13):
        by_itself.add(digest(patch_bytes(loader)))
    assert epochs <= by_itself


def test_an_epoch_is_over_with_its_last_batch(reader):
    loader = cloudio.Loader(reader, 4, seed=1)
    first = [batch.index.tolist() for _, batch in zip(range(len(loader)), loader, strict=False)]
    state = loader.state_dict()
    assert (loader.epoch, state["position"]) == (0, N)
    resumed = cloudio.Loader(reader, 4, seed=1)
    resumed.load_state_dict(state)
    assert list(resumed) == []
    assert resumed.epoch == 1
    assert [batch.index.tolist() for batch in loader] == [b.index.tolist() for b in resumed]
    loader.set_epoch(0)
    assert [batch.index.tolist() for batch in loader] == first
    # Asked for by name, it is read again though it is over.
    for _ in zip(range(len(loader)), loader, strict=False):
        pass
    loader.set_epoch(loader.epoch)
    assert next(iter(loader)).index.tolist() != first[0]
    assert loader.epoch == 1
