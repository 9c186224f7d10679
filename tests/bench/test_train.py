"""`cloudio bench --train`: figures follow from the runs, and patches are read as often as told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benching import BATCH, SIZE

import cloudio
from cloudio.bench import page_cache, train
from cloudio.bench.train_candidates import IN_A_LOOP, OURS, USUAL, train_candidates
from cloudio.bench.train_workload import ConsumerRun, Consumption, TrainCandidate
from cloudio.cli import main

pytestmark = [
    pytest.mark.skipif(
        not hasattr(page_cache.os, "posix_fadvise"), reason="memory is read from Linux's /proc"
    ),
    pytest.mark.usefixtures("few_batches"),
]


# ---- the report ----------------------------------------------------------------------------------


def consumption(seconds, waited, cpu_seconds):
    return Consumption(10, seconds, waited, cpu_seconds)


def runs_of(scale):
    """Three rounds, of which the second is the median."""
    return [
        ConsumerRun([consumption(5 * s, s, 2 * s), consumption(4 * s, 4 * s, 2 * s)], *memory)
        for s, memory in (
            (scale / 2, (900, 500, 100)),
            (scale, (1000, 600, 100)),
            (scale * 2, (1100, 700, 100)),
        )
    ]


def case_of(scales, ulps=0):
    candidates = [TrainCandidate(name, None, ulps=ulps) for name in scales]
    return train.case_of(candidates, {name: runs_of(scale) for name, scale in scales.items()})


def report_of(case, **more):
    about = {
        "data": "data", "bands": ("B2",), "size": (SIZE, SIZE), "batch_size": 2, "n_timed": 10,
        "n_settle": 5, "threads": 1, "rounds": 3, "cold": False, "compute_seconds": 0.1,
        "compute_is_given": True, "left_out": ["left out"],
    }  # fmt: skip
    return train.report_of(about | more, case, "1 band (B2)")


def test_figures_follow_from_the_runs():
    row = case_of({"loop": 2.0, "it": 1.0}, ulps=1).rows[1]
    assert (row.name, row["answer"]) == ("it", "within 1 ulp")
    assert row["computing.batches_per_second"] == 2
    assert row["computing.waited"] == pytest.approx(0.2)
    assert row["computing.cpu_seconds_per_batch"] == pytest.approx(0.2)
    assert (row["data_bound.batches_per_second"], row["data_bound.waited"]) == (2.5, 1)
    assert row["fraction_of_loop"] == 2
    assert [run["seconds"] for run in row["computing.runs"]] == [2.5, 5, 10]
    assert [row[key] for key in ("pss_bytes", "own_bytes", "more_bytes")] == [1000, 600, 500]


def test_text_and_json_have_the_table_and_the_ratios():
    scales = {IN_A_LOOP: 0.8, OURS: 1.0, f"{USUAL}, 2 workers": 6.0}
    case = case_of(scales)
    report = report_of(case)
    assert "computes 100 ms per batch waits for cloudio.Loader 20.0% of" in report.summary
    assert "it gets 0.80 of the batches/s of reader.read in a loop" in report.summary
    assert "6.0 times those of torch's DataLoader with 2 workers" in report.summary
    assert "for 0.17 of its CPU seconds and 1.00 of the memory it adds (1.00 of" in report.summary
    text = str(report)
    assert "left out" in text.split("\n\n")
    (line,) = (line for line in text.splitlines() if line.startswith("cloudio.Loader "))
    assert line.split()[1:] == ["2.0", "20.0%", "2.5", "0.80", "200.0", "0", "0", "0"]
    read = json.loads(report.json())
    assert read["rows"] == [row.as_dict() for row in case.rows]
    assert read["rows"][2]["computing"]["runs"][0] == vars(runs_of(6.0)[0].consumed[0])
    assert read["summary"] == report.summary


def test_without_torch_the_summary_compares_with_the_loop_alone():
    report = report_of(case_of({IN_A_LOOP: 0.8, OURS: 1.0}))
    assert report.summary.endswith("of the batches/s of reader.read in a loop.")


def test_a_consumer_that_computes_otherwise_than_a_read_takes_is_said():
    case = case_of({IN_A_LOOP: 0.8, OURS: 1.0})
    assert "what a read took" not in report_of(case, compute_seconds=0.3).summary
    noisy = report_of(case, compute_seconds=0.48, compute_is_given=False)
    assert "480 ms per batch (1.50 of what a read took in these rounds) waits" in noisy.summary


# ---- one run -------------------------------------------------------------------------------------


def test_without_torch_ours_are_timed_and_the_rest_is_said(train_folder, capsys):
    words = ["--size", str(SIZE), "--batch", "2", "--rounds", "1", "--threads", "1"]
    assert main(["bench", str(train_folder), "--train", "--json", *words]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in read["rows"]] == ["reader.read in a loop", "cloudio.Loader"]
    assert read["left_out"] == [
        "left out, because torch is not installed: cloudio.torch, DataLoader"
    ]
    assert (read["size"], read["batch_size"], read["n_timed"]) == ([SIZE, SIZE], 2, 3)
    assert read["compute_seconds"] > 0
    assert not read["compute_is_given"]
    loop = read["rows"][0]
    assert 0 < loop["data_bound"]["waited"] <= 1
    (run,) = loop["computing"]["runs"]
    assert run["seconds"] >= 3 * read["compute_seconds"]
    assert loop["pss_bytes"] > loop["own_bytes"] > loop["more_bytes"] > 0


def test_pages_are_evicted_before_each_run_and_no_patch_is_read_twice(train_folder, monkeypatch):
    events = []

    class Files:
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731
        evict = lambda self: events.append("evicted")  # noqa: E731

    def run_apart(candidate, workload):
        events.append(candidate.name)
        assert len(np.unique(workload.all_samples.index)) == workload.n_batches * BATCH
        return ConsumerRun([consumption(2.0, 1.0, 1.0)] * len(workload.compute_seconds), 3, 2, 1)

    monkeypatch.setattr(train, "evictable_files", lambda dataset, bands: Files())
    monkeypatch.setattr(train, "run_apart", run_apart)
    found = train.run(train_folder, rounds=2, size=SIZE, batch_size=BATCH, evicted=True)
    loop, ours = IN_A_LOOP, OURS
    assert events[::2] == ["evicted"] * 7
    assert events[1::2] == [loop, loop, loop, loop, ours, loop, ours]
    assert found["compute_seconds"] == 0.1
    assert "pages evicted before each run" in str(found)


def test_too_few_patches_to_read_none_twice_are_an_error(train_folder):
    with pytest.raises(
        cloudio.RequestError,
        match=r"24 patches, but --cold .* 30 \(10 batches of 3\).* --batch 2, or",
    ):
        train.run(train_folder, rounds=1, size=SIZE, batch_size=3, evicted=True)


def test_a_given_time_to_compute_is_not_measured(train_folder, monkeypatch):
    computed = []

    def run_apart(candidate, workload):
        computed.append(workload.compute_seconds)
        return ConsumerRun([consumption(2.0, 1.0, 1.0)] * 2, 3, 2, 1)

    monkeypatch.setattr(train, "run_apart", run_apart)
    found = train.run(train_folder, rounds=1, size=SIZE, batch_size=BATCH, compute=20)
    assert computed == [(0.02, 0.0)] * 2
    assert found["compute_is_given"]


def test_workers_that_lack_shared_memory_are_left_out(consumed, monkeypatch):
    n_bytes = BATCH * SIZE * SIZE * 4 * 2
    rooms = (0, 0), (6 * n_bytes - 1, 0), (6 * n_bytes, 2), (10 * n_bytes - 1, 2), (10 * n_bytes, 4)
    for free, n_workers in rooms:
        monkeypatch.setattr(train, "free_shared_bytes", lambda free=free: free)
        found, left_out = train.runnable(replace(consumed, torch=True))
        assert max(candidate.n_workers for candidate in found) == n_workers
        assert len(found) + len(left_out) == len(train_candidates(True))
        if n_workers < 4:
            assert left_out[-1].startswith("left out: DataLoader, usual Dataset *, 4 workers, ")


def test_patches_that_are_read_again_fit_the_memory(consumed, monkeypatch):
    n_bytes = 40 * 48 * 2 * 2
    for free, n in ((1 << 40, 16), (5 * 4 * n_bytes, 5), (1, 1)):
        monkeypatch.setattr(train, "free_bytes", lambda free=free: free)
        assert train.most_patches(consumed.dataset, consumed.bands, BATCH) == n


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train", "--rounds", "0"], "--rounds 0; --rounds must be a whole number, 1 or more"),
        (["--train", "--batch", "0"], "--batch 0; --batch must be a whole number, 1 or more"),
        (["--train", "--compute", "-1"], "--compute -1.0; --compute must be milliseconds, 0"),
        (["--train", "--compute", "nan"], "--compute nan; --compute must be milliseconds"),
        (["--train", "--size", "41"], "41"),
        (["--size", "32"], "--size, --batch and --compute need --train"),
    ],
)
def test_bad_arguments_are_refused(train_folder, capsys, words, message):
    assert main(["bench", str(train_folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_cold_needs_a_path_and_memory_is_read_from_linux(train_folder, monkeypatch):
    with pytest.raises(
        cloudio.RequestError, match="bench --train --cold needs the PATH of a data set on a disk"
    ):
        train.run(None, evicted=True)
    monkeypatch.setattr(train.sys, "platform", "win32")
    with pytest.raises(cloudio.CloudioError, match=r"bench --train needs Linux, .*; this is win32"):
        train.run(train_folder)
