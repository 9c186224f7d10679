"""Errors that come up while a batch is built are raised in its place."""

import gc
import os
import traceback

import loading
import pytest
from loading import CountingAllocator, N, make_reader, threads
from residents import soon

import cloudio


def cut(folder, n_patches=N // 2):
    os.truncate(folder / "B0.dat", n_patches * 12 * 14 * 2)


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_a_file_that_became_shorter_is_an_error_of_the_caller(folder, io, prefetch):
    loader = cloudio.Loader(
        make_reader(loading.open_set(folder, io)), 1, shuffle=False, prefetch=prefetch
    )
    iteration = iter(loader)
    first = next(iteration)
    before = first.image.tobytes()
    cut(folder)
    seen = [first]
    with pytest.raises(cloudio.TruncatedError, match=r"B0\.dat") as caught:
        seen.extend(iteration)
    assert len(seen) < N
    assert [batch.index.tolist() for batch in seen] == [[k] for k in range(len(seen))]
    text = "".join(traceback.format_exception(caught.value))
    assert ", in read" in text
    if prefetch:
        assert ", in _produce" in text
        assert "while a batch of epoch 0 was built" in text
    assert next(iteration, None) is None
    assert soon(lambda: not threads())
    assert loader.state_dict()["position"] == len(seen)
    assert first.image.tobytes() == before


def test_a_data_set_that_was_closed_is_an_error_of_the_caller(folder):
    ds = loading.open_set(folder)
    loader = cloudio.Loader(make_reader(ds), 1)
    iteration = iter(loader)
    next(iteration)
    ds.close()
    with pytest.raises(cloudio.RequestError, match=r"is closed; open the data set again") as caught:
        for _ in iteration:
            pass
    assert caught.value.__notes__ == ["while a batch of epoch 0 was built"]
    assert soon(lambda: not threads())
    with pytest.raises(cloudio.RequestError, match=r"is closed; open the data set again"):
        next(iter(loader))


def test_an_error_comes_in_its_turn(reader):
    """What was built before it is handed out first."""
    left = [None] * 4

    def allocate(n):
        left.pop()
        return bytearray(n)

    images = reader.dataset.reader(loading.BANDS, size=6)
    iteration = iter(cloudio.Loader(images, 2, shuffle=False, prefetch=8, allocate=allocate))
    assert soon(lambda: iteration.producer._failed)
    kept = [next(iteration) for _ in range(4)]
    assert [batch.index.tolist() for batch in kept] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    with pytest.raises(IndexError, match="pop from empty list"):
        next(iteration)


def test_an_error_holds_no_memory_once_it_is_dealt_with(reader):
    memory, left = CountingAllocator(), [None] * 5

    def allocate(n):
        left.pop()
        return memory(n)

    gc.disable()
    try:
        loader = cloudio.Loader(reader, 2, prefetch=2, allocate=allocate)
        try:
            for _ in loader:
                pass
        except IndexError:
            pass
        del loader, _
        assert memory.alive == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError("full")])
def test_whatever_is_raised_in_the_background_is_raised_by_the_next_step(reader, error):
    def allocate(n):
        raise error

    with pytest.raises(type(error)):
        next(iter(cloudio.Loader(reader, 4, allocate=allocate)))
    assert soon(lambda: not threads())
