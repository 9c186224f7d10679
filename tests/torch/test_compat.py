"""What training code asks of a DataLoader: data set, samplers, and batches that are skipped."""

import gc
import inspect
import pickle

import numpy as np
import pytest
from tensor_loaders import same_bytes

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from torch.utils.data import BatchSampler, DataLoader  # noqa: E402

DRAWN = {"seed": 3, "symmetry": "flip"}


class SkippedBatches(BatchSampler):
    """As accelerate has it: a batch sampler without the first batches of another."""

    def __init__(self, batch_sampler, n):
        self.batch_sampler, self.n = batch_sampler, n

    def __iter__(self):
        for k, batch in enumerate(self.batch_sampler):
            if k >= self.n:
                yield batch

    def __len__(self):
        return len(self.batch_sampler) - self.n


def skip_first_batches(loader, n, **options):
    """Make a DataLoader of a loader's attributes, as accelerate does."""
    return DataLoader(
        loader.dataset,
        batch_sampler=SkippedBatches(loader.batch_sampler, n),
        **{
            "num_workers": loader.num_workers,
            "collate_fn": loader.collate_fn,
            "prefetch_factor": loader.prefetch_factor,
            "pin_memory": loader.pin_memory,
            **options,
        },
    )


def assert_same(batches, wanted):
    for batch, one in zip(batches, wanted, strict=True):
        assert type(batch) is type(one)
        for part, other in zip(batch, one, strict=True):
            assert torch.equal(part, other)


# ---- the data set --------------------------------------------------------------------------------


def test_a_loader_has_what_training_code_asks_for(reader):
    loader = cloudio.torch.Loader(reader, 3, drop_last=True)
    assert len(loader.dataset) == 11
    assert (loader.batch_size, loader.drop_last) == (3, True)
    assert loader.num_workers == 0
    assert len(cloudio.torch.Loader(reader, 3, index=[4, 2, 4]).dataset) == 3


@pytest.mark.parametrize("index", [None, [4, 2, 9, 0]])
def test_a_sample_of_the_data_set_is_that_of_the_loaders_epoch(reader, index):
    loader = cloudio.torch.Loader(reader, 3, index=index, **DRAWN)
    arrays = cloudio.torch.Dataset(reader, **DRAWN)
    for epoch in 0, 4:
        loader.set_epoch(epoch)
        arrays.set_epoch(epoch)
        for k in range(len(loader.dataset)):
            patch = k if index is None else index[k]
            sample, wanted = loader.dataset[k], arrays[patch]
            assert sample.index == patch
            assert torch.equal(sample.image, wanted.image)
            assert torch.equal(sample.label, wanted.label)
    assert torch.equal(loader.dataset[-1].image, loader.dataset[len(loader.dataset) - 1].image)
    assert loader.dataset[1:3].index.tolist() == ([1, 2] if index is None else index[1:3])
    assert loader.dataset[np.array([0, 1])].image.shape[0] == 2
    assert loader.dataset[torch.tensor(1)].image.ndim == 3
    with pytest.raises(IndexError, match=r"there are \d+ patches"):
        loader.dataset[11]
    assert len(list(loader.dataset)) == len(loader.dataset)  # which ends by an IndexError


def test_a_data_set_sets_the_loaders_epoch(reader):
    loader = cloudio.torch.Loader(reader, 3)
    loader.dataset.set_epoch(5)
    assert loader.epoch == 5


# ---- the sampler ---------------------------------------------------------------------------------


def test_set_epoch_of_the_sampler_is_that_of_the_loader(reader):
    """As frameworks call it before each epoch, whether or not they count as the loader does."""
    loader = cloudio.torch.Loader(reader, 3, **DRAWN)
    wanted = {}
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        assert loader.sampler.epoch == epoch
        wanted[epoch] = [batch.index.tolist() for batch in loader]
    assert wanted[0] != wanted[1] != wanted[2]
    loader.sampler.set_epoch(1)
    assert [batch.index.tolist() for batch in loader] == wanted[1]
    loader.load_state_dict({**loader.state_dict(), "epoch": 2, "position": 6})
    loader.sampler.set_epoch(2)  # a loaded position stays
    assert [batch.index.tolist() for batch in loader] == wanted[2][2:]


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_sampler_has_the_order_of_the_epoch_for_its_rank(reader, world_size):
    for rank in range(world_size):
        loader = cloudio.torch.Loader(reader, 3, rank=rank, world_size=world_size, index=[3, 1, 7])
        for epoch in range(2):
            places = list(loader.sampler)
            assert len(places) == len(loader.sampler) == -(-3 // world_size)
            patches = [patch for batch in loader for patch in batch.index.tolist()]
            assert [[3, 1, 7][place] for place in places] == patches, epoch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"index": [9, 4, 4, 0]},
        {"crops_per_patch": 2},
        {"weights": np.arange(11), "num_samples": 14},
        {"replacement": True},
    ],
)
def test_a_data_loader_of_the_data_set_and_sampler_reads_the_same_bytes(reader, options):
    loader = cloudio.torch.Loader(reader, 3, **DRAWN, **options)
    for epoch in range(2):
        others = DataLoader(
            loader.dataset, loader.batch_size, sampler=loader.sampler, collate_fn=loader.collate_fn
        )
        assert_same(list(others), list(loader))
        assert loader.epoch == epoch + 1


