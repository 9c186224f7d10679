"""Small batches are built several at once, and nobody can tell by what they get."""

import itertools
import os

import loading
import numpy as np
import pytest
from loading import N, make_reader, threads
from residents import soon

import cloudio
from cloudio.loading import memory
from cloudio.loading.prefetch import FREE_THREADED

with_a_gil = pytest.mark.skipif(FREE_THREADED, reason="without a GIL no groups are built")

# Of such windows every batch ends at a cache line: 512 bytes of image, 64 of label for a sample.
SIZE = 8
MOST = 16


@pytest.fixture
def reader(ds):
    return make_reader(ds, size=SIZE)


@pytest.fixture
def built(monkeypatch):
    """How many samples each read has, and each prefetch of pages, in turn."""
    done = []
    read, prefetch = cloudio.Reader.read, cloudio.Reader.prefetch

    def reads(self, index, *rest, **options):
        done.append(("read", len(index)))
        return read(self, index, *rest, **options)

    def asks(self, index, origin=None):
        done.append(("ask", len(index)))
        return prefetch(self, index, origin)

    monkeypatch.setattr(cloudio.Reader, "read", reads)
    monkeypatch.setattr(cloudio.Reader, "prefetch", asks)
    return done


@pytest.fixture
def made(monkeypatch):
    """How many bytes each piece of memory has that loaders made."""
    sizes = []

    def counted(shape, dtype):
        sizes.append(shape[0])
        return np.empty(shape, dtype)

    monkeypatch.setattr(memory, "allocate_aligned", counted)
    return sizes


def repeated(reader, n, batch_size=1, **settings):
    """A loader of ``n`` samples."""
    return cloudio.Loader(reader, batch_size, index=np.resize(np.arange(N), n), **settings)


def copied(batch):
    parts = batch.values() if isinstance(batch, dict) else batch
    return [None if part is None else (part.dtype, part.shape, part.tobytes()) for part in parts]


# ---- which batches are built at once -------------------------------------------------------------


@with_a_gil
@pytest.mark.parametrize(
    ("prefetch", "groups"),
    [
        (1, [1, 2, 4, 8, 16, 16, 16, 7]),
        (2, [2, 4, 8, 16, 16, 16, 8]),
        (5, [5, 10, 16, 16, 16, 7]),
        (40, [16, 16, 16, 16, 6]),
    ],
)
def test_groups_grow_from_what_is_to_be_ahead(reader, built, prefetch, groups):
    batches = list(repeated(reader, 3 * 70 - 1, 3, prefetch=prefetch))
    assert [len(batch.index) for batch in batches] == [3] * 69 + [2]
    sizes = [3 * n for n in groups]
    sizes[-1] -= 1
    assert [n for what, n in built if what == "read"] == sizes
    # The pages of each group are asked for before the one before it is read.
    asked = [("ask", n) for n in sizes[1:]]
    read = [("read", n) for n in sizes]
    assert built == [*itertools.chain(*zip(asked, read, strict=False)), read[-1]]


@with_a_gil
def test_groups_hold_at_most_eight_megabytes(reader, built, made):
    sample = 512 + 64
    batch_size = (2 << 20) // sample
    for _ in repeated(reader, 12 * batch_size, batch_size, prefetch=2):
        pass
    n_at_once = (8 << 20) // (batch_size * sample)
    assert n_at_once == 4
    # None goes beyond what is drawn at once, which is four batches here.
    assert [n // batch_size for what, n in built if what == "read"] == [2, 2, 4, 4]
    assert set(made) == {4 * batch_size * 512, 4 * batch_size * 64}


def test_larger_batches_are_built_one_by_one(reader, built):
    batch_size = (2 << 20) // (512 + 64) + 1
    for _ in repeated(reader, 3 * batch_size, batch_size, prefetch=2):
        pass
    assert [n for what, n in built if what == "read"] == [batch_size] * 3


@pytest.mark.parametrize(
    "settings",
    [{"prefetch": 0}, {"allocate": bytearray}, {"transform": lambda batch: batch}],
    ids=str,
)
def test_batches_are_built_one_by_one_where_code_of_the_caller_is_called(reader, built, settings):
    for _ in cloudio.Loader(reader, 2, **settings):
        pass
    assert [n for what, n in built if what == "read"] == [2] * 11 + [1]


def test_batches_that_do_not_end_at_a_cache_line_are_built_one_by_one(ds, built):
    for _ in cloudio.Loader(make_reader(ds, size=6), 2):
        pass
    assert [n for what, n in built if what == "read"] == [2] * 11 + [1]


def test_every_batch_begins_at_a_cache_line(reader):
    for batch in repeated(reader, 90, 3):
        assert batch.image.ctypes.data % 64 == 0
        assert batch.label.ctypes.data % 64 == 0
        assert batch.image.flags.writeable
        assert batch.image.flags.c_contiguous


# ---- what comes out ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [1, 2, 3, 40])
@pytest.mark.parametrize("batch_size", [1, 4, 300])
@pytest.mark.parametrize(
    "settings",
    [{}, {"symmetry": "d4", "drop_last": True}, {"crop": "center", "shuffle": False}],
    ids=["random", "d4", "center"],
)
def test_batches_and_states_are_those_of_single_reads(ds, prefetch, batch_size, settings):
    reader = make_reader(ds, size=SIZE, valid=True)
    n = 23 * batch_size + batch_size // 2
    alone = repeated(reader, n, batch_size, prefetch=0, **settings)
    groups = repeated(reader, n, batch_size, prefetch=prefetch, **settings)
    n_at_once = groups._batches_at_once
    if FREE_THREADED:
        assert n_at_once == 1
    else:
        assert n_at_once == MOST if batch_size < 300 else n_at_once > 1
    for _ in range(2):
        for one, other in zip(alone, groups, strict=True):
            assert copied(one) == copied(other)
            assert alone.state_dict() == groups.state_dict()


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 9, 30])
def test_an_epoch_continues_within_a_group(reader, taken):
    whole = [copied(batch) for batch in repeated(reader, 70, 2, prefetch=0)]
    first = repeated(reader, 70, 2)
    for _ in itertools.islice(iter(first), taken):
        pass
    later = repeated(reader, 70, 2)
    later.load_state_dict(first.state_dict())
    assert [copied(batch) for batch in later] == whole[taken:]


