"""Panels of bands: one band in gray, or three as red, green and blue."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RequestError
from ..reading.dataset import Dataset
from ..reading.reader import Reader
from .colors import (
    NO_DATA,
    REFLECTANCE_STRETCH,
    Stretch,
    compose_bands,
    linear_stretch,
    percentile_limits,
)
from .options import FigureOptions
from .panels import ColorBar, Key, Legend, Panels


def group_bands(ds: Dataset, bands: Any) -> list[tuple[str, ...]]:
    """Return the bands of each panel, three or one, from what the caller gives as ``bands``."""
    items = [bands] if isinstance(bands, str) else bands
    if not isinstance(items, Sequence) or not items:
        raise RequestError(f"bands={bands!r}; a preset, a name or a sequence of these is needed")
    presets = ds.layout.presets
    if len(items) == 3 and all(isinstance(x, str) and x not in presets for x in items):
        items = [items]
    groups: list[tuple[str, ...]] = []
    for item in items:
        names = ds.reader(item, scale=None, threads=1).bands
        if not isinstance(item, str):
            if len(names) not in (1, 3):
                raise RequestError(f"bands has {item!r}; a panel shows one band or three")
            groups.append(names)
        elif len(names) == 3 and (item == "rgb" or _have_wavelengths(ds, names)):
            groups.append(names)
        else:
            groups += [(name,) for name in names]
    return groups


def open_image_reader(ds: Dataset, names: Sequence[str], options: FigureOptions) -> Reader:
    """Return a reader of these bands and of which pixels are valid."""
    return ds.reader(
        names,
        size=ds.layout.patch if options.window else None,
        scale="reflectance" if _have_scales(ds, names) else None,
        valid=True,
    )


def make_band_panels(
    ds: Dataset,
    names: Sequence[str],
    image: np.ndarray,
    valid: np.ndarray,
    options: FigureOptions,
) -> Panels:
    """Return the panels of ``image`` (patch, band, row, column), of these bands."""
    stretches = _choose_stretches(ds, names, image, valid, options.stretch)
    images = [compose_bands(x, v, s) for x, v, s in zip(image, valid, stretches, strict=True)]
    keys: list[Key | None] = [None] * len(image)
    if len(names) == 1:
        shown = [band[0][mask] for band, mask in zip(image, valid, strict=True)]
        if options.stretch == "patch":
            bars = [_make_bar(ds, names[0], s[0], x) for s, x in zip(stretches, shown, strict=True)]
            keys = [*bars]
        else:  # the same for all patches, for the page puts it once below each column
            bar = _make_bar(ds, names[0], stretches[0][0], np.concatenate(shown))
            keys = [bar] * len(image)
    legend: Legend = {} if valid.all() else {"no data": NO_DATA}
    return Panels(_join_names(ds, names), images, keys, legend)


def _choose_stretches(
    ds: Dataset,
    names: Sequence[str],
    image: np.ndarray,
    valid: np.ndarray,
    stretch: str | tuple[float, float],
) -> list[list[Stretch]]:
    """Return the stretch of each band of each patch."""
    if stretch == "patch":
        return [
            [linear_stretch(*percentile_limits(band, mask)) for band in bands]
            for bands, mask in zip(image, valid, strict=True)
        ]
    if stretch != "fixed":
        low, high = map(float, stretch)
        stretches = [linear_stretch(low, high)] * len(names)
    elif len(names) > 1 and _have_wavelengths(ds, names) and _have_scales(ds, names):
        stretches = [REFLECTANCE_STRETCH] * len(names)
    else:
        limits = [percentile_limits(image[:, b], valid) for b in range(len(names))]
        stretches = [linear_stretch(*pair) for pair in limits]
    return [stretches] * len(image)


def _make_bar(ds: Dataset, name: str, stretch: Stretch, shown: np.ndarray) -> ColorBar:
    (low, _), (high, _) = stretch
    band = ds.band(name)
    label = "reflectance" if band.wavelength is not None else ""
    if band.scale is None:
        label = "as stored"
    extends = bool((shown < low).any()), bool((shown > high).any())
    return ColorBar("gray", low, high, label, extends)


def _join_names(ds: Dataset, names: Sequence[str]) -> str:
    """Return a title such as ``L1C_B4 B3 B2``: the prefix once."""
    for prefix in ds.layout.prefixes:
        if all(name.startswith(prefix) for name in names):
            return prefix + " ".join(name.removeprefix(prefix) for name in names)
    return " ".join(names)


def _have_wavelengths(ds: Dataset, names: Sequence[str]) -> bool:
    return all(ds.band(name).wavelength is not None for name in names)


def _have_scales(ds: Dataset, names: Sequence[str]) -> bool:
    return all(ds.band(name).scale is not None for name in names)
