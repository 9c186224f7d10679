"""A sample of opened image files: their channels become arrays, of the whole image or a window."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from ..decoders import Raster, Window
from ..decoders.georeference import Georeference
from ..sample import ArrayInfo, Sample
from .resampling import Resample, check_places, factors_of, read_repeated


@dataclass(frozen=True, slots=True)
class Layer:
    """Channels of an opened file, and the arrays that they become.

    ``names`` and ``infos`` have an entry for each of ``channels``.  With ``convert`` all channels
    together become one array: it gets pixels (channel, row, column), and returns (row, column).
    """

    raster: Raster
    channels: tuple[int, ...]
    names: tuple[str, ...]
    infos: tuple[ArrayInfo, ...]
    convert: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def kind(self) -> Literal["band", "label"]:
        """Whether the arrays are bands or labels."""
        return self.infos[0].kind


class OpenSample:
    """Opened files of one sample, and a context manager that closes them.

    ``shape`` is that of the finest file; coarser ones are repeated if ``resample`` is "nearest".
    ``attributes`` are columns of metadata beside what the files say.  RequestError if the files are
    of different sizes, or lie at different places; the files are closed then.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        resample: Resample = None,
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        self.layers = tuple(layers)
        self._attributes = dict(attributes or {})
        try:
            sizes = {str(layer.raster.path): layer.raster.shape for layer in layers}
            by_path = factors_of(sizes, resample)
            self._factors = [by_path[str(layer.raster.path)] for layer in layers]
            rasters = [layer.raster for layer in layers]
            check_places(rasters, self._factors)
        except BaseException:
            self.close()
            raise
        finest = rasters[self._factors.index(1)]
        self.shape = finest.shape
        self.georeference = self._place()
        self.date = next((x.date for x in rasters if x.date is not None), None)

    def _place(self) -> Georeference:
        """Return where the finest grid lies: as the first band says, else any file."""
        pairs = list(zip(self.layers, self._factors, strict=True))
        for layer, factor in sorted(pairs, key=lambda pair: (pair[0].kind == "label", pair[1])):
            place = layer.raster.georeference
            if place.transform is not None or place.crs is not None:
                return place.refined(factor)
        return Georeference()

    def read(self, window: Window | None = None) -> Sample:
        """Return the sample, or a window of it with its own transform and bounds."""
        sample = Sample({}, attributes=dict(self._attributes))
        for layer, factor in zip(self.layers, self._factors, strict=True):
            for name, info, pixels in self._arrays(layer, factor, window):
                sample.arrays[name], sample.infos[name] = pixels, info
        row, col, height, width = window or (0, 0, *self.shape)
        place = self.georeference.moved(row, col)
        sample.attributes |= place.attributes(height, width)
        if self.date is not None:
            sample.attributes["date"] = self.date
        return sample

    def _arrays(
        self, layer: Layer, factor: int, window: Window | None
    ) -> list[tuple[str, ArrayInfo, np.ndarray]]:
        if layer.convert is not None:
            pixels = layer.convert(read_repeated(layer.raster, layer.channels, window, factor))
            return [(layer.names[0], layer.infos[0], pixels)]
        types = [layer.raster.channels[k].dtype for k in layer.channels]
        planes: dict[int, np.ndarray] = {}
        for dtype in dict.fromkeys(types):
            some = [k for k, other in zip(layer.channels, types, strict=True) if other == dtype]
            read = read_repeated(layer.raster, some, window, factor)
            planes |= dict(zip(some, read, strict=True))
        return [
            (name, info, planes[k])
            for name, info, k in zip(layer.names, layer.infos, layer.channels, strict=True)
        ]

    def read_mask(self, window: Window | None = None) -> np.ndarray | None:
        """Return where the masks and alpha channels of the files of bands are not 0, as bool.

        None if they have none.  Whether they are packed makes no difference.
        """
        valid: np.ndarray | None = None
        for layer, factor in zip(self.layers, self._factors, strict=True):
            channels = layer.raster.channels
            masks = [k for k, x in enumerate(channels) if x.meaning in ("alpha", "mask")]
            if layer.kind == "band" and masks:
                found = (read_repeated(layer.raster, masks, window, factor) != 0).all(axis=0)
                valid = found if valid is None else valid & found
        return valid

    def close(self) -> None:
        """Close the files."""
        for layer in self.layers:
            layer.raster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
