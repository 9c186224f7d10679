"""Warnings about numbers in other units than those of a reader: mean, std, clip, scale, float16.

All follows from the types and scales of the bands, when a reader is made; no pixel is read.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._utils.numbers import in_default_floats, per_band
from ..._utils.warn import warn_once
from ..arguments.options import FLOAT_DTYPES
from ..collection import Collection
from ..factors import resolve_scales

# Divisors that are given as factors: reflectance and bytes times these are no units.
_DIVISORS = (255.0, 10000.0, 32767.0, 65535.0)
# A std of whole numbers follows from the mean at least; means are given with few digits.
_ROUNDED = 0.75
_FAR = 100  # a limit this many times as large as any number is one of other units
_SHOWN = 3  # bands in a message

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class _BandUnits:
    """A band of stored whole numbers: what its type can hold, from ``low`` to ``high`` as scaled.

    ``step`` is the distance of two stored numbers, ``own_step`` that in the layout's unit.
    """

    name: str
    dtype: str
    low: float
    high: float
    step: float
    own_step: float | None
    mean: float
    std: float

    @property
    def normalized(self) -> tuple[float, float]:
        """The lowest and the highest number of the output, before it is clipped."""
        return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std

    @property
    def least_std(self) -> float:
        """The least std of this mean, that of the two stored numbers around it."""
        part = (self.mean - self.low) / self.step % 1
        return math.sqrt(part * (1 - part)) * self.step


@in_default_floats
def warn_about_units(
    dataset: Collection,
    names: Sequence[str],
    dtype: str,
    settings: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Warn, once for a data set and mistake, of settings in other units than those of the bands.

    ``settings`` has scale, mean, std and clip as given; ``limits`` is the checked clip.
    """
    if dtype not in FLOAT_DTYPES:
        return
    bands = _whole_bands(dataset, names, settings)
    where = str(dataset.path)

    def warn(subject: str, texts: Sequence[str], advice: str) -> None:
        if texts:
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            listed = "; ".join(texts[:_SHOWN])
            text = f"{where}: {listed}{more}. {advice}"
            warn_once((where, subject, text), text)  # other numbers are another mistake

    _warn_about_divisors(bands, warn)
    if settings["mean"] is not None or settings["std"] is not None:
        _warn_about_statistics(bands, settings, warn)
    _warn_about_overflow(bands, dtype, limits, warn)
    if limits != (None, None) and len(bands) == len(names):
        _warn_about_clip(bands, limits, warn)


Warn = Callable[[str, Sequence[str], str], None]


def _whole_bands(
    dataset: Collection, names: Sequence[str], settings: Mapping[str, Any]
) -> list[_BandUnits]:
    """Return the bands that store whole numbers; floats can be anything."""
    scales, offsets = resolve_scales(dataset, names, settings["scale"])
    means = per_band("mean", 0.0 if settings["mean"] is None else settings["mean"], len(names))
    stds = per_band("std", 1.0 if settings["std"] is None else settings["std"], len(names))
    bands = []
    for name, scale, offset, mean, std in zip(names, scales, offsets, means, stds, strict=True):
        stored = dataset.dtype(name)
        if stored.kind not in "iu":
            continue
        limits = np.iinfo(stored)
        low, high = sorted((limits.min * scale + offset, limits.max * scale + offset))
        own = dataset.band(name).factors
        own_step = None if own is None else abs(own[0])
        bands.append(_BandUnits(name, stored.name, low, high, abs(scale), own_step, mean, std))
    return bands


def _warn_about_divisors(bands: Sequence[_BandUnits], warn: Warn) -> None:
    """Warn of a factor that stored whole numbers are divided by; floats may become such numbers."""
    found = [(band.name, band.step) for band in bands if band.step in _DIVISORS]
    texts = [f"{name} is multiplied by its scale of {scale:g}" for name, scale in found]
    advice = "If it must be divided by that number, the scale is 1 / {:g} = {:.6g}"
    warn("scale", texts, advice.format(found[0][1], 1 / found[0][1]) if found else "")


