"""What tests of the benchmarks share: small splits, and batches of few samples."""

from dataclasses import replace

import pytest
from benching import BATCH, L1C, N_PATCHES, SIZE, TRAIN_LAYOUT, N, write_evictable
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12
from cloudio.bench import cold_candidates, limits, train, workload
from cloudio.layouts.toml_writer import to_toml


@pytest.fixture(scope="session")
def warm_folder(tmp_path_factory):
    """A split of two patches: fewer than the samples of a batch."""
    path = tmp_path_factory.mktemp("warm") / "train"
    write_split(path, N - 1, CLOUDSEN12, names=[*L1C, "LABEL_manual_hq"])
    return path


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(workload, "N_SAMPLES", N)


@pytest.fixture(scope="session")
def cold_folder(tmp_path_factory):
    """A split on a file system whose pages can be evicted, and proved to be gone."""
    return write_evictable(tmp_path_factory.mktemp("cold") / "train")


@pytest.fixture
def no_torch(monkeypatch):
    """Without the seconds that its workers need to start."""
    monkeypatch.setattr(cold_candidates, "_can_use_torch", lambda workload: False)


@pytest.fixture
def one_depth(monkeypatch):
    """One read at a time as the disk limit."""
    monkeypatch.setattr(limits, "DEPTHS", (1,))


@pytest.fixture(scope="session")
def train_folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "train"
    write_split(path, N_PATCHES, TRAIN_LAYOUT)
    (path / "cloudio.toml").write_text(to_toml(TRAIN_LAYOUT))
    return path


@pytest.fixture
def few_batches(monkeypatch):
    """Few batches, and processes that need not import torch."""
    monkeypatch.setattr(train, "has_torch", lambda: False)
    for name, n in (("N_SETTLE", 2), ("N_TIMED", 3), ("N_WATCHED", 2), ("_LEAST_TIMED", 2)):
        monkeypatch.setattr(train, name, n)


@pytest.fixture
def consumed(train_folder, few_batches):
    """What a consumer takes, twice as fast as it can."""
    workload = train.workload_of(cloudio.open(train_folder), 1, SIZE, BATCH, False)
    return replace(workload, compute_seconds=(0.0, 0.0))
