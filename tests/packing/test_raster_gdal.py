"""Files that rasterio opens: the same numbers, and what the file says of them."""

import logging
import threading
import warnings

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import ODD_NAMES, random_pixels, same, windows

import cloudio
from cloudio.errors import MissingFileError
from cloudio.packing.decoders import open_raster

rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")

# Of rasterio where the tests themselves call it.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
]
CRSS = [None, "EPSG:32630", "EPSG:4326", "EPSG:3857", "EPSG:2154", "EPSG:3035"]
OWN = "+proj=laea +lat_0=11 +lon_0=22 +datum=WGS84 +units=m"


def write(path, pixels, **profile):
    n, height, width = pixels.shape
    profile = {"driver": "GTiff", "dtype": pixels.dtype.name, **profile}
    with rasterio.open(
        path,
        "w",
        height=height,
        width=width,
        count=n,
        **{"photometric": "MINISBLACK"} | profile,
    ) as file:
        file.write(pixels)
    return path


def edit(path, **values):
    """Set properties of a data set that exists, such as its descriptions."""
    with rasterio.open(path, "r+") as file:
        for name, value in values.items():
            if name == "tags":
                file.update_tags(**value)
            else:
                setattr(file, name, value)


@settings(max_examples=profiles.scaled(25, 60))
@given(data=st.data())
def test_pixels_and_place_are_those_of_the_file(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gdal")
    draw = data.draw
    dtype = draw(st.sampled_from("uint8 int8 uint16 int16 uint32 int32 float32 float64".split()))
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 70)), draw(st.integers(1, 70))
    pixels = random_pixels(draw(st.integers(0, 99)), shape, dtype)
    options = {"compress": draw(st.sampled_from(["deflate", "lzw", "zstd", "packbits", None]))}
    if draw(st.booleans()):
        options |= {"tiled": True, "blockxsize": 16, "blockysize": 32}
    options["interleave"] = draw(st.sampled_from(["band", "pixel"]))
    if dtype in ("uint16", "int16", "uint8") and options["compress"] in ("deflate", "zstd"):
        options["predictor"] = draw(st.sampled_from([1, 2]))
    options["endianness"] = draw(st.sampled_from(["LITTLE", "BIG"]))
    crs = draw(st.sampled_from(CRSS))
    coordinate = st.floats(-1e6, 1e6)
    place = draw(st.none() | st.tuples(coordinate, st.just(10.0), st.sampled_from([0.0, 0.25]),
                                       coordinate, st.just(0.0), st.just(-9.5)))  # fmt: skip
    if place is not None:
        options["transform"] = rasterio.Affine.from_gdal(*place)
    path = write(folder / draw(st.sampled_from(ODD_NAMES)), pixels, crs=crs, **options)
    window = draw(windows(*shape[1:]))
    some = draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4))
    with open_raster(path) as raster:
        assert raster.shape == shape[1:]
        assert [channel.dtype for channel in raster.channels] == [pixels.dtype] * shape[0]
        assert same(raster.read(), pixels)
        row, col, height, width = window
        expected = pixels[some, row : row + height, col : col + width]
        assert same(raster.read(some, window), np.ascontiguousarray(expected))
        assert raster.attributes.get("crs") == crs
        with rasterio.open(path) as file:
            transform, bounds = file.transform, file.bounds
        if transform.is_identity:
            assert "geotransform" not in raster.attributes
        else:
            text = raster.attributes["geotransform"]
            assert text == " ".join(map(repr, transform.to_gdal()))
            if transform.is_rectilinear:
                assert [raster.attributes[side] for side in bounds._fields] == list(bounds)


