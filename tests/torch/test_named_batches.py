"""``keys`` with torch: dicts of tensors from loaders, data sets and DataLoaders, and on devices."""

import copy
import pickle

import builders
import numpy as np
import pytest
from named import OWN, expected, same
from pretended_device import Device, await_threads
from processes import SECONDS
from tensor_loaders import LAYOUT, same_bytes

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from torch.utils.data import (  # noqa: E402
    BatchSampler,
    ConcatDataset,
    DataLoader,
    SequentialSampler,
    StackDataset,
    Subset,
)

KEYS = ["torchgeo", "transformers", OWN, {"image": "image", "roi_id": "roi"}]


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("named")
    builders.write_root(root, {"train": 5, "val": 3}, LAYOUT)
    return cloudio.open(root, layout=LAYOUT)


@pytest.fixture
def reader(ds):
    reader = ds.reader("L1C", "hq", size=20, threads=2, valid=True)
    reader.read(range(8))  # the parent has a thread pool before anything forks
    return reader


def with_keys(reader, keys):
    return reader.dataset.reader(**{**reader.settings, "keys": keys})


def tensors_of(batch):
    """As torch has the values: numbers are tensors, texts lists, dates arrays."""
    for name, part in batch.items():
        kind = {"place": list, "roi": list, "date": np.ndarray}.get(name, torch.Tensor)
        assert isinstance(part, kind)
    return batch


# ---- loaders -------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", KEYS)
def test_batches_of_a_loader_are_dicts_of_tensors(reader, keys):
    plain = cloudio.Loader(reader, 3, symmetry="d4")
    wanted = [expected(batch, keys, reader.dataset.metadata) for batch in plain]
    for made in (
        cloudio.torch.Loader(reader, 3, symmetry="d4", keys=keys),
        cloudio.torch.Loader(with_keys(reader, keys), 3, symmetry="d4"),
        cloudio.torch.Loader(with_keys(reader, {"image": "a"}), 3, symmetry="d4", keys=keys),
        cloudio.torch.Loader(reader, 3, symmetry="d4", keys=keys, device="cpu"),
        pickle.loads(pickle.dumps(cloudio.torch.Loader(reader, 3, symmetry="d4", keys=keys))),
    ):
        for batch, of_arrays in zip(made, wanted, strict=True):
            same(tensors_of(batch), of_arrays)


@pytest.mark.parametrize("keys", [{"image": "x", "label": "y", "index": "id"}, "torchgeo"])
@pytest.mark.parametrize("scale_on", ["cpu", "device"])
def test_dicts_go_to_a_device_and_are_scaled_there(ds, monkeypatch, keys, scale_on):
    # What is scaled at once needs copies that are done at once.
    device = Device(monkeypatch, at_once=scale_on == "device")
    reader = ds.reader("L1C", "hq", size=20, mean=0.1, std=0.3)
    wanted = [expected(batch, keys, {}) for batch in cloudio.Loader(reader, 2)]
    loader = cloudio.torch.Loader(reader, 2, device="cuda", keys=keys, scale_on=scale_on)
    kept = list(loader)
    device.run()
    for batch, of_arrays in zip(kept, wanted, strict=True):
        assert list(batch) == list(of_arrays)
        assert all(same_bytes(batch[name], array) for name, array in of_arrays.items())
    del kept, batch
    await_threads()


@pytest.mark.parametrize("device", ["cpu", None])
def test_dicts_are_scaled_by_torch_under_any_name(ds, device):
    reader = ds.reader("L1C", "hq", size=20, mean=0.1, std=0.3)
    for keys in ({"image": "x"}, "transformers", {"label": "y"}):
        wanted = [expected(batch, keys, {}) for batch in cloudio.Loader(reader, 3)]
        loader = cloudio.torch.Loader(reader, 3, device=device, keys=keys, scale_on="device")
        for batch, of_arrays in zip(loader, wanted, strict=True):
            same(batch, of_arrays)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_has_names_too(ds, dtype):
    reader = ds.reader("L1C", "hq", size=20, dtype=dtype)
    wanted = cloudio.torch.read(reader, [4, 1])
    named = with_keys(reader, {"image": "x"})
    for batch in (
        cloudio.torch.read(named, [4, 1]),
        cloudio.torch.collate(named.read([4, 1])),
        cloudio.torch.collate([named[4], named[1]]),
        next(iter(cloudio.torch.Loader(named, 2, index=[4, 1], shuffle=False, crop="center"))),
    ):
        assert list(batch) == ["x"]
        assert batch["x"].dtype is getattr(torch, dtype)
        assert torch.equal(batch["x"].view(torch.uint8), wanted.image.view(torch.uint8))


