"""The classes of land cover maps in their publishers' colors and words, long ones shortened.

Sources: the color tables of the Product User Manuals of ESA WorldCover (10 m, v100 and v200 alike)
and of the Copernicus Global Land Service's Land Cover 100 m (CGLS-LC100, collection 3, discrete
classification), which the Earth Engine data catalog repeats.
"""

from collections.abc import Sequence

from ..layouts.cloudsen12 import LAND_COVER
from .colors import Color, color_from_hex

_WORLD_COVER = {
    10: ("006400", "Tree cover"),
    20: ("ffbb22", "Shrubland"),
    30: ("ffff4c", "Grassland"),
    40: ("f096ff", "Cropland"),
    50: ("fa0000", "Built-up"),
    60: ("b4b4b4", "Bare / sparse vegetation"),
    70: ("f0f0f0", "Snow and ice"),
    80: ("0064c8", "Permanent water bodies"),
    90: ("0096a0", "Herbaceous wetland"),
    95: ("00cf75", "Mangroves"),
    100: ("fae6a0", "Moss and lichen"),
}
_CGLS_LC100 = {
    0: ("282828", "Unknown"),
    20: ("ffbb22", "Shrubs"),
    30: ("ffff4c", "Herbaceous vegetation"),
    40: ("f096ff", "Cropland"),
    50: ("fa0000", "Urban / built up"),
    60: ("b4b4b4", "Bare / sparse vegetation"),
    70: ("f0f0f0", "Snow and ice"),
    80: ("0032c8", "Permanent water bodies"),
    90: ("0096a0", "Herbaceous wetland"),
    100: ("fae6a0", "Moss and lichen"),
    111: ("58481f", "Closed forest, evergreen needle leaf"),
    112: ("009900", "Closed forest, evergreen broad leaf"),
    113: ("70663e", "Closed forest, deciduous needle leaf"),
    114: ("00cc00", "Closed forest, deciduous broad leaf"),
    115: ("4e751f", "Closed forest, mixed"),
    116: ("007800", "Closed forest, other"),
    121: ("666000", "Open forest, evergreen needle leaf"),
    122: ("8db400", "Open forest, evergreen broad leaf"),
    123: ("8d7400", "Open forest, deciduous needle leaf"),
    124: ("a0dc00", "Open forest, deciduous broad leaf"),
    125: ("929900", "Open forest, mixed"),
    126: ("648c00", "Open forest, other"),
    200: ("000080", "Oceans, seas"),
}
_PUBLISHED = {"WorldCover": _WORLD_COVER, "CGLS-LC100": _CGLS_LC100}

#: Codes that a map does not publish.
UNPUBLISHED: Color = (90, 60, 90)


def is_land_cover(name: str) -> bool:
    """Return whether the array of that name holds land cover."""
    return name in LAND_COVER


def land_cover_colors(name: str, codes: Sequence[int]) -> tuple[dict[int, Color], dict[str, Color]]:
    """Return the color of each code of an array of land cover, and the colors by their texts."""
    published = _PUBLISHED[LAND_COVER[name]]
    colors: dict[int, Color] = {}
    texts: dict[str, Color] = {}
    unpublished = [code for code in codes if code not in published]
    for code in codes:
        if code in published:
            color, text = published[code]
            colors[code] = texts[text] = color_from_hex(color)
    if unpublished:
        colors |= dict.fromkeys(unpublished, UNPUBLISHED)
        texts[f"code {', '.join(map(str, unpublished))}"] = UNPUBLISHED
    return colors, texts