def test_what_bands_say_is_kept(tmp_path):
    pixels = random_pixels(1, (3, 8, 9), "int16")
    path = write(tmp_path / "a.tif", pixels, nodata=-9999)
    edit(path, descriptions=("B4", None, "odd, name"), scales=(1e-4, 1, 2), offsets=(-0.1, 0, 0),
         units=("1", "", "K"), tags={"TIFFTAG_DATETIME": "2020:06:25 10:20:30"})  # fmt: skip
    with rasterio.open(path, "r+") as file:
        file.update_tags(1, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.6646")
    with open_raster(path) as raster:
        first, second, third = raster.channels
        assert (first.name, second.name, third.name) == ("B4", None, "odd, name")
        assert (first.scale_factor, first.add_offset, first.unit) == (1e-4, -0.1, "1")
        assert (second.scale_factor, second.add_offset, second.unit) == (None, None, None)
        assert (third.scale_factor, third.add_offset, third.unit) == (2, None, "K")
        assert [channel.nodata for channel in raster.channels] == [-9999] * 3
        assert (first.wavelength, second.wavelength) == (664.6, None)
        assert raster.attributes == {"date": "2020-06-25T10:20:30"}
        assert first.info("label").kind == "label"


def test_reference_systems_without_a_number_are_kept_as_text(tmp_path):
    crs = rasterio.crs.CRS.from_string(OWN)
    path = write(tmp_path / "a.tif", random_pixels(1, (1, 4, 4), "uint8"), crs=crs)
    with open_raster(path) as raster, rasterio.open(path) as file:
        assert rasterio.crs.CRS.from_wkt(raster.attributes["crs"]) == file.crs
        assert "EPSG" not in raster.attributes["crs"][:5]


def test_colors_alpha_and_palettes_are_named(tmp_path):
    alpha = write(
        tmp_path / "rgba.tif", random_pixels(1, (4, 4, 4), "uint8"), photometric="RGB", ALPHA="YES"
    )
    with open_raster(alpha) as raster:
        assert [c.name for c in raster.channels] == ["red", "green", "blue", None]
        assert [c.meaning for c in raster.channels] == ["data"] * 3 + ["alpha"]
    pixels = random_pixels(1, (1, 4, 4), "uint8")
    path = write(tmp_path / "palette.tif", pixels, photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {k: (k, 0, 0, 255) for k in range(256)})
    with open_raster(path) as raster:
        assert [c.meaning for c in raster.channels] == ["palette"]
        assert same(raster.read(), pixels)


def test_a_mask_beside_the_bands_is_a_channel_that_says_so(tmp_path):
    pixels = random_pixels(1, (2, 6, 7), "uint8")
    mask = random_pixels(2, (6, 7), "bool") * np.uint8(255)
    path = write(tmp_path / "a.tif", pixels)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    with open_raster(path) as raster:
        assert [c.meaning for c in raster.channels] == ["data", "data", "mask"]
        assert same(raster.read(), np.stack([*pixels, mask]))
        part = np.stack([mask, pixels[0]])[:, 1:4, 2:7]
        assert same(raster.read([2, 0], (1, 2, 3, 5)), np.ascontiguousarray(part))
        assert same(raster.read([0, 1]), pixels)


def test_control_points_are_no_transform(tmp_path):
    points = [rasterio.control.GroundControlPoint(r, c, 10.0 * c, 50.0 - r)
              for r, c in [(0, 0), (0, 9), (9, 0)]]  # fmt: skip
    path = tmp_path / "a.tif"
    write(path, random_pixels(1, (1, 9, 9), "uint8"), gcps=points, crs="EPSG:4326")
    with open_raster(path) as raster:
        assert "geotransform" not in raster.attributes


def test_nodata_that_no_pixel_can_have_is_dropped(tmp_path):
    path = write(tmp_path / "a.vrt.tif", random_pixels(1, (1, 4, 4), "float32"), nodata=0.1)
    with open_raster(path) as raster:
        assert raster.channels[0].nodata == float(np.float32(0.1))
    source = write(tmp_path / "b.tif", random_pixels(1, (1, 4, 4), "uint8"))
    vrt = tmp_path / "c.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1">'
        f"<NoDataValue>-9999</NoDataValue><SimpleSource><SourceFilename>{source}</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with open_raster(vrt) as raster:
        assert raster.channels[0].nodata is None
        assert same(raster.read(), random_pixels(1, (1, 4, 4), "uint8"))


def test_jpeg_2000_is_read(tmp_path):
    pixels = random_pixels(1, (3, 33, 40), "uint16")
    path = tmp_path / "a.jp2"
    write(path, pixels, driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES", crs="EPSG:32630",
          transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6))  # fmt: skip
    with open_raster(path) as raster:
        assert same(raster.read(), pixels)
        assert raster.attributes["crs"] == "EPSG:32630"


