"""What threads may share: a data set, a reader, a loader, an iteration, and memory of batches.

With a GIL and without; what is right does not depend on who comes first.
"""

import logging
import random
import threading
from collections import deque
from queue import SimpleQueue

import loading
import numpy as np
import pytest
from loading import N
from profiles import scaled
from residents import soon
from side_by_side import together

import cloudio
from cloudio._core.pool import CancellationToken, Lease, Pool
from cloudio._utils import warn

N_THREADS = 6


@pytest.fixture
def folder(tmp_path):
    loading.write(tmp_path, N)
    rows = "".join(f"{k},roi{k % 5},{k / 4}\n" for k in range(N))
    (tmp_path / "metadata.csv").write_text(f"number,roi,cover\n{rows}", encoding="utf-8")
    return tmp_path


@pytest.fixture
def reader(folder):
    return loading.make_reader(loading.open_set(folder))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert soon(lambda: not loading.threads())


def bits(batch):
    return batch.index.tolist(), batch.image.tobytes(), batch.label.tobytes()


def epoch_bits(loader, epoch):
    """What an epoch holds, without the loader's threads and memory."""
    samples = (loader.samples_of(k, epoch) for k in range(len(loader)))
    return [bits(loader.reader.read(*one)) for one in samples]


# ---- a data set ----------------------------------------------------------------------------------


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_threads_that_touch_a_data_set_first_see_the_same(folder, io):
    """What is computed when it is first needed is computed by several threads here."""

    def touch(ds, k):
        parts = [
            lambda: ds.names,
            lambda: {name: column.tolist() for name, column in ds.metadata.items()},
            lambda: ds.metadata_columns(["roi"])["roi"],
            lambda: ds["B0"],
            lambda: ds.warnings,
            lambda: [len(ds.subset(roi="roi1")), list(ds.splits)],
            lambda: bits(loading.make_reader(ds).read([3, 1, 4], (2, 3), 5)),
        ]
        seen = {}
        for at in range(len(parts)):
            at = (at + k) % len(parts)  # each begins with another one
            seen[at] = parts[at]()
        return seen

    wanted = touch(loading.open_set(folder, io), 0)
    for _ in range(scaled(5, 30)):
        ds = loading.open_set(folder, io)
        found = together(N_THREADS, lambda k, ds=ds: touch(ds, k))
        for seen in found:
            for at in 0, 1, 4, 5, 6:
                assert seen[at] == wanted[at]
            # One array, and one mapping, for all.
            assert seen[2] is found[0][2]
            assert seen[3] is found[0][3]
        ds.close()


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_a_data_set_that_is_closed_while_threads_read_says_so_or_reads_right(folder, io):
    with loading.open_set(folder, io) as ds:
        wanted = bits(loading.make_reader(ds).read(range(N)))
    for _ in range(scaled(10, 60)):
        ds = loading.open_set(folder, io)
        reader = loading.make_reader(ds, threads=2)

        def use(k, ds=ds, reader=reader):
            """Read until it is closed, by the first thread."""
            n_read = 0
            if k == 0:
                while n_read < 3:
                    assert bits(reader.read(range(N))) == wanted
                    n_read += 1
                ds.close()

            def read_on():
                while True:
                    assert bits(reader.read(range(N))) == wanted
                    reader.prefetch(range(N))

            with pytest.raises(cloudio.RequestError, match="is closed; open the data set again"):
                read_on()

        together(4, use)


# ---- a reader ------------------------------------------------------------------------------------


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_that_share_a_reader_read_what_one_reads(folder, io, threads):
    ds = loading.open_set(folder, io)
    shared = loading.make_reader(ds, threads=threads)
    draws = random.Random(5)
    requests = [
        (
            [draws.randrange(-N, N) for _ in range(4)],
            (draws.randrange(1, 5), draws.randrange(2, 7)),
            [draws.randrange(8) for _ in range(4)],
        )
        for _ in range(40)
    ]
    wanted = [bits(shared.read(*request)) for request in requests]

    def read(k):
        out = shared.allocate(4)
        for turn in range(scaled(60, 600)):
            at = (turn * 7 + k * 3) % len(requests)
            got = shared.read(*requests[at], out=None if turn % 2 else out)
            assert bits(got) == wanted[at]

    together(N_THREADS, read)


# ---- a loader ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("transform", [None, lambda batch: batch], ids=["plain", "transform"])
def test_threads_that_share_a_loader_each_see_the_whole_epoch(reader, prefetch, transform):
    settings = {"prefetch": prefetch, "transform": transform}
    loader = cloudio.Loader(reader, 4, seed=2, symmetry="d4", **settings)
    for epoch in range(scaled(3, 12)):
        wanted, begun = epoch_bits(loader, epoch), threading.Barrier(N_THREADS)

        def iterate(k, wanted=wanted, begun=begun):
            batches = iter(loader)
            begun.wait()  # all begin before the first one ends: it is one epoch
            kept = []
            for at, batch in enumerate(batches):
                assert bits(batch) == wanted[at]
                if (at + k) % 3:
                    kept.append((at, batch))
            assert at + 1 == len(wanted)
            return kept

        for kept in together(N_THREADS, iterate):
            assert all(bits(batch) == wanted[at] for at, batch in kept)
        assert loader.epoch == epoch + 1


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_threads_that_share_an_iteration_get_each_batch_once(reader, prefetch):
    loader = cloudio.Loader(reader, 1, seed=2, symmetry="d4", prefetch=prefetch)
    for epoch in range(scaled(10, 100)):
        batches = iter(loader)
        parts = together(N_THREADS, lambda k, batches=batches: list(batches))
        found = [bits(batch) for part in parts for batch in part]
        assert sorted(found) == sorted(epoch_bits(loader, epoch))
        assert (loader.epoch, loader.state_dict()["position"]) == (epoch + 1, 0)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_position_is_that_of_all_threads_together(reader, prefetch):
    loader = cloudio.Loader(reader, 1, prefetch=prefetch)
    for _ in range(scaled(10, 100)):
        batches = iter(loader)
        together(N_THREADS, lambda k, batches=batches: [next(batches) for _ in range(3)])
        assert loader.state_dict()["position"] == 3 * N_THREADS
        batches.close()


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_an_iteration_that_is_closed_while_threads_take_batches_ends_for_all(reader, prefetch):
    loader = cloudio.Loader(reader, 1, seed=4, prefetch=prefetch)
    wanted = set(map(str, epoch_bits(loader, 0)))
    for turn in range(scaled(20, 200)):
        loader.set_epoch(0)
        batches = iter(loader)

        def take(k, batches=batches, turn=turn):
            if k < 2:  # twice at once
                for _ in range(turn % 5):
                    next(batches, None)
                batches.close()
            return [str(bits(batch)) for batch in batches]

        found = [one for part in together(N_THREADS, take) for one in part]
        assert len(found) == len(set(found))
        assert wanted.issuperset(found)
        assert next(batches, None) is None
        assert not loading.threads()


