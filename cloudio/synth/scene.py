"""Scenes: the ground, clouds and shadows that a synthetic patch shows."""

from functools import cached_property

import numpy as np

from ..layouts.cloudsen12 import CLOUDSEN12
from .noise import RandomSource, upsample

SIDE = CLOUDSEN12.patch[0]
VALID = CLOUDSEN12.valid

# Reflectance x 10,000, about what Sentinel-2 sees: bare soil, plants, water, snow; then what the
# air, a thin and a thick cloud add.  B10 sees no ground: its air is below zero, so that true
# zeros come out.
_LEVELS = {
    "B1": (450, 200, 260, 7400, 1150, 1900, 8800), "B2": (750, 250, 330, 7500, 820, 1900, 8700),
    "B3": (1100, 550, 350, 7600, 500, 1900, 8800), "B4": (1600, 380, 210, 7700, 280, 1950, 9200),
    "B5": (1900, 950, 160, 7500, 220, 1950, 9300), "B6": (2100, 2200, 130, 7200, 180, 1950, 9400),
    "B7": (2250, 2700, 120, 7000, 150, 1950, 9500), "B8": (2400, 2900, 100, 6800, 130, 1900, 9300),
    "B8A": (2500, 3200, 80, 6500, 110, 1900, 9600), "B9": (700, 950, 30, 1900, 40, 800, 4600),
    "B10": (12, 4, 4, 10, -6, 750, 300), "B11": (3100, 1600, 30, 700, 20, 1300, 6500),
    "B12": (2500, 800, 20, 500, 10, 1000, 5200),
}  # fmt: skip
_ORDER = {band: k for k, band in enumerate(_LEVELS)}

# A place is seen on five dates, one of each sky: its name, the shares of thick and of thin cloud.
SKIES = (
    ("mid-cloudy", 0.35, 0.25),
    ("low-cloudy", 0.20, 0.20),
    ("cloud-free", 0.00, 0.00),
    ("cloudy", 0.65, 0.30),
    ("almost-clear", 0.06, 0.08),
)

# From a cloud to its shadow, in rows and columns, and that direction in degrees x 100.
_SHADOWS = ((-24, -32, 30687), (-15, -36, 29262), (-20, -21, 31360), (-7, -24, 28626))

# Noise and clouds reach past the patch: room for the farthest shadow and the worst detector.
_MARGIN = 64


