"""A consumer's batches are checked, its clocks told apart, its process gone afterwards."""

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from functools import partial
from itertools import islice

import forks
import numpy as np
import pytest
from benching import BATCH, right_batches

import cloudio
from cloudio.bench import page_cache, train
from cloudio.bench.train_workload import (
    Clock,
    Consumption,
    TrainCandidate,
    consume,
    run_apart,
    run_consumer,
)

pytestmark = pytest.mark.skipif(
    not hasattr(page_cache.os, "posix_fadvise"), reason="memory is read from Linux's /proc"
)
# CPU seconds that a worker spends on each batch.
BUSY = 0.05


# ---- the consumer --------------------------------------------------------------------------------


class FakeTime:
    """Time that passes only when somebody says so."""

    def __init__(self):
        self.passed = self.used = 0.0
        self.slept = []

    @property
    def clock(self):
        return Clock(lambda: self.passed, self.sleep, lambda: self.used)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.passed += seconds

    def batches(self, seconds, cpu_seconds):
        """Each lets the consumer wait so long, and costs so much."""
        while True:
            self.passed += seconds
            self.used += cpu_seconds
            yield np.ones((2, 3, 4, 4), np.float32)


def test_waiting_is_told_from_computing():
    fake = FakeTime()
    found = consume(fake.batches(0.25, 0.5), 4, 1.0, fake.clock)
    assert found == Consumption(n=4, seconds=5.0, waited=1.0, cpu_seconds=2.0)
    assert fake.slept == [1.0] * 4


def test_a_consumer_that_does_not_compute_only_waits():
    fake = FakeTime()
    found = consume(fake.batches(0.25, 0.5), 8, 0.0, fake.clock)
    assert found == Consumption(n=8, seconds=2.0, waited=2.0, cpu_seconds=4.0)
    assert fake.slept == []


def test_looking_at_a_batch_is_part_of_what_computing_takes():
    fake = FakeTime()

    class Slow:
        def __array__(self, *_, **__):
            fake.passed += 0.25
            return np.ones(4, np.float32)

    found = consume(iter([Slow(), Slow()]), 2, 1.0, fake.clock)
    assert found == Consumption(n=2, seconds=2.0, waited=0.0, cpu_seconds=0.0)
    assert fake.slept == [0.75] * 2


def test_a_batch_is_held_until_the_next_one_is_there():
    class Held(np.ndarray):
        def __del__(self):
            events.append("dropped")

    def batches():
        while True:
            batch = np.ones(4, np.float32).view(Held)
            events.append("made")
            yield batch
            del batch
            events.append("requested")

    events = []
    consume(batches(), 3, 0.0, FakeTime().clock)
    made_again = [k for k, event in enumerate(events) if event == "made"][1]
    assert "dropped" not in events[:made_again]


# ---- answers -------------------------------------------------------------------------------------


def candidate(opened, **more):
    return TrainCandidate("it", contextmanager(opened), **more)


def test_a_right_candidate_is_measured(consumed):
    found = run_consumer(candidate(lambda workload: iter([right_batches(workload)])), consumed)
    assert [one.n for one in found.consumed] == [consumed.n_timed] * 2
    assert consumed.n_batches == 2 * (2 + 3) + 2


@pytest.mark.parametrize("at", [0, -1])
def test_a_wrong_batch_is_an_error(consumed, at):
    wrong = at % consumed.n_batches

    def opened(workload):
        def batches():
            for k, batch in enumerate(right_batches(workload)):
                if k == wrong:
                    batch.image[1, 0, 3, 4] = 7
                yield batch

        yield batches()

    with pytest.raises(cloudio.CloudioError, match=f"it, batch {wrong}: the image of sample 1 d"):
        run_consumer(candidate(opened), consumed)


def test_batches_in_another_order_are_an_error(consumed):
    def opened(workload):
        yield islice(right_batches(workload), 1, None)

    with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image of sample 0 differs"):
        run_consumer(candidate(opened), consumed)


def test_fewer_batches_than_there_are_is_an_error(consumed):
    def opened(workload):
        yield islice(right_batches(workload), 4)

    with pytest.raises(cloudio.CloudioError, match=f"it: fewer than {consumed.n_batches} batches"):
        run_consumer(candidate(opened), consumed)


@pytest.mark.parametrize("ulps", [0, 1])
def test_only_a_candidate_that_says_so_may_miss_the_last_bit(consumed, ulps):
    def opened(workload):
        yield (
            batch._replace(image=np.nextafter(batch.image, np.float32(9)))
            for batch in right_batches(workload)
        )

    if ulps:
        assert run_consumer(candidate(opened, ulps=1), consumed).consumed
    else:
        with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image"):
            run_consumer(candidate(opened), consumed)


def test_samples_are_those_a_loader_draws(consumed):
    for k, batch in enumerate(consumed.loader()):
        assert np.array_equal(batch.index, consumed.samples(k).index)
        assert np.array_equal(batch.image, consumed.reader.read(*consumed.samples(k)[:2]).image)
    assert k + 1 == consumed.n_batches
    assert len(np.unique(consumed.all_samples.index)) == train._DIFFERENT * BATCH
    assert len(np.unique(consumed.all_samples.origin, axis=0)) > 5


# ---- processes -----------------------------------------------------------------------------------


@contextmanager
def with_a_worker(workload):
    """Batches, each of which comes when a child has used a CPU for so long; it holds 48 MB."""

    def busy(ready):
        forks.die_with(parent)
        held = np.ones(6_000_000)
        ready.set()
        while held[0]:
            pass

    context, parent = multiprocessing.get_context("fork"), os.getpid()
    ready = context.Event()
    worker = context.Process(target=busy, args=(ready,), daemon=True)
    worker.start()
    ready.wait()

    def used():
        return time.clock_gettime(~worker.pid << 3 | 2)

    def batches():
        for batch in right_batches(workload):
            before = used()
            while used() < before + BUSY:
                time.sleep(BUSY / 10)
            yield batch

    yield batches()
    worker.kill()
    worker.join()


def test_cpu_seconds_and_memory_include_those_of_workers(consumed):
    found = run_apart(TrainCandidate("it", with_a_worker), consumed)
    for one in found.consumed:
        assert one.seconds >= one.waited >= 3 * BUSY
        assert one.cpu_seconds >= 3 * BUSY
    assert found.own - found.own_before > 40_000_000
    assert found.pss > found.own


@contextmanager
def wrong(workload):
    yield (batch._replace(image=batch.image + 1) for batch in right_batches(workload))


def test_an_error_in_a_process_is_raised_here(consumed):
    with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image of sample 0 differs"):
        run_apart(TrainCandidate("it", wrong), consumed)


@contextmanager
def dying(workload):
    os._exit(3)
    yield


def test_a_process_that_dies_is_an_error_with_its_status(consumed):
    with pytest.raises(cloudio.CloudioError, match="it: its process ended with status 3 and no"):
        run_apart(TrainCandidate("it", dying), consumed)
    assert not multiprocessing.active_children()


@contextmanager
def interrupting(ended, workload):
    """The parent is interrupted while it waits for this process."""
    os.kill(os.getppid(), signal.SIGUSR1)
    time.sleep(60)
    ended.touch()
    yield


def test_an_interrupt_leaves_no_process(consumed, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    ended = tmp_path / "ended"
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_apart(TrainCandidate("it", partial(interrupting, ended)), consumed)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not multiprocessing.active_children()
    assert not ended.exists()
