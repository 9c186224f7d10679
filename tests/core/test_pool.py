"""Memory of batches: never written to while anybody holds it, used again once nobody does."""

import gc
import itertools
import threading
import time
from collections import deque
from queue import SimpleQueue

import loading
import numpy as np
import pytest
from loading import CountingAllocator, make_reader
from processes import SECONDS
from residents import soon

import cloudio
from cloudio import RequestError
from cloudio._core.pool import Lease, Pool
from cloudio.loading import memory as loader_memory

N = 23


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    loading.write(folder, N)
    return make_reader(loading.open_set(folder))


@pytest.fixture(scope="module")
def images(reader):
    """Without labels, so that a batch is one piece of memory."""
    return reader.dataset.reader(loading.BANDS, size=6, threads=1)


def endless(loader):
    """Epoch after epoch."""
    while True:
        yield from loader


# ---- what is kept --------------------------------------------------------------------------------


class Phoenix:
    """In a circle with itself; comes back to life when it is collected, with what it holds."""

    def __init__(self, number, array, saved):
        self.number, self.array, self.saved, self.me = number, array, saved, self

    def __del__(self):
        self.saved[self.number] = self.array


WAYS = {
    "batch": lambda batch: (batch, lambda kept: kept.image),
    "image": lambda batch: (batch.image, lambda kept: kept),
    "view": lambda batch: (batch.image.reshape(-1).view(np.uint32), lambda kept: kept),
    "slice": lambda batch: (batch.image[:, 1:, ::2, 3], lambda kept: kept),
    "label": lambda batch: (batch.label[..., 1:], lambda kept: kept),
    "memoryview": lambda batch: (memoryview(batch.image), np.asarray),
    "dlpack": lambda batch: (np.from_dlpack(batch.image), lambda kept: kept),
    "lease": lambda batch: (batch.image.base, lambda kept: np.frombuffer(kept, np.uint8)),
}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_a_thousand_batches_that_are_kept_somehow_stay_as_they_are(reader, prefetch):
    loader = cloudio.Loader(reader, 2, symmetry="d4", prefetch=prefetch, drop_last=True)
    kept = []
    for way, batch in zip(itertools.cycle(WAYS.values()), endless(loader)):
        what, seen = way(batch)
        kept.append((what, seen, seen(what).tobytes()))
        if len(kept) == 1000:
            break
    del batch, what
    for _ in range(3):  # epochs into what was not kept
        for _batch in loader:
            pass
    for what, seen, before in kept:
        assert seen(what).tobytes() == before


def test_batches_that_come_back_to_life_stay_as_they_are(images):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 4, prefetch=2, allocate=memory)
    # By number: in which order a collection finds them is Python's choice.
    saved, before = {}, []
    gc.disable()
    try:
        for batch in itertools.islice(endless(loader), 60):
            Phoenix(len(before), batch.image[:1], saved)
            before.append(batch.image[:1].tobytes())
            if len(before) % 10 == 0:
                gc.collect()
    finally:
        gc.enable()
    assert [saved[k].tobytes() for k in range(len(saved))] == before
    del saved, batch
    assert memory.alive <= 2
    assert len(memory.asked) >= 60


def test_memory_comes_back_with_the_last_that_holds_it(images):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 4, prefetch=0, allocate=memory)
    ways = [way for name, way in WAYS.items() if name != "label"]
    for k, way in enumerate(ways):
        batch = next(iter(loader))
        where = batch.image.ctypes.data
        kept, _ = way(batch)
        del batch
        other = next(iter(loader))
        assert other.image.ctypes.data != where
        assert (memory.alive, len(memory.asked)) == (2, k + 2)
        del kept, other
        assert memory.alive == 1  # the capacity is one


def test_a_batch_outlives_its_loader_and_its_iteration(images):
    memory = CountingAllocator()
    iteration = iter(cloudio.Loader(images, 4, prefetch=2, allocate=memory))
    batch = next(iteration)
    before = batch.image.tobytes()
    iteration.close()
    del iteration
    assert batch.image.tobytes() == before
    assert memory.alive >= 1
    del batch
    assert memory.alive == 0


# ---- how much there is ---------------------------------------------------------------------------


