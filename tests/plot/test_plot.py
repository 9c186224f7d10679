"""Pictures of patches: every pixel against numpy, and a page that can be read."""

import re
import struct
import subprocess
import sys
import warnings

import builders
import numpy as np
import pytest
from builders import SMALL
from hypothesis import given
from hypothesis import strategies as st
from paths import SUPPORT

import cloudio
from cloudio import CLASSES, CLOUDSEN12, LabelMap, RequestError
from cloudio._utils import warn
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml
from cloudio.plot import colors as pictures
from cloudio.reading.inventory import effective_layout

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

from cloudio import plot  # noqa: E402

VALID = np.s_[1:36, 2:43]  # of SMALL
INSIDE = np.zeros(SMALL.patch, bool)
INSIDE[VALID] = True
CLEAR, THICK, THIN, SHADOW = pictures.CLASS_COLOURS


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Three train patches and two of val, every label of codes that are few; and a data set."""
    root = tmp_path_factory.mktemp("plot")
    arrays = builders.write_root(root, {"train": 3, "val": 2})
    rng = np.random.default_rng(1)
    codes = {
        "LABEL_hq": rng.choice([0, 1, 2, 3, 77], (5, *SMALL.patch)),
        "LABEL_sc": rng.choice([1, 2, 3, 4, 99], (5, *SMALL.patch)),
        "LABEL_percent": rng.integers(0, 101, (5, *SMALL.patch)),
    }
    for name, array in codes.items():
        arrays[name] = array.astype(np.uint8)
        for split, part in (("train", np.s_[:3]), ("val", np.s_[3:])):
            arrays[name][part].tofile(root / split / f"{name}.dat")
    return arrays, cloudio.open(root, layout=SMALL)


def shown(figure, k=0):
    """The pixels of the k-th picture of a figure."""
    return np.asarray([axes for axes in figure.axes if axes.images][k].images[0].get_array())


def entries(figure):
    """What the legends of a figure say."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def words(figure):
    """Headings, titles of pictures and what bars are of."""
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    bars = [axes.get_xlabel() for axes in figure.axes]
    return [*(text.get_text() for text in figure.texts), *filter(None, titles + bars)]


def reflectance(array):
    """Brightness by the fixed tone, as numpy has it."""
    x = array.astype(np.float32) * np.float32(1e-4)
    return np.rint(np.interp(x.astype(np.float64), [0, 0.3, 1], [0, 0.75, 1]) * 255)


def linear(array, low, high):
    share = np.clip((array.astype(np.float64) - low) / (high - low), 0, 1)
    return np.rint(share * 255)


def true_colour(arrays, k, where=VALID):
    names = "L1C_B4", "L1C_B3", "L1C_B2"
    return np.stack([reflectance(arrays[name][k][where]) for name in names], axis=-1)


# ---- colours -------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    st.tuples(st.floats(-100, 100), st.floats(0.01, 1000)),
)
def test_brightness_is_linear_between_the_points_of_a_tone(numbers, tone):
    low, high = tone[0], tone[0] + tone[1]
    values = np.array(numbers, np.float32)
    found = pictures.toned(values, np.ones(len(values), bool), ((low, 0.0), (high, 1.0)))
    assert found.dtype == np.uint8
    # numpy's interp takes a slope times a distance: half a step may fall either way.
    exact = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255
    assert np.all(np.abs(found - exact) <= 0.5 + 1e-6)


def test_brightness_has_no_opinion_about_nan_and_infinity():
    values = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)
    valid = np.array([False, True, True, True])
    tone = (0.25, 0.0), (0.75, 1.0)
    assert pictures.toned(values, valid, tone).tolist() == [0, 255, 0, 128]


def test_limits_are_percentiles_of_what_is_valid_and_finite():
    values = np.arange(1000, dtype=np.float32)
    values[[3, 7, 9]] = np.nan, np.inf, -99
    valid = values != -99
    known = values[valid & np.isfinite(values)]
    assert pictures.limits(values, valid) == tuple(np.percentile(known.astype(float), [1, 99]))
    assert pictures.limits(np.full(5, 7.0), np.ones(5, bool)) == (6.5, 7.5)
    assert pictures.limits(np.full(5, 7.0), np.zeros(5, bool)) == (0.0, 1.0)


