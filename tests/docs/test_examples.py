"""What lies under examples/, run as its readers run it."""

import importlib.util
import io
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import processes
import pytest
from paths import ROOT
from profiles import THOROUGH

import cloudio

SCRIPT = ROOT / "examples" / "train_unet.py"
pytestmark = [
    pytest.mark.skipif(not SCRIPT.exists(), reason="the tests run without the examples"),
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is an extra"),
]

# Six processes import torch.
of_ranks = pytest.mark.skipif(not THOROUGH, reason="takes long; CLOUDIO_TEST_PROFILE=thorough")

BANDS = ["L1C_B2", "L1C_B4", "L1C_B10"]  # in two ranks, the preset "rgb"
ARRAYS = ["L1C_B10", "L1C_B2", "L1C_B3", "L1C_B4", "LABEL_manual_hq"]
N_PATCHES, BATCH_SIZE, EPOCHS = 24, 4, 9
STOPPED = 8  # batches: within the second epoch, and not where a checkpoint is due
RANKS_STOPPED = 2  # batches: within the first epoch

# Two ranks that stop and go on, and then, from where they stopped, one rank with smaller batches.
# Each process is used for all that it has to do, since it takes seconds to import torch.
RANKS = """
import shutil
import sys

import torch
import train_unet

def stop_and_resume(number, stopped, resumed, address):
    train_unet.run_rank(number, stopped, address + "-1")
    if number == 0:
        shutil.copy(stopped.checkpoint, stopped.checkpoint.with_name("alone"))
    train_unet.run_rank(number, resumed, address + "-2")

if __name__ == "__main__":
    address, number, *words = sys.argv[1:]

    def arguments(more):
        sys.argv[1:] = words + more.split()
        return train_unet.arguments()

    stopped = arguments(f"--ranks 2 --max-batches {number}")
    resumed = arguments("--ranks 2 --resume")
    torch.multiprocessing.spawn(stop_and_resume, (stopped, resumed, address), nprocs=2)
    alone = arguments("--batch-size 3 --resume --epochs 1")
    alone.checkpoint = alone.checkpoint.with_name("alone")
    alone.log = alone.log.with_name("alone-log")
    train_unet.train(alone)
    train_unet.train(alone)
"""


class Runs:
    """Runs of the script, each in a folder of its own under ``root``, on the same data.

    Importing torch takes most of the time, so they run side by side.
    """

    def __init__(self, root):
        self.root, self.data = root, root / "data"
        cloudio.synthesize(self.data, {"train": N_PATCHES, "val": 3}, arrays=ARRAYS, seed=1)

    def run(self, name, *more, script=(SCRIPT,)):
        """Return what the script prints."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        small = "--size 64 --val-size 64 --lr 0.02 --threads 1 --checkpoint-every 5".split()
        files = ["--data", self.data, "--log", folder / "log", "--checkpoint", folder / "run.pt"]
        command = [sys.executable, *script, *files, "--bands", *BANDS, *small, *more]
        environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder)}
        return processes.printed(command, env=environment, seconds=240)

    def log(self, name, file="log"):
        lines = (self.root / name / file).read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that was not stopped and one that was stopped and resumed: what they said, and logs."""
    both = Runs(tmp_path_factory.mktemp("examples"))

    def stopped():
        both.run("stopped", "--epochs", EPOCHS, "--max-batches", STOPPED)
        return both.run("stopped", "--epochs", EPOCHS, "--resume")

    with ThreadPoolExecutor() as pool:
        works = pool.submit(both.run, "whole", "--epochs", EPOCHS), pool.submit(stopped)
        said = [work.result() for work in works]
    logs = {name: both.log(name) for name in ("whole", "stopped")}
    return SimpleNamespace(data=both.data, said=said, **logs)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """The same of runs of two ranks, and of one that goes on alone."""
    both = Runs(tmp_path_factory.mktemp("ranks"))
    short = "--bands", "rgb", "--epochs", 2

    def resumed():
        script = both.root / "ranks.py"
        found = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})"
        script.write_text(found + RANKS)
        address = (both.root / "address").as_uri()
        return both.run("resumed", *short, script=(script, address, RANKS_STOPPED))

    with ThreadPoolExecutor() as pool:
        works = (
            pool.submit(both.run, "whole", *short, "--ranks", 2, "--resume"),
            pool.submit(resumed),
        )
        said = [work.result() for work in works]
    logs = {name: both.log(name) for name in ("whole", "resumed")}
    return SimpleNamespace(said=said, alone=both.log("resumed", "alone-log"), **logs)


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
    assert f"resumes after batch {STOPPED} of" in runs.said[1]
    assert STOPPED * BATCH_SIZE % N_PATCHES != 0
    assert batches(runs.stopped) == batches(runs.whole)
    before, after = weights(runs.stopped)
    assert before != after
    assert [after] == weights(runs.whole)
    scores = [[entry for entry in log if "iou" in entry] for log in (runs.stopped, runs.whole)]
    assert scores[0] == scores[1]
    assert len(scores[0]) == EPOCHS
    told = [[line.split(";")[0] for line in said.splitlines()] for said in runs.said[:2]]
    assert told[1][1:] == told[0][1:]  # of the epochs that ended before, it says nothing


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("train_unet")


