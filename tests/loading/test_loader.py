"""The loader: the same bytes whoever loads them, from where on, and with whom."""

import copy
import gc
import itertools
import json
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import loading
import numpy as np
import oracle
import pytest
from loading import bytes_of, digest, reader_of
from processes import SECONDS, needs_fork
from residents import soon

import cloudio
from cloudio import RequestError

N = 23
# Of every epoch of these patches with seed 3, random crops of 6 x 6 and all symmetries.
GOLDEN = {0: "ef0a331b4cbf4a99", 1: "973b80650d1b5a5d", 2**40: "a78491e4587a6215"}
DRAWN = {"seed": 3, "symmetry": "d4"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loading")
    loading.write(folder, N)
    return folder


@pytest.fixture(scope="module")
def ds(folder):
    return loading.opened(folder)


@pytest.fixture(scope="module")
def reader(ds):
    return reader_of(ds)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    if loading.threads():
        gc.collect()
    assert soon(lambda: not loading.threads())


def ranks_of(reader, world_size, batch_size, **settings):
    return [
        cloudio.Loader(reader, batch_size, rank=rank, world_size=world_size, **settings)
        for rank in range(world_size)
    ]


# ---- the same bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_bytes_are_the_same_for_any_batch_size_ranks_depth_threads_and_engine(
    folder, io, n_threads, all_threads
):
    reader = reader_of(loading.opened(folder, io), threads=n_threads)
    for batch_size, world_size, prefetch in itertools.product((1, 7, 32), (1, 2, 3), (0, 1, 4)):
        ranks = ranks_of(reader, world_size, batch_size, prefetch=prefetch, **DRAWN)
        for epoch in range(2):
            found = bytes_of(itertools.chain(*ranks))
            assert sorted(found) == list(range(N))
            assert digest(found) == GOLDEN[epoch]


@pytest.mark.parametrize("epoch", GOLDEN)
def test_bytes_are_those_of_the_epoch(reader, epoch):
    loader = cloudio.Loader(reader, 5, **DRAWN)
    loader.set_epoch(epoch)
    assert loading.digest_of(loader) == GOLDEN[epoch]
    assert loader.epoch == epoch + 1


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), pytest.param("spawn")])
def test_bytes_are_the_same_in_other_processes(reader, method):
    loader = cloudio.Loader(reader, 7, **DRAWN)
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        iteration = iter(loader)  # whose thread is at work meanwhile
        first = pool.apply_async(loading.digest_of, (cloudio.Loader(reader, 4, **DRAWN),))
        assert first.get(SECONDS) == GOLDEN[0]
        assert digest(bytes_of(iteration)) == GOLDEN[0]
        assert pool.apply_async(loading.digest_of, (loader,)).get(SECONDS) == GOLDEN[1]


def test_a_batch_is_what_reading_its_samples_gives(folder, reader):
    arrays = [loading.opened(folder)[name] for name in loading.BANDS]
    labels = loading.opened(folder)["LABEL"]
    loader = cloudio.Loader(reader, 4, **DRAWN)
    batches = list(loader)
    assert [len(batch.index) for batch in batches] == [4, 4, 4, 4, 4, 3]
    for k, batch in enumerate(batches):
        index, origin, symmetry = loader.samples(range(4 * k, min(4 * k + 4, N)), epoch=0)
        assert np.array_equal(batch.index, index)
        wanted = oracle.image(
            arrays, index, origin, (6, 6), [1e-4] * 2, [0, 0], symmetries=symmetry
        )
        assert oracle.same_bits(batch.image, wanted)
        classes = {code: code for code in range(4)}
        for i, one in enumerate(index):
            (plain,) = oracle.label(
                labels, [one], [origin[i]], (6, 6), classes, loading.LAYOUT.valid, 255, np.uint8
            )
            assert oracle.same_bits(
                batch.label[i, 0], np.ascontiguousarray(oracle.seen(plain, symmetry[i]))
            )


