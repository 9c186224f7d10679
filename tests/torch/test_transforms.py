"""Transforms and metadata columns of a loader of tensors, on the CPU and on a device."""

import collections
import threading

import loading
import numpy as np
import pytest
from loading import N, make_reader
from pretended_device import Device, await_ready, await_threads

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from cloudio.torch import loader as torch_loader  # noqa: E402
from cloudio.torch import pinned  # noqa: E402
from cloudio.torch.tensors import map_tensors  # noqa: E402


@pytest.fixture
def device(monkeypatch):
    yield Device(monkeypatch)
    await_threads()


@pytest.fixture
def named(tmp_path):
    loading.write(tmp_path, N)
    rows = [f"site {k % 3},{k / 8},{k},2020-01-{k + 1:02}" for k in range(N)]
    text = "\n".join(["site,cloud,number,when", *rows])
    (tmp_path / "metadata.csv").write_text(text + "\n", encoding="utf-8")
    return make_reader(loading.open_set(tmp_path))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_transform_gets_tensors_and_its_result_is_handed_out(ds, dtype, prefetch):
    seen = []

    def transform(batch):
        seen.append((type(batch), batch.image.dtype, threading.current_thread().name))
        return {"x": batch.image * 2, "y": [batch.label, "text"]}

    reader = ds.reader("L1C", "hq", size=20, dtype=dtype)
    loader = cloudio.torch.Loader(reader, 4, transform=transform, prefetch=prefetch, seed=2)
    wanted = list(cloudio.torch.Loader(reader, 4, seed=2))
    for made, batch in zip(loader, wanted, strict=True):
        assert torch.equal(made["x"], batch.image * 2)
        assert torch.equal(made["y"][0], batch.label)
        assert made["y"][1] == "text"
    kind, tensor_type, thread = seen[0]
    assert (kind, tensor_type) == (cloudio.Batch, getattr(torch, dtype))
    assert (thread == "cloudio.Loader") == (prefetch > 0)


def test_columns_are_tensors_lists_and_dates(named):
    loader = cloudio.torch.Loader(
        named, 4, columns=["site", "cloud", "number", "when"], shuffle=False
    )
    batch = next(iter(loader))
    assert list(batch) == ["image", "label", "index", "site", "cloud", "number", "when"]
    assert batch["site"] == ["site 0", "site 1", "site 2", "site 0"]
    assert batch["cloud"].tolist() == [0, 0.125, 0.25, 0.375]
    assert batch["cloud"].dtype is torch.float64
    assert batch["number"].dtype is torch.int64
    assert batch["when"].dtype.kind == "M"
    plain = next(iter(cloudio.torch.Loader(named, 4, shuffle=False)))
    assert torch.equal(batch["image"], plain.image)
    assert torch.equal(batch["index"], plain.index)


def test_columns_go_with_scaling_on_the_device(named):
    options = {"columns": ["site"], "scale_on": "device", "device": "cpu"}
    plain = cloudio.torch.Loader(named, 4, columns=["site"])
    for batch, wanted in zip(cloudio.torch.Loader(named, 4, **options), plain, strict=True):
        assert torch.equal(batch["image"], wanted["image"])
        assert batch["image"].dtype is torch.float32
        assert batch["site"] == wanted["site"]


def test_numbers_as_stored_are_not_transformed_by_accident(reader):
    with pytest.raises(RequestError, match=r"^transform with scale_on='device' would get numbers"):
        cloudio.torch.Loader(reader, 4, scale_on="device", transform=lambda batch: batch)


def test_errors_of_a_transform_keep_their_traceback(reader):
    def transform(batch):
        raise ZeroDivisionError("of the transform")

    with pytest.raises(ZeroDivisionError, match="of the transform") as caught:
        next(iter(cloudio.torch.Loader(reader, 4, transform=transform)))
    assert caught.traceback[-1].name == "transform"


# ---- to a device ---------------------------------------------------------------------------------


