"""What colour a pixel has: bands and labels as pictures, (row, column, 3) of uint8.

numpy alone; panels.py says what is to be seen, and plot.py puts it on a page.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Colour = tuple[int, int, int]
# Points (number, brightness 0..1), by rising numbers.
Tone = tuple[tuple[float, float], ...]

#: Of the classes 0, 1, ...; Okabe's and Ito's, which the colour-blind tell apart.
CLASS_COLOURS: tuple[Colour, ...] = (
    (0, 158, 115),  # green
    (213, 94, 0),  # vermilion
    (240, 228, 66),  # yellow
    (86, 180, 233),  # sky blue
)
#: Of a class from a threshold over probabilities, which may mean any cloud.
ABOVE: Colour = (230, 159, 0)
#: Of what a label map ignores.
IGNORED: Colour = (110, 50, 220)
#: Of NaN, the array's no-data number, and all that is outside the valid window.
NO_DATA: Colour = (255, 0, 255)

#: Of reflectance: three quarters of all brightness for what ground has, and the rest for clouds,
#: which are so not blown out.
REFLECTANCE: Tone = ((0.0, 0.0), (0.3, 0.75), (1.0, 1.0))
#: Percentiles between which an array without fixed limits is stretched.
PERCENTILES = 1.0, 99.0


def limits(values: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """The percentiles of the finite numbers among ``values`` that are ``valid``, never equal."""
    picked = values[valid & np.isfinite(values)].astype(np.float64)
    if not picked.size:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(picked, PERCENTILES))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def toned(values: np.ndarray, valid: np.ndarray, tone: Tone) -> np.ndarray:
    """Brightness 0..255, by straight lines between the points of ``tone``, level before and after.

    uint8 of the shape of ``values``; that of the first point where they are not ``valid``.
    """
    at, brightness = zip(*tone, strict=True)
    known = np.where(valid, values, at[0]).astype(np.float64)
    tones: np.ndarray = np.rint(np.interp(known, at, brightness) * 255).astype(np.uint8)
    return tones


def composite(image: np.ndarray, valid: np.ndarray, tones: Sequence[Tone]) -> np.ndarray:
    """One picture of bands (band, row, column): three as red, green and blue, one as grey."""
    planes = [toned(band, valid, tone) for band, tone in zip(image, tones, strict=True)]
    picture = np.stack(planes * (3 // len(planes)), axis=-1)
    picture[~valid] = NO_DATA
    return picture


def coded(codes: np.ndarray, colours: Mapping[int, Colour], inside: np.ndarray) -> np.ndarray:
    """A picture of codes: each in its colour, NO_DATA where they are not ``inside``.

    All codes inside have a colour.
    """
    known = np.array(sorted(colours))
    table = np.array([colours[code] for code in known.tolist()], np.uint8)
    where = np.searchsorted(known, np.where(inside, codes, known[0]))
    return np.where(inside[..., None], table[where], np.array(NO_DATA, np.uint8))


def over(
    base: np.ndarray, valid: np.ndarray, picture: np.ndarray, where: np.ndarray, share: float
) -> np.ndarray:
    """``base``, covered by ``picture`` to that share ``where`` it is asked for.

    Wholly where the base is not ``valid``: no colour is mixed with NO_DATA.
    """
    mixed = np.rint(share * picture + (1 - share) * base.astype(np.float64)).astype(np.uint8)
    mixed = np.where(valid[..., None], mixed, picture)
    return np.where(where[..., None], mixed, base)
