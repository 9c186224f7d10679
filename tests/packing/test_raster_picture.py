"""Pictures that Pillow reads: the numbers that files store, or a refusal."""

import struct
import warnings
import zlib

import numpy as np
import profiles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import random_pixels, same, windows

import cloudio
from cloudio.packing.decoders import open_raster

Image = pytest.importorskip("PIL.Image", reason="needs cloudio[pillow]")
PNG = b"\x89PNG\r\n\x1a\n"


def png(pixels, bits, color):
    """Return a PNG of rows of packed pixels."""
    height = len(pixels)
    width = pixels.shape[1]
    if bits < 8:
        planes = (pixels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in planes]
    else:
        rows = [row.astype(f">u{bits // 8}").tobytes() for row in pixels]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))),
              (b"IEND", b"")]  # fmt: skip
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@settings(max_examples=profiles.scaled(30, 80))
@given(data=st.data())
def test_pixels_of_lossless_pictures_are_those_that_pillow_wrote(data, tmp_path_factory):
    draw = data.draw
    suffix, mode, dtype, n = draw(st.sampled_from([
        ("png", "L", "uint8", 1), ("png", "RGB", "uint8", 3), ("png", "RGBA", "uint8", 4),
        ("png", "LA", "uint8", 2), ("png", "I;16", "uint16", 1), ("png", "1", "bool", 1),
        ("bmp", "L", "uint8", 1), ("bmp", "RGB", "uint8", 3), ("webp", "RGB", "uint8", 3),
        ("gif", "L", "uint8", 1), ("png", "P", "uint8", 1), ("bmp", "P", "uint8", 1)]))  # fmt: skip
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    pixels = random_pixels(draw(st.integers(0, 99)), (n, height, width), dtype)
    if mode == "P":
        image = Image.fromarray(pixels[0], "L")
        image.putpalette([(7 * k) % 256 for k in range(768)])
    else:
        stored = pixels[0] if n == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, 2))
        image = Image.fromarray(stored)
    assert image.mode == mode
    path = tmp_path_factory.mktemp("pictures") / f"été 1.{suffix}"
    image.save(path, **({"lossless": True} if suffix == "webp" else {}))
    window = draw(windows(height, width))
    with open_raster(path) as raster:
        assert raster.shape == (height, width)
        assert raster.attributes == {}
        assert {channel.dtype for channel in raster.channels} == {np.dtype(dtype)}
        names = [channel.name for channel in raster.channels]
        assert names == {1: [None], 2: [None, "alpha"], 3: ["red", "green", "blue"],
                         4: ["red", "green", "blue", "alpha"]}[n]  # fmt: skip
        meaning = ["palette" if mode == "P" else "data"] * n
        if n in (2, 4):
            meaning[-1] = "alpha"
        assert [channel.meaning for channel in raster.channels] == meaning
        assert same(raster.read(), pixels)
        row, col, height, width = window
        part = pixels[::-1, row : row + height, col : col + width]
        assert same(raster.read(list(range(n))[::-1], window), np.ascontiguousarray(part))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_is_what_pillow_decodes(tmp_path, mode):
    path = tmp_path / "a.jpg"
    Image.fromarray(random_pixels(1, (40, 30, 3), "uint8")).convert(mode).save(path)
    with open_raster(path) as raster:
        decoded = np.asarray(Image.open(path))
        assert same(raster.read(), np.moveaxis(np.atleast_3d(decoded), 2, 0).copy())


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_of_fewer_bits_is_as_stored_not_stretched(tmp_path, bits):
    pixels = np.random.default_rng(1).integers(0, 2**bits, (7, 16)).astype("uint8")
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels, bits, 0))
    with open_raster(path) as raster:
        assert same(raster.read(), pixels.astype("bool" if bits == 1 else "uint8")[None])


