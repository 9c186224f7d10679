"""Ranks that are told or found in the environment; tests/torch/test_ranks.py has groups."""

import logging
import os
import pickle

import forks
import numpy as np
import pytest
from loading import N, batch_indices
from processes import needs_fork

import cloudio
from cloudio import RequestError
from cloudio._utils import warn


@pytest.fixture(autouse=True)
def no_ranks(monkeypatch):
    for name in "RANK", "WORLD_SIZE":
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def set_ranks(monkeypatch):
    def set_ranks(rank, world_size):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world_size))

    return set_ranks


def told(reader, rank, world_size, **settings):
    return cloudio.Loader(reader, 4, rank=rank, world_size=world_size, **settings)


def test_ranks_of_the_environment_share_an_epoch(reader, set_ranks):
    seen = []
    for rank in range(3):
        loader = cloudio.Loader(reader, 4)  # made before the ranks are known
        set_ranks(rank, 3)
        assert (loader.rank, loader.world_size) == (rank, 3)
        assert len(loader) == 2
        indices = batch_indices(loader)
        assert indices == batch_indices(told(reader, rank, 3))
        seen += np.concatenate(indices).tolist()
    assert len(seen) == 24  # one is repeated, so that all have eight
    assert set(seen) == set(range(N))


def test_numbers_that_were_told_win(reader, set_ranks):
    set_ranks(1, 2)
    assert batch_indices(told(reader, 0, 1)) == batch_indices(told(reader, 0, 1))
    assert sum(map(len, batch_indices(told(reader, 0, 1)))) == N
    assert told(reader, 2, 3).rank == 2


@pytest.mark.parametrize(("rank", "world_size"), [("1", None), (None, "2"), ("1", ""), ("", "2")])
def test_one_variable_says_nothing(reader, monkeypatch, rank, world_size):
    for name, value in (("RANK", rank), ("WORLD_SIZE", world_size)):
        if value is not None:
            monkeypatch.setenv(name, value)
    loader = cloudio.Loader(reader, 4)
    assert (loader.rank, loader.world_size) == (0, 1)


