"""Overlays against their legend, and classes against each other, in CIELAB.

Distances are CIE 1976: about 2 is just seen side by side, about 10 is seen at a glance.
"""

from itertools import combinations, product

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot
from cloudio.plot import colors

GROUNDS = {"black": 0, "gray": 128, "white": 255}
CLASSES = dict(zip(("clear", "thick", "thin", "shadow"), colors.CLASS_COLORS, strict=True))
COLORS = CLASSES | {"above": colors.ABOVE_THRESHOLD, "ignore": colors.IGNORED}

# Linear RGB (D65) to XYZ, over the white point.
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1], [1.08883]])
# Machado, Oliveira and Fernandes 2009, severity 1: what people see who lack a kind of cone.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(color, vision="normal"):
    """CIELAB of colors of 0..255, as people of that vision see them."""
    x = np.asarray(color, float) / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    xyz = (linear @ VISIONS[vision].T).clip(0, 1) @ _XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


def distance(one, other, vision="normal"):
    return np.linalg.norm(lab(one, vision) - lab(other, vision), axis=-1)


def drawn(color, ground):
    """A class over textured ground of that mean brightness, by the default overlay."""
    rng = np.random.default_rng(0)
    rough = ground + rng.normal(0, 25, (80, 80, 1)).round()
    base = np.broadcast_to(rough.clip(0, 255), (80, 80, 3)).astype(np.uint8)
    everywhere = np.ones((80, 80), bool)
    cover = np.broadcast_to(np.array(color, np.uint8), base.shape)
    return colors.tint(base, everywhere, cover, everywhere, plot.OVERLAY)


@pytest.mark.parametrize("name", COLORS)
@pytest.mark.parametrize("ground", GROUNDS)
def test_a_class_has_the_legends_color_on_average_and_every_pixel_is_near(name, ground):
    pixels = drawn(COLORS[name], GROUNDS[ground])
    mean = pixels.reshape(-1, 3).mean(axis=0)
    assert distance(mean, COLORS[name]) < 3
    assert distance(pixels, COLORS[name]).max() < 12
    assert np.ptp(pixels[..., 1]) > 15  # the ground is seen


@pytest.mark.parametrize(
    ("vision", "least"), [("normal", 40), ("protanopia", 25), ("deuteranopia", 12)]
)
def test_classes_stay_apart_whatever_the_ground(vision, least):
    """The lightest tone of each against the darkest of the other, and all means."""
    pairs = [*combinations(("thick", "thin", "shadow", "ignore"), 2), ("above", "ignore")]
    for one, other in pairs:
        for grounds in product(GROUNDS.values(), repeat=2):
            tones = [
                drawn(COLORS[name], ground).reshape(-1, 3)
                for name, ground in zip((one, other), grounds, strict=True)
            ]
            ends = [[x[x.sum(axis=1).argmin()], x[x.sum(axis=1).argmax()]] for x in tones]
            for a, b in product(*ends):
                assert distance(a, b, vision) > least, (one, other, grounds)


def test_swatches_stay_apart_for_tritanopia_too():
    for one, other in combinations(("clear", "thick", "thin", "shadow", "ignore"), 2):
        # Green and sky blue are the nearest; the first class is uncovered in overlays.
        least = 15 if {one, other} == {"clear", "shadow"} else 35
        assert distance(COLORS[one], COLORS[other], "tritanopia") > least, (one, other)


def test_a_hidden_image_leaves_the_color_itself_and_so_does_no_data():
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, (50, 40, 3)).astype(np.uint8)
    everywhere = np.ones((50, 40), bool)
    cover = np.broadcast_to(np.array(COLORS["thin"], np.uint8), base.shape)
    assert np.array_equal(colors.tint(base, everywhere, cover, everywhere, 1), cover)
    assert np.array_equal(colors.tint(base, ~everywhere, cover, everywhere, 0.5), cover)
    assert np.array_equal(colors.tint(base, everywhere, cover, ~everywhere, 0.5), base)
