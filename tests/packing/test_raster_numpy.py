""".npy and .npz files of one image each."""

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import random_pixels, same, windows

import cloudio
from cloudio.packing.decoders import open_raster

TYPES = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64".split()


@settings(max_examples=profiles.scaled(30, 80))
@given(data=st.data())
def test_pixels_of_npy_files_are_those_of_numpy(data, tmp_path_factory):
    draw = data.draw
    path = tmp_path_factory.mktemp("npy") / "a, b.npy"
    n, height, width = draw(st.integers(1, 4)), draw(st.integers(4, 30)), draw(st.integers(4, 30))
    dtype = draw(st.sampled_from(TYPES))
    pixels = random_pixels(draw(st.integers(0, 99)), (n, height, width), dtype)
    axis = draw(st.sampled_from([None, "first", "last"]))
    stored = pixels[0] if (flat := n == 1 and draw(st.booleans())) else pixels
    if axis == "last" and not flat:
        stored = np.moveaxis(pixels, 0, 2)
    stored = stored.astype(stored.dtype.newbyteorder(draw(st.sampled_from("<>"))))
    np.save(path, np.asfortranarray(stored) if draw(st.booleans()) else stored)
    window = draw(windows(height, width))
    some = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4))
    with open_raster(path, channel_axis=axis) as raster:
        assert raster.shape == (height, width)
        assert [channel.dtype for channel in raster.channels] == [pixels.dtype] * n
        read = raster.read()
        assert same(read, pixels)
        assert read.flags.owndata
        assert read.dtype.isnative
        row, col, height, width = window
        part = pixels[some, row : row + height, col : col + width]
        assert same(raster.read(some, window), np.ascontiguousarray(part))


@settings(max_examples=profiles.scaled(15, 40))
@given(seed=st.integers(0, 99), compressed=st.booleans(), window=windows(9, 8))
def test_arrays_of_npz_files_are_channels_by_name(tmp_path_factory, seed, compressed, window):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    arrays = {
        "B4": random_pixels(seed, (9, 8), "uint16"),
        "all": random_pixels(seed, (2, 9, 8), "uint16"),
        "mask": random_pixels(seed, (9, 8), "uint8"),
    }
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    row, col, height, width = window
    with open_raster(path) as raster:
        assert [channel.name for channel in raster.channels] == ["B4", "all_1", "all_2", "mask"]
        assert raster.channels[3].dtype == np.uint8
        assert same(raster.read([0, 1, 2]), np.stack([arrays["B4"], *arrays["all"]]))
        part = arrays["mask"][None, row : row + height, col : col + width]
        assert same(raster.read([3], window), np.ascontiguousarray(part))


def test_channels_that_may_be_last_are_refused_with_advice(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((20, 30, 3), "uint8"))
    with pytest.raises(cloudio.LayoutError, match=r"shape \(20, 30, 3\).*channel_axis='last'"):
        open_raster(path)
    with open_raster(path, channel_axis="last") as raster:
        assert (len(raster.channels), raster.shape) == (3, (20, 30))
    with open_raster(path, channel_axis="first") as raster:
        assert (len(raster.channels), raster.shape) == (20, (30, 3))
    with pytest.raises(cloudio.RequestError, match="channel_axis='middle'"):
        open_raster(path, channel_axis="middle")


def test_what_is_no_image_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    for array, reason in [
        (np.ones((4, 4), complex), "elements of complex128"),
        (np.array([{}, []], object), "Python objects"),
        (np.ones(4), r"has the shape \(4,\)"),
        (np.ones((1, 2, 3, 4)), r"has the shape \(1, 2, 3, 4\)"),
        (np.ones((0, 4)), "has no pixels"),
    ]:
        np.save(path, array)
        with pytest.raises(cloudio.LayoutError, match=reason):
            open_raster(path)
    np.savez(tmp_path / "a.npz", a=np.ones((4, 4)), b=np.ones((5, 4)))
    with pytest.raises(cloudio.LayoutError, match="array 'b', has 5 x 4 pixels"):
        open_raster(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", a=np.ones((4, 4)), label=np.float32(3))
    with pytest.raises(cloudio.LayoutError, match=r"array 'label', has the shape \(\)"):
        open_raster(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_files_that_end_early_are_errors(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    pixels = random_pixels(1, (20, 20), "float32")
    np.save(path, pixels) if suffix == "npy" else np.savez(path, a=pixels)
    content = path.read_bytes()
    for share in (0.99, 0.5, 0.01, 0.0):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError), match=rf"a\.{suffix}"):  # noqa: SIM117
            with open_raster(path) as raster:
                raster.read()


def test_a_changed_byte_of_an_npz_is_an_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=random_pixels(1, (20, 20), "uint8"))
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(cloudio.ReadError, match="is damaged"), open_raster(path) as raster:
        raster.read()
