"""Pictures that Pillow reads: PNG, JPEG, BMP, WebP and GIF."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..._utils.files import open_bytes
from ..._utils.text import counted, listed
from ...errors import LayoutError, ReadError, RequestError
from ...storage.headers.formats import format_of
from .packages import find_package, need_package, reason_of
from .raster import Channel, Raster, Window
from .raster_numpy import copied

_FORMATS = "PNG", "JPEG", "BMP", "WEBP", "GIF"
_COLORS = "red", "green", "blue"
# Modes of Pillow, with the type and the channels of their pixels.  "data" is one without a name.
_MODES: dict[str, tuple[str, tuple[str, ...]]] = {
    "1": ("bool", ("data",)),
    "L": ("uint8", ("data",)),
    "P": ("uint8", ("palette",)),
    "I;16": ("uint16", ("data",)),
    "I;16B": ("uint16", ("data",)),
    "I": ("int32", ("data",)),
    "F": ("float32", ("data",)),
    "LA": ("uint8", ("data", "alpha")),
    "PA": ("uint8", ("palette", "alpha")),
    "RGB": ("uint8", _COLORS),
    "RGBA": ("uint8", (*_COLORS, "alpha")),
}
_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
# Types of color in a PNG's header.
_GRAY, _RGB, _GRAY_ALPHA, _RGBA = 0, 2, 4, 6


class PictureRaster(Raster):
    """A picture; its numbers are those that the file stores.

    Pictures have no transform, and are decoded as a whole, at the first read.  One that EXIF says
    to turn is refused, because people may have drawn its labels either way.
    """

    def __init__(self, path: Path) -> None:
        self._pillow = need_package("PIL.Image", path, "a picture")
        with open_bytes(path) as file:
            content = file.read()
        self._bits, self._color = _check_png(path, content)
        self._content = content
        self._pixels: np.ndarray | None = None
        self._image = self._open(path)
        _refuse(path, self._image)
        dtype, names = self._type_of(path)
        channels = [_channel(name, np.dtype(dtype)) for name in names]
        transparent = self._image.info.get("transparency")
        if transparent is not None and self._image.mode != "P":
            channels = _with_transparent(path, channels, transparent)
        width, height = self._image.size
        super().__init__(path, (height, width), channels)

    def _open(self, path: Path) -> Any:
        try:
            return self._pillow.open(io.BytesIO(self._content), formats=_FORMATS)
        except self._pillow.DecompressionBombError as error:
            reason = f"is larger than Pillow opens: {error}; Image.MAX_IMAGE_PIXELS is the limit"
            raise LayoutError.about(path, reason) from None
        except Exception as error:
            found = format_of(path)
            what = "no picture" if found is None else f"damaged, or not {found.name}"
            raise LayoutError.about(path, f"is {what}: {reason_of(error)}") from None

    def _type_of(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """Return type and channels of the pixels; LayoutError for modes that are refused."""
        if self._bits == 16:
            return "uint16", _MODES[_MODE_OF_COLOR[self._color]][1]
        if (found := _MODES.get(self._image.mode)) is None:
            known = listed(_MODES)
            reason = f"has the mode {self._image.mode}; the modes that are read are {known}"
            raise LayoutError.about(path, f"{reason}: save it as one of these")
        return found

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        if self._pixels is None:
            self._pixels = self._decode()
        return copied(self._pixels, channels, window)

    def _palette(self) -> np.ndarray:
        colors = self._image.getpalette("RGB") or []
        return np.array(colors, np.uint8).reshape(-1, 3)

    def _decode(self) -> np.ndarray:
        """Return all pixels, (channel, row, column)."""
        if need_package("PIL.ImageFile", self.path, "a picture").LOAD_TRUNCATED_IMAGES:
            raise RequestError(
                "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True, so that damaged pictures would be "
                "read as gray ones; set it to False"
            )
        try:
            if self._bits == 16 and self._color != _GRAY:
                pixels = need_package("imagecodecs", self.path, "a PNG").png_decode(self._content)
            else:
                self._image.load()
                pixels = np.asarray(self._image)
        except Exception as error:
            raise ReadError.about(self.path, f"cannot be decoded: {reason_of(error)}") from None
        dtype = self.channels[0].dtype
        if dtype.kind == "b":
            pixels = pixels.view(np.uint8) != 0  # True is 255 in Pillow's memory
        if pixels.dtype != dtype:
            pixels = pixels.astype(dtype)
        if self._color == _GRAY and self._bits in (2, 4):
            pixels = pixels // (255 // (2**self._bits - 1))  # Pillow stretches them to 0 to 255
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)

    def _close(self) -> None:
        self._image.close()
        self._pixels, self._content = None, b""


_MODE_OF_COLOR = {_GRAY: "L", _RGB: "RGB", _GRAY_ALPHA: "LA", _RGBA: "RGBA"}


def _channel(name: str, dtype: np.dtype[Any]) -> Channel:
    if name == "alpha":
        return Channel("alpha", dtype, meaning="alpha")
    if name == "palette":
        return Channel(None, dtype, meaning="palette")
    return Channel(None if name == "data" else name, dtype)


def _with_transparent(path: Path, channels: list[Channel], transparent: Any) -> list[Channel]:
    """Return channels of a gray picture with the number that is transparent as its nodata."""
    if isinstance(transparent, int) and len(channels) == 1:
        return [Channel(channels[0].name, channels[0].dtype, nodata=transparent)]
    reason = f"has a transparent color, {transparent}; save it without, or with an alpha channel"
    raise LayoutError.about(path, reason)


def _refuse(path: Path, image: Any) -> None:
    """Raise LayoutError for pictures of several frames, and those that are to be turned."""
    if (n := getattr(image, "n_frames", 1)) > 1:
        reason = f"holds {counted(n, 'frame')}; save each one as a picture of its own"
        raise LayoutError.about(path, reason)
    if "exif" in image.info and (turn := image.getexif().get(_ORIENTATION, 1)) not in (0, 1):
        raise LayoutError.about(
            path,
            f"is to be turned before it is shown (EXIF orientation {turn}), and its labels may be "
            "drawn either way: save it turned (PIL.ImageOps.exif_transpose), or without the tag",
        )


def _check_png(path: Path, content: bytes) -> tuple[int, int]:
    """Return bits and type of color of a PNG, (8, -1) of others; ReadError if it is damaged.

    Pillow does not check the checksums of pixels.
    """
    if not content.startswith(_PNG):
        return 8, -1
    begin, view = len(_PNG), memoryview(content)
    kind = b""
    while kind != b"IEND":
        length = int.from_bytes(view[begin : begin + 4], "big")
        kind = bytes(view[begin + 4 : begin + 8])
        end = begin + 8 + length
        if end + 4 > len(content):
            raise ReadError.about(path, f"ends early: it has {len(content):,} bytes")
        if zlib.crc32(view[begin + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            name = kind.decode("latin-1")
            raise ReadError.about(path, f"is damaged: a checksum is wrong (chunk {name})")
        begin = end + 4
    bits, color = content[24], content[25]
    if bits == 16 and color != _GRAY and find_package("imagecodecs") is None:
        raise RequestError.about(
            path,
            "is a PNG of several channels of 16 bits, of which Pillow reads the upper 8: pip "
            "install imagecodecs, or 'cloudio[tiff]'",
        )
    return bits, color
