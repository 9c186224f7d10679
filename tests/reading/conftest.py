"""Small data sets that tests read and open."""

import builders
import pytest
from builders import write_root
from reads import COUNTS, L1C, Arrays
from small_sets import open_small

import cloudio


@pytest.fixture(params=["mmap", "pread"], scope="module")
def io(request):
    return request.param


@pytest.fixture(scope="module")
def small_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    return root, Arrays(builders.write_root(root, COUNTS))


@pytest.fixture(scope="module")
def small(small_root, io):
    """A root of three splits with every stored type, and its arrays in memory."""
    root, arrays = small_root
    return cloudio.open(root, layout=builders.SMALL, io=io), arrays


@pytest.fixture
def reader(small):
    return small[0].reader(L1C, "hq", size=(8, 9))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of four splits, and the arrays in it."""
    folder = tmp_path_factory.mktemp("root")
    return folder, write_root(folder, {"train": 3, "val": 1, "test": 2, "extra": 2})


@pytest.fixture
def ds(root):
    return open_small(root[0])
