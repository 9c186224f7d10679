"""Statistics of bands, classes and pairs of labels: equal to numpy's, whatever the order."""

import json
import math
import re
import shutil
import subprocess
import sys
import warnings
from fractions import Fraction

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cloudio
from cloudio import Band, LabelMap, Layout, RequestError, Window, stats
from cloudio.cli import main
from cloudio.reading import scan
from cloudio.stats.compute import moments as exact

PERCENTS = (0, 1, 2.5, 25, 50, 75, 99.9, 100)
LAYOUT = Layout(
    "Counted",
    (20, 18),
    Window(1, 2, 17, 15),
    (
        Band("i16", scale=1e-4),
        Band("falling", scale=-0.37, offset=5.0),
        Band("offset", scale=1e-4, offset=-1000.0),
        Band("none", nodata=-99.0, scale=1e-2),
        Band("u16", dtype="uint16", nodata=0.0),
        Band("u8", dtype="uint8", nodata=255.0, scale=1 / 3),
        Band("i8", dtype="int8", nodata=-1.0),
        Band("f32", dtype="float32", nodata=-99.0, scale=0.1),
        Band("sinking", dtype="float32", scale=-7.0, offset=0.3),
        Band("hq", kind="label", dtype="uint8"),
        Band("found", kind="label", dtype="uint8"),
        Band("half", kind="label", dtype="uint8"),
        Band("wide", kind="label", dtype="int16"),
    ),
    presets={"some": (("i16", "u16"),), "floats": (("f32", "sinking"),)},
    label_maps={
        "hq": {"card": LabelMap({0: 0, 1: 1, 2: 2, 3: 3})},
        "found": {"card": LabelMap({4: 0, 5: 0, 8: 1, 9: 1, 10: 2, 3: 3})},
        "half": {"card": LabelMap.threshold(50)},
    },
)
INTS = ("i16", "falling", "offset", "none", "u16", "u8", "i8")
FLOATS = ("f32", "sinking")


def write(folder, n, seed=0):
    """A split whose pixels have ties, no data, and labels of the codes that occur."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    shape = (n, *LAYOUT.patch)
    stored = {}
    for band in LAYOUT.bands:
        if band.name == "hq":
            array = rng.choice(np.array([0, 0, 1, 2, 3, 7], "u1"), shape)
        elif band.name == "found":
            array = rng.choice(np.array([0, 3, 4, 5, 8, 9, 10], "u1"), shape)
        elif band.name == "half":
            array = rng.integers(0, 103, shape).astype("u1")
        elif band.name == "wide":
            array = rng.choice(np.array([-1, 5, 1024, 2048], "i2"), shape)
        elif band.dtype == "float32":
            array = rng.normal(-12, 6, shape).astype("f4")
            array[rng.random(shape) < 0.1] = -99
            rare = rng.choice(np.array([np.nan, -0.0, 0.0, 1e-42, 3e30], "f4"), shape)
            array = np.where(rng.random(shape) < 0.1, rare, array)
        else:
            array = builders.pixels(band.name, shape, band.dtype, seed)
            few = rng.integers(0, 9, shape).astype(band.dtype)
            array = np.where(rng.random(shape) < 0.4, few, array)
            if band.nodata is not None:
                array[rng.random(shape) < 0.2] = band.nodata
        array.tofile(folder / f"{band.name}.dat")
        stored[band.name] = array
    builders.write_metadata(folder / "metadata.csv", n, seed=seed)
    return stored


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two splits, and each array over both."""
    root = tmp_path_factory.mktemp("stats") / "data"
    parts = [write(root / "train", 4), write(root / "val", 3, seed=1)]
    stored = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return cloudio.open(root, layout=LAYOUT), stored


def inside(array, window=LAYOUT.valid):
    rows = slice(window.row, window.row + window.height)
    return array[:, rows, window.col : window.col + window.width]


def pixels(array, nodata):
    """The data of stored patches, within the valid window."""
    flat = inside(array).ravel()
    keep = ~np.isnan(flat.astype(np.float64))
    return flat[keep] if nodata is None else flat[keep & (flat != nodata)]


def in_units(numbers, band):
    return numbers.astype(np.float64) * band.scale + band.offset * band.scale


def exact_moments(numbers, band):
    """Mean and variance in units, as fractions."""
    values, counts = np.unique(numbers.astype(np.float64), return_counts=True)
    pairs = [(Fraction(v), c) for v, c in zip(values.tolist(), counts.tolist(), strict=True)]
    n, a, b = len(numbers), Fraction(band.scale), Fraction(band.offset * band.scale)
    mean = sum(v * c for v, c in pairs) / n
    variance = sum(c * (v - mean) ** 2 for v, c in pairs) / n
    return mean * a + b, variance * a * a


def near(one, other, size=0.0):
    return abs(one - other) <= 1e-12 * max(abs(other), size)


# ---- bands ---------------------------------------------------------------------------------------


