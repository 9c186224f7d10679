"""cloudio.torch.Dataset: the crops of an epoch, in every process and under every sampler."""

import copy
import pickle

import builders
import numpy as np
import pytest
from processes import SECONDS

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from torch.utils.data import (  # noqa: E402
    BatchSampler,
    DataLoader,
    DistributedSampler,
    SequentialSampler,
    Subset,
)

N = 7


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    builders.write_root(root, {"train": 5, "val": 2})
    return cloudio.open(root, layout=builders.SMALL)


@pytest.fixture
def reader(ds):
    reader = ds.reader("L1C", "hq", size=20, threads=2)
    reader.read(range(N))  # the parent has a thread pool before anything forks
    return reader


@pytest.fixture
def dataset(reader):
    return cloudio.torch.Dataset(reader, symmetry="d4", seed=6)


def of_epoch(dataset, epoch):
    """What `cloudio.Loader` makes of each patch in an epoch."""
    drawn = {"crop": dataset.crop, "symmetry": dataset.symmetry, "seed": dataset.seed}
    loader = cloudio.Loader(dataset.reader, N, shuffle=False, prefetch=0, **drawn)
    loader.set_epoch(epoch)
    return next(iter(loader))


def same(batch, wanted, index):
    assert batch.index.tolist() == list(index)
    for part, array in zip(batch, wanted, strict=True):
        if array is None:
            assert part is None
        else:
            array = np.ascontiguousarray(array[list(index)])
            assert bytes(part.contiguous().view(torch.uint8).numpy()) == array.tobytes()
            assert part.shape == array.shape


