"""Files of different resolution in one sample: pixels of coarser ones are repeated, if asked."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..._utils.text import listed
from ...errors import RequestError
from ..arguments import check_choice
from ..decoders import Raster, Window

Resample = Literal["nearest"] | None


class RepeatedRaster(Raster):
    """A raster on a grid that is ``factor`` times finer: each pixel is repeated in both directions.

    Closing it closes the raster that it is of.
    """

    def __init__(self, raster: Raster, factor: int) -> None:
        rows, cols = raster.shape
        place = raster.georeference.refined(factor)
        shape = (rows * factor, cols * factor)
        super().__init__(raster.path, shape, raster.channels, place, raster.date)
        self._raster, self._factor = raster, factor

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        n = self._factor
        if window is None:
            return self._raster.read(channels).repeat(n, 1).repeat(n, 2)
        row, col, height, width = window
        top, left = row // n, col // n
        below, right = -(-(row + height) // n), -(-(col + width) // n)
        pixels = self._raster.read(channels, (top, left, below - top, right - left))
        y, x = row - top * n, col - left * n
        return pixels.repeat(n, 1).repeat(n, 2)[:, y : y + height, x : x + width]

    def _palette(self) -> np.ndarray:
        return self._raster.palette()

    def _close(self) -> None:
        self._raster.close()


def to_one_grid(rasters: Sequence[Raster], resample: Resample) -> list[Raster]:
    """Return rasters of one shape, that of the finest one, in the same order.

    Coarser ones are repeated if ``resample`` is "nearest".  RequestError, which names the files, if
    there are several shapes without it, or one that is not a whole part of the finest.
    """
    check_choice("resample", resample, ("nearest", None))
    first: dict[tuple[int, int], Raster] = {}
    for raster in rasters:
        first.setdefault(raster.shape, raster)
    if len(first) < 2:
        return list(rasters)
    finest = max(first)
    if resample is None:
        several = listed(f"{x.path} has {rows} x {cols}" for (rows, cols), x in first.items())
        raise RequestError(
            f"the files of a sample have different sizes: {several} pixels; resample='nearest' "
            "(--resample nearest) repeats the pixels of coarser ones"
        )
    for (rows, cols), raster in first.items():
        factor = finest[0] // rows
        if (rows * factor, cols * factor) != finest:
            raise RequestError.about(
                raster.path,
                f"has {rows} x {cols} pixels, and {first[finest].path} of the same sample has "
                f"{finest[0]} x {finest[1]}: pixels can be repeated only a whole number of times, "
                "the same in both directions; bring the files to one grid first",
            )
    factors = [finest[0] // raster.shape[0] for raster in rasters]
    return [
        raster if factor == 1 else RepeatedRaster(raster, factor)
        for raster, factor in zip(rasters, factors, strict=True)
    ]
