"""Systems without shared memory, or with little: each program has a /dev/shm of its own."""

import shutil
import sys

import builders
import forks
import pytest
from processes import environment, needs_fork, printed, python, run

import cloudio

torch = pytest.importorskip("torch", reason="torch is an extra")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shm")
    builders.write_root(folder, {"train": 4}, builders.SMALL)
    return folder


def with_shared_memory(options, command):
    """Return the command, run with another /dev/shm."""
    mount = f'mount -t tmpfs -o {options} tmpfs /dev/shm && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mount, "sh", *command]


def can_mount():
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return run(with_shared_memory("ro", ["true"])).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="no right to mount")
BEGIN = """
    import copy, pickle, sys, builders, cloudio, cloudio.torch
    from torch.utils.data import DataLoader
    layout, collate = builders.SMALL, cloudio.torch.collate
    dataset = cloudio.torch.Dataset(cloudio.open(sys.argv[1], layout=layout).reader("L1C", "hq"))
"""


@needs_mounts
def test_without_shared_memory_a_dataset_works_in_its_own_process(folder):
    code = f"""{BEGIN}
    dataset.set_epoch(3)
    print(dataset._cell.is_shared(), dataset.epoch)
    print(pickle.loads(pickle.dumps(dataset)).epoch, copy.copy(dataset).epoch)
    print(len(list(DataLoader(dataset, 2, collate_fn=collate))), dataset[[0, 1]].image.shape[0])
    """
    command = with_shared_memory("ro", python(code, folder))
    assert printed(command, env=environment()) == "False 3\n3 3\n2 2\n"


@needs_mounts
def test_a_batch_that_shared_memory_does_not_hold_says_what_to_do(folder):
    code = f"""{BEGIN}
    loader = DataLoader(
        dataset, 64, sampler=[0] * 64, num_workers=1, collate_fn=collate,
        multiprocessing_context="fork",
    )
    try:
        next(iter(loader))
    except cloudio.RequestError as error:
        print(str(error).splitlines()[-1])
    """
    said = printed(with_shared_memory("size=256k", python(code, folder)), env=environment())
    assert "RequestError: the system has no shared memory for a batch of 1,469,440 bytes (" in said
    assert said.endswith(
        "); use num_workers=0 or cloudio.torch.Loader, or make /dev/shm larger and writable "
        "(docker run --shm-size=2g)\n"
    )


@needs_fork
def test_forked_processes_share_the_epoch_without_shared_memory(folder, monkeypatch):
    def refuse(self, *_):
        raise RuntimeError("unable to open shared memory object: Read-only file system (30)")

    monkeypatch.setattr(torch.UntypedStorage, "share_memory_", refuse)
    reader = cloudio.open(folder, layout=builders.SMALL).reader("L1C")
    dataset = cloudio.torch.Dataset(reader)
    assert not dataset._cell.is_shared()
    assert forks.forked(lambda: bool(dataset._cell.fill_(5)[0] == 5)) == 0
    assert dataset.epoch == 5


def test_a_dataset_is_not_sent_to_spawned_workers_without_shared_memory(folder, monkeypatch):
    def refuse(self, *_):
        raise RuntimeError("unable to open shared memory object: Read-only file system (30)")

    monkeypatch.setattr(torch.UntypedStorage, "share_memory_", refuse)
    reader = cloudio.open(folder, layout=builders.SMALL).reader("L1C")
    dataset = cloudio.torch.Dataset(reader)
    loader = torch.utils.data.DataLoader(
        dataset, num_workers=1, collate_fn=cloudio.torch.collate, multiprocessing_context="spawn"
    )
    with pytest.raises(
        cloudio.RequestError, match="has no shared memory for a Dataset that is sent"
    ):
        iter(loader)
