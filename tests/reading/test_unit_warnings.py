"""Numbers in other units than those of a reader are warned of when the reader is made."""

import math
import pickle

import numpy as np
import pytest
from builders import pixels
from warned import warned

import cloudio
from cloudio import Band, CloudioWarning, Layout, Window

BANDS = (
    Band("B2", scale=1e-4),
    Band("B3", scale=1e-4),
    Band("old", dtype="uint16", scale=1e-4, offset=-1000.0),
    Band("count", dtype="uint16"),
    Band("mask", dtype="uint8"),
    Band("photo", dtype="uint8", scale=1 / 255),
    Band("VV", dtype="float32"),
    Band("byte", dtype="uint8", scale=255.0),
)
LAYOUT = Layout("Units", (8, 8), Window(0, 0, 8, 8), BANDS)


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units") / "train"
    folder.mkdir()
    for band in BANDS:
        pixels(band.name, (2, 8, 8), band.dtype, 0).tofile(folder / f"{band.name}.dat")
    return cloudio.open(folder, layout=LAYOUT)


@pytest.mark.parametrize(
    ("bands", "options", "words"),
    [
        # mean and std of stored numbers, of bytes, of reflectance
        (
            ["B2"],
            {"mean": 1353.7, "std": 897.3},
            "B2 is from -3.2768 to 3.2767 as scaled, and cann",
        ),
        (["B2", "B3"], {"mean": [0.2, 1117.2]}, "B3 is from -3.2768 to 3.2767 as scaled, and cann"),
        (
            ["B2"],
            {"mean": 0.2, "std": 897.3},
            "cannot have a std of 897.3. mean and std are in sca",
        ),
        (["B2"], {"std": 897.3}, "cannot have a std of 897.3"),
        (["B2"], {"mean": 123.675, "std": 58.395}, "cannot have a mean of 123.675"),
        (["photo"], {"mean": 123.675, "std": 58.395}, "photo is from 0 to 1 as scaled, and cannot"),
        (["photo"], {"mean": 0.5, "std": 1.1}, "cannot have a std of 1.1"),
        (["mask"], {"mean": 0.485, "std": 0.229}, "mask has steps of 1 as scaled, and with a mean"),
        (["count", "mask"], {"mean": 0.4, "std": 0.2}, "pass its scale=: 1/255 for bytes as 0 to"),
        (["mask"], {"mean": 0.485, "std": 0.229, "scale": None}, "pass its scale=: 1/255"),
        (["mask"], {"mean": -1}, "cannot have a mean of -1. mean and std are in scaled units: "),
        (["mask"], {"mean": -2}, "If yours are in another unit, pass its scale=: 1/255"),
        (
            ["old"],
            {"mean": -1000},
            "old is from -0.1 to 6.4535 as scaled, and cannot have a mean of",
        ),
        (
            ["B2"],
            {"mean": 0.2, "std": 0.1, "scale": None},
            "They seem to be in the layout's unit: ",
        ),
        (
            ["photo"],
            {"mean": 0.485, "std": 0.229, "scale": None},
            "photo is read as stored, and with",
        ),
        (
            ["B2"],
            {"mean": -40_000, "scale": None},
            "scale=None reads numbers as stored, so they mus",
        ),
        (
            ["B2"],
            {"mean": 1353.7},
            "multiply them by 0.0001, or pass scale=None; cloudio.stats.bands",
        ),
        (["B2", "photo"], {"mean": 1353.7}, "multiply them by its scale, or pass scale=None"),
        # numbers that a small type cannot hold
        (
            ["count"],
            {"dtype": "float16"},
            "count stores uint16, which can be 65,535. In float16, nu",
        ),
        (
            ["old"],
            {"dtype": "float16", "scale": None},
            "old stores uint16, which can be 65,535. In ",
        ),
        (
            ["B2"],
            {"dtype": "float16", "std": 1e-5},
            "B2 stores int16, which can be -327,680. In fl",
        ),
        (
            ["B2"],
            {"scale": 1e36},
            "B2 stores int16, which can be -3.2768e+40. In float32, numbers b",
        ),
        # limits of other units
        (
            ["B2"],
            {"clip": (0, 10_000)},
            "B2 is from -3.2768 to 3.2767, where (0.0, 10000.0) does no",
        ),
        (
            ["B2"],
            {"clip": (1000, None)},
            "where (1000.0, None) makes every pixel the same. clip is ",
        ),
        (["B2"], {"clip": (None, -5)}, "where (None, -5.0) makes every pixel the same"),
        (["count"], {"clip": (-2, -1)}, "where (-2.0, -1.0) makes every pixel the same"),
        # a divisor as a factor
        (
            ["B2"],
            {"scale": 10_000},
            "B2 is multiplied by its scale of 10000. If it must be divided b",
        ),
        (
            ["byte"],
            {},
            "byte is multiplied by its scale of 255. If it must be divided by that numbe",
        ),
        (["count"], {"scale": 10_000}, "the scale is 1 / 10000 = 0.0001"),
    ],
)
def test_numbers_of_other_units_are_warned_of_once(ds, bands, options, words):
    (text,) = warned(lambda: ds.reader(bands, **options))
    assert text.startswith(f"{ds.path}: ")
    assert words in text
    assert warned(lambda: ds.reader(bands, **options)) == []