def test_places_of_a_sampler_keep_their_draw_in_workers(reader):
    loader = cloudio.torch.Loader(reader, 3, crops_per_patch=2, **DRAWN)
    places = list(loader.sampler)
    loader.set_epoch(1)
    again = pickle.loads(pickle.dumps(places))
    assert [(int(p), p.epoch, p.repetition) for p in again] == [
        (int(p), 0, p.repetition) for p in places
    ]
    loader.set_epoch(0)
    workers = DataLoader(
        loader.dataset, 3, sampler=places, collate_fn=loader.collate_fn, num_workers=1
    )
    assert_same(list(workers), list(loader))


def test_places_of_several_epochs_are_no_batch(reader):
    loader = cloudio.torch.Loader(reader, 3)
    first = next(iter(loader.sampler))
    loader.set_epoch(2)
    with pytest.raises(RequestError, match=r"^a batch has samples of the epochs \[0, 2\]; it can"):
        loader.dataset.__getitems__([first, next(iter(loader.sampler))])


# ---- batches that are skipped --------------------------------------------------------------------


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("prefetch", [0, 2])
def test_skipped_batches_leave_those_of_the_loader(reader, n, prefetch):
    wanted = list(cloudio.torch.Loader(reader, 3, **DRAWN))
    loader = cloudio.torch.Loader(reader, 3, prefetch=prefetch, **DRAWN)
    batches = skip_first_batches(loader, n)
    assert len(batches) == 4 - n
    assert_same(batches, wanted[n:])
    # And the loader goes on as after its own loop.
    assert (loader.epoch, loader.state_dict()["position"]) == (1, 0)
    other = cloudio.torch.Loader(reader, 3, **DRAWN)
    other.set_epoch(1)
    assert_same(loader, list(other))


def test_the_state_follows_batches_that_are_skipped(reader):
    loader = cloudio.torch.Loader(reader, 3, **DRAWN)
    batches = iter(skip_first_batches(loader, 2))
    next(batches)
    assert loader.state_dict()["position"] == 9
    other = cloudio.torch.Loader(reader, 2, **DRAWN)
    other.load_state_dict(loader.state_dict())
    assert len(list(other)) == 1
    del batches


def test_the_epoch_of_batches_that_are_skipped_can_be_set(reader):
    """As the Trainer of transformers does where it resumes."""
    wanted = cloudio.torch.Loader(reader, 3, **DRAWN)
    wanted.set_epoch(2)
    loader = cloudio.torch.Loader(reader, 3, **DRAWN)
    batches = skip_first_batches(loader, 2)
    batches.batch_sampler.batch_sampler.set_epoch(2)
    assert_same(batches, list(wanted)[2:])
    assert loader.epoch == 3


def test_skipping_counts_from_a_loaded_state(reader):
    wanted = list(cloudio.torch.Loader(reader, 2, **DRAWN))
    loader = cloudio.torch.Loader(reader, 2, **DRAWN)
    loader.load_state_dict({**loader.state_dict(), "position": 4})
    assert_same(skip_first_batches(loader, 1), wanted[3:])


@pytest.mark.parametrize(
    "options",
    [
        {"transform": lambda batch: batch._replace(image=batch.image * 2)},
        {"scale_on": "device", "device": "cpu"},
        {"weights": np.arange(11)},
        {"crops_per_patch": 3},
        {"rank": 1, "world_size": 2},
        {"drop_last": True},
    ],
)
def test_skipping_keeps_what_a_loader_does(reader, options):
    wanted = list(cloudio.torch.Loader(reader, 2, **DRAWN, **options))
    batches = skip_first_batches(cloudio.torch.Loader(reader, 2, **DRAWN, **options), 1)
    assert_same(batches, wanted[1:])


def test_skipping_hands_out_anything_a_transform_returns(reader):
    loader = cloudio.torch.Loader(reader, 3, transform=lambda batch: {"n": len(batch.index)})
    assert list(skip_first_batches(loader, 2)) == [{"n": 3}, {"n": 2}]


class SharedBatches(SkippedBatches):
    """As accelerate shares batches among two processes: every other one."""

    def __iter__(self):
        for k, batch in enumerate(self.batch_sampler):
            if k % 2 == self.n:
                yield batch


