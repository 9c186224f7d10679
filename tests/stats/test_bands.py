"""`stats.bands` equals numpy, whatever the threads, the order of patches and the window."""

import math
import re

import builders
import numpy as np
import pytest
from counted_set import (
    FLOATS,
    INTS,
    LAYOUT,
    PERCENTS,
    exact_moments,
    in_units,
    inside,
    near,
    pixels,
)

import cloudio
from cloudio import Band, Layout, RequestError, Window, stats
from cloudio.reading import scan


def test_bands_of_whole_numbers_equal_numpy_exactly(data):
    ds, stored = data
    found = stats.bands(ds, INTS, percentiles=PERCENTS)
    assert found.names == INTS
    for k, name in enumerate(INTS):
        band = LAYOUT.band(name)
        numbers = pixels(stored[name], band.nodata)
        scaled = in_units(numbers, band)
        assert found.count[k] == len(numbers)
        assert found.n_nodata[k] == inside(stored[name]).size - len(numbers)
        assert (found.min[k], found.max[k]) == (scaled.min(), scaled.max())
        assert np.array_equal(found.percentiles[k], np.percentile(scaled, PERCENTS))
        mean, variance = exact_moments(numbers, band)
        assert found.mean[k] == float(mean)
        assert near(found.std[k], math.sqrt(variance))
        assert near(found.mean[k], scaled.mean(), scaled.std())
        assert near(found.std[k], scaled.std())
        values, counts = np.unique(numbers, return_counts=True)
        assert np.array_equal(found.histograms[k].values, values)
        assert np.array_equal(found.histograms[k].counts, counts)
    assert found.n_nodata[INTS.index("none")] > 0
    assert np.array_equal(found.nodata, found.n_nodata / inside(stored["i16"]).size)


def test_bands_of_floats_equal_numpy(data):
    ds, stored = data
    found = stats.bands(ds, FLOATS, percentiles=PERCENTS)
    assert found.histograms == (None, None)
    for k, name in enumerate(FLOATS):
        band = LAYOUT.band(name)
        numbers = pixels(stored[name], band.nodata)
        scaled = in_units(numbers, band)
        assert found.count[k] == len(numbers)
        assert found.n_nan[k] == np.isnan(inside(stored[name])).sum() > 0
        assert found.n_nodata[k] == (
            0 if band.nodata is None else (inside(stored[name]) == -99).sum()
        )
        assert (found.min[k], found.max[k]) == (scaled.min(), scaled.max())
        assert np.array_equal(found.percentiles[k], np.percentile(scaled, PERCENTS))
        mean, variance = exact_moments(numbers, band)
        assert near(found.mean[k], float(mean), math.sqrt(variance))
        assert near(found.std[k], math.sqrt(variance))


def test_the_mean_of_large_floats_that_differ_little_is_exact(tmp_path):
    layout = Layout("One", (8, 8), Window(0, 0, 8, 8), (Band("x", dtype="float32"),))
    rng = np.random.default_rng(0)
    array = (np.float32(2**23) + rng.integers(0, 3, (50, 8, 8))).astype("f4")
    array.tofile(tmp_path / "x.dat")
    found = stats.bands(cloudio.open(tmp_path, layout=layout), "x")
    mean, variance = exact_moments(array.ravel(), layout.bands[0])
    assert near(found.mean[0], float(mean))
    assert near(found.std[0], math.sqrt(variance))


@pytest.mark.parametrize("scale", [2.0, -2.0])
@pytest.mark.parametrize("infinite", [[np.inf], [-np.inf], [np.inf, -np.inf]])
def test_infinite_pixels_give_what_numpy_gives(tmp_path, scale, infinite):
    layout = Layout("One", (4, 4), Window(0, 0, 4, 4), (Band("x", dtype="float32", scale=scale),))
    array = np.arange(32, dtype="f4").reshape(2, 4, 4)
    array[1, 0, : len(infinite)] = infinite
    array.tofile(tmp_path / "x.dat")
    found = stats.bands(cloudio.open(tmp_path, layout=layout), "x", percentiles=PERCENTS)
    scaled = array.ravel().astype(np.float64) * scale
    with np.errstate(invalid="ignore"):
        expected = scaled.mean(), scaled.std(), scaled.min(), scaled.max()
        percentiles = np.percentile(scaled, PERCENTS)
    answer = found.mean[0], found.std[0], found.min[0], found.max[0]
    assert np.array_equal(answer, expected, equal_nan=True)
    assert np.array_equal(found.percentiles[0], percentiles, equal_nan=True)
    assert np.isfinite(percentiles).any()


