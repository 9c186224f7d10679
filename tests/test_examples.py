"""What lies under examples/, run as its readers run it."""

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cloudio

SCRIPT = Path(__file__).parent.parent / "examples" / "train_unet.py"
pytestmark = [
    pytest.mark.skipif(not SCRIPT.exists(), reason="the tests run without the examples"),
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is an extra"),
]

BANDS = ["L1C_B2", "L1C_B4", "L1C_B10"]
N_PATCHES, BATCH_SIZE, EPOCHS = 24, 4, 9
STOPPED = 8  # batches: within the second epoch, and not where a checkpoint is due


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Logs by name of a whole run, of one that was stopped and resumed, and of one in two ranks.

    Importing torch takes most of the time, so they run side by side.
    """
    root = tmp_path_factory.mktemp("examples")
    data = root / "data"
    cloudio.synthesize(
        data, {"train": N_PATCHES, "val": 3}, arrays=[*BANDS, "LABEL_manual_hq"], seed=1
    )

    def run(name, *more):
        folder = root / name
        folder.mkdir(exist_ok=True)
        small = "--size 64 --val-size 64 --lr 0.02 --threads 1 --checkpoint-every 5".split()
        files = ["--data", data, "--log", folder / "log", "--checkpoint", folder / "run.pt"]
        command = [sys.executable, SCRIPT, *files, "--bands", *BANDS, *small, *more]
        environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder)}
        done = subprocess.run(
            [*map(str, command)], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stopped():
        run("stopped", "--epochs", EPOCHS, "--max-batches", STOPPED)
        return run("stopped", "--epochs", EPOCHS, "--resume")

    with ThreadPoolExecutor() as pool:
        works = [
            pool.submit(run, "whole", "--epochs", EPOCHS),
            pool.submit(stopped),
            pool.submit(run, "ranks", "--epochs", 2, "--ranks", 2),
        ]
        said = [work.result() for work in works]
    logs = {
        folder: [json.loads(line) for line in (root / folder / "log").read_text().splitlines()]
        for folder in ("whole", "stopped", "ranks")
    }
    return SimpleNamespace(root=root, data=data, said=said, **logs)


def batches(log, rank=0):
    return [entry for entry in log if "loss" in entry and entry["rank"] == rank]


def weights(log):
    return [entry["weights"] for entry in log if "weights" in entry]


def test_it_learns_more_than_how_frequent_classes_are(runs):
    losses = [entry["loss"] for entry in batches(runs.whole)]
    assert len(losses) == EPOCHS * N_PATCHES // BATCH_SIZE
    counts = cloudio.stats.classes(cloudio.open(runs.data).split("train"), "manual_hq").counts
    shares = counts[counts > 0] / counts.sum()
    guessing = -(shares * np.log(shares)).sum()
    assert np.mean(losses[-12:]) < 0.6 * guessing < 0.6 * np.mean(losses[:3])


def test_stopped_in_an_epoch_and_resumed_it_is_the_same_to_the_last_bit(runs):
    assert f"goes on after batch {STOPPED} of" in runs.said[1]
    assert STOPPED * BATCH_SIZE % N_PATCHES != 0
    assert batches(runs.stopped) == batches(runs.whole)
    before, after = weights(runs.stopped)
    assert before != after
    assert [after] == weights(runs.whole)
    scores = [[entry for entry in log if "iou" in entry] for log in (runs.stopped, runs.whole)]
    assert scores[0] == scores[1]
    assert len(scores[0]) == EPOCHS
    told = [[line.split(";")[0] for line in said.splitlines()] for said in runs.said]
    assert told[1][1:] == told[0][1:]  # of the epochs that ended before, it says nothing


def test_checkpoints_leave_nothing_half_written(runs):
    for name in "whole", "stopped", "ranks":
        assert [path.name for path in (runs.root / name).glob("run.pt*")] == ["run.pt"]


def test_two_ranks_share_the_patches_and_end_with_the_same_weights(runs):
    first, second = weights(runs.ranks)
    assert first == second
    for epoch in 0, 1:
        seen = [
            patch
            for rank in (0, 1)
            for entry in batches(runs.ranks, rank)
            if entry["epoch"] == epoch
            for patch in entry["patches"]
        ]
        assert sorted(seen) == list(range(N_PATCHES))
    one, other = ([entry["loss"] for entry in batches(runs.ranks, rank)] for rank in (0, 1))
    assert len(one) == len(other) == N_PATCHES // BATCH_SIZE
    assert one != other
