"""TIFF files without GDAL, through tifffile and imagecodecs."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..._utils.paths import exists
from ..._utils.text import counted
from ...errors import CloudioError, LayoutError, ReadError
from .geokeys import georeference_of, metadata_items
from .georeference import date_of
from .packages import need_package, reason_of
from .raster import Channel, Raster, Window, held_nodata

_AXES = "YX", "YXS", "SYX", "CYX"
_PHOTOMETRIC = "MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "YCBCR"
_COLORS = "red", "green", "blue"
_DATETIME, _NODATA, _METADATA = 306, 42113, 42112
_PLACE = {33550: "ModelPixelScale", 33922: "ModelTiepoint", 34264: "ModelTransformation"}
_JPEG = 6, 7, 34892, 33007
_IS_MASK = 4
_IS_ALPHA = 1, 2


class TiffRaster(Raster):
    """A TIFF that tifffile opens: one image, whose channels are samples, or pages of an axis C.

    Windows are read strip by strip, or tile by tile.
    """

    def __init__(self, path: Path) -> None:
        package = need_package("tifffile", path, "a TIFF image")
        try:
            self._file = package.TiffFile(path)
        except Exception as error:
            raise LayoutError.about(path, f"is damaged, or no TIFF: {reason_of(error)}") from None
        try:
            self._describe(path)
        except CloudioError:
            self._file.close()
            raise
        except Exception as error:
            self._file.close()
            raise LayoutError.about(path, f"is damaged: {reason_of(error)}") from None

    def _describe(self, path: Path) -> None:
        series = self._series(path)
        self._pages = list(series.pages)
        self._page = page = self._pages[0].keyframe
        if page.photometric.name not in _PHOTOMETRIC:
            reason = f"has colors of the kind {page.photometric.name}; save it as gray or RGB"
            raise LayoutError.about(path, reason)
        dtype = series.dtype
        if dtype is None or dtype.kind not in "biuf":
            reason = f"has pixels of {dtype}; pixels are bool, int or float"
            raise LayoutError.about(path, reason)
        self._need_codecs(path)
        tags = {code: _text(page, code) for code in (_DATETIME, _NODATA, _METADATA)}
        items = metadata_items(tags[_METADATA])
        n = prod(n for n, axis in zip(series.shape, series.axes, strict=True) if axis in "SC")
        size = tuple(n for n, axis in zip(series.shape, series.axes, strict=True) if axis in "YX")
        # A program may put channels of one row each into one page.
        if size != (page.imagelength, page.imagewidth) or n % len(self._pages):
            reason = (
                f"has pages of {page.imagelength} x {page.imagewidth} pixels, but says that its "
                f"images have {size[0]} x {size[1]}; write it again, one page for each channel"
            )
            raise LayoutError.about(path, reason)
        nodata = held_nodata(_number(tags[_NODATA]), dtype)
        labels = (self._file.imagej_metadata or {}).get("Labels") or []
        meanings = _meanings(page, n)
        channels = []
        for k, (name, meaning) in enumerate(meanings):
            said = items.get(k, {})
            label = labels[k] if len(labels) == n else None
            channels.append(_channel(said, label or name, meaning, dtype.newbyteorder("="), nodata))
        place = georeference_of(path, _geo_tags(page))
        date = date_of(items.get(None, {}) | {"TIFFTAG_DATETIME": tags[_DATETIME] or ""})
        super().__init__(path, (page.imagelength, page.imagewidth), channels, place, date)

    def _series(self, path: Path) -> Any:
        """Return what holds the image; LayoutError if there are several, or other axes."""
        pages = self._file.pages
        if any(page.subfiletype & _IS_MASK for page in pages) or exists(f"{path}.msk"):
            reason = "has a mask beside its bands, which rasterio reads: pip install rasterio"
            raise LayoutError.about(path, f"{reason}, or 'cloudio[rasterio]'")
        series = [found for found in self._file.series if not found.pages[0].is_reduced]
        if len(series) != 1:
            reason = f"holds {counted(len(series), 'image')}; write each one to a file of its own"
            raise LayoutError.about(path, reason)
        found = series[0]
        if found.axes not in _AXES or any(page is None for page in found.pages):
            raise LayoutError.about(
                path,
                f"has the axes {found.axes} and the shape {found.shape}; an image is YX, YXS, SYX "
                "or CYX (rows Y, columns X, samples S, channels C): write it as one of these, with "
                "tifffile as metadata={'axes': 'CYX'}",
            )
        return found

    def _need_codecs(self, path: Path) -> None:
        if self._page.compression != 1 or self._page.predictor != 1:
            name = self._page.compression.name
            need_package("imagecodecs", path, f"a TIFF image compressed by {name}")

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        window = window or (0, 0, *self.shape)
        pixels = np.empty((len(channels), *window[2:]), self.channels[0].dtype)
        per_page = len(self.channels) // len(self._pages)
        for number, page in enumerate(self._pages):
            wanted = [(out, k - number * per_page) for out, k in enumerate(channels)]
            wanted = [(out, k) for out, k in wanted if 0 <= k < per_page]
            if wanted:
                self._read_page(page, pixels, wanted, window)
        return pixels

    def _palette(self) -> np.ndarray:
        if (colors := self._page.colormap) is None:
            return super()._palette()
        colors = np.asarray(colors).T  # of 16 bits, in some files of 8
        return (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)

    def _read_page(
        self, page: Any, out: np.ndarray, wanted: list[tuple[int, int]], window: Window
    ) -> None:
        """Write samples of a page to their places in ``out``."""
        row, col, height, width = window
        for segment, (plane, _, y, x, _), (_, h, w, n) in self._segments(page, wanted, window):
            top, bottom = max(y, row), min(y + h, row + height)
            left, right = max(x, col), min(x + w, col + width)
            rows, cols = slice(top - row, bottom - row), slice(left - col, right - col)
            for place, sample in wanted:
                if segment is None and plane <= sample < plane + n:
                    out[place, rows, cols] = self.channels[sample].nodata or 0
                elif plane <= sample < plane + n:
                    part = segment[0, top - y : bottom - y, left - x : right - x, sample - plane]
                    out[place, rows, cols] = part

    def _segments(self, page: Any, wanted: list[tuple[int, int]], window: Window) -> Iterator[Any]:
        """Yield the strips or tiles that a window needs: pixels, position and shape."""
        frame = page.keyframe
        extra = {"_fullsize": frame.is_tiled}
        if frame.compression in _JPEG:
            extra |= {"jpegtables": page.jpegtables, "jpegheader": frame.jpegheader}
        for index in _indices(frame, {k for _, k in wanted}, window):
            data = self._bytes_of(page, index)
            try:
                decoded = frame.decode(data, index, **extra)
            except Exception as error:
                reason = f"cannot be decoded: {reason_of(error)}"
                raise ReadError.about(self.path, reason) from None
            yield decoded

    def _bytes_of(self, page: Any, index: int) -> bytes | None:
        """Return the bytes of a strip or tile; None if the file leaves it out."""
        offset, n_bytes = page.dataoffsets[index], page.databytecounts[index]
        if not offset or not n_bytes:
            return None
        handle = self._file.filehandle
        handle.seek(offset)
        data: bytes = handle.read(n_bytes)
        if len(data) < n_bytes:
            raise ReadError.about(
                self.path,
                f"ends early: {len(data):,} of {n_bytes:,} bytes at {offset:,} are there",
            )
        return data

    def _close(self) -> None:
        self._file.close()


def _indices(frame: Any, samples: set[int], window: Window) -> Iterator[int]:
    """Yield the numbers of the strips or tiles of a page that hold a part of a window."""
    row, col, height, width = window
    if frame.is_tiled:
        high, wide = frame.tilelength, frame.tilewidth
    else:
        high, wide = min(frame.rowsperstrip, frame.imagelength), frame.imagewidth
    down, across = -(-frame.imagelength // high), -(-frame.imagewidth // wide)
    planes = sorted(samples) if frame.planarconfig == 2 and frame.samplesperpixel > 1 else [0]
    for plane in planes:
        for y in range(row // high, (row + height - 1) // high + 1):
            for x in range(col // wide, (col + width - 1) // wide + 1):
                yield (plane * down + y) * across + x


def _meanings(page: Any, n: int) -> list[tuple[str | None, Any]]:
    """Return the name and the meaning of each channel, where the page says them."""
    kind = page.photometric.name
    if kind == "PALETTE":
        return [(None, "palette")] * n
    is_rgb = kind in ("RGB", "YCBCR") and page.samplesperpixel >= 3
    first = [(name, "data") for name in _COLORS] if is_rgb else []
    alpha = len(extra := page.extrasamples) and int(extra[-1]) in _IS_ALPHA
    rest: list[tuple[str | None, Any]] = [(None, "data")] * (n - len(first))
    if alpha and n == page.samplesperpixel:
        rest[-1] = (None, "alpha")
    return [*first, *rest]


def _channel(
    said: dict[str, str], name: str | None, meaning: Any, dtype: Any, nodata: float | None
) -> Channel:
    scale, offset = _number(said.get("scale")), _number(said.get("offset"))
    wavelength = _number(said.get("IMAGERY:CENTRAL_WAVELENGTH_UM"))
    return Channel(
        name=said.get("description") or name,
        dtype=dtype,
        nodata=nodata,
        scale_factor=None if scale == 1 else scale,
        add_offset=None if offset == 0 else offset,
        unit=said.get("unittype") or None,
        wavelength=None if wavelength is None else round(wavelength * 1000, 6),
        meaning=meaning,
    )


def _geo_tags(page: Any) -> dict[str, Any]:
    """Return the keys of a GeoTIFF; a transform may be there without a reference system."""
    keys = dict(page.geotiff_tags or {})
    for code, name in _PLACE.items():
        if (tag := page.tags.get(code)) is not None:
            keys[name] = tag.value
    return keys


def _text(page: Any, code: int) -> str | None:
    tag = page.tags.get(code)
    return None if tag is None else str(tag.value).strip("\0 ")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        try:
            return float(str(text))  # "nan", "-inf"
        except ValueError:
            return None
