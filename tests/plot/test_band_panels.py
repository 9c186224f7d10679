"""Panels of bands: every pixel against numpy."""

import builders
import numpy as np
import pytest
from builders import SMALL
from figures import VALID, legend_texts, linear, panel_pixels, reflectance, texts, true_color

import cloudio

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cloudio import plot
from cloudio.plot import colors


def test_true_color_is_the_fixed_stretch_of_reflectance(small):
    arrays, ds = small
    figure = plot.patch(ds, [4, 0])
    assert np.array_equal(panel_pixels(figure, 0), true_color(arrays, 4))
    assert np.array_equal(panel_pixels(figure, 1), true_color(arrays, 0))
    assert legend_texts(figure) == []  # nothing but ground


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
    assert np.array_equal(panel_pixels(figure), np.stack(expected, axis=-1))
    assert "L1C_B8A B2 B3" in texts(figure)


def test_single_bands_are_gray_by_their_fixed_stretch(small):
    arrays, ds = small
    figure = plot.patch(ds, [0, 3], bands=["L1C_B2", "EXTRA_count"])
    every = arrays["EXTRA_count"][:, *VALID].astype(np.float32) * np.float32(0.5)
    low, high = np.percentile(every.astype(np.float64), [1, 99])
    for k, patch in enumerate([0, 3]):
        gray = panel_pixels(figure, 2 * k)
        assert np.array_equal(gray, np.stack([reflectance(arrays["L1C_B2"][patch][VALID])] * 3, -1))
        expected = linear(every[patch], low, high)
        panel = panel_pixels(figure, 2 * k + 1).astype(int)
        assert np.abs(panel - expected[..., None]).max() <= 1  # rounding of .5
        assert (panel != expected[..., None]).mean() < 1e-3
    bars = [axes for axes in figure.axes if not axes.images]
    assert len(bars) == 2 * 2  # two patches side by side, each with both
    assert "reflectance" in texts(figure)


def test_a_preset_without_wavelengths_is_one_panel_for_each_band(small):
    figure = plot.patch(small[1], 0, bands="S1")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.images] == [
        "S1_VV",
        "S1_VH",
    ]


def test_presets_triples_and_bands_mix(small):
    arrays, ds = small
    figure = plot.patch(ds, 0, bands=["rgb", ("L1C_B8A", "L1C_B4", "L1C_B3"), "L1C_B8A"])
    assert np.array_equal(panel_pixels(figure, 0), true_color(arrays, 0))
    assert np.array_equal(panel_pixels(figure, 1)[..., 0], reflectance(arrays["L1C_B8A"][0][VALID]))
    gray = panel_pixels(figure, 2)
    assert np.array_equal(gray[..., 0], gray[..., 2])


def test_limits_given_are_linear_for_all_bands(small):
    arrays, ds = small
    panel = panel_pixels(plot.patch(ds, 0, stretch=(0.0, 0.5)))
    x = arrays["L1C_B4"][0][VALID].astype(np.float32) * np.float32(1e-4)
    assert np.abs(panel[..., 0] - linear(x, 0, 0.5)).max() <= 1
    assert panel.min() == 0
    assert panel.max() == 255


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


def test_what_is_no_data_has_a_color_of_its_own_and_a_name(small):
    arrays, ds = small
    figure = plot.patch(ds, 2, bands="S1_VV")
    stored = arrays["S1_VV"][2][VALID]
    gone = np.isnan(stored) | (stored == -99)
    assert 0 < gone.sum() < gone.size
    panel = panel_pixels(figure)
    assert np.all(panel[gone] == colors.NO_DATA)
    gray = panel[~gone]
    assert np.all((gray[:, 0] == gray[:, 1]) & (gray[:, 1] == gray[:, 2]))
    assert legend_texts(figure) == ["no data"]


def test_an_array_of_unknown_scale_is_shown_as_stored(tmp_path):
    arrays = builders.write_split(tmp_path, 1, names=["L1C_B4", "mystery"])
    figure = plot.patch(cloudio.open(tmp_path, layout=SMALL), 0, bands="mystery")
    assert "as stored" in texts(figure)
    low, high = np.percentile(arrays["mystery"][0][VALID].astype(float), [1, 99])
    bar = next(axes for axes in figure.axes if not axes.images)
    assert bar.get_xlim() == pytest.approx((low, high))
