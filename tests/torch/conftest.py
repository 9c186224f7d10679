"""A data set for loaders of tensors, which tests of other things replace by their own."""

import pytest


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    from tensor_loaders import open_set  # which skips where there is no torch

    return open_set(tmp_path_factory.mktemp("tensors"))


@pytest.fixture
def reader(ds):
    return ds.reader("L1C", "hq", size=(20, 24))