@pytest.mark.parametrize("crop", ["random", "center", (3, 2)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int16"])
def test_a_patch_is_what_the_loader_has_of_it_in_that_epoch(ds, crop, dtype):
    reader = ds.reader("L1C", ["hq", "sc"], size=20, dtype=dtype, valid=dtype == "int16")
    dataset = cloudio.torch.Dataset(reader, crop=crop, symmetry="flip", seed=9)
    assert len(dataset) == N
    for epoch in (0, 3):
        dataset.set_epoch(epoch)
        assert dataset.epoch == epoch
        wanted = of_epoch(dataset, epoch)
        same(dataset.__getitems__([4, 0, 4]).batch, wanted, [4, 0, 4])
        same(dataset[1:6:2], wanted, [1, 3, 5])
        same(dataset[torch.tensor([2, -1])], wanted, [2, N - 1])
        sample = dataset[-2]
        assert sample.index == N - 2
        assert type(sample) is type(wanted)
        assert sample.image.shape == reader.image_shape
        assert torch.equal(sample.image, dataset[[N - 2]].image[0])
        assert torch.equal(sample.label, dataset[[N - 2]].label[0])


def test_bfloat16_needs_no_package_of_numpys(ds, monkeypatch):
    wanted = ds.reader("L1C", dtype="bfloat16", size=8).read([3]).image
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    dataset = cloudio.torch.Dataset(ds.reader("L1C", dtype="bfloat16", size=8), crop="center")
    image = dataset[3].image
    assert image.dtype is torch.bfloat16
    assert bytes(image.view(torch.uint8).numpy()) == wanted.tobytes()


def both_ranks(dataset, batch_size=2, **workers):
    return [
        DataLoader(
            dataset,
            batch_size,
            sampler=DistributedSampler(dataset, num_replicas=2, rank=rank, seed=3),
            collate_fn=cloudio.torch.collate,
            **workers,
        )
        for rank in (0, 1)
    ]


def test_both_ranks_of_a_distributed_sampler_see_an_epoch(dataset):
    for epoch in (0, 1):
        wanted, seen = of_epoch(dataset, epoch), []
        dataset.set_epoch(epoch)
        for loader in both_ranks(dataset):
            loader.sampler.set_epoch(epoch)
            for batch in loader:
                same(batch, wanted, batch.index.tolist())
                seen += batch.index.tolist()
        assert sorted(set(seen)) == list(range(N))
        assert len(seen) == N + 1  # the sampler fills up the last


@pytest.mark.parametrize(("start", "n"), [("fork", 2), ("spawn", 1), ("forkserver", 1)])
def test_the_epoch_reaches_workers_that_stay(dataset, start, n):
    workers = {
        "num_workers": n,
        "persistent_workers": True,
        "multiprocessing_context": start,
        "timeout": SECONDS,
    }
    loader = both_ranks(dataset, **workers)[1]
    orders = []
    for epoch in (2, 0, 5):
        dataset.set_epoch(epoch)
        loader.sampler.set_epoch(epoch)
        wanted = of_epoch(dataset, epoch)
        batches = list(loader)
        for batch in batches:
            same(batch, wanted, batch.index.tolist())
        orders.append([k for batch in batches for k in batch.index.tolist()])
        assert len(orders[-1]) == N // 2 + 1
    assert orders[0] != orders[1]
    pictures = {dataset.reader.read([0]).image.tobytes()}
    assert len(pictures | {of_epoch(dataset, e).image[0].tobytes() for e in (2, 0, 5)}) == 4


def test_samplers_subsets_and_samples_of_a_wrapper_work(dataset):
    wanted = of_epoch(dataset, 0)
    dataset.set_epoch(0)  # which is read several times
    sampler = BatchSampler(SequentialSampler(dataset), 3, drop_last=False)
    for batch in DataLoader(dataset, batch_size=None, sampler=sampler):
        same(batch, wanted, batch.index.tolist())
    part = DataLoader(Subset(dataset, [6, 2, 1]), 2, collate_fn=cloudio.torch.collate)
    indices = [batch.index.tolist() for batch in part]
    assert indices == [[6, 2], [1]]
    twice = DataLoader(dataset + dataset, 5, collate_fn=cloudio.torch.collate)
    batches = list(twice)
    assert len(batches) == 3
    same(batches[1], wanted, [5, 6, 0, 1, 2])


def test_a_worker_reads_with_one_thread_by_default(ds, monkeypatch):
    monkeypatch.delenv("CLOUDIO_THREADS", raising=False)
    untold, told = (ds.reader("L1C", size=8, threads=threads) for threads in (None, 3))
    used = []
    read = cloudio.Reader.read

    def seen(self, *request, **options):
        used.append(self)
        return read(self, *request, **options)

    monkeypatch.setattr(cloudio.Reader, "read", seen)

    def readers_of(reader):
        used.clear()
        dataset = cloudio.torch.Dataset(reader, crop="center")
        wanted = reader.__getitems__([2, 0]).batch.image
        assert np.array_equal(dataset[[2, 0]].image.numpy(), wanted)
        assert len(used) == 2
        return used

    assert readers_of(untold) == [untold, untold]
    monkeypatch.setattr("torch.utils.data.get_worker_info", object)
    first, second = readers_of(untold)
    assert first is second
    assert first.settings == {**untold.settings, "threads": 1}
    assert first._threads == 1
    assert readers_of(told) == [told, told]
    monkeypatch.setenv("CLOUDIO_THREADS", "2")
    assert readers_of(untold) == [untold, untold]


def test_a_worker_reads_batches_into_shared_memory(ds, dataset, monkeypatch):
    assert not dataset[[0, 1]].image.is_shared()
    monkeypatch.setattr("torch.utils.data.get_worker_info", object)
    batch = dataset[[0, 1]]
    assert batch.image.is_shared()
    assert batch.label.is_shared()
    same(batch, of_epoch(dataset, 0), [0, 1])
    assert len(dataset[[]].image) == 0
    assert not dataset[0].image.is_shared()


def test_it_pickles_small_with_an_epoch_of_its_own(ds, dataset):
    dataset.set_epoch(4)
    again = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < len(pickle.dumps(dataset.reader)) + 700
    copied = copy.deepcopy(dataset)
    dataset.set_epoch(8)
    assert (again.epoch, copied.epoch) == (4, 4)
    assert again._cell.is_shared()
    assert (again.seed, again.crop, again.symmetry) == (6, "random", "d4")
    same(again[[3, 1]], of_epoch(dataset, 4), [3, 1])
    assert repr(again).startswith("<cloudio.torch.Dataset of 7 patches: crop random, symmetry d4")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_an_epoch_of_its_own(dataset, copied):
    dataset.set_epoch(2)
    other = copied(dataset)
    other.set_epoch(3)
    assert (dataset.epoch, other.epoch) == (2, 3)
    dataset.set_epoch(4)
    assert other.epoch == 3
    assert other._cell.is_shared()
    same(other[[1, 5]], of_epoch(dataset, 3), [1, 5])


class Described(cloudio.torch.Dataset):
    def __init__(self, reader, notes):
        super().__init__(reader, seed=3)
        self.notes = notes

    def __getitems__(self, index):
        return super().__getitems__(index), self.notes


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda dataset: pickle.loads(pickle.dumps(dataset))]
)
def test_what_a_subclass_has_added_is_carried(reader, copied):
    dataset = Described(reader, ["cloudy", "clear"])
    dataset.more = 5
    again = copied(dataset)
    assert type(again) is Described
    assert again.more == 5
    batch, notes = again.__getitems__([3])
    assert notes == ["cloudy", "clear"]
    same(batch.batch, of_epoch(dataset, 0), [3])


