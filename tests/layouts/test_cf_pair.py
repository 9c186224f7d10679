"""scale_factor and add_offset: x * scale_factor + add_offset, beside scale and offset."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from builders import pixels

import cloudio
from cloudio import Band, Layout, LayoutError, Window
from cloudio.layouts.toml_writer import to_toml

HEAD = 'name = "CF"\npatch = [8, 8]\n[[arrays]]\nname = "B4"\ndtype = "uint16"\n'
# Of Landsat's Collection 2, of Sentinel-2 since baseline 04.00, of temperature.
PAIRS = [(2.75e-5, -0.2), (1e-4, -0.1), (0.00341802, 149.0), (0.1, 100_000.0), (-3.0, 7.25)]


def whole(*bands):
    return Layout("CF", (8, 8), Window(0, 0, 8, 8), bands)


@pytest.mark.parametrize(("factor", "summand"), PAIRS)
@pytest.mark.parametrize(("mean", "std"), [(None, None), (0.12, 0.07)])
@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")  # a mean that not all can have
def test_pixels_are_the_stored_number_times_the_factor_plus_the_offset(
    tmp_path, factor, summand, mean, std
):
    stored = pixels("B4", (2, 8, 8), "uint16", 0)
    (tmp_path / "train").mkdir()
    stored.tofile(tmp_path / "train" / "B4.dat")
    toml = tmp_path / "cloudio.toml"
    toml.write_text(f"{HEAD}scale_factor = {factor}\nadd_offset = {summand}\n")
    layout = whole(Band("B4", dtype="uint16", scale_factor=factor, add_offset=summand))
    assert Layout.from_toml(toml) == layout
    # Each folded once in float64, and rounded once.
    a = np.float32(factor / (std or 1.0))
    b = np.float32((summand - (mean or 0.0)) / (std or 1.0))
    expected = stored.astype(np.float32)[:, None] * a + b
    for ds in (cloudio.open(tmp_path), cloudio.open(tmp_path, layout=layout)):
        image = ds.reader("B4", mean=mean, std=std).read([0, 1]).image
        assert np.array_equal(image, expected)
    found = cloudio.stats.bands(ds, ["B4"])
    assert found.min[0] == (stored.astype(np.float64) * factor + summand).min()


def test_the_offset_is_taken_as_it_is_written():
    factor, summand = 2.75e-05, 7.3
    assert summand / factor * factor != summand
    band = Band("a", scale_factor=factor, add_offset=summand)
    assert band.factors == (factor, summand)
    assert pickle.loads(pickle.dumps(band)).factors == (factor, summand)


def test_one_of_the_pair_is_enough():
    assert Band("a", scale_factor=1e-4).factors == (1e-4, 0.0)
    assert Band("a", add_offset=-0.5).factors == (1.0, -0.5)
    assert Band("a", scale=1e-4, offset=-1000.0).factors == (1e-4, -1000.0 * 1e-4)
    assert Band("a", scale=None).factors is None


def test_scale_and_offset_follow_from_the_pair():
    band = Band("a", scale_factor=0.25, add_offset=-2.0)
    assert (band.scale, band.offset) == (0.25, -8.0)
    for same in (
        pickle.loads(pickle.dumps(band)),
        copy.copy(band),
        dataclasses.replace(band, name="a"),
    ):
        assert same == band
        assert hash(same) == hash(band)
    assert dataclasses.replace(band, unit="K") != band


@pytest.mark.parametrize(("factor", "summand"), PAIRS)
def test_a_layout_file_keeps_the_pair(tmp_path, factor, summand):
    layout = whole(
        Band("a", scale_factor=factor, add_offset=summand),
        Band("b", scale_factor=factor, add_offset=summand),
        Band("c", scale_factor=factor),
    )
    path = tmp_path / "cloudio.toml"
    path.write_text(to_toml(layout))
    assert "scale =" not in path.read_text()
    assert 'names = ["a", "b"]' in path.read_text()
    assert Layout.from_toml(path) == layout


@pytest.mark.parametrize(
    "both",
    [
        {"scale": 1e-4, "add_offset": -0.1},
        {"offset": -1000.0, "scale_factor": 1e-4},
        {"scale": None, "scale_factor": 1e-4},
        {"scale": 1e-4, "offset": -1000.0, "scale_factor": 1e-4},
    ],
)
def test_a_pair_and_the_other_are_refused(both):
    with pytest.raises(LayoutError, match=r"^a has scale_factor or add_offset and also scale or "):
        Band("a", **both)


@pytest.mark.parametrize(
    ("entries", "line", "words"),
    [
        ("scale = 1e-4\nadd_offset = -0.1", 6, "scale and add_offset; give one pair: "),
        ("scale_factor = 1e-4\noffset = -1000", 7, "offset and scale_factor; give one pair: "),
        ('scale = "unknown"\nscale_factor = 1', 6, "scale and scale_factor; give one pair: "),
        ("scale_factor = 0", 6, "scale_factor: B4 has scale_factor 0.0; scale_factor must be a"),
        ("add_offset = nan", 6, "add_offset: B4 has add_offset nan; add_offset must be a finite"),
        ('add_offset = "1"', 6, "add_offset = '1'; add_offset must be a number"),
        ("scale = 1e-4\noffset = -0.1", 7, "offset: B4 has offset -0.1, which is no whole number"),
    ],
)
def test_a_wrong_pair_is_refused_with_its_line(tmp_path, entries, line, words):
    path = tmp_path / "cloudio.toml"
    path.write_text(f"{HEAD}{entries}\n")
    with pytest.raises(LayoutError) as caught:
        Layout.from_toml(path)
    assert f"cloudio.toml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "entries",
    [
        {"scale": 1e-4, "offset": -1000.0},
        {"scale": 1.0, "offset": 0.5},  # both meanings are the same
        {"dtype": "float32", "scale": 1e-4, "offset": -0.1},
        {"scale": 1e-4, "offset": -0.0},
    ],
)
def test_offsets_that_can_be_meant_are_taken(entries):
    assert whole(Band("a", **entries)).bands[0].offset == entries["offset"]


def test_files_of_another_type_than_the_layouts_have_no_scale(tmp_path):
    stored = np.ones((2, 8, 8), np.float32)
    np.save(tmp_path / "B4.npy", stored)
    layout = whole(Band("B4", scale_factor=1e-4, add_offset=-0.1))
    with pytest.warns(cloudio.CloudioWarning, match="knows no scale"):
        ds = cloudio.open(tmp_path, layout=layout)
    assert ds.band("B4").factors is None
    assert np.array_equal(ds.reader("B4", scale=1).read([0]).image[0, 0], stored[0])
