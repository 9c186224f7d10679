"""The color of each pixel: bands and labels as images, (row, column, 3) of uint8.

This module needs numpy only.  Panels are chosen in band_panels.py and label_panels.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Color = tuple[int, int, int]
#: Points (number, brightness 0..1), in the order of the numbers; straight lines between them.
Stretch = tuple[tuple[float, float], ...]

#: Colors of classes 0, 1, ... whose label map has none; from Okabe and Ito, so that color-blind
#: people can tell them apart.
CLASS_COLORS: tuple[Color, ...] = (
    (0, 158, 115),  # green
    (213, 94, 0),  # vermilion
    (240, 228, 66),  # yellow
    (86, 180, 233),  # sky blue
)
#: Pixels from the threshold of a probability on, which may be any kind of cloud.
ABOVE_THRESHOLD: Color = (230, 159, 0)
#: Pixels that a label map ignores.
IGNORED: Color = (110, 50, 220)
#: Pixels that are NaN, the array's nodata value, or outside the valid window.
NO_DATA: Color = (255, 0, 255)

#: The fixed stretch of reflectance: three quarters of the brightness for the range of the ground,
#: the rest for clouds, so that they do not saturate.
REFLECTANCE_STRETCH: Stretch = ((0.0, 0.0), (0.3, 0.75), (1.0, 1.0))
# The share of red, green and blue in the luminance of a color (ITU-R BT.709).
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
# Tones of a class: pixels around that a pixel is compared with, the gain of the difference, and how
# large it can be.  At half opacity a tone stays within CIELAB 12 of the color in the legend
# (tests/plot/test_color_distances.py).
_AROUND, _DETAIL_GAIN, _MOST_DETAIL = 16, 1.5, 50.0
#: An array without a fixed stretch is stretched between these percentiles.
STRETCH_PERCENTILES = 1.0, 99.0


def color_from_hex(text: str) -> Color:
    """Return a color that is written as "#rrggbb", or without the #."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def percentile_limits(values: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Return the percentiles of the finite numbers where ``valid``; low < high always."""
    picked = values[valid & np.isfinite(values)].astype(np.float64)
    if not picked.size:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(picked, STRETCH_PERCENTILES))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def linear_stretch(low: float, high: float) -> Stretch:
    """Return the stretch from black at ``low`` to white at ``high``."""
    return (low, 0.0), (high, 1.0)


def apply_stretch(values: np.ndarray, valid: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Return brightness 0..255 as uint8, constant before the first point and after the last.

    Pixels that are not ``valid`` have the brightness of the first point.
    """
    numbers, brightness = zip(*stretch, strict=True)
    known = np.where(valid, values, numbers[0]).astype(np.float64)
    scaled = np.interp(known, numbers, brightness) * 255
    bright: np.ndarray = np.rint(scaled).astype(np.uint8)
    return bright


def compose_bands(image: np.ndarray, valid: np.ndarray, stretches: Sequence[Stretch]) -> np.ndarray:
    """Return one image of bands (band, row, column): three as red, green, blue, or one as gray."""
    planes = [apply_stretch(b, valid, stretch) for b, stretch in zip(image, stretches, strict=True)]
    composed = np.stack(planes * (3 // len(planes)), axis=-1)
    composed[~valid] = NO_DATA
    return composed


def color_codes(codes: np.ndarray, colors: Mapping[int, Color], inside: np.ndarray) -> np.ndarray:
    """Return an image of codes, each in its color; NO_DATA where not ``inside``.

    ``colors`` has every code that occurs inside.
    """
    known = np.array(sorted(colors))
    table = np.array([colors[code] for code in known.tolist()], np.uint8)
    rows = np.searchsorted(known, np.where(inside, codes, known[0]))
    return np.where(inside[..., None], table[rows], np.array(NO_DATA, np.uint8))


def tint(
    base: np.ndarray, valid: np.ndarray, cover: np.ndarray, mask: np.ndarray, opacity: float
) -> np.ndarray:
    """Return ``base``, where ``mask`` in tones of ``cover``.

    A tone is lighter where the base is brighter than around it.  So bright and dark ground alike
    are on average in the color of the cover, which a legend shows.  Tones spread as ``opacity``
    sinks; at 1, and where the base is not ``valid``, they are the color itself.
    """
    detail = (_DETAIL_GAIN * _detail(base, valid)).clip(-_MOST_DETAIL, _MOST_DETAIL)
    tones = np.rint((cover + (1 - opacity) * detail[..., None]).clip(0, 255)).astype(np.uint8)
    return np.where(mask[..., None], tones, base)


def _detail(base: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return how much brighter each pixel is than the valid ones around it; 0 if not valid."""
    brightness = np.where(valid, base @ _LUMINANCE, 0)
    n_around = _sum_around(valid.astype(np.float64))
    around = _sum_around(brightness) / np.maximum(n_around, 1)
    return np.where(valid, brightness - around, 0)


def _sum_around(plane: np.ndarray) -> np.ndarray:
    """Return the sums over squares of 2 * _AROUND + 1 pixels a side, cut at the edges."""
    for _ in range(2):  # along columns, then, of the transpose, along rows
        sums = np.concatenate([np.zeros((1, plane.shape[1])), plane.cumsum(axis=0)])
        rows = np.arange(len(plane))
        last, first = np.minimum(rows + _AROUND + 1, len(plane)), np.maximum(rows - _AROUND, 0)
        plane = (sums[last] - sums[first]).T
    return plane