def test_no_colour_of_a_class_is_that_of_another_thing():
    all_colours = [*pictures.CLASS_COLOURS, pictures.ABOVE, pictures.IGNORED, pictures.NO_DATA]
    assert len({*all_colours}) == len(all_colours)


# ---- bands ---------------------------------------------------------------------------------------


def test_true_colour_is_the_fixed_tone_of_reflectance(small):
    arrays, ds = small
    figure = plot.patch(ds, [4, 0])
    assert np.array_equal(shown(figure, 0), true_colour(arrays, 4))
    assert np.array_equal(shown(figure, 1), true_colour(arrays, 0))
    assert entries(figure) == []  # nothing but ground


def test_row_0_is_at_the_top_and_no_pixel_is_interpolated(tmp_path):
    for name, corner in (("B4", np.s_[1:11, 2:12]), ("B3", np.s_[1:11, 33:43])):
        array = np.zeros((1, *SMALL.patch), "<i2")
        array[0][corner] = 10000
        array.tofile(tmp_path / f"L1C_{name}.dat")
    array = np.zeros((1, *SMALL.patch), "<i2")
    array[0, 26:36, 2:12] = 10000
    array.tofile(tmp_path / "L1C_B2.dat")
    figure = plot.patch(cloudio.open(tmp_path, layout=SMALL), 0)
    page = rendered(figure)
    (axes,) = figure.axes
    box = axes.get_window_extent()
    left, right = round(box.x0) + 4, round(box.x1) - 5
    top, bottom = page.shape[0] - round(box.y1) + 4, page.shape[0] - round(box.y0) - 5
    assert page[top, left].tolist() == [255, 0, 0]  # red is the top left corner
    assert page[top, right].tolist() == [0, 255, 0]
    assert page[bottom, left].tolist() == [0, 0, 255]
    assert page[bottom, right].tolist() == [0, 0, 0]
    inside = page[top:bottom, left:right].reshape(-1, 3)
    assert {tuple(pixel) for pixel in inside.tolist()} == {
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
    }  # fmt: skip


def rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def test_a_triple_is_red_green_blue_in_that_order(small):
    arrays, ds = small
    figure = plot.patch(ds, 1, bands=["L1C_B8A", "B02", "L1C_B3"])
    expected = [reflectance(arrays[name][1][VALID]) for name in ("L1C_B8A", "L1C_B2", "L1C_B3")]
    assert np.array_equal(shown(figure), np.stack(expected, axis=-1))
    assert "L1C_B8A B2 B3" in words(figure)


def test_single_bands_are_grey_between_percentiles_of_all_patches(small):
    arrays, ds = small
    figure = plot.patch(ds, [0, 3], bands=["L1C_B2", "EXTRA_count"])
    for j, (name, scale) in enumerate((("L1C_B2", 1e-4), ("EXTRA_count", 0.5))):
        values = arrays[name][[0, 3]][:, *VALID].astype(np.float32) * np.float32(scale)
        low, high = np.percentile(values.astype(np.float64), [1, 99])
        for k in range(2):
            expected = linear(values[k], low, high)
            picture = shown(figure, 2 * k + j).astype(int)
            assert np.abs(picture - expected[..., None]).max() <= 1  # halves
            assert (picture != expected[..., None]).mean() < 1e-3
    bars = [axes for axes in figure.axes if not axes.images]
    assert len(bars) == 2 * 2  # two patches side by side, each with both
    assert "reflectance" in words(figure)


def test_a_preset_without_wavelengths_is_one_picture_for_each_band(small):
    figure = plot.patch(small[1], 0, bands="S1")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.images] == [
        "S1_VV",
        "S1_VH",
    ]


