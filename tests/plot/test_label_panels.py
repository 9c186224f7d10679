"""Panels of labels: every pixel against numpy, and what the legend says."""

import warnings

import builders
import numpy as np
import pytest
from builders import SMALL
from figures import VALID, legend_texts, panel_pixels, texts, true_color

import cloudio
from cloudio import CLASSES, CLOUDSEN12, LabelMap
from cloudio._utils import warn

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot  # noqa: E402
from cloudio.plot import colors  # noqa: E402

CLEAR, THICK, THIN, SHADOW = colors.CLASS_COLORS


def test_classes_alone_are_exactly_their_colors(small):
    arrays, ds = small
    figure = plot.patch(ds, 3, labels={"hq": "card"}, overlay=None, classes=CLASSES)
    table = np.full((256, 3), colors.IGNORED)
    table[:4] = colors.CLASS_COLORS
    assert np.array_equal(panel_pixels(figure, 1), table[arrays["LABEL_hq"][3][VALID]])
    assert legend_texts(figure) == [*CLASSES, "ignore"]
    swatches = [handle.get_facecolor() for handle in figure.legends[0].get_patches()]
    expected = [*colors.CLASS_COLORS, colors.IGNORED]
    assert np.array_equal(np.rint(np.array(swatches)[:, :3] * 255), expected)


def detail(image):
    """How much brighter a pixel is than those up to 16 rows and columns away: 1.5 times, cut."""
    bright = image @ [0.2126, 0.7152, 0.0722]
    around = [
        [
            bright[max(0, row - 16) : row + 17, max(0, col - 16) : col + 17].mean()
            for col in range(bright.shape[1])
        ]
        for row in range(bright.shape[0])
    ]
    return ((bright - around) * 1.5).clip(-50, 50)


@pytest.mark.parametrize("overlay", [0, 0.5, 0.8, 1])
def test_classes_cover_the_image_and_the_first_does_not(small, overlay):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels="hq", overlay=overlay, classes=CLASSES)
    base, codes = true_color(arrays, 0), arrays["LABEL_hq"][0][VALID]
    table = np.full((256, 3), colors.IGNORED)
    table[:4] = colors.CLASS_COLORS
    tones = np.rint((table[codes] + (1 - overlay) * detail(base)[..., None]).clip(0, 255))
    expected = np.where(codes[..., None] == 0, base, tones)
    panel = panel_pixels(figure, 1).astype(int)
    assert np.abs(panel - expected).max() <= 1  # rounding of .5
    assert (panel != expected).mean() < 1e-3
    assert legend_texts(figure) == ["clear (uncovered)", *CLASSES[1:], "ignore"]


def test_a_class_over_no_data_is_not_mixed_with_its_color(small):
    arrays, ds = small
    figure = plot.patch(ds, 2, bands="S1_VV", labels="hq")
    stored, codes = arrays["S1_VV"][2][VALID], arrays["LABEL_hq"][2][VALID]
    gone = np.isnan(stored) | (stored == -99)
    panel = panel_pixels(figure, 1)
    assert np.all(panel[gone & (codes == 1)] == THICK)
    assert np.all(panel[gone & (codes == 0)] == colors.NO_DATA)


def test_a_legend_names_what_is_there_and_nothing_else(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "B3", "B2"])
    codes = np.zeros((1, *SMALL.patch), np.uint8)
    codes[0, 20, 20] = 2
    codes[0, 0, 0] = 3  # in the padding
    codes.tofile(tmp_path / "LABEL_hq.dat")
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert legend_texts(plot.patch(ds, 0, labels="hq", overlay=None)) == ["class 0", "class 2"]
    named = plot.patch(ds, 0, labels="hq", overlay=None, classes=["land", "sea", "ice"])
    assert legend_texts(named) == ["land", "ice"]


def test_cloudsen12_names_its_classes_by_itself(tmp_path):
    builders.write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_manual_hq"])
    figure = plot.patch(cloudio.open(tmp_path), 0, bands="B4", labels="manual_hq")
    assert {*legend_texts(figure)} == {"clear (uncovered)", *CLASSES[1:], "ignore"}