def test_bands_of_whole_numbers_are_numpys_exactly(data):
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


def test_bands_of_floats_are_numpys(data):
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


def test_the_mean_of_floats_does_not_drown_in_what_they_have_in_common(tmp_path):
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
def test_infinities_are_what_numpy_makes_of_them(tmp_path, scale, infinite):
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


def test_a_band_without_data_is_nan_and_no_warning(tmp_path):
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


def test_neither_threads_nor_the_order_of_patches_nor_splits_change_a_bit(data):
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


def test_scale_and_window_are_as_given(data):
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


def test_a_reader_takes_mean_and_std_as_they_are(data):
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
    with pytest.raises(RequestError, match="no B9; there is i16, offset"):
        found.select(["B9"])


def test_without_percentiles_floats_are_read_once(data, monkeypatch):
    ds, _ = data
    monkeypatch.setattr(scan, "count_lower_halves", pytest.fail)
    found = stats.bands(ds, FLOATS, percentiles=())
    assert found.percentiles.shape == (2, 0)
    assert np.isfinite(found.mean).all()


def test_a_preset_is_what_it_is_to_a_reader_and_a_band_may_come_twice(data):
    ds, _ = data
    found = stats.bands(ds, ["some", "i16"], scale=[1, 2, -1])
    assert found.names == ("i16", "u16", "i16")
    assert found.max[2] == -stats.bands(ds, "i16", scale=None).min[0]
    twice = stats.bands(ds, ["i16", "i16"])
    assert twice.mean[0] == twice.mean[1]


def test_progress_is_told_of_every_byte(data, monkeypatch, capsys):
    ds, _ = data
    told = []

    class Bar:
        def __init__(self, **settings):
            self.total, self.update = settings["total"], told.append

        def __enter__(self):
            told.append(-self.total)
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("tqdm.tqdm", Bar)
    stats.bands(ds, ["i16", "f32", "i16", "i16"], scale=[1, 2, 1, 3], progress=True)
    assert sum(told) == 0 < max(told)
    stats.classes(ds, {"hq": "card", "wide": None}, progress=True)
    assert sum(told) == 0
    stats.agreement(ds, ["found", "half"], "hq", progress=True)
    assert sum(told) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bands": "B99"}, r"no array 'B99'"),
        ({"percentiles": 50}, r"percentiles=50; a sequence of numbers 0\.\.100"),
        ({"percentiles": "50"}, r"percentiles='50'; a sequence"),
        ({"percentiles": [101]}, r"percentiles=\[101\]; a sequence"),
        ({"percentiles": [np.nan]}, r"percentiles=\[nan\]; a sequence"),
        ({"scale": 0}, r"scale=0; numbers but 0"),
        ({"scale": 1e40}, r"scale=1e\+40; numbers but 0 that float32"),
        ({"scale": "dB"}, r"scale='dB'; 'reflectance', None or numbers"),
        ({"scale": [1, 2, 3]}, r"scale has shape \(3,\); there are 1 bands"),
        ({"window": (0, 0, 3, 3)}, r"window=\(0, 0, 3, 3\); a Window inside a patch of 20 x 18"),
        ({"window": Window(0, 0, 21, 3)}, r"a Window inside a patch of 20 x 18 is needed"),
        ({"window": Window(0, -1, 2, 3)}, r"a Window inside a patch"),
        ({"window": Window(0, 0, 0, 3)}, r"a Window inside a patch"),
        ({"threads": 0}, r"threads=0; a whole number from 1 on"),
    ],
)
def test_bands_that_cannot_be_had_are_refused(data, arguments, message):
    with pytest.raises(RequestError, match=message):
        stats.bands(data[0], **({"bands": "i16"} | arguments))


# ---- arithmetic ----------------------------------------------------------------------------------

FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCALES = st.sampled_from([1.0, 1e-4, -1e-4, 1 / 3, -7.0, 1e20])
PERCENTAGES = st.lists(st.floats(0, 100), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=30), SCALES, PERCENTAGES)
def test_percentiles_of_counts_are_numpys_bit_for_bit(numbers, scale, percents):
    values, counts = np.unique(numbers, return_counts=True)
    found = exact.percentiles(
        len(numbers),
        percents,
        lambda ranks: exact.at_ranks(values, counts, ranks),
        lambda stored: stored * scale + 0.7,
        falling=scale < 0,
    )
    expected = np.percentile(np.array(numbers, np.float64) * scale + 0.7, percents)
    assert np.array_equal(found, expected)


@settings(max_examples=150, deadline=None)
@given(st.lists(FINITE32, min_size=1, max_size=30), SCALES, PERCENTAGES)
def test_percentiles_of_floats_are_numpys_bit_for_bit(numbers, scale, percents):
    keys = scan.floats_to_keys(np.array(numbers, np.float32))

    def within(tops):
        return np.stack(
            [np.bincount(keys[keys >> 16 == top] & 0xFFFF, minlength=65536) for top in tops]
        )

    histogram = np.bincount(keys >> 16, minlength=65536)
    found = exact.percentiles(
        len(numbers),
        percents,
        lambda ranks: exact.floats_at_ranks(histogram, within, ranks),
        lambda stored: stored.astype(np.float64) * scale,
        falling=scale < 0,
    )
    expected = np.percentile(np.array(numbers, np.float32).astype(np.float64) * scale, percents)
    assert np.array_equal(found, expected)


