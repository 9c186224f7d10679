"""Data sets whose files tests close, cut, evict or make slow."""

import pytest
from residents import SMALL, write
from slow_sets import SLOW

from cloudio._utils import warn


@pytest.fixture
def no_warnings():
    """No warning is given, and so nothing is read to find one."""
    with warn.suppressed():
        yield


@pytest.fixture(params=["mmap", "pread"])
def io(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two splits of eight arrays: the folder, and the arrays."""
    folder = tmp_path_factory.mktemp("files")
    return folder, write(folder, SMALL, train=5, val=3)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A folder for a slow medium, and its arrays."""
    folder = tmp_path_factory.mktemp("slow")
    return folder, write(folder, SLOW, train=4)
