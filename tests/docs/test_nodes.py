"""The example program on two nodes: agents of torchrun, each with its own copy of the data."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import processes
import profiles
import pytest

import cloudio

pytest.importorskip("torch", reason="torch is an extra")
pytestmark = [
    pytest.mark.skipif(not profiles.THOROUGH, reason="a minute; the thorough profile has it"),
    pytest.mark.skipif(sys.platform != "linux", reason="finds what to kill in /proc"),
]
SCRIPT = Path(__file__).parents[2] / "examples" / "train_unet.py"
ARRAYS = ["L1C_B2", "L1C_B3", "L1C_B4", "LABEL_manual_hq"]
N_PATCHES, BATCH_SIZE, EPOCHS = 24, 4, 3
N_STEPS = N_PATCHES // (2 * BATCH_SIZE)  # of an epoch, in each rank
KILLED = 4  # steps: within the second epoch, and not where a checkpoint is written


class Nodes:
    def __init__(self, root):
        self.root = root
        for node in "ab":
            (root / node).mkdir()
        cloudio.synthesize(root / "a" / "data", {"train": N_PATCHES, "val": 3}, arrays=ARRAYS)
        shutil.copytree(root / "a" / "data", root / "b" / "data")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @contextlib.contextmanager
    def agent(self, node, *more):
        """Start torchrun as on one of two machines; all that it starts ends with the block."""
        host = f"is_host={int(node == 'a')},keep_alive_interval=1"
        meet = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{self.port}"]
        agent = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", *meet]
        agent += ["--rdzv-conf", host, "--rdzv-id", "nodes", "--monitor-interval", "0.2", *more]
        folder = self.root / node
        words = ["--data", folder / "data", "--log-file", folder / "log", "--resume"]
        words += ["--checkpoint", self.root / "run.pt", "--checkpoint-every", "3"]
        words += "--bands rgb --size 64 --val-size 64 --threads 1 --epochs".split()
        # A torch that shares this store cannot let a restarted node in.
        settings = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "TMPDIR": str(folder)}
        with open(folder / "said", "ab") as said:
            command = [*agent, SCRIPT, *words, EPOCHS]
            pipes = {"stdout": said, "stderr": said, "env": os.environ | settings}
            with processes.started(command, **pipes) as process:
                try:
                    yield process
                finally:
                    kill_tree(process.pid)

    def steps(self, node):
        with contextlib.suppress(FileNotFoundError):
            lines = (self.root / node / "log").read_text().splitlines()
            return [entry for entry in map(json.loads, lines) if "loss" in entry]
        return []

    def said(self, node):
        return (self.root / node / "said").read_text()


def kill_tree(process):
    """Kill a process and what it has started: workers of torchrun have sessions of their own."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                kill_tree(int(child))
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def nodes(tmp_path):
    return Nodes(tmp_path)


def wait(*agents):
    return [agent.wait(processes.SECONDS * 2) for agent in agents]


def until(happened, nodes, *agents):
    end = time.monotonic() + processes.SECONDS
    while not happened():
        assert time.monotonic() < end, nodes.said("a") + nodes.said("b")
        assert all(agent.poll() is None for agent in agents), nodes.said("a") + nodes.said("b")
        time.sleep(0.05)


def test_a_node_that_is_killed_and_restarted_resumes_to_the_same_samples(nodes):
    with nodes.agent("a", "--max-restarts", "3") as first:
        with nodes.agent("b", "--max-restarts", "3") as second:
            until(lambda: len(nodes.steps("b")) >= KILLED, nodes, first, second)
        # Its heartbeats have ended for the other node, which then waits for a new one.
        time.sleep(6)
        with nodes.agent("b", "--max-restarts", "3") as second:
            assert wait(first, second) == [0, 0], nodes.said("a") + nodes.said("b")
    assert "resumes after batch" in nodes.said("a") + nodes.said("b")
    reader = cloudio.open(nodes.root / "a" / "data").split("train").reader("rgb", size=64)
    seen = {}
    for node in "ab":
        steps = nodes.steps(node)
        assert len(steps) >= EPOCHS * N_STEPS
        for entry in steps:
            position = entry["rank"], entry["step"]
            assert seen.setdefault(position, entry["patches"]) == entry["patches"]
    for rank in range(2):
        told = cloudio.Loader(reader, BATCH_SIZE, symmetry="d4", rank=rank, world_size=2)
        expected = [batch.index.tolist() for _ in range(EPOCHS) for batch in told]
        assert [seen[rank, step + 1] for step in range(len(expected))] == expected


def test_nodes_whose_data_differ_do_not_train(nodes):
    path = nodes.root / "b" / "data" / "train" / "L1C_B3.dat"
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)
        file.truncate(path.stat().st_size * 2)  # the rest was not copied, and reads as zeros
    once = "--max-restarts", "0"
    with nodes.agent("a", *once) as first, nodes.agent("b", *once) as second:
        assert 0 not in wait(first, second)
    said = nodes.said("a") + nodes.said("b")
    assert "differ: stored pixels. Give all ranks the same data" in said
    assert nodes.steps("a") + nodes.steps("b") == []