def test_batches_that_many_threads_keep_and_let_go_stay_as_they_are(reader):
    """Batches are made in one thread, taken in another, and let go in a third."""
    passed = SimpleQueue()

    def churn(k):
        draws = random.Random(k)
        loader = cloudio.Loader(
            reader, 2, seed=k, prefetch=k % 3, transform=[None, lambda batch: batch][k % 2]
        )
        kept = deque()
        for epoch in range(scaled(6, 60)):
            for at, batch in enumerate(loader):
                before = bits(batch)
                kept.append((batch.image[:, 1:], batch.label, before))
                if draws.random() < 0.5:
                    passed.put(kept.popleft())
                if draws.random() < 0.5 and not passed.empty():
                    same(passed.get())
                if at == 4 + epoch % 9:
                    break
        for one in kept:
            same(one)

    def same(one):
        view, label, (_, image, labels) = one
        assert view.tobytes() == np.frombuffer(image, "f4").reshape(-1, 2, 6, 6)[:, 1:].tobytes()
        assert label.tobytes() == labels

    together(N_THREADS, churn)
    while not passed.empty():
        same(passed.get())


# ---- memory --------------------------------------------------------------------------------------


def test_memory_of_a_pool_is_lent_to_one_at_a_time():
    pool, others = Pool([8, 8], 3, bytearray, SimpleQueue()), SimpleQueue()

    def use(k):
        mark = bytes([k + 1] * 8)
        for turn in range(scaled(300, 3000)):
            leases = pool.lend()
            views = [memoryview(lease) for lease in leases]
            for view in views:
                view[:] = mark
            pool.take()
            if turn % 3 == 0:
                others.put((views, mark))
            if turn % 3 == 1:
                leases = [lease.renew() for lease in leases]
            if turn % 3 == 2:
                given, theirs = others.get()
                assert [bytes(view) for view in given] == [theirs] * 2
                del given
            assert [bytes(view) for view in views] == [mark] * 2
            del leases, views, view

    together(N_THREADS, use)
    # Another thread's were let go by now: it has ended.
    assert (pool.n_lent, pool.begun - pool.taken) == (0, 0)
    assert 1 <= pool.n_free <= pool.capacity


def test_a_pool_counts_what_threads_do_at_once():
    pool, n = Pool([8], 2, bytearray, SimpleQueue()), scaled(30_000, 200_000)

    def use(k):
        for _ in range(n):
            pool.lend()
            pool.take()
            pool.begin()
            pool.take()

    together(N_THREADS, use)
    assert (pool.begun, pool.taken, pool.n_lent) == (2 * n * N_THREADS, 2 * n * N_THREADS, 0)
    assert 1 <= pool.n_free <= 2
    assert pool.returned.qsize() == n * N_THREADS


def test_a_lease_that_was_renewed_does_not_give_back():
    pool = Pool([8], 1, bytearray, SimpleQueue())
    (lease,) = pool.lend()
    renewed, memory = lease.renew(), lease.memory
    pool.take()
    assert renewed.memory is memory
    with pytest.raises(ValueError, match="this lease was renewed; use the new one"):
        lease.renew()
    memoryview(lease)[:] = b"12345678"
    del lease
    assert (pool.n_free, pool.n_lent, bytes(renewed)) == (0, 1, b"12345678")
    del renewed
    assert (pool.n_free, pool.n_lent, pool.returned.qsize()) == (1, 0, 1)


def test_a_token_that_many_threads_cancel_tells_once():
    for _ in range(scaled(50, 500)):
        pool = Pool([8], 1, bytearray, SimpleQueue())
        token = CancellationToken(pool)
        together(4, lambda k, token=token: token.cancel())
        assert pool.stopped
        assert pool.returned.qsize() == 1


def test_each_matter_is_logged_once(caplog):
    caplog.set_level(logging.INFO, "cloudio")

    def tell(k):
        for matter in range(50):
            warn.log_once("warning", f"matter {matter} of {__name__}")

    together(N_THREADS, tell)
    assert len(caplog.records) == 50


def test_a_batch_of_a_loader_lies_in_a_lease_of_its_own(reader):
    """Without a GIL the one that takes it makes it anew, so that it comes back when let go."""
    loader = cloudio.Loader(reader, 2, prefetch=2)
    for batch in loader:
        assert type(batch.image.base) is Lease
        assert batch.image.base is not batch.label.base
