"""Bands of different resolution in one sample: pixels of coarser ones are repeated, if asked."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ..._utils.text import listed
from ...errors import RequestError
from ..decoders import Raster, Window

Resample = Literal["nearest"] | None

# How far the corners of two files may be apart, in pixels of the finer one: transforms are rounded.
_APART = 0.1


def factors_of(sizes: Mapping[str, tuple[int, int]], resample: Resample) -> dict[str, int]:
    """Return how often the pixels of each file are repeated, for files of (height, width).

    RequestError if there are several sizes without ``resample``, or if one does not fit into the
    finest one a whole number of times.
    """
    if resample not in (None, "nearest"):
        raise RequestError(f"resample={resample!r}; it must be 'nearest' or None")
    found: dict[tuple[int, int], str] = {}
    for path, size in sizes.items():
        found.setdefault(size, path)
    finest = max(found)
    if len(found) == 1:
        return dict.fromkeys(sizes, 1)
    several = listed(f"{path} has {rows} x {cols}" for (rows, cols), path in found.items())
    if resample is None:
        raise RequestError(
            f"the files of a sample have different sizes: {several} pixels; resample='nearest' "
            "(--resample nearest) repeats the pixels of coarser ones"
        )
    for (rows, cols), path in found.items():
        factor = finest[0] // rows
        if (rows * factor, cols * factor) != finest:
            raise RequestError(
                f"{path} has {rows} x {cols} pixels, which are not a whole part of the "
                f"{finest[0]} x {finest[1]} of {found[finest]}, the same in both directions: bring "
                "the files to one grid, or to whole multiples, first"
            )
    return {path: finest[0] // size[0] for path, size in sizes.items()}


def check_places(rasters: Sequence[Raster], factors: Sequence[int]) -> None:
    """Raise RequestError if files of a sample say that they lie at different places.

    Those that say nothing are taken to lie where the others do.
    """
    placed = [
        (raster, factor, raster.georeference)
        for raster, factor in zip(rasters, factors, strict=True)
        if raster.georeference.transform is not None
    ]
    for raster, factor, place in placed[1:]:
        first, first_factor, first_place = placed[0]
        one, other = first_place.refined(first_factor), place.refined(factor)
        systems = {one.crs, other.crs}
        if len(systems) == 2 and all(str(x).startswith("EPSG:") for x in systems):
            raise RequestError(
                f"{first.path} is in {one.crs}, but {raster.path} in {other.crs}: bring the files "
                "of a sample to one reference system, such as with gdalwarp"
            )
        height, width = raster.shape[0] * factor, raster.shape[1] * factor
        if (apart := one.distance(other, height, width)) > _APART:
            raise RequestError(
                f"{first.path} and {raster.path} are files of one sample, but their corners are "
                f"{apart:.4g} pixels apart: bring them to one grid, such as with gdalwarp"
            )


def repeated(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Return pixels (channel, row, column), each one repeated in both directions."""
    return pixels if factor == 1 else pixels.repeat(factor, 1).repeat(factor, 2)


def read_repeated(
    raster: Raster, channels: Sequence[int], window: Window | None, factor: int
) -> np.ndarray:
    """Return pixels of a window of the grid that is ``factor`` times finer than the file's."""
    if factor == 1 or window is None:
        return repeated(raster.read(channels, window), factor)
    row, col, height, width = window
    top, left = row // factor, col // factor
    below, right = -(-(row + height) // factor), -(-(col + width) // factor)
    pixels = repeated(raster.read(channels, (top, left, below - top, right - left)), factor)
    y, x = row - top * factor, col - left * factor
    return pixels[:, y : y + height, x : x + width]
