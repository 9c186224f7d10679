"""Loaders of tensors on the CPU: the bytes of `cloudio.Loader`."""

import pickle
import weakref

import numpy as np
import pytest
from pretended_device import await_ready
from tensor_loaders import assert_same_batches, same_bytes

import cloudio
from cloudio import RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from cloudio.torch import loader as torch_loader  # noqa: E402
from cloudio.torch import pinned  # noqa: E402


@pytest.mark.parametrize("scale_on", ["cpu", "device"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("valid", [False, True])
def test_batches_are_those_of_a_loader_of_arrays(ds, scale_on, dtype, valid):
    labels = ["hq", "sc"] if valid else None
    reader = ds.reader("L1C", labels, size=20, dtype=dtype, valid=valid, label_dtype="int64")
    options = {"symmetry": "d4", "seed": 5, "prefetch": 0 if valid else 2}
    loader = cloudio.torch.Loader(reader, 4, scale_on=scale_on, **options)
    assert_same_batches(loader, cloudio.Loader(reader, 4, **options), n_epochs=2)


def test_stored_numbers_and_ranks_are_those_of_a_loader_of_arrays(ds):
    reader = ds.reader(["EXTRA_count", "EXTRA_depth"], dtype="uint16", size=(8, 9))
    options = {"rank": 1, "world_size": 2, "index": [7, 1, 1, 4, 0], "crop": (3, 2)}
    assert_same_batches(
        cloudio.torch.Loader(reader, 2, **options), cloudio.Loader(reader, 2, **options)
    )


@pytest.mark.parametrize("prefetch", [0, 1])
def test_bfloat16_needs_no_package_of_numpys(ds, monkeypatch, prefetch):
    wanted = list(cloudio.Loader(ds.reader("L1C", size=8, dtype="bfloat16"), 4))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reader = ds.reader("L1C", size=8, dtype="bfloat16")
    assert_same_batches(cloudio.torch.Loader(reader, 4, prefetch=prefetch), wanted)


def test_memory_comes_back_with_the_last_view_of_a_tensor(reader):
    batches = iter(cloudio.torch.Loader(reader, 2, prefetch=0))
    first = next(batches)
    at = first.image.data_ptr()
    view, pixels = first.image[1:, :, 3], first.image[1:, :, 3].clone()
    del first
    second = next(batches)
    assert second.image.data_ptr() != at
    del view
    third = next(batches)
    assert third.image.data_ptr() == at
    assert not torch.equal(third.image[1:, :, 3], pixels)


def test_states_and_pickles_continue_where_they_were(reader):
    loader = cloudio.torch.Loader(reader, 3, seed=4, scale_on="device")
    batches = iter(loader)
    next(batches)
    again = pickle.loads(pickle.dumps(loader))
    assert again.scale_on == "device"
    assert again.device is None
    other = cloudio.Loader(reader, 3, seed=4)
    other.load_state_dict(loader.state_dict())
    rest = list(other)
    for loaded in (batches, again):
        for batch, wanted in zip(loaded, rest, strict=True):
            assert same_bytes(batch.image, wanted.image)
    assert repr(loader).startswith("<cloudio.torch.Loader of 11 patches")


def test_a_repr_says_what_is_not_as_usual(reader):
    def first(**options):
        return repr(cloudio.torch.Loader(reader, 3, crop="center", **options)).split("\n")[0]

    whole = (
        "<cloudio.torch.Loader of 11 patches shuffled by 0: 4 batches of 3, crop center, "
        "symmetry None, epoch 0"
    )
    assert first() == f"{whole}>"
    assert first(device="meta", scale_on="device") == f"{whole}, device meta, scale_on device>"


class Named(cloudio.torch.Loader):
    def __init__(self, name, *request, **options):
        super().__init__(*request, **options)
        self.name = name


def test_what_a_subclass_has_added_is_carried(reader):
    loader = Named("first", reader, 3, device="cpu", scale_on="device")
    again = pickle.loads(pickle.dumps(loader))
    assert (type(again), again.name) == (Named, "first")
    assert repr(again) == repr(loader)
    assert len(pickle.dumps(loader)) < len(pickle.dumps(reader)) + 1000
    assert_same_batches(again, cloudio.Loader(reader, 3))


def test_a_tensor_on_another_device_is_copied_there_but_its_index(reader):
    batch = next(iter(cloudio.torch.Loader(reader, 4, device="meta", scale_on="device")))
    assert batch.image.device.type == batch.label.device.type == "meta"
    assert batch.image.shape == (4, 4, 20, 24)
    assert batch.image.dtype is torch.float32
    assert batch.index.device.type == "cpu"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_on": "gpu"}, r"^scale_on='gpu'; scale_on must be 'cpu' or 'device'$"),
        ({"scale_on": True}, "^scale_on=True; "),
        ({"pin_memory": 1}, "^pin_memory=1; pin_memory must be True or False$"),
        ({"device": "attic"}, "^device='attic' cannot be used: Expected one of cpu, "),
        ({"device": "hpu"}, r"^device='hpu' cannot be used: No module named 'torch.hpu'$"),
        ({"device": 1.5}, r"^device=1.5 cannot be used: device\(\) received an invalid"),
        (
            {"pin_memory": True, "allocate": bytearray},
            "^pin_memory=True allocates memory itself; leave out allocate$",
        ),
    ],
)
def test_impossible_arguments_are_refused(reader, options, message):
    with pytest.raises(RequestError, match=message):
        cloudio.torch.Loader(reader, 2, **options)