def test_columns_are_added_to_each_batch(tmp_path):
    folder = tmp_path / "data"
    cloudio.synthesize(folder, {"train": 6}, arrays=["L1C_B2"], progress=False)
    reader = cloudio.open(folder).split("train").reader(["L1C_B2"], size=SIZE)
    settings = {"columns": ["roi_id"], "index": np.resize(np.arange(6), 60)}
    alone = cloudio.Loader(reader, 2, prefetch=0, **settings)
    groups = cloudio.Loader(reader, 2, prefetch=2, **settings)
    assert groups._batches_at_once == (1 if FREE_THREADED else MOST)
    for one, other in zip(alone, groups, strict=True):
        assert list(one) == list(other)
        assert one["roi_id"].tolist() == other["roi_id"].tolist()
        assert one["image"].tobytes() == other["image"].tobytes()


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("prefetch", [0, 1, 2, 7, 40])
def test_an_error_comes_in_its_turn(tmp_path, io, prefetch):
    """All batches before the first that needs the file, wherever their group ends."""
    for split in "train", "val":
        loading.write(tmp_path / split, 11)
    reader = make_reader(loading.open_set(tmp_path, io), size=SIZE)
    loader = cloudio.Loader(reader, 2, shuffle=False, prefetch=prefetch)
    os.truncate(tmp_path / "val" / "B0.dat", 100)
    seen = []
    with pytest.raises(cloudio.TruncatedError, match=r"val.B0\.dat holds 100 bytes") as caught:
        seen.extend(batch.index.tolist() for batch in loader)
    assert seen == [[2 * k, 2 * k + 1] for k in range(5)]
    assert caught.value.__context__ is None
    assert loader.state_dict()["position"] == 10
    assert soon(lambda: not threads())


# ---- memory --------------------------------------------------------------------------------------


@with_a_gil
@pytest.mark.parametrize("prefetch", [1, 2, 16])
def test_a_loop_needs_the_group_in_hand_and_one_ahead(reader, made, prefetch):
    for batch in repeated(reader, 1000, 2, prefetch=prefetch):
        assert len(batch.index) == 2
    # Of images and of labels.
    assert sorted(made) == [MOST * 2 * 64] * 2 + [MOST * 2 * 512] * 2


def test_so_many_groups_are_ahead_as_hold_the_batches_to_be(reader, made):
    loader = repeated(reader, 400, 2, prefetch=40)
    for batch in loader:
        assert len(batch.index) == 2
    assert made.count(MOST * 2 * 512) <= 1 + 3


@with_a_gil
def test_short_epochs_make_no_more_memory_than_they_have(reader, made):
    assert len(list(repeated(reader, 7, 2))) == 4
    assert set(made) == {7 * 512, 7 * 64}


def test_batches_that_are_kept_stay_as_they_are(reader):
    loader = repeated(reader, 200, 2, symmetry="d4")
    kept = []
    for _ in range(5):
        for k, batch in enumerate(loader):
            if k % 7 in (0, 3):
                kept.append((batch.image[1:], batch.label, copied(batch)))
    for _ in range(3):
        for batch in loader:
            batch.image.fill(-1)
            batch.label.fill(9)
            batch.index.fill(-9)
    for image, label, (before, label_before, _) in kept:
        assert before[2].endswith(image.tobytes())
        assert label.tobytes() == label_before[2]


@with_a_gil
def test_one_batch_keeps_the_memory_of_its_group(reader, made):
    """And its label does not keep images."""
    images = reader.dataset.reader(loading.BANDS, size=SIZE, threads=1)
    loader = repeated(images, 16 * 12, 1, prefetch=16)
    kept = [batch for k, batch in enumerate(loader) if k % 16 == 5]
    assert len(kept) == 12
    assert len({id(batch.image.base) for batch in kept}) == 12
    assert 12 <= len(made) <= 12 + 2
    made.clear()
    labels = [batch.label for k, batch in enumerate(repeated(reader, 160, prefetch=16)) if k % 4]
    assert len(labels) == 120
    assert made.count(16 * 512) == 2
    assert 10 <= made.count(16 * 64) <= 12


@with_a_gil
def test_who_keeps_every_batch_gets_new_memory_for_each_group(reader, made):
    kept = list(repeated(reader, 300, 1, prefetch=2))
    assert len({batch.image.ctypes.data for batch in kept}) == 300
    assert np.concatenate([batch.index for batch in kept]).tolist() != list(range(300))
    assert made.count(MOST * 512) == len({id(batch.image.base) for batch in kept})


# ---- the thread ----------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [0, 1, 2, 5, 6, 7, 20])
def test_a_loop_that_is_left_within_a_group_leaves_no_thread(reader, taken):
    loader = repeated(reader, 300)
    iteration = iter(loader)
    for _ in itertools.islice(iteration, taken):
        pass
    assert len(iteration) == 300 - taken
    iteration.close()
    assert not threads()
    assert next(iteration, None) is None
    iteration = iter(loader)
    next(iteration)
    del iteration
    assert soon(lambda: not threads())
    assert len(list(loader)) == 300
