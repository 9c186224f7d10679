"""How numbers become brightness: the same for a band in every figure, where limits are known."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..layouts.band import Band
from ..layouts.cloudsen12 import BRIGHTNESS, CLOUDSEN12
from ..reading.dataset import Dataset
from .colors import REFLECTANCE_STRETCH, Stretch, linear_stretch, percentile_limits

#: Where water vapor hides the ground (nm): clouds there are as bright as dark ground elsewhere.
_CIRRUS_WAVELENGTHS = 1340.0, 1420.0
_CIRRUS_STRETCH: Stretch = tuple((x / 10, y) for x, y in REFLECTANCE_STRETCH)
#: Where reflected sunlight ends and thermal radiation begins (nm).
_LONGEST_REFLECTED = 3000.0
#: Radar backscatter: from calm water to buildings.
_DECIBEL_STRETCH = linear_stretch(-30, 0)

#: Patches from which the limits of any other array are taken.
_N_SAMPLED = 16


def is_reflectance(band: Band) -> bool:
    """Return whether the scaled numbers of a band are reflectance."""
    return (
        band.scale is not None
        and not band.unit
        and band.wavelength is not None
        and band.wavelength <= _LONGEST_REFLECTED
    )


def fixed_stretches(ds: Dataset, names: Sequence[str]) -> list[Stretch]:
    """Return the stretch of each band that is the same in every figure of ``ds``.

    Bands without a known range are stretched between percentiles of patches spread over ``ds``.
    """
    if any(ds.band(name).scale is None for name in names):  # then all are shown as stored
        return [_sampled_stretch(ds, name, None) for name in names]
    return [_known_stretch(ds, name) or _sampled_stretch(ds, name, "reflectance") for name in names]


def _known_stretch(ds: Dataset, name: str) -> Stretch | None:
    band = ds.band(name)
    if is_reflectance(band):
        assert band.wavelength is not None
        low, high = _CIRRUS_WAVELENGTHS
        return _CIRRUS_STRETCH if low <= band.wavelength <= high else REFLECTANCE_STRETCH
    if band.unit == "dB":
        return _DECIBEL_STRETCH
    return BRIGHTNESS.get(name) if ds.layout.name == CLOUDSEN12.name else None


def _sampled_stretch(ds: Dataset, name: str, scale: Literal["reflectance"] | None) -> Stretch:
    n_sampled = min(len(ds), _N_SAMPLED)
    index = np.linspace(0, len(ds) - 1, n_sampled).round().astype(np.int64)
    reader = ds.reader(name, scale=scale, valid=True)
    batch = reader.read(index)
    return linear_stretch(*percentile_limits(batch.image[:, 0], batch.valid.astype(bool)))
