"""One iteration and its thread: errors come to the caller, and no thread is left behind.

What may hang or die runs in a subprocess with a timeout.
"""

import gc
import itertools
import mmap
import os
import signal
import sys
import textwrap
import threading
import time
import traceback
import weakref

import forks
import loading
import processes
import pytest
from loading import Counted, reader_of, threads
from processes import SECONDS, forks_under_load, needs_fork
from profiles import scaled
from residents import leaks, soon

import cloudio

N = 23
posix = pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder(tmp_path):
    loading.write(tmp_path, N)
    return tmp_path


@pytest.fixture
def reader(folder):
    return reader_of(loading.opened(folder))


@pytest.fixture(autouse=True)
def no_thread_before():
    gc.collect()
    assert soon(lambda: not threads())


# ---- the end of a thread -------------------------------------------------------------------------


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
    assert loading.bytes_of(loader).keys() == set(range(N))


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


def test_one_who_waits_while_another_closes_is_let_go(reader):
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


def test_where_no_thread_can_be_had_nothing_has_begun(reader, monkeypatch):
    loader = cloudio.Loader(reader, 4)
    state = {**loader.state_dict(), "epoch": 3, "position": 8}
    loader.load_state_dict(state)

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
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
    # No object, nor a small array, of each.
    assert n_blocks < 30
    assert n_bytes < 300 * 60


def test_whoever_drops_an_iteration_waits_for_nothing(reader):
    """Garbage may be collected while the lock is held that a thread's end needs."""
    iteration = iter(cloudio.Loader(reader, 1))
    next(iteration)
    with threading._active_limbo_lock:
        del iteration
    assert soon(lambda: not threads())


def test_who_waits_for_a_batch_is_let_go_when_the_iteration_is_closed(reader):
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


# ---- errors --------------------------------------------------------------------------------------


def cut(folder, n_patches=N // 2):
    os.truncate(folder / "B0.dat", n_patches * 12 * 14 * 2)


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_a_file_that_became_shorter_is_an_error_of_the_caller(folder, io, prefetch):
    loader = cloudio.Loader(
        reader_of(loading.opened(folder, io)), 1, shuffle=False, prefetch=prefetch
    )
    iteration = iter(loader)
    first = next(iteration)
    before = first.image.tobytes()
    cut(folder)
    seen = [first]
    with pytest.raises(cloudio.TruncatedError, match=r"B0\.dat") as caught:
        seen.extend(iteration)
    assert len(seen) < N
    assert [batch.index.tolist() for batch in seen] == [[k] for k in range(len(seen))]
    text = "".join(traceback.format_exception(caught.value))
    assert ", in read" in text
    if prefetch:
        assert ", in _produce" in text
        assert "while a batch of epoch 0 was built" in text
    assert next(iteration, None) is None
    assert soon(lambda: not threads())
    assert loader.state_dict()["position"] == len(seen)
    assert first.image.tobytes() == before


def test_a_data_set_that_was_closed_is_an_error_of_the_caller(folder):
    ds = loading.opened(folder)
    loader = cloudio.Loader(reader_of(ds), 1)
    iteration = iter(loader)
    next(iteration)
    ds.close()
    with pytest.raises(cloudio.RequestError, match=r"is closed; open the data set anew") as caught:
        for _ in iteration:
            pass
    assert caught.value.__notes__ == ["while a batch of epoch 0 was built"]
    assert soon(lambda: not threads())
    with pytest.raises(cloudio.RequestError, match=r"is closed; open the data set anew"):
        next(iter(loader))


def test_an_error_comes_in_its_turn(reader):
    """What was built before it is handed out first."""
    left = [None] * 4

    def allocate(n):
        left.pop()
        return bytearray(n)

    images = reader.dataset.reader(loading.BANDS, size=6)
    iteration = iter(cloudio.Loader(images, 2, shuffle=False, prefetch=8, allocate=allocate))
    assert soon(lambda: iteration.producer._failed)
    kept = [next(iteration) for _ in range(4)]
    assert [batch.index.tolist() for batch in kept] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    with pytest.raises(IndexError, match="pop from empty list"):
        next(iteration)


def test_an_error_holds_no_memory_once_it_is_dealt_with(reader):
    memory, left = Counted(), [None] * 5

    def allocate(n):
        left.pop()
        return memory(n)

    gc.disable()
    try:
        loader = cloudio.Loader(reader, 2, prefetch=2, allocate=allocate)
        try:
            for _ in loader:
                pass
        except IndexError:
            pass
        del loader, _
        assert memory.alive == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError("full")])