def run(loader, hold, n_batches=120, pause=None):
    """Take batches; ``hold`` is given each, in a variable as in a ``for`` loop."""
    for batch in itertools.islice(endless(loader), n_batches):
        hold(batch)
        if pause is not None:
            pause()


@pytest.mark.parametrize("prefetch", [0, 1, 2, 4])
@pytest.mark.parametrize("pause", [None, lambda: time.sleep(5e-4)], ids=["at once", "slowly"])
def test_a_loop_needs_what_is_ahead_and_the_batch_in_hand(images, prefetch, pause):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 2, prefetch=prefetch, allocate=memory)
    run(loader, lambda batch: None, pause=pause)
    assert memory.most_alive <= max(prefetch, 1) + 1
    # None was thrown away to be asked for again.
    assert len(memory.asked) <= max(prefetch, 1) + 1


@pytest.mark.parametrize("prefetch", [0, 1, 2, 4])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_who_holds_the_last_few_needs_as_many_more(images, prefetch, k):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 2, prefetch=prefetch, allocate=memory)
    last = deque(maxlen=k)
    run(loader, last.append)
    # The one that leaves does so when the new one, which is in the variable, is there.
    assert memory.most_alive <= max(prefetch, 1) + k + 1


@pytest.mark.parametrize("prefetch", [1, 2, 4])
def test_none_is_made_while_the_one_before_is_about_to_come_back(images, prefetch):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 2, prefetch=prefetch, allocate=memory)
    before = None
    for batch in loader:
        time.sleep(2e-3)
        before = batch  # only now the last is let go
    assert before is not None
    assert memory.most_alive <= prefetch + 1


def test_none_is_made_while_the_last_of_the_epoch_before_is_about_to_come_back(images):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 2, prefetch=2, allocate=memory)
    before = None
    for batch in loader:
        before = batch
    n_asked = len(memory.asked)
    iteration = iter(loader)
    producer = iteration.producer
    assert soon(lambda: producer._ready.qsize() == 2)
    batch = next(iteration)
    time.sleep(0.02)
    assert before is not None
    assert producer._ready.qsize() == 1
    before = batch  # only now the last is let go
    assert soon(lambda: producer._ready.qsize() == 2)
    assert len(memory.asked) == n_asked <= 3
    iteration.close()


def test_who_holds_nothing_while_waiting_needs_what_is_ahead(images):
    for prefetch in 1, 2, 4:
        memory = CountingAllocator()
        iteration = iter(cloudio.Loader(images, 1, prefetch=prefetch, allocate=memory))
        for _ in range(N):
            next(iteration)
        assert memory.most_alive <= prefetch + 1
        iteration.close()
        assert memory.alive <= prefetch


@pytest.mark.parametrize("prefetch", [0, 1, 2, 4])
def test_who_keeps_all_gets_new_memory_for_each(images, prefetch):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 1, prefetch=prefetch, allocate=memory)
    kept = []
    run(loader, kept.append, 100)
    assert 100 <= len(memory.asked) <= 100 + max(prefetch, 1)
    assert memory.most_alive <= 100 + max(prefetch, 1)
    del kept
    assert memory.alive <= max(prefetch, 1) + 1


def test_batches_may_be_dropped_by_other_threads(images):
    memory, queue, n_held = CountingAllocator(), SimpleQueue(), 3
    loader = cloudio.Loader(images, 2, prefetch=2, allocate=memory)
    room = threading.Semaphore(n_held)

    def drop():
        while (got := queue.get()) is not None:
            assert got.image.shape[0] > 0
            del got
            room.release()

    others = [threading.Thread(target=drop) for _ in range(2)]
    for other in others:
        other.start()
    for batch in itertools.islice(endless(loader), 300):
        room.acquire()
        queue.put(batch)
    del batch
    for _ in others:
        queue.put(None)
    for other in others:
        other.join()
    assert memory.most_alive <= 2 + n_held + 1
    assert soon(lambda: memory.alive <= 2)


