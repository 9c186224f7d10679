"""The data set that the tests of statistics count."""

import numpy as np
import pytest
from counted_set import LAYOUT, write_split

import cloudio


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Two splits, and each array over both."""
    root = tmp_path_factory.mktemp("stats") / "data"
    parts = [write_split(root / "train", 4), write_split(root / "val", 3, seed=1)]
    stored = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return cloudio.open(root, layout=LAYOUT), stored
