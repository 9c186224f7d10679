"""Several crops of a patch in an epoch, and epochs whose ranks may differ in length."""

import itertools
import math
import pickle
from collections import Counter

import numpy as np
import pytest
from loading import N, loaders_of_ranks

import cloudio
from cloudio import RequestError
from cloudio.loading.sampling.permutation import permute

DRAWN = {"seed": 3, "symmetry": "d4"}


def drawn(samples):
    """Return (patch, row, col, symmetry) of each sample."""
    index, origin, symmetry = samples
    return list(zip(index.tolist(), *origin.T.tolist(), symmetry.tolist(), strict=True))


# ---- several crops -------------------------------------------------------------------------------


@pytest.mark.parametrize("crops", [2, 5])
def test_each_patch_comes_as_often_and_the_first_crop_is_that_of_a_single_one(reader, crops):
    loader = cloudio.Loader(reader, 4, crops_per_patch=crops, **DRAWN)
    assert (loader.num_samples, loader.n_patches) == (crops * N, N)
    assert len(loader) == -(-crops * N // 4)
    samples = drawn(loader.samples(range(crops * N), 6))
    assert set(Counter(sample[0] for sample in samples).values()) == {crops}
    single = cloudio.Loader(reader, 4, **DRAWN)
    assert set(drawn(single.samples(range(N), 6))) <= set(samples)
    order = permute(np.arange(crops * N), crops * N, 3, 6)
    assert [sample[0] for sample in samples] == (order // crops).tolist()
    assert [patch for batch in loader for patch in batch.index] == [
        sample[0] for sample in drawn(loader.samples(range(crops * N), 0))
    ]


def test_without_shuffling_the_crops_of_a_patch_follow_each_other(reader):
    loader = cloudio.Loader(reader, 3, crops_per_patch=3, shuffle=False, index=[8, 2, 8], **DRAWN)
    samples = drawn(loader.samples(range(9)))
    assert [sample[0] for sample in samples] == [8] * 3 + [2] * 3 + [8] * 3
    assert samples[:3] == samples[6:]  # repeats of a patch in index= have the same crops
    # A crop depends on patch and repetition, not on what else is loaded, or in which order.
    shuffled = cloudio.Loader(reader, 3, crops_per_patch=3, **DRAWN)
    assert set(samples) <= set(drawn(shuffled.samples(range(3 * N))))
    fewer = cloudio.Loader(reader, 3, crops_per_patch=2, shuffle=False, **DRAWN)
    assert drawn(fewer.samples([16, 17])) == samples[:2]


def test_crops_of_a_patch_are_as_different_as_those_of_patches(reader):
    crops = 400
    loader = cloudio.Loader(reader, 3, crops_per_patch=crops, shuffle=False, **DRAWN)
    found = np.array(drawn(loader.samples(range(crops * N))))
    valid = reader.dataset.valid_window
    n_rows, n_cols = valid.height - 5, valid.width - 5
    cells = ((found[:, 1] - valid.row) * n_cols + found[:, 2] - valid.col) * 8 + found[:, 3]
    expected = crops * N / (n_rows * n_cols * 8)
    counts = np.bincount(cells, minlength=n_rows * n_cols * 8)
    df = len(counts) - 1
    assert abs(((counts - expected) ** 2 / expected).sum() - df) < 6 * (2 * df) ** 0.5
    # One crop says nothing of the next of the same patch.
    quarter = cells * 4 // len(counts)
    pairs = np.bincount(quarter[:-1] * 4 + quarter[1:], minlength=16)
    expected = (len(cells) - 1) / 16
    assert abs(((pairs - expected) ** 2 / expected).sum() - 15) < 6 * 30**0.5


def test_crops_are_shared_among_ranks_and_continue_from_every_position(reader):
    settings = {"crops_per_patch": 3, "index": range(7), "prefetch": 0, **DRAWN}
    whole = Counter(drawn(cloudio.Loader(reader, 5, **settings).samples(range(21))))
    for before, after in itertools.product((1, 2, 3), (1, 4)):
        ranks = loaders_of_ranks(reader, before, 2, **settings)
        for n_taken in range(len(ranks[0])):
            at = n_taken * 2 * before
            seen = Counter()
            for rank in ranks:
                rank.set_epoch(0)
                iteration = iter(rank)
                for k in range(n_taken):
                    batch = next(iteration)
                    told = rank.samples_of(k)
                    assert batch.index.tolist() == told.index.tolist()
                    assert np.array_equal(batch.image, reader.read(*told).image)
                    seen.update(drawn(told))
            state = ranks[0].state_dict()
            assert state["position"] == at
            assert state["crops_per_patch"] == 3
            rest = loaders_of_ranks(reader, after, 4, even_batches=False, **settings)
            left = 0
            for rank in rest:
                rank.load_state_dict(state)
                left += sum(len(batch.index) for batch in rank)
            assert left == 21 - at
            seen.update(drawn(rest[0].samples(range(at, 21), 0)))
            assert seen == whole


def test_a_loader_of_several_crops_pickles(reader):
    loader = cloudio.Loader(reader, 4, crops_per_patch=3, **DRAWN)
    next(iter(loader))
    other = pickle.loads(pickle.dumps(loader))
    assert other.state_dict() == loader.state_dict()
    assert [batch.image.tobytes() for batch in other] == [
        loader.reader.read(*loader.samples_of(k, 0)).image.tobytes() for k in range(1, len(loader))
    ]


def test_a_part_of_all_crops_is_the_beginning_of_the_epoch(reader):
    whole = cloudio.Loader(reader, 4, crops_per_patch=2, **DRAWN)
    part = cloudio.Loader(reader, 4, crops_per_patch=2, num_samples=30, **DRAWN)
    assert drawn(part.samples(range(30), 2)) == drawn(whole.samples(range(30), 2))
    with pytest.raises(RequestError, match=r"num_samples=47, but .* at most 46 samples; use crops"):
        cloudio.Loader(reader, 4, crops_per_patch=2, num_samples=47)


@pytest.mark.parametrize("crop", ["center", (1, 2)])
def test_crops_that_would_all_be_the_same_are_refused(reader, crop):
    with pytest.raises(RequestError, match=r"^crops_per_patch=2, but all crops of a patch would"):
        cloudio.Loader(reader, 4, crop=crop, crops_per_patch=2)
    cloudio.Loader(reader, 4, crop=crop, crops_per_patch=2, symmetry="flip")
    cloudio.Loader(reader, 4, crop=crop, crops_per_patch=2, transform=lambda batch: batch)
    whole = reader.dataset.reader("B0", size=(9, 11))
    with pytest.raises(RequestError, match=r"^crops_per_patch=2, but all crops"):
        cloudio.Loader(whole, 4, crops_per_patch=2)


@pytest.mark.parametrize("crops", [0, -1, 1.5, True, None])
def test_what_is_no_number_of_crops_is_refused(reader, crops):
    with pytest.raises(RequestError, match=r"^crops_per_patch=.*; crops_per_patch must be a whole"):
        cloudio.Loader(reader, 4, crops_per_patch=crops)


# ---- ranks of different lengths ------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 8, 23])
def test_every_sample_comes_once(reader, n):
    for world_size, batch_size in itertools.product((1, 2, 3, 5, 30), (1, 2, 4)):
        ranks = loaders_of_ranks(
            reader, world_size, batch_size, index=range(n), even_batches=False, prefetch=0, seed=1
        )
        order = ranks[0].samples(range(n), 0).index.tolist()
        for rank, loader in enumerate(ranks):
            batches = [batch.index.tolist() for batch in loader]
            assert len(batches) == len(loader)
            assert list(itertools.chain(*batches)) == order[rank::world_size]
            assert loader.epoch == 1
            assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_rank_without_samples_has_empty_epochs(reader, prefetch):
    loader = cloudio.Loader(
        reader, 4, rank=2, world_size=3, index=[4, 5], even_batches=False, prefetch=prefetch
    )
    assert len(loader) == 0
    for epoch in range(3):
        assert loader.epoch == epoch
        assert list(loader) == []
    with pytest.raises(IndexError, match=r"^batch 0; an epoch has no batches for this rank$"):
        loader.samples_of(0)


def test_uneven_epochs_continue_from_every_position(reader):
    """Also after the last batch of a rank, while another has one more."""
    order = cloudio.Loader(reader, 4).samples(range(N), 0).index.tolist()
    for before, size in (2, 4), (3, 1), (5, 2), (4, 6):
        n_steps = math.ceil(math.ceil(N / before) / size)
        for n_taken in range(n_steps + 1):
            states = []
            for loader in loaders_of_ranks(reader, before, size, even_batches=False, prefetch=0):
                iteration = iter(loader)
                for _ in range(min(n_taken, len(loader))):
                    next(iteration)
                if n_taken <= len(loader):
                    states.append(loader.state_dict())
            assert all(state == states[0] for state in states)
            assert states[0]["position"] == min(n_taken * size * before, N)
            rest = []
            for loader in loaders_of_ranks(reader, 2, 3, even_batches=False, prefetch=0):
                loader.load_state_dict(states[0])
                rest += [k for batch in loader for k in batch.index.tolist()]
            assert sorted(rest) == sorted(order[states[0]["position"] :])


def test_even_ranks_are_as_they_were(reader):
    for world_size in 1, 2, 3:
        for one, other in zip(
            loaders_of_ranks(reader, world_size, 4),
            loaders_of_ranks(reader, world_size, 4, even_batches=True),
            strict=True,
        ):
            assert [a.index.tolist() for a in one] == [b.index.tolist() for b in other]


def test_what_is_kept_and_dropped_at_once_is_refused(reader):
    with pytest.raises(
        RequestError,
        match=r"^even_batches=False keeps every sample, drop_last=True does not; leave",
    ):
        cloudio.Loader(reader, 4, even_batches=False, drop_last=True)
    with pytest.raises(RequestError, match=r"^even_batches=0; even_batches must be True or False"):
        cloudio.Loader(reader, 4, even_batches=0)
    with pytest.raises(RequestError, match=r"to validate with fewer samples than ranks, pass even"):
        cloudio.Loader(reader, 4, rank=0, world_size=24)