@given(st.fractions(min_value=0, max_value=10**30))
def test_a_root_is_rounded_once(square):
    found = Fraction(exact.root(square))
    below = Fraction(np.nextafter(float(found), -np.inf))
    above = Fraction(np.nextafter(float(found), np.inf))
    # The true root is nearer than halfway to either neighbour.
    assert square <= ((found + above) / 2) ** 2
    assert found == 0 or ((found + below) / 2) ** 2 <= square


def test_a_root_just_above_halfway_between_two_floats_is_rounded_up():
    halfway = 1 + Fraction(1, 2**53)
    assert exact.root((halfway + Fraction(1, 2**90)) ** 2) == 1 + 2**-52
    assert exact.root(halfway**2) == 1  # to even
    assert exact.root((halfway - Fraction(1, 2**90)) ** 2) == 1


def test_the_root_of_a_square_is_exact():
    for number in (0.1, 3.0, 1e-160, 7e150, 5e-324):
        assert exact.root(Fraction(number) ** 2) == number


@settings(deadline=None)
@given(st.lists(st.lists(FINITE32, min_size=1, max_size=6), min_size=1, max_size=6), st.randoms())
def test_parts_are_put_together_without_rounding(parts, random):
    arrays = [np.array(part, np.float64) for part in parts]
    rows = [(len(a), a.mean(), ((a - a.mean()) ** 2).sum()) for a in arrays]
    counts, means, m2 = map(np.array, zip(*rows, strict=True))
    mean, variance = exact.moments_of_parts(counts, 0 * means, means, m2)
    n = sum(len(part) for part in parts)
    expected = sum(c * Fraction(m) for c, m, _ in rows) / n
    assert mean == expected
    between = sum(c * (Fraction(m) - expected) ** 2 for c, m, _ in rows)
    assert variance == (sum(Fraction(float(more)) for *_, more in rows) + between) / n
    random.shuffle(rows)
    counts, means, m2 = map(np.array, zip(*rows, strict=True))
    assert (mean, variance) == exact.moments_of_parts(counts, means, 0 * means, m2)


@pytest.mark.parametrize("value", [65535, -32768])
def test_sums_of_squares_larger_than_int64_are_exact(value):
    values, counts = np.array([0, value]), np.array([1, 2**45])
    mean, variance = exact.moments(values, counts)
    n = 2**45 + 1
    assert mean == Fraction(value * 2**45, n)
    assert variance == Fraction(value**2 * 2**45, n * n)


# ---- classes -------------------------------------------------------------------------------------


def as_read(ds, label, ignore=255):
    return ds.reader("i16", label, ignore=ignore, label_dtype="int64").read(range(len(ds))).label


def test_classes_are_those_of_a_reader(data):
    ds, _ = data
    for name, n in (("hq", 4), ("found", 4), ("half", 2)):
        found, label = stats.classes(ds, name), as_read(ds, name)
        expected = np.stack([(label == c).sum((1, 2)) for c in range(n)], axis=1)
        assert found.label == name
        assert found.classes.tolist() == list(range(n))
        assert np.array_equal(found.per_patch, expected)
        assert np.array_equal(found.ignored_per_patch, (label == 255).sum((1, 2)))
        assert np.array_equal(found.counts, expected.sum(axis=0))
        assert found.ignored == (label == 255).sum() > 0
        assert np.array_equal(found.share, found.counts / found.counts.sum())
        assert np.array_equal(found.images, (expected > 0).sum(axis=0))
        assert np.array_equal(found.dominant, expected.argmax(axis=1))
        totals = expected.sum(axis=1, keepdims=True)
        assert np.array_equal(found.share_per_patch, expected / totals)


def test_several_labels_are_counted_each_under_its_map(data):
    ds, stored = data
    both = stats.classes(ds, ["hq", "half"])
    assert list(both) == ["hq", "half"]
    assert both["half"] == stats.classes(ds, "half")
    own = stats.classes(ds, {"half": LabelMap.threshold(90), "hq": {0: 0, 3: 1, 1: 5}})
    assert list(own) == ["half", "hq"]
    assert (
        own["half"].counts[1]
        == ((inside(stored["half"]) >= 90) & (inside(stored["half"]) <= 100)).sum()
    )
    assert own["hq"].counts.tolist()[2:5] == [0, 0, 0]
    assert own["hq"].counts[5] == (inside(stored["hq"]) == 1).sum()


