"""Tiny patches for loaders; and no test leaves a thread behind."""

import gc

import loading
import pytest
from residents import soon


@pytest.fixture
def folder(tmp_path):
    loading.write(tmp_path, loading.N)
    return tmp_path


@pytest.fixture
def ds(folder):
    return loading.open_set(folder)


@pytest.fixture
def reader(ds):
    return loading.make_reader(ds)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    if loading.threads():
        gc.collect()
    assert soon(lambda: not loading.threads())
