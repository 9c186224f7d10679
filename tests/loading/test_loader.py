"""Loaders: the same bytes whoever loads them, and as many in each rank."""

import itertools
import multiprocessing
import pickle

import loading
import numpy as np
import oracle
import pytest
from loading import DRAWN, N, digest, loaders_of_ranks, make_reader, patch_bytes
from processes import SECONDS, needs_fork

import cloudio
from cloudio import RequestError

# Of every epoch of these patches with seed 3, random crops of 6 x 6 and all symmetries.
GOLDEN = {0: "ef0a331b4cbf4a99", 1: "973b80650d1b5a5d", 2**40: "a78491e4587a6215"}


# ---- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_bytes_are_the_same_for_any_batch_size_ranks_depth_threads_and_engine(
    folder, io, n_threads, all_threads
):
    reader = make_reader(loading.open_set(folder, io), threads=n_threads)
    for batch_size, world_size, prefetch in itertools.product((1, 7, 32), (1, 2, 3), (0, 1, 4)):
        ranks = loaders_of_ranks(reader, world_size, batch_size, prefetch=prefetch, **DRAWN)
        for epoch in range(2):
            found = patch_bytes(itertools.chain(*ranks))
            assert sorted(found) == list(range(N))
            assert digest(found) == GOLDEN[epoch]


@pytest.mark.parametrize("epoch", GOLDEN)
def test_bytes_are_those_of_the_epoch(reader, epoch):
    loader = cloudio.Loader(reader, 5, **DRAWN)
    loader.set_epoch(epoch)
    assert loading.epoch_digest(loader) == GOLDEN[epoch]
    assert loader.epoch == epoch + 1


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), pytest.param("spawn")])
def test_bytes_are_the_same_in_other_processes(reader, method):
    loader = cloudio.Loader(reader, 7, **DRAWN)
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        iteration = iter(loader)  # whose thread is at work meanwhile
        first = pool.apply_async(loading.epoch_digest, (cloudio.Loader(reader, 4, **DRAWN),))
        assert first.get(SECONDS) == GOLDEN[0]
        assert digest(patch_bytes(iteration)) == GOLDEN[0]
        assert pool.apply_async(loading.epoch_digest, (loader,)).get(SECONDS) == GOLDEN[1]


def test_a_batch_is_what_reading_its_samples_gives(folder, reader):
    arrays = [loading.open_set(folder)[name] for name in loading.BANDS]
    labels = loading.open_set(folder)["LABEL"]
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
                batch.label[i, 0], np.ascontiguousarray(oracle.orient(plain, symmetry[i]))
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
    whole = patch_bytes(cloudio.Loader(reader, 5, **DRAWN))
    part = patch_bytes(cloudio.Loader(reader, 3, index=[20, 3, 3, 11], shuffle=False, **DRAWN))
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


# ---- ranks and lengths ---------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 23])
def test_ranks_split_an_epoch_evenly(reader, n, drop_last):
    for world_size, batch_size in itertools.product((1, 2, 3, 5), (1, 2, 4)):
        if world_size > n or (drop_last and n // world_size < batch_size):
            continue
        index = np.arange(N)[-n:]
        ranks = loaders_of_ranks(
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


# ---- samples and attributes ----------------------------------------------------------------------


def test_samples_can_be_drawn_in_any_order_and_of_any_epoch(reader):
    loader = cloudio.Loader(reader, 4, **DRAWN)
    samples = loader.samples([5, 0, 5], epoch=9)
    one_by_one = [loader.samples(k, epoch=9) for k in (5, 0, 5)]
    for got, parts in zip(samples, zip(*one_by_one, strict=True), strict=True):
        assert np.array_equal(got, np.concatenate(parts))
    assert loader.samples([]).index.tolist() == []
    with pytest.raises(RequestError, match=r"epoch=-1; epoch must be a whole number"):
        loader.samples([0], epoch=-1)
    loader.set_epoch(9)
    assert np.array_equal(loader.samples([5, 0, 5]).origin, samples.origin)


def test_samples_of_a_loader_in_order_are_no_memory_of_the_callers(reader):
    positions = np.arange(3)
    samples = cloudio.Loader(reader, 4, shuffle=False).samples(positions)
    positions[:] = 9
    assert samples.index.tolist() == [0, 1, 2]


def test_the_repr_of_a_loader(reader):
    text = repr(cloudio.Loader(reader, 4, seed=9, rank=1, world_size=2, symmetry="flip"))
    assert text.startswith(
        "<cloudio.Loader of 23 patches shuffled by 9: 3 batches of 4, rank 1 of 2, crop random, "
        "symmetry flip, epoch 0>\n"
    )
    assert repr(reader) in text
    assert "in order" in repr(cloudio.Loader(reader, 4, shuffle=False))


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_batch_holds_the_samples_of_its_number(reader, drop_last):
    for rank in range(2):
        loader = cloudio.Loader(reader, 4, drop_last=drop_last, rank=rank, world_size=2, seed=3)
        for k, batch in enumerate(loader):
            told = loader.samples_of(k)
            assert batch.index.tolist() == told.index.tolist()
            assert np.array_equal(batch.image, reader.read(*told).image)
        with pytest.raises(IndexError, match=rf"batch {len(loader)}; an epoch has batches 0\.\."):
            loader.samples_of(len(loader))


@pytest.mark.parametrize("name", ["batch_size", "seed", "reader", "rank", "prefetch", "n_patches"])
def test_what_was_decided_stays(reader, name):
    loader = cloudio.Loader(reader, 4)
    with pytest.raises(AttributeError, match=f"{name} cannot be changed; make another loader"):
        setattr(loader, name, 2)
    loader.note = 1
    loader.note = 2
