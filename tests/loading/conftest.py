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
    return loading.opened(folder)


@pytest.fixture
def reader(ds):
    return loading.reader_of(ds)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    if loading.threads():
        gc.collect()
    assert soon(lambda: not loading.threads())
