"""Calls of `gather` one after another: what one has checked changes nothing of the next."""

import mmap
import weakref

import numpy as np
import pytest

import cloudio
from cloudio import RequestError


def scaled(array: np.ndarray, scale: float, offset: float = 0.0) -> np.ndarray:
    return array.astype(np.float32) * np.float32(scale) + np.float32(offset)


def test_numbers_that_are_equal_but_not_alike_are_checked_each():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for good in (1.0, 1, [1.0], (1.0,), np.float32(1), np.ones(1), [1]):
        assert np.array_equal(cloudio.gather([array], [1], scale=good)[0, 0], array[1])
        for wrong in (True, [True], "1", [[1.0]]):
            with pytest.raises(RequestError, match="scale"):
                cloudio.gather([array], [1], scale=wrong)
    for zero in (0.0, -0.0, 0):
        with pytest.raises(RequestError, match=r"must be numbers other than 0"):
            cloudio.gather([array], [1], scale=zero)
        assert cloudio.gather([array - array], [0], offset=zero).tobytes() == bytes(12 * 4)


@pytest.mark.parametrize("given", [[1.0, 0.0], (1.0, 0.0)])
def test_messages_show_numbers_as_they_were_given(given):
    array = np.zeros((2, 3, 4), np.int16)
    for _ in range(2):
        with pytest.raises(RequestError) as caught:
            cloudio.gather([array, array], [0], scale=given)
        assert str(caught.value).startswith(f"scale={given!r}; ")


def test_numbers_for_more_arrays_are_other_numbers():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert cloudio.gather([array], [0], scale=0.5).shape == (1, 1, 3, 4)
    both = cloudio.gather([array, array], [0], scale=0.5)
    assert np.array_equal(both, np.stack([scaled(array[:1], 0.5)] * 2, axis=1))
    factors = [0.5, 2.0]
    for _ in range(2):
        image = cloudio.gather([array, array], [1], scale=factors, offset=factors)
        assert np.array_equal(image[0, 1], scaled(array[1], factors[1], factors[1]))
        factors[1] += 1


@pytest.mark.filterwarnings("ignore:Setting the (shape|strides|dtype)")
def test_an_array_that_changes_in_place_is_read_as_it_is():
    array = np.ones((4, 4, 6), np.int16)
    array[:] = np.arange(96).reshape(array.shape)
    assert cloudio.gather([array], [3]).shape == (1, 1, 4, 6)
    array.shape = (2, 6, 8)
    assert np.array_equal(cloudio.gather([array], [1])[0, 0], array[1])
    with pytest.raises(IndexError, match=r"index\[0\] = 3"):
        cloudio.gather([array], [3])
    array.dtype = np.uint8
    assert np.array_equal(cloudio.gather([array], [1])[0, 0], array[1])
    array.resize((1, 3, 4), refcheck=False)
    assert np.array_equal(cloudio.gather([array], [0])[0, 0], array[0])
    with pytest.raises(IndexError, match="there is 1 patch,"):
        cloudio.gather([array], [1])


def test_no_array_is_kept():
    memory = mmap.mmap(-1, 4096)
    array = np.frombuffer(memory, np.int16, 24).reshape(2, 3, 4)
    here = weakref.ref(array)
    cloudio.gather([array], [0, 1], scale=0.5)
    cloudio.remap(array.view(np.uint16), [0], {0: 1})
    del array
    assert here() is None
    memory.close()  # BufferError if anything still points into it
