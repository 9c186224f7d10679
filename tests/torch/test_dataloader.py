"""torch's DataLoader over a Reader, with worker processes of every kind."""

import builders
import numpy as np
import pytest
from processes import SECONDS
from profiles import scaled

import cloudio

torch = pytest.importorskip("torch", reason="torch is an extra")
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, Subset  # noqa: E402


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("torch")
    return builders.write_root(root, {"train": 5, "val": 3}), cloudio.open(
        root, layout=builders.SMALL
    )


@pytest.fixture
def reader(small):
    reader = small[1].reader("L1C", "hq", size=(30, 40), threads=2)
    reader.read(range(8))  # the parent has a thread pool before anything forks
    return reader


def check(batches, reader):
    seen = 0
    for image, label, index in batches:
        wanted = reader.read(index.numpy())
        assert np.array_equal(image.numpy(), wanted.image)
        assert np.array_equal(label.numpy(), wanted.label)
        seen += len(index)
    assert seen == len(reader)


@pytest.mark.parametrize("start", ["none", "fork", "spawn", "forkserver"])
def test_workers_deliver_whole_batches(reader, start):
    # Those that are not forked import torch, which takes seconds.
    n = 2 if start == "fork" else scaled(1, 2)
    workers = {"num_workers": n, "multiprocessing_context": start, "timeout": SECONDS}
    if start == "none":
        workers = {}
    loader = DataLoader(
        reader, batch_size=3, shuffle=True, collate_fn=cloudio.torch.collate, **workers
    )
    check(loader, reader)


def test_a_batch_sampler_needs_no_collate(small, reader):
    sampler = BatchSampler(SequentialSampler(reader), 3, drop_last=False)
    check(DataLoader(reader, batch_size=None, sampler=sampler), reader)
    unlabelled = small[1].reader("L1C")
    assert next(iter(DataLoader(unlabelled, batch_size=None, sampler=sampler))).label is None


def test_samples_that_a_wrapper_hands_on_are_stacked(reader):
    class Wrapper(torch.utils.data.Dataset):
        def __getitem__(self, index):
            return reader[index]

        def __len__(self):
            return len(reader)

    for collate in (cloudio.torch.collate, None):
        check(DataLoader(Wrapper(), batch_size=3, collate_fn=collate), reader)
    check(
        DataLoader(Subset(reader, range(8)), batch_size=3, collate_fn=cloudio.torch.collate), reader
    )


def test_tensors_share_the_arrays_memory(reader):
    batch = reader.read([0, 1])
    tensors = cloudio.torch.collate(batch)
    assert tensors.image.data_ptr() == batch.image.ctypes.data
    assert tensors.label.data_ptr() == batch.label.ctypes.data
    assert tensors.index.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int16"])
@pytest.mark.parametrize("valid", [False, True])
def test_collate_and_read_give_tensors_of_the_same_bits(small, dtype, valid):
    labels = "hq" if valid else None
    fill = 0 if dtype != "int16" else None
    reader = small[1].reader("L1C", labels, dtype=dtype, size=20, fill=fill, valid=valid)
    wanted = reader.read([5, 0, 2], (3, 4), [1, 0, 6])
    together = cloudio.torch.collate(wanted)
    apart = cloudio.torch.collate([reader[i] for i in (5, 0, 2)])
    for got in (together, cloudio.torch.read(reader, [5, 0, 2], (3, 4), [1, 0, 6])):
        assert type(got) is type(wanted)
        assert got.image.dtype == getattr(torch, dtype)
        for part, array in zip(got, wanted, strict=True):
            assert part is None if array is None else same_bytes(part, array)
    assert apart.index.tolist() == [5, 0, 2]
    assert same_bytes(apart.image, reader.read([5, 0, 2]).image)


def test_an_index_may_be_a_tensor(small):
    reader = small[1].reader("L1C", size=8)
    numbers = torch.tensor([5, 0])
    got = cloudio.torch.read(reader, numbers, torch.tensor([3, 4]), numbers)
    assert same_bytes(got.image, reader.read([5, 0], (3, 4), [5, 0]).image)


def same_bytes(tensor, array):
    return bytes(tensor.contiguous().view(torch.uint8).numpy()) == array.tobytes()


def test_bfloat16_tensors_need_no_package_of_numpys(small, monkeypatch):
    wanted = small[1].reader("L1C", dtype="bfloat16").read([1]).image
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reader = small[1].reader("L1C", dtype="bfloat16")
    assert same_bytes(cloudio.torch.read(reader, [1]).image, wanted)