def test_images_alone_masks_and_other_types_are_loaded_as_they_are_read(ds):
    for settings in (
        {"labels": None},
        {"labels": "LABEL", "valid": True, "layout": "NHWC"},
        {"labels": ["LABEL"], "dtype": "int16", "label_dtype": "int64"},
        {"labels": None, "dtype": "float16", "size": (9, 5), "valid": True},
        {"labels": None, "dtype": "bfloat16"},
    ):
        if settings.get("dtype") == "bfloat16":
            pytest.importorskip("ml_dtypes")
        reader = ds.reader(loading.BANDS, **{"size": 6, **settings})
        loader = cloudio.Loader(reader, 10, symmetry="flip", seed=1)
        for k, batch in enumerate(loader):
            samples = loader.samples(range(10 * k, min(10 * k + 10, N)))
            wanted = reader.read(*samples)
            assert type(batch) is type(wanted)
            for got, part in zip(batch, wanted, strict=True):
                assert (got is None) == (part is None)
                assert got is None or oracle.same_bits(np.asarray(got), np.asarray(part))


def test_without_shuffling_patches_come_as_they_are_given(reader):
    def order(**settings):
        loader = cloudio.Loader(reader, 5, shuffle=False, **settings)
        return [patch for batch in loader for patch in batch.index.tolist()]

    assert order() == list(range(N))
    assert order(index=[4, -1, 4, 0]) == [4, N - 1, 4, 0]
    assert order(index=np.arange(N) % 3 == 1) == list(range(1, N, 3))
    assert order(index=range(8), rank=1, world_size=3) == [1, 4, 7]
    assert order(index=range(8), rank=2, world_size=3) == [2, 5, 0]


def test_crops_and_symmetries_do_not_depend_on_which_patches_are_loaded(reader):
    whole = bytes_of(cloudio.Loader(reader, 5, **DRAWN))
    part = bytes_of(cloudio.Loader(reader, 3, index=[20, 3, 3, 11], shuffle=False, **DRAWN))
    assert part == {patch: whole[patch] for patch in (20, 3, 11)}


def test_an_index_that_changes_later_changes_nothing(reader):
    index = np.array([5, 6, 7])
    loader = cloudio.Loader(reader, 3, index=index, shuffle=False)
    index[:] = 0
    assert next(iter(loader)).index.tolist() == [5, 6, 7]


def test_a_crop_that_changes_later_changes_nothing(reader):
    crop = [2, 3]
    loader = cloudio.Loader(reader, 3, crop=crop)
    crop[0] = 5
    for one in loader, pickle.loads(pickle.dumps(loader)):
        assert one.samples([0]).origin.tolist() == [[2, 3]]


# ---- who gets what -------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 23])
def test_ranks_split_an_epoch_evenly(reader, n, drop_last):
    for world_size, batch_size in itertools.product((1, 2, 3, 5), (1, 2, 4)):
        if world_size > n or (drop_last and n // world_size < batch_size):
            continue
        index = np.arange(N)[-n:]
        ranks = ranks_of(
            reader, world_size, batch_size, index=index, drop_last=drop_last, prefetch=0
        )
        taken = [list(rank) for rank in ranks]
        (n_batches,) = {len(rank) for rank in ranks}
        assert {len(batches) for batches in taken} == {n_batches}
        shards = [np.concatenate([batch.index for batch in batches]) for batches in taken]
        (length,) = {len(shard) for shard in shards}
        flat = np.stack(shards, 1).ravel()
        order = ranks[0].samples(range(n), epoch=0).index
        if drop_last:
            assert length == n // world_size // batch_size * batch_size
            assert np.array_equal(flat, order[: len(flat)])
        else:
            assert length == -(-n // world_size)
            assert np.array_equal(flat, np.resize(order, len(flat)))
            assert sorted(set(flat.tolist())) == index.tolist()


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "length"),
    [(1, False, 23), (8, False, 3), (8, True, 2), (99, False, 1)],
)
def test_a_length_counts_batches(reader, batch_size, drop_last, length):
    loader = cloudio.Loader(reader, batch_size, drop_last=drop_last)
    assert len(loader) == length
    iteration = iter(loader)
    for left in range(length, 0, -1):
        assert len(iteration) == left
        next(iteration)
    assert len(iteration) == 0
    assert next(iteration, None) is None
    assert next(iteration, None) is None
    assert len(iteration) == 0
    assert len(loader) == length