def rank(dataset, number, together, said):
    """What a process does that trains: set the epoch, and read in a worker of its own."""
    torch.set_num_threads(1)  # the parent's threads are not in a child that was forked
    loader = DataLoader(
        dataset,
        N,
        sampler=DistributedSampler(dataset, num_replicas=1, rank=0, shuffle=False),
        num_workers=1,
        multiprocessing_context="fork",
        collate_fn=cloudio.torch.collate,
        persistent_workers=True,
        timeout=SECONDS,
    )
    next(iter(loader))  # a worker that stays has seen the epoch before
    dataset.set_epoch(number)
    together.wait(SECONDS)  # each has set its own
    image = next(iter(loader)).image.numpy()
    said.put((number, dataset.epoch, image.tobytes()))
    together.wait(SECONDS)


def test_ranks_that_were_given_the_same_data_set_have_epochs_of_their_own(dataset):
    context = torch.multiprocessing.get_context("fork")
    together, said = context.Barrier(2), context.Queue()
    dataset.set_epoch(9)
    ranks = [context.Process(target=rank, args=(dataset, k, together, said)) for k in (1, 2)]
    for process in ranks:
        process.start()
    try:
        got = sorted(said.get(timeout=SECONDS) for _ in ranks)
        for process in ranks:
            process.join(SECONDS)
    finally:
        for process in ranks:
            process.kill()
    assert [x[:2] for x in got] == [(1, 1), (2, 2)]
    assert dataset.epoch == 9
    for number, _, image in got:
        assert image == of_epoch(dataset, number).image.tobytes()


def test_a_data_set_made_under_inference_mode_takes_epochs(reader):
    with torch.inference_mode():
        dataset = cloudio.torch.Dataset(reader)
        copied = copy.copy(dataset)
        loaded = pickle.loads(pickle.dumps(dataset))
        dataset.set_epoch(1)
    for made in (dataset, copied, loaded):
        made.set_epoch(2)
        assert made.epoch == 2


def test_nothing_lands_on_a_default_device(reader):
    with torch.device("meta"):
        dataset = cloudio.torch.Dataset(reader)
        dataset.set_epoch(3)
        samples = [dataset[4], dataset[0]]
        batch = cloudio.torch.collate(samples)
        of_arrays = cloudio.torch.collate([reader[4], reader[0]])
        read = cloudio.torch.read(reader, [4, 0])
    same(batch, of_epoch(dataset, 3), [4, 0])
    for made in (of_arrays, read):
        assert made.index.tolist() == [4, 0]
        assert np.array_equal(made.image.numpy(), reader.read([4, 0]).image)


