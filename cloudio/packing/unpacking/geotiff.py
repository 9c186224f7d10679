"""GeoTIFFs, written by rasterio."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..._utils.text import shown
from ...errors import RequestError
from ..decoders.georeference import Georeference
from ..decoders.packages import find_package
from ..decoders.raster_gdal import ignore_missing_transforms
from .contents import Content

COMPRESSIONS = "deflate", "lzw", "zstd"
# A file up to this many pixels is one strip per band; larger ones have tiles.
_MOST_STRIP = 1 << 20
TILE = 256
_THIS_MODULE = re.compile(re.escape(__name__) + r"\Z")
# What GDAL keeps of blocks, in MB, where nobody says: its own default is 5 % of the memory.
_OPTIONS = {} if "GDAL_CACHEMAX" in os.environ else {"GDAL_CACHEMAX": 64}


@dataclass(frozen=True)
class TiffOptions:
    """How GeoTIFFs are written; ``compress`` is one of `COMPRESSIONS` or None."""

    compress: str | None = "deflate"


def need_rasterio() -> Any:
    """Return rasterio; RequestError if it is not installed."""
    if (package := find_package("rasterio")) is None:
        raise RequestError(
            "GeoTIFFs are written by the package rasterio: pip install rasterio, or "
            "'cloudio[rasterio]'; format='npy' needs no package"
        )
    import rasterio.io  # noqa: F401

    return package


def encode(
    content: Content, pixels: np.ndarray, place: Georeference, options: TiffOptions
) -> bytes:
    """Return the bytes of a GeoTIFF with some pixels (channel, row, column)."""
    rasterio = need_rasterio()
    with rasterio.Env(**_OPTIONS), rasterio.io.MemoryFile() as file:
        with _writer(file.name, content, pixels.shape[1:], place, options) as writer:
            writer.write(pixels)
        return bytes(file.getbuffer())


@contextmanager
def scene_file(
    path: Path,
    content: Content,
    shape: tuple[int, int],
    place: Georeference,
    options: TiffOptions,
    n_threads: int,
) -> Iterator[Any]:
    """Give a GeoTIFF that is open for writing; a large one is a BigTIFF."""
    rasterio = need_rasterio()
    more = {"num_threads": n_threads} if n_threads > 1 and options.compress else {}
    with rasterio.Env(**_OPTIONS):
        writer = _writer(str(path.absolute()), content, shape, place, options, tiled=True, **more)
        with writer:
            yield writer


@contextmanager
def open_scene(path: Path) -> Iterator[Any]:
    """Give a GeoTIFF that is open for reading."""
    rasterio = need_rasterio()
    ignore_missing_transforms(rasterio, _THIS_MODULE)
    with rasterio.Env(**_OPTIONS), rasterio.io.DatasetReader(str(path.absolute())) as reader:
        yield reader


def _writer(
    path: str,
    content: Content,
    shape: tuple[int, ...],
    place: Georeference,
    options: TiffOptions,
    *,
    tiled: bool = False,
    **more: Any,
) -> Any:
    import rasterio

    height, width = shape
    if tiled or height * width > _MOST_STRIP:
        more |= {"tiled": True, "blockxsize": TILE, "blockysize": TILE}
    else:
        more |= {"tiled": False, "blockysize": height}
    if options.compress:
        predictor = 3 if content.dtype.kind == "f" else 2
        more |= {"compress": options.compress, "predictor": predictor}
    if place.transform is None:
        ignore_missing_transforms(rasterio, _THIS_MODULE)
    else:
        more["transform"] = rasterio.Affine.from_gdal(*place.transform)
    if place.crs is not None:
        more["crs"] = parse_crs(place.crs)
    writer = rasterio.io.DatasetWriter(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=len(content.channels),
        dtype=content.dtype.name,
        nodata=content.nodata,
        interleave="band",
        bigtiff="IF_SAFER",
        **more,
    )
    try:
        _describe(writer, content)
    except BaseException:
        writer.close()
        raise
    return writer


def _describe(writer: Any, content: Content) -> None:
    """Write what is known of each band: name, scale, unit, wavelength."""
    infos = content.infos
    writer.descriptions = content.channels
    if any(x.scale_factor is not None or x.add_offset is not None for x in infos):
        writer.scales = [1.0 if x.scale_factor is None else x.scale_factor for x in infos]
        writer.offsets = [x.add_offset or 0.0 for x in infos]
    if any(x.unit for x in infos):
        writer.units = [x.unit or "" for x in infos]
    for k, info in enumerate(infos):
        if info.wavelength is not None:
            micrometers = repr(round(info.wavelength / 1000, 9))
            writer.update_tags(k + 1, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=micrometers)


@lru_cache(maxsize=256)
def parse_crs(text: str) -> Any:
    """Return a reference system; RequestError if PROJ does not know it."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise RequestError(f"there is no coordinate reference system {shown(text)}") from None