# ---- epochs --------------------------------------------------------------------------------------


def orders(loader):
    return [batch.index.tolist() for batch in loader]


def test_epochs_follow_each_other(reader):
    loader = cloudio.Loader(reader, 6)
    assert loader.epoch == 0
    first = orders(loader)
    assert loader.epoch == 1
    iteration = iter(loader)
    assert loader.epoch == 1
    second = [batch.index.tolist() for batch in iteration]
    assert loader.epoch == 2
    assert first != second
    loader.set_epoch(0)
    assert orders(loader) == first
    assert orders(loader) == second


def test_an_epoch_that_was_left_begins_again(reader):
    loader = cloudio.Loader(reader, 6)
    for _ in loader:
        break
    assert loader.epoch == 0
    assert loader.state_dict()["position"] == 6
    assert orders(loader) == orders(cloudio.Loader(reader, 6))
    assert loader.epoch == 1


def test_an_iteration_under_way_goes_on_whatever_its_loader_is_told(reader):
    loader = cloudio.Loader(reader, 6)
    whole = orders(cloudio.Loader(reader, 6))
    iteration = iter(loader)
    next(iteration)
    loader.set_epoch(7)
    state = {**loader.state_dict(), "position": 12}
    loader.load_state_dict(state)
    assert [batch.index.tolist() for batch in iteration] == whole[1:]
    assert loader.state_dict() == state
    other = cloudio.Loader(reader, 6)
    other.set_epoch(7)
    assert orders(loader) == orders(other)[2:]
    assert loader.epoch == 8


def test_iterations_at_once_are_whole_ones_each(reader):
    loader = cloudio.Loader(reader, 6)
    whole = orders(cloudio.Loader(reader, 6))
    pairs = list(zip(loader, loader, strict=True))
    assert [one.index.tolist() for one, _ in pairs] == whole
    assert [other.index.tolist() for _, other in pairs] == whole
    for one, other in pairs:
        assert not np.shares_memory(one.image, other.image)
        assert oracle.same_bits(one.image, other.image)
    loader.set_epoch(0)
    nested = [(a.index.tolist(), orders(loader)) for a in itertools.islice(loader, 2)]
    assert [order for order, _ in nested] == whole[:2]
    assert nested[0][1] == whole


def test_threads_that_iterate_one_loader_get_whole_epochs_each(reader):
    loader = cloudio.Loader(reader, 2, **DRAWN)

    with ThreadPoolExecutor(4) as pool:
        epochs = set(pool.map(lambda _: digest(bytes_of(loader)), range(12)))
    by_itself = set()
    loader.set_epoch(0)
    for _ in range(13):
        by_itself.add(digest(bytes_of(loader)))
    assert epochs <= by_itself


# ---- states --------------------------------------------------------------------------------------


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
    whole = bytes_of(cloudio.Loader(reader, 7, **DRAWN))
    for (before, size), (after, other) in [
        ((1, 4), (1, 4)), ((1, 1), (2, 7)), ((2, 3), (1, 32)), ((2, 2), (3, 4)), ((3, 1), (2, 5)),
    ]:  # fmt: skip
        steps = len(ranks_of(reader, before, size)[0])
        for n_taken in range(steps + 1):
            ranks = ranks_of(reader, before, size, prefetch=prefetch, **DRAWN)
            iterations = [iter(rank) for rank in ranks]
            seen = [next(one) for _ in range(n_taken) for one in iterations]
            states = [rank.state_dict() for rank in ranks]
            assert all(state == states[0] for state in states)
            assert states[0]["position"] == min(n_taken * size * before, N)
            for one in iterations:
                one.close()
            rest = ranks_of(reader, after, other, prefetch=prefetch, **DRAWN)
            for rank in rest:
                rank.load_state_dict(states[0])
                assert rank.state_dict() == states[0]
            coming = [batch for rank in rest for batch in rank]
            assert bytes_of(seen + coming) == whole
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
    assert orders(same) == []
    assert same.epoch == 1
    smaller = cloudio.Loader(reader, 2, drop_last=True, **DRAWN)
    smaller.load_state_dict(state)
    seen += list(smaller)
    assert sum(len(batch.index) for batch in seen) == 22
    assert len(bytes_of(seen)) == 22


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
    second = orders(loader)
    for state, first in (last, []), (over, second):
        other = cloudio.Loader(reader, 8, **DRAWN)
        other.load_state_dict(state)
        assert orders(other) == first
    assert orders(other) != second
    other.load_state_dict(last)
    assert orders(other) == []
    assert orders(other) == second