class Scene:
    """What one patch shows: float32 fields, most of them 0..1, computed when first used.

    The ground belongs to the place and is the same on all of its dates.
    """

    def __init__(self, seed: int, split: str, patch: int) -> None:
        self.random = RandomSource(seed, split)
        self.patch = patch
        self.place, self.date = divmod(patch, len(SKIES))
        # Two neighboring places share the satellite's scene of their first date.
        shared = self.place % 2 == 1 and self.date == 0
        self.scene = patch - len(SKIES) if shared else patch
        self.sky, self._thick_share, self._thin_share = SKIES[self.date]
        self.air, sun = self.random.numbers("air and sun", self.scene, 2)
        self.shadow_row, self.shadow_col, self.azimuth = _SHADOWS[int(sun * len(_SHADOWS))]
        # Columns that Sentinel-1 has not seen: in one patch of four, up to half of them.
        (width,) = self.random.numbers("gap", patch, 1)
        self.gap = 16 + int(width * (VALID.width // 2 - 16)) if patch % 4 == 1 else 0

    @cached_property
    def grid_origin(self) -> tuple[int, int]:
        """Where the valid window begins in the satellite's grid of 60 m, in pixels of 10 m."""
        row, col = self.random.words("grid of 60 m", self.patch, 2) % 6
        return int(row), int(col)

    @cached_property
    def plants(self) -> np.ndarray:
        """The share of the ground that plants cover."""
        field = upsample(self.random.smooth("plants", self.place, SIDE // 64), 8)
        field -= 0.3
        field *= 2.5
        np.clip(field, 0, 1, out=field)
        return field

    @cached_property
    def relief(self) -> np.ndarray:
        """The height of the ground."""
        return upsample(self.random.smooth("relief", self.place, SIDE // 64), 8)

    @cached_property
    def water(self) -> np.ndarray:
        return self.relief < 0.36

    @cached_property
    def snow(self) -> np.ndarray:
        return self.relief > 0.71

    @cached_property
    def _pixel_noise(self) -> np.ndarray:
        side = SIDE + _MARGIN
        field = self.random.bytes("grain", self.patch, side * side) * np.float32(1 / 128)
        field -= 1
        return field.reshape(side, side)

    def noise(self, k: int) -> np.ndarray:
        """Return noise of -1..1, independent from pixel to pixel; other noise for every ``k``."""
        return _crop(self._pixel_noise, k * 37 % _MARGIN, k * 23 % _MARGIN)

    def rare(self, k: int) -> np.ndarray:
        """Return a mask of a few pixels, one in 8192."""
        return (self.noise(k) < 1 / 128 - 1) & (self.noise(k + 1) < 8 / 128 - 1)

    def _clouds(self, purpose: str, share: float) -> np.ndarray:
        """Return a field that is above zero on that share of the scene."""
        points = self.random.smooth(purpose, self.patch, (SIDE + _MARGIN) // 64)
        ordered = np.sort(points, axis=None)
        points -= float(ordered[int((ordered.size - 1) * (1 - share))])
        return upsample(points, 8)

    @cached_property
    def _thick_field(self) -> np.ndarray:
        return self._clouds("thick clouds", self._thick_share)

    @cached_property
    def _opacity(self) -> np.ndarray:
        return (self._thick_field * 12).clip(0, 1)

    @cached_property
    def _thin_density(self) -> np.ndarray:
        return (self._clouds("thin clouds", self._thin_share) * 6).clip(0, 1)

    def thick(self, offset: int = 0) -> np.ndarray:
        """Return the opacity of the thick clouds, ``offset`` rows and columns away."""
        return _crop(self._opacity, offset, offset)

    def thin(self, offset: int = 0) -> np.ndarray:
        """Return the density of the thin clouds, ``offset`` rows and columns away."""
        return _crop(self._thin_density, offset, offset)

    def shadow(self, offset: int = 0) -> np.ndarray:
        """Return the depth of the shadow of the thick clouds, ``offset`` rows and columns away."""
        return _crop(self._opacity, offset - self.shadow_row, offset - self.shadow_col)

    @cached_property
    def _light(self) -> np.ndarray:
        return 1 - self.shadow() * 0.6

    @cached_property
    def _uncovered(self) -> np.ndarray:
        return 1 - self.thick()

    @cached_property
    def _cloud_tops(self) -> np.ndarray:
        """The brightness of the thick clouds, times their opacity."""
        field = _crop(self._thick_field, 0, 0) * 4
        field += 0.6
        np.minimum(field, 1.4, out=field)
        field *= self.thick()
        return field

    def haze(self, band: str) -> float:
        """Return what the air adds to a band."""
        return _LEVELS[band][4] * (0.7 + 0.6 * self.air)

    def reflectance(self, band: str) -> np.ndarray:
        """Return top-of-atmosphere reflectance x 10,000, not rounded yet, in a new array."""
        soil, plants, water, snow, _, thin, thick = _LEVELS[band]
        light = self.plants * (plants - soil)
        light += soil
        np.copyto(light, water, where=self.water)
        np.copyto(light, snow, where=self.snow)
        light *= self._light
        part = self.noise(_ORDER[band]) * 0.06
        part += 1
        light *= part
        light += self.haze(band)
        light += np.multiply(self.thin(), thin, out=part)
        light *= self._uncovered
        light += np.multiply(self._cloud_tops, thick, out=part)
        np.maximum(light, 0 if band == "B10" else 1, out=light)
        return light


def _crop(field: np.ndarray, row: int, col: int) -> np.ndarray:
    return field[row : row + SIDE, col : col + SIDE]
