"""Ray Train on two nodes: ranks are found, and a training that is killed goes on with others."""

import json
import sys

import loading
import processes
import pytest
from loading import N
from paths import SUPPORT

pytest.importorskip("torch", reason="torch is an extra")
pytest.importorskip("ray", reason="Ray is an extra")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    loading.write(folder / "data", N)
    variables = processes.environment(RAY_USAGE_STATS_ENABLED="0", RAY_TRAIN_V2_ENABLED="1")
    command = [sys.executable, SUPPORT / "ray_programs.py", folder]
    return json.loads(processes.printed(command, env=variables, seconds=900).splitlines()[-1])


def patches(batches):
    return [patch for batch in batches for patch in batch]


def test_workers_find_their_ranks_without_a_process_group(said):
    for k, (begun, *_) in enumerate(said["before"]):
        assert begun[:2] == [False, 0]
        assert f"6 batches of 2, rank {k} of 2 (ray.train), " in begun[2]
        assert begun[2].startswith("<cloudio.ray.Loader of ")


def test_a_killed_training_goes_on_with_more_workers_and_sees_each_patch_once(said):
    assert "[Rank 1 Error Snippet]" in said["error"]
    assert said["fine"] == ""
    begun, *batches = zip(*said["after"], strict=True)
    assert len(begun) == 3
    ((resumed, position),) = {tuple(each[:2]) for each in begun}
    assert resumed is True
    before = [patch for _, *kept in said["before"] for patch in patches(kept)]
    assert len(set(before)) == len(before) == position == 12
    after = [patch for step in batches for patch in patches(step)]
    assert len(after) == -(-(N - position) // 3) * 3  # evened out
    assert sorted({*before, *after}) == list(range(N))


@pytest.mark.parametrize("name", ["ray", "torch", "numpy", "DataLoader"])
def test_each_kind_of_loader_is_shared_in_a_process_group(said, name):
    assert said["fine"] == ""
    for epoch in range(2):
        seen = [patch for (worker,) in said["loaders"] for patch in patches(worker[name][epoch])]
        assert len(seen) == N + 1
        assert set(seen) == set(range(N))
    for k, (worker,) in enumerate(said["loaders"]):
        for text in worker["reprs"].values():
            assert f", rank {k} of 3 (torch.distributed), " in text


def test_outside_of_a_worker_a_loader_is_alone(said):
    assert "rank" not in said["refusals"]["alone"]


def test_states_have_names_and_wrong_ones_are_refused(said):
    refusals = said["refusals"]
    adds = "; loader.save(checkpoint) adds one before ray.train.report"
    assert refusals["empty"] == f"the checkpoint has a state of no loader, not of 'loader'{adds}"
    assert refusals["other"] == f"the checkpoint has a state of no loader, not of 'val'{adds}"
    assert refusals["path"] == "checkpoint is a str; it must be a ray.train.Checkpoint"
    there = "the checkpoint has a state only of 'val', 'loader', not of 'test'"
    assert refusals["third"] == there + adds
    assert refusals["seed"] == "the state has seed=0, but this loader has seed=1"
    assert refusals["big"] is True
