"""accelerate and transformers in real ranks: what they share, and where training resumes."""

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import loading
import numpy as np
import processes
import pytest
from loading import N
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
    """Return what each rank prints last."""

    def run(rank):
        command = [sys.executable, SUPPORT / "trainer_programs.py", name, rank, world_size, folder]
        variables = processes.environment(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
        return json.loads(processes.printed(command, env=variables).splitlines()[-1])

    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(run, range(world_size)))


def patches(ranks):
    return [patch for batches in ranks for batch in batches for patch in batch]


def test_accelerate_shares_batches_or_leaves_a_loader_to_share_its_own(folder):
    pytest.importorskip("accelerate")
    ranks = run_ranks("shares", 2, folder)
    assert all(said["is the same"] for said in ranks)
    for epoch in range(2):
        seen = patches(said["loader"][epoch] for said in ranks)
        assert len(seen) == N + 1  # evened out
        assert set(seen) == set(range(N))
        for name in "default", "seedable", "dispatch", "split":
            seen = patches(said[name]["epochs"][epoch] for said in ranks)
            assert len(seen) == N + 1, name
            assert set(seen) == set(range(N)), name
            for said in ranks:
                assert said[name]["set"] == [0, 1], name
                assert sorted(said[name]["gathered"][epoch]) == list(range(N)), name


def test_accelerate_keeps_the_state_of_a_loader_for_any_number_of_ranks(folder):
    pytest.importorskip("accelerate")
    before = patches(said["batches"] for said in run_ranks("accelerate_resumes", 2, folder))
    assert len(set(before)) == len(before) == 12
    for world_size in 1, 3:
        ranks = run_ranks("accelerate_resumes", world_size, folder)
        assert {said["epoch"] for said in ranks} == {1}
        rest = patches(said["batches"] for said in ranks)
        assert len(rest) == -(-(N - 12) // world_size) * world_size
        assert sorted({*before, *rest}) == list(range(N))


def test_accelerate_skips_batches_of_a_data_loader(folder):
    pytest.importorskip("accelerate")
    before, after = (run_ranks("accelerate_skips", n, folder) for n in (1, 2))
    assert {said["epoch"] for said in before + after} == {1}
    seen, rest = (patches(said["batches"] for said in ranks) for ranks in (before, after))
    assert len(seen) == 8
    assert len(rest) == N - 8 + 1  # evened out
    assert sorted({*seen, *rest}) == list(range(N))


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_trainer_resumes_in_an_epoch_with_another_number_of_ranks(folder, first, then):
    pytest.importorskip("transformers")
    reader = loading.open_set(folder / "data").reader(loading.BANDS, "LABEL", size=6, threads=1)
    whole = cloudio.torch.Dataset(reader, **loading.DRAWN)
    whole.set_epoch(1)
    before, after = run_ranks("trains", first, folder), run_ranks("trains", then, folder)
    for kind in "dataset", "default", "loader":
        begun = [said[kind]["0"] for said in before], [said[kind]["1"] for said in before]
        epoch, part = (patches([index for index, _ in rank] for rank in ranks) for ranks in begun)
        assert set(epoch) == set(range(N)), kind
        assert len(epoch) == -(-N // first) * first, kind
        assert len(part) == 8, kind
        assert not patches([index for index, _ in said[kind]["0"]] for said in after), kind
        rest = patches([index for index, _ in said[kind]["1"]] for said in after)
        assert set(part) | set(rest) == set(range(N)), kind
        assert len(part) + len(rest) == N + (then - 1), kind
        for said in after:
            assert said[kind]["predicted"] == [N, N], kind
            for index, pixels in said[kind]["1"]:  # as in a training without a break
                image = whole[np.array(index)].image.numpy()
                assert hashlib.sha256(image.tobytes()).hexdigest() == pixels, kind