def test_presets_triples_and_bands_mix(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, bands=["rgb", ("L1C_B8A", "L1C_B4", "L1C_B3"), "L1C_B8A"])
    assert np.array_equal(shown(figure, 0), true_colour(arrays, 0))
    assert np.array_equal(shown(figure, 1)[..., 0], reflectance(arrays["L1C_B8A"][0][VALID]))
    grey = shown(figure, 2)
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_limits_given_are_linear_for_all_bands(small):
    arrays, ds = small
    picture = shown(plot.patch(ds, 0, stretch=(0.0, 0.5)))
    x = arrays["L1C_B4"][0][VALID].astype(np.float32) * np.float32(1e-4)
    assert np.abs(picture[..., 0] - linear(x, 0, 0.5)).max() <= 1
    assert picture.min() == 0
    assert picture.max() == 255


def test_a_stretch_by_patch_has_a_bar_for_each(small):
    arrays, ds = small
    figure = plot.patch(ds, [0, 1], bands="L1C_B2", stretch="patch", columns=1)
    bars = [axes for axes in figure.axes if not axes.images]
    assert len(bars) == 2
    for k, bar in enumerate(bars):
        x = arrays["L1C_B2"][k][VALID].astype(np.float32) * np.float32(1e-4)
        assert bar.get_xlim() == pytest.approx(np.percentile(x.astype(np.float64), [1, 99]))


@pytest.mark.parametrize(("n", "columns", "bars"), [(2, 1, 1), (2, 2, 2), (3, 2, 2), (1, 5, 1)])
def test_a_bar_for_all_patches_stands_below_the_last_of_each_column(small, n, columns, bars):
    figure = plot.patch(small[1], range(n), bands="L1C_B2", columns=columns)
    assert len([axes for axes in figure.axes if not axes.images]) == bars


def test_what_is_no_data_has_a_colour_of_its_own_and_a_name(small):
    arrays, ds = small
    figure = plot.patch(ds, 2, bands="S1_VV")
    stored = arrays["S1_VV"][2][VALID]
    gone = np.isnan(stored) | (stored == -99)
    assert 0 < gone.sum() < gone.size
    picture = shown(figure)
    assert np.all(picture[gone] == pictures.NO_DATA)
    grey = picture[~gone]
    assert np.all((grey[:, 0] == grey[:, 1]) & (grey[:, 1] == grey[:, 2]))
    assert entries(figure) == ["no data"]


def test_an_array_of_unknown_scale_is_shown_as_stored(tmp_path):
    arrays = builders.write_split(tmp_path, 1, names=["L1C_B4", "mystery"])
    figure = plot.patch(cloudio.open(tmp_path, layout=SMALL), 0, bands="mystery")
    assert "as stored" in words(figure)
    low, high = np.percentile(arrays["mystery"][0][VALID].astype(float), [1, 99])
    bar = next(axes for axes in figure.axes if not axes.images)
    assert bar.get_xlim() == pytest.approx((low, high))


# ---- labels --------------------------------------------------------------------------------------


def test_classes_alone_are_exactly_their_colours(small):
    arrays, ds = small
    figure = plot.patch(ds, 3, labels={"hq": "card"}, overlay=None, classes=CLASSES)
    table = np.full((256, 3), pictures.IGNORED)
    table[:4] = pictures.CLASS_COLOURS
    assert np.array_equal(shown(figure, 1), table[arrays["LABEL_hq"][3][VALID]])
    assert entries(figure) == [*CLASSES, "ignore"]
    colours = [handle.get_facecolor() for handle in figure.legends[0].get_patches()]
    expected = [*pictures.CLASS_COLOURS, pictures.IGNORED]
    assert np.array_equal(np.rint(np.array(colours)[:, :3] * 255), expected)


@pytest.mark.parametrize("overlay", [0, 0.5, 0.8, 1])
def test_classes_cover_the_picture_and_the_first_does_not(small, overlay):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels="hq", overlay=overlay, classes=CLASSES)
    base, codes = true_colour(arrays, 0), arrays["LABEL_hq"][0][VALID]
    table = np.full((256, 3), pictures.IGNORED)
    table[:4] = pictures.CLASS_COLOURS
    mixed = np.rint(overlay * table[codes] + (1 - overlay) * base)
    assert np.array_equal(shown(figure, 1), np.where(codes[..., None] == 0, base, mixed))
    assert entries(figure) == ["clear (uncovered)", *CLASSES[1:], "ignore"]