@pytest.mark.parametrize("process", [0, 1])
def test_batches_are_not_shared_out_in_silence(reader, process):
    loader = cloudio.torch.Loader(reader, 3)
    batches = DataLoader(
        loader.dataset,
        batch_sampler=SharedBatches(loader.batch_sampler, process),
        collate_fn=loader.collate_fn,
    )
    with pytest.raises(RequestError, match=r"they cannot be shared among processes, changed or re"):
        list(batches)


@pytest.mark.parametrize("use", [list, len, lambda ticket: [0, *ticket]])
def test_a_ticket_is_no_list_of_patches(reader, use):
    ticket = next(iter(cloudio.torch.Loader(reader, 3).batch_sampler))
    with pytest.raises(RequestError, match=r"each rank has its share already: do not prepare it$"):
        use(ticket)


def test_batches_are_not_built_in_workers(reader):
    loader = cloudio.torch.Loader(reader, 3)
    batches = skip_first_batches(loader, 1, num_workers=1, prefetch_factor=2)
    iteration = iter(batches)
    with pytest.raises(RequestError, match=r"the batches of a cloudio loader need num_workers=0"):
        next(iteration)
    del iteration  # which ends the worker
    gc.collect()


def test_accelerate_skips_batches_and_prepares(reader):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    wanted = list(cloudio.torch.Loader(reader, 3, **DRAWN))
    loader = accelerator.prepare(cloudio.torch.Loader(reader, 3, **DRAWN))
    assert_same(accelerator.skip_first_batches(loader, 2), wanted[2:])
    loader.set_epoch(0)
    prepared = accelerator.prepare_data_loader(loader)
    assert_same(prepared, wanted)


# ---- arguments of torch's DataLoader -------------------------------------------------------------

#: What replaces each argument of torch's DataLoader.
REPLACED = {
    "dataset": "the first argument is a reader",
    "num_workers": "prefetch= is how many batches it builds ahead, threads= of the reader",
    "collate_fn": "transform= is called with each batch",
    "prefetch_factor": "prefetch= is how many batches are built ahead",
    "persistent_workers": "there are no worker processes: leave it out",
    "worker_init_fn": "there are no worker processes: leave it out. seed= decides",
    "multiprocessing_context": "there are no worker processes",
    "timeout": "there are no worker processes",
    "in_order": "batches are always in order",
    "generator": "seed= decides what is random",
    "sampler": "index= chooses patches .* weights= and replacement= draw them",
    "batch_sampler": "batch_size=, drop_last=, index= and weights= decide",
    "pin_memory_device": "device= of cloudio.torch.Loader copies batches",
}


@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("of", ["numpy", "torch"])
def test_arguments_of_a_data_loader_say_what_replaces_them(reader, name, of):
    cls = cloudio.Loader if of == "numpy" else cloudio.torch.Loader
    with pytest.raises(
        TypeError,
        match=rf"^Loader\(\) got an unexpected keyword argument '{name}'; .*{REPLACED[name]}",
    ):
        cls(reader, 2, **{name: None})
    if name == "dataset":
        with pytest.raises(TypeError, match="the first argument is a reader"):
            cls(dataset=reader, batch_size=2)


def test_every_argument_of_a_data_loader_is_taken_or_replaced():
    for name in inspect.signature(DataLoader).parameters:
        assert name in REPLACED or name in inspect.signature(cloudio.torch.Loader).parameters, name


@pytest.mark.parametrize("name", ["pin_memory", "device"])
def test_a_loader_of_arrays_names_the_one_of_tensors(reader, name):
    with pytest.raises(TypeError, match=rf"'{name}'; cloudio\.torch\.Loader has {name}=$"):
        cloudio.Loader(reader, 2, **{name: True})


@pytest.mark.parametrize(
    ("name", "meant"), [("suffle", "shuffle"), ("weight", "weights"), ("num_sample", "num_samples")]
)
def test_a_name_that_is_nearly_right_is_corrected(reader, name, meant):
    for cls in cloudio.Loader, cloudio.torch.Loader:
        with pytest.raises(TypeError, match=rf"'{name}'; did you mean {meant}\?$"):
            cls(reader, 2, **{name: True})


def test_same_bytes_as_a_loader_of_arrays(reader):
    weights = np.arange(11)
    arrays = cloudio.Loader(reader, 3, weights=weights, **DRAWN)
    for batch, wanted in zip(
        cloudio.torch.Loader(reader, 3, weights=weights, **DRAWN), arrays, strict=True
    ):
        assert same_bytes(batch.image, wanted.image)


def test_the_sampler_of_a_loader_in_order_is_a_sequential_one(reader):
    """Lightning looks for this class before it overfits to some batches."""
    for shuffle in True, False:
        loader = cloudio.torch.Loader(reader, 3, shuffle=shuffle)
        assert isinstance(loader.sampler, torch.utils.data.SequentialSampler) is not shuffle
    assert list(loader.sampler) == list(range(11))
    assert len(loader.sampler) == len(loader.sampler.data_source) == 11
    loader.sampler.set_epoch(3)
    assert loader.epoch == 3
