"""Weighted draws: the bits of an oracle in Python's own numbers, and the odds that were asked for.

Limits of chi-square are six standard deviations above what is expected, and seeds are fixed.
"""

import hashlib
import itertools
import math
import pickle
from decimal import Decimal, localcontext
from fractions import Fraction

import loading
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import N, loaders_of_ranks, patch_bytes
from profiles import scaled

import cloudio
from cloudio import RequestError
from cloudio.loading.sampling import orders
from cloudio.loading.sampling.orders import make_order
from cloudio.loading.sampling.weights import (
    cumulate,
    high_product,
    look_up,
    negative_log,
    order_by_weight,
)

WEIGHTS = np.array([0, 1, 2, 3, 0.25, 0, 7, 1e-3, 1, 1, 5, 1, 0.5, 2, 0, 3, 1, 1, 4, 1, 0.1, 6, 1])
assert len(WEIGHTS) == N


# ---- an oracle -----------------------------------------------------------------------------------


def keys(purpose, seed, epoch, n):
    digest = hashlib.shake_256(f"cloudio {purpose} {seed} {epoch}".encode()).digest(8 * n)
    return [int.from_bytes(digest[8 * k : 8 * k + 8], "little") for k in range(n)]


def mix(z):
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % 2**64
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def hashed(purpose, number, seed, epoch):
    first, second = keys(purpose, seed, epoch, 2)
    return mix((mix((number + first) % 2**64) + second) % 2**64)


def whole(weights):
    """Return the weights as whole numbers, of which the largest has 62 bits less those of n."""
    bits = 62 - len(weights).bit_length()
    exponent = math.frexp(max(weights))[1]
    scaled = [round(Fraction(w) * Fraction(2) ** (bits - exponent)) for w in weights]
    return [max(1, x) if w > 0 else 0 for w, x in zip(weights, scaled, strict=True)]


def drawn(weights, position, seed, epoch):
    """Return the patch at a position, with replacement."""
    parts = whole(weights)
    at = hashed("replacement", position, seed, epoch) * sum(parts) >> 64
    return next(k for k, end in enumerate(itertools.accumulate(parts)) if at < end)


def drawn_once(weights, seed, epoch):
    """Return the patches in the order of exponential keys with 40 digits."""
    with localcontext() as context:
        context.prec = 40
        key = {}
        for k, weight in enumerate(weights):
            if weight > 0:
                uniform = Decimal((hashed("weights", k, seed, epoch) >> 12) * 2 + 1) / 2**53
                key[k] = -uniform.ln() / Decimal(float(weight))
    return sorted(key, key=key.get)


def crop_of(reader, patch, repetition, seed, epoch):
    """Return origin and symmetry of a patch: its number and that of its repetition are hashed."""
    valid, size = reader.dataset.valid_window, reader.size
    number = (patch + mix(repetition)) % 2**64
    parts = []
    for key, n in zip(
        keys("view", seed, epoch, 3),
        (valid.height - size[0] + 1, valid.width - size[1] + 1, 8),
        strict=True,
    ):
        parts.append((mix((mix((number + key) % 2**64) + key) % 2**64) >> 32) * n >> 32)
    return [valid.row + parts[0], valid.col + parts[1]], parts[2]


