"""The thread of an iteration: it is there as long as it is needed, and no longer."""

import gc
import itertools
import os
import sys
import threading
import time
import weakref

import loading
import pytest
from loading import N, threads
from processes import SECONDS
from residents import leaks, soon

import cloudio

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


# ---- the thread ----------------------------------------------------------------------------------


def test_a_thread_is_there_as_long_as_its_iteration(reader):
    loader = cloudio.Loader(reader, 1)
    assert soon(lambda: not threads())
    iteration = iter(loader)
    (thread,) = threads()
    assert thread.daemon
    next(iteration)
    assert threads() == [thread]
    for _ in iteration:
        pass
    assert not thread.is_alive()
    assert soon(lambda: not threads())


def test_no_thread_is_needed_where_nothing_is_built_ahead(reader):
    iteration = iter(cloudio.Loader(reader, 1, prefetch=0))
    next(iteration)
    assert soon(lambda: not threads())
    iteration.close()
    assert next(iteration, None) is None


def test_a_loop_that_is_left_leaves_no_thread(reader):
    loader = cloudio.Loader(reader, 1)
    for _ in loader:
        break
    assert soon(lambda: not threads())

    def fails():
        for _ in loader:
            raise KeyError("in the loop")

    with pytest.raises(KeyError, match="in the loop"):
        fails()
    assert soon(lambda: not threads())


def test_an_iteration_that_is_closed_or_dropped_leaves_no_thread(reader):
    loader = cloudio.Loader(reader, 1, prefetch=3)
    iteration = iter(loader)
    iteration.close()
    iteration.close()
    assert soon(lambda: not threads())
    assert next(iteration, None) is None
    assert len(iteration) == 0
    iteration = iter(loader)
    next(iteration)
    del iteration
    assert soon(lambda: not threads())
    # Without a step, and while the loader is gone already.
    iteration = iter(cloudio.Loader(reader, 1))
    del iteration
    assert soon(lambda: not threads())


def test_an_iteration_in_a_circle_leaves_no_thread_once_it_is_collected(reader):
    class Trainer:
        pass

    gc.disable()
    try:
        for _ in range(3):
            trainer = Trainer()
            trainer.batches = iter(cloudio.Loader(reader, 1))
            trainer.batch, trainer.itself = next(trainer.batches), trainer
            del trainer
        assert len(threads()) == 3
        gc.collect()
        assert soon(lambda: not threads())
    finally:
        gc.enable()


def test_an_iteration_may_be_collected_by_its_own_thread(reader):
    """Which cannot wait for itself."""
    dropped, collected = threading.Event(), threading.Event()

    def allocate(n):
        if dropped.is_set():
            gc.collect()
            collected.set()
        return bytearray(n)

    class Trainer:
        pass

    gc.disable()
    try:
        loader = cloudio.Loader(reader, 1, prefetch=1, allocate=allocate)
        trainer = Trainer()
        trainer.batches, trainer.itself = iter(loader), trainer
        kept = [next(trainer.batches), next(trainer.batches)]
        gone = weakref.ref(trainer)
        # It waits until a batch comes back, or one is asked for, by which the circle is gone.
        dropped.set()
        producer = trainer.batches.producer
        del trainer
        producer._n_returning = 0
        producer.pool.returned.put(None)
        assert collected.wait(SECONDS)
        assert soon(lambda: not threads())
        assert gone() is None
    finally:
        gc.enable()
    assert len(kept) == 2
    assert loading.patch_bytes(loader).keys() == set(range(N))


def test_a_loader_and_its_iteration_are_no_circle(reader):
    loader = cloudio.Loader(reader, 4, prefetch=2)
    gc.collect()
    gc.disable()
    try:
        iteration = iter(loader)
        batch = next(iteration)
        refs = [weakref.ref(one) for one in (loader, iteration, batch.image)]
        del loader, iteration, batch
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


