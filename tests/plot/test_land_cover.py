"""Land cover in its publishers' colors."""

import builders
import numpy as np
import pytest
from figures import legend_texts, panel_pixels

import cloudio
from cloudio import CLOUDSEN12

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot
from cloudio.plot import colors, land_cover

TREES, WATER, SEA = (0, 100, 0), (0, 100, 200), (0, 0, 128)


@pytest.fixture
def ds(tmp_path):
    """A patch of both maps: trees above water, the sea to the left of a forest, and no data."""
    builders.write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4"])
    for name, codes in (("lc10", (10, 80)), ("lc100", (200, 111))):
        array = np.full((1, 512, 512), codes[0], "<i2")
        array[:, 256:] = codes[1]
        array[:, 1:11] = -99
        array[:, 20] = 7
        array.tofile(tmp_path / f"EXTRA_{name}.dat")
    return cloudio.open(tmp_path)


@pytest.mark.parametrize("stretch", ["fixed", "patch", (0, 1)])
def test_a_band_of_land_cover_has_its_colors_and_names(ds, stretch):
    figure = plot.patch(ds, 0, bands="EXTRA_lc10", stretch=stretch)
    panel = panel_pixels(figure)
    assert np.all(panel[:10] == colors.NO_DATA)
    assert np.all(panel[30:250] == TREES)
    assert np.all(panel[255:] == WATER)
    assert np.all(panel[19] == land_cover.UNPUBLISHED)
    said = [text.replace("\n", " ") for text in legend_texts(figure)]
    assert said == ["Tree cover", "Permanent water bodies", "code 7", "no data"]


def test_both_maps_stand_side_by_side(ds):
    figure = plot.patch(ds, 0, bands=["EXTRA_lc10", "EXTRA_lc100"])
    assert np.all(panel_pixels(figure, 1)[30:250] == SEA)
    said = [text.replace("\n", " ") for text in legend_texts(figure)]
    assert "Closed forest, evergreen needle leaf" in said
    assert "Oceans, seas" in said


def test_as_a_label_it_has_its_colors_too(ds):
    figure = plot.patch(ds, 0, bands="L1C_B4", labels={"EXTRA_lc10": None})
    assert np.all(panel_pixels(figure, 1)[255:] == WATER)
    assert "Tree cover" in legend_texts(figure)


def test_no_two_classes_of_a_map_share_a_color():
    for name in ("EXTRA_lc10", "EXTRA_lc100"):
        found, named = land_cover.land_cover_colors(name, range(256))
        published = {color for color in found.values() if color != land_cover.UNPUBLISHED}
        assert len(published) == len(named) - 1
        assert not published & {colors.NO_DATA, land_cover.UNPUBLISHED}
