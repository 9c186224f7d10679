"""Single bands: the same brightness in every figure, and bars that say what it means."""

import builders
import numpy as np
import pytest
from builders import SMALL
from figures import VALID, linear, panel_pixels, texts

import cloudio
from cloudio import CLOUDSEN12

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402

from cloudio import plot  # noqa: E402
from cloudio.plot.stretches import fixed_stretches  # noqa: E402


def bars(figure):
    return [axes for axes in figure.axes if not axes.images]


@pytest.mark.parametrize("band", ["L1C_B8A", "S1_VV", "EXTRA_count", "EXTRA_cover"])
def test_a_patch_looks_the_same_alone_and_with_others(small, band):
    ds = small[1]
    alone, together = plot.patch(ds, 3, bands=band), plot.patch(ds, [0, 3, 1], bands=band)
    assert np.array_equal(panel_pixels(alone, 0), panel_pixels(together, 1))
    for figure in (alone, together):
        assert bars(figure)[0].get_xlim() == bars(alone)[0].get_xlim()


def test_a_band_without_a_known_range_is_stretched_by_patches_spread_over_the_data_set(tmp_path):
    array = np.zeros((40, *SMALL.patch), "<u2")
    array += np.arange(40, dtype="<u2")[:, None, None] * 10
    array.tofile(tmp_path / "EXTRA_depth.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 40)
    figure = plot.patch(cloudio.open(tmp_path, layout=SMALL), 20, bands="EXTRA_depth")
    spread = np.linspace(0, 39, 16).round().astype(int)
    low, high = np.percentile(array[spread][:, *VALID].astype(float), [1, 99])
    assert bars(figure)[0].get_xlim() == pytest.approx((low, high))
    assert np.array_equal(panel_pixels(figure)[..., 0], linear(array[20][VALID], low, high))


def test_a_bar_of_reflectance_has_the_bends_of_its_stretch(small):
    bar = bars(plot.patch(small[1], 0, bands="L1C_B2"))[0]
    assert bar.get_xlim() == (0, 1)
    assert bar.get_xticks().tolist() == pytest.approx([0, 0.15, 0.3, 1])
    at = bar.transData.transform([(x, 0) for x in (0, 0.15, 0.3, 1)])[:, 0]
    assert (at - at[0]) / (at[-1] - at[0]) == pytest.approx([0, 0.375, 0.75, 1])


def test_ranges_of_cloudsen12_need_no_data(tmp_path):
    names = [band.name for band in CLOUDSEN12.bands if band.kind == "band"]
    names = [name for name in names if "_lc" not in name]
    builders.write_split(tmp_path, 1, CLOUDSEN12, names=names)
    ds = cloudio.open(tmp_path)
    stretches = dict(zip(names, fixed_stretches(ds, names), strict=True))
    assert stretches["L1C_B4"] == ((0, 0), (0.3, 0.75), (1, 1))
    assert np.allclose(stretches["L1C_B10"], ((0, 0), (0.03, 0.75), (0.1, 1)))
    assert stretches["S1_VH"] == ((-30, 0), (0, 1))
    assert stretches["L2A_TCI_G"] == ((0, 0), (255, 1))
    assert stretches["EXTRA_elevation"][-1] == (6000, 1)


@pytest.mark.parametrize(
    ("band", "unit"),
    [
        ("L1C_B4", "reflectance"),
        ("S1_VV", "dB"),
        ("S1_angle", "degrees"),
        ("EXTRA_elevation", "m"),
        ("L2A_WVP", ""),
    ],
)
def test_a_bar_names_the_unit_that_the_layout_knows(tmp_path, band, unit):
    builders.write_split(tmp_path, 1, CLOUDSEN12, names=[band])
    figure = plot.patch(cloudio.open(tmp_path), 0, bands=band)
    assert bars(figure)[0].get_xlabel() == unit
    FigureCanvasAgg(figure).draw()


def test_titles_have_the_wavelength_where_it_is_known(small):
    said = texts(plot.patch(small[1], 0, bands=["L1C_B8A", "S1_VV", "rgb"]))
    assert {"L1C_B8A, 864.8 nm", "S1_VV", "L1C_B4 B3 B2"} <= {*said}
