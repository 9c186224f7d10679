"""Loaders of tensors: the bytes of cloudio.Loader, and what copies to a device may not do.

There need be no device: a pretended one copies as late as it may, so that whatever is overwritten
too early is seen.
"""

import contextlib
import dataclasses
import gc
import math
import pickle
import threading
import time
import weakref
from collections import deque

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import SECONDS
from profiles import scaled
from residents import soon

import cloudio
from cloudio import Reader, RequestError

torch = pytest.importorskip("torch", reason="torch is an extra")
from cloudio.torch import loader as torch_loader  # noqa: E402
from cloudio.torch import pinned, scaling  # noqa: E402

NODATA = {"L1C_B2": -99, "L1C_B3": 0, "EXTRA_depth": 7, "EXTRA_cover": 255}
LAYOUT = dataclasses.replace(
    builders.SMALL,
    bands=tuple(
        dataclasses.replace(band, nodata=NODATA.get(band.name, band.nodata), offset=offset)
        for band in builders.SMALL.bands
        for offset in [-1000.0 if band.name == "L1C_B4" else 0.0]
    ),
)


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("tensors")
    builders.write_root(root, {"train": 8, "val": 3}, LAYOUT)
    for name, number in NODATA.items():
        for split in ("train", "val"):
            dtype = LAYOUT.band(name).dtype
            stored = np.memmap(root / split / f"{name}.dat", dtype, "r+")
            stored[::5], stored[3::7] = number, 0
            del stored
    return cloudio.open(root, layout=LAYOUT)


@pytest.fixture
def reader(ds):
    return ds.reader("L1C", "hq", size=(20, 24))


def same_bytes(tensor, array):
    return bytes(tensor.contiguous().view(torch.uint8).numpy()) == array.tobytes()


def check(loader, wanted, n_epochs=1):
    """Compare with the batches of a loader of arrays, all kept to the end."""
    for _ in range(n_epochs):
        got, arrays = list(loader), list(wanted)
        assert len(got) == len(arrays) == len(loader)
        for batch, of_arrays in zip(got, arrays, strict=True):
            assert type(batch) is type(of_arrays)
            assert batch.index.dtype is torch.int64
            assert batch.image.dtype is getattr(torch, loader.reader.dtype_name)
            for part, array in zip(batch, of_arrays, strict=True):
                assert (array is None) == (part is None)
                assert array is None or (same_bytes(part, array) and part.shape == array.shape)


# ---- on the CPU ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale_on", ["cpu", "device"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("valid", [False, True])
def test_batches_are_those_of_a_loader_of_arrays(ds, scale_on, dtype, valid):
    labels = ["hq", "sc"] if valid else None
    reader = ds.reader("L1C", labels, size=20, dtype=dtype, valid=valid, label_dtype="int64")
    options = {"symmetry": "d4", "seed": 5, "prefetch": 0 if valid else 2}
    loader = cloudio.torch.Loader(reader, 4, scale_on=scale_on, **options)
    check(loader, cloudio.Loader(reader, 4, **options), n_epochs=2)


def test_stored_numbers_and_ranks_are_those_of_a_loader_of_arrays(ds):
    reader = ds.reader(["EXTRA_count", "EXTRA_depth"], dtype="uint16", size=(8, 9))
    options = {"rank": 1, "world_size": 2, "index": [7, 1, 1, 4, 0], "crop": (3, 2)}
    check(cloudio.torch.Loader(reader, 2, **options), cloudio.Loader(reader, 2, **options))


@pytest.mark.parametrize("prefetch", [0, 1])
def test_bfloat16_needs_no_package_of_numpys(ds, monkeypatch, prefetch):
    wanted = list(cloudio.Loader(ds.reader("L1C", size=8, dtype="bfloat16"), 4))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reader = ds.reader("L1C", size=8, dtype="bfloat16")
    check(cloudio.torch.Loader(reader, 4, prefetch=prefetch), wanted)


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
    check(again, cloudio.Loader(reader, 3))