def _is_scaled(band: _BandUnits, scale: Any) -> bool:
    """Return whether a std alone seems to be in the layout's unit, and numbers come as stored."""
    return scale is None and band.own_step not in (None, 1.0) and band.std < 1


def _warn_about_statistics(
    bands: Sequence[_BandUnits], settings: Mapping[str, Any], warn: Warn
) -> None:
    """Warn of a mean or deviation that no data of these bands can have."""
    scale, no_mean = settings["scale"], settings["mean"] is None
    texts, too_small = [], False
    for band in bands:
        low, high = band.low, band.high
        span = f"{band.name} is from {low:g} to {high:g} as scaled"
        if not low <= band.mean <= high:
            texts.append(f"{span}, and cannot have a mean of {band.mean:g}")
        elif band.std > high - low + band.step:  # which maps all to numbers from 0 to 1
            texts.append(f"{span}, and cannot have a std of {band.std:g}")
        elif band.std < _ROUNDED * band.least_std or (no_mean and _is_scaled(band, scale)):
            too_small = True
            kind = f"has steps of {band.step:g} as scaled"
            if scale is None and band.own_step not in (None, 1.0):
                kind = "is read as stored"
            mean = "" if no_mean else f"with a mean of {band.mean:g} "
            texts.append(f"{band.name} {kind}, and {mean}cannot have a std of {band.std:g}")
    steps = sorted({band.step for band in bands})
    if too_small and scale is None and all(band.own_step not in (None, 1.0) for band in bands):
        cure = "They seem to be in the layout's unit: leave scale=None out"
    elif scale is None and not too_small:
        cure = "scale=None reads numbers as stored, so they must be those of stored numbers"
    elif too_small or steps == [1.0]:
        cure = "If yours are in another unit, pass its scale=: 1/255 for bytes as 0 to 1"
    else:
        factor = f"{steps[0]:g}" if len(steps) == 1 else "its scale"
        cure = f"If yours are of stored numbers, multiply them by {factor}, or pass scale=None"
    warn(
        "mean and std",
        texts,
        f"mean and std are in scaled units: (x * scale - mean) / std. {cure}; cloudio.stats.bands "
        "computes them",
    )


def _warn_about_overflow(
    bands: Sequence[_BandUnits], dtype: str, limits: Limits, warn: Warn
) -> None:
    """Warn of numbers that become infinite in a small type."""
    if dtype == "bfloat16":  # which has the range of float32
        dtype = "float32"
    texts = []
    for band in bands:
        ends = np.clip(band.normalized, *limits) if limits != (None, None) else band.normalized
        with np.errstate(over="ignore", under="ignore"):
            if np.isinf(np.asarray(ends).astype(dtype)).any():
                largest = max(ends, key=abs)
                texts.append(f"{band.name} stores {band.dtype}, which can be {largest:,.6g}")
    warn(
        dtype,
        texts,
        f"In {dtype}, numbers beyond {float(np.finfo(dtype).max):g} become infinite; pass clip=, a "
        "scale, or another dtype",
    )


def _warn_about_clip(bands: Sequence[_BandUnits], limits: Limits, warn: Warn) -> None:
    """Warn of limits that make pixels the same, or that are so far away that they do nothing."""
    lowest, highest = limits
    texts = []
    for band in bands:
        low, high = band.normalized
        far = [x for x in limits if x is not None and abs(x) > _FAR * max(abs(low), abs(high))]
        reason = ""
        if (lowest is not None and lowest > high) or (highest is not None and highest < low):
            reason = "makes every pixel the same"
        elif any(map(np.isfinite, far)):
            reason = "does nothing"
        if reason:
            texts.append(f"{band.name} is from {low:g} to {high:g}, where {limits} {reason}")
    warn("clip", texts, "clip is in the units of the output: after scale, mean and std")
