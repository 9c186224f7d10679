"""Figures of bands of lower resolution are those of the same patches with every pixel."""

import dataclasses

import numpy as np
import pytest
from native import FULL, native_layout, write_roots

import cloudio

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from figures import panel_pixels  # noqa: E402

from cloudio import plot  # noqa: E402


@pytest.mark.parametrize("window", [False, True])
def test_pictures_are_the_same(tmp_path, window):
    roots = write_roots(tmp_path, {"train": 4})
    layout = dataclasses.replace(native_layout(), name=FULL.name)
    native = cloudio.open(roots.native, layout=layout)
    full = cloudio.open(roots.full, layout=FULL)
    for bands in ("rgb", "S1_VH"):
        one, other = (
            plot.patch(ds, [0, 3], bands=bands, labels=["hq", "percent"], window=window)
            for ds in (native, full)
        )
        assert len(one.axes) == len(other.axes)
        n_panels = sum(bool(axes.images) for axes in other.axes)
        assert n_panels >= 6
        for k in range(n_panels):
            assert np.array_equal(panel_pixels(one, k), panel_pixels(other, k)), (bands, k)
