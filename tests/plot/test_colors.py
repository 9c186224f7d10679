"""Colors of pixels against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio.plot import colors


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    st.tuples(st.floats(-100, 100), st.floats(0.01, 1000)),
)
def test_brightness_is_linear_between_the_points_of_a_stretch(numbers, stretch):
    low, high = stretch[0], stretch[0] + stretch[1]
    values = np.array(numbers, np.float32)
    found = colors.apply_stretch(values, np.ones(len(values), bool), ((low, 0.0), (high, 1.0)))
    assert found.dtype == np.uint8
    # numpy's interp takes a slope times a distance: half a step may fall either way.
    exact = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255
    assert np.all(np.abs(found - exact) <= 0.5 + 1e-6)


def test_brightness_has_no_opinion_about_nan_and_infinity():
    values = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)
    valid = np.array([False, True, True, True])
    stretch = (0.25, 0.0), (0.75, 1.0)
    assert colors.apply_stretch(values, valid, stretch).tolist() == [0, 255, 0, 128]


def test_limits_are_percentiles_of_what_is_valid_and_finite():
    values = np.arange(1000, dtype=np.float32)
    values[[3, 7, 9]] = np.nan, np.inf, -99
    valid = values != -99
    known = values[valid & np.isfinite(values)]
    assert colors.percentile_limits(values, valid) == tuple(
        np.percentile(known.astype(float), [1, 99])
    )
    assert colors.percentile_limits(np.full(5, 7.0), np.ones(5, bool)) == (6.5, 7.5)
    assert colors.percentile_limits(np.full(5, 7.0), np.zeros(5, bool)) == (0.0, 1.0)


def test_no_color_of_a_class_is_that_of_another_thing():
    all_colors = [*colors.CLASS_COLORS, colors.ABOVE_THRESHOLD, colors.IGNORED, colors.NO_DATA]
    assert len({*all_colors}) == len(all_colors)
