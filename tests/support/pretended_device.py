"""A device that copies as late as it may, so that whatever is overwritten too early is seen."""

import contextlib
import threading
from collections import deque

import pytest
from processes import SECONDS
from residents import soon

torch = pytest.importorskip("torch", reason="torch is an extra")


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

        def to(tensor, where, **options):
            if not isinstance(where, torch.device) or where.type != "cuda":
                return real(tensor, where, **options)
            device.calls.append(("to", tensor.dtype, device.streams[where.index]))
            out = torch.full_like(tensor, 77)
            device.queue.append((out, tensor))
            if not options.get("non_blocking"):
                device.run()
            elif tensor.data_ptr() not in device.locked:
                device.calls.append("from ordinary memory")
            if device.at_once:
                device.run()
            return out

        def empty_or_locked(*shape, pin_memory=False, **options):
            made = empty(*shape, **options)
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