def test_codes_as_stored_are_classes_of_their_own(data):
    ds, stored = data
    for name in ("found", "wide"):
        found = stats.classes(ds, {name: None})[name]
        codes, counts = np.unique(inside(stored[name]), return_counts=True)
        assert np.array_equal(found.classes, codes)
        assert np.array_equal(found.counts, counts)
        assert found.ignored == 0
        assert found.label_map is None
    assert found.classes[0] == -1


def test_as_many_classes_as_asked_for_and_another_ignore(data):
    ds, stored = data
    assert stats.classes(ds, "half", n_classes=4).counts.tolist()[2:] == [0, 0]
    found = stats.classes(ds, "hq", ignore=0)
    assert found.counts[0] == 0
    label = as_read(ds, "hq", ignore=0)
    assert found.ignored == (label == 0).sum()
    assert np.array_equal(found.counts[1:], np.bincount(label.ravel())[1:])
    minus = stats.classes(ds, {"hq": {0: 0, 1: 1, 2: -1}}, ignore=-1)["hq"]
    assert minus.ignored == np.isin(inside(stored["hq"]), (2, 3, 7)).sum()


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ("nothing", {}, "no array 'nothing'"),
        ("f32", {}, "f32 is float32; label codes are whole numbers"),
        ({"hq": "other"}, {}, "hq under 'other'; there is 'card'"),
        ("hq", {"n_classes": 3}, r"hq has classes 0\.\.3; n_classes=3 is too few"),
        ("hq", {"n_classes": 0}, r"n_classes=0; a whole number 1\.\.255 is needed"),
        ("hq", {"n_classes": 256}, r"n_classes=256; a whole number 1\.\.255"),
        ("hq", {"ignore": 0.5}, r"ignore=0\.5; a whole number is needed"),
        ({"hq": {0: -1}}, {}, r"hq: class -1; 0\.\.254 are counted, and ignore=255"),
        ({"hq": {0: 300}}, {}, r"hq: class 300; 0\.\.254 are counted"),
        ({"u16": None}, {}, r"u16 holds [\d,]+ codes; at most 255 are counted"),
        ("hq", {"threads": 0}, r"threads=0"),
    ],
)
def test_classes_that_cannot_be_counted_are_refused(data, labels, settings, message):
    with pytest.raises(RequestError, match=message):
        stats.classes(data[0], labels, **settings)


def counted(per_patch, ignored=None):
    per_patch = np.array(per_patch)
    n_patches, n_classes = per_patch.shape
    return stats.ClassStats(
        label="hq",
        label_map=LabelMap({}),
        classes=np.arange(n_classes),
        names=tuple("abcdefgh"[:n_classes]),
        per_patch=per_patch,
        ignored_per_patch=np.zeros(n_patches, int) if ignored is None else np.array(ignored),
        of=None,
    )


def test_weights_follow_their_formulas_and_a_class_that_is_not_there_weighs_nothing():
    found = counted([[6, 2, 0, 0], [1, 0, 3, 0]])
    n, c = 12, np.array([7, 2, 3])
    assert np.allclose(found.weights(), [*(n / (3 * c)), 0], rtol=1e-15)
    assert np.allclose(found.weights("inverse"), [*(n / c), 0], rtol=1e-15)
    f = np.array([7 / 12, 2 / 8, 3 / 4])
    assert np.allclose(found.weights("median"), [*(f[0] / f), 0], rtol=1e-15)
    raw = (1 - 0.9) / (1 - 0.9**c)
    assert np.allclose(found.weights("effective", beta=0.9), [*(raw * 3 / raw.sum()), 0])
    assert np.allclose(found.weights("effective", beta=0), [1, 1, 1, 0])
    huge = counted([[10**9, 10**3]]).weights("effective", beta=1 - 1e-9)
    assert huge[1] / huge[0] == pytest.approx((1 - math.exp(-1)) * 1e6, rel=1e-4)


def test_balanced_weights_are_those_of_scikit_learn(data):
    class_weight = pytest.importorskip("sklearn.utils.class_weight")
    ds, _ = data
    label = as_read(ds, "found")
    label = label[label != 255]
    expected = class_weight.compute_class_weight("balanced", classes=np.unique(label), y=label)
    assert np.allclose(stats.classes(ds, "found").weights(), expected, rtol=1e-14)


def test_weights_of_nothing_are_zero():
    found = counted([[0, 0]], [9])
    for how, beta in (("balanced", None), ("inverse", None), ("median", None), ("effective", 0.9)):
        assert found.weights(how, beta=beta).tolist() == [0, 0]
    assert found.dominant.tolist() == [-1]
    assert np.isnan(found.share).all()


@pytest.mark.parametrize(
    ("how", "beta", "message"),
    [
        ("other", None, "weights 'other'; 'balanced', 'inverse', 'median', 'effective' are known"),
        ("effective", None, "beta=None with weights 'effective'; 'effective' alone needs it"),
        ("balanced", 0.9, r"beta=0\.9 with weights 'balanced'"),
        ("effective", 1, r"beta=1; a number from 0 on and below 1 is needed"),
        ("effective", "x", r"beta='x'; a number"),
    ],
)
def test_weights_that_are_not_known_are_refused(how, beta, message):
    with pytest.raises(RequestError, match=message):
        counted([[1, 2]]).weights(how, beta=beta)


