"""The labels of a scene: by people, and by detectors with errors of their own."""

import numpy as np

from .scene import SIDE, Scene

# The errors of a detector: its offset, the share of a thin cloud that it sees, and its noise.
_DETECTORS = {
    "fmask": (3, 0.6, 16), "s2cloudless": (2, 0.7, 20), "sen2cor": (0, 0.8, 24),
    "cd_fcnn_rgbi": (1, 0.5, 28), "cd_fcnn_rgbi_swir": (4, 0.7, 32),
    "kappamask_L1C": (2, 0.9, 36), "kappamask_L2A": (5, 0.8, 40),
}  # fmt: skip


def render_label(scene: Scene, name: str) -> np.ndarray:
    """Return the codes of a label, by its name without the prefix."""
    if name == "qa60":  # nothing else in the release
        return paint_codes(0)
    if name.startswith("manual"):
        clouds = (scene.thin() > 0.2, 2), (scene.thick() > 0.5, 1)
        drawn = paint_codes(0, (scene.shadow() > 0.5, 3), *clouds)
        return drawn if name == "manual_hq" else _scribbles(scene, drawn)
    return _detect(scene, name)


def _detect(scene: Scene, name: str) -> np.ndarray:
    """Return what a detector finds, in its codes or in percent."""
    offset, sight, k = _DETECTORS[name]
    noise = scene.noise(k) * 0.15
    thick, thin = scene.thick(offset) + noise, scene.thin(offset) * sight
    shadow = scene.shadow(offset)
    if name.startswith(("s2", "cd")):  # percent
        percent = thick * 80
        percent += thin * 50
        np.clip(percent, 0, 100, out=percent)
        return percent
    veiled, shaded = thin + noise > 0.3, shadow + noise > 0.5
    one, other = scene.rare(k), scene.rare(k + 2)
    if name == "fmask":
        ground = (scene.water, 1), (scene.snow, 3)
        return paint_codes(0, *ground, (shaded, 2), (thick + thin > 0.6, 4), (one, 255))
    if name == "sen2cor":
        ground = (scene.plants > 0.45, 4), (scene.water, 6)
        dark = (scene.snow, 11), (shadow + noise > 0.25, 2), (shaded, 3)
        cloud = (thick > 0.15, 7), (thick > 0.35, 8), (thick > 0.75, 9)
        return paint_codes(5, *ground, *dark, (veiled, 10), *cloud, (one, 0), (other, 1))
    return paint_codes(1, (shaded, 2), (veiled, 3), (thick > 0.6, 4), (one, 0), (other, 5))


def _scribbles(scene: Scene, drawn: np.ndarray) -> np.ndarray:
    """Return strokes over ``drawn``: twice its class, less one amid a cloud or shadow; else 99."""
    along = np.arange(60)
    rows, cols, slopes = scene.random.words("scribbles", scene.patch, 3 * 48).reshape(3, 48, 1)
    rows = (rows % SIDE).astype(int) + along * ((slopes % 9).astype(int) - 4) // 4
    cols = (cols % SIDE).astype(int) + along
    scribbled = np.zeros((SIDE, SIDE), bool)
    for thickness in range(3):
        scribbled[(rows + thickness) % SIDE, cols % SIDE] = True
    middle = np.maximum(np.maximum(scene.thick(), scene.shadow()), scene.thin()) == 1
    return np.where(scribbled, np.maximum(2 * drawn - middle, 0), 99)


def paint_codes(ground: int, *layers: tuple[np.ndarray, int]) -> np.ndarray:
    """Return codes: ``ground``, and over it each layer's code where its mask is, last on top."""
    codes = np.full((SIDE, SIDE), ground, np.int16)
    for mask, code in layers:
        np.copyto(codes, code, where=mask)
    return codes
