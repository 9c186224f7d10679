"""How stored numbers become output: a factor and a summand per band, ``x * factor + summand``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._core.runtime import DefaultFloats
from .._utils.numbers import overflows_float32, per_band
from ..errors import RequestError
from .arguments.options import FLOAT_DTYPES
from .collection import Collection


def resolve_scales(
    dataset: Collection, bands: Sequence[str], scale: Any
) -> tuple[list[float], list[float]]:
    """Return each band's scale and offset: ``x * scale + offset`` is the stored x in its unit."""
    if isinstance(scale, str):
        if scale != "reflectance":
            hint = f"; give the number {scale}" if _is_numeric(scale) else ""
            raise RequestError(
                f"scale={scale!r}; scale must be 'reflectance', None or numbers{hint}"
            )
        pairs = [_layout_factors(dataset, name) for name in bands]
        scales, offsets = [a for a, _ in pairs], [b for _, b in pairs]
    else:
        scales = per_band("scale", 1.0 if scale is None else scale, len(bands))
        offsets = [0.0] * len(bands)
        if not all(scales):
            raise RequestError(
                f"scale={scale!r}; scale must be numbers other than 0, or None for stored numbers"
            )
    return scales, offsets


def _is_numeric(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _layout_factors(dataset: Collection, name: str) -> tuple[float, float]:
    band = dataset.band(name)
    if band.factors is None:
        known, layout = dataset.layout.band(name), f"the layout {dataset.layout.name}"
        if known is None:
            reason = f"{layout} has no such array"
        elif known.factors is None:
            source = dataset.layout.file
            where = layout if source is None else source.path
            raise RequestError(
                f'{name} has scale = "unknown" in {where}; write its scale there, or pass scale=, '
                "such as scale=0.0001, or scale=None for numbers as stored"
            )
        else:
            reason = f"{layout} knows that of {known.dtype}"
        raise RequestError(
            f"the scale of {name} is unknown: it is stored as {band.dtype}, and {reason}; pass "
            "scale=, such as scale=None for numbers as stored"
        )
    return band.factors


def resolve_factors(
    dataset: Collection, bands: Sequence[str], dtype: str, options: Mapping[str, Any]
) -> tuple[list[float], list[float]] | None:
    """Return the factors and summands of an image; None if numbers come as stored.

    ``options`` are ``scale``, ``mean``, ``std``, ``clip`` and ``fill``: a stored type allows none.
    """
    if dtype in FLOAT_DTYPES:
        return _fold(dataset, bands, options["scale"], options["mean"], options["std"])
    for option, value in options.items():
        is_own = option == "scale" and isinstance(value, str) and value == "reflectance"
        if value is not None and not is_own:
            raise RequestError(
                f"{option}={value!r} with dtype={dtype!r}, which reads numbers as stored; leave "
                f"{option} out, or read a float dtype"
            )
    for name in bands:
        if dataset.dtype(name) != np.dtype(dtype):
            raise RequestError(
                f"{name} is stored as {dataset.dtype(name)}, not as {dtype}; "
                "dtype='float32' reads any band"
            )
    return None


def _fold(
    dataset: Collection, bands: Sequence[str], scale: Any, mean: Any, std: Any
) -> tuple[list[float], list[float]]:
    """Compute the factors in float64; RequestError if float32 cannot hold one."""
    with DefaultFloats():
        scales, offsets = resolve_scales(dataset, bands, scale)
    means = per_band("mean", 0.0 if mean is None else mean, len(bands))
    stds = per_band("std", 1.0 if std is None else std, len(bands))
    if not all(x > 0 for x in stds):
        raise RequestError(f"std={std!r}; std must be numbers above 0")
    with DefaultFloats():
        factors = [a / s for a, s in zip(scales, stds, strict=True)]
        summands = [(b - m) / s for b, m, s in zip(offsets, means, stds, strict=True)]
    if overflows_float32(factors + summands):
        raise RequestError(
            f"scale={scale!r}, mean={mean!r} and std={std!r} give factors that overflow float32"
        )
    return factors, summands