@pytest.mark.parametrize(
    ("rank", "world_size", "says"),
    [
        ("2", "2", r"^RANK=2; with WORLD_SIZE=2 RANK must be 0\.\.1$"),
        ("x", "2", r"^RANK='x'; RANK must be a whole number, 0 or more$"),
        ("-1", "2", r"^RANK=-1; RANK must be a whole number, 0 or more$"),
        ("0", "0", r"^WORLD_SIZE=0; WORLD_SIZE must be a whole number, 1 or more$"),
        ("0", "24", r"^world_size=24, but there are only 23 patches; to validate"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(reader, set_ranks, rank, world_size, says):
    loader = cloudio.Loader(reader, 4)
    set_ranks(rank, world_size)
    for ask in iter, len:
        with pytest.raises(RequestError, match=says):
            ask(loader)


def test_a_thousand_ranks_share_an_epoch(tmp_path):
    n_patches, world_size = 2_011, 1000
    layout = cloudio.Layout("Tiny", (2, 2), cloudio.Window(0, 0, 2, 2), (cloudio.Band("B0"),))
    (tmp_path / "B0.dat").write_bytes(bytes(n_patches * 8))
    reader = cloudio.open(tmp_path, layout=layout).reader("B0", threads=1)
    ranks = [
        cloudio.Loader(reader, 2, seed=5, rank=rank, world_size=world_size, prefetch=0)
        for rank in range(world_size)
    ]
    one = cloudio.Loader(reader, 1, seed=5, rank=0, world_size=1)
    steps = zip(*ranks, strict=True)
    found = [np.concatenate([batch.index for batch in batches]) for batches in steps]
    assert [len(indices) for indices in found] == [2_000, 1_000]
    expected = one.samples(np.arange(2_000)).index
    np.testing.assert_array_equal(np.sort(found[0]), np.sort(expected))
    counts = np.bincount(np.concatenate(found), minlength=n_patches)
    assert (counts.min(), counts.max(), counts.sum()) == (1, 2, 3_000)
    state = ranks[0].state_dict() | {"epoch": 0, "position": 2_000}
    for rank in range(0, world_size, 37):
        ranks[rank].load_state_dict(state)
        np.testing.assert_array_equal(next(iter(ranks[rank])).index, found[1][rank : rank + 1])


def test_a_length_that_is_no_longer_true_is_an_error_at_the_first_batch(reader, set_ranks):
    loader = cloudio.Loader(reader, 4)
    assert len(loader) == 6
    set_ranks(0, 2)
    assert len(loader) == 3
    says = (
        r"^len\(loader\) was 6 when the process was rank 0 of 1 \(neither torch.distributed nor "
        r"RANK and WORLD_SIZE\); as rank 0 of 2 \(RANK and WORLD_SIZE\) it is 3\. Ask for the"
    )
    for _ in range(2):
        with pytest.raises(RequestError, match=says):
            iter(loader)
    # A length that is still true is none.
    short = cloudio.Loader(reader, 100)
    set_ranks(0, 1)
    assert len(short) == 1
    set_ranks(1, 2)
    assert len(batch_indices(short)) == 1


def test_other_ranks_than_an_iteration_began_with_are_an_error(reader, set_ranks):
    loader = cloudio.Loader(reader, 4)
    set_ranks(1, 2)
    first = iter(loader)
    next(first)
    set_ranks(0, 2)
    assert loader.rank == 1
    says = r"^this loader began as rank 1 of 2 \(RANK and WORLD_SIZE\), but now the process is"
    with pytest.raises(RequestError, match=says):
        iter(loader)
    with pytest.raises(RequestError, match=says):
        len(loader)
    assert len(list(first)) == 2  # it goes on as it began


def test_a_pickle_finds_ranks_of_its_own(reader, set_ranks):
    set_ranks(1, 2)
    loader = cloudio.Loader(reader, 4)
    batch_indices(loader)
    text = pickle.dumps(loader)
    set_ranks(0, 1)
    assert pickle.loads(text).world_size == 1


@needs_fork
def test_a_fork_finds_ranks_of_its_own(reader, set_ranks):
    loader = cloudio.Loader(reader, 4, prefetch=0)
    batch_indices(loader)
    expected = batch_indices(told(reader, 1, 2))

    def finds():
        os.environ.update(RANK="1", WORLD_SIZE="2")
        loader.set_epoch(0)
        return batch_indices(loader) == expected

    assert forks.forked(finds) == 0


def test_a_share_by_index_is_not_shared_again(reader, set_ranks):
    share = np.arange(N)[1::2]
    loader = cloudio.Loader(reader, 4, index=share)
    set_ranks(1, 2)
    says = (
        r"^index= is patch 1 and every 2 patches after it: the share of rank 1 of 2 \(RANK and "
        r"WORLD_SIZE\)\. If it is meant so, pass rank=0, world_size=1, and it is not shared again"
    )
    with pytest.raises(RequestError, match=says):
        iter(loader)
    alone = cloudio.Loader(reader, 4, index=share, rank=0, world_size=1, shuffle=False)
    assert np.concatenate(batch_indices(alone)).tolist() == share.tolist()


def test_what_was_found_is_told_once(reader, set_ranks, caplog, monkeypatch):
    monkeypatch.setattr(warn, "_logged", {})
    set_ranks(1, 2)
    with caplog.at_level(logging.INFO, "cloudio"):
        for _ in range(2):
            loader = cloudio.Loader(reader, 4)
            batch_indices(loader)
    assert caplog.messages == ["a loader of this process is rank 1 of 2 (RANK and WORLD_SIZE)"]
    assert ", rank 1 of 2 (RANK and WORLD_SIZE), crop random" in repr(loader)
    assert ", rank 0 of 1, crop random" in repr(told(reader, 0, 1))
    set_ranks(0, 1)
    monkeypatch.delenv("RANK")
    assert "rank" not in repr(cloudio.Loader(reader, 4)).splitlines()[0]


def test_a_repr_settles_nothing(reader, set_ranks):
    loader = cloudio.Loader(reader, 4)
    repr(loader)
    assert loader.samples_of(5).index.shape == (3,)
    set_ranks(0, 2)
    assert len(batch_indices(loader)) == 3


@pytest.mark.parametrize("name", ["rank", "world_size"])
def test_ranks_cannot_be_changed(reader, name):
    loader = cloudio.Loader(reader, 4)
    with pytest.raises(AttributeError, match=rf"^{name} cannot be changed; make another loader$"):
        setattr(loader, name, 1)


def test_a_loader_whose_ranks_cannot_be_found_has_a_repr(reader, set_ranks):
    loader = cloudio.Loader(reader, 4, index=range(0, N, 2))
    for rank in 0, "x":
        set_ranks(rank, 2)
        assert ": ? batches of 4, rank unknown, crop " in repr(loader)
        with pytest.raises(RequestError):
            _ = loader.rank
