"""`cloudio bench --train`: answers are judged, and figures follow from clocks that are told."""

import json
import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from builders import write_split

import cloudio
from cloudio import Band, Layout, Window
from cloudio.bench import page_cache as pages
from cloudio.bench import train
from cloudio.bench import train_candidates as train_ways
from cloudio.bench import train_workload as train_work
from cloudio.bench import warm as bench
from cloudio.bench.cold_workload import stored
from cloudio.bench.train_workload import Clock, Result, Taken, Way
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml

BANDS = Band("B2", "band", "int16", scale=1e-4), Band("B3", "band", "int16", scale=2.75e-5)
LAYOUT = Layout("Small", (40, 48), Window(1, 2, 36, 40), BANDS)
N, BATCH, SIZE = 24, 2, 32

pytestmark = pytest.mark.skipif(
    not hasattr(pages.os, "posix_fadvise"), reason="memory is read from Linux's /proc"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("loaded") / "train"
    write_split(path, N, LAYOUT)
    (path / "cloudio.toml").write_text(to_toml(LAYOUT))
    return path


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few batches, and processes that need not import torch."""
    monkeypatch.setattr(train, "has_torch", lambda: False)
    for name, n in (("N_SETTLE", 2), ("N_TIMED", 3), ("N_WATCHED", 2), ("_LEAST_TIMED", 2)):
        monkeypatch.setattr(train, name, n)


@pytest.fixture
def job(folder):
    return replace(train.job_of(cloudio.open(folder), 1, SIZE, BATCH, False), computes=(0.0, 0.0))


# ---- the consumer --------------------------------------------------------------------------------


class Told:
    """A clock that goes on only when somebody says that time has passed."""

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
    told = Told()
    taken = train_work.take(told.batches(0.25, 0.5), 4, 1.0, told.clock)
    assert taken == Taken(n=4, seconds=5.0, waited=1.0, cpu_seconds=2.0)
    assert told.slept == [1.0] * 4
    pace = train.Pace.of([taken])
    assert (pace.batches_per_second, pace.waited) == (0.8, 0.2)
    assert pace.cpu_seconds_per_batch == 0.5


def test_a_consumer_that_does_not_compute_only_waits():
    told = Told()
    taken = train_work.take(told.batches(0.25, 0.5), 8, 0.0, told.clock)
    assert taken == Taken(n=8, seconds=2.0, waited=2.0, cpu_seconds=4.0)
    assert told.slept == []


def test_looking_at_a_batch_is_part_of_what_computing_takes():
    told = Told()

    class Slow:
        def __array__(self, *_, **__):
            told.passed += 0.25
            return np.ones(4, np.float32)

    taken = train_work.take(iter([Slow(), Slow()]), 2, 1.0, told.clock)
    assert taken == Taken(n=2, seconds=2.0, waited=0.0, cpu_seconds=0.0)
    assert told.slept == [0.75] * 2


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
            events.append("asked")

    events = []
    train_work.take(batches(), 3, 0.0, Told().clock)
    made_again = [k for k, event in enumerate(events) if event == "made"][1]
    assert "dropped" not in events[:made_again]


# ---- judges --------------------------------------------------------------------------------------


def right(job):
    return (job.reader.read(*job.samples(k)[:2])._replace(label=None) for k in range(job.n_batches))


def way(opened, **more):
    return Way("it", contextmanager(opened), **more)


def test_a_right_contender_is_measured(job):
    taken = train_work.consume(way(lambda job: iter([right(job)])), job).taken
    assert [one.n for one in taken] == [job.n_timed] * 2
    assert job.n_batches == 2 * (2 + 3) + 2


@pytest.mark.parametrize("at", [0, -1])
def test_a_wrong_batch_is_an_error(job, at):
    def opened(job):
        def spoilt():
            for k, batch in enumerate(right(job)):
                if k == at % job.n_batches:
                    batch.image[1, 0, 3, 4] = 7
                yield batch

        yield spoilt()

    number = at % job.n_batches
    with pytest.raises(cloudio.CloudioError, match=f"it, batch {number}: the image of sample 1 is"):
        train_work.consume(way(opened), job)


def test_batches_in_another_order_are_an_error(job):
    def opened(job):
        yield islice(right(job), 1, None)

    with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image of sample 0 is not"):
        train_work.consume(way(opened), job)


def test_fewer_batches_than_there_are_is_an_error(job):
    def opened(job):
        yield islice(right(job), 4)

    with pytest.raises(cloudio.CloudioError, match=f"it: fewer than {job.n_batches} batches"):
        train_work.consume(way(opened), job)


@pytest.mark.parametrize("ulps", [0, 1])
def test_only_who_says_so_may_miss_the_last_bit(job, ulps):
    def opened(job):
        yield (b._replace(image=np.nextafter(b.image, np.float32(9))) for b in right(job))

    if ulps:
        assert train_work.consume(way(opened, ulps=1), job).taken
    else:
        with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image"):
            train_work.consume(way(opened), job)


def test_samples_are_those_a_loader_draws(job):
    for k, batch in enumerate(job.loader()):
        assert np.array_equal(batch.index, job.samples(k).index)
        assert np.array_equal(batch.image, job.reader.read(*job.samples(k)[:2]).image)
    assert k + 1 == job.n_batches
    assert len(np.unique(job.all_samples.index)) == train._DIFFERENT * BATCH
    assert len(np.unique(job.all_samples.origin, axis=0)) > 5


# ---- processes -----------------------------------------------------------------------------------


@contextmanager
def with_a_worker(job):
    """Batches beside a child that uses a CPU and holds 48 MB, once memory has been looked at."""

    def busy(ready):
        held = np.ones(6_000_000)
        ready.set()
        while held[0]:
            pass

    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=busy, args=(ready,), daemon=True)
    worker.start()
    ready.wait()

    def slow():
        for batch in right(job):
            time.sleep(0.05)
            yield batch

    yield slow()
    worker.kill()
    worker.join()


@contextmanager
def dead(job):
    os._exit(3)
    yield


@contextmanager
def wrong(job):
    yield (batch._replace(image=batch.image + 1) for batch in right(job))


def test_cpu_seconds_and_memory_are_also_those_of_workers(job):
    result = train_work.run_apart(Way("it", with_a_worker), job)
    for taken in result.taken:
        assert taken.seconds > 3 * 0.05
        assert taken.waited > 0.9 * taken.seconds
        # Other processes may have had the CPU.
        assert taken.cpu_seconds > 0.2 * taken.seconds
    assert result.own - result.own_before > 40_000_000
    assert result.pss > result.own


def test_an_error_in_a_process_is_raised_here(job):
    with pytest.raises(cloudio.CloudioError, match="it, batch 0: the image of sample 0 is not the"):
        train_work.run_apart(Way("it", wrong), job)


def test_a_process_that_dies_is_told(job):
    with pytest.raises(cloudio.CloudioError, match="it: its process ended with status 3 and no"):
        train_work.run_apart(Way("it", dead), job)
    assert not multiprocessing.active_children()


@contextmanager
def endless(job):
    time.sleep(60)
    yield


def test_an_interrupt_leaves_no_process(job):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            train_work.run_apart(Way("it", endless), job)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begin < 30
    assert not multiprocessing.active_children()


# ---- the report ----------------------------------------------------------------------------------


def taken(seconds, waited, cpu_seconds):
    return Taken(10, seconds, waited, cpu_seconds)


def row(name, scale, ulps=0):
    """Figures of three rounds, of which the second is the median."""
    results = [
        Result([taken(5 * s, s, 2 * s), taken(4 * s, 4 * s, 2 * s)], *memory)
        for s, memory in (
            (scale / 2, (900, 500, 100)),
            (scale, (1000, 600, 100)),
            (scale * 2, (1100, 700, 100)),
        )
    ]
    return train.Row.of(Way(name, right, ulps=ulps), results)


def report(rows):
    return train.Report(
        info(), "data", ("B2",), (SIZE, SIZE), 2, 10, 5, 1, 3, False, 0.1, True, ["left out"], rows
    )


def info():
    return {"cloudio": cloudio.__version__}


def test_figures_follow_from_the_runs():
    one = row("it", 1.0, ulps=1)
    assert (one.name, one.answer) == ("it", "within 1 ulp")
    assert one.computing.batches_per_second == 2
    assert one.computing.waited == pytest.approx(0.2)
    assert one.computing.cpu_seconds_per_batch == pytest.approx(0.2)
    assert (one.data_bound.batches_per_second, one.data_bound.waited) == (2.5, 1)
    assert [run.seconds for run in one.computing.runs] == [2.5, 5, 10]
    assert (one.pss_bytes, one.own_bytes, one.more_bytes) == (1000, 600, 500)


def test_text_and_json_have_the_table_and_the_ratios():
    usual = f"{train_ways.USUAL}, 2 workers"
    rows = [row(train_ways.IN_A_LOOP, 0.8), row(train_ways.OURS, 1.0), row(usual, 6.0, 1)]
    found = report(rows)
    assert "computes 100 ms a batch" in found.summary
    assert "wait 20.0% of the time" in found.summary
    assert "it gets 0.80 of the batches of reader.read in a loop" in found.summary
    assert "6.0 times those of torch's DataLoader with 2 workers" in found.summary
    assert "for 0.17 of its CPU seconds and 1.00 of the memory it adds (1.00 of" in found.summary
    text = str(found)
    assert "left out" in text.split("\n\n")
    (line,) = (line for line in text.splitlines() if line.startswith("cloudio.Loader "))
    assert line.split()[1:] == ["2.0", "20.0%", "2.5", "0.80", "200.0", "0", "0", "0"]
    read = json.loads(found.json())
    assert read["rows"][2]["computing"]["runs"][0] == vars(rows[2].computing.runs[0])
    assert read["summary"] == found.summary
    assert report(rows[:2]).summary.endswith("of the batches of reader.read in a loop.")


def test_without_torch_ours_are_timed_and_the_rest_is_told(folder, capsys):
    words = ["--size", str(SIZE), "--batch", "2", "--rounds", "1", "--threads", "1"]
    assert main(["bench", str(folder), "--train", "--json", *words]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in read["rows"]] == ["reader.read in a loop", "cloudio.Loader"]
    assert read["left_out"] == ["left out, for torch is not installed: cloudio.torch, DataLoader"]
    assert (read["size"], read["batch_size"], read["n_timed"]) == ([SIZE, SIZE], 2, 3)
    assert 0 < read["compute_seconds"] < 1
    assert not read["compute_is_given"]
    loop = read["rows"][0]
    assert loop["data_bound"]["waited"] > 0.5
    (run,) = loop["computing"]["runs"]
    assert run["seconds"] >= 3 * read["compute_seconds"]
    assert loop["pss_bytes"] > loop["own_bytes"] > loop["more_bytes"] > 0


def test_pages_are_evicted_before_each_run_and_no_patch_is_taken_twice(folder, monkeypatch):
    events = []

    class Files:
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731
        evict = lambda self: events.append("evicted")  # noqa: E731

    def run_apart(way, job):
        events.append(way.name)
        assert len(np.unique(job.all_samples.index)) == job.n_batches * BATCH
        return Result([taken(2.0, 1.0, 1.0)] * len(job.computes), 3, 2, 1)

    monkeypatch.setattr(train.cold, "files_of", lambda dataset, bands: Files())
    monkeypatch.setattr(train, "run_apart", run_apart)
    found = train.run(folder, rounds=2, size=SIZE, batch_size=BATCH, evicted=True)
    loop, ours = train_ways.IN_A_LOOP, train_ways.OURS
    assert events[::2] == ["evicted"] * 7
    assert events[1::2] == [loop, loop, loop, loop, ours, loop, ours]
    assert found.compute_seconds == 0.1
    assert "pages evicted before each run" in str(found)
    with pytest.raises(
        cloudio.RequestError,
        match="8 batches of 3 patches; 10 are needed where none may",
    ):
        train.run(folder, rounds=1, size=SIZE, batch_size=3, evicted=True)


def test_workers_that_lack_shared_memory_are_left_out(job, monkeypatch):
    n_bytes = BATCH * SIZE * SIZE * 4 * 2
    rooms = (0, 0), (6 * n_bytes - 1, 0), (6 * n_bytes, 2), (10 * n_bytes - 1, 2), (10 * n_bytes, 4)
    for room, n_workers in rooms:
        monkeypatch.setattr(train, "shared_room", lambda room=room: room)
        found, left_out = train.contenders(replace(job, torch=True))
        assert max(way.n_workers for way in found) == n_workers
        assert len(found) + len(left_out) == len(train_ways.ways(True))
        if n_workers < 4:
            assert left_out[-1].startswith("left out: DataLoader, usual Dataset *, 4 workers, ")


def test_patches_that_are_taken_again_fit_the_memory(job, monkeypatch):
    n_bytes = 40 * 48 * 2 * 2
    for free, n in ((1 << 40, 16), (5 * 4 * n_bytes, 5), (1, 1)):
        monkeypatch.setattr(bench, "free_bytes", lambda free=free: free)
        assert train.most_patches(job.dataset, job.bands, BATCH) == n


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train", "--rounds", "0"], "rounds=0; a whole number from 1 on"),
        (["--train", "--batch", "0"], "batch=0; a whole number from 1 on"),
        (["--train", "--compute", "-1"], "compute=-1.0; milliseconds, 0 or more, are needed"),
        (["--train", "--compute", "nan"], "compute=nan; milliseconds"),
        (["--train", "--size", "41"], "41"),
        (["--size", "32"], "--size, --batch and --compute are options of --train"),
    ],
)
def test_bad_arguments_are_refused(folder, capsys, words, message):
    assert main(["bench", str(folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_cold_needs_a_path_and_memory_is_read_from_linux(folder, monkeypatch):
    with pytest.raises(
        cloudio.RequestError, match="bench --train --cold needs a data set on a disk"
    ):
        train.run(None, evicted=True)
    monkeypatch.setattr(train.sys, "platform", "win32")
    with pytest.raises(cloudio.CloudioError, match=r"bench --train needs Linux, .*; this is win32"):
        train.run(folder)


# ---- the contenders ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["flat", "npy", "stacked"])
def test_the_usual_memmap_is_the_array(tmp_path, form):
    """Also where it is one of the channels of a file."""
    rng = np.random.default_rng(0)
    both = rng.integers(-9, 9, (3, 2, 40, 48), np.int16)
    if form == "stacked":
        bands = [
            replace(band, file="both.dat", channel=k, channels=2) for k, band in enumerate(BANDS)
        ]
        layout = replace(LAYOUT, bands=tuple(bands))
        both.tofile(tmp_path / "both.dat")
    else:
        layout = LAYOUT
        for k, band in enumerate(BANDS):
            if form == "npy":
                np.save(tmp_path / f"{band.name}.npy", both[:, k])
            else:
                both[:, k].tofile(tmp_path / f"{band.name}.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    for k, band in enumerate(BANDS):
        mapped = train_ways._memmap(stored(ds, band.name))
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, both[:, k])


@pytest.mark.parametrize("name", [way.name for way in train_ways.ways(True)])
def test_every_contender_gives_the_answer(job, name):
    """Those with workers are otherwise as those without."""
    (chosen,) = (way for way in train_ways.ways(True) if way.name == name)
    if "torch" in name or "DataLoader" in name:
        pytest.importorskip("torch", reason="torch is an extra")
    if chosen.n_workers > 2:
        pytest.skip("as with 2 workers")
    assert len(train_work.consume(chosen, job).taken) == 2
