"""One dataset of an HDF5 file or Zarr store that is the image of one patch."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._utils.text import listed
from ...errors import LayoutError, RequestError
from .containers import open_container
from .containers.conventions import read_infos, stored_type
from .raster import Channel, Raster, Window
from .raster_numpy import channel_axis_of, channels_first, shape_first


class ContainerRaster(Raster):
    """A dataset (row, column), (channel, row, column) or (row, column, channel) of a container.

    Attributes are taken as in `container_source`.  Without ``dataset`` it is the only one with two
    or three axes; RequestError if there are several.
    """

    def __init__(
        self,
        path: Path,
        dataset: str | None = None,
        channel_axis: Literal["first", "last"] | None = None,
    ) -> None:
        self._container = open_container(path)
        try:
            self._array = self._find(path, dataset)
            where = f"{path}, {self._array.name},"
            self._array.check_numeric(path)
            axis = channel_axis_of(where, self._array.shape, channel_axis)
            self._axis, self._dtype = axis, stored_type(self._array)
            shape = self._array.shape
            n, *size = shape_first(shape, axis)
            if not n or 0 in size:
                raise LayoutError.about(path, f"{self._array.name} has shape {shape}: no pixels")
            infos = read_infos(path, self._array, "band", n)
        except BaseException:
            self._container.close()
            raise
        name = self._array.name.strip("/").rpartition("/")[2] or None
        names = [name] if n == 1 else [None] * n
        channels = [
            Channel(
                each,
                self._dtype,
                info.nodata,
                info.scale_factor,
                info.add_offset,
                info.unit,
            )
            for each, info in zip(names, infos, strict=True)
        ]
        super().__init__(path, (size[0], size[1]), channels)

    def _find(self, path: Path, dataset: str | None) -> Any:
        if dataset is not None:
            return self._container.find(dataset)
        every = self._container.arrays()
        fitting = [each for each in every if each.is_numeric and len(each.shape) in (2, 3)]
        if len(fitting) == 1:
            return fitting[0]
        held = listed(every, "; ") or "nothing"
        raise RequestError.about(
            path, f"holds {held}. Say which is the image with dataset= (--dataset)"
        )

    def _read(self, channels: list[int], window: Window | None) -> np.ndarray:
        row, col, height, width = window or (0, 0, *self.shape)
        rows, cols = slice(row, row + height), slice(col, col + width)
        shape = self._array.shape
        key: tuple[slice, ...] = (rows, cols)
        if self._axis is not None:
            some = slice(min(channels), max(channels) + 1)
            key = (some, rows, cols) if self._axis == "first" else (rows, cols, some)
        first, *rest = key
        start, stop, _ = first.indices(shape[0])
        pixels = self._container.read(self._array.name, start, stop, tuple(rest))
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False).view(self._dtype)
        planes = channels_first(native, self._axis)
        # Without an axis of channels there is one channel, 0.
        return planes[[k - min(channels) for k in channels]]

    def _close(self) -> None:
        self._container.close()
