"""Whether the files of one sample show the same place: reference system and transform."""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np

from ...errors import RequestError
from ..decoders import Raster
from ..decoders.packages import find_package

# Programs round coordinates; a thousandth of a pixel moves no pixel.
_TOLERANCE = 1e-3


def check_agreement(rasters: Sequence[Raster]) -> None:
    """Raise RequestError, which names two files, unless files of one size show the same pixels.

    What a file does not say is not compared.
    """
    placed = [raster for raster in rasters if raster.georeference.crs is not None]
    for other in placed[1:]:
        one, two = str(placed[0].georeference.crs), str(other.georeference.crs)
        if one != two and not _are_same(one, two):
            raise _differ(placed[0], other, "crs", _short(one), _short(two))
    placed = [raster for raster in rasters if raster.georeference.transform is not None]
    for other in placed[1:]:
        first = placed[0]
        pixel = min(_pixel(first), _pixel(other))
        differences = np.subtract(_corners(first), _corners(other))
        if np.abs(differences).max() > _TOLERANCE * pixel:
            transforms = (_numbers(x.georeference.transform) for x in (first, other))
            raise _differ(first, other, "geotransform", *transforms)


def _corners(raster: Raster) -> tuple[float, ...]:
    """Return x and y of three corners, which determine the fourth."""
    assert raster.georeference.transform is not None
    x0, dx, rx, y0, ry, dy = raster.georeference.transform
    height, width = raster.shape
    return x0, y0, x0 + width * dx, y0 + width * ry, x0 + height * rx, y0 + height * dy


def _pixel(raster: Raster) -> float:
    assert raster.georeference.transform is not None
    _, dx, rx, _, ry, dy = raster.georeference.transform
    return min(max(abs(dx), abs(ry)), max(abs(rx), abs(dy)))


def _numbers(values: Sequence[float] | None) -> str:
    return " ".join(repr(float(x)) for x in values or ())


def _short(crs: str) -> str:
    return crs if len(crs) <= 60 else f"{crs[:57]}..."


@lru_cache(256)
def _are_same(one: str, two: str) -> bool:
    """Return whether two texts mean the same reference system, as far as rasterio knows."""
    if (rasterio := find_package("rasterio")) is None:
        return False
    with suppress(rasterio.errors.CRSError):  # texts that are no reference system of PROJ
        parse = rasterio.crs.CRS.from_string
        return bool(parse(one) == parse(two))
    return False


def _differ(first: Raster, other: Raster, what: str, one: str, two: str) -> RequestError:
    return RequestError.about(
        other.path,
        f"has {what} {two}, but {first.path} of the same sample has {what} {one}; the files of a "
        "sample must show the same pixels",
    )