def test_whatever_is_raised_in_the_background_is_raised_by_the_next_step(reader, error):
    def allocate(n):
        raise error

    with pytest.raises(type(error)):
        next(iter(cloudio.Loader(reader, 4, allocate=allocate)))
    assert soon(lambda: not threads())


# ---- processes -----------------------------------------------------------------------------------

SETUP = """
    import gc, os, signal, sys, threading, time
    import cloudio, forks, loading
    from residents import soon
    loader = cloudio.Loader(loading.reader_of(loading.opened(sys.argv[1])), 2, prefetch=3)
"""


def outcome(folder, code, *arguments, seconds=SECONDS):
    """What a fresh interpreter prints, says, and ends with."""
    code = textwrap.dedent(SETUP) + textwrap.dedent(code)
    flags = ["-X", "faulthandler", "-W", "error"]
    run = processes.run(
        processes.python(code, folder, *arguments, flags=flags),
        env=processes.environment(),
        seconds=seconds,
    )
    return run.stdout.split(), run.stderr.strip(), run.returncode


@posix
@pytest.mark.parametrize("where", ["in a step", "in the loop"])
def test_an_interrupt_stops_the_thread(folder, where):
    code = f"""
        # What runs in the background of a shell ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        in_a_step, ready = {where == "in a step"}, threading.Event()
        interrupted = threading.Event()

        def allocate(n):
            if len(asked) == 4 and in_a_step:
                ready.set()
                interrupted.wait()
            asked.append(n)
            return bytearray(n)

        def interrupt():
            ready.wait()
            time.sleep(0.1)  # for the step to wait for its batch; it may also come too early
            os.kill(os.getpid(), signal.SIGINT)
            interrupted.set()

        asked = []
        loader = cloudio.Loader(loader.reader, 2, prefetch=1, allocate=allocate)
        threading.Thread(target=interrupt).start()

        def train():
            kept = []
            for batch in loader:
                kept.append(batch)
                if len(kept) == 2 and not in_a_step:
                    ready.set()
                    time.sleep(20)

        try:
            train()
        except KeyboardInterrupt:
            print("interrupted", soon(lambda: not loading.threads()))
        print(len(list(loader)))
    """
    assert outcome(folder, code) == (["interrupted", "True", "12"], "", 0)


@posix
def test_an_interrupt_that_nobody_catches_ends_the_program(folder):
    code = """
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for batch in loader:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(20)
    """
    printed, said, status = outcome(folder, code)
    assert printed == []
    assert said.endswith("KeyboardInterrupt")
    assert status == -signal.SIGINT


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("iteration = iter(loader); batch = next(iteration)", 0),
        ("iteration = iter(loader)", 0),
        ("for batch in loader: sys.exit(3)", 3),
        ("circle = [iter(loader)]; circle.append(circle); next(circle[0])", 0),
        (
            "def forever():\n"
            "    while True: list(loader)\n"
            "for _ in range(3): threading.Thread(target=forever, daemon=True).start()\n"
            "time.sleep(0.1)",
            0,
        ),
        (
            "slow = cloudio.Loader(loader.reader, 2, allocate=lambda n: (time.sleep(0.2),\n"
            "    bytearray(n))[1])\n"
            "iteration = iter(slow)",
            0,
        ),
        ("import atexit; iteration = iter(loader); atexit.register(lambda: list(iteration))", 0),
    ],
    ids=["stepped", "begun", "exit", "circle", "daemons", "slow", "atexit"],
)
def test_an_interpreter_ends_while_iterations_are_under_way(folder, code, status):
    assert outcome(folder, code, seconds=60) == ([], "", status)