# ---- agreement -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["found", "half"])
def test_agreement_is_scikit_learns(data, source):
    metrics = pytest.importorskip("sklearn.metrics")
    ds, _ = data
    found = stats.agreement(ds, source, "hq", per_patch=True)
    alone = stats.agreement(ds, source, "hq")
    assert alone.per_patch is None
    assert np.array_equal(alone.matrix, found.matrix)
    assert alone.ignored == found.ignored
    truth, guess = as_read(ds, "hq"), as_read(ds, source)
    kept = (truth != 255) & (guess != 255)
    y, z = truth[kept], guess[kept]
    options = {"labels": range(4), "average": None, "zero_division": np.nan}
    assert np.array_equal(found.matrix, metrics.confusion_matrix(y, z, labels=range(4)))
    assert np.array_equal(
        found.producers_accuracy, metrics.recall_score(y, z, **options), equal_nan=True
    )
    assert np.array_equal(
        found.users_accuracy, metrics.precision_score(y, z, **options), equal_nan=True
    )
    assert np.allclose(found.f1, metrics.f1_score(y, z, **options), rtol=1e-14)
    assert np.allclose(found.iou, metrics.jaccard_score(y, z, labels=range(4), average=None))
    assert found.overall_accuracy == metrics.accuracy_score(y, z)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, z), 1e-14)
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(y, z), 1e-10)
    assert found.ignored == (~kept).sum()
    assert found.ignored_by_reference == (truth == 255).sum()
    assert found.ignored_by_source == (guess == 255).sum()
    for k in range(len(ds)):
        y, z = truth[k][kept[k]], guess[k][kept[k]]
        assert np.array_equal(found.per_patch[k], metrics.confusion_matrix(y, z, labels=range(4)))
        balanced = metrics.balanced_accuracy_score(y, z)
        assert found.balanced_per_patch[k] == pytest.approx(balanced, 1e-14)


def test_classes_are_put_together_as_if_the_maps_had(data):
    ds, _ = data
    merged = stats.agreement(ds, "found", "hq", per_patch=True).binary((1, 2), "cloud")
    cloud = {"hq": {0: 0, 1: 1, 2: 1, 3: 0}}
    source = {"found": {4: 0, 5: 0, 8: 1, 9: 1, 10: 1, 3: 0}}
    direct = stats.agreement(ds, source, cloud, per_patch=True)["found"]
    assert np.array_equal(merged.matrix, direct.matrix)
    assert np.array_equal(merged.matrix, merged.per_patch.sum(axis=0))
    assert np.array_equal(merged.per_patch, direct.per_patch)
    assert merged.ignored == direct.ignored
    assert merged.names == ("other", "cloud")
    swapped = stats.agreement(ds, "found", "hq").merged({"b": (3, 1), "a": [0, 2]})
    assert swapped.matrix.sum() == merged.matrix.sum()
    assert swapped.names == ("b", "a")
    assert stats.agreement(ds, "found", "hq").binary([3]).names == ("other", "3")


def test_a_source_tells_which_classes_it_can_give(data):
    ds, _ = data
    found = stats.agreement(ds, "half", "hq")
    assert found.says == (True, True, False, False)
    assert found.binary((1, 2)).says == (True, True)
    assert found.binary((3,)).says == (True, False)
    assert found.binary(3) == found.binary((3,))
    assert "half has no 2, 3: compare what both can say" in str(found)
    assert "compare what" not in str(found.binary((1, 2)))


def test_the_larger_of_two_maps_gives_the_number_of_classes(data):
    ds, _ = data
    small = stats.agreement(ds, "hq", "half")
    assert small.matrix.shape == (4, 4)
    assert small.matrix[2:].sum() == 0
    assert np.array_equal(small.matrix, stats.agreement(ds, "half", "hq").matrix.T)
    assert small.ignored_by_reference == stats.classes(ds, "half").ignored
    assert np.isnan(small.producers_accuracy[2:]).all()
    assert small.balanced_accuracy == small.producers_accuracy[:2].mean()
    assert stats.agreement(ds, "hq", "half", n_classes=6).matrix.shape == (6, 6)


