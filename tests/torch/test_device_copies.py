"""Copies to a device, and what they may not do.

There need be no device: a pretended one stands in.
"""

import contextlib
import gc
import time
import weakref

import pytest
from pretended_device import Device, await_ready, await_threads
from tensor_loaders import assert_same_batches, same_bytes

import cloudio
from cloudio import Reader

torch = pytest.importorskip("torch", reason="torch is an extra")
from cloudio.torch import scaling  # noqa: E402


@pytest.fixture
def device(monkeypatch):
    yield Device(monkeypatch)
    await_threads()  # one may be asking whether a copy has ended


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
def test_an_error_of_the_copy_ahead_comes_in_its_own_turn(reader, device, monkeypatch, again):
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    wanted = list(cloudio.Loader(reader, 2))
    to, n_calls = torch.Tensor.to, []

    def failing(tensor, where, **options):
        n_calls.append(where)
        if len(n_calls) == 4 or (again and len(n_calls) == 6):
            raise torch.OutOfMemoryError("no memory on the device")
        return to(tensor, where, **options)

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

    def failing(tensor, where, **options):
        n_calls.append(where)
        if len(n_calls) == 2:
            raise torch.OutOfMemoryError("no memory on the device")
        return to(tensor, where, **options)

    monkeypatch.setattr(torch.Tensor, "to", failing)
    with pytest.raises(torch.OutOfMemoryError):
        next(iter(cloudio.torch.Loader(reader, 2, device="cuda")))
    assert device.calls[-1] == ("synchronize", 0)
    assert not device.queue


def test_a_hook_that_could_not_start_is_dropped_without_an_error(reader, device, monkeypatch):
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
    settings = {"fill": 0.5, "mean": 0.1, "std": 0.2, "valid": True}
    reader = ds.reader("L1C", "hq", size=20, dtype=dtype, **settings)
    scale = scaling.Scaling.__call__

    def scaled(self, image):
        device.calls.append(("scaled", image.dtype, device.streams[1]))
        return scale(self, image)

    monkeypatch.setattr(scaling.Scaling, "__call__", scaled)
    loader = cloudio.torch.Loader(reader, 4, device="cuda", scale_on="device")
    assert_same_batches(loader, cloudio.Loader(reader, 4))
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


@pytest.mark.parametrize("left_by", ["close", "del", "raise"])
def test_nothing_is_left_of_an_iteration_that_is_left(reader, device, left_by):
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    batches = iter(loader)
    next(batches)
    hook = weakref.ref(batches._hook)
    gc.disable()
    try:
        if left_by == "close":
            batches.close()
        elif left_by == "raise":
            with contextlib.suppress(KeyError):
                for _ in batches:
                    raise KeyError
        del batches
        await_threads()
        assert hook() is None
    finally:
        gc.enable()


def test_batches_that_are_copied_have_memory_of_their_own(reader, device):
    """Small ones for the CPU share it; a copy holds that of one batch."""
    assert cloudio.torch.Loader(reader, 2)._batches_at_once > 1
    loader = cloudio.torch.Loader(reader, 2, device="cuda")
    assert loader._batches_at_once == 1
    batches = list(loader)
    assert len(batches) == 6
    assert "from ordinary memory" not in device.calls