def test_a_class_over_no_data_is_not_mixed_with_its_colour(small):
    arrays, ds = small
    figure = plot.patch(ds, 2, bands="S1_VV", labels="hq")
    stored, codes = arrays["S1_VV"][2][VALID], arrays["LABEL_hq"][2][VALID]
    gone = np.isnan(stored) | (stored == -99)
    picture = shown(figure, 1)
    assert np.all(picture[gone & (codes == 1)] == THICK)
    assert np.all(picture[gone & (codes == 0)] == pictures.NO_DATA)


def test_a_legend_names_what_is_there_and_nothing_else(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "B3", "B2"])
    codes = np.zeros((1, *SMALL.patch), np.uint8)
    codes[0, 20, 20] = 2
    codes[0, 0, 0] = 3  # in the frame
    codes.tofile(tmp_path / "LABEL_hq.dat")
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert entries(plot.patch(ds, 0, labels="hq", overlay=None)) == ["class 0", "class 2"]
    named = plot.patch(ds, 0, labels="hq", overlay=None, classes=["land", "sea", "ice"])
    assert entries(named) == ["land", "ice"]


def test_cloudsen12_names_its_classes_by_itself(tmp_path):
    builders.write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4", "LABEL_manual_hq"])
    figure = plot.patch(cloudio.open(tmp_path), 0, bands="B4", labels="manual_hq")
    assert {*entries(figure)} == {"clear (uncovered)", *CLASSES[1:], "ignore"}


def test_a_policy_and_a_map_of_ones_own_are_followed(small):
    arrays, ds = small
    codes = arrays["LABEL_sc"][1][VALID]
    given = {"sc": {4: 2, 1: 0}, "hq": "authors"}
    figure = plot.patch(ds, 1, labels=given, overlay=None)
    assert np.array_equal((shown(figure, 1) == THIN).all(-1), codes == 4)
    assert np.array_equal((shown(figure, 1) == pictures.IGNORED).all(-1), ~np.isin(codes, [1, 4]))
    # 77 is unlisted, and so clear to the authors.
    clear = np.isin(arrays["LABEL_hq"][1][VALID], [0, 77])
    assert np.array_equal((shown(figure, 2) == CLEAR).all(-1), clear)
    assert {"LABEL_sc, a map given", "LABEL_hq, authors"} <= {*words(figure)}


def test_probabilities_by_name_are_a_heat_map(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels="percent")
    codes = arrays["LABEL_percent"][0][VALID]
    heat = matplotlib.colormaps["viridis"](codes / 100, bytes=True)[..., :3]
    assert np.array_equal(shown(figure, 1), heat)
    bar = next(axes for axes in figure.axes if not axes.images)
    assert bar.get_xlim() == (0, 100)
    assert bar.get_xlabel() == "probability, %; line: threshold 50"
    assert bar.lines[-1].get_xdata() == [50, 50]
    assert entries(figure) == []