def test_memory_that_comes_back_while_more_is_made_is_not_kept_beside_it(images):
    """Else there were one more than are to be ahead, for good."""
    memory, go, begun = CountingAllocator(), threading.Event(), threading.Event()

    def slowly(n_bytes):
        if memory.asked:
            begun.set()
            assert go.wait(SECONDS)
        return memory(n_bytes)

    iteration = iter(cloudio.Loader(images, 1, prefetch=1, allocate=slowly))
    batch = next(iteration)
    assert begun.wait(SECONDS)
    del batch  # while the second is made
    assert memory.alive == 0
    go.set()
    for _ in range(5):
        next(iteration)
    iteration.close()
    assert memory.alive == 1


def test_labels_and_masks_have_memory_of_their_own(reader):
    memory = CountingAllocator()
    masked = reader.dataset.reader(loading.BANDS, "LABEL", size=6, valid=True)
    loader = cloudio.Loader(masked, 4, prefetch=2, allocate=memory)
    labels = []
    for batch in itertools.islice(endless(loader), 50):
        labels.append((batch.label, batch.label.tobytes()))
    sizes = [4 * 2 * 36 * 4, 4 * 36, 4 * 36]
    assert set(memory.asked) == set(sizes)
    assert memory.asked.count(sizes[0]) <= 3  # images are not kept with their labels
    assert 50 <= memory.asked.count(sizes[1]) <= 50 + 2 + 3
    assert all(label.tobytes() == before for label, before in labels)


def test_short_epochs_ask_for_no_more_than_they_have(images):
    memory = CountingAllocator()
    loader = cloudio.Loader(images, 2**31 - 1, allocate=memory)
    assert len(next(iter(loader)).index) == N
    assert set(memory.asked) == {N * 2 * 36 * 4}
    memory = CountingAllocator()
    half = cloudio.Loader(images, 2**31 - 1, allocate=memory, rank=0, world_size=2)
    assert len(next(iter(half)).index) == 12
    assert set(memory.asked) == {12 * 2 * 36 * 4}


# ---- the steady state ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 2, 3])
def test_once_warm_nothing_is_allocated_over_epochs(reader, prefetch):
    memory, kinds = CountingAllocator(), 2
    loader = cloudio.Loader(reader, 3, prefetch=prefetch, allocate=memory)
    for k in range(20):
        for _ in loader:
            if k % 5 == 4:
                break
    assert len(memory.asked) <= kinds * (max(prefetch, 1) + 1)


def test_who_lets_go_between_epochs_pays_a_batch_for_each(reader):
    """What is free is no more than what is to be ahead."""
    memory, kinds = CountingAllocator(), 2
    loader = cloudio.Loader(reader, 3, prefetch=2, allocate=memory)
    for k in range(20):
        for _ in loader:
            pass
        del _
        assert memory.alive <= kinds * 2
        assert len(memory.asked) <= kinds * (3 + k)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_once_warm_the_memory_that_loaders_make_themselves_is_used_again(
    images, prefetch, monkeypatch
):
    """Page faults are counted by benchmarks/scripts/steady.py."""
    made = []

    def counted(shape, dtype):
        made.append(shape)
        return np.empty(shape, dtype)

    monkeypatch.setattr(loader_memory, "allocate_aligned", counted)
    # Batches of 500 KB.
    many = np.resize(np.arange(N), 20 * 1700)
    loader = cloudio.Loader(images, 1700, index=many, prefetch=prefetch)
    for _ in range(5):
        for batch in loader:
            assert batch.image.nbytes == 1700 * 2 * 36 * 4
    assert 1 <= len(made) <= max(prefetch, 1) + 1


# ---- what memory may be --------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize(
    ("allocate", "error", "says"),
    [
        (
            lambda n: bytearray(n - 1),
            RequestError,
            r"allocate\(1152\) returned 1151 bytes; it must return at least 1152",
        ),
        (bytes, RequestError, r"allocate\(1152\) returned read-only, 1152 bytes"),
        (lambda n: None, RequestError, r"allocate\(1152\) returned NoneType"),
        (lambda n: np.empty((n, 2), np.uint8)[:, 0], RequestError, r"writable, contiguous bytes"),
        (lambda n: 1 / 0, ZeroDivisionError, r"division"),
        (lambda n: next(iter(())), RuntimeError, r"allocate raised StopIteration"),
    ],
)
def test_memory_that_cannot_be_had_is_an_error_of_the_caller(
    images, prefetch, allocate, error, says
):
    loader = cloudio.Loader(images, 4, prefetch=prefetch, allocate=allocate)
    for _ in range(2):
        iteration = iter(loader)
        with pytest.raises(error, match=says) as caught:
            next(iteration)
        assert next(iteration, None) is None
        if prefetch:
            assert caught.value.__notes__ == ["while a batch of epoch 0 was built"]
        assert loader.state_dict()["position"] == 0
    assert not loading.threads()


