"""Chance that can be repeated: permutations that are ones, draws that are even, and their bits.

Seeds of statistics are fixed, so that a test that passes once always does.  Limits of chi-square
are six standard deviations above what is expected.
"""

import hashlib
import math
from collections import Counter
from typing import Any

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

import cloudio
from cloudio.loading.sampling.augmentation import Augmentation
from cloudio.loading.sampling.permutation import permute, random_keys
from cloudio.loading.sampling.sampler import Shard, check_epoch, check_seed


def order_of(n: int, seed: int = 0, epoch: int = 0) -> np.ndarray:
    return permute(np.arange(n), n, seed, epoch)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype("<i8").tobytes()).hexdigest()[:16]


def even(counts: Any, expected: float, df: float, times: float = 1) -> bool:
    """Whether chi-square, of which the mean is ``df``, is no further from it than chance brings it.

    ``times``: by how much chi-square is less where fixed sums leave less to chance.
    """
    chi_square = ((np.asarray(counts) - expected) ** 2 / expected).sum() / times
    return abs(chi_square - df) < 6 * math.sqrt(2 * df)


# ---- the order of an epoch -----------------------------------------------------------------------


def test_every_thing_stands_at_one_position_for_every_number_of_them():
    for n in range(1, 301):
        for seed, epoch in (n, 0), (0, n):
            assert np.array_equal(np.sort(order_of(n, seed, epoch)), np.arange(n))


@given(
    n=st.integers(1, 2**40),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**63 - 1),
    data=st.data(),
)
@settings(max_examples=scaled(20, 60))
def test_distinct_positions_of_large_sets_give_distinct_things(n, seed, epoch, data):
    first = data.draw(st.integers(0, n - 1))
    near = np.arange(first, min(first + 300, n))
    far = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=20)), np.int64)
    positions = np.union1d(near, far)
    things = permute(positions, n, seed, epoch)
    assert things.dtype == np.int64
    assert things.min() >= 0
    assert things.max() < n
    assert len(np.unique(things)) == len(positions)
    # One by one, and backwards, as all together.
    assert np.array_equal(permute(positions[::-1], n, seed, epoch), things[::-1])
    assert permute(positions[-1:], n, seed, epoch)[0] == things[-1]


@given(n=st.integers(1, 2000), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**63 - 1))
@settings(max_examples=scaled(20, 60))
def test_an_order_is_a_permutation(n, seed, epoch):
    assert np.array_equal(np.sort(order_of(n, seed, epoch)), np.arange(n))


def test_what_is_asked_for_is_not_written_to():
    positions = np.arange(10)
    positions.flags.writeable = False
    permute(positions, 10, 0, 0)
    patches = np.arange(10)
    Augmentation((0, 5), (0, 5), range(8)).draw(patches, 0, 0)
    assert np.array_equal(patches, np.arange(10))


def test_no_position_is_no_thing():
    assert permute(np.empty(0, np.int64), 5, 0, 0).tolist() == []


@pytest.mark.parametrize("n", scaled([3, 7, 16], [3, 7, 16, 50]))
def test_every_thing_is_as_likely_at_every_position(n):
    seeds = 1000
    orders = np.array([order_of(n, seed) for seed in range(seeds)])
    counts = np.array([np.bincount(orders[:, position], minlength=n) for position in range(n)])
    # The sums of rows and columns are fixed: (n - 1)**2 of n**2 are free.
    assert even(counts, seeds / n, (n - 1) ** 2, n / (n - 1))


@pytest.mark.parametrize("n", scaled([2, 3, 4], [2, 3, 4, 5]))
def test_every_permutation_of_a_few_is_about_as_likely(n):
    epochs = 400 * n
    counts = Counter(tuple(order_of(n, 3, epoch)) for epoch in range(epochs))
    assert len(counts) == math.factorial(n)
    expected = epochs / math.factorial(n)
    assert even(list(counts.values()), expected, math.factorial(n) - 1)


@pytest.mark.parametrize("n", scaled([7, 8, 9], [7, 8, 9, 25, 81]))
def test_half_of_all_orders_are_odd(n):
    """Turns of odd rows and odd columns alone would make none."""
    epochs = 400
    orders = np.array([order_of(n, 3, epoch) for epoch in range(epochs)])
    pairs = np.triu_indices(n, 1)
    inversions = (orders[:, pairs[0]] > orders[:, pairs[1]]).sum(1)
    odd = int((inversions % 2).sum())
    assert even([odd, epochs - odd], epochs / 2, 1)