@pytest.mark.parametrize(
    ("bands", "options"),
    [
        (["B2", "B3"], {}),
        (["B2"], {"mean": 0.1353, "std": 0.0897}),
        (["B2"], {"mean": 1353.7, "std": 897.3, "scale": None}),
        (["B2"], {"mean": 1353.7e-4, "std": 897.3e-4, "clip": (-10, 10)}),
        (["photo"] * 3, {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
        (["photo"], {"mean": 123.675, "std": 58.395, "scale": None}),
        (["photo", "B2"], {"mean": 0.5, "std": 0.5}),
        (["mask"], {"mean": 0.3, "std": 0.4, "scale": None}),  # zeros and ones
        (["B2"], {"mean": 7.5, "std": 0.8, "scale": None}),  # seven and eight, and a few others
        (["VV"], {"scale": 10_000, "mean": 1353.7, "std": 897.3}),  # reflectance as floats
        (["VV"], {"scale": 255}),
        (["B2"], {"std": 10_000, "scale": None}),
        (["mask", "count"], {"std": [255, 65535]}),  # from 0 to 1
        (["count"], {"std": 65536}),
        (["B2"], {"mean": -3.2768, "std": 6.5535}),
        (["mask"], {"mean": 127.5, "std": 127.5}),
        (["mask"], {"mean": 3, "std": 0.01}),  # nearly all are 3
        (["VV"], {"mean": -1353.7, "std": 897.3, "clip": (0, 1e6)}),
        (["B2"], {"dtype": "float16", "mean": 0.2, "std": 0.1}),
        (["B2"], {"dtype": "float16", "scale": None}),
        (["count"], {"dtype": "float16", "clip": (None, 65504)}),
        (["count"], {"dtype": "bfloat16"}),
        (["count"], {"dtype": "uint16"}),
        (["B2"], {"clip": (0, 1)}),
        (["B2"], {"clip": (-math.inf, math.inf)}),
        (["B2", "VV"], {"clip": (0, 10_000)}),
        (["B2"], {"fill": -9999}),  # a number of its own that a loss leaves out
        (["B2"], {"scale": 2e-4}),
    ],
)
def test_what_can_be_meant_says_nothing(ds, bands, options):
    assert warned(lambda: ds.reader(bands, **options)) == []


def test_statistics_of_the_data_say_nothing(ds):
    names = ["B2", "old", "count", "photo"]
    found = cloudio.stats.bands(ds, names)
    assert warned(lambda: ds.reader(names, mean=found.mean, std=found.std)) == []


def test_another_mistake_is_another_warning(ds):
    assert len(warned(lambda: ds.reader(["B2"], mean=1000))) == 1
    assert len(warned(lambda: ds.reader(["B2"], mean=2000))) == 1
    (text,) = warned(lambda: ds.reader([band.name for band in BANDS[:6]], mean=1e6))
    assert text.count("cannot have a mean of 1e+06") == 3
    assert "; and 3 more. mean and std" in text


def test_a_warned_reader_reads_what_it_was_told_to_and_its_pickle_is_silent(ds):
    with pytest.warns(CloudioWarning, match="cannot have a mean"):
        reader = ds.reader(["B2"], mean=1353.7, std=897.3)
    factor, summand = np.float32(1e-4 / 897.3), np.float32(-1353.7 / 897.3)
    expected = ds["B2"][[1]].astype(np.float32)[:, None] * factor + summand
    assert np.array_equal(reader.read([1]).image, expected)
    assert warned(lambda: pickle.loads(pickle.dumps(reader))) == []
