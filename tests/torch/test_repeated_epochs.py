"""A cloudio.torch.Dataset whose epoch never moves, though crops are random: said once."""

import contextlib
import copy
import pickle

import builders
import pytest
from processes import SECONDS
from warned import warned

import cloudio
from cloudio import CloudioWarning

torch = pytest.importorskip("torch", reason="torch is an extra")
from torch.utils.data import DataLoader  # noqa: E402

N = 7
SAID = (
    "more samples were read than this cloudio.torch.Dataset has, and set_epoch was never called: "
    "every epoch gives a patch the same crop and symmetry. Call dataset.set_epoch(epoch) before "
    "each epoch, in Lightning in on_train_epoch_start; dataset.set_epoch(0), once, if that is meant"
)


@pytest.fixture
def reader(tmp_path):
    builders.write_root(tmp_path, {"train": 5, "val": 2})
    reader = cloudio.open(tmp_path, layout=builders.SMALL).reader("L1C", size=20, threads=2)
    reader.read(range(N))  # the parent has a thread pool before anything forks
    return reader


def epochs(dataset, n=3, before=lambda epoch: None):
    loader = DataLoader(dataset, 3, collate_fn=cloudio.torch.collate)
    for epoch in range(n):
        before(epoch)
        for _ in loader:
            pass


@pytest.mark.parametrize(
    "options", [{}, {"crop": "center", "symmetry": "d4"}, {"crop": (0, 0), "symmetry": "flip"}]
)
def test_epochs_that_are_alike_are_said_once(reader, options):
    dataset = cloudio.torch.Dataset(reader, **options)
    epochs(dataset, 1)
    assert warned(lambda: dataset[0]) == [SAID]
    epochs(dataset)  # a second warning would be an error
    with pytest.warns(CloudioWarning):  # each data set says it
        epochs(cloudio.torch.Dataset(reader, **options))


def test_single_samples_count_too(reader):
    dataset = cloudio.torch.Dataset(reader)
    assert warned(lambda: [dataset[k] for k in range(N)]) == []
    assert warned(lambda: [dataset[k] for k in range(N)]) == [SAID]


@pytest.mark.parametrize("crop", ["center", (3, 2)])
def test_nothing_is_said_where_nothing_is_random(reader, crop):
    epochs(cloudio.torch.Dataset(reader, crop=crop))


def test_nothing_is_said_to_those_who_set_the_epoch(reader):
    dataset = cloudio.torch.Dataset(reader)
    epochs(dataset, before=dataset.set_epoch)
    dataset = cloudio.torch.Dataset(reader)
    epochs(dataset, 1)
    dataset.set_epoch(0)  # the same again, on purpose
    epochs(dataset)
    for again in (copy.copy(dataset), pickle.loads(pickle.dumps(dataset))):
        epochs(again)


def test_nothing_is_said_after_a_state_was_loaded(reader):
    dataset = cloudio.torch.Dataset(reader)
    dataset.load_state_dict({**dataset.state_dict(), "epoch": 4})
    assert dataset.epoch == 4
    epochs(dataset)


def test_where_the_warning_is_an_error_it_is_one_again(reader):
    dataset = cloudio.torch.Dataset(reader)
    for _ in range(2):
        with pytest.raises(CloudioWarning, match="set_epoch was never called"):
            epochs(dataset)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_count_together(reader, start):
    dataset = cloudio.torch.Dataset(reader)
    dataset.__getitems__([0, 1, 2])
    workers = {
        "num_workers": 1,
        "multiprocessing_context": start,
        "timeout": SECONDS,
        "persistent_workers": True,
    }
    for _ in DataLoader(dataset, 4, sampler=range(4), **workers):
        pass  # all seven now
    # The eighth: here it is an error, in a process that knows no filters a line on stderr.
    with pytest.raises(CloudioWarning) if start == "fork" else contextlib.nullcontext():
        next(iter(DataLoader(dataset, 1, sampler=[0], **workers)))
    count = int(dataset._cell[2])
    assert count == (N if start == "fork" else -1)
