"""TIFFs that tifffile opens: the same numbers as rasterio, and as tifffile itself."""

import numpy as np
import profiles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from images import random_pixels, same, windows

import cloudio
from cloudio.packing.decoders import open_raster

tifffile = pytest.importorskip("tifffile", reason="needs cloudio[tiff]")
pytest.importorskip("imagecodecs", reason="needs cloudio[tiff]")

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@settings(max_examples=profiles.scaled(25, 60))
@given(data=st.data())
def test_pixels_are_those_that_tifffile_wrote(data, tmp_path_factory):
    draw = data.draw
    path = tmp_path_factory.mktemp("tiff") / "a b.tif"
    dtype = draw(st.sampled_from("bool uint8 int8 uint16 int16 int32 float16 float32".split()))
    n, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 50)), draw(st.integers(1, 50))
    pixels = random_pixels(draw(st.integers(0, 99)), (n, height, width), dtype)
    options = {"photometric": "minisblack", "byteorder": draw(st.sampled_from("<>"))}
    if draw(st.booleans()) and dtype != "bool":
        options["tile"] = (16, 32)
    elif dtype != "bool":
        options["rowsperstrip"] = draw(st.integers(1, height))
    if dtype != "bool":
        options["compression"] = draw(st.sampled_from([None, "zlib", "lzw", "zstd", "lzma"]))
    layout = draw(st.sampled_from(["planar", "pixel", "pages"])) if n > 1 else "one"
    if layout == "planar" and dtype != "bool":
        tifffile.imwrite(path, pixels, planarconfig="separate", **options)
    elif layout == "pixel" and dtype != "bool":
        tifffile.imwrite(path, np.moveaxis(pixels, 0, 2), planarconfig="contig", **options)
    elif n > 1:
        assume(width > 1 or dtype != "bool")  # see the next test
        tifffile.imwrite(path, pixels, metadata={"axes": "CYX"}, **options)
    else:
        tifffile.imwrite(path, pixels[0], **options)
    window = draw(windows(height, width))
    some = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4))
    with open_raster(path, engine="tifffile") as raster:
        assert [channel.dtype for channel in raster.channels] == [pixels.dtype] * n
        assert same(raster.read(), pixels)
        row, col, height, width = window
        expected = pixels[some, row : row + height, col : col + width]
        assert same(raster.read(some, window), np.ascontiguousarray(expected))


def test_channels_of_one_column_in_one_page_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((2, 1, 1), bool), metadata={"axes": "CYX"})
    with pytest.raises(cloudio.LayoutError, match="has pages of 2 x 1 pixels, but says that its"):
        open_raster(path, engine="tifffile")


@settings(max_examples=profiles.scaled(15, 40))
@given(data=st.data())
def test_files_of_gdal_say_the_same_without_it(data, tmp_path_factory):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    draw = data.draw
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    n = draw(st.integers(1, 4))
    pixels = random_pixels(draw(st.integers(0, 99)), (n, 20, 30), draw(st.sampled_from(
        ["uint8", "uint16", "int16", "float32"])))  # fmt: skip
    options = {"compress": draw(st.sampled_from(["deflate", "lzw", None]))}
    if place := draw(st.sampled_from([None, (5e5, 10, 0, 4e6, 0, -10), (5.5, 3, 1, 7, 2, -4)])):
        options["transform"] = rasterio.Affine.from_gdal(*place)
    options["crs"] = draw(st.sampled_from([None, "EPSG:32630", "EPSG:4326", "EPSG:3857"]))
    options["nodata"] = draw(st.sampled_from([None, 0, 7]))
    if draw(st.booleans()):
        options["photometric"] = "MINISBLACK"
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=n,
                       dtype=pixels.dtype, **options) as file:  # fmt: skip
        file.write(pixels)
        file.descriptions = [None, "B2", "ü <&>", None][:n]
        file.scales, file.units = [0.5, 1, 2, 1][:n], ["m", "", "", ""][:n]
        if options["crs"] and draw(st.booleans()):
            file.update_tags(AREA_OR_POINT="Point")
        file.update_tags(TIFFTAG_DATETIME="2020:06:25 10:20:30")
    with open_raster(path, engine="tifffile") as raster, open_raster(path, engine="gdal") as gdal:
        assert same(raster.read(), gdal.read())
        assert raster.channels == gdal.channels
        assert raster.attributes == gdal.attributes


def test_axes_that_may_be_anything_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    for axes in ["ZYX", "TYX", "QYX"]:
        tifffile.imwrite(path, np.ones((3, 5, 6), "uint16"), photometric="minisblack",
                         metadata={"axes": axes})  # fmt: skip
        with pytest.raises(cloudio.LayoutError, match=rf"axes {axes} and the shape \(3, 5, 6\)"):
            open_raster(path)


def test_channels_of_imagej_have_their_names(tmp_path):
    path = tmp_path / "a.tif"
    pixels = random_pixels(1, (3, 5, 6), "uint16")
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX", "Labels": ["a", "b", "c"]})
    with open_raster(path) as raster:
        assert [channel.name for channel in raster.channels] == ["a", "b", "c"]
        assert same(raster.read(), pixels)


def test_palettes_alpha_and_several_images_are_told(tmp_path):
    path = tmp_path / "a.tif"
    pixels = random_pixels(1, (5, 6), "uint8")
    tifffile.imwrite(path, pixels, photometric="palette", colormap=np.zeros((3, 256), "uint16"))
    with open_raster(path, engine="tifffile") as raster:
        assert [channel.meaning for channel in raster.channels] == ["palette"]
    rgba = random_pixels(1, (5, 6, 4), "uint8")
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    with open_raster(path, engine="tifffile") as raster:
        assert [channel.name for channel in raster.channels] == ["red", "green", "blue", None]
        assert raster.channels[3].meaning == "alpha"
    with tifffile.TiffWriter(path) as file:
        file.write(pixels)
        file.write(np.ones((7, 8), "float32"))
    with pytest.raises(cloudio.LayoutError, match="holds 2 images"):
        open_raster(path, engine="tifffile")
    tifffile.imwrite(path, np.ones((5, 6), "complex64"))
    with pytest.raises(cloudio.LayoutError, match="pixels of complex64"):
        open_raster(path, engine="tifffile")


def test_reference_systems_without_a_number_need_rasterio(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    path = tmp_path / "a.tif"
    crs = rasterio.crs.CRS.from_string("+proj=laea +lat_0=11 +lon_0=22 +datum=WGS84 +units=m")
    with rasterio.open(path, "w", driver="GTiff", height=2, width=2, count=1, dtype="uint8",
                       crs=crs, transform=rasterio.Affine(2, 0, 0, 0, -2, 0)):  # fmt: skip
        pass
    with pytest.raises(cloudio.LayoutError, match=r"without a number.*pip install rasterio"):
        open_raster(path, engine="tifffile")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "jpeg"])
def test_files_that_end_early_are_errors(tmp_path, compression):
    path = tmp_path / "a.tif"
    pixels = random_pixels(1, (64, 64, 3), "uint8")
    tifffile.imwrite(path, pixels, photometric="rgb", compression=compression, rowsperstrip=16)
    content = path.read_bytes()
    for share in (0.99, 0.7, 0.3, 0.0):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError), match=r"a\.tif"):  # noqa: SIM117
            with open_raster(path, engine="tifffile") as raster:
                raster.read()
