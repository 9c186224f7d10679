"""What made-up patches show: ground, clouds and shadows, and every array as a view of them.

Generator words and + - * / alone make a scene, each rounded the same everywhere: the bytes do not
depend on platform or numpy.  Files and metadata are synth.py's.
"""

import zlib
from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..layouts.cloudsen12 import CLOUDSEN12

SIDE = CLOUDSEN12.patch[0]
VALID = CLOUDSEN12.valid
_NODATA = -99

# ---- scenes --------------------------------------------------------------------------------------

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

# A place is seen on five dates, one of each kind of sky: share of thick and of thin cloud.
SKIES = (
    ("mid-cloudy", 0.35, 0.25),
    ("low-cloudy", 0.20, 0.20),
    ("cloud-free", 0.00, 0.00),
    ("cloudy", 0.65, 0.30),
    ("almost-clear", 0.06, 0.08),
)

# How far a shadow lies from its cloud, in rows and columns, and that direction in degrees x 100.
_SHADES = ((-24, -32, 30687), (-15, -36, 29262), (-20, -21, 31360), (-7, -24, 28626))

# Noise and clouds reach past the patch: room for the longest shade and the worst detector.
_MARGIN = 64


class Scene:
    """What one patch shows: float32 fields, most of them 0..1, made when first asked for.

    Every field has draws of its own, so no array depends on which others are asked for.  The
    ground is the place's, the same on all of its dates.
    """

    def __init__(self, seed: int, split: str, patch: int) -> None:
        self._key = seed, zlib.crc32(split.encode())
        self.patch = patch
        self.place, self.date = divmod(patch, len(SKIES))
        # Two neighbouring places share the satellite's scene of their first date.
        shared = self.place % 2 == 1 and self.date == 0
        self.scene = patch - len(SKIES) if shared else patch
        self.sky, self._thick_share, self._thin_share = SKIES[self.date]
        self.air, sun = self.numbers("air and sun", self.scene, 2)
        self.shade_row, self.shade_col, self.azimuth = _SHADES[int(sun * len(_SHADES))]
        # Columns that Sentinel-1 has not seen: in one patch of four, up to half of them.
        (width,) = self.numbers("gap", patch, 1)
        self.gap = 16 + int(width * (VALID.width // 2 - 16)) if patch % 4 == 1 else 0

    def words(self, what: str, of: int, n: int) -> np.ndarray:
        """``n`` random words of 64 bits: those of ``what`` of the patch, place or scene ``of``."""
        # Words, not numbers of a Generator: only they are promised never to change.
        entropy = np.random.SeedSequence([*self._key, of, zlib.crc32(what.encode())])
        words: np.ndarray = np.random.PCG64(entropy).random_raw(n)
        return words

    def numbers(self, what: str, of: int, n: int) -> list[float]:
        """Random numbers from 0 up to 1."""
        return [(word >> 11) / 2**53 for word in self.words(what, of, n).tolist()]

    def _bytes(self, what: str, of: int, n: int) -> np.ndarray:
        return self.words(what, of, -(-n // 8)).astype("<u8").view(np.uint8)[:n]

    def _smooth(self, what: str, of: int, cells: int) -> np.ndarray:
        """Noise with detail of four sizes, around 0.5, at 8 * ``cells`` + 1 points a side."""
        sides = [(cells << octave) + 2 for octave in range(4)]
        drawn = self._bytes(what, of, sum(side * side for side in sides))
        n_points = 8 * cells + 1
        total = np.zeros((n_points, n_points), np.float32)
        for octave, side in enumerate(sides):
            corners, drawn = drawn[: side * side].reshape(side, side), drawn[side * side :]
            step = 8 >> octave
            total += _enlarged(corners * np.float32(step / (15 * 255)), step)[:n_points, :n_points]
        return total

    @cached_property
    def plants(self) -> np.ndarray:
        """How much of the ground is green."""
        field = _enlarged(self._smooth("plants", self.place, SIDE // 64), 8)
        field -= 0.3
        field *= 2.5
        np.clip(field, 0, 1, out=field)
        return field

    @cached_property
    def relief(self) -> np.ndarray:
        return _enlarged(self._smooth("relief", self.place, SIDE // 64), 8)

    @cached_property
    def water(self) -> np.ndarray:
        return self.relief < 0.36

    @cached_property
    def snow(self) -> np.ndarray:
        return self.relief > 0.71

    @cached_property
    def _grain(self) -> np.ndarray:
        side = SIDE + _MARGIN
        field = self._bytes("grain", self.patch, side * side) * np.float32(1 / 128)
        field -= 1
        return field.reshape(side, side)

    def noise(self, k: int) -> np.ndarray:
        """Noise of -1..1 from pixel to pixel, another for every ``k``."""
        return _part(self._grain, k * 37 % _MARGIN, k * 23 % _MARGIN)

    def rare(self, k: int) -> np.ndarray:
        """A few pixels, one in 8192."""
        return (self.noise(k) < 1 / 128 - 1) & (self.noise(k + 1) < 8 / 128 - 1)

    def _clouds(self, what: str, share: float) -> np.ndarray:
        """Above zero on that share of the scene."""
        points = self._smooth(what, self.patch, (SIDE + _MARGIN) // 64)
        ordered = np.sort(points, axis=None)
        points -= float(ordered[int((ordered.size - 1) * (1 - share))])
        return _enlarged(points, 8)

    @cached_property
    def _thick(self) -> np.ndarray:
        return self._clouds("thick clouds", self._thick_share)

    @cached_property
    def _opaque(self) -> np.ndarray:
        return (self._thick * 12).clip(0, 1)

    @cached_property
    def _veil(self) -> np.ndarray:
        return (self._clouds("thin clouds", self._thin_share) * 6).clip(0, 1)

    def thick(self, lag: int = 0) -> np.ndarray:
        """How opaque the thick clouds are, ``lag`` rows and columns away."""
        return _part(self._opaque, lag, lag)

    def thin(self, lag: int = 0) -> np.ndarray:
        """How dense the thin clouds are, ``lag`` rows and columns away."""
        return _part(self._veil, lag, lag)

    def shadow(self, lag: int = 0) -> np.ndarray:
        """How deep the shadow of the thick clouds is, ``lag`` rows and columns away."""
        return _part(self._opaque, lag - self.shade_row, lag - self.shade_col)

    @cached_property
    def _lit(self) -> np.ndarray:
        return 1 - self.shadow() * 0.6

    @cached_property
    def _open(self) -> np.ndarray:
        return 1 - self.thick()

    @cached_property
    def _tops(self) -> np.ndarray:
        """How bright the thick clouds are, times how opaque."""
        field = _part(self._thick, 0, 0) * 4
        field += 0.6
        np.minimum(field, 1.4, out=field)
        field *= self.thick()
        return field

    def haze(self, band: str) -> float:
        """What the air adds to a band."""
        return _LEVELS[band][4] * (0.7 + 0.6 * self.air)

    def reflectance(self, band: str) -> np.ndarray:
        """Top-of-atmosphere reflectance x 10,000, not rounded yet; a new array."""
        soil, plants, water, snow, _, thin, thick = _LEVELS[band]
        light = self.plants * (plants - soil)
        light += soil
        np.copyto(light, water, where=self.water)
        np.copyto(light, snow, where=self.snow)
        light *= self._lit
        part = self.noise(_ORDER[band]) * 0.06
        part += 1
        light *= part
        light += self.haze(band)
        light += np.multiply(self.thin(), thin, out=part)
        light *= self._open
        light += np.multiply(self._tops, thick, out=part)
        np.maximum(light, 0 if band == "B10" else 1, out=light)
        return light


def _enlarged(points: np.ndarray, step: int) -> np.ndarray:
    """The pixels between ``points``, ``step`` from one to the next, by straight lines."""
    return _stretched(_stretched(points.T, step).T, step)


def _stretched(points: np.ndarray, step: int) -> np.ndarray:
    points = np.ascontiguousarray(points)
    parts = np.arange(step, dtype=np.float32)[:, None] * np.float32(1 / step)
    between: np.ndarray = (points[1:] - points[:-1])[:, None] * parts
    between += points[:-1, None]
    return between.reshape(-1, points.shape[1])


def _part(field: np.ndarray, row: int, col: int) -> np.ndarray:
    return field[row : row + SIDE, col : col + SIDE]


# ---- arrays of a scene ---------------------------------------------------------------------------


def draw(scene: Scene, name: str, plane: np.ndarray) -> None:
    """Fill ``plane`` with an array's numbers, rounded to its type, and zeros around them."""
    group, _, rest = name.partition("_")
    values = _GROUPS[group](scene, rest)
    rounds = values.dtype.kind == "f" and plane.dtype.kind != "f"
    plane[...] = np.rint(values) if rounds else values
    plane[: VALID.row] = plane[VALID.row + VALID.height :] = 0
    plane[:, : VALID.col] = plane[:, VALID.col + VALID.width :] = 0


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
        (start,) = scene.numbers("incidence", scene.patch, 1)
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
    return _painted(bare, *layers, (scene.snow, snow), (scene.water, water))


# How a detector errs: how far off, how much of a thin cloud it sees, and which noise it has.
_DETECTORS = {
    "fmask": (3, 0.6, 16), "s2cloudless": (2, 0.7, 20), "sen2cor": (0, 0.8, 24),
    "cd_fcnn_rgbi": (1, 0.5, 28), "cd_fcnn_rgbi_swir": (4, 0.7, 32),
    "kappamask_L1C": (2, 0.9, 36), "kappamask_L2A": (5, 0.8, 40),
}  # fmt: skip


def _label(scene: Scene, name: str) -> np.ndarray:
    if name == "qa60":  # nothing else in the release
        return _painted(0)
    if name.startswith("manual"):
        clouds = (scene.thin() > 0.2, 2), (scene.thick() > 0.5, 1)
        drawn = _painted(0, (scene.shadow() > 0.5, 3), *clouds)
        return drawn if name == "manual_hq" else _scribbles(scene, drawn)
    lag, sight, k = _DETECTORS[name]
    noise = scene.noise(k) * 0.15
    thick, thin, shadow = scene.thick(lag) + noise, scene.thin(lag) * sight, scene.shadow(lag)
    if name.startswith(("s2", "cd")):  # percent
        percent = thick * 80
        percent += thin * 50
        np.clip(percent, 0, 100, out=percent)
        return percent
    veiled, shaded = thin + noise > 0.3, shadow + noise > 0.5
    one, other = scene.rare(k), scene.rare(k + 2)
    if name == "fmask":
        ground = (scene.water, 1), (scene.snow, 3)
        return _painted(0, *ground, (shaded, 2), (thick + thin > 0.6, 4), (one, 255))
    if name == "sen2cor":
        ground = (scene.plants > 0.45, 4), (scene.water, 6)
        dark = (scene.snow, 11), (shadow + noise > 0.25, 2), (shaded, 3)
        cloud = (thick > 0.15, 7), (thick > 0.35, 8), (thick > 0.75, 9)
        return _painted(5, *ground, *dark, (veiled, 10), *cloud, (one, 0), (other, 1))
    return _painted(1, (shaded, 2), (veiled, 3), (thick > 0.6, 4), (one, 0), (other, 5))


def _scribbles(scene: Scene, drawn: np.ndarray) -> np.ndarray:
    """Strokes over ``drawn``: twice its class, one less in the middle of a cloud or shadow."""
    along = np.arange(60)
    rows, cols, slopes = scene.words("scribbles", scene.patch, 3 * 48).reshape(3, 48, 1)
    rows = (rows % SIDE).astype(int) + along * ((slopes % 9).astype(int) - 4) // 4
    cols = (cols % SIDE).astype(int) + along
    labelled = np.zeros((SIDE, SIDE), bool)
    for thickness in range(3):
        labelled[(rows + thickness) % SIDE, cols % SIDE] = True
    middle = np.maximum(np.maximum(scene.thick(), scene.shadow()), scene.thin()) == 1
    return np.where(labelled, np.maximum(2 * drawn - middle, 0), 99)


def _painted(ground: int, *layers: tuple[np.ndarray, int]) -> np.ndarray:
    """Codes: ``ground``, and over it each layer's code where its mask holds, the last on top."""
    codes = np.full((SIDE, SIDE), ground, np.int16)
    for mask, code in layers:
        np.copyto(codes, code, where=mask)
    return codes


_GROUPS: dict[str, Callable[[Scene, str], np.ndarray]] = {
    "L1C": Scene.reflectance, "L2A": _l2a, "S1": _s1, "EXTRA": _extra, "LABEL": _label,
}  # fmt: skip
