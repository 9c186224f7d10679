"""Iterations and the processes around them: interrupts, forks and the end of the interpreter.

Programs that may hang or die run beside the tests, with a time limit.
"""

import mmap
import os
import signal
import textwrap

import forks
import processes
import pytest
from loading import threads
from processes import SECONDS, forks_under_load, needs_fork
from profiles import scaled
from residents import soon

import cloudio

posix = pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
SETUP = """
    import gc, os, signal, sys, threading, time
    import cloudio, forks, loading
    from residents import soon
    loader = cloudio.Loader(loading.make_reader(loading.open_set(sys.argv[1])), 2, prefetch=3)
"""


def outcome(folder, code, *arguments, first="", seconds=SECONDS):
    """What a fresh interpreter prints, says, and ends with; ``first`` runs before any import."""
    code = textwrap.dedent(first) + textwrap.dedent(SETUP) + textwrap.dedent(code)
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


LEFT = """
    import atexit, os, threading

    @atexit.register  # before any other, so it comes last
    def left():
        if any(thread.name == "cloudio.Loader" for thread in threading.enumerate()):
            os._exit(7)
"""
ENDING = """
    from cloudio.loading import prefetch

    def begins(phase, _):
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.005)

    gc.callbacks.append(begins)
    gc.set_threshold(1)
    iteration = iter(loader)
    next(iteration)
    del iteration
    while prefetch._running:
        time.sleep(0.001)
"""


def test_an_interpreter_ends_after_threads_that_are_about_to_end(folder):
    """The collector takes long in such a thread."""
    assert outcome(folder, ENDING, first=LEFT, seconds=60) == ([], "", 0)


FORKS = """
    wanted = loading.epoch_digest(loader)
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
            ok = f"this iteration was begun in process {os.getppid()}" in str(error)
        ok = ok and len(iteration) == 12 - len(batches)
        if k % 3 == 0:
            del iteration
            gc.collect()
        elif k % 3 == 1:
            iteration.close()
        loader.set_epoch(0)
        ok = ok and loading.epoch_digest(loader) == wanted and not loading.threads()
        ok = ok and held.image.tobytes() == before
        batches.clear()  # whose memory goes back to a pool that the child has, too
        loader.set_epoch(0)
        return ok and loading.epoch_digest(loader) == wanted

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
    print("failed:", failed, loading.epoch_digest(loader) == wanted)
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


@forks_under_load
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
        stop, wanted = threading.Event(), loading.epoch_digest(loader)

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
            return (loading.epoch_digest(again) == wanted
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