def test_a_state_is_used_once_and_a_position_kept_by_its_own_epoch(reader):
    loader = cloudio.Loader(reader, 8)
    whole = orders(loader)
    state = {**loader.state_dict(), "epoch": 0, "position": 8}
    loader.load_state_dict(state)
    loader.set_epoch(0)
    assert loader.state_dict() == state
    assert len(iter(loader)) == 2
    assert orders(loader) == whole
    loader.load_state_dict(state)
    assert orders(loader) == whole[1:]
    loader.load_state_dict(state)
    loader.set_epoch(1)
    loader.set_epoch(0)
    assert orders(loader) == whole


def test_a_loader_pickles_with_its_state(reader):
    loader = cloudio.Loader(reader, 5, drop_last=True, rank=1, world_size=2, prefetch=1, **DRAWN)
    loader.set_epoch(4)
    whole = orders(loader)
    loader.set_epoch(4)
    iteration = iter(loader)
    next(iteration)
    text = pickle.dumps(loader)
    assert len(text) < 2000
    for other in pickle.loads(text), copy.deepcopy(loader), copy.copy(loader):
        assert other.state_dict() == loader.state_dict()
        assert repr(other) == repr(loader)
        for name in vars(other).keys() - {"reader", "_progress", "_idle_pools", "_last"}:
            assert vars(other)[name] == vars(loader)[name], name
        assert orders(other) == whole[1:]
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
        assert len(orders(other)) == len(loader) - 1


def test_parts_of_a_data_set_are_told_apart(ds, folder):
    def state(part, **settings):
        return cloudio.Loader(reader_of(part), 4, **settings).state_dict()

    def takes(part, state, **settings):
        cloudio.Loader(reader_of(part), 4, **settings).load_state_dict(state)

    halves = ds.subset(range(10)), ds.subset(range(10, 20))
    takes(ds.subset(range(10)), state(halves[0]))
    takes(loading.opened(folder, "pread"), state(ds))
    takes(ds, state(ds, index=[3, 1]), index=[3, 1 - N])
    for part, settings, of in (
        (halves[0], {}, state(halves[1])),
        (halves[0], {}, state(ds.subset(range(9, -1, -1)))),
        (ds, {"index": [1, 3]}, state(ds, index=[3, 1])),
        (ds, {"index": [1, 3]}, state(ds, index=[1, 2])),
    ):
        with pytest.raises(RequestError, match=r"the state is not of these \d+ patches in this"):
            takes(part, of, **settings)


def test_all_patches_by_number_are_all_patches(ds):
    state = cloudio.Loader(reader_of(ds), 4).state_dict()
    cloudio.Loader(reader_of(ds), 4, index=range(N)).load_state_dict(state)


# ---- refusals ------------------------------------------------------------------------------------


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
        cloudio.Loader(reader_of(ds, size=(6, 7)), 4, symmetry="d4")


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


def test_samples_are_had_in_any_order_and_of_any_epoch(reader):
    loader = cloudio.Loader(reader, 4, **DRAWN)
    samples = loader.samples([5, 0, 5], epoch=9)
    one_by_one = [loader.samples(k, epoch=9) for k in (5, 0, 5)]
    for got, parts in zip(samples, zip(*one_by_one, strict=True), strict=True):
        assert np.array_equal(got, np.concatenate(parts))
    assert loader.samples([]).index.tolist() == []
    with pytest.raises(RequestError, match=r"epoch=-1; a whole number"):
        loader.samples([0], epoch=-1)
    loader.set_epoch(9)
    assert np.array_equal(loader.samples([5, 0, 5]).origin, samples.origin)


def test_samples_of_a_loader_in_order_are_no_memory_of_the_callers(reader):
    positions = np.arange(3)
    samples = cloudio.Loader(reader, 4, shuffle=False).samples(positions)
    positions[:] = 9
    assert samples.index.tolist() == [0, 1, 2]