def test_a_policy_and_a_map_of_ones_own_are_followed(small):
    arrays, ds = small
    codes = arrays["LABEL_sc"][1][VALID]
    given = {"sc": {4: 2, 1: 0}, "hq": "authors"}
    figure = plot.patch(ds, 1, labels=given, overlay=None)
    assert np.array_equal((panel_pixels(figure, 1) == THIN).all(-1), codes == 4)
    assert np.array_equal(
        (panel_pixels(figure, 1) == colors.IGNORED).all(-1), ~np.isin(codes, [1, 4])
    )
    # 77 is unlisted, and so clear to the authors.
    clear = np.isin(arrays["LABEL_hq"][1][VALID], [0, 77])
    assert np.array_equal((panel_pixels(figure, 2) == CLEAR).all(-1), clear)
    assert {"LABEL_sc, a map given", "LABEL_hq, authors"} <= {*texts(figure)}


def test_probabilities_by_name_are_a_heat_map(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels="percent")
    codes = arrays["LABEL_percent"][0][VALID]
    heat = matplotlib.colormaps["viridis"](codes / 100, bytes=True)[..., :3]
    assert np.array_equal(panel_pixels(figure, 1), heat)
    bar = next(axes for axes in figure.axes if not axes.images)
    assert bar.get_xlim() == (0, 100)
    assert bar.get_xlabel() == "probability, %; line: threshold 50"
    assert bar.lines[-1].get_xdata() == [50, 50]
    assert legend_texts(figure) == []


def test_no_warning_about_what_the_panel_shows(small):
    ds = small[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn.reset()
        plot.patch(ds, 0, labels=["sc", "percent"])
        plot.patch(ds, 0, labels={"sc": None, "percent": None}, window=True)
        assert caught == []
        ds.reader("L1C", {"percent": None})
        assert [
            "is read as stored: it holds probabilities" in str(said.message) for said in caught
        ] == [True]


def test_probabilities_past_the_top_are_no_heat(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "B3", "B2", "LABEL_percent"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    codes = ds["LABEL_percent"][0][VALID]
    figure = plot.patch(ds, 0, labels={"percent": None})
    assert np.array_equal((panel_pixels(figure, 1) == colors.IGNORED).all(-1), codes > 100)
    assert legend_texts(figure) == ["ignore"]


def test_probabilities_under_a_policy_are_two_classes(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels={"percent": LabelMap.threshold(30)}, overlay=None)
    codes = arrays["LABEL_percent"][0][VALID]
    expected = np.where(codes[..., None] >= 30, colors.ABOVE_THRESHOLD, CLEAR)
    assert np.array_equal(panel_pixels(figure, 1), expected)
    assert legend_texts(figure) == ["below the threshold", "from the threshold on"]


def test_codes_as_stored_have_one_color_each_and_a_key(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels={"sc": None})
    panel, codes = panel_pixels(figure, 1), arrays["LABEL_sc"][0][VALID]
    colors = {code: np.unique(panel[codes == code], axis=0).tolist() for code in (1, 2, 3, 4, 99)}
    assert all(len(found) == 1 for found in colors.values())
    assert len({tuple(found[0]) for found in colors.values()}) == 5
    assert legend_texts(figure) == [f"code {code}" for code in (1, 2, 3, 4, 99)]
    swatches = [handle.get_facecolor()[:3] for handle in figure.legends[0].get_patches()]
    assert np.array_equal(np.rint(np.array(swatches) * 255), [x[0] for x in colors.values()])


@pytest.mark.parametrize("codes", [range(20), [0, 20, 40], [-1 % 256, 15, 16]])
def test_no_two_codes_share_a_color(tmp_path, codes):
    builders.write_split(tmp_path, 1, names=["B4"])
    array = np.resize(np.array(codes, np.uint8), (1, *SMALL.patch))
    array.tofile(tmp_path / "LABEL_sc.dat")
    ds = cloudio.open(tmp_path, layout=SMALL)
    panel = panel_pixels(plot.patch(ds, 0, bands="B4", labels={"sc": None}), 1)
    assert len(np.unique(panel.reshape(-1, 3), axis=0)) == len(codes)


def test_more_codes_than_colors_are_a_heat_map(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "LABEL_sc"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    figure = plot.patch(ds, 0, bands="B4", labels={"sc": None})
    codes = ds["LABEL_sc"][0][VALID]
    low, high = int(codes.min()), int(codes.max())
    heat = matplotlib.colormaps["viridis"]((codes.astype(int) - low) / (high - low), bytes=True)
    assert np.array_equal(panel_pixels(figure, 1), heat[..., :3])
    assert "code" in texts(figure)
