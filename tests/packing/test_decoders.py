"""Which package opens a file, what is said without it, and what files say of place and date."""

import io
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from images import random_pixels, same

import cloudio
from cloudio.packing.decoders import open_raster
from cloudio.packing.decoders.georeference import Georeference, date_of, iso_date
from cloudio.packing.decoders.raster import Channel, Raster, held_nodata


def tiny_tiff(path, compression=1):
    """Write a gray TIFF of 2 x 3 pixels, 1 to 6."""
    tags = [(256, 3), (257, 2), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1),
            (278, 2), (279, 6)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    body = b"II*\0" + struct.pack("<I", 14) + bytes(range(1, 7))
    path.write_bytes(body + struct.pack("<H", len(tags)) + entries + bytes(4))


def without(monkeypatch, *packages):
    """Have the import of packages fail as if they were not installed."""
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    without(monkeypatch, "rasterio", "tifffile", "PIL", "PIL.Image")
    tiny_tiff(tmp_path / "a.tif")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")
    for name, said in [
        ("a.tif", r"a\.tif is .* rasterio reads: pip install rasterio, or 'cloudio\[rasterio\]'"),
        ("a.jp2", r"a\.jp2 is .* rasterio reads: pip install rasterio, or 'cloudio\[rasterio\]'"),
        ("a.png", r"a\.png is .* pillow reads: pip install pillow, or 'cloudio\[pillow\]'"),
    ]:
        with pytest.raises(cloudio.RequestError, match=said):
            open_raster(tmp_path / name)


def test_tifffile_reads_tiffs_where_rasterio_is_missing(tmp_path, monkeypatch):
    pytest.importorskip("tifffile", reason="needs cloudio[tiff]")
    tiny_tiff(tmp_path / "a.tif")
    without(monkeypatch, "rasterio")
    with open_raster(tmp_path / "a.tif") as raster:
        assert type(raster).__name__ == "TiffRaster"
        assert same(raster.read(), np.arange(1, 7, dtype="uint8").reshape(1, 2, 3))
    without(monkeypatch, "imagecodecs")
    tiny_tiff(tmp_path / "b.tif", compression=5)
    said = r"b\.tif is a TIFF image compressed by LZW, .*pip install imagecodecs, or 'cloudio\[tiff"
    with pytest.raises(cloudio.RequestError, match=said):
        open_raster(tmp_path / "b.tif")


def test_a_png_of_16_bits_is_not_cut_to_8(tmp_path, monkeypatch):
    pytest.importorskip("PIL.Image", reason="needs cloudio[pillow]")
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs cloudio[tiff]")
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(random_pixels(1, (4, 5, 3), "uint16")))
    without(monkeypatch, "imagecodecs")
    with pytest.raises(cloudio.RequestError, match="16 bits, of which Pillow reads the upper 8"):
        open_raster(path)


def test_files_are_known_by_their_first_bytes(tmp_path):
    pixels = random_pixels(1, (4, 5), "uint8")
    with io.BytesIO() as file:
        np.save(file, pixels)
        (tmp_path / "image").write_bytes(file.getvalue())
    with open_raster(tmp_path / "image") as raster:
        assert same(raster.read(), pixels[None])
    Image = pytest.importorskip("PIL.Image", reason="needs cloudio[pillow]")  # noqa: N806
    Image.fromarray(pixels).save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(tmp_path / "b.JPG")
    with open_raster(tmp_path / "b.JPG") as raster:
        assert same(raster.read(), pixels[None])


def test_what_is_no_image_says_what_it_is(tmp_path):
    pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    for name, content, said in [
        ("a.tif", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.png", b"<!doctype html><html>", "is a web page"),
        ("a", b"", "cannot be opened by GDAL"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(cloudio.LayoutError, match=said):
            open_raster(tmp_path / name)


def test_the_bounds_of_a_turned_image_hold_all_corners():
    said = Georeference("EPSG:3857", (5.0, 3.0, 1.0, 7.0, 2.0, -4.0)).attributes(10, 20)
    assert said["geotransform"] == "5.0 3.0 1.0 7.0 2.0 -4.0"
    assert (said["left"], said["right"]) == (5.0, 5 + 60 + 10)
    assert (said["bottom"], said["top"]) == (7 - 40.0, 7 + 40.0)
    moved = Georeference(None, (5.0, 3.0, 1.0, 7.0, 2.0, -4.0)).moved(2, 5)
    assert moved.transform == (5 + 15 + 2.0, 3.0, 1.0, 7 + 10 - 8.0, 2.0, -4.0)
    assert Georeference("EPSG:3857").attributes(10, 20) == {"crs": "EPSG:3857"}
    assert Georeference().moved(3, 4).attributes(10, 20) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2020:06:25 10:20:30", "2020-06-25T10:20:30"),
        ("2020:06:25", "2020-06-25"),
        ("2020-06-25", "2020-06-25"),
        ("2020-06-25T10:20:30.024Z", "2020-06-25T10:20:30.024000Z"),
        ("2020-06-25T10:20:30+02:00", "2020-06-25T08:20:30Z"),
        ("0000:00:00 00:00:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_are_in_iso_form(text, found):
    assert iso_date(text) == found


def test_the_date_of_the_image_comes_before_that_of_the_file():
    tags = {"TIFFTAG_DATETIME": "2024:01:01 00:00:00", "acquisition_date": "2020-06-25"}
    assert date_of(tags) == "2020-06-25"
    assert date_of({"other": "2020-06-25"}) is None


def test_nodata_is_a_number_that_pixels_can_have():
    for nodata, dtype, held in [
        (-9999.0, "int16", -9999),
        (-9999.0, "uint16", None),
        (0.5, "uint8", None),
        (256, "uint8", None),
        (float("nan"), "uint8", None),
        (float("inf"), "int32", None),
        (0.1, "float32", float(np.float32(0.1))),
        (2**64 - 1, "uint64", 2**64 - 1),
        (1, "bool", 1),
        (2, "bool", None),
        (None, "uint8", None),
    ]:
        found = held_nodata(nodata, np.dtype(dtype))
        assert found == held
        assert type(found) is type(held)
    assert np.isnan(held_nodata(float("nan"), np.dtype("float32")))


class Slow(Raster):
    """Counts the reads that go on at once."""

    def __init__(self):
        super().__init__(Path("slow"), (2, 2), [Channel(None, np.dtype("uint8"))])
        self.going_on, self.most = 0, 0

    def _read(self, channels, window):
        self.going_on += 1
        self.most = max(self.most, self.going_on)
        time.sleep(0.01)
        self.going_on -= 1
        return np.zeros((1, 2, 2), "uint8")

    def _close(self):
        pass


def test_one_thread_at_a_time_reads_a_raster():
    raster = Slow()
    threads = [threading.Thread(target=raster.read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raster.most == 1