GOOD = {"version": 1, "seed": 3, "shuffle": 1, "patches": N, "epoch": 2, "position": 8}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": 2}, r"the state is of version 2; this cloudio reads 1"),
        ({"version": "1"}, r"is no state of a loader"),
        ({"version": None}, r"is no state of a loader"),
        ({"seed": 4}, r"the state has seed=4, this loader seed=3"),
        ({"shuffle": 0}, r"the state has shuffle=0, this loader shuffle=1"),
        ({"patches": 24}, r"the state has patches=24, this loader patches=23"),
        (
            {"data": 5},
            r"the state is not of these 23 patches in this order: layout, splits, metadata",
        ),
        ({"epoch": -1}, r"epoch=-1; a whole number from 0 on is needed"),
        ({"epoch": 2**63}, r"epoch=9223372036854775808; a whole"),
        ({"position": -1}, r"position=-1 of 23 patches"),
        ({"position": 24}, r"position=24 of 23 patches"),
        ({"position": 8.0}, r"is no state of a loader: version, seed, shuffle, patches, data"),
        ({"position": True}, r"is no state of a loader: version"),
        ({"seed": None}, r"is no state of a loader: version"),
        ({"more": 1}, r"is no state of a loader: version"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(reader, changed, says):
    loader = cloudio.Loader(reader, 4, **DRAWN)
    good = {**GOOD, "data": loader.state_dict()["data"]}
    loader.load_state_dict(good)
    with pytest.raises(RequestError, match=says):
        loader.load_state_dict({**good, **changed})
    assert loader.state_dict() == good
    rest = orders(loader)
    assert sum(map(len, rest)) == N - 8


@pytest.mark.parametrize("state", [None, 3, [], {}, "state", [("version", 1)], {"epoch": 0}])
def test_what_is_no_state_is_refused(reader, state):
    loader = cloudio.Loader(reader, 4)
    with pytest.raises(RequestError, match=r"is no state of a loader"):
        loader.load_state_dict(state)


def test_a_state_that_lacks_something_is_refused(reader):
    loader = cloudio.Loader(reader, 4)
    for name in list(loader.state_dict())[1:]:
        state = loader.state_dict()
        del state[name]
        with pytest.raises(RequestError, match=r"is no state of a loader: version, seed"):
            loader.load_state_dict(state)


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None, 2**63])
def test_an_epoch_that_is_none_is_refused_and_changes_nothing(reader, epoch):
    loader = cloudio.Loader(reader, 4)
    loader.set_epoch(6)
    with pytest.raises(RequestError, match=r"epoch=.*; a whole number from 0 on is needed"):
        loader.set_epoch(epoch)
    assert loader.epoch == 6


def test_a_loader_tells_what_it_is(reader):
    text = repr(cloudio.Loader(reader, 4, seed=9, rank=1, world_size=2, symmetry="flip"))
    assert text.startswith(
        "<cloudio.Loader of 23 patches shuffled by 9: 3 batches of 4, rank 1 of 2, crop random, "
        "symmetry flip, epoch 0>\n"
    )
    assert repr(reader) in text
    assert "in order" in repr(cloudio.Loader(reader, 4, shuffle=False))


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_batch_holds_what_is_told_of_it(reader, drop_last):
    for rank in range(2):
        loader = cloudio.Loader(reader, 4, drop_last=drop_last, rank=rank, world_size=2, seed=3)
        for k, batch in enumerate(loader):
            told = loader.samples_of(k)
            assert batch.index.tolist() == told.index.tolist()
            assert np.array_equal(batch.image, reader.read(*told).image)
        with pytest.raises(IndexError, match=rf"batch {len(loader)}; an epoch has 0\.\."):
            loader.samples_of(len(loader))


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


@pytest.mark.parametrize("name", ["batch_size", "seed", "reader", "rank", "prefetch", "n_patches"])
def test_what_was_decided_stays(reader, name):
    loader = cloudio.Loader(reader, 4)
    with pytest.raises(AttributeError, match=f"{name} is decided when a loader is made"):
        setattr(loader, name, 2)
    loader.note = 1
    loader.note = 2


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