def test_what_training_code_asks_for_has_the_names(reader):
    loader = cloudio.torch.Loader(reader, 3, keys="torchgeo", symmetry="d4")
    sample = loader.dataset[2]
    plain = cloudio.torch.Loader(reader, 3, symmetry="d4").dataset[2]
    assert list(sample) == ["image", "mask"]
    assert torch.equal(sample["image"], plain.image)
    assert torch.equal(sample["mask"], plain.label.long())
    again = DataLoader(
        loader.dataset, batch_sampler=loader.batch_sampler, collate_fn=loader.collate_fn
    )
    for batch, wanted in zip(again, cloudio.Loader(reader, 3, symmetry="d4"), strict=True):
        same(batch, expected(wanted, "torchgeo", {}))
    fetched = DataLoader(loader.dataset, 4, collate_fn=loader.collate_fn)
    assert list(next(iter(fetched))) == ["image", "mask"]


# ---- data sets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("collate", [cloudio.torch.collate, None])
@pytest.mark.parametrize("kind", ["reader", "dataset", "dataset of named"])
def test_a_data_loader_has_dicts(reader, keys, collate, kind):
    named = with_keys(reader, keys)
    source = {
        "reader": named,
        "dataset": cloudio.torch.Dataset(reader, crop="center", keys=keys),
        "dataset of named": cloudio.torch.Dataset(named, crop="center"),
    }[kind]
    metadata = reader.dataset.metadata
    wanted = expected(reader.read([5, 2, 7]), keys, metadata)
    in_turn = BatchSampler(SequentialSampler(Subset(source, range(3))), 3, drop_last=False)
    for made in (source, pickle.loads(pickle.dumps(source)), copy.copy(source)):
        parts = ConcatDataset([Subset(made, [5, 2]), Subset(made, [7])])
        for around in (Subset(made, [5, 2, 7]), parts):
            batch = next(iter(DataLoader(around, 3, collate_fn=collate)))
            same(tensors_of(batch), wanted)
        both = DataLoader(StackDataset(cloud=made, n=list(range(8))), 3, collate_fn=collate)
        same(next(iter(both))["cloud"], expected(reader.read(range(3)), keys, metadata))
    if collate or "s2_date" not in keys:  # torch converts no dates
        whole = next(iter(DataLoader(source, batch_size=None, sampler=in_turn, collate_fn=collate)))
        same(whole, expected(reader.read(range(3)), keys, metadata))


def test_a_sample_of_a_data_set_is_a_dict(reader):
    dataset = cloudio.torch.Dataset(reader, keys=OWN, symmetry="d4")
    plain = cloudio.torch.Dataset(reader, symmetry="d4")
    samples = dataset.__getitems__([6, 1])
    for sample, number in [(dataset[6], 6), (samples[0], 6), (samples[-1], 1)]:
        wanted = plain[number]
        assert list(sample) == list(samples.batch)
        assert (type(sample["id"]), sample["id"]) == (int, number)
        assert torch.equal(sample["x"], wanted.image)
        assert torch.equal(sample["y"], wanted.label)
        assert torch.equal(sample["mask"], wanted.valid)
        assert type(sample["place"]) is str
        assert sample["date"] == reader.dataset.metadata["s2_date"][number]
    assert cloudio.torch.collate(samples)["x"].data_ptr() == samples.batch["x"].data_ptr()
    assert list(dataset[[0, 1]]) == list(samples.batch)
    assert repr(dataset).splitlines()[0].endswith(f", keys {dataset._keys}>")


def test_workers_send_dicts(reader):
    dataset = cloudio.torch.Dataset(reader, keys=OWN, crop="center")
    for collate in (cloudio.torch.collate, None):
        loader = DataLoader(
            dataset,
            3,
            collate_fn=collate,
            num_workers=1,
            multiprocessing_context="fork",
            timeout=SECONDS,
        )
        wanted = [reader.read(range(8)[k : k + 3]) for k in (0, 3, 6)]
        for batch, arrays in zip(loader, wanted, strict=True):
            same(tensors_of(batch), expected(arrays, OWN, reader.dataset.metadata))


def test_a_subclass_changes_dicts(reader):
    from sample_wrappers import SevensDataset

    dataset = SevensDataset(reader, keys=OWN, crop="center")
    for batch in DataLoader(dataset, 3):
        assert (batch["x"] == 7).all()


def test_wrong_keys_are_refused(reader):
    for make in (
        lambda: cloudio.torch.Dataset(reader, keys="torchgoe"),
        lambda: cloudio.torch.Loader(reader, 2, keys="torchgoe"),
    ):
        with pytest.raises(RequestError, match=r"^keys='torchgoe'; .*; did you mean torchgeo\?"):
            make()