def test_a_crop_is_kept_as_numbers(reader):
    crop = [3, 2]
    dataset = cloudio.torch.Dataset(reader, crop=crop)
    crop[0] = 500
    assert dataset.crop == (3, 2)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[1].image, dataset[1].image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": "middle"}, "^crop='middle'; "),
        ({"symmetry": "d8"}, "^symmetry='d8'; symmetry must be 'd4', 'flip' or None$"),
        ({"seed": -1}, "^seed=-1; "),
    ],
)
def test_impossible_arguments_are_refused(reader, change, message):
    with pytest.raises(RequestError, match=message):
        cloudio.torch.Dataset(reader, **change)


def test_other_things_than_readers_epochs_and_patches_are_refused(ds, dataset):
    with pytest.raises(
        RequestError,
        match=r"^reader is a Dataset; it must be a Reader, as ds\.reader\(\.\.\.\) returns$",
    ):
        cloudio.torch.Dataset(ds)
    dataset.set_epoch(3)
    with pytest.raises(RequestError, match=r"^epoch=-1; epoch must be a whole number, 0 or more$"):
        dataset.set_epoch(-1)
    assert dataset.epoch == 3
    with pytest.raises(IndexError, match=r"^index\[1\] = 7; there are 7 patches"):
        dataset[[0, 7]]


def test_a_state_is_the_epoch_of_what_is_read(reader):
    dataset = cloudio.torch.Dataset(reader, seed=6)
    dataset.set_epoch(4)
    state = dataset.state_dict()
    assert state == {"version": 1, "seed": 6, "patches": N, "epoch": 4}
    fresh = cloudio.torch.Dataset(reader, seed=6, crop="center")
    for epoch in (4, 3):
        fresh.load_state_dict({**state, "epoch": epoch})
        assert fresh.epoch == epoch
    fresh.set_epoch(5)  # of the loop that resumes, before its DataLoader loads anything
    fresh.load_state_dict(state)
    assert fresh.epoch == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, "^the state has seed=7, but this Dataset has seed=6$"),
        ({"patches": 8}, "^the state has patches=8, but this Dataset has patches=7$"),
        ({"version": 2, "more": 1}, "^the state has version=2, but this Dataset has version=1$"),
        (
            {"more": 1},
            "is not the state of a Dataset; it must have whole numbers for "
            "version, seed, patches, epoch$",
        ),
        (
            {"epoch": 1.5},
            "is not the state of a Dataset; it must have whole numbers for "
            "version, seed, patches, epoch$",
        ),
        ({"epoch": -1}, "^epoch=-1; epoch must be a whole number, 0 or more$"),
    ],
)
def test_a_state_of_something_else_is_refused(dataset, change, message):
    state = dataset.state_dict() | change
    with pytest.raises(RequestError, match=message):
        dataset.load_state_dict(state)
    with pytest.raises(RequestError, match=r"^\[\] is not the state of a Dataset"):
        dataset.load_state_dict([])
    assert dataset.epoch == 0


# ---- torchdata -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata's, to torch
@pytest.mark.parametrize("n", [0, 2])
def test_a_stateful_data_loader_resumes_in_the_middle_of_an_epoch(reader, n):
    stateful = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="torchdata is not installed"
    )

    def loader():
        dataset = cloudio.torch.Dataset(reader, symmetry="d4", seed=6)  # as in a new process
        options = {"shuffle": True, "num_workers": n, "collate_fn": cloudio.torch.collate}
        return dataset, stateful.StatefulDataLoader(dataset, 2, **options)

    dataset, whole = loader()
    dataset.set_epoch(1)
    torch.manual_seed(5)
    batches = iter(whole)
    for _ in range(2):
        next(batches)
    state = whole.state_dict()
    rest = list(batches)
    fresh, resumed = loader()
    resumed.load_state_dict(state)
    wanted = of_epoch(dataset, 1)
    for batch, then in zip(resumed, rest, strict=True):
        assert batch.index.tolist() == then.index.tolist()
        same(batch, wanted, then.index.tolist())
    assert len(rest) == 2
    assert fresh.epoch == 1


def test_a_loader_follows_torchdatas_protocol(reader):
    stateful = pytest.importorskip(
        "torchdata.stateful_dataloader.stateful", reason="torchdata is not installed"
    )
    assert isinstance(cloudio.torch.Loader(reader, 2), stateful.Stateful)