def test_what_needs_a_device_is_refused_without(reader, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        RequestError, match=r"^pin_memory=True, but torch finds no device that copies"
    ):
        cloudio.torch.Loader(reader, 2, pin_memory=True)
    with pytest.raises(RequestError, match=r"^device='cuda', but torch finds no CUDA devices$"):
        cloudio.torch.Loader(reader, 2, device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RequestError, match=r"^device='cuda:2', but torch finds 2 CUDA devices$"):
        cloudio.torch.Loader(reader, 2, device="cuda:2")


@pytest.mark.parametrize("device", [None, "cpu"])
def test_what_the_cpu_scales_cannot_be_pinned(reader, monkeypatch, device):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    with pytest.raises(RequestError, match=r"^pin_memory=True with scale_on='device' needs a dev"):
        cloudio.torch.Loader(reader, 2, pin_memory=True, scale_on="device", device=device)


def test_arguments_of_the_loader_are_checked_as_there(reader):
    with pytest.raises(
        RequestError, match=r"^batch_size=0; batch_size must be a whole number, 1 or more$"
    ):
        cloudio.torch.Loader(reader, 0)
    with pytest.raises(RequestError, match=r"^reader is a list; it must be a Reader"):
        cloudio.torch.Loader([], 2, scale_on="device")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        cloudio.torch.Loader(reader, 2, colour=1)


# ---- a pretended device --------------------------------------------------------------------------


def test_pinned_tensors_leave_it_to_torch_when_memory_is_used_again(ds, monkeypatch):
    made = []

    def allocate_pinned(n_bytes):
        memory = np.empty(n_bytes, np.uint8)
        made.append(weakref.ref(memory))
        return torch.frombuffer(memory, dtype=torch.uint8).numpy()

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(pinned, "allocate_pinned", allocate_pinned)
    monkeypatch.setattr(torch_loader, "allocate_pinned", allocate_pinned)
    reader = ds.reader("L1C", "hq", size=20, dtype="bfloat16", valid=True)
    loader = cloudio.torch.Loader(reader, 2, pin_memory=True, prefetch=1)
    assert_same_batches(loader, cloudio.Loader(reader, 2))
    assert len(made) == 3 * len(loader)  # image, label and mask of each: none is lent twice
    assert not any(memory() for memory in made)
    made.clear()
    batches = iter(loader)
    batch = next(batches)
    await_ready(batches, 1)  # the next is built, though this one is held
    assert batch.image.untyped_storage().data_ptr() == made[0]().ctypes.data
    view = batch.image[1]
    del batch
    assert made[0]() is not None
    assert made[1]() is None  # the label's
    del view
    assert made[0]() is None
