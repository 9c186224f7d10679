"""Panels of bands: one in gray, three as red, green and blue, or land cover in its own colors."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RequestError
from ..layouts.band import Band
from ..reading.batch import MaskedBatch
from ..reading.dataset import Dataset
from ..reading.reader import Reader
from ..reading.selection import all_bands, complete_preset, select_bands
from .colors import (
    NO_DATA,
    Stretch,
    color_codes,
    compose_bands,
    linear_stretch,
    percentile_limits,
)
from .land_cover import is_land_cover, land_cover_colors
from .options import FigureOptions
from .panels import CodeKey, ColorBar, Key, Legend, Panels
from .stretches import fixed_stretches, is_reflectance

# The preset of true color, and the wavelengths in nm that it stands for: of red, green and blue
# light, and how far away a band may be.
_TRUE_COLOR = "rgb"
_WAVELENGTHS = (665.0, 560.0, 490.0)
_MOST_NM_AWAY = 40.0
_COLORS = ("red", "green", "blue")


def default_bands(ds: Dataset) -> str | list[str] | list[tuple[str]]:
    """Return the preset "rgb" if its bands exist; else three bands for one picture, or gray ones.

    These are bands of the layout's first complete preset, or of all: those of red, green and blue
    light by their wavelengths or names, else the first three.  Only bands of known wavelengths make
    one picture; others are one picture in gray each.
    """
    present = {*ds.names}
    if any(present.issuperset(choice) for choice in ds.layout.presets.get(_TRUE_COLOR, ())):
        return _TRUE_COLOR
    preset = complete_preset(ds)
    names = list(select_bands(ds, all_bands(ds) if preset is None else preset))
    if visible := _by_wavelength(ds, names) or _by_color_name(names):
        return visible
    if len(names) >= len(_COLORS) and _have_wavelengths(ds, names[: len(_COLORS)]):
        return names[: len(_COLORS)]
    return [(name,) for name in names[: len(_COLORS)]]


def _by_wavelength(ds: Dataset, names: Sequence[str]) -> list[str]:
    """Return the bands of red, green and blue light; none if one is missing."""
    known = {name: w for name in names if (w := ds.band(name).wavelength) is not None}
    visible = []
    for nm in _WAVELENGTHS:
        near = [name for name in known if abs(known[name] - nm) <= _MOST_NM_AWAY]
        visible += sorted(near, key=lambda name: abs(known[name] - nm))[:1]
    return visible if len(visible) == len(_WAVELENGTHS) else []


def _by_color_name(names: Sequence[str]) -> list[str]:
    """Return the bands that are called red, green and blue, such as S2_red; none if unclear."""
    found = []
    for color in _COLORS:
        words = {name: re.split(r"[\W_]+", name.lower()) for name in names}
        named = [name for name in names if color in words[name] and "edge" not in words[name]]
        exact = [name for name in named if name.lower() == color]
        found.append(exact or named)
    return [one for (one,) in found] if all(len(some) == 1 for some in found) else []


def group_bands(ds: Dataset, bands: Any) -> list[tuple[str, ...]]:
    """Return the bands of each panel, three or one, from the caller's ``bands``."""
    if bands is None:
        bands = default_bands(ds)
    items = [bands] if isinstance(bands, str) else bands
    if not isinstance(items, Sequence) or not items:
        raise RequestError(
            f"bands={bands!r}; bands must be a preset, a name or a sequence of these"
        )
    presets = ds.layout.presets
    if len(items) == 3 and all(isinstance(x, str) and x not in presets for x in items):
        items = [items]
    groups: list[tuple[str, ...]] = []
    for item in items:
        names = ds.reader(item, scale=None, threads=1).bands
        if not isinstance(item, str):
            if len(names) not in (1, 3):
                raise RequestError(f"bands holds {item!r}; a panel must be one band or three")
            groups.append(names)
        elif len(names) == 3 and (item == _TRUE_COLOR or _have_wavelengths(ds, names)):
            groups.append(names)
        else:
            groups += [(name,) for name in names]
    return groups


def open_image_reader(
    ds: Dataset, names: Sequence[str], options: FigureOptions
) -> Reader[MaskedBatch[np.ndarray]]:
    """Return a reader of these bands and of the mask of valid pixels."""
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
    legend: Legend = {} if valid.all() else {"no data": NO_DATA}
    if len(names) == 1 and is_land_cover(names[0]):
        images, keys = _color_land_cover(names[0], image[:, 0], valid)
    else:
        stretches = _choose_stretches(ds, names, image, valid, options.stretch)
        images = [compose_bands(x, v, s) for x, v, s in zip(image, valid, stretches, strict=True)]
        keys = [None] * len(image)
        if len(names) == 1:
            keys = _make_bars(ds.band(names[0]), stretches, image[:, 0], valid)
    return Panels(_title(ds, names), images, keys, legend)


def _color_land_cover(
    name: str, image: np.ndarray, valid: np.ndarray
) -> tuple[list[np.ndarray], list[Key | None]]:
    codes = np.where(valid, image, 0).astype(np.int64)
    colors, texts = land_cover_colors(name, np.unique(codes[valid]).tolist())
    images = [color_codes(x, colors or {0: NO_DATA}, v) for x, v in zip(codes, valid, strict=True)]
    return images, [CodeKey(texts)] * len(images)


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
    if stretch == "fixed":
        return [fixed_stretches(ds, names)] * len(image)
    low, high = map(float, stretch)
    return [[linear_stretch(low, high)] * len(names)] * len(image)


def _make_bars(
    band: Band, stretches: Sequence[Sequence[Stretch]], image: np.ndarray, valid: np.ndarray
) -> list[Key | None]:
    """Return a bar for each patch, or one for all if they are stretched alike."""
    shown = [numbers[mask] for numbers, mask in zip(image, valid, strict=True)]
    if all(stretch is stretches[0] for stretch in stretches):
        bar = _make_bar(band, stretches[0][0], np.concatenate(shown))
        return [bar] * len(image)  # one object, so that the page draws it once below each column
    return [_make_bar(band, one[0], numbers) for one, numbers in zip(stretches, shown, strict=True)]


def _make_bar(band: Band, stretch: Stretch, shown: np.ndarray) -> ColorBar:
    (low, _), (high, _) = stretch[0], stretch[-1]
    label = "reflectance" if is_reflectance(band) else band.unit or ""
    if band.scale is None:
        label = "as stored"
    extends = bool((shown < low).any()), bool((shown > high).any())
    return ColorBar("gray", stretch, label, extends)


def _title(ds: Dataset, names: Sequence[str]) -> str:
    """Return a title such as ``L1C_B4 B3 B2``, or ``L1C_B4, 664.5 nm``."""
    wavelength = ds.band(names[0]).wavelength
    if len(names) == 1 and wavelength is not None:
        return f"{names[0]}, {wavelength:g} nm"
    return _join_names(ds, names)


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