def test_bands_of_several_types_are_read_one_type_at_a_time(tmp_path):
    a = random_pixels(1, (1, 4, 4), "uint8")
    b = random_pixels(1, (1, 4, 4), "float32")
    write(tmp_path / "a.tif", a)
    write(tmp_path / "b.tif", b)
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{k}"><SimpleSource><SourceFilename '
        f'relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
        for k, (name, kind) in enumerate([("a", "Byte"), ("b", "Float32")], start=1)
    )
    path = tmp_path / "c.vrt"
    path.write_text(f'<VRTDataset rasterXSize="4" rasterYSize="4">{bands}</VRTDataset>')
    with open_raster(path) as raster:
        assert same(raster.read([0]), a)
        assert same(raster.read([1]), b)
        with pytest.raises(cloudio.RequestError, match="several types, float32, uint8"):
            raster.read()


@pytest.mark.parametrize("compress", [None, "deflate", "lzw", "zstd", "jpeg"])
def test_files_that_end_early_are_errors(tmp_path, compress):
    path = write(tmp_path / "a.tif", random_pixels(1, (3, 64, 64), "uint8"), compress=compress)
    content = path.read_bytes()
    for share in (0.999, 0.7, 0.3, 0.0):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError), match=r"a\.tif"):  # noqa: SIM117
            with open_raster(path) as raster:
                raster.read()


def test_complex_pixels_pages_and_others_are_refused(tmp_path):
    write(tmp_path / "c.tif", np.ones((1, 4, 4), "complex64"))
    with pytest.raises(cloudio.LayoutError, match="pixels of complex64"):
        open_raster(tmp_path / "c.tif")
    for k in range(2):
        write(
            tmp_path / "p.tif", np.ones((1, 4, 4), "uint8"), APPEND_SUBDATASET="YES" if k else "NO"
        )
    with pytest.raises(cloudio.LayoutError, match="holds 2 images"):
        open_raster(tmp_path / "p.tif", engine="gdal")
    (tmp_path / "x.tif").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(cloudio.LayoutError, match="git lfs pull"):
        open_raster(tmp_path / "x.tif")
    with pytest.raises(MissingFileError):
        open_raster(tmp_path / "none.tif")
    with pytest.raises(cloudio.LayoutError, match="is a folder"):
        open_raster(tmp_path)


def test_windows_and_channels_that_are_not_there_are_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((2, 4, 5), "uint8"))
    with open_raster(path) as raster:
        for window in [(0, 0, 5, 5), (-1, 0, 2, 2), (0, 5, 1, 1), (0, 0, 0, 1)]:
            with pytest.raises(cloudio.RequestError, match="has 4 x 5 pixels"):
                raster.read(window=window)
        for channels in [[2], [-1], []]:
            with pytest.raises(cloudio.RequestError, match="its channels are 0 to 1"):
                raster.read(channels)


def test_neither_warnings_nor_messages_of_gdal_are_shown(tmp_path, capfd):
    good = write(tmp_path / "a.tif", np.ones((1, 64, 64), "uint8"))
    bad = tmp_path / "b.tif"
    bad.write_bytes(good.read_bytes()[:2000])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_raster(good) as raster:
            raster.read()
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError)), open_raster(bad) as raster:
            raster.read()
    assert capfd.readouterr() == ("", "")
    assert logging.lastResort is not None


def test_the_own_warning_of_others_is_still_given(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    open_raster(path).close()
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        rasterio.open(path).close()


def test_threads_share_a_raster(tmp_path):
    pixels = random_pixels(1, (2, 128, 128), "uint16")
    path = write(tmp_path / "a.tif", pixels, compress="deflate", tiled=True, blockxsize=16,
                 blockysize=16)  # fmt: skip
    wrong = []
    with open_raster(path) as raster:

        def read(first):
            for row in range(first, 100, 7):
                if not same(
                    raster.read(None, (row, 5, 20, 100)), pixels[:, row : row + 20, 5:105].copy()
                ):
                    wrong.append(row)

        threads = [threading.Thread(target=read, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