def test_a_tensor_on_another_device_is_copied_there_but_its_index(reader):
    batch = next(iter(cloudio.torch.Loader(reader, 4, device="meta", scale_on="device")))
    assert batch.image.device.type == batch.label.device.type == "meta"
    assert batch.image.shape == (4, 4, 20, 24)
    assert batch.image.dtype is torch.float32
    assert batch.index.device.type == "cpu"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_on": "gpu"}, r"^scale_on='gpu'; 'cpu' or 'device' is needed$"),
        ({"scale_on": True}, "^scale_on=True; "),
        ({"pin_memory": 1}, "^pin_memory=1; True or False is needed$"),
        ({"device": "attic"}, "^device='attic' cannot be used: Expected one of cpu, "),
        ({"device": "hpu"}, r"^device='hpu' cannot be used: No module named 'torch.hpu'$"),
        ({"device": 1.5}, r"^device=1.5 cannot be used: device\(\) received an invalid"),
        (
            {"pin_memory": True, "allocate": bytearray},
            "^pin_memory=True makes memory itself; leave out allocate$",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(reader, options, message):
    with pytest.raises(RequestError, match=message):
        cloudio.torch.Loader(reader, 2, **options)


def test_what_needs_a_device_is_refused_without(reader, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"^pin_memory=True, but torch finds no device here"):
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
    with pytest.raises(RequestError, match=r"^pin_memory=True with scale_on='device', but no dev"):
        cloudio.torch.Loader(reader, 2, pin_memory=True, scale_on="device", device=device)


def test_arguments_of_the_loader_are_checked_as_there(reader):
    with pytest.raises(RequestError, match=r"^batch_size=0; a whole number from 1 on is needed$"):
        cloudio.torch.Loader(reader, 0)
    with pytest.raises(RequestError, match=r"^list is no Reader"):
        cloudio.torch.Loader([], 2, scale_on="device")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        cloudio.torch.Loader(reader, 2, colour=1)


# ---- scaling -------------------------------------------------------------------------------------


numbers = st.one_of(
    st.sampled_from([1.0, -1.0, 1e-4, -2.5, 1e-44, 1e36, 0.3]), st.floats(-1e3, 1e3, width=32)
)
limits = st.sampled_from([None, (0.0, 1.0), (-0.0, 0.0), (None, 0.25), (-3, None), (0, math.inf)])
payload = np.array(0xFFF8_1234_5678_9ABC, np.uint64).view(np.float64).item()
tie = 1 + 3 * 2**-8  # between two numbers of bfloat16
fills = st.sampled_from([None, -0.0, 0.1, tie, math.nan, payload, -math.inf, 6e-8, 65504.0])
one_type = st.sampled_from(
    [["L1C_B2", "L1C_B3", "L1C_B4", "L2A_AOT"], "EXTRA_cover", ["EXTRA_count", "EXTRA_depth"]]
)


@settings(max_examples=scaled(40, 150))
@given(data=st.data(), bands=one_type, clip=limits, fill=fills)
def test_scaled_by_torch_the_bits_are_the_readers(ds, data, bands, clip, fill):
    n_bands = 1 if isinstance(bands, str) else len(bands)
    per_band = st.lists(numbers, min_size=n_bands, max_size=n_bands)
    reader = ds.reader(
        bands,
        size=(11, 37),
        dtype=data.draw(st.sampled_from(["float32", "float16", "bfloat16"])),
        layout=data.draw(st.sampled_from(["NCHW", "NHWC"])),
        scale=data.draw(st.one_of(st.sampled_from(["reflectance", None]), per_band)),
        mean=data.draw(st.one_of(st.none(), per_band)),
        std=data.draw(st.one_of(st.none(), st.floats(0.125, 8))),
        clip=clip,
        fill=fill,
        threads=1,
    )
    stored = scaling.stored_reader(reader).read([3, 9], (7, 1))
    assert stored.image.dtype.kind in "iu"
    scaled = scaling.Scaling(reader)(torch.from_numpy(stored.image))
    assert scaled.dtype is getattr(torch, reader.dtype_name)
    assert same_bytes(scaled, reader.read([3, 9], (7, 1)).image)


def test_factors_are_those_that_pixels_are_multiplied_by(ds):
    reader = ds.reader(["L1C_B4", "S1_VV"], mean=[0.5, -10], std=[2, 4], size=8)
    factors, summands = reader.factors
    assert factors.dtype == summands.dtype == np.float32
    assert np.array_equal(factors, np.float32([1e-4 / 2, 1 / 4]))
    assert np.array_equal(summands, np.float32([(-1000 * 1e-4 - 0.5) / 2, 10 / 4]))
    assert ds.reader("L1C", dtype="int16").factors is None


@pytest.mark.parametrize(
    ("bands", "dtype", "message"),
    [
        ("L1C", "int16", "^scale_on='device' with dtype='int16', which means numbers as stored$"),
        ("S1", "float32", "but S1_VV is stored as float32; int16, uint16, uint8 can be scaled"),
        (
            ["EXTRA_depth", "EXTRA_cover"],
            "float16",
            "but EXTRA_depth is stored as uint16 and EXTRA_cover as uint8; one type is needed",
        ),
    ],
)
def test_what_a_device_cannot_scale_is_refused(ds, bands, dtype, message):
    with pytest.raises(RequestError, match=message):
        cloudio.torch.Loader(ds.reader(bands, dtype=dtype, size=8), 2, scale_on="device")


# ---- a pretended device --------------------------------------------------------------------------


class Stream:
    """A queue of a device, of which the tests say who put what there."""

    def __init__(self, on):
        self.on, self.awaited = torch.device(on), []

    def wait_event(self, event):
        self.awaited.append(event)


class Device:
    """What torch.cuda is, as far as it is used; its copies run when somebody waits for them.

    There are two devices, of which the second is this thread's; to any other thread it is as in
    torch, which begins with the first.
    """

    def __init__(self, monkeypatch, at_once=False):
        self.calls, self.at_once = [], at_once
        self.queue = deque()  # copies that nobody has waited for, and events between them
        self.made = []
        self.streams = [Stream("cuda:0"), Stream("cuda:1")]
        self.consumer = self.streams[1]
        self.locked = []  # where pinned memory was made
        self.thread = threading.local()
        self.thread.device = 1
        cuda, device = torch.cuda, self
        real, empty = torch.Tensor.to, torch.empty

        class Event:
            def __init__(self, blocking=False):
                self.blocking = blocking
                self.number, self.happened = len(device.made), False
                device.made.append(self)

            def record(self, stream):
                self.on = stream.on
                device.calls.append(("record", self.number, stream))
                device.queue.append(self)

            def query(self):
                assert device.current() == self.on.index
                return self.happened

            def synchronize(self):
                assert self.blocking  # else a CPU would be busy all the while
                assert device.current() == self.on.index
                device.calls.append(("synchronize", self.number))
                device.run(self)

        def to(tensor, where, **how):
            if not isinstance(where, torch.device) or where.type != "cuda":
                return real(tensor, where, **how)
            device.calls.append(("to", tensor.dtype, device.streams[where.index]))
            out = torch.full_like(tensor, 77)
            device.queue.append((out, tensor))
            if not how.get("non_blocking"):
                device.run()
            elif tensor.data_ptr() not in device.locked:
                device.calls.append("from ordinary memory")
            if device.at_once:
                device.run()
            return out

        def empty_or_locked(*shape, pin_memory=False, **how):
            made = empty(*shape, **how)
            if pin_memory:
                device.locked.append(made.data_ptr())
            return made

        @contextlib.contextmanager
        def stream(own):
            k = own.on.index
            before, device.streams[k] = device.streams[k], own
            try:
                yield
            finally:
                device.streams[k] = before

        @contextlib.contextmanager
        def on(where):
            before, device.thread.device = device.current(), where.index
            try:
                yield
            finally:
                device.thread.device = before

        monkeypatch.setattr(torch.Tensor, "to", to)
        monkeypatch.setattr(
            torch.Tensor, "record_stream", lambda x, s: self.calls.append(("held", x.dtype, s))
        )
        monkeypatch.setattr(torch, "empty", empty_or_locked)
        monkeypatch.setattr(cuda, "Event", Event)
        monkeypatch.setattr(cuda, "Stream", Stream)
        monkeypatch.setattr(cuda, "stream", stream)
        monkeypatch.setattr(cuda, "device", on)
        monkeypatch.setattr(cuda, "current_stream", lambda where: self.streams[where.index])
        monkeypatch.setattr(cuda, "current_device", self.current)
        monkeypatch.setattr(cuda, "is_available", lambda: True)
        monkeypatch.setattr(cuda, "device_count", lambda: 2)

    def current(self):
        """The number of the device that this thread means where it names none."""
        return getattr(self.thread, "device", 0)

    def run(self, until=None):
        """Do what is queued, up to an event."""
        while self.queue and not (until is not None and until.happened):
            first = self.queue.popleft()
            if isinstance(first, tuple):
                first[0].copy_(first[1])
            else:
                first.happened = True


def await_threads():
    """Wait until those have ended whose iterations were dropped."""
    for thread in threading.enumerate():
        if thread.name == "cloudio.Loader":
            thread.join(SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def device(monkeypatch):
    yield Device(monkeypatch)
    await_threads()  # one may be asking whether a copy has ended


def await_ready(batches, n):
    """Wait until so many batches are built and not taken."""
    assert soon(lambda: batches.producer._ready.qsize() >= n)


def test_a_device_is_copied_to_from_memory_that_the_caller_makes(reader, device):
    made = []

    def allocate(n_bytes):
        made.append(bytearray(n_bytes))
        return made[-1]

    loader = cloudio.torch.Loader(reader, 4, device="cuda", allocate=allocate)
    wanted = list(cloudio.Loader(reader, 4))
    kept = list(loader)
    assert made
    for batch, of_arrays in zip(kept, wanted, strict=True):
        assert same_bytes(batch.image, of_arrays.image)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_no_memory_is_read_into_while_a_copy_reads_from_it(reader, device, prefetch):
    loader = cloudio.torch.Loader(reader, 2, device="cuda", prefetch=prefetch, symmetry="flip")
    wanted = list(cloudio.Loader(reader, 2, symmetry="flip"))
    kept = []
    for batch in loader:
        kept.append(batch)
        time.sleep(0.01)  # for the thread to read into whatever it believes to be free
    assert any(call[0] == "synchronize" for call in device.calls)
    device.run()
    for batch, of_arrays in zip(kept, wanted, strict=True):
        assert same_bytes(batch.image, of_arrays.image)
        assert same_bytes(batch.label, of_arrays.label)
        assert same_bytes(batch.index, of_arrays.index)


def test_leaving_early_waits_for_the_copy_of_what_was_handed_out(reader, device):
    loader = cloudio.torch.Loader(reader, 2, device="cuda:0")
    wanted = next(iter(cloudio.Loader(reader, 2)))
    batches = iter(loader)
    batch = next(batches)
    assert "from ordinary memory" not in device.calls
    assert not same_bytes(batch.image, wanted.image)  # nobody has waited yet
    del batches
    assert same_bytes(batch.image, wanted.image)
    device.run()
    list(loader)
    assert same_bytes(batch.image, wanted.image)


def test_a_batch_taken_while_another_thread_closes_is_whole(reader, device, monkeypatch):
    batches = iter(cloudio.torch.Loader(reader, 2, device="cuda"))
    wait = device.consumer.wait_event

    def closing(event):
        batches.close()  # as from another thread: before the batch is handed out
        batches._hook._start_copy(reader.read([0]))
        wait(event)

    device.consumer.wait_event = closing
    batch = next(batches)
    assert same_bytes(batch.image, next(iter(cloudio.Loader(reader, 2))).image)
    assert not batches._hook._in_progress


@pytest.mark.parametrize(("named", "k"), [("cuda", 1), ("cuda:0", 0)])
def test_a_batch_is_copied_ahead_and_the_callers_stream_waits_for_its_event(
    reader, device, named, k
):
    loader = cloudio.torch.Loader(reader, 2, device=named, prefetch=2)
    batches = iter(loader)
    await_ready(batches, 2)
    next(batches)
    own, consumer = device.calls[0][2], device.streams[k]
    assert own.on == consumer.on == torch.device("cuda", k)
    assert own is not consumer
    copied = [("to", torch.float32, own), ("to", torch.uint8, own)]
    held = [("held", torch.float32, consumer), ("held", torch.uint8, consumer)]
    assert device.calls == [*copied, ("record", 0, own), *copied, ("record", 1, own), *held]
    assert consumer.awaited == device.made[:1]
    device.calls.clear()
    await_ready(batches, 1)
    next(batches)
    # The copy of the first batch has had its time; the third may begin when it has ended.
    assert device.calls == [("synchronize", 0), *copied, ("record", 2, own), *held]
    assert consumer.awaited == device.made[:2]
    assert not device.made[1].happened


def test_the_next_batch_is_built_while_the_last_one_is_held_and_under_way(reader, device):
    batches = iter(cloudio.torch.Loader(reader, 2, device="cuda", prefetch=1))
    kept = []
    for _ in range(4):
        kept.append(next(batches))
        await_ready(batches, 1)
    assert not device.made[3].happened
    for batch, wanted in zip(kept, cloudio.Loader(reader, 2), strict=False):
        device.run()
        assert same_bytes(batch.image, wanted.image)


@pytest.mark.parametrize("prefetch", [0, 1, 2])
def test_what_has_been_copied_from_is_read_into_again(reader, monkeypatch, prefetch):
    device = Device(monkeypatch, at_once=True)
    loader = cloudio.torch.Loader(reader, 1, device="cuda", prefetch=prefetch)
    for _ in range(3):
        for _ in loader:
            time.sleep(0.002)  # for the next one to be built
    assert len(device.locked) < 2 * len(loader)  # of three times as many batches


@pytest.mark.parametrize("again", [False, True])
def test_what_is_raised_by_the_copy_ahead_comes_in_its_own_turn(reader, device, monkeypatch, again):
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    wanted = list(cloudio.Loader(reader, 2))
    to, n_calls = torch.Tensor.to, []

    def failing(tensor, where, **how):
        n_calls.append(where)
        if len(n_calls) == 4 or (again and len(n_calls) == 6):
            raise torch.OutOfMemoryError("no memory on the device")
        return to(tensor, where, **how)

    monkeypatch.setattr(torch.Tensor, "to", failing)
    batches = iter(loader)
    await_ready(batches, 2)
    kept = [next(batches)]  # by calls 1 and 2; 3 and 4 were of the next one's image and label
    assert loader.state_dict()["position"] == 2
    if again:
        with pytest.raises(torch.OutOfMemoryError, match="no memory on the device"):
            next(batches)
        assert loader.state_dict()["position"] == 2
        batches = ()
    kept += batches
    device.run()
    for batch, of_arrays in zip(kept, wanted[: len(kept)], strict=True):
        assert same_bytes(batch.image, of_arrays.image)
        assert same_bytes(batch.label, of_arrays.label)
    assert len(kept) == (1 if again else len(wanted))


def test_memory_is_held_that_a_copy_which_failed_may_read_from(reader, device, monkeypatch):
    to, n_calls = torch.Tensor.to, []

    def failing(tensor, where, **how):
        n_calls.append(where)
        if len(n_calls) == 2:
            raise torch.OutOfMemoryError("no memory on the device")
        return to(tensor, where, **how)

    monkeypatch.setattr(torch.Tensor, "to", failing)
    with pytest.raises(torch.OutOfMemoryError):
        next(iter(cloudio.torch.Loader(reader, 2, device="cuda")))
    assert device.calls[-1] == ("synchronize", 0)
    assert not device.queue


def test_a_handover_that_could_not_begin_dies_in_silence(reader, device, monkeypatch):
    def failing(device):
        raise RuntimeError("no stream can be had")

    monkeypatch.setattr(torch.cuda, "Stream", failing)
    with pytest.raises(RuntimeError, match="no stream can be had"):
        iter(cloudio.torch.Loader(reader, 2, device="cuda"))


def test_a_state_counts_what_was_handed_out_not_what_was_copied_ahead(reader, device):
    loader = cloudio.torch.Loader(reader, 2, device="cuda", seed=1)
    batches = iter(loader)
    await_ready(batches, 2)
    assert len(batches) == 6
    next(batches)
    assert batches.producer.n_taken == 2
    assert len(batches) == 5
    assert loader.state_dict()["position"] == 2
    assert loader.epoch == 0
    rest = cloudio.Loader(reader, 2, seed=1)
    rest.load_state_dict(loader.state_dict())
    indices = [batch.index.tolist() for batch in rest]
    assert [batch.index.tolist() for batch in batches] == indices
    assert loader.epoch == 1
    assert next(batches, None) is None
    assert loader.state_dict()["position"] == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_copied_as_stored_is_scaled_on_the_device(ds, monkeypatch, dtype):
    device = Device(monkeypatch, at_once=True)
    how = {"fill": 0.5, "mean": 0.1, "std": 0.2, "valid": True}
    reader = ds.reader("L1C", "hq", size=20, dtype=dtype, **how)
    scale = scaling.Scaling.__call__

    def scaled(self, image):
        device.calls.append(("scaled", image.dtype, device.streams[1]))
        return scale(self, image)

    monkeypatch.setattr(scaling.Scaling, "__call__", scaled)
    loader = cloudio.torch.Loader(reader, 4, device="cuda", scale_on="device")
    check(loader, cloudio.Loader(reader, 4))
    kinds = [call[1] for call in device.calls if call[0] == "held"]
    assert set(kinds) == {getattr(torch, dtype), torch.uint8}
    # Two events a batch: memory is free once copied, the batch is there once scaled.
    assert len(device.made) == 2 * len(loader)
    assert device.consumer.awaited == device.made[1::2]
    # Its constants, and all that it does, on the stream of the copies.
    done = [call for call in device.calls if call[0] in ("to", "record", "scaled")]
    own = done[0][2]
    assert own is not device.consumer
    assert {call[2] for call in done} == {own}
    assert [call[0] for call in done[-6:]] == ["to", "to", "to", "record", "scaled", "record"]
    assert sum(call[0] == "scaled" for call in done) == len(loader)


def test_an_error_comes_in_place_of_its_batch_not_of_the_one_before(reader, device, monkeypatch):
    read, calls = Reader.read, []

    def failing(self, *request, **options):
        calls.append(request)
        if len(calls) == 3:
            raise OSError("the disk is gone")
        return read(self, *request, **options)

    monkeypatch.setattr(Reader, "read", failing)
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    batches = iter(loader)
    for _ in range(2):
        await_ready(batches, 1) if len(calls) < 3 else time.sleep(0.05)
        next(batches)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    assert loader.state_dict()["position"] == 4
    assert next(batches, None) is None


@pytest.mark.parametrize("how", ["close", "del", "raise"])
def test_nothing_is_left_of_an_iteration_that_is_left(reader, device, how):
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    batches = iter(loader)
    next(batches)
    hook = weakref.ref(batches._hook)
    gc.disable()
    try:
        if how == "close":
            batches.close()
        elif how == "raise":
            with contextlib.suppress(KeyError):
                for _ in batches:
                    raise KeyError
        del batches
        await_threads()
        assert hook() is None
    finally:
        gc.enable()


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
    check(loader, cloudio.Loader(reader, 2))
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