def test_no_warning_about_what_the_picture_says(small):
    ds = small[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn.reset()
        plot.patch(ds, 0, labels=["sc", "percent"])
        plot.patch(ds, 0, labels={"sc": None, "percent": None}, window=True)
        assert caught == []
        ds.reader("L1C", {"percent": None})
        assert ["read as stored is a probability" in str(said.message) for said in caught] == [True]


def test_probabilities_past_the_top_are_no_heat(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "B3", "B2", "LABEL_percent"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    codes = ds["LABEL_percent"][0][VALID]
    figure = plot.patch(ds, 0, labels={"percent": None})
    assert np.array_equal((shown(figure, 1) == pictures.IGNORED).all(-1), codes > 100)
    assert entries(figure) == ["ignore"]


def test_probabilities_under_a_policy_are_two_classes(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels={"percent": LabelMap.threshold(30)}, overlay=None)
    codes = arrays["LABEL_percent"][0][VALID]
    expected = np.where(codes[..., None] >= 30, pictures.ABOVE, CLEAR)
    assert np.array_equal(shown(figure, 1), expected)
    assert entries(figure) == ["below the threshold", "from the threshold on"]


def test_codes_as_stored_have_one_colour_each_and_a_key(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, labels={"sc": None})
    picture, codes = shown(figure, 1), arrays["LABEL_sc"][0][VALID]
    colours = {
        code: np.unique(picture[codes == code], axis=0).tolist() for code in (1, 2, 3, 4, 99)
    }
    assert all(len(found) == 1 for found in colours.values())
    assert len({tuple(found[0]) for found in colours.values()}) == 5
    assert entries(figure) == [f"code {code}" for code in (1, 2, 3, 4, 99)]
    swatches = [handle.get_facecolor()[:3] for handle in figure.legends[0].get_patches()]
    assert np.array_equal(np.rint(np.array(swatches) * 255), [x[0] for x in colours.values()])


@pytest.mark.parametrize("codes", [range(20), [0, 20, 40], [-1 % 256, 15, 16]])
def test_no_two_codes_share_a_colour(tmp_path, codes):
    builders.write_split(tmp_path, 1, names=["B4"])
    array = np.resize(np.array(codes, np.uint8), (1, *SMALL.patch))
    array.tofile(tmp_path / "LABEL_sc.dat")
    ds = cloudio.open(tmp_path, layout=SMALL)
    picture = shown(plot.patch(ds, 0, bands="B4", labels={"sc": None}), 1)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == len(codes)


def test_more_codes_than_colours_are_a_heat_map(tmp_path):
    builders.write_split(tmp_path, 1, names=["B4", "LABEL_sc"])
    ds = cloudio.open(tmp_path, layout=SMALL)
    figure = plot.patch(ds, 0, bands="B4", labels={"sc": None})
    codes = ds["LABEL_sc"][0][VALID]
    low, high = int(codes.min()), int(codes.max())
    heat = matplotlib.colormaps["viridis"]((codes.astype(int) - low) / (high - low), bytes=True)
    assert np.array_equal(shown(figure, 1), heat[..., :3])
    assert "code" in words(figure)


# ---- the window ----------------------------------------------------------------------------------


def test_the_whole_patch_is_shown_with_its_window_outlined(small):
    arrays, ds = small
    figure = plot.patch(ds, 1, labels="hq", window=True, overlay=None)
    picture = shown(figure, 0)
    assert picture.shape == (*SMALL.patch, 3)
    assert np.array_equal(picture[VALID], true_colour(arrays, 1))
    assert np.all(picture[~INSIDE] == pictures.NO_DATA)
    assert np.array_equal((shown(figure, 1) == pictures.NO_DATA).all(-1), ~INSIDE)
    for axes in figure.axes:
        (outline,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert (*outline.get_xy(), outline.get_width(), outline.get_height()) == (1.5, 0.5, 41, 35)
    assert entries(figure)[-2:] == ["no data", "valid window"]


def test_axes_count_pixels_of_the_stored_patch(small):
    for window, extent in ((False, (1.5, 42.5, 35.5, 0.5)), (True, (-0.5, 47.5, 39.5, -0.5))):
        image = plot.patch(small[1], 0, window=window).axes[0].images[0]
        assert tuple(image.get_extent()) == extent
        assert image.origin == "upper"
        assert image.get_interpolation() == "nearest"


# ---- the page ------------------------------------------------------------------------------------


def test_headings_say_which_patch_it_is_wherever_it_is_found(small):
    ds = small[1]
    roi, date = (ds.metadata[name][4] for name in ("roi_id", "s2_date"))
    assert f"{roi}, {date}" in words(plot.patch(ds, 4))
    assert "[4] val 1" in words(plot.patch(ds, -1))
    assert "[1] val 1" in words(plot.patch(ds.split("val"), 1))
    picked = ds.subset([4, 2, 3])
    said = words(plot.patch(picked, [0, 1]))
    assert said[:4:2] == ["[0] val 1", "[1] train 2"]
    assert said[1] == f"{roi}, {date}"
    assert np.array_equal(shown(plot.patch(picked, 0)), shown(plot.patch(ds, 4)))
    assert picked.locate([0, -1, 1]) == [("val", 1), ("val", 0), ("train", 2)]


def overlaps(one, other):
    return min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and (
        min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    )


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (1, {}),
        (5, {}),
        (5, {"columns": 2, "labels": "hq"}),
        (2, {"labels": {"hq": "card", "percent": None, "sc": None}, "window": True}),
        (3, {"bands": ["rgb", "S1_VV", "EXTRA_depth"], "stretch": "patch", "labels": ["hq"]}),
    ],
)
def test_nothing_on_the_page_is_cut_or_covered(small, n, options):
    figure = plot.patch(small[1], range(n), **options)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.images]
    boxes += [axes.get_tightbbox(renderer) for axes in figure.axes if not axes.images]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    for k, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
        assert not any(overlaps(box, other) for other in boxes[:k])


