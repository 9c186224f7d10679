"""A batch lies in the valid window, fits the memory; synthetic data are removed afterwards."""

import signal
import subprocess
import tempfile

import numpy as np
import processes
import pytest
from benching import L2A, N, warm_workload
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12
from cloudio.bench import workload

MANY = 1 << 40


# ---- which patches and windows -------------------------------------------------------------------


def test_same_seed_same_batch_inside_the_valid_window(warm_folder):
    one, other = (warm_workload(warm_folder, (224, 224), n=20) for _ in range(2))
    assert np.array_equal(one.index, other.index)
    assert np.array_equal(one.origin, other.origin)
    assert one.origin.min() >= 1
    assert one.origin.max() + 224 <= 510
    assert np.array_equal(np.unique(one.index), [0, 1])


@pytest.mark.parametrize(
    ("names", "bands", "label"),
    [
        (["L1C_B2", "L2A_AOT", "S1_VV"], ("L1C_B2", "L2A_AOT", "S1_VV"), None),
        (["LABEL_fmask", *L2A], L2A, "LABEL_fmask"),
    ],
)
def test_bands_and_label_are_those_of_the_data_set(tmp_path, names, bands, label):
    write_split(tmp_path / "val", 2, CLOUDSEN12, names=names)
    with workload.open_data(tmp_path) as (dataset, words):
        assert workload.bands_of(dataset) == bands
        assert workload.label_of(dataset) == label
        assert words == f"{tmp_path}: split val, 2 patches"


def test_no_band_to_read_is_an_error(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["LABEL_fmask"])
    with pytest.raises(cloudio.RequestError, match=r"has no bands; it has only labels: LABEL_fma"):
        workload.bands_of(cloudio.open(tmp_path))


@pytest.mark.parametrize(("free", "n"), [(MANY, 32), (2_000_000_000, 9), (1000, 1)])
def test_few_samples_where_memory_is_short(monkeypatch, free, n):
    monkeypatch.setattr(workload, "free_bytes", lambda: free)
    assert workload.n_samples_that_fit((509, 509), 13) == n


# ---- synthetic data ------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path, monkeypatch, small_batches):
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_synthetic_data_are_removed_afterwards(temporary):
    with workload.open_data(None, ["LABEL_sen2cor"]) as (dataset, words):
        assert list(temporary.glob("cloudio-bench-*/data/train/L1C_B1.dat"))
        assert "LABEL_sen2cor" in dataset.names
        assert words == f"{N} synthetic patches, made for this run"
    assert not list(temporary.iterdir())


def test_synthetic_data_are_removed_after_an_error(temporary):
    def fail():
        with workload.open_data(None):
            assert list(temporary.glob("cloudio-bench-*/data/train/L1C_B1.dat"))
            raise ValueError("so it goes")

    with pytest.raises(ValueError, match="so it goes"):
        fail()
    assert not list(temporary.iterdir())


# A shell's background jobs ignore interrupts, and their children too.
INTERRUPTED = """
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
from cloudio.bench import warm, workload; workload.N_SAMPLES = 2
from cloudio.cli import main

def told(function):
    def call(*arguments, **settings):
        print("now", flush=True)
        return function(*arguments, **settings)
    return call

MODULE.NAME = told(MODULE.NAME)
raise SystemExit(main(["bench", "--rounds", "100000"]))
"""


@pytest.mark.parametrize(("module", "name"), [("workload", "synthesize"), ("warm", "interleave")])
def test_synthetic_data_are_removed_after_an_interrupt(tmp_path, module, name):
    """Whether they are being written or read."""
    command = processes.python(INTERRUPTED.replace("MODULE", module).replace("NAME", name))
    environment = processes.environment(TMPDIR=str(tmp_path))
    with processes.started(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        assert list(tmp_path.glob("cloudio-bench-*"))
        process.send_signal(signal.SIGINT)
        assert process.wait(processes.SECONDS) == 130
    assert not list(tmp_path.iterdir())