def even(counts, expected):
    """Whether chi-square is no further from its mean than chance brings it."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    assert (counts[expected == 0] == 0).all()
    there = expected > 0
    chi_square = ((counts - expected)[there] ** 2 / expected[there]).sum()
    df = there.sum() - 1
    return abs(chi_square - df) < 6 * math.sqrt(2 * df)


# ---- parts ---------------------------------------------------------------------------------------


@given(numbers=st.lists(st.integers(0, 2**64 - 1), min_size=1), limit=st.integers(1, 2**63))
@settings(max_examples=scaled(50, 500))
def test_a_high_product_is_that_of_128_bits(numbers, limit):
    wanted = [number * limit >> 64 for number in numbers]
    assert high_product(np.array(numbers, np.uint64), limit).tolist() == wanted


@given(
    weights=st.lists(st.floats(0, 1e300, allow_subnormal=True), min_size=1, max_size=50).filter(any)
)
@settings(max_examples=scaled(50, 500))
def test_cumulated_weights_are_whole_numbers_that_fit(weights):
    wanted = list(itertools.accumulate(whole(weights)))
    assert cumulate(np.array(weights)).tolist() == wanted
    assert wanted[-1] <= 2**62


def test_the_least_and_the_largest_bits_draw_patches_of_a_weight():
    """A place of weight 0 has none of the numbers, at the ends and between."""
    weights = np.array([0.0, 0, 1, 0, 1, 0, 0])
    bits = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    assert look_up(cumulate(weights), bits).tolist() == [2, 2, 4, 4]


@pytest.mark.parametrize("least", [1e-20, 5e-324])
def test_weights_far_below_the_largest_are_not_drawn_in_the_order_of_patches(least):
    weights = np.array([1.7e308] + [least] * 40)
    got = order_by_weight(weights, 3, 5, 41).tolist()
    assert got == drawn_once(weights, 3, 5)
    assert got[0] == 0
    assert got != sorted(got)


def test_logarithms_are_right_to_the_last_bits():
    bits = np.concatenate(
        [
            np.array([0, 1, 2**12, 2**63, 2**64 - 1, 2**64 - 2**12, 2**62], np.uint64),
            np.arange(1, 2000, dtype=np.uint64) * np.uint64(9_111_111_111_111_111),
            np.uint64(2**64 - 1) - (np.uint64(1) << np.arange(12, 60, dtype=np.uint64)),
        ]
    )
    before = bits.copy()
    got = negative_log(bits)
    assert np.array_equal(bits, before)
    with localcontext() as context:
        context.prec = 40
        for number, log in zip(bits.tolist(), got.tolist(), strict=True):
            exact = -(Decimal((number >> 12) * 2 + 1) / 2**53).ln()
            assert abs(Decimal(log) - exact) <= exact * Decimal("6e-16")


def test_logarithms_are_the_same_on_every_machine():
    bits = np.arange(1, 5000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    digest = hashlib.sha256(negative_log(bits).astype("<f8").tobytes()).hexdigest()
    assert digest[:16] == "7e0f2b2ba43d96c0"


# ---- draws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (3, 7), (2**64 - 1, 2**40)])
def test_draws_with_replacement_are_those_of_the_oracle(reader, seed, epoch):
    loader = cloudio.Loader(reader, 4, weights=WEIGHTS, seed=seed, num_samples=3 * N, symmetry="d4")
    samples = loader.samples(range(3 * N), epoch)
    assert samples.index.dtype == np.int64
    assert samples.index.tolist() == [drawn(WEIGHTS, k, seed, epoch) for k in range(3 * N)]
    for k, patch in enumerate(samples.index.tolist()):
        origin, symmetry = crop_of(reader, patch, k, seed, epoch)
        assert (samples.origin[k].tolist(), samples.symmetry[k]) == (origin, symmetry)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (3, 7), (2**64 - 1, 2**40)])
def test_draws_without_replacement_are_those_of_the_oracle(reader, seed, epoch):
    loader = cloudio.Loader(reader, 4, weights=WEIGHTS, replacement=False, seed=seed, symmetry="d4")
    wanted = drawn_once(WEIGHTS, seed, epoch)
    assert loader.num_samples == len(wanted) == 20
    samples = loader.samples(range(20), epoch)
    assert samples.index.tolist() == wanted
    plain = cloudio.Loader(reader, 4, seed=seed, shuffle=False, symmetry="d4")
    assert np.array_equal(samples.origin, plain.samples(wanted, epoch).origin)
    fewer = cloudio.Loader(reader, 4, weights=WEIGHTS, replacement=False, seed=seed, num_samples=7)
    assert fewer.samples(range(7), epoch).index.tolist() == wanted[:7]


def test_draws_with_replacement_need_no_weights(reader):
    loader = cloudio.Loader(reader, 4, replacement=True, seed=5, num_samples=50)
    wanted = [hashed("replacement", k, 5, 2) * N >> 64 for k in range(50)]
    assert loader.samples(range(50), 2).index.tolist() == wanted
    assert cloudio.Loader(reader, 4, replacement=True).num_samples == N


@pytest.mark.parametrize(
    ("n", "replacement", "sha256"),
    [
        (23, True, "2bb9d447c34cdef7"),
        (1000, True, "45da1331ecc37fe9"),
        (23, False, "b8eb0d80c62f8437"),
        (1000, False, "d4c18d30a518c3aa"),
    ],
)
def test_draws_are_the_same_on_every_machine(n, replacement, sha256):
    weights = (np.arange(n) * 37 % 101 / 3.0) ** 2
    options = {"shuffle": True, "crops": 1, "weights": weights, "num_samples": None}
    order = make_order(n, 42, replacement=replacement, **options)
    places, _ = order.places(np.arange(order.n_samples), 17)
    assert hashlib.sha256(places.astype("<i8").tobytes()).hexdigest()[:16] == sha256


@pytest.mark.parametrize("scale", [2.0**-1060, 0.5, 2.0**900])
def test_weights_matter_up_to_a_factor(reader, scale):
    for replacement in True, False:
        options = {"replacement": replacement, "num_samples": 15}
        one = cloudio.Loader(reader, 4, weights=np.rint(WEIGHTS * 1024), **options)
        other = cloudio.Loader(reader, 4, weights=np.rint(WEIGHTS * 1024) * scale, **options)
        assert np.array_equal(one.samples(range(15)).index, other.samples(range(15)).index)
        other.load_state_dict(one.state_dict())


@pytest.mark.parametrize("kind", [list, tuple, "float32", "int64", "tensor"])
def test_weights_may_be_any_numbers(reader, kind):
    given = np.arange(N)
    if kind == "tensor":
        given = pytest.importorskip("torch").arange(N)
    elif isinstance(kind, str):
        given = given.astype(kind)
    else:
        given = kind(given.tolist())
    loader = cloudio.Loader(reader, 4, weights=given, seed=1)
    wanted = [drawn(range(N), k, 1, 0) for k in range(N)]
    assert loader.samples(range(N)).index.tolist() == wanted


def test_weights_of_an_index_are_those_of_its_patches(reader):
    index = [7, 20, 3, 3, 18]
    for replacement in True, False:
        loader = cloudio.Loader(
            reader, 4, index=index, weights=WEIGHTS, replacement=replacement, seed=2, num_samples=5
        )
        places = (
            [drawn(WEIGHTS[index], k, 2, 0) for k in range(5)]
            if replacement
            else drawn_once(WEIGHTS[index], 2, 0)
        )
        assert loader.samples(range(5)).index.tolist() == np.array(index)[places].tolist()


def test_weights_that_change_later_change_nothing(reader):
    weights = WEIGHTS.copy()
    loader = cloudio.Loader(reader, 4, weights=weights)
    before = loader.samples(range(N)).index
    weights[:] = 1
    assert np.array_equal(loader.samples(range(N)).index, before)
    assert not loader.weights.flags.writeable


# ---- odds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [WEIGHTS, np.ones(N), np.arange(N)])
def test_patches_are_drawn_in_proportion_to_their_weights(reader, weights):
    loader = cloudio.Loader(reader, 4, weights=weights, num_samples=40_000, seed=11)
    index = loader.samples(range(40_000), 5).index
    share = weights / weights.sum()
    assert even(np.bincount(index, minlength=N), share * 40_000)
    pairs = np.bincount(index[:-1] * N + index[1:], minlength=N * N)
    assert even(pairs, np.outer(share, share).ravel() * 39_999)


def test_a_position_has_the_odds_of_the_weights_over_the_epochs(reader):
    loader = cloudio.Loader(reader, 4, weights=WEIGHTS, seed=4)
    for position in 0, N - 1:
        index = [loader.samples(position, epoch).index[0] for epoch in range(4000)]
        assert even(np.bincount(index, minlength=N), WEIGHTS / WEIGHTS.sum() * 4000)


def test_draws_without_replacement_have_the_odds_of_taking_one_after_the_other():
    """Of each order: the product of weights over what is left."""
    weights, epochs = np.array([1.0, 0.0, 2.0, 4.0, 0.5]), 6000
    counts = dict.fromkeys(itertools.permutations([0, 2, 3, 4]), 0)
    for epoch in range(epochs):
        counts[tuple(order_by_weight(weights, 9, epoch, 4).tolist())] += 1
    odds = []
    for order in counts:
        left, chance = weights.sum(), 1.0
        for place in order:
            chance *= weights[place] / left
            left -= weights[place]
        odds.append(chance)
    assert abs(sum(odds) - 1) < 1e-12
    assert even(list(counts.values()), np.array(odds) * epochs)


def test_crops_of_a_patch_that_is_drawn_often_are_as_likely(reader):
    weights = np.zeros(N)
    weights[9] = 1
    loader = cloudio.Loader(reader, 4, weights=weights, num_samples=20_000, symmetry="d4")
    index, origin, symmetry = loader.samples(range(20_000))
    assert (index == 9).all()
    valid = reader.dataset.valid_window
    n_rows, n_cols = valid.height - 5, valid.width - 5
    cells = ((origin[:, 0] - valid.row) * n_cols + origin[:, 1] - valid.col) * 8 + symmetry
    assert even(np.bincount(cells), np.full(n_rows * n_cols * 8, 20_000 / (n_rows * n_cols * 8)))


# ---- ranks, states, pickles ----------------------------------------------------------------------

WAYS = [
    {"weights": WEIGHTS},
    {"weights": WEIGHTS, "num_samples": 41},
    {"weights": WEIGHTS, "replacement": False},
    {"replacement": True, "num_samples": 31},
]


def shown(batches):
    """Return the bytes of each sample, sorted."""
    return sorted(
        batch.image[k].tobytes() + batch.label[k].tobytes() + bytes([patch])
        for batch in batches
        for k, patch in enumerate(batch.index)
    )


@pytest.mark.parametrize("settings", WAYS)
def test_an_epoch_is_shared_among_ranks_and_continues_from_every_position(reader, settings):
    settings = {**settings, "seed": 3, "symmetry": "d4"}
    loader = cloudio.Loader(reader, 5, **settings)
    n = loader.num_samples
    order = loader.samples(range(n), 0).index.tolist()
    batches = list(loader)
    assert [patch for batch in batches for patch in batch.index.tolist()] == order
    whole_epoch = shown(batches)
    for (before, size), (after, other) in [
        ((1, 4), (1, 3)), ((1, 1), (2, 7)), ((2, 3), (1, 32)), ((3, 1), (2, 5)),
    ]:  # fmt: skip
        steps = len(loaders_of_ranks(reader, before, size, **settings)[0])
        for n_taken in range(0, steps + 1, 3):
            ranks = loaders_of_ranks(reader, before, size, prefetch=0, **settings)
            iterations = [iter(rank) for rank in ranks]
            seen = [next(one) for _ in range(n_taken) for one in iterations]
            states = [rank.state_dict() for rank in ranks]
            assert all(state == states[0] for state in states)
            rest = loaders_of_ranks(
                reader, after, other, prefetch=0, even_batches=False, **settings
            )
            for rank in rest:
                rank.load_state_dict(states[0])
            seen_once = shown(seen)[: min(n_taken * size * before, n)]
            coming = shown(batch for rank in rest for batch in rank)
            assert len(coming) == n - states[0]["position"]
            if n_taken * size * before <= n:  # else some came twice to make ranks even
                assert sorted(seen_once + coming) == whole_epoch


@pytest.mark.parametrize("settings", WAYS)
def test_a_loader_with_weights_pickles_with_its_state(reader, settings):
    loader = cloudio.Loader(reader, 4, **settings)
    iteration = iter(loader)
    next(iteration)
    text = pickle.dumps(loader)
    n_bytes = WEIGHTS.nbytes if "weights" in settings else 0
    assert len(text) < 2300 + n_bytes
    other = pickle.loads(text)
    assert other.state_dict() == loader.state_dict()
    assert repr(other) == repr(loader)
    assert shown(other) == shown(iteration)


def test_weights_are_pickled_once(reader):
    plain = len(pickle.dumps(cloudio.Loader(reader, 4, replacement=True)))
    loader = cloudio.Loader(reader, 4, weights=WEIGHTS)
    list(loader)
    assert plain < 2048
    assert len(pickle.dumps(loader)) < plain + WEIGHTS.nbytes + 400
    index = np.arange(N) // 2
    both = cloudio.Loader(reader, 4, weights=WEIGHTS, index=index)
    assert len(pickle.dumps(both)) < plain + WEIGHTS.nbytes + 2 * index.nbytes + 500


def test_states_of_other_draws_are_refused(reader):
    def state(**settings):
        return cloudio.Loader(reader, 4, **settings).state_dict()

    plain, weighted = state(), state(weights=WEIGHTS)
    assert "weights" not in plain
    assert all(type(number) is int for number in weighted.values())
    assert weighted["weights"] < 2**63
    for options, of, says in [
        ({}, weighted, r"the state has replacement=1, but this loader has replacement=0"),
        ({"weights": WEIGHTS}, plain, r"the state has replacement=0, but this loader has replac"),
        ({"weights": WEIGHTS + 1}, weighted, r"the state belongs to other weights$"),
        (
            {"replacement": True},
            weighted,
            r"the state belongs to other weights; this one has none$",
        ),
        (
            {"weights": WEIGHTS},
            state(replacement=True),
            r"the state belongs to a loader without weights$",
        ),
        (
            {"weights": WEIGHTS, "num_samples": 3},
            {**weighted, "position": 4},
            r"position=4; with 3 samples in an epoch position must be 0\.\.3",
        ),
        ({"crops_per_patch": 2}, plain, r"the state has crops_per_patch=1, but this loader has c"),
        ({}, {**plain, "weights": "x"}, r"is not the state of a loader"),
    ]:
        with pytest.raises(RequestError, match=says):
            cloudio.Loader(reader, 4, **options).load_state_dict(of)


def test_the_order_of_an_epoch_is_computed_once_while_others_are_asked_for(reader, monkeypatch):
    computed = []

    def order(weights, seed, epoch, n):
        computed.append(epoch)
        return order_by_weight(weights, seed, epoch, n)

    monkeypatch.setattr(orders, "order_by_weight", order)
    loader = cloudio.Loader(reader, 4, weights=WEIGHTS, replacement=False)
    for _ in range(3):
        for epoch in 0, 5:
            loader.samples([0, 1], epoch)
    assert computed == [0, 5]


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"weights": [1, 2]},
            r"weights has shape \(2,\), but the reader has 23 patches; weights m",
        ),
        ({"weights": 1}, r"weights has shape \(\), but the reader has 23 patches"),
        ({"weights": [1, 2], "index": [3, 4]}, r"also if index= chooses among them$"),
        ({"weights": np.ones((N, 1))}, r"weights has shape \(23, 1\)"),
        (
            {"weights": np.ones(N, bool)},
            r"weights is a mask; to load some patches, pass index=mask",
        ),
        ({"weights": "balanced"}, r"weights is str 'balanced'; weights must be a number for each"),
        ({"weights": {1: 2}}, r"weights is dict {1: 2}; weights must be a number for each patch"),
        ({"weights": ["1"] * N}, r"weights is list \['1', .*; weights must be a number for each"),
        ({"weights": np.ones(N) * 1j}, r"weights is ndarray .*; weights must be a number"),
        ({"weights": [[1], [1, 2]]}, r"weights is list \[\[1\], \[1, 2\]\]; weights must be"),
        ({"weights": np.ma.ones(N)}, r"weights is a masked array, and its mask would be lost"),
        ({"weights": [1] * 22 + [-1]}, r"weights\[22\] = -1\.0; .*, 0 or more, and finite"),
        ({"weights": [1] * 22 + [np.nan]}, r"weights\[22\] = nan; "),
        ({"weights": [np.inf] + [1] * 22}, r"weights\[0\] = inf; "),
        ({"weights": np.zeros(N)}, r"weights are 0 for all patches to load; at least one must be"),
        ({"weights": WEIGHTS, "index": [0, 5]}, r"weights are 0 for all patches to load"),
        (
            {"weights": WEIGHTS, "shuffle": False},
            r"shuffle=False with weights: draws have no other",
        ),
        ({"replacement": True, "shuffle": False}, r"shuffle=False with replacement=True: draws"),
        ({"replacement": 1}, r"replacement=1; replacement must be True or False"),
        ({"num_samples": 0}, r"num_samples=0; num_samples must be a whole number, 1 or more"),
        (
            {"replacement": True, "num_samples": 2**62 + 1},
            r"num_samples must be a whole number, 1 or more and 2\*\*62 at most$",
        ),
        pytest.param(
            {"weights": np.full(N, np.finfo(np.longdouble).max)},
            r"weights\[0\] = inf; weights must be a number for each patch of the reader, 0 or",
            marks=pytest.mark.skipif(
                np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="no larger floats"
            ),
        ),
        ({"num_samples": 24}, r"num_samples=24, but without replacement an epoch has at most 23 s"),
        ({"num_samples": 24}, r"use crops_per_patch= or replacement=True$"),
        (
            {"num_samples": 21, "weights": WEIGHTS, "replacement": False},
            r"an epoch has at most 20 samples of weight > 0; use replacement=True$",
        ),
        (
            {"weights": WEIGHTS, "crops_per_patch": 2},
            r"crops_per_patch=2 with weights; leave it out: with replacement each draw has a crop",
        ),
        (
            {"weights": WEIGHTS, "num_samples": 2, "rank": 0, "world_size": 3},
            r"world_size=3, but there are only 2 samples in an epoch; to validate",
        ),
        (
            {"weights": WEIGHTS, "num_samples": 1, "rank": 0, "world_size": 3},
            r"world_size=3, but there is only 1 sample in an epoch; to validate",
        ),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(reader, settings, says):
    with pytest.raises(RequestError, match=says):
        cloudio.Loader(reader, 2, **settings)


def test_fewer_samples_are_the_first_of_the_epoch(reader):
    whole_epoch = cloudio.Loader(reader, 4, seed=3)
    loader = cloudio.Loader(reader, 4, seed=3, num_samples=10)
    assert (len(loader), loader.n_patches) == (3, N)
    for epoch in 0, 1:
        wanted = whole_epoch.samples(range(10), epoch).index.tolist()
        assert [k for batch in loader for k in batch.index.tolist()] == wanted
    with pytest.raises(IndexError, match=r"an epoch has positions 0\.\.9"):
        loader.samples([10])


@pytest.mark.parametrize("world_size", [1, 2**31 - 1])
def test_the_longest_epoch_has_all_its_positions(reader, world_size):
    ranks = {"rank": world_size - 1, "world_size": world_size}
    loader = cloudio.Loader(reader, 4, replacement=True, num_samples=2**62, prefetch=0, **ranks)
    loader.load_state_dict({**loader.state_dict(), "position": 2**62 - world_size})
    (batch,) = loader
    assert batch.index.tolist() == loader.samples([2**62 - 1], 0).index.tolist()


def test_reprs_say_what_is_drawn(reader):
    for options, words in [
        (WAYS[0], "of 23 patches drawn by weight with replacement by 0: 6 batches of 4"),
        (WAYS[1], "of 41 samples of 23 patches drawn by weight with replacement by 0: 11 batches"),
        ({"num_samples": 1}, "of 1 sample of 23 patches shuffled by 0: 1 batches of 4"),
        (WAYS[2], "of 20 samples of 23 patches drawn by weight without replacement by 0: 5 batch"),
        (WAYS[3], "of 31 samples of 23 patches drawn with replacement by 0: 8 batches"),
        ({"crops_per_patch": 2}, "of 23 patches, 2 crops of each, shuffled by 0: 12 batches"),
        ({"even_batches": False}, "6 batches of 4, even_batches False, crop random"),
    ]:
        assert words in repr(cloudio.Loader(reader, 4, **options))


def test_the_same_bytes_whatever_builds_them(reader):
    wanted = [batch.image.tobytes() for batch in cloudio.Loader(reader, 4, weights=WEIGHTS)]
    for prefetch in 0, 1, 4:
        loader = cloudio.Loader(reader, 4, weights=WEIGHTS, prefetch=prefetch)
        assert [batch.image.tobytes() for batch in loader] == wanted
        for k in range(len(loader)):
            assert loader.reader.read(*loader.samples_of(k, 0)).image.tobytes() == wanted[k]
    once = cloudio.Loader(reader, 4, weights=WEIGHTS, replacement=False)
    plain = patch_bytes(cloudio.Loader(reader, 4))
    assert patch_bytes(once).items() <= plain.items()
    assert loading.threads() == []
