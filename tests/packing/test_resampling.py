"""Samples of files of several resolutions: refused, or repeated pixel by pixel."""

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import random_pixels, same, windows

import cloudio
from cloudio.packing.decoders import open_raster
from cloudio.packing.sample import ArrayInfo
from cloudio.packing.sources.opened import Layer, OpenSample

PLACE = (5e5, 10.0, 0.0, 4e6, 0.0, -10.0)


def layer(path, *names, kind="band"):
    raster = open_raster(path)
    channels = tuple(range(len(names)))
    return Layer(raster, channels, names, tuple(raster.channels[k].info(kind) for k in channels))


def npy(folder, name, pixels):
    np.save(folder / f"{name}.npy", pixels)
    return layer(folder / f"{name}.npy", name)


def tif(folder, name, pixels, transform=PLACE, crs="EPSG:32630", kind="band"):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    path = folder / f"{name}.tif"
    with rasterio.open(path, "w", driver="GTiff", height=pixels.shape[0], width=pixels.shape[1],
                       count=1, dtype=pixels.dtype, crs=crs,
                       transform=rasterio.Affine.from_gdal(*transform)) as file:  # fmt: skip
        file.write(pixels, 1)
    return layer(path, name, kind=kind)


def coarser(transform, factor):
    x0, dx, rx, y0, ry, dy = transform
    return (x0, dx * factor, rx * factor, y0, ry * factor, dy * factor)


@settings(max_examples=profiles.scaled(20, 60))
@given(data=st.data())
def test_pixels_are_those_of_repeat(data, tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("resampling"), data.draw
    rows, cols = draw(st.integers(1, 4)) * 6, draw(st.integers(1, 4)) * 6
    factors = [1, *draw(st.lists(st.sampled_from([1, 2, 3, 6]), max_size=3))]
    types = [draw(st.sampled_from(["uint8", "uint16", "float32"])) for _ in factors]
    order = draw(st.permutations(range(len(factors))))
    stored, layers = {}, []
    for k in order:
        name, factor = f"b{k}", factors[k]
        pixels = random_pixels(k, (rows // factor, cols // factor), types[k])
        stored[name] = pixels.repeat(factor, 0).repeat(factor, 1)
        layers.append(npy(folder, name, pixels))
    row, col, height, width = draw(windows(rows, cols))
    with OpenSample(layers, "nearest", {"id": "x"}) as opened:
        assert opened.shape == (rows, cols)
        whole, part = opened.read(), opened.read((row, col, height, width))
        assert list(whole.arrays) == [f"b{k}" for k in order]
        assert whole.attributes == {"id": "x"}
        for name, pixels in stored.items():
            assert same(whole.arrays[name], pixels)
            assert same(part.arrays[name], pixels[row : row + height, col : col + width])


def test_several_sizes_are_refused_unless_asked_for(tmp_path):
    layers = [npy(tmp_path, "b10", np.ones((12, 12))), npy(tmp_path, "b20", np.ones((6, 6)))]
    with pytest.raises(
        cloudio.RequestError, match=r"b10\.npy has 12 x 12, .*b20\.npy has 6 x 6 pixels; resample="
    ):
        OpenSample(layers)


@pytest.mark.parametrize("size", [(5, 5), (12, 6), (6, 12), (8, 8)])
def test_sizes_that_are_no_whole_part_are_refused(tmp_path, size):
    layers = [npy(tmp_path, "a", np.ones((12, 12))), npy(tmp_path, "b", np.ones(size))]
    with pytest.raises(cloudio.RequestError, match=rf"b\.npy has {size[0]} x {size[1]} pixels"):
        OpenSample(layers, "nearest")
    with pytest.raises(cloudio.RequestError, match="resample='cubic'"):
        OpenSample(layers, "cubic")


def test_the_place_is_that_of_the_finest_grid(tmp_path):
    pixels = random_pixels(1, (6, 6), "uint16")
    layers = [
        tif(tmp_path, "b20", pixels, coarser(PLACE, 2)),
        tif(tmp_path, "b10", random_pixels(2, (12, 12), "uint16")),
        npy(tmp_path, "b60", random_pixels(3, (2, 2), "uint16")),
    ]
    with OpenSample(layers, "nearest") as opened:
        assert opened.read().attributes["geotransform"] == "500000.0 10.0 0.0 4000000.0 0.0 -10.0"
        part = opened.read((3, 1, 4, 5)).attributes
        assert part["geotransform"] == "500010.0 10.0 0.0 3999970.0 0.0 -10.0"
        assert (part["left"], part["top"]) == (500010.0, 3999970.0)
        assert (part["right"], part["bottom"]) == (500060.0, 3999930.0)


def test_the_place_of_a_coarse_file_is_refined_if_it_is_the_only_one(tmp_path):
    layers = [
        npy(tmp_path, "b10", random_pixels(2, (12, 12), "uint16")),
        tif(tmp_path, "b20", random_pixels(1, (6, 6), "uint16"), coarser(PLACE, 2)),
    ]
    with OpenSample(layers, "nearest") as opened:
        assert opened.read().attributes["geotransform"] == "500000.0 10.0 0.0 4000000.0 0.0 -10.0"


@pytest.mark.parametrize(
    ("transform", "crs", "said"),
    [
        ((5e5 + 10, 20.0, 0.0, 4e6, 0.0, -20.0), "EPSG:32630", "corners are 1 pixels apart"),
        ((5e5, 30.0, 0.0, 4e6, 0.0, -20.0), "EPSG:32630", "corners are 6 pixels apart"),
        ((5e5, 20.0, 0.0, 4e6, 0.0, -20.0), "EPSG:32631", "in EPSG:32630, but .* EPSG:32631"),
    ],
)
def test_files_at_different_places_are_refused(tmp_path, transform, crs, said):
    layers = [
        tif(tmp_path, "a", np.ones((12, 12), "uint8")),
        tif(tmp_path, "b", np.ones((6, 6), "uint8"), transform, crs),
    ]
    with pytest.raises(cloudio.RequestError, match=said):
        OpenSample(layers, "nearest")


def test_rounded_transforms_are_the_same_place(tmp_path):
    x0, dx, *rest = PLACE
    layers = [
        tif(tmp_path, "a", np.ones((12, 12), "uint8")),
        tif(tmp_path, "b", np.ones((12, 12), "uint8"), (x0 + 0.3, dx, *rest), kind="label"),
    ]
    with OpenSample(layers) as opened:
        assert opened.read().attributes["geotransform"].startswith("500000.0 10.0")


def test_channels_may_become_one_array(tmp_path):
    colors = random_pixels(1, (3, 4, 6), "uint8")
    np.save(tmp_path / "c.npy", colors)
    raster = open_raster(tmp_path / "c.npy")
    total = Layer(raster, (2, 0), ("mask",), (ArrayInfo("label"),), lambda x: x[0] - x[1])
    with OpenSample([total]) as opened:
        sample = opened.read((1, 2, 3, 4))
        assert same(sample.arrays["mask"], (colors[2] - colors[0])[1:, 2:].copy())
        assert sample.infos["mask"].kind == "label"
