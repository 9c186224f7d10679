"""Loops that are interrupted at any moment: each interrupt arrives where the loop is."""

import contextlib
import gc
import random
import sys
import threading
import weakref

import interrupted
import pytest
from loading import threads
from profiles import scaled
from residents import soon

import cloudio

linux = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")


@linux
@pytest.mark.parametrize("name", interrupted.LOOPS)
def test_no_interrupt_of_a_loop_is_lost(name):
    if "tensors" in name:
        pytest.importorskip("torch")
    outcome = interrupted.interrupt_loop(name, scaled(60, 1000), random.Random(name))
    assert outcome == interrupted.LoopOutcome(0, "")


def test_threads_that_ended_are_dropped_by_other_threads(reader):
    """In the main thread a signal may be handled while the standard library forgets one."""
    dropped = []

    class Watched(threading.Thread):
        def __del__(self):
            dropped.append(threading.current_thread() is threading.main_thread())

    loader = cloudio.Loader(reader, 4)
    for k in range(100):
        iteration = iter(loader)
        iteration.producer.thread.__class__ = Watched
        list(iteration) if k % 2 else next(iteration)
        iteration.close()
        del iteration
        assert soon(lambda: not threads())
    assert len(dropped) > 50
    assert not any(dropped)


def test_a_thread_that_never_started_is_not_left_to_the_garbage_collector(reader, monkeypatch):
    """It would forget it anywhere, and an interrupt that comes then is lost."""
    left = []

    def start(thread):
        left.append(weakref.ref(thread))
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt):
            iter(cloudio.Loader(reader, 4))
        assert [thread() for thread in left] == [None]
    finally:
        gc.enable()


def test_an_interrupt_while_a_thread_starts_is_no_error_of_the_loader(reader, monkeypatch):
    """`threading` then releases a lock that it does not hold, and raises RuntimeError."""
    raised = []

    def acquire(condition, state):
        if threading.current_thread() is threading.main_thread():
            raised.append(KeyboardInterrupt("where it waits for the thread"))
            raise raised[0]
        condition._lock.acquire()

    monkeypatch.setattr(threading.Condition, "_acquire_restore", acquire)
    for _ in range(1000):
        if raised:
            break
        with contextlib.suppress(KeyboardInterrupt):
            iter(cloudio.Loader(reader, 4)).close()
    assert len(raised) == 1
    monkeypatch.undo()
    assert soon(lambda: not threads())
