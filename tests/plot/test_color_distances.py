"""Overlays against their legend, and classes against each other, in CIELAB (color_vision.py)."""

from itertools import combinations, product

import numpy as np
import pytest
from color_vision import distance

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot
from cloudio.plot import colors

GROUNDS = {"black": 0, "gray": 128, "white": 255}
CLASSES = dict(zip(("clear", "thick", "thin", "shadow"), colors.CLASS_COLORS, strict=True))
COLORS = CLASSES | {"above": colors.ABOVE_THRESHOLD, "ignore": colors.IGNORED}


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
