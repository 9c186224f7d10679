"""Synthetic data sets that several tests read, and none changes."""

import shutil

import pytest
from synthetic import LABELS

from cloudio import synthesize


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """All 49 arrays of four patches and one."""
    path = tmp_path_factory.mktemp("whole") / "made"
    synthesize(path, {"train": 4, "val": 1})
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    """The labels of seven patches of each of two splits: two places each."""
    path = tmp_path_factory.mktemp("labels") / "made"
    synthesize(path, {"train": 7, "test": 7}, arrays=LABELS)
    yield path
    shutil.rmtree(path)