def test_every_pair_is_as_likely_to_be_neighbours():
    n, epochs = 20, 1000
    pairs = np.zeros((n, n))
    for epoch in range(epochs):
        order = order_of(n, 5, epoch)
        pairs[order[:-1], order[1:]] += 1
    assert (np.diag(pairs) == 0).all()
    apart = pairs[~np.eye(n, dtype=bool)]
    assert even(apart, epochs / n, n * (n - 1) - 1)


@pytest.mark.parametrize("n", [997, 8490])
def test_steps_between_neighbours_of_a_large_set_are_those_of_chance(n):
    order = order_of(n, 11)
    steps = (order[1:] - order[:-1]) % n
    bins = np.bincount(steps * 20 // n, minlength=20)
    assert even(bins, (n - 1) / 20, 19)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / math.sqrt(n)
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 5 / math.sqrt(n)


@pytest.mark.parametrize("other", [(1, 0), (0, 1), (2**64 - 1, 0), (0, 2**63 - 1), (10, 1)])
def test_orders_of_other_seeds_and_epochs_have_nothing_in_common(other):
    n = 5000
    one = order_of(n)
    another = order_of(n, *other)
    assert (one == another).sum() < 10  # one is expected
    assert abs(np.corrcoef(one, another)[0, 1]) < 5 / math.sqrt(n)


@pytest.mark.parametrize(
    ("n", "seed", "epoch", "sha256"),
    [
        (2, 0, 0, "4cbbd8ca5215b8d1"),
        (5, 1, 2, "82b78b0080b5e50a"),
        (9, 7, 3, "e23ad89cd035deb3"),
        (100, 0, 0, "8b17450c2a23af37"),
        (8490, 0, 0, "f3821b68d6170497"),
        (8490, 42, 17, "fe0f5d19c96dd7ef"),
        (10**6, 2**64 - 1, 2**63 - 1, "530feed083627f47"),
    ],
)
def test_orders_are_the_same_on_every_machine(n, seed, epoch, sha256):
    assert digest(order_of(n, seed, epoch)) == sha256


def test_positions_far_out_are_the_same_on_every_machine():
    n = 2**40
    assert permute(np.array([0, 1, n // 2, n - 1]), n, 0, 0).tolist() == [
        77977760540, 625030295996, 520651557934, 843398942950,
    ]  # fmt: skip


# ---- keys ----------------------------------------------------------------------------------------


def test_keys_are_the_same_on_every_machine():
    golden = [14713795257956535586, 17943005133415895247]
    assert random_keys("order", 0, 0, 2).tolist() == golden
    assert random_keys("order", 0, 0, 5)[:2].tolist() == golden


def test_keys_differ_with_purpose_seed_and_epoch():
    asked = [
        ("order", 1, 11),
        ("order", 11, 1),
        ("view", 1, 11),
        ("order", 1, 1),
        ("order", 111, 0),
    ]
    assert len({random_keys(*one, 1)[0] for one in asked}) == len(asked)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, None, "0"])
def test_a_seed_is_a_number_of_64_bits(seed):
    with pytest.raises(
        cloudio.RequestError, match=r"seed=.*; seed must be a whole number from 0 to 2.*64 - 1"
    ):
        check_seed(seed)


@pytest.mark.parametrize("epoch", [-1, 2**63, 0.5, False, None])
def test_an_epoch_is_a_number_from_0_on(epoch):
    with pytest.raises(
        cloudio.RequestError, match=r"epoch=.*; epoch must be a whole number, 0 or more"
    ):
        check_epoch(epoch)


# ---- crops and symmetries ------------------------------------------------------------------------

N_ROWS, N_COLS = 6, 11
WHOLE = Augmentation((1, N_ROWS), (2, N_COLS), range(8))


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and symmetry, from 0 on, of 40,000 patches in one epoch."""
    origin, symmetry = WHOLE.draw(np.arange(40_000), 1, 2)
    return origin[:, 0] - 1, origin[:, 1] - 2, symmetry


@pytest.fixture(scope="module")
def often() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of one patch in 5,000 epochs."""
    drawn = [WHOLE.draw(np.array([7]), 1, epoch) for epoch in range(5_000)]
    origin = np.concatenate([origin for origin, _ in drawn])
    return origin[:, 0] - 1, origin[:, 1] - 2, np.concatenate([symmetry for _, symmetry in drawn])


@pytest.mark.parametrize("draws", ["many", "often"])
def test_every_origin_and_symmetry_is_as_likely_and_independent(draws, request):
    rows, cols, symmetries = request.getfixturevalue(draws)
    cells = N_ROWS * N_COLS * 8
    which = (rows * N_COLS + cols) * 8 + symmetries
    counts = np.bincount(which, minlength=cells)
    assert len(counts) == cells
    assert even(counts, len(which) / cells, cells - 1)


@pytest.mark.parametrize("draws", ["many", "often"])
@pytest.mark.parametrize("which", range(3))
def test_a_draw_says_nothing_of_the_next(draws, which, request):
    numbers = request.getfixturevalue(draws)[which]
    n = (N_ROWS, N_COLS, 8)[which]
    for distance in 1, 2, 16:
        pairs = numbers[:-distance] * n + numbers[distance:]
        counts = np.bincount(pairs, minlength=n * n)
        assert even(counts, len(pairs) / n**2, n**2 - 1)


def test_of_flips_each_is_as_likely():
    _, symmetry = Augmentation(None, None, (0, 2, 4, 6)).draw(np.arange(8000), 3, 0)
    counts = np.bincount(symmetry, minlength=8)
    assert counts[1::2].tolist() == [0, 0, 0, 0]
    assert even(counts[::2], 2000, 3)


def test_a_draw_depends_on_seed_epoch_and_the_patch_alone():
    patches = np.array([5, 3, 5, 1000, 3])
    origin, symmetry = WHOLE.draw(patches, 9, 4)
    for k, patch in enumerate(patches):
        own_origin, own_symmetry = WHOLE.draw(np.array([patch]), 9, 4)
        assert (own_origin[0] == origin[k]).all()
        assert own_symmetry[0] == symmetry[k]
    without, nothing = Augmentation((1, N_ROWS), (2, N_COLS), None).draw(patches, 9, 4)
    assert nothing is None
    assert np.array_equal(without, origin)
    nowhere, again = Augmentation(None, None, range(8)).draw(patches, 9, 4)
    assert nowhere is None
    assert np.array_equal(again, symmetry)


@pytest.mark.parametrize("other", [(2, 2), (1, 3), (2, 1), (12, 2)])
def test_other_seeds_and_epochs_see_patches_otherwise(other, many):
    origin, symmetry = WHOLE.draw(np.arange(40_000), *other)
    for one, another, n in zip(
        many, (origin[:, 0] - 1, origin[:, 1] - 2, symmetry), (N_ROWS, N_COLS, 8), strict=True
    ):
        counts = np.bincount(one * n + another, minlength=n * n)
        assert even(counts, len(one) / n**2, n**2 - 1)


def test_draws_are_the_same_on_every_machine():
    origin, symmetry = Augmentation((0, 286), (1, 300), range(8)).draw(
        np.array([0, 1, 2, 8489]), 0, 0
    )
    assert origin.tolist() == [[41, 40], [141, 64], [171, 34], [109, 10]]
    assert symmetry.tolist() == [4, 7, 1, 6]
    origin, symmetry = WHOLE.draw(np.arange(10_000), 2**64 - 1, 5)
    assert (digest(origin), digest(symmetry)) == ("63793a0b070d2a6b", "83f2cd477cc7a972")


# ---- arguments -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    """Patches of 40 x 48, valid from (1, 2) on, 35 x 41."""
    folder = tmp_path_factory.mktemp("draws")
    builders.write_split(folder, 2, names=["L1C_B2"], metadata=False)
    return cloudio.open(folder, layout=builders.SMALL)


@pytest.mark.parametrize(
    ("size", "rows", "cols"),
    [
        ((35, 41), (1, 1), (2, 1)),  # the valid window itself
        ((1, 1), (1, 35), (2, 41)),
        ((16, 20), (1, 20), (2, 22)),
        # Larger than what is valid: around it.
        ((37, 43), (0, 2), (0, 3)),
        ((39, 45), (0, 2), (0, 3)),
        ((40, 48), (0, 1), (0, 1)),
        ((36, 16), (0, 2), (2, 26)),
    ],
)
def test_random_crops_lie_in_the_valid_window_or_around_it(ds, size, rows, cols):
    views = Augmentation.parse(ds.reader("L1C_B2", size=size), "random", None)
    assert (views.rows, views.cols) == (rows, cols)
    valid = ds.valid_window
    for (first, n), side, start, whole, stored in zip(
        (rows, cols), size, (valid.row, valid.col), valid.size, (40, 48), strict=True
    ):
        allowed = [
            at
            for at in range(stored - side + 1)
            if (start <= at and at + side <= start + whole)
            or (at <= start and start + whole <= at + side)
        ]
        assert list(range(first, first + n)) == allowed


def test_the_center_is_the_readers_to_find_and_an_origin_one_for_all(ds):
    reader = ds.reader("L1C_B2", size=(16, 20))
    assert Augmentation.parse(reader, "center", None) == Augmentation(None, None, None)
    for crop in (24, 28), [24, 28], np.array([24, 28], np.uint8):
        views = Augmentation.parse(reader, crop, "flip")
        assert views == Augmentation((24, 1), (28, 1), (0, 2, 4, 6))
        assert views.draw(np.arange(3), 0, 0)[0].tolist() == [[24, 28]] * 3


@pytest.mark.parametrize(
    "crop", ["middle", None, 3, (1,), (1, 2, 3), (1.0, 2.0), (True, False), [[1], [1, 2]], "", b"x"]
)
def test_what_is_no_crop_is_refused(ds, crop):
    with pytest.raises(
        cloudio.RequestError,
        match=r"crop=.*; crop must be 'random', 'center' or an origin \(row, col\)",
    ):
        Augmentation.parse(ds.reader("L1C_B2", size=16), crop, None)


@pytest.mark.parametrize("crop", [(25, 0), (0, 29), (-1, 0), (0, -1)])
def test_a_window_that_leaves_its_patch_is_refused(ds, crop):
    with pytest.raises(
        cloudio.RequestError,
        match=r"a window of 16 x 20 must begin between \(0, 0\) and \(24, 28\)",
    ):
        Augmentation.parse(ds.reader("L1C_B2", size=(16, 20)), crop, None)


@pytest.mark.parametrize("symmetry", ["D4", "rotate", 3, True, ["d4"], np.array(["d4", "flip"])])
def test_what_is_no_symmetry_is_refused(ds, symmetry):
    with pytest.raises(
        cloudio.RequestError, match=r"symmetry=.*; symmetry must be 'd4', 'flip' or None"
    ):
        Augmentation.parse(ds.reader("L1C_B2", size=16), "random", symmetry)


def test_quarter_turns_need_a_square(ds):
    with pytest.raises(
        cloudio.RequestError,
        match=r"which need a square window; this one is 16 x 20: .* symmetry='flip'",
    ):
        Augmentation.parse(ds.reader("L1C_B2", size=(16, 20)), "random", "d4")
    assert Augmentation.parse(ds.reader("L1C_B2", size=16), "random", "d4").symmetries == range(8)
    assert (
        Augmentation.parse(ds.reader("L1C_B2", size=(16, 20)), "random", "flip").symmetries
        is not None
    )


# ---- shards --------------------------------------------------------------------------------------


@given(n=st.integers(1, 60), size=st.integers(1, 9), drop=st.booleans(), data=st.data())
@settings(max_examples=scaled(50, 200))
def test_ranks_share_what_is_left_of_an_epoch(n, size, drop, data):
    world = data.draw(st.integers(1, min(n, 7)))
    start = data.draw(st.integers(0, n))
    ranks = [Shard(n, size, drop, rank, world) for rank in range(world)]
    (n_samples,) = {shard.n_samples(start) for shard in ranks}
    (n_batches,) = {shard.n_batches(start) for shard in ranks}
    taken = np.array([shard.positions(start, np.arange(n_samples)) for shard in ranks])
    flat = taken.T.ravel()  # in the order of the epoch
    left = n - start
    if drop:
        assert n_samples == left // world // size * size
        assert flat.tolist() == list(range(start, start + n_samples * world))
        assert n_batches * size == n_samples
    else:
        assert flat[:left].tolist() == list(range(start, n))
        assert len(flat) - left < world
        assert flat[left:].tolist() == [k % n for k in range(n, start + len(flat))]
        assert (n_batches - 1) * size < n_samples <= n_batches * size
    # What all have taken is a beginning, after any number of batches.
    for k in range(n_batches + 1):
        seen = taken[:, : k * size].ravel()
        at = ranks[0].position(start, k)
        assert {shard.position(start, k) for shard in ranks} == {at}
        wrapped = set(flat[left:].tolist()) if k == n_batches and not drop else set()
        assert set(range(start, at)) <= set(seen.tolist()) <= set(range(start, at)) | wrapped
