"""The arrays of a scene, as CloudSEN12 stores them."""

from collections.abc import Callable

import numpy as np

from .labels import paint_codes, render_label
from .scene import SIDE, VALID, Scene

_NODATA = -99
# How many pixels of 10 m a pixel of a band covers, in rows and in columns.
_REPEATS = {
    **dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), 2),
    **dict.fromkeys(("B1", "B9", "B10"), 6),
}


def render_array(scene: Scene, name: str, plane: np.ndarray, *, repeats: bool = False) -> None:
    """Fill ``plane`` with the numbers of an array, rounded to its type; the padding is zero.

    ``repeats``: bands of 20 m and 60 m show one number for each of their own pixels.
    """
    group, _, rest = name.partition("_")
    values = _GROUPS[group](scene, rest)
    rounds = values.dtype.kind == "f" and plane.dtype.kind != "f"
    plane[...] = np.rint(values) if rounds else values
    if repeats and group in ("L1C", "L2A") and rest in _REPEATS:
        _repeat_pixels(plane, _REPEATS[rest], scene.grid_origin)
    plane[: VALID.row] = plane[VALID.row + VALID.height :] = 0
    plane[:, : VALID.col] = plane[:, VALID.col + VALID.width :] = 0


def _repeat_pixels(plane: np.ndarray, repeat: int, origin: tuple[int, int]) -> None:
    """Set every pixel to the first one that is in the same pixel of a coarser grid.

    ``origin``: where the valid window begins in its grid of 60 m, in pixels of 10 m.
    """
    firsts = []
    for begin, first in zip((VALID.row, VALID.col), origin, strict=True):
        number = np.arange(SIDE)
        coarse = number - (number - begin + first) % repeat
        firsts.append(np.where(number < begin, number, np.maximum(coarse, begin)))
    plane[...] = plane[np.ix_(*firsts)]


def _l2a(scene: Scene, band: str) -> np.ndarray:
    if band == "AOT":
        return scene.relief * -60 + (110 + 180 * scene.air)
    if band == "WVP":
        return scene.relief * -1500 + (1400 + 1500 * scene.air)
    if band.startswith("TCI"):  # 255 is a reflectance of 0.3558
        light = _l2a(scene, {"R": "B4", "G": "B3", "B": "B2"}[band[-1]])
        light *= 255 / 3558
        np.clip(light, 0, 255, out=light)
        return light
    light = scene.reflectance(band)
    light -= scene.haze(band) * 1.1  # a little too much, as over dark ground
    light *= 0.97
    np.maximum(light, 1, out=light)
    return light


def _s1(scene: Scene, band: str) -> np.ndarray:
    if band == "angle":
        (start,) = scene.random.numbers("incidence", scene.patch, 1)
        ramp = np.arange(SIDE, dtype=np.float32) * np.float32(1 / SIDE)
        return np.broadcast_to(ramp + (30 + 14 * start), (SIDE, SIDE))
    level = scene.plants * 6 - 15.5
    np.copyto(level, -22, where=scene.water)
    level += scene.noise(13 if band == "VV" else 14) * 2
    if band == "VH":
        level *= 1.1
        level -= 5.8
    level[:, : VALID.col + scene.gap] = _NODATA
    return level


def _extra(scene: Scene, name: str) -> np.ndarray:
    if name == "CDI":
        level: np.ndarray = scene.noise(15) * 1000 - scene.thick() * 10_000
        level += 4000 - scene.plants * 3000
        return level
    if name == "Shwdirection":
        return scene.relief * 20 + scene.azimuth
    if name == "elevation":
        return scene.relief * 2600 - 400
    if name == "ocurrence":  # nothing is known where there has never been water
        percent = (0.37 - scene.relief) * 900
        return np.where(percent > 0, np.clip(percent, 1, 100), _NODATA)
    bare, grass, crops, trees, snow, water = {
        "lc10": (60, 30, 40, 10, 70, 80),
        "lc100": (60, 30, 40, 126, 70, 80),
    }[name]
    green = scene.plants
    layers = (green > 0.3, grass), (green > 0.5, crops), (green > 0.7, trees)
    return paint_codes(bare, *layers, (scene.snow, snow), (scene.water, water))


_GROUPS: dict[str, Callable[[Scene, str], np.ndarray]] = {
    "L1C": Scene.reflectance, "L2A": _l2a, "S1": _s1, "EXTRA": _extra, "LABEL": render_label,
}  # fmt: skip