def test_memory_that_fails_later_is_an_error_then(images):
    left = [None] * 3

    def allocate(n):
        left.pop()
        return bytearray(n)

    loader = cloudio.Loader(images, 4, prefetch=1, allocate=allocate)
    kept = []
    with pytest.raises(IndexError, match="pop from empty list"):
        kept.extend(loader)
    assert len(kept) == 3
    assert loader.state_dict()["position"] == 12


def test_memory_is_the_callers_own_and_may_be_larger(images):
    made = []

    def allocate(n):
        made.append(bytearray(b"\xff" * (n + 100)))
        return made[-1]

    loader = cloudio.Loader(images, 4, prefetch=0, allocate=allocate)
    batch = next(iter(loader))
    lease = batch.image.base
    assert lease.memory is made[0]
    assert made[0][: batch.image.nbytes] == batch.image.tobytes()
    assert made[0][batch.image.nbytes :] == b"\xff" * 100


def test_memory_is_aligned_to_cache_lines(reader):
    for batch in itertools.islice(endless(cloudio.Loader(reader, 3)), 20):
        assert batch.image.ctypes.data % 64 == 0
        assert batch.label.ctypes.data % 64 == 0
        assert batch.image.flags.writeable
        assert batch.image.flags.c_contiguous


# ---- the pool itself -----------------------------------------------------------------------------


def test_a_lease_gives_back_once_and_tells():
    told = SimpleQueue()
    pool = Pool([8, 2], 1, bytearray, told)
    image, label = pool.lend()
    assert (pool.begun, pool.n_free) == (1, 0)
    views = memoryview(image), np.frombuffer(image, np.uint8)
    memory = image.memory
    pool.taken = 1
    del image
    assert told.empty()
    views = views[:1]
    assert told.empty()
    del views
    assert told.get(timeout=1) is None
    assert told.empty()
    assert pool.n_free == 1
    del label  # of another kind, of which nobody is told
    assert told.empty()
    again, _ = pool.lend()
    assert again.memory is memory


def test_a_pool_keeps_no_more_than_its_capacity_less_what_is_under_way():
    pool = Pool([8], 2, bytearray, SimpleQueue())
    leases = [pool.lend() for _ in range(5)]
    pool.taken = 4
    del leases
    assert pool.n_free == 1
    pool.taken = 5
    lease = pool.lend()
    assert pool.n_free == 0
    del lease
    assert pool.n_free == 1
    leases = [pool.lend() for _ in range(3)]
    pool.taken = pool.begun
    del leases
    assert pool.n_free == 2


def test_what_fails_is_not_begun():
    def allocate(n):
        if n == 2:
            raise MemoryError("no more")
        return bytearray(n)

    pool = Pool([8, 2], 2, allocate, SimpleQueue())
    for _ in range(3):
        with pytest.raises(MemoryError, match="no more"):
            pool.lend()
        assert pool.begun == 0


def test_a_lease_is_of_a_pool_and_of_memory_that_can_be_written():
    pool = Pool([8], 1, bytearray, SimpleQueue())
    with pytest.raises(TypeError):
        Lease(None, 0, bytearray(8))
    with pytest.raises(BufferError):
        Lease(pool, 0, b"12345678")
    with pytest.raises(ValueError, match="7 bytes were allocated; it must be 8"):
        Lease(pool, 0, bytearray(7))
    assert pool.n_free == 0
    assert pool.returned.empty()
    memory = bytearray(8)
    lease = Lease(pool, 0, memory)
    with pytest.raises(BufferError):  # it is held
        memory.append(0)
    del lease
    memory.append(0)
