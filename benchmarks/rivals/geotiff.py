"""rasterio: a GeoTIFF for each patch, tiled, without compression, and windowed reads of all bands.

As torchgeo's data sets of patches read it: ``rasterio.open`` and ``read`` with a window for each
sample (https://rasterio.readthedocs.io/en/stable/topics/windowed-rw.html).  A file object may be
used by one thread only (https://rasterio.readthedocs.io/en/stable/topics/concurrency.html), so
that each thread has its own.  The second row keeps up to 256 files open.

Tried: tiles of 128, 256 and 512 pixels and strips; bands one after another (pixels of all bands
beside each other cost twice as much); GDAL_CACHEMAX=0; GTIFF_DIRECT_IO; GTIFF_VIRTUAL_MEM_IO, which
maps the file, is the fastest and stands here.
"""

import warnings
from contextlib import contextmanager
from functools import lru_cache
from threading import get_ident

import numpy as np

from ..suite.rival import Rival
from ..suite.samples import by_sample, stored_patches

OPEN_FILES = 256


def _write(path, pixels):
    import rasterio

    bands, height, width = pixels.shape
    side = 256 if min(height, width) >= 256 else 16
    tiles = {"tiled": True, "blockxsize": side, "blockysize": side, "interleave": "band"}
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **shape, **tiles) as file:
            file.write(pixels)


def convert(task, folder):
    for patch, (pixels, codes) in enumerate(stored_patches(task)):
        _write(folder / f"image_{patch:06}.tif", pixels)
        if codes is not None:
            _write(folder / f"label_{patch:06}.tif", codes[np.newaxis])


@contextmanager
def _opened(task, kept):
    import rasterio
    from rasterio.windows import Window

    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GTIFF_VIRTUAL_MEM_IO": "YES"}

    @lru_cache(OPEN_FILES)
    def reader(path, thread):
        return rasterio.open(path)

    def pixels(path, window):
        if kept:
            return reader(path, get_ident()).read(window=window)
        with rasterio.open(path) as file:
            return file.read(window=window)

    def crop(patch, rows, cols):
        window = Window.from_slices(rows, cols)
        with rasterio.Env(**options):
            image = pixels(task.converted / f"image_{patch:06}.tif", window)
            if task.label is None:
                return image, None
            return image, pixels(task.converted / f"label_{patch:06}.tif", window)[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with by_sample(task, crop) as read:
            yield read
    reader.cache_clear()


def _rival(name, kept, note):
    def opened(task):
        return _opened(task, kept)

    suites, packages = ("formats", "cold"), ("rasterio", "numpy")
    return Rival(name, opened, suites, packages, convert=convert, note=note)


RIVALS = [
    _rival("rasterio, GeoTIFF", False, "opens the file for each sample, as torchgeo's data sets"),
    _rival("rasterio, GeoTIFF, files kept open", True, f"up to {OPEN_FILES} open files"),
]
