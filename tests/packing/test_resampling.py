"""Files of several resolutions: refused, or repeated pixel by pixel."""

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import random_pixels, same, windows

import cloudio
from cloudio.packing.decoders import open_raster
from cloudio.packing.sources.resampling import to_one_grid


def npy(folder, name, pixels):
    np.save(folder / f"{name}.npy", pixels)
    return open_raster(folder / f"{name}.npy", channel_axis="first")


@settings(max_examples=profiles.scaled(20, 60))
@given(data=st.data())
def test_pixels_are_those_of_repeat(data, tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("resampling"), data.draw
    rows, cols = draw(st.integers(1, 4)) * 6, draw(st.integers(1, 4)) * 6
    factors = draw(st.permutations([1, *draw(st.lists(st.sampled_from([1, 2, 3, 6]), max_size=3))]))
    stored, rasters = [], []
    for k, factor in enumerate(factors):
        dtype = draw(st.sampled_from(["uint8", "uint16", "float32"]))
        pixels = random_pixels(k, (draw(st.integers(1, 3)), rows // factor, cols // factor), dtype)
        stored.append(pixels.repeat(factor, 1).repeat(factor, 2))
        rasters.append(npy(folder, f"b{k}", pixels))
    row, col, height, width = window = draw(windows(rows, cols))
    for raster, pixels in zip(to_one_grid(rasters, "nearest"), stored, strict=True):
        with raster:
            assert raster.shape == (rows, cols)
            assert len(raster.channels) == len(pixels)
            assert same(raster.read(), pixels)
            part = pixels[::-1, row : row + height, col : col + width]
            some = list(range(len(pixels)))[::-1]
            assert same(np.ascontiguousarray(raster.read(some, window)), part.copy())


def test_several_sizes_are_refused_unless_asked_for(tmp_path):
    rasters = [npy(tmp_path, "b10", np.ones((12, 12))), npy(tmp_path, "b20", np.ones((6, 6)))]
    with pytest.raises(
        cloudio.RequestError, match=r"b10\.npy has 12 x 12, .*b20\.npy has 6 x 6 pixels; resample="
    ):
        to_one_grid(rasters, None)
    assert to_one_grid(rasters[:1], None) == rasters[:1]


@pytest.mark.parametrize("size", [(5, 5), (12, 6), (6, 12), (8, 8)])
def test_sizes_that_are_no_whole_part_are_refused(tmp_path, size):
    rasters = [npy(tmp_path, "a", np.ones((12, 12))), npy(tmp_path, "b", np.ones(size))]
    with pytest.raises(cloudio.RequestError, match=rf"b\.npy has {size[0]} x {size[1]} pixels"):
        to_one_grid(rasters, "nearest")
    with pytest.raises(cloudio.RequestError, match="resample='cubic'"):
        to_one_grid(rasters, "cubic")


def test_windows_of_repeated_pixels_stay_inside(tmp_path):
    rasters = [npy(tmp_path, "a", np.ones((12, 12))), npy(tmp_path, "b", np.ones((6, 6)))]
    _, coarse = to_one_grid(rasters, "nearest")
    with pytest.raises(cloudio.RequestError, match=r"b\.npy has 12 x 12 pixels"):
        coarse.read(window=(0, 0, 13, 12))


def test_the_place_is_that_of_the_fine_grid(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    path = tmp_path / "a.tif"
    place = rasterio.Affine(20.0, 0.0, 5e5, 0.0, -20.0, 4e6)
    with rasterio.open(path, "w", driver="GTiff", height=6, width=5, count=1, dtype="uint8",
                       crs="EPSG:32630", transform=place) as file:  # fmt: skip
        file.write(np.ones((6, 5), "uint8"), 1)
        bounds = file.bounds
    coarse = open_raster(path)
    with to_one_grid([npy(tmp_path, "b", np.ones((12, 10))), coarse], "nearest")[1] as raster:
        said = raster.attributes
        assert said["crs"] == "EPSG:32630"
        assert said["geotransform"] == "500000.0 10.0 0.0 4000000.0 0.0 -10.0"
        assert [said[side] for side in ("left", "bottom", "right", "top")] == list(bounds)
        part = raster.attributes_of((3, 1, 4, 5))
        assert part["geotransform"] == "500010.0 10.0 0.0 3999970.0 0.0 -10.0"