FORKS = """
    wanted = loading.digest_of(loader)
    loader.set_epoch(0)
    held = next(iter(loader))
    before = held.image.tobytes()
    iteration = iter(loader)
    batches = [next(iteration)]
    failed = []

    def begins_its_own():
        global iteration
        ok = False
        try:
            next(iteration)
        except cloudio.RequestError as error:
            ok = f"this iteration belongs to process {os.getppid()}" in str(error)
        ok = ok and len(iteration) == 12 - len(batches)
        if k % 3 == 0:
            del iteration
            gc.collect()
        elif k % 3 == 1:
            iteration.close()
        loader.set_epoch(0)
        ok = ok and loading.digest_of(loader) == wanted and not loading.threads()
        ok = ok and held.image.tobytes() == before
        batches.clear()  # whose memory goes back to a pool that the child has, too
        loader.set_epoch(0)
        return ok and loading.digest_of(loader) == wanted

    for k in range(int(sys.argv[2])):
        leave = sys.exit if k % 5 == 0 else os._exit
        if forks.status_of(forks.fork(begins_its_own, leave=leave)) != 0:
            failed.append(k)
            break
        if k < 11:
            batches.append(next(iteration))
        else:
            loader.set_epoch(0)
            iteration = iter(loader) if len(iteration) < 2 else iteration
            batches = [next(iteration)] if len(iteration) == 12 else [*batches, next(iteration)]
    loader.set_epoch(0)
    print("failed:", failed, loading.digest_of(loader) == wanted)
"""


@needs_fork
def test_a_child_cannot_inherit_an_iteration_but_begins_its_own(folder):
    printed, said, status = outcome(folder, FORKS, scaled(15, 30))
    assert (printed, status) == (["failed:", "[]", "True"], 0), said


def test_a_child_waits_for_no_thread_of_its_parent(reader, monkeypatch):
    """One that was about to end when it forked never does."""
    iteration = iter(cloudio.Loader(reader, 1))
    producer = iteration.producer
    with monkeypatch.context() as patched:
        patched.setattr(producer.thread, "join", lambda: pytest.fail("waits"))
        patched.setattr(os, "getpid", lambda: -1)
        producer.join()
        iteration.close()
    assert producer.thread.is_alive()
    producer.pool.stopped = True
    producer.pool.returned.put(None)
    assert soon(lambda: not threads())


@needs_fork
def test_a_child_does_not_read_into_memory_that_it_shares_with_its_parent(reader):
    memory = []

    def allocate(n):
        memory.append(mmap.mmap(-1, n))
        return memory[-1]

    loader = cloudio.Loader(reader, 4, allocate=allocate)
    for batch in loader:
        assert len(batch.index)
    del batch
    before = [bytes(shared) for shared in memory]

    def reads():
        loader.set_epoch(5)
        return list(loader)

    assert forks.forked(reads) == 0
    assert [bytes(shared) for shared in memory] == before


@forks_under_load
def test_children_of_a_loader_at_full_speed_do_not_hang(folder):
    code = """
        stop, wanted = threading.Event(), loading.digest_of(loader)

        def forever():
            while not stop.is_set():
                loader.set_epoch(0)
                assert sum(len(batch.index) for batch in loader) == 23

        others = [threading.Thread(target=forever) for _ in range(2)]
        for other in others:
            other.start()
        failed = []

        def loads():
            again = cloudio.Loader(loader.reader, 2, prefetch=3)
            return (loading.digest_of(again) == wanted
                    and sum(len(batch.index) for batch in loader) == 23)

        for k in range(int(sys.argv[2])):
            if forks.forked(loads) != 0:
                failed.append(k)
                break
        stop.set()
        for other in others:
            other.join()
        print("failed:", failed)
    """
    printed, said, status = outcome(folder, code, scaled(15, 40))
    assert (printed, status) == (["failed:", "[]"], 0), said


# ---- what is asked for ahead ---------------------------------------------------------------------


def test_pages_of_each_batch_are_asked_for_while_the_one_before_is_built(reader, monkeypatch):
    told = []
    read, prefetch = cloudio.Reader.read, cloudio.Reader.prefetch

    def reads(self, index, *rest, **how):
        told.append(("read", index.tolist()))
        return read(self, index, *rest, **how)

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