def test_a_figure_or_a_part_of_one_can_be_drawn_into(small):
    arrays, ds = small
    whole = Figure(figsize=(8, 4))
    left, right = whole.subfigures(1, 2)
    assert plot.patch(ds, 0, figure=left) is left
    plot.patch(ds, 1, figure=right, labels="hq")
    assert np.array_equal(shown(left), true_colour(arrays, 0))
    assert len(right.axes) == 2
    FigureCanvasAgg(whole).draw()
    assert left.axes[0].get_window_extent().x1 <= 400 <= right.axes[0].get_window_extent().x0
    with pytest.raises(RequestError, match=r"the figure is 0.2 x 4.0 inches; 1 x 1 pictures need"):
        plot.patch(ds, 0, figure=Figure(figsize=(0.2, 4)))


def test_a_notebook_shows_the_figure(small):
    figure = plot.patch(small[1], 0)
    width, height = png_size(figure._repr_png_())
    assert (width, height) == tuple(int(inches * figure.dpi) for inches in figure.get_size_inches())


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": []}, "index has 0 patches; a sheet is of 1 to 100"),
        ({"index": [0] * 101}, "index has 101 patches"),
        ({"index": True}, "index is of bool; whole numbers are needed"),
        ({"bands": []}, "bands=[]; a preset"),
        ({"bands": 3}, "bands=3; a preset"),
        ({"bands": ["rgb", ("L1C_B2", "L1C_B3")]}, "a picture is of one band or of three"),
        ({"bands": "B99"}, "no array 'B99'"),
        ({"labels": "nope"}, "no array 'nope'"),
        ({"labels": {"hq": "nobody"}}, "LABEL_hq under 'nobody'; there is 'card', 'authors'"),
        ({"labels": "S1_VV"}, "S1_VV is float32; label codes are whole numbers"),
        ({"window": 1}, "window=1; True or False is needed"),
        ({"stretch": "much"}, "stretch='much'; 'fixed', 'patch' or (low, high) is needed"),
        ({"stretch": (1, 0)}, "stretch=(1, 0); 'fixed'"),
        ({"stretch": (0, float("nan"))}, "stretch=(0, nan); 'fixed'"),
        ({"overlay": 1.5}, "overlay=1.5; 0..1 is needed, or None"),
        ({"classes": "clear"}, "classes='clear'; a sequence of names is needed"),
        ({"columns": 0}, "columns=0; a whole number from 1 on is needed"),
        ({"figure": "me"}, "figure='me'; a matplotlib Figure or SubFigure is needed"),
    ],
)
def test_what_cannot_be_shown_is_refused(small, options, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        plot.patch(small[1], **{"index": 0} | options)


def test_a_patch_that_is_not_there_is_refused(small):
    with pytest.raises(IndexError, match=r"index\[0\] = 5; there are 5 patches"):
        plot.patch(small[1], 5)


# ---- without matplotlib, and without pyplot ------------------------------------------------------


def run(code, *arguments):
    """Code in a Python of its own, in which `ds` is the data set of the tests."""
    opened = """
import sys
import cloudio
assert "matplotlib" not in sys.modules
sys.path.insert(0, sys.argv[1])
from builders import SMALL
ds = cloudio.open(sys.argv[2], layout=SMALL)
"""
    command = [sys.executable, "-W", "error", "-c", opened + code, SUPPORT]
    done = subprocess.run(
        [*map(str, command), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_pyplot_and_the_users_settings_are_left_alone(small):
    code = """
import matplotlib
def settings():  # asked for its backend, matplotlib looks for one through pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
cloudio.plot.patch(ds, 0, bands=["rgb", "S1_VV"], labels="hq", window=True)._repr_png_()
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    run(code, small[1].path)


def test_a_missing_matplotlib_is_one_sentence(small):
    code = """
sys.modules["matplotlib"] = None
try:
    cloudio.plot
except ImportError as error:
    print(error)
print(repr(ds) != "")
from cloudio.cli import main
from cloudio.reading.inventory import effective_layout
from cloudio.layouts.toml_writer import to_toml
print(main(["show", sys.argv[2], "--index", "0", "-o", sys.argv[2] + "/x.png"]))
"""
    done = run(code, small[1].path)
    sentence = "cloudio.plot needs matplotlib: pip install 'cloudio[plot]'"
    assert done.stdout.splitlines() == [sentence, "True", "2"]
    assert done.stderr == f"cloudio: {sentence}\n"
    assert not (small[1].path / "x.png").exists()


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """A folder to work in, with the layout of the data set in it."""
    (tmp_path / "small.toml").write_text(to_toml(effective_layout(small[1])))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(small, *words):
    return main(["show", str(small[1].path), "--layout", "small.toml", *map(str, words)])


def test_show_writes_a_picture_of_the_size_of_its_figure(small, folder, capsys):
    words = ["--index", "0:2", "4", "--labels", "hq,percent", "--window", "-o", "out.png"]
    assert show(small, *words) == 0
    assert capsys.readouterr().out == "out.png: 3 patches\n"
    figure = plot.patch(small[1], [0, 1, 4], labels=["hq", "percent"], window=True)
    expected = tuple(int(inches * 100) for inches in figure.get_size_inches())
    assert png_size((folder / "out.png").read_bytes()) == expected


def test_show_passes_on_what_it_is_told(small, folder, monkeypatch):
    calls = []
    monkeypatch.setattr(plot, "patch", lambda ds, index, **how: calls.append((ds, index, how)))
    monkeypatch.setattr(plot, "save", lambda *_, **__: None)
    assert show(small, "--index", "3,-1") == 0
    more = ["--split", "val", "--bands", "B4,B3,B2", "--labels", "hq,sc", "--policy", "codes"]
    more += ["--stretch", "0,0.4", "--flat", "--columns", "1", "--classes", "a,b"]
    assert show(small, "--index", "1", *more) == 0
    (ds, index, how), (part, number, told) = calls
    assert (len(ds), index, len(part), number) == (5, [3, 4], 2, [1])
    assert how == {
        "bands": "rgb", "labels": None, "window": False, "stretch": "fixed",
        "overlay": plot.OVERLAY, "classes": None, "columns": None,
    }  # fmt: skip
    assert told == {
        "bands": ["B4", "B3", "B2"], "labels": {"hq": None, "sc": None}, "window": False,
        "stretch": (0, 0.4), "overlay": None, "classes": ["a", "b"], "columns": 1,
    }  # fmt: skip


def test_show_names_its_picture_by_what_it_shows(small, folder, capsys):
    name = small[1].path.name
    for words, file in (
        (["--index", "-1"], f"{name}-4.png"),
        (["--index", "1", "0", "--split", "val"], f"{name}-val-1-0.png"),
        (["--index", "0:5"], f"{name}-0-to-4.png"),
    ):
        assert show(small, *words) == 0
        assert capsys.readouterr().out.startswith(f"{file}: ")
        assert (folder / file).exists()


def test_show_replaces_a_file_only_when_forced(small, folder, capsys):
    (folder / "x.png").write_text("mine")
    assert show(small, "--index", 0, "-o", "x.png") == 2
    told = capsys.readouterr().err
    assert told == "cloudio: x.png is there already; force=True or --force replaces it\n"
    assert (folder / "x.png").read_text() == "mine"
    assert show(small, "--index", 0, "-o", "x.png", "--force") == 0
    png_size((folder / "x.png").read_bytes())


def test_save_replaces_a_file_only_when_forced(small, tmp_path):
    figure = plot.patch(small[1], 0)
    path = tmp_path / "x.png"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"x\.png is there already; force=True or --force"):
        plot.save(figure, path)
    assert path.read_text() == "mine"
    plot.save(figure, path, force=True)
    assert png_size(path.read_bytes()) == png_size(figure._repr_png_())


@pytest.mark.parametrize(
    ("suffix", "start"),
    [("pdf", b"%PDF"), ("svg", b"<?xml"), ("jpg", b"\xff\xd8"), ("JPEG", b"\xff\xd8")],
)
def test_the_suffix_is_the_format(small, folder, suffix, start):
    assert show(small, "--index", 0, "-o", f"x.{suffix}") == 0
    assert (folder / f"x.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--index", "5"], "index[0] = 5; there are 5 patches"),
        (["--index", "0:6"], "--index 0:6; there are 5 patches"),
        (["--index", "two"], "--index 'two'; numbers are needed, or a range such as 0:6"),
        (["--index", "3:3"], "--index 3:3 names no patch"),
        (["--index", "0", "--bands", "B99"], "no array 'B99'"),
        (["--index", "0", "--labels", "hq,nope"], "no array 'nope'"),
        (["--index", "0", "--labels", "hq", "--policy", "x"], "LABEL_hq under 'x'; there is"),
        (["--index", "0", "--split", "test"], "no split 'test'"),
        (["--index", "0", "--stretch", "0,x"], "--stretch '0,x'; fixed, patch or LOW,HIGH"),
        (["--index", "0", "-o", "x.gif"], "'x.gif' ends in no format; .png, .jpg, .jpeg, .pdf"),
        (["--index", "0", "-o", "picture"], "'picture' ends in no format"),
        (["--index", "0", "-o", "no/x.png"], "no to write x.png in"),
    ],
)
def test_what_show_cannot_do_is_one_sentence(small, folder, capsys, words, message):
    assert show(small, *words) == 2
    caught = capsys.readouterr()
    assert message in caught.err
    assert caught.err.count("\n") == 1
    assert caught.out == ""
    assert [path.name for path in folder.iterdir()] == ["small.toml"]


# ---- the real data -------------------------------------------------------------------------------


def test_real_patches_lie_as_they_are_stored(mini):
    figure = plot.patch(mini, 3, bands=["rgb", "S1_VV"], labels=["manual_hq"], overlay=None)
    val = mini.split("val")
    planes = [reflectance(val[name][0, 1:510, 1:510]) for name in ("B4", "B3", "B2")]
    assert np.array_equal(shown(figure, 0), np.stack(planes, axis=-1))
    # The stripe of -99 is in columns 1..60.
    gone = (shown(figure, 1) == pictures.NO_DATA).all(-1)
    assert gone[:, :60].all()
    assert not gone[:, 60:].any()
    classes = np.array(pictures.CLASS_COLOURS)[val["manual_hq"][0, 1:510, 1:510]]
    assert np.array_equal(shown(figure, 2), classes)


def test_real_probabilities_are_shown_as_such_and_codes_by_their_map(mini):
    figure = plot.patch(mini, [0, 5], labels=["s2cloudless", "cd_fcnn_rgbi", "kappamask_L1C"])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert titles[1:4] == [
        "LABEL_s2cloudless, probability",
        "LABEL_cd_fcnn_rgbi, probability",
        "LABEL_kappamask_L1C, card",
    ]
    marks = [axes.lines[-1].get_xdata()[0] for axes in figure.axes if not axes.images]
    assert marks == [40, 50]
    assert "ignore" in entries(figure)  # code 5 of KappaMask
