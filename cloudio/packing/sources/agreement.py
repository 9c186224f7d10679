"""Whether the files of one sample show the same place: size, reference system and extent."""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from ...errors import RequestError
from ..decoders import Raster
from ..decoders.packages import find_package

# Programs round coordinates; a thousandth of a pixel moves no pixel.
_TOLERANCE = 1e-3
_ADVICE = "resample='nearest' (--resample nearest) repeats the pixels of coarser bands"


def check_agreement(rasters: Sequence[Raster], *, resampled: bool) -> None:
    """Raise RequestError, which names both files, unless all files show the same pixels.

    What a file does not say is not compared.  With ``resampled`` sizes may differ, if the files
    show the same extent.
    """
    if not rasters:
        return
    first = rasters[0]
    for other in rasters[1:]:
        if other.shape != first.shape and not resampled:
            (h, w), (height, width) = first.shape, other.shape
            sizes = f"{h} x {w} pixels", f"{height} x {width} pixels"
            raise _differ(first, other, "", *sizes, f"; {_ADVICE}")
    placed = [raster for raster in rasters if raster.georeference.crs is not None]
    for other in placed[1:]:
        one, two = placed[0].georeference.crs, other.georeference.crs
        if one != two and not _are_same(str(one), str(two)):
            raise _differ(placed[0], other, "crs ", _short(one), _short(two))
    placed = [raster for raster in rasters if raster.georeference.transform is not None]
    for other in placed[1:]:
        _check_extent(placed[0], other)


def _check_extent(first: Raster, other: Raster) -> None:
    """Raise RequestError unless the corners of two files are the same."""
    one, two = _corners(first), _corners(other)
    pixel = min(_pixel(first), _pixel(other))
    if any(abs(a - b) > _TOLERANCE * pixel for a, b in zip(one, two, strict=True)):
        if first.shape == other.shape:
            transforms = (_numbers(x.georeference.transform) for x in (first, other))
            raise _differ(first, other, "geotransform ", *transforms)
        raise _differ(first, other, "corners at ", _numbers(one), _numbers(two))


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


def _short(crs: str | None) -> str:
    text = str(crs)
    return text if len(text) <= 60 else f"{text[:57]}..."


@lru_cache(256)
def _are_same(one: str, two: str) -> bool:
    """Return whether two texts mean the same reference system, as far as rasterio knows."""
    if (rasterio := find_package("rasterio")) is None:
        return False
    with suppress(rasterio.errors.CRSError):  # texts that are no reference system of PROJ
        parse = rasterio.crs.CRS.from_string
        return bool(parse(one) == parse(two))
    return False


def _differ(
    first: Raster, other: Raster, what: str, one: str, two: str, advice: str = ""
) -> RequestError:
    return RequestError.about(
        other.path,
        f"has {what}{two}, but {first.path} of the same sample has {what}{one}; the files of a "
        f"sample must show the same pixels{advice}",
    )
