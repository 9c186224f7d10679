"""Files that GDAL opens, through rasterio: GeoTIFF, COG, JPEG 2000, VRT and others."""

import functools
import os
import re
import warnings
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._utils.text import counted
from ...errors import CloudioError, LayoutError, ReadError
from ...storage.headers.formats import format_of
from .georeference import Georeference, date_of, transform_or_none
from .packages import gdal_reason, need_package
from .raster import Channel, Raster, Window, held_nodata

_OPTIONS = {
    # Else each file is looked up in a listing of its folder; sidecars are found either way.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    # Else a JPEG that ends early is gray from there on.
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
}
# What GDAL keeps of blocks, in bytes, for each process: its own limit is 5 % of the memory.  Where
# windows are read, it is a row of blocks of each open file, so that none is decoded twice.
_LEAST_CACHE, _MOST_CACHE = 64 << 20, 512 << 20
_COLORS = "red", "green", "blue"
_DIGITS = re.compile(r"[-+\d.eE]+")
Meaning = Literal["data", "alpha", "mask", "palette"]


class SeveralImagesError(LayoutError):
    """A file holds several images, such as pages."""


class GdalRaster(Raster):
    """A file that rasterio opens.

    A transform in form of ground control points or of RPCs is none, because only an exact one tells
    where each pixel lies: the attributes have no geotransform then.
    """

    def __init__(self, path: Path) -> None:
        self._rasterio = need_package("rasterio", path, "an image of GDAL")
        ignore_missing_transforms(self._rasterio, _THIS_MODULE)
        with self._rasterio.Env(**_options()):
            self._dataset = self._open(path)
            try:
                self._describe(path)
            except CloudioError:
                self._dataset.close()
                raise
            except Exception as error:
                self._dataset.close()
                raise _not_opened(path, error) from None

    def _open(self, path: Path) -> Any:
        # Absolute, because GDAL takes names such as HDF5:x for something else.
        try:
            # What rasterio.open calls, after a search for openers of other storage.
            return self._rasterio.io.DatasetReader(os.path.abspath(path))
        except UnicodeEncodeError:
            reason = "has a name that is not UTF-8, which rasterio cannot open; rename it"
            raise LayoutError.about(path, reason) from None
        except Exception as error:  # RasterioErrors, and GDAL's own of a class that is private
            raise _not_opened(path, error) from None

    def _describe(self, path: Path) -> None:
        data = self._dataset
        if pages := data.subdatasets:
            reason = f"holds {counted(len(pages), 'image')}; write each one to a file of its own"
            raise SeveralImagesError.about(path, reason)
        if not data.count:
            raise LayoutError.about(path, "has no bands")
        channels = _channels_of(path, data)
        self._mask = len(channels)
        if _has_mask(data, self._rasterio.enums.MaskFlags):
            channels.append(Channel("mask", np.dtype(np.uint8), meaning="mask"))
        crs = None if data.crs is None else _crs_text(data.crs.to_wkt())
        place = Georeference(crs, transform_or_none(data.transform.to_gdal()))
        super().__init__(path, data.shape, channels, place, date_of(data.tags()))

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        part = None
        if window is not None:
            row, col, height, width = window
            part = self._rasterio.windows.Window(col, row, width, height)
        try:
            if window is not None:
                self._keep_blocks(window[2])
            with self._rasterio.Env(**_options()):
                if self._mask in channels:
                    return self._read_with_mask(channels, part)
                every = channels == list(range(self._mask))
                bands = None if every else [k + 1 for k in channels]
                pixels: np.ndarray = self._dataset.read(bands, window=part)
        except Exception as error:
            raise ReadError.about(self.path, f"cannot be decoded: {gdal_reason(error)}") from None
        return pixels

    def _palette(self) -> np.ndarray:
        try:
            colors = self._dataset.colormap(1)
        except ValueError:  # there is none
            return super()._palette()
        found = np.zeros((max(colors, default=-1) + 1, 3), np.uint8)
        for number, color in colors.items():
            found[number] = color[:3]
        return found

    def _read_with_mask(self, channels: list[int], part: Any) -> np.ndarray:
        read = self._dataset.read
        planes = [
            self._dataset.read_masks(1, window=part)
            if k == self._mask
            else read(k + 1, window=part)
            for k in channels
        ]
        return np.stack(planes)

    def _keep_blocks(self, height: int) -> None:
        """Have GDAL keep the blocks that windows of one row of windows share."""
        if self in _kept_bytes:
            return
        high = max(rows for rows, _ in self._dataset.block_shapes)
        n_rows = (height // high + 2) * high
        n_bytes = sum(channel.dtype.itemsize for channel in self.channels)
        _kept_bytes[self] = min(n_rows, self.shape[0]) * self.shape[1] * n_bytes

    def _close(self) -> None:
        _kept_bytes.pop(self, None)
        self._dataset.close()


# Bytes of blocks of open files that GDAL is to keep.
_kept_bytes: weakref.WeakKeyDictionary[GdalRaster, int] = weakref.WeakKeyDictionary()


def _options() -> dict[str, Any]:
    if "GDAL_CACHEMAX" in os.environ:
        return _OPTIONS
    n_bytes = sum(list(_kept_bytes.values()))
    return {**_OPTIONS, "GDAL_CACHEMAX": min(max(n_bytes, _LEAST_CACHE), _MOST_CACHE)}


def _channels_of(path: Path, data: Any) -> list[Channel]:
    """Return what a dataset says of its bands."""
    interpretations = [color.name for color in data.colorinterp]
    is_rgb = interpretations[:3] == list(_COLORS)
    channels = []
    for k, (name, dtype, nodata, scale, offset, unit) in enumerate(
        zip(
            data.descriptions,
            data.dtypes,
            data.nodatavals,
            data.scales,
            data.offsets,
            data.units,
            strict=True,
        )
    ):
        held = _numpy_type(path, dtype)
        channels.append(
            Channel(
                name=name or (_COLORS[k] if is_rgb and k < 3 else None),
                dtype=held,
                nodata=held_nodata(nodata, held),
                scale_factor=None if scale == 1 else scale,
                add_offset=None if offset == 0 else offset,
                unit=unit or None,
                wavelength=_wavelength(data, k + 1),
                meaning=_meaning(interpretations[k]),
            )
        )
    return channels


def _numpy_type(path: Path, name: str) -> np.dtype[Any]:
    with suppress(TypeError):
        dtype = np.dtype(name)
        if dtype.kind in "biuf":
            return dtype
    reason = (
        f"has pixels of {name}; write real and imaginary part, or amplitude and phase, as bands"
    )
    raise LayoutError.about(path, reason)


def _meaning(interpretation: str) -> Meaning:
    if interpretation == "alpha":
        return "alpha"
    return "palette" if interpretation == "palette" else "data"


def _has_mask(data: Any, flags: Any) -> bool:
    """Return whether a dataset has a mask beside its bands; that of an alpha band is none."""
    found = data.mask_flag_enums[0]
    return flags.per_dataset in found and flags.alpha not in found


def _wavelength(data: Any, band: int) -> float | None:
    """Return the central wavelength of a band in nm, as GDAL and ENVI write it."""
    tags: Mapping[str, str] = data.tags(band, ns="IMAGERY")
    if not tags and data.driver == "ENVI":
        tags = data.tags(band)
    if (micrometers := tags.get("CENTRAL_WAVELENGTH_UM")) is not None:
        return _number(micrometers, 1000)
    if (found := tags.get("wavelength")) is None:
        return None
    units = {"nanometers": 1.0, "micrometers": 1000.0, "um": 1000.0, "nm": 1.0}
    unit = units.get(tags.get("wavelength_units", "").lower())
    return None if unit is None else _number(found, unit)


def _number(text: str, factor: float) -> float | None:
    # Rounded, because 0.4924 micrometers are 492.40000000000003 nm.
    return round(float(text) * factor, 6) if _DIGITS.fullmatch(text.strip()) else None


@functools.lru_cache(maxsize=256)
def _crs_text(wkt: str) -> str:
    """Return "EPSG:n" of a reference system that is exactly that one, else its WKT."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    with suppress(CRSError):
        crs = CRS.from_wkt(wkt)
        code = crs.to_epsg(confidence_threshold=100)
        if code is not None and CRS.from_epsg(code) == crs:
            return f"EPSG:{code}"
    return wkt


def ignore_missing_transforms(rasterio: Any, module: re.Pattern[str]) -> None:
    """Have no warning for images that have no transform, where a module opens or writes them."""
    mark = ("ignore", None, rasterio.errors.NotGeoreferencedWarning, module, 0)
    if not warnings.filters or warnings.filters[0] != mark:
        warnings.filterwarnings("ignore", category=mark[2], module=module.pattern)


_THIS_MODULE = re.compile(re.escape(__name__) + r"\Z")


def _not_opened(path: Path, error: Exception) -> Exception:
    if (found := format_of(path)) is not None:
        return LayoutError.about(path, f"is {found.name}; {found.advice}")
    return LayoutError.about(path, f"cannot be opened by GDAL: {gdal_reason(error)}")