def test_tensors_of_any_structure_go_to_a_device(named):
    Pair = collections.namedtuple("Pair", "one other")

    def transform(batch):
        return {
            "pair": Pair(batch.image, [batch.label, 3]),
            "plain": (batch.index, "text", None),
            "ordered": collections.OrderedDict(x=batch.image[:, 0]),
            "batch": batch,
            "array": np.arange(3),
        }

    made = next(iter(cloudio.torch.Loader(named, 4, device="meta", transform=transform)))
    on_device = made["pair"].one, made["pair"].other[0], made["plain"][0], made["ordered"]["x"]
    assert all(tensor.device.type == "meta" for tensor in on_device)
    assert type(made["pair"]) is Pair
    assert type(made["ordered"]) is collections.OrderedDict
    assert made["pair"].other[1] == 3
    assert made["plain"][1:] == ("text", None)
    assert made["batch"].image.device.type == "meta"
    assert made["batch"].index.device.type == "cpu"  # as without a transform
    assert made["array"].tolist() == [0, 1, 2]


def test_a_structure_that_is_mapped_is_left_alone():
    value = {"x": torch.zeros(2), "y": [torch.ones(1)]}
    doubled = map_tensors(lambda tensor: tensor + 1, value)
    assert value["x"].tolist() == [0, 0]
    assert value["y"][0].tolist() == [1]
    assert (doubled["x"].tolist(), doubled["y"][0].tolist()) == ([1, 1], [2])


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("what", ["batch", "dict", "columns", "tensor"])
def test_what_a_transform_returns_is_copied_ahead(named, device, prefetch, what):
    def as_dict(batch):
        return {"image": batch.image * 3, "label": batch.label}

    options = {
        "batch": {"transform": lambda batch: batch._replace(image=batch.image * 3)},
        "dict": {"transform": as_dict},
        "columns": {"columns": ["number", "site"]},
        "tensor": {"transform": lambda batch: batch.image * 3},
    }[what]
    factor = 1 if what == "columns" else 3
    loader = cloudio.torch.Loader(named, 4, device="cuda", prefetch=prefetch, **options)
    kept = []
    batches = iter(loader)
    for k in range(len(loader)):
        if prefetch and k < len(loader) - 2:
            await_ready(batches, 1)
        kept.append(next(batches))
    assert next(batches, None) is None
    device.run()
    for made, batch in zip(kept, cloudio.torch.Loader(named, 4), strict=True):
        parts = {"image": made} if what == "tensor" else made
        image = parts.image if what == "batch" else parts["image"]
        assert torch.equal(image, batch.image * factor)
        if what in ("dict", "columns"):
            assert torch.equal(made["label"], batch.label)
    assert any(call[0] == "held" for call in device.calls)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_nothing_is_a_batch_on_a_device_too(named, device, prefetch):
    loader = cloudio.torch.Loader(
        named, 4, device="cuda", prefetch=prefetch, transform=lambda batch: None
    )
    assert list(loader) == [None] * len(loader)


def test_tensors_that_are_on_a_device_already_are_refused(named, device):
    loader = cloudio.torch.Loader(
        named, 4, device="cuda", transform=lambda batch: batch.image.to("meta")
    )
    with pytest.raises(RequestError, match=r"^transform returned a tensor on meta; it must return"):
        next(iter(loader))


def test_the_index_goes_to_a_device_in_a_dict_only(named):
    assert next(iter(cloudio.torch.Loader(named, 4, device="meta"))).index.device.type == "cpu"
    batch = next(iter(cloudio.torch.Loader(named, 4, device="meta", columns=["site", "number"])))
    devices = {name: batch[name].device.type for name in ("image", "label", "index", "number")}
    assert set(devices.values()) == {"meta"}
    assert isinstance(batch["site"], list)


def test_a_transform_may_read_from_pinned_memory(named, monkeypatch):
    def allocate_pinned(n_bytes):
        return torch.frombuffer(np.empty(n_bytes, np.uint8), dtype=torch.uint8).numpy()

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(pinned, "allocate_pinned", allocate_pinned)
    monkeypatch.setattr(torch_loader, "allocate_pinned", allocate_pinned)
    loader = cloudio.torch.Loader(named, 4, pin_memory=True, columns=["number"])
    for batch, plain in zip(loader, cloudio.torch.Loader(named, 4), strict=True):
        assert torch.equal(batch["image"], plain.image)
        assert torch.equal(batch["number"], plain.index)
