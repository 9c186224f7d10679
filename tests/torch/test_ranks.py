"""Ranks of real process groups share an epoch without being told, and differences are refused."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import loading
import numpy as np
import processes
import pytest
from loading import N, batch_indices, make_reader
from paths import SUPPORT

import cloudio

torch = pytest.importorskip("torch", reason="torch is an extra")
pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo",
)


@pytest.fixture
def folder(tmp_path):
    loading.write(tmp_path / "data", N)
    return tmp_path


def run_ranks(name, world_size, folder):
    """Return what each rank prints."""

    def run(rank):
        command = [sys.executable, SUPPORT / "rank_programs.py", name, rank, world_size, folder]
        return json.loads(processes.printed(command, env=processes.environment()))

    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(run, range(world_size)))


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_are_found_and_share_each_epoch(folder, world_size):
    reader = make_reader(loading.open_set(folder / "data"))
    ranks = run_ranks("share", world_size, folder)
    for number, said in enumerate(ranks):
        told = cloudio.Loader(reader, 4, rank=number, world_size=world_size, **loading.DRAWN)
        expected = [batch_indices(told) for _ in range(2)]
        assert said["epochs"] == [expected, expected]
        assert said["length"] == len(told)
        assert f", rank {number} of {world_size} (torch.distributed), " in said["repr"]
    for epoch in range(2):
        seen = sorted(np.concatenate([np.concatenate(said["epochs"][0][epoch]) for said in ranks]))
        assert set(seen) == set(range(N))
        assert len(seen) - N < world_size


def test_loaders_of_ranks_that_differ_are_refused(folder):
    first, second = run_ranks("differ", 2, folder)
    for name in "same", "named", "share", "told":
        assert first[name] == second[name] == "fine"
    for name, difference in {
        "batch_size": r"batch_size is",
        "seed": r"seed is",
        "index": r"patches is \d+ and \d+, num_samples is",
        "evens": r"index= is the share of rank 0 and not that of the other",
        "epoch": r"epoch is",
    }.items():
        told = {first[name], second[name]} - {"fine"}  # the rank that comes second is told
        assert len(told) == 1, (name, first[name], second[name])
        (text,) = told
        assert text.startswith("the loaders of rank "), text
        assert difference.replace(r"\d+ and \d+, num_samples is", "") in text, text
        assert "needs rank=0, world_size=1" in text


def test_loaders_that_share_an_epoch_are_not_refused(folder):
    for said in run_ranks("alike", 2, folder):
        assert set(said.values()) == {"fine"}, said


def test_data_that_differ_between_nodes_are_refused(tmp_path):
    kinds = {"copies": "", "pixels": "stored pixels", "metadata": "metadata.csv", "n": "splits is"}
    for kind in kinds:
        for rank in "01":
            loading.write(tmp_path / kind / rank, N)
    path = tmp_path / "pixels" / "1" / "B1.dat"
    stored = np.fromfile(path, "<i2")
    stored[-len(stored) // N :] = 0  # the last patch was not copied
    stored.tofile(path)
    table = "id\n" + "\n".join(map(str, range(N))) + "\n"
    (tmp_path / "metadata" / "1" / "metadata.csv").write_text(table)
    loading.write(tmp_path / "n" / "1", N + 1)
    first, second = run_ranks("data_differ", 2, tmp_path)
    assert first["copies"] == second["copies"] == "fine"
    for kind, difference in list(kinds.items())[1:]:
        (text,) = {first[kind], second[kind]} - {"fine"}
        assert re.search(rf"differ: (.*, )?{difference}", text), text
        for rank in "01":
            assert str(tmp_path / kind / rank) in text


def test_ranks_of_a_mesh_see_the_same_batches_where_they_have_the_same_number(folder):
    reader = make_reader(loading.open_set(folder / "data"))
    ranks = run_ranks("groups", 4, folder)
    for number, said in enumerate(ranks):
        told = cloudio.Loader(reader, 4, rank=number // 2, world_size=2)
        assert said["mesh"] == said["group"] == batch_indices(told)
        assert f", rank {number // 2} of 2 (process_group), " in said["repr"]
        assert said["whole"].startswith("process_group= is a mesh of 2 dimensions; give the data-")
        assert said["both"] == "process_group= tells the rank; leave out rank= and world_size="
        assert said["pickle"].startswith("a loader with process_group= cannot be pickled; pass")
        refused = "this process is not in process_group=; make a loader in its ranks only"
        assert said["outside"] == ("fine" if number == 0 else refused)


def test_a_group_that_is_destroyed_ends_no_iteration_and_begins_none(folder):
    ranks = run_ranks("destroyed", 2, folder)
    reader = make_reader(loading.open_set(folder / "data"))
    for number, said in enumerate(ranks):
        told = cloudio.Loader(reader, 4, rank=number, world_size=2)
        assert said["batches"] == batch_indices(told)
        began = f"this loader began as rank {number} of 2 (torch.distributed), but now the process"
        assert said["alone"].startswith(f"{began} is rank 0 of 1")
        assert said["again"].startswith(f"{began} is rank {1 - number} of 2 (torch.distributed)")


def test_a_distributed_checkpoint_of_two_ranks_is_loaded_by_one_and_by_three(folder):
    if not hasattr(pytest.importorskip("torch.distributed.fsdp"), "fully_shard"):
        pytest.skip("this torch has no fully_shard")
    before = run_ranks("sharded", 2, folder)
    seen = [patch for said in before for batch in said["batches"] for patch in batch]
    assert len(seen) == 12
    for world_size in 1, 3:
        after = run_ranks("sharded", world_size, folder)
        assert {said["epoch"] for said in after} == {1}
        rest = [patch for said in after for batch in said["batches"] for patch in batch]
        assert len(rest) == -(-(N - len(seen)) // world_size) * world_size  # evened out
        assert sorted({*seen, *rest}) == list(range(N))


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (3, r"^process_group= needs torch.distributed; call init_process_group first$"),
    ],
)
def test_what_is_no_group_is_refused(folder, group, says):
    reader = make_reader(loading.open_set(folder / "data"))
    with pytest.raises(cloudio.RequestError, match=says):
        cloudio.torch.Loader(reader, 4, process_group=group)
