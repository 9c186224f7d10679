"""Two processes of Lightning share each epoch, whatever loads it, and resume those of one."""

import json
import shutil
import sys

import processes
import pytest
from paths import SUPPORT

pl = pytest.importorskip("lightning.pytorch", reason="lightning is an extra")
import lightning_runs as runs  # noqa: E402
import torch  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="this torch has no gloo",
    ),
]
STEPS = 6  # of an epoch in two ranks
RESUMED = 8  # of eleven in one


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run of one process: its folder, with data and a checkpoint after each step, and model."""
    runs.quiet()
    folder = tmp_path_factory.mktemp("alone")
    runs.write(folder / "data")
    model, data = runs.Model(), runs.data_module(folder / "data")
    runs.trainer(callbacks=[runs.checkpoints(folder / "kept")]).fit(model, data)
    return folder, model, data.normalization


def run_ranks(program, strategy, folder):
    """Run a program in two ranks, which import torch at once; each computes in one thread."""
    command = [sys.executable, SUPPORT / "lightning_runs.py", program, strategy, folder]
    few = processes.environment(OMP_NUM_THREADS="1")
    processes.printed(command, seconds=4 * processes.SECONDS, env=few, cwd=folder)


@pytest.fixture(scope="module")
def ranks(alone, tmp_path_factory):
    """Runs of two processes, and the folder in which they wrote what they saw."""
    folder = tmp_path_factory.mktemp("ranks")
    shutil.copytree(alone[0] / "data", folder / "data")
    shutil.copy(alone[0] / "kept" / f"{RESUMED}.ckpt", folder / "resumed.ckpt")
    for name in "loader", "samples", "resumed":
        (folder / name).mkdir()
    run_ranks("run_all", "ddp", folder)
    return folder


def said(folder, stage="fit"):
    """Return what each rank wrote."""
    return [json.loads((folder / f"{stage}-{rank}.json").read_text()) for rank in (0, 1)]


def samples(seen, epoch):
    """Return what was seen of each patch of an epoch, as pairs, and how many there were."""
    found = [tuple(pair) for at, _, batch in seen if at == epoch for pair in batch]
    return set(found), len(found)


def assert_shared(ranks, alone, epochs, start=0):
    """The ranks' samples are disjoint, but for one to even them out, and together the epoch."""
    for epoch in epochs:
        wanted = [tuple(pair) for at, _, batch in alone if at == epoch for pair in batch]
        wanted = wanted[start:] if epoch == 0 else wanted
        parts = [samples(rank["seen"]["train"], epoch) for rank in ranks]
        assert parts[0][0] | parts[1][0] == set(wanted)
        assert parts[0][1] == parts[1][1] == -(-len(wanted) // 2)


def test_ranks_share_each_epoch_and_have_one_normalization(alone, ranks):
    both = said(ranks)
    assert_shared(both, alone[1].seen["train"], (0, 1))
    for rank in both:
        assert [tuple(numbers) for numbers in rank["normalization"]] == list(map(tuple, alone[2]))


def test_ranks_that_are_spawned_share_an_epoch(alone, tmp_path):
    shutil.copytree(alone[0] / "data", tmp_path / "data")
    run_ranks("run_epoch", "ddp_spawn", tmp_path)
    assert_shared(said(tmp_path), alone[1].seen["train"], [0])


def test_the_validation_of_a_fit_is_even_and_a_test_has_each_patch_once(ranks):
    numbers = [
        [patch for at, _, batch in rank["seen"]["val"] for patch, _ in batch if at == 0]
        for rank in said(ranks)
    ]
    assert numbers == [[0, 2, 4], [1, 3, 0]]
    numbers = [
        [patch for _, _, batch in rank["seen"]["test"] for patch, _ in batch]
        for rank in said(ranks, "test")
    ]
    assert numbers == [[0, 2], [1]]


@pytest.mark.parametrize("kind", ["loader", "samples"])
def test_ranks_share_an_epoch_of_any_loader(ranks, kind):
    both = said(ranks / kind)
    parts = [{patch for patch, _ in samples(rank["seen"]["train"], 0)[0]} for rank in both]
    assert parts[0] | parts[1] == set(range(runs.N["train"]))
    assert not parts[0] & parts[1]


def test_two_ranks_resume_what_one_began(alone, ranks):
    both = said(ranks / "resumed")
    assert_shared(both, alone[1].seen["train"], (0, 1), start=2 * RESUMED)
    for rank in both:
        numbers = [k for epoch, k, _ in rank["seen"]["train"]]
        assert numbers == [4, 5, *range(STEPS)]  # the last of the epoch, then all
        assert len(rank["seen"]["val"]) == 2 * 2  # after each epoch


@pytest.mark.parametrize("step", [1, 4, STEPS, STEPS + 3])
def test_one_process_resumes_what_two_began(alone, ranks, step):
    _, model, _ = alone
    resumed = runs.Model(estimates=True)
    path = ranks / "kept" / f"{step}.ckpt"
    runs.trainer().fit(resumed, runs.data_module(ranks / "data"), ckpt_path=path)
    epoch, done = divmod(step, STEPS)
    wanted = model.patches(epoch=epoch)[4 * done :]
    assert resumed.patches(epoch=epoch) == wanted
    assert len(resumed.patches()) == len(wanted) + (1 - epoch) * runs.N["train"]
    assert len(resumed.seen["val"]) == (2 - epoch) * 3