def test_a_thread_that_waits_while_another_closes_is_released(reader):
    gate = threading.Event()
    loader = cloudio.Loader(reader, 1, allocate=lambda n: (gate.wait(SECONDS), bytearray(n))[1])
    iteration, got = iter(loader), []
    waits = threading.Thread(target=lambda: got.append(next(iteration, None)), daemon=True)
    waits.start()
    closes = threading.Thread(target=iteration.close)
    closes.start()
    time.sleep(0.01)
    gate.set()
    closes.join(SECONDS)
    waits.join(SECONDS)
    assert not waits.is_alive()
    assert len(got) == 1


def test_where_no_thread_can_start_nothing_has_begun(reader, monkeypatch):
    loader = cloudio.Loader(reader, 4)
    state = {**loader.state_dict(), "epoch": 3, "position": 8}
    loader.load_state_dict(state)

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(
            cloudio.RequestError, match=r"can't start new thread\); pass prefetch=0"
        ):
            iter(loader)
    assert loader.state_dict() == state
    assert sum(len(batch.index) for batch in loader) == N - 8


@linux
def test_many_starts_and_stops_leave_nothing(reader):
    def some(n):
        for k in range(n):
            loader = cloudio.Loader(reader, 2, prefetch=1 + k % 3, symmetry="d4")
            for _ in itertools.islice(loader, k % 4):
                pass
            iteration = iter(loader)
            next(iteration)
        del loader, iteration
        gc.collect()
        assert soon(lambda: not threads())

    some(20)
    descriptors, n_threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    n_blocks, n_bytes = leaks(some, 60)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == n_threads
    # No object, nor a small array, of each; Python without a GIL frees some of its own later.
    assert n_blocks < 60
    assert n_bytes < 300 * 60


def test_dropping_an_iteration_waits_for_nothing(reader):
    """Garbage may be collected while the lock is held that a thread's end needs."""
    iteration = iter(cloudio.Loader(reader, 1))
    next(iteration)
    with threading._active_limbo_lock:
        del iteration
    assert soon(lambda: not threads())


def test_threads_that_wait_for_a_batch_are_released_when_the_iteration_is_closed(reader):
    block = threading.Event()

    def allocate(n):
        block.wait()
        return bytearray(n)

    iteration = iter(cloudio.Loader(reader, 1, allocate=allocate))
    waiting = [threading.Thread(target=lambda: next(iteration, None)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    threading.Timer(0.05, block.set).start()
    iteration.close()
    for thread in waiting:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_a_loader_that_keeps_its_iteration_goes_all_the_same(reader):
    loader = cloudio.Loader(reader, 1)
    loader.under_way = iter(loader)
    next(loader.under_way)
    gone = weakref.ref(loader)
    del loader
    gc.collect()
    assert gone() is None
    assert soon(lambda: not threads())


# ---- prefetched pages ----------------------------------------------------------------------------


def test_pages_of_each_batch_are_prefetched_while_the_one_before_is_built(reader, monkeypatch):
    told = []
    read, prefetch = cloudio.Reader.read, cloudio.Reader.prefetch

    def reads(self, index, *rest, **options):
        told.append(("read", index.tolist()))
        return read(self, index, *rest, **options)

    def asks(self, index, origin=None):
        told.append(("ask", index.tolist(), origin.tolist()))
        return prefetch(self, index, origin)

    monkeypatch.setattr(cloudio.Reader, "read", reads)
    monkeypatch.setattr(cloudio.Reader, "prefetch", asks)
    loader = cloudio.Loader(reader, 10, prefetch=1)
    first, *later = [loader.samples(range(k, min(k + 10, N)), epoch=0) for k in (0, 10, 20)]
    assert next(iter(list(loader))).index.tolist() == first.index.tolist()
    expected = []
    for now, after in itertools.pairwise([first, *later, None]):
        if after is not None:
            expected.append(("ask", after.index.tolist(), after.origin.tolist()))
        expected.append(("read", now.index.tolist()))
    assert told == expected