@pytest.mark.parametrize(("color", "n"), [(2, 3), (4, 2), (6, 4)])
def test_several_channels_of_16_bits_are_exact(tmp_path, color, n):
    pytest.importorskip("imagecodecs", reason="needs cloudio[tiff]")
    pixels = random_pixels(1, (5, 6, n), "uint16")
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels, 16, color))
    with open_raster(path) as raster:
        assert {channel.dtype for channel in raster.channels} == {np.dtype("uint16")}
        assert same(raster.read(), np.moveaxis(pixels, 2, 0).copy())


def test_a_transparent_gray_is_nodata(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(1, (5, 6), "uint8")).save(path, transparency=7)
    with open_raster(path) as raster:
        assert raster.channels[0].nodata == 7
    Image.fromarray(random_pixels(1, (5, 6, 3), "uint8")).save(path, transparency=(1, 2, 3))
    with pytest.raises(cloudio.LayoutError, match="has a transparent color"):
        open_raster(path)


def test_pictures_that_may_be_taken_wrongly_are_refused(tmp_path):
    pixels = random_pixels(1, (5, 6, 4), "uint8")
    cmyk = tmp_path / "a.jpg"
    Image.fromarray(pixels[..., :3]).convert("CMYK").save(cmyk)
    with pytest.raises(cloudio.LayoutError, match="has the mode CMYK"):
        open_raster(cmyk)
    moving = tmp_path / "a.gif"
    frames = [Image.fromarray(pixels[..., k]) for k in range(3)]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    with pytest.raises(cloudio.LayoutError, match="holds 3 frames"):
        open_raster(moving)
    turned = tmp_path / "b.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels[..., :3]).save(turned, exif=exif)
    with pytest.raises(cloudio.LayoutError, match=r"EXIF orientation 6.*exif_transpose"):
        open_raster(turned)
    exif[0x0112] = 1
    Image.fromarray(pixels[..., :3]).save(turned, exif=exif)
    open_raster(turned).close()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "gif"])
def test_pictures_that_end_early_are_errors(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(random_pixels(1, (64, 64), "uint8")).save(path)
    content = path.read_bytes()
    for share in (0.95, 0.5, 0.1, 0.0):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError), match=rf"a\.{suffix}"):  # noqa: SIM117
            with open_raster(path) as raster:
                raster.read()


@pytest.mark.parametrize("engine", ["gdal", "pillow"])
def test_a_damaged_jpeg_is_an_error(tmp_path, engine):
    pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    path = tmp_path / "a.jpg"
    Image.fromarray(random_pixels(1, (64, 64), "uint8")).save(path)
    content = path.read_bytes()
    half = len(content) // 2
    damaged = content[:half] + b"\xff\x11\xff" + content[half + 3 :]
    for wrong in (content[:-500], damaged):
        path.write_bytes(wrong)
        with (
            open_raster(path, engine=engine) as raster,
            pytest.raises(cloudio.ReadError, match=r"a\.jpg cannot be decoded"),
        ):
            raster.read()


def test_a_changed_byte_of_a_png_is_an_error(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(1, (64, 64), "uint8")).save(path)
    content = path.read_bytes()
    for k in range(8, len(content), 97):
        path.write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        with pytest.raises((cloudio.ReadError, cloudio.LayoutError), match=r"a\.png"):
            open_raster(path)


def test_the_limit_of_pillow_holds(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(1, (64, 64), "uint8")).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(cloudio.LayoutError, match=r"larger than Pillow opens.*MAX_IMAGE_PIXELS"):
        open_raster(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with pytest.warns(Image.DecompressionBombWarning):
        open_raster(path).close()


def test_pillow_must_not_read_damaged_files_as_gray(tmp_path, monkeypatch):
    from PIL import ImageFile

    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(1, (4, 4), "uint8")).save(path)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with (
        open_raster(path) as raster,
        pytest.raises(cloudio.RequestError, match="LOAD_TRUNCATED_IMAGES is True"),
    ):
        raster.read()


def test_nothing_is_left_open(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG but nothing more")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(cloudio.CloudioError):
            open_raster(path)