def test_a_band_without_data_is_nan_without_a_warning(tmp_path):
    bands = Band("x", nodata=-99.0), Band("y", dtype="float32", nodata=-99.0)
    layout = Layout("Two", (4, 4), Window(0, 0, 4, 4), bands)
    np.full((2, 4, 4), -99, "i2").tofile(tmp_path / "x.dat")
    np.full((2, 4, 4), np.nan, "f4").tofile(tmp_path / "y.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 2)
    ds = cloudio.open(tmp_path, layout=layout)
    found = stats.bands(ds, ["x", "y"])
    for column in (found.mean, found.std, found.min, found.max, found.percentiles):
        assert np.isnan(column).all()
    assert found.count.tolist() == [0, 0]
    assert found.nodata.tolist() == [1, 1]
    assert len(found.histograms[0].values) == 0
    assert re.search(r"^x +0 +100.00% +- +- +- +-$", str(found), re.MULTILINE)
    empty = stats.bands(ds.subset([]), ["x", "y"])
    assert empty.count.tolist() == [0, 0]
    assert np.isnan(empty.nodata).all()


def test_threads_and_the_order_of_patches_change_no_bit(data):
    ds, _ = data
    names = [*INTS, *FLOATS]
    one = stats.bands(ds, names, threads=1)
    shuffled = stats.bands(ds.subset(np.random.default_rng(0).permutation(7)), names, threads=3)
    again = stats.bands(ds, names[::-1])
    for key in ("count", "n_nodata", "n_nan", "min", "max", "mean", "std", "percentiles"):
        assert getattr(one, key).tobytes() == getattr(shuffled, key).tobytes(), key
        assert getattr(one, key).tobytes() == getattr(again, key)[::-1].tobytes(), key


def test_a_subset_and_a_split_count_their_own_patches(data):
    ds, stored = data
    picked = stats.bands(ds.subset([5, 0, 5]), "i16")
    train = stats.bands(ds.split("train"), "i16")
    for found, which in ((picked, [5, 0, 5]), (train, range(4))):
        scaled = in_units(pixels(stored["i16"][which], None), LAYOUT.band("i16"))
        assert found.count[0] == len(scaled)
        assert np.array_equal(found.percentiles[0], np.percentile(scaled, stats.PERCENTILES))


def test_scale_and_window_are_applied(data):
    ds, stored = data
    window = Window(0, 0, 20, 18)
    numbers = stored["i16"].astype(np.float64).ravel()
    assert stats.bands(ds, "i16", scale=None).max[0] == inside(stored["i16"]).max()
    assert stats.bands(ds, "i16", scale=None, window=window).count[0] == numbers.size
    found = stats.bands(ds, ["i16", "u16"], scale=[0.1, -3], window=window, percentiles=[30])
    assert found.percentiles[0, 0] == np.percentile(numbers * 0.1, 30)
    scaled = stored["u16"][stored["u16"] != 0].astype(np.float64) * -3
    assert (found.min[1], found.max[1]) == (scaled.min(), scaled.max())
    assert found.percentiles[1, 0] == np.percentile(scaled, 30)
    again = stats.bands(ds, "i16", scale=None, window=Window(*np.array([0, 0, 20, 18])))
    assert again == stats.bands(ds, "i16", scale=None, window=window)
    assert found.select("u16") == found.select(["u16"])
    assert found.of.window == window


def test_a_reader_normalizes_with_mean_and_std(data):
    ds, _ = data
    names = ["i16", "offset"]
    found = stats.bands(ds, names)
    image = ds.reader(names, mean=found.mean, std=found.std).read(range(7)).image
    for k in range(2):
        assert abs(image[:, k].astype(np.float64).mean()) < 1e-5
        assert abs(image[:, k].astype(np.float64).std() - 1) < 1e-5
    swapped = found.select(["offset", "i16"])
    assert np.array_equal(swapped.mean, found.mean[::-1])
    assert np.array_equal(swapped.percentiles, found.percentiles[::-1])
    assert swapped == stats.bands(ds, ["offset", "i16"])
    with pytest.raises(RequestError, match="no band B9; these are statistics of i16, offset"):
        found.select(["B9"])


def test_without_percentiles_floats_are_read_once(data, monkeypatch):
    ds, _ = data
    monkeypatch.setattr(scan, "count_lower_halves", pytest.fail)
    found = stats.bands(ds, FLOATS, percentiles=())
    assert found.percentiles.shape == (2, 0)
    assert np.isfinite(found.mean).all()


def test_a_preset_means_its_bands_and_a_band_may_come_twice(data):
    ds, _ = data
    found = stats.bands(ds, ["some", "i16"], scale=[1, 2, -1])
    assert found.names == ("i16", "u16", "i16")
    assert found.max[2] == -stats.bands(ds, "i16", scale=None).min[0]
    twice = stats.bands(ds, ["i16", "i16"])
    assert twice.mean[0] == twice.mean[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bands": "B99"}, r"no band or preset 'B99'"),
        (
            {"percentiles": 50},
            r"percentiles=50; percentiles must be a sequence of numbers 0\.\.100",
        ),
        ({"percentiles": "50"}, "percentiles='50'; percentiles must be a sequence of"),
        ({"percentiles": [101]}, r"percentiles=\[101\]; percentiles must be a sequence of"),
        ({"percentiles": [np.nan]}, r"percentiles=\[nan\]; percentiles must be a sequence of"),
        ({"scale": 0}, r"scale=0; scale must be numbers other than 0"),
        ({"scale": 1e40}, r"scale=1e\+40; scale must be numbers other than 0 that float32"),
        ({"scale": "dB"}, "scale='dB'; scale must be 'reflectance', None or numbers"),
        (
            {"scale": [1, 2, 3]},
            r"scale has shape \(3,\), but there is 1 band; give one number, or one per band",
        ),
        (
            {"window": (0, 0, 3, 3)},
            r"window=\(0, 0, 3, 3\); window must be a Window inside the stored patch of 20 x 18",
        ),
        (
            {"window": Window(0, 0, 21, 3)},
            r"window must be a Window inside the stored patch of 20 x 18",
        ),
        ({"window": Window(0, -1, 2, 3)}, r"window must be a Window inside the stored patch"),
        ({"window": Window(0, 0, 0, 3)}, r"window must be a Window inside the stored patch"),
        ({"threads": 0}, "threads=0; threads must be a whole number, 1 or more"),
    ],
)
def test_wrong_arguments_are_refused(data, arguments, message):
    with pytest.raises(RequestError, match=message):
        stats.bands(data[0], **({"bands": "i16"} | arguments))
