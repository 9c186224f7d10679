"""The compiled plans of a reader: `Gather` for its image, `Remap` for its labels, `Mask`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._core import kernels
from .._core.plans import Gather, Mask, Remap
from .._core.runtime import DefaultFloats
from ..layouts.band import Window
from ..layouts.labels import LabelMap, make_class_lut, make_raw_lut
from ..storage.arrays import plan_inputs
from .collection import Collection


def make_gather(
    dataset: Collection,
    bands: Sequence[str],
    io: str,
    *,
    dtype: str,
    factors: tuple[list[float], list[float]] | None,
    clip: tuple[float | None, float | None],
    fill: float | None,
    interleaved: bool,
) -> Gather:
    """Plan the image.  ``factors``: factor and summand of each band, None for numbers as stored."""
    nodata = None if factors is None else _nodata(dataset, bands)
    sources = plan_inputs([dataset.open_arrays(name, io) for name in bands])
    if factors is None:
        return Gather(*sources, None, None, interleaved=interleaved)
    settings: dict[str, Any] = {"clip": clip, "nodata": nodata, "fill": fill}
    with DefaultFloats():  # numbers are rounded to float32
        return Gather(*sources, *factors, **settings, to=dtype, interleaved=interleaved)


def make_mask(dataset: Collection, bands: Sequence[str], io: str) -> Mask:
    """Plan the mask of valid pixels."""
    nodata = _nodata(dataset, bands)
    sources = plan_inputs([dataset.open_arrays(name, io) for name in bands])
    with DefaultFloats():
        return Mask(*sources, nodata, _rectangle(dataset.valid_window))


def make_remap(
    dataset: Collection,
    label_maps: Mapping[str, LabelMap | None],
    dtype: np.dtype[Any],
    ignore: int,
    io: str,
) -> Remap:
    """Plan the labels.  Those with a map are ``ignore`` outside the valid window."""
    tables, windows = [], []
    for name, label_map in label_maps.items():
        stored = dataset.dtype(name)
        if label_map is None:
            tables.append(make_raw_lut(stored, dtype, name))
            windows.append((0, 0, *dataset.layout.patch))
        else:
            tables.append(make_class_lut(label_map, stored, dtype, ignore, name))
            windows.append(_rectangle(dataset.valid_window))
    sources = plan_inputs([dataset.open_arrays(name, io) for name in label_maps])
    return Remap(*sources, tables, windows, ignore)


def _nodata(dataset: Collection, bands: Sequence[str]) -> list[float | None]:
    return [dataset.band(name).nodata for name in bands]


def _rectangle(window: Window) -> tuple[int, int, int, int]:
    return (window.row, window.col, *window.size)


def reads_past_cache(reader: Any) -> bool:
    """Return whether reads of a `Reader` leave the page cache alone, and so find nothing there."""
    return bool(reader._evict) and kernels.is_direct(reader._plans, reader.size[1])
