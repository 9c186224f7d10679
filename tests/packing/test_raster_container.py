"""A dataset of an HDF5 file or Zarr store as the image of one patch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio import LayoutError, RequestError
from cloudio.packing.decoders import open_raster

TYPES = ("bool", "int8", ">i2", "uint16", "int32", "float16", "float64")


def write_hdf5(path, **arrays):
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def write_zarr(path, **arrays):
    zarr = pytest.importorskip("zarr", reason="cloudio[zarr]")
    root = zarr.open_group(str(path), mode="w")
    for name, array in arrays.items():
        make = root.create_array if zarr.__version__ >= "3" else root.create_dataset
        make(name, shape=array.shape, dtype=array.dtype)[...] = array


@pytest.mark.parametrize(("write", "name"), [(write_hdf5, "é x.H5"), (write_zarr, "x.zarr")])
@given(data=st.data())
@settings(max_examples=scaled(10, 60))
def test_channels_and_windows_are_those_of_the_dataset(write, name, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / name
    draw = data.draw
    n, height, width = (draw(st.integers(1, 6)) for _ in range(3))
    axis = draw(st.sampled_from([None, "first", "last"]))
    shape = {None: (height, width), "first": (n, height, width), "last": (height, width, n)}[axis]
    dtype = draw(st.sampled_from(TYPES))
    image = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, shape)
    image = image.astype(dtype)
    write(path, image=image)
    planes = image[None] if axis is None else image
    planes = np.moveaxis(planes, -1, 0) if axis == "last" else planes
    with open_raster(
        path, channel_axis=axis, dataset=draw(st.sampled_from([None, "/image"]))
    ) as it:
        assert it.shape == (height, width)
        assert {channel.dtype for channel in it.channels} == {np.dtype(dtype).newbyteorder("=")}
        assert np.array_equal(it.read(), planes)
        row, col = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        window = (row, col, draw(st.integers(1, height - row)), draw(st.integers(1, width - col)))
        some = draw(st.lists(st.integers(0, len(planes) - 1), min_size=1, max_size=4))
        part = planes[some, row : row + window[2], col : col + window[3]]
        assert np.array_equal(it.read(some, window), part)


def test_names_and_attributes_are_those_of_the_dataset(tmp_path):
    write_hdf5(tmp_path / "x.h5", **{"a/ndvi": np.zeros((3, 3), "i2")})
    h5py = pytest.importorskip("h5py", reason="cloudio[hdf5]")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["a/ndvi"].attrs.update({"_FillValue": -1, "scale_factor": 0.5, "units": "1"})
    with open_raster(tmp_path / "x.h5") as raster:
        (channel,) = raster.channels
    assert (channel.name, channel.nodata, channel.scale_factor) == ("ndvi", -1, 0.5)
    assert channel.unit == ""


def test_what_is_not_one_image_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    write_hdf5(
        path,
        image=np.zeros((3, 4, 4), "u1"),
        mask=np.zeros((4, 4), "u1"),
        hwc=np.zeros((8, 8, 3)),
        c=np.zeros((4, 4), "c8"),
        n=np.zeros((1, 2, 3, 3)),
    )
    with pytest.raises(
        RequestError, match=r"holds /c \(4, 4\) complex64; .* Say which is the image"
    ):
        open_raster(path)
    with pytest.raises(RequestError, match=r"has no dataset 'imag'; it has .*; did you mean image"):
        open_raster(path, dataset="imag")
    with pytest.raises(LayoutError, match=r"/hwc, has the shape .* may be the first or the last"):
        open_raster(path, dataset="hwc")
    with pytest.raises(LayoutError, match="/c holds complex64; pixels are"):
        open_raster(path, dataset="c")
    with pytest.raises(LayoutError, match="/n, has the shape"):
        open_raster(path, dataset="n")
    assert open_raster(path, dataset="mask").shape == (4, 4)
