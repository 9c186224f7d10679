"""Image files, opened by a library for each format and read as channels."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..._utils.files import open_raw
from ..._utils.paths import status_of
from ...errors import LayoutError, read_error
from ...storage.headers.formats import format_of
from .containers import CONTAINER_SUFFIXES, container_kind
from .packages import find_package
from .raster import Channel, Raster, Window

__all__ = ["Channel", "Raster", "Window", "open_raster"]

Engine = Literal["gdal", "tifffile", "pillow"]
ChannelAxis = Literal["first", "last"]

_TIFF = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
_PICTURES = b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM"
# GDAL has drivers for dozens of others; these are what people call images.
_OF_GDAL = {".jp2", ".j2k", ".vrt", ".img", ".ntf", ".nitf", ".bil", ".bip", ".bsq", ".dat", ".hdr"}
_BY_SUFFIX = {".tif": "tiff", ".tiff": "tiff", ".npy": "npy", ".npz": "npz"}
_N_BYTES = 8


def open_raster(
    path: str | os.PathLike[str],
    *,
    engine: Engine | None = None,
    channel_axis: ChannelAxis | None = None,
    dataset: str | None = None,
) -> Raster:
    """Open an image file: GeoTIFF, JPEG 2000, PNG, JPEG, .npy, .npz, and what else GDAL reads.

    ``engine`` reads it; None is rasterio ("gdal") for TIFFs and whatever else only it reads,
    tifffile for TIFFs if rasterio is not installed, and Pillow for pictures.
    ``channel_axis`` is that of .npy and .npz files of three axes; None is the first one, and
    refuses arrays whose last axis is shorter.  ``dataset`` is the one of an HDF5 file or Zarr store
    that is the image; None is the only one.

    A file that is missing, damaged or of no known format is a ReadError or LayoutError.  What is in
    it and cannot be packed, such as complex numbers or several pages, is a LayoutError, and a
    missing package a RequestError that says how to install it.
    """
    where = Path(path)
    if dataset is not None or _is_container(where):
        from .raster_container import ContainerRaster

        return ContainerRaster(where, dataset, channel_axis)
    _check_regular(where)
    kind = engine or _BY_SUFFIX.get(where.suffix.lower()) or _by_first_bytes(where)
    return _OPENERS[kind](where, channel_axis)


def _is_container(path: Path) -> bool:
    return path.suffix.lower() in CONTAINER_SUFFIXES and container_kind(path) is not None


def _check_regular(path: Path) -> None:
    """Raise the error of a path that leads to no regular file; a FIFO could be waited for."""
    if (status := status_of(path)) is None:
        raise read_error(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise LayoutError.about(path, f"is {what}; an image is a file")


def _by_first_bytes(path: Path) -> str:
    with open_raw(path) as file:
        begin = file.read(_N_BYTES) or b""
    if begin.startswith(_TIFF):
        return "tiff"
    if begin.startswith(_PICTURES):
        return "pillow"
    if begin.startswith(b"\x93NUMPY"):
        return "npy"
    if path.suffix.lower() in _OF_GDAL or begin[4:8] == b"jP  " or find_package("rasterio"):
        return "gdal"
    found = format_of(path)
    known = "" if found is None else f"; it is {found.name}: {found.advice}"
    raise LayoutError.about(path, f"is no image that is read without rasterio{known}")


# Decoders are imported when a file needs them: so are their packages.


def _gdal(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    from .raster_gdal import GdalRaster

    return GdalRaster(path)


def _tifffile(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    from .raster_tiff import TiffRaster

    return TiffRaster(path)


def _tiff(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    if find_package("rasterio") is None and find_package("tifffile") is not None:
        return _tifffile(path, channel_axis)
    from .raster_gdal import GdalRaster, SeveralImagesError

    try:
        return GdalRaster(path)
    except SeveralImagesError:
        # Pages that are channels, as ImageJ writes them, are told from others by tifffile.
        if find_package("tifffile") is None:
            raise
        return _tifffile(path, channel_axis)


def _pillow(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    from .raster_picture import PictureRaster

    return PictureRaster(path)


def _npy(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    from .raster_numpy import NpyRaster

    return NpyRaster(path, channel_axis)


def _npz(path: Path, channel_axis: ChannelAxis | None) -> Raster:
    from .raster_numpy import NpzRaster

    return NpzRaster(path, channel_axis)


_OPENERS: dict[str, Callable[[Path, ChannelAxis | None], Raster]] = {
    "gdal": _gdal,
    "tiff": _tiff,
    "tifffile": _tifffile,
    "pillow": _pillow,
    "npy": _npy,
    "npz": _npz,
}