def test_a_save_that_fails_leaves_the_whole_checkpoint_before_it(
    runs, example, tmp_path, monkeypatch
):
    torch = example.torch
    path = tmp_path / "run.pt"
    save = torch.save

    def fails_halfway(state, file):
        whole = io.BytesIO()
        save(state, whole)
        with file if hasattr(file, "write") else open(file, "wb") as begun:
            begun.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        raise OSError("no space left")

    def new(**options):
        model = torch.nn.Linear(1, 1)
        reader = cloudio.open(runs.data).split("train").reader("rgb", size=32)
        return example.Run(
            model, torch.optim.AdamW(model.parameters()), cloudio.torch.Loader(reader, 4), **options
        )

    def found():
        run = new()
        run.restore(path)
        return run.step

    run = new(step=1)
    run.save(path)
    run.step = 2
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fails_halfway)
        with pytest.raises(OSError, match="no space left"):
            run.save(path)
    assert found() == 1
    run.save(path)
    assert found() == 2
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SystemExit, match=r"run\.pt cannot be read as a checkpoint"):
        found()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--checkpoint-every 0", "--checkpoint-every: 0 is less than 1"),
        ("--max-batches -1", "--max-batches: -1 is less than 1"),
        ("--ranks 0", "--ranks: 0 is less than 1"),
        ("--width 6", "--width must be multiples of 4"),
        ("--checkpoint nowhere/run.pt", "run.pt cannot be written"),
        ("--resume", "--resume needs --checkpoint"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(example, words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_unet.py", *words.split()])
    with pytest.raises(SystemExit):
        example.main()
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def floods(tmp_path_factory):
    """Data with a layout of their own: one band, and a label of three classes without names."""
    root = tmp_path_factory.mktemp("floods")
    numbers = np.random.default_rng(1)
    for split in ("train", "val"):
        (root / split).mkdir()
        np.save(root / split / "red.npy", numbers.integers(0, 9000, (4, 64, 64), np.uint16))
        np.save(root / split / "flood.npy", numbers.integers(0, 3, (4, 64, 64), np.uint8))
    (root / "cloudio.toml").write_text(
        'name = "floods"\npatch = [64, 64]\n'
        '[[arrays]]\nname = "red"\ndtype = "uint16"\nscale = 1e-4\n'
        '[[arrays]]\nname = "flood"\nkind = "label"\ndtype = "uint8"\n'
        "[label_maps.flood.all]\nclasses = { 0 = 0, 1 = 1, 2 = 2 }\n"
    )
    return root


def test_it_trains_on_other_data_with_the_classes_of_their_label(
    example, floods, monkeypatch, capsys
):
    words = f"--data {floods} --bands red --label flood --val-size 64 --epochs 1 --threads 1"
    monkeypatch.setattr(sys, "argv", ["train_unet.py", *words.split()])
    n_threads = example.torch.get_num_threads()
    try:
        example.main()
    finally:
        example.torch.use_deterministic_algorithms(False)
        example.torch.set_num_threads(n_threads)
    assert re.search(r"IoU: 0 [\d.]+, 1 [\d.]+, 2 [\d.]+, mean", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "there is no array 'L1C_B2'"),
        ("--bands red", "there is no array 'manual_hq'"),
        ("--bands red --label flood", "size=256; the stored patch is 64 x 64"),
        ("--bands red --label red", "red has no label map"),
    ],
)
def test_data_that_lack_something_are_refused_with_the_options(
    example, floods, words, message, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["train_unet.py", "--data", str(floods), *words.split()])
    with pytest.raises(SystemExit, match=re.escape(message)) as stopped:
        example.main()
    assert "--bands NAME ... --label NAME" in str(stopped.value)


def test_of_a_preset_the_bands_are_made_up(example, monkeypatch):
    made = []
    monkeypatch.setattr(cloudio, "synthesize", lambda *_, arrays: made.extend(arrays))
    monkeypatch.setattr(example, "train", lambda args: None)
    monkeypatch.setattr(example, "check", lambda args: None)  # nothing was made
    monkeypatch.setattr(sys, "argv", ["train_unet.py", "--bands", "rgb", "L1C_B10"])
    example.main()
    assert sorted(made) == ARRAYS


@of_ranks
def test_two_ranks_share_the_patches_and_end_with_the_same_weights(ranks):
    first, second = weights(ranks.whole)
    assert first == second
    for epoch in 0, 1:
        seen = [
            patch
            for rank in (0, 1)
            for entry in batches(ranks.whole, rank)
            if entry["epoch"] == epoch
            for patch in entry["patches"]
        ]
        assert sorted(seen) == list(range(N_PATCHES))
    one, other = ([entry["loss"] for entry in batches(ranks.whole, rank)] for rank in (0, 1))
    assert len(one) == len(other) == N_PATCHES // BATCH_SIZE
    assert one != other


@of_ranks
def test_two_ranks_stopped_and_resumed_are_the_same_to_the_last_bit(ranks):
    assert "run.pt yet; starts from the beginning" in ranks.said[0]
    assert f"resumes after batch {RANKS_STOPPED} of" in ranks.said[1]
    for rank in 0, 1:
        assert batches(ranks.resumed, rank) == batches(ranks.whole, rank)
    *before, one, other = weights(ranks.resumed)
    assert len(before) == 2
    assert one not in before
    assert [one, other] == weights(ranks.whole)


@of_ranks
def test_one_rank_with_smaller_batches_takes_what_two_have_left(ranks):
    seen = [entry["patches"] for entry in batches(ranks.alone)]
    assert [len(patches) for patches in seen] == [3, 3, 2]
    for rank in 0, 1:
        seen += [entry["patches"] for entry in batches(ranks.resumed, rank)[:RANKS_STOPPED]]
    assert sorted(patch for patches in seen for patch in patches) == list(range(N_PATCHES))
    last, again = weights(ranks.alone)
    assert last == again
    assert f"finished after batch {RANKS_STOPPED + 3} of" in ranks.said[1]
