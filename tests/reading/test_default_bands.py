"""Which bands are read where nobody names any."""

import numpy as np
import pytest
from builders import write_split

import cloudio
from cloudio import CLOUDSEN12, Band, CloudioWarning, Layout, RequestError, Window


def open_own(path, names, presets=None, labels=()):
    bands = [Band(name, dtype="uint8") for name in (*names, "x", "y")]  # two without files
    bands += [Band(name, kind="label", dtype="uint8") for name in labels]
    layout = Layout("Own", (8, 8), Window(0, 0, 8, 8), tuple(bands), presets=presets or {})
    for name in (*names, *labels):
        np.zeros((3, 8, 8), np.uint8).tofile(path / f"{name}.dat")
    return cloudio.open(path, layout=layout)


def test_cloudsen12_reads_the_bands_of_l1c(tmp_path):
    l1c = CLOUDSEN12.presets["L1C"][0]
    write_split(tmp_path, 1, CLOUDSEN12, names=[*l1c, "S1_VV", "LABEL_fmask"])
    assert cloudio.open(tmp_path).reader().bands == l1c


def test_a_preset_that_is_not_there_at_all_is_passed_over(tmp_path):
    l2a = CLOUDSEN12.presets["L2A"][0]
    write_split(tmp_path, 1, CLOUDSEN12, names=l2a)
    assert cloudio.open(tmp_path).reader().bands == l2a


def test_a_preset_of_which_a_band_is_missing_is_refused(tmp_path):
    """Not the next preset: that would be other bands than on another day."""
    l1c, l2a = CLOUDSEN12.presets["L1C"][0], CLOUDSEN12.presets["L2A"][0]
    write_split(tmp_path, 1, CLOUDSEN12, names=[*l1c[1:], *l2a])
    words = (
        "no bands are given, and preset 'L1C' needs L1C_B1; .*; give the preset 'L2A', which is "
    )
    with pytest.raises(RequestError, match=words):
        cloudio.open(tmp_path).reader()


def test_bands_of_no_complete_preset_must_be_named(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4"])
    with pytest.raises(RequestError, match=r"preset 'L1C' needs L1C_B1, .*; give names of bands$"):
        cloudio.open(tmp_path).reader()


def test_the_first_preset_of_own_data_is_read(tmp_path):
    ds = open_own(tmp_path, "abc", {"gone": (("x", "y"),), "two": (("c", "a"),), "one": (("b",),)})
    assert ds.reader().bands == ("c", "a")
    assert ds.reader(labels=None, size=4).bands == ("c", "a")
    assert cloudio.stats.bands(ds).names == ("c", "a")


def test_without_presets_all_bands_are_read_and_no_label(tmp_path):
    ds = open_own(tmp_path, ["H1", "H2", "H3"], labels=["mask"])
    assert ds.reader().bands == ("H1", "H2", "H3")
    assert "bands H1, H2, H3" in str(ds.reader())
    assert ds.reader(labels={"mask": None}).bands == ("H1", "H2", "H3")


def test_a_data_set_of_labels_has_no_bands_to_read(tmp_path):
    ds = open_own(tmp_path, [], labels=["mask"])
    with pytest.raises(RequestError, match="has no bands; it has only labels: mask"):
        ds.reader()


def test_splits_without_an_array_in_common_are_told(tmp_path):
    bands = Band("a"), Band("b")
    for split, band in zip(("train", "val"), bands, strict=True):
        (tmp_path / split).mkdir()
        np.save(tmp_path / split / f"{band.name}.npy", np.zeros((2, 8, 8), "i2"))
    layout = Layout("Own", (8, 8), Window(0, 0, 8, 8), bands)
    with pytest.warns(CloudioWarning, match="there is no b, which other splits have"):
        ds = cloudio.open(tmp_path, layout=layout)
    words = r"its splits \(train, val\) have no array in common; ds.split\(name\) has its own"
    with pytest.raises(RequestError, match=words):
        ds.reader()
    assert ds.split("val").reader().bands == ("b",)