def test_agreement_of_labels_of_two_bytes(data):
    ds, stored = data
    found = stats.agreement(ds, {"wide": {-1: None, 5: 0, 1024: 1, 2048: 2}}, "hq")["wide"]
    wide, hq = inside(stored["wide"]), inside(stored["hq"])
    assert found.matrix[3, 1] == ((hq == 3) & (wide == 1024)).sum() > 0
    assert found.ignored_by_source == (wide == -1).sum()
    turned = stats.agreement(ds, "hq", {"wide": {-1: None, 5: 0, 1024: 1, 2048: 2}})
    assert np.array_equal(turned.matrix, found.matrix.T)


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ("hq", "hq", "hq is both source and reference"),
        ({"found": None}, "hq", "found as stored; a map to the classes of the other is needed"),
        ("found", {"hq": None}, "hq as stored; a map"),
        ("found", ["hq", "half"], r"reference=\['hq', 'half'\]; one label is needed"),
        ("found", "manual_hq", "no array 'manual_hq'"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(data, source, reference, message):
    with pytest.raises(RequestError, match=message):
        stats.agreement(data[0], source, reference)


def test_patches_that_were_not_counted_one_by_one_have_no_rates(data):
    with pytest.raises(RequestError, match="not counted one by one; per_patch=True does"):
        _ = stats.agreement(data[0], "half", "hq").balanced_per_patch


def test_groups_must_have_each_class_once(data):
    found = stats.agreement(data[0], "found", "hq")
    with pytest.raises(RequestError, match=r"groups have classes \[0, 1\]; each of 0..3 is needed"):
        found.merged({"a": (0, 1)})
    with pytest.raises(RequestError, match=r"groups have classes \[0, 1, 2, 3, 4\]"):
        found.binary((4,))


# ---- results -------------------------------------------------------------------------------------


def results(ds):
    found = stats.bands(ds, [*INTS, *FLOATS, "i16"])
    classes = stats.classes(ds, {"hq": "card", "wide": None})
    agreement = stats.agreement(ds, ["found", "half"], "hq")
    each = stats.agreement(ds, "found", "hq", per_patch=True)
    return [found, classes["hq"], classes, agreement["half"].binary((1, 2)), agreement, each]


def test_results_come_back_bit_for_bit(data, tmp_path):
    ds, _ = data
    for k, result in enumerate(results(ds)):
        result.save(tmp_path / f"{k}.json")
        back = stats.load(tmp_path / f"{k}.json")
        assert type(back) is type(result)
        assert back == result
        assert str(back) == str(result)
        json.loads((tmp_path / f"{k}.json").read_text(), parse_constant=pytest.fail)
    stats.bands(ds, "i16").save(tmp_path / "0.json")  # over one of ours
    bands = stats.load(tmp_path / "0.json")
    assert bands.mean.tobytes() == stats.bands(ds, "i16").mean.tobytes()
    assert bands != result


def test_nan_and_infinity_come_back(tmp_path):
    layout = Layout("One", (4, 4), Window(0, 0, 4, 4), (Band("x", dtype="float32"),))
    array = np.arange(32, dtype="f4").reshape(2, 4, 4)
    array[0, 0, 0] = np.inf
    array.tofile(tmp_path / "x.dat")
    ds = cloudio.open(tmp_path, layout=layout)
    for found in (stats.bands(ds, "x"), stats.bands(ds.subset([]), "x", percentiles=())):
        found.save(tmp_path / "found.json")
        back = stats.load(tmp_path / "found.json")
        assert np.array_equal(back.mean, found.mean, equal_nan=True)
        assert np.array_equal(back.std, found.std, equal_nan=True)
        assert back.percentiles.shape == found.percentiles.shape
        assert back.percentiles.dtype == np.float64


def test_nothing_but_statistics_is_written_over(data, tmp_path):
    found = stats.classes(data[0], "hq")
    path = tmp_path / "L1C_B4.dat"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(RequestError, match=r"L1C_B4.dat is there already, and holds no statistics"):
        found.save(path)
    assert path.read_bytes() == b"\0" * 100
    with pytest.raises(FileNotFoundError, match="no folder"):
        found.save(tmp_path / "no" / "x.json")
    for text in ("", "[]", '{"kind": "Car"}', '{"kind": "ClassStats"}'):
        path.write_text(text)
        with pytest.raises(RequestError, match="holds no statistics of cloudio"):
            stats.load(path)


def test_a_result_knows_whether_it_is_of_a_data_set(data, tmp_path):
    ds, _ = data
    write(tmp_path / "other", 7)
    other = cloudio.open(tmp_path / "other", layout=LAYOUT)
    for result in results(ds):
        assert result.fits(ds)
        assert result.fits(ds.subset(range(7)))
        assert not result.fits(ds.split("train"))
        assert not result.fits(ds.subset([0, 1, 2, 3, 4, 6, 5]))
        assert not result.fits(other)
    lacking = tmp_path / "lacking"
    for split, n in (("train", 4), ("val", 3)):
        write(lacking / split, n)
        (lacking / split / "i16.dat").unlink()
    lacking = cloudio.open(lacking, layout=LAYOUT)
    assert stats.bands(ds, "u16").fits(lacking)
    assert not stats.bands(ds, "i16").fits(lacking)


def test_results_cannot_be_changed(data):
    for result in results(data[0]):
        with pytest.raises(AttributeError, match="cannot assign to field"):
            result.parts = result.of = None
    with pytest.raises(ValueError, match="read-only"):
        stats.bands(data[0], "i16").mean[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        stats.classes(data[0], "hq").per_patch[0] = 1


def test_results_print_as_tables(data):
    ds, _ = data
    found = stats.bands(ds, ["i16", "f32"], percentiles=[50, 99.5])
    lines = str(found).splitlines()
    assert lines[0] == ("bands of Counted, 7 patches (train 4, val 3), 17 x 15 pixels from (1, 2)")
    assert lines[2].split() == ["band", "data", "no", "data", "min", "max", "mean", "std"]
    assert lines[3].split()[:3] == ["i16", f"{7 * 17 * 15:,}", "0.00%"]
    assert lines[3].split()[-1] == f"{found.std[0]:.5g}"
    assert lines[6].split() == ["band", "50", "%", "99.5", "%"]
    assert len({len(line) for line in lines[2:5]}) == 1
    classes = str(stats.classes(ds, "hq"))
    assert re.search(r"^ignored +[\d,]+ +7$", classes, re.MULTILINE)
    table = str(stats.agreement(ds, ["found", "half"], "hq"))
    rows = {row.split()[0]: row.split()[1:] for row in table.splitlines() if row}
    assert rows["half"][:2] == ["-", "-"]
    assert rows["found"][0] == f"{stats.agreement(ds, 'found', 'hq').balanced_accuracy:.3f}"
    html = stats.agreement(ds, "half", "hq").binary([3], "a<b")._repr_html_()
    assert "a&lt;b" in html
    assert html.count("<table>") == 2
    assert "a<b" not in html
    assert repr(stats.classes(ds, ["hq", "half"])) == "<cloudio.stats.ResultSet: hq, half>"
    assert repr(found) == (
        "<cloudio.stats.BandStats of i16, f32: Counted, 7 patches (train 4, val 3), 17 x 15 pixels "
        "from (1, 2)>"
    )


def test_importing_cloudio_imports_no_statistics():
    code = "import sys, cloudio; assert 'cloudio.stats' not in sys.modules; cloudio.stats.bands"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path, data):
    """A folder that carries its layout, so that the command needs no words for it."""

    ds, _ = data
    from cloudio.layouts.toml_writer import to_toml

    (tmp_path / "layout.toml").write_text(to_toml(LAYOUT))
    return ds, [str(ds.path), "--layout", str(tmp_path / "layout.toml")]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_prints_what_a_person_wants_first(made, capsys, monkeypatch, terminal):
    ds, words = made
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main(["stats", *words]) == 0
    printed = capsys.readouterr()
    assert str(stats.bands(ds, "some")) in printed.out
    assert str(stats.classes(ds, "hq")) in printed.out
    assert "also there: --bands floats, or --bands all" in printed.out
    assert "--split train" in printed.out
    assert ("bands:" in printed.err) == terminal
    assert "bands:" not in printed.out


def test_the_command_counts_what_it_is_told_and_keeps_it(made, capsys, tmp_path):
    ds, words = made
    train, path = ds.split("train"), tmp_path / "kept.json"
    asked = ["--split", "train", "--bands", "i16,f32", "--labels", "hq,half", "--agreement"]
    asked += ["found", "--reference", "hq", "--percentiles", "5,50", "--json", "-o", str(path)]
    assert main(["stats", *words, *asked, "--threads", "1"]) == 0
    kept = stats.load(path)
    assert kept.json() + "\n" == capsys.readouterr().out
    assert list(kept) == ["bands", "classes", "agreement"]
    assert kept["bands"] == stats.bands(train, ["i16", "f32"], percentiles=[5, 50])
    assert kept["classes"] == stats.classes(train, ["hq", "half"])
    assert kept["agreement"] == stats.agreement(train, "found", "hq")
    assert main(["stats", *words, "--bands", "all", "--no-labels", "--percentiles", "none"]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"^{name} ", printed, re.MULTILINE) for name in (*INTS, *FLOATS))
    assert "50 %" not in printed
    assert "also there" not in printed


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--bands", "i16", "--no-bands"], "--bands and --no-bands exclude each other"),
        (["--labels", "hq", "--no-labels"], "--labels and --no-labels exclude each other"),
        (["--reference", "hq"], "--reference needs --agreement"),
        (["--no-bands", "--no-labels"], "nothing to count in"),
        (["--labels", "i16"], "i16 under 'card'; there is no policy"),
        (["--agreement", "found"], "no array 'manual_hq'"),
        (["--split", "test"], "no split 'test'"),
        (["--percentiles", "a"], r"percentiles=\['a'\]"),
        (["-o", "{path}/train/i16.dat"], "i16.dat is there already, and holds no statistics"),
        (["-o", "{path}/none/x.json"], "no folder"),
    ],
)
def test_the_command_refuses_in_one_sentence_before_it_counts(made, capsys, more, message):
    ds, words = made
    assert main(["stats", *words, *(word.format(path=ds.path) for word in more)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.match(f"cloudio: .*{message}", printed.err)


def test_the_command_takes_every_band_where_there_is_no_preset(tmp_path, capsys):
    np.zeros((2, 512, 512), "i2").tofile(tmp_path / "L1C_B4.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 2)
    assert main(["stats", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^L1C_B4 +518,162 ", printed, re.MULTILINE)
    assert "of LABEL" not in printed


def test_the_command_leaves_out_what_it_cannot_scale_and_says_so(made, tmp_path, capsys):
    shutil.copytree(made[0].path / "val", tmp_path / "data" / "val")
    shutil.copy(tmp_path / "data" / "val" / "i16.dat", tmp_path / "data" / "val" / "own.dat")
    words = ["stats", str(tmp_path / "data"), *made[1][1:], "--no-labels", "--bands", "all"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "of unknown scale: own; --raw counts numbers as stored" in printed
    assert not re.search("^own ", printed, re.MULTILINE)
    assert main([*words, "--raw", "-o", str(tmp_path / "raw.json")]) == 0
    assert "unknown" not in capsys.readouterr().out
    found = stats.load(tmp_path / "raw.json")["bands"].select(["i16", "own"])
    assert found.max[0] == found.max[1] == inside(made[0].split("val")["i16"]).max()


# ---- real data -----------------------------------------------------------------------------------


def real(mini, name):
    return np.concatenate([np.asarray(mini.split(s)[name][:, 1:510, 1:510]) for s in mini.splits])


def test_real_bands_are_numpys(mini):
    names = ("L1C_B4", "L1C_B10", "S1_VV", "S1_angle")
    found = stats.bands(mini, names)
    for k, name in enumerate(names):
        numbers = real(mini, name).ravel()
        band = mini.band(name)
        scaled = numbers[numbers != -99].astype(np.float64) * band.scale
        assert found.count[k] == scaled.size
        assert (found.min[k], found.max[k]) == (scaled.min(), scaled.max())
        assert np.array_equal(found.percentiles[k], np.percentile(scaled, stats.PERCENTILES))
        assert near(found.mean[k], scaled.mean())
        assert near(found.std[k], scaled.std())
    # The stripe of one patch: columns 1..60 of 509 rows.
    assert found.n_nodata.tolist() == [0, 0, 60 * 509, 0]


def test_real_labels_agree_as_scikit_learn_has_it(mini):
    metrics = pytest.importorskip("sklearn.metrics")
    sources = {"LABEL_sen2cor": "card", "LABEL_fmask": "card", "LABEL_s2cloudless": "card"}
    table = stats.agreement(mini, sources)
    for name, found in table.items():
        labels = {"manual_hq": "card", name: "card"}
        label = mini.reader("L1C_B4", labels).read(range(6)).label
        y, z = label[:, 0].ravel(), label[:, 1].ravel()
        kept = z != 255
        expected = metrics.confusion_matrix(y[kept], z[kept], labels=range(4))
        assert np.array_equal(found.matrix, expected)
    assert table["LABEL_s2cloudless"].names == cloudio.CLASSES
    printed = str(table)
    assert "cloud shadow BOA" in printed
    cloud = table["LABEL_s2cloudless"].binary((1, 2))
    row = next(line for line in printed.splitlines() if line.startswith("LABEL_s2cloudless"))
    assert row.split()[1:4] == [
        f"{cloud.producers_accuracy[1]:.3f}",
        f"{cloud.users_accuracy[1]:.3f}",
        f"{cloud.balanced_accuracy:.3f}",
    ]
    assert row.split()[4:7] == ["-", "-", "-"]


def test_labels_named_alone_are_warned_of_as_by_a_reader(mini):
    with pytest.warns(cloudio.CloudioWarning, match="LABEL_sen2cor by its name alone follows"):
        stats.classes(mini, "sen2cor")
    with pytest.warns(cloudio.CloudioWarning, match="LABEL_kappamask_L1C by its name alone"):
        stats.agreement(mini, "kappamask_L1C")


def test_the_command_says_warnings_as_sentences(mini, capsys):
    words = ["stats", str(mini.path), "--no-bands", "--labels", "qa60"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith("cloudio: warning: LABEL_qa60 is stored in 1 byte a pixel")
        for line in lines
    )


def test_real_classes_are_named_where_the_map_is_cloudsen12s(mini):
    found = stats.classes(mini)
    assert found.names == cloudio.CLASSES
    assert np.array_equal(found.counts, np.bincount(real(mini, "LABEL_manual_hq").ravel()))
    assert stats.classes(mini, {"s2cloudless": "card"})["LABEL_s2cloudless"].names == (
        "clear",
        "cloud",
    )
    assert stats.classes(mini, {"manual_hq": {0: 0, 1: 1, 2: 1, 3: 0}})[
        "LABEL_manual_hq"
    ].names == (
        "0",
        "1",
    )
