"""Misspelled names: the message has a dozen of the names there are, and the most similar one."""

import numpy as np
import pytest
from small_sets import raises

import cloudio
from cloudio import RequestError


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    """All arrays of CloudSEN12, two splits, one patch each."""
    path = tmp_path_factory.mktemp("data") / "set"
    cloudio.synthesize(path, {"train": 1, "val": 1})
    return cloudio.open(path)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("L1C_B44", "L1C_B4"),
        ("manual_qh", "manual_hq"),
        ("FMSAK", "fmask"),
        ("B8a1", "B8A"),
        ("ocurence", "ocurrence"),
        ("targt", "target"),
        ("l1cc", "L1C"),
        ("RBG", "rgb"),
    ],
)
def test_arrays_and_presets(ds, name, suggested):
    words = (
        "there is no ",
        f" {name!r}; ",
        "L1C_B1, ",
        " and 37 more",
        f"; did you mean {suggested}?",
    )
    for attempt in (ds.reader, ds.__getitem__, ds.find, ds.band, ds.dtype):
        with raises(RequestError, *words):
            attempt(name)
    with raises(RequestError, *words):
        ds.reader("L1C_B4", name)
    with raises(RequestError, *words):
        ds.reader("L1C_B4", {name: None})
    with raises(RequestError, *words):
        cloudio.stats.bands(ds, ["L1C_B4", name])


def test_a_preset_that_is_not_there_is_not_suggested(ds):
    with raises(RequestError, "no band or preset 'S11'; ", "did you mean S1?"):
        ds.reader("S11")
    folder = ds.path.parent / "small"
    cloudio.synthesize(folder, {"train": 1}, arrays=["L1C_B4"])
    with pytest.raises(RequestError, match=r"no band or preset .*; presets are .* has L1C_B4$"):
        cloudio.open(folder).reader("S11")


def test_names_of_other_things_say_what_they_are(ds):
    with raises(RequestError, "'train' is a split, not an array; ds.split('train') returns it"):
        ds["train"]
    with raises(RequestError, "'roi_id' is a column of the metadata, not an array: ds.metadata["):
        ds["roi_id"]
    with raises(RequestError, "'rgb' is a preset for several arrays (L1C_B4, L1C_B3, L1C_B2)"):
        ds.split("train")["rgb"]
    with raises(RequestError, "'L1C' is a preset", "L1C_B11 and 1 more", "ds.reader('L1C') reads"):
        ds.band("L1C")
    with raises(RequestError, "'val' is a split"):
        ds.reader("val")


def test_splits_columns_and_policies(ds):
    with raises(RequestError, "no split 'trian'; ", "has train, val; did you mean train?"):
        ds.split("trian")
    with raises(RequestError, "no column 'roi_ids'; ", " more; did you mean roi_id?"):
        ds.subset(roi_ids="x")
    with raises(RequestError, "no policy 'crad'; ", "'card', 'authors'", "; did you mean card?"):
        ds.reader("L1C_B4", {"fmask": "crad"})
    with raises(RequestError, "no column 'clod_coverage'; ", "did you mean cloud_coverage?"):
        cloudio.make_splits(ds, {"a": 0.5, "b": 0.5}, stratify="clod_coverage")


def test_types_formulas_and_arrays_to_write(ds, tmp_path):
    with raises(RequestError, "dtype='flaot16'", "; did you mean float16?"):
        ds.reader("L1C_B4", dtype="flaot16")
    with raises(RequestError, "label_dtype='unit8'", "; did you mean uint8?"):
        ds.reader("L1C_B4", "fmask", label_dtype="unit8")
    with raises(RequestError, "how='medain'", "; did you mean median?"):
        cloudio.stats.classes(ds, "fmask").weights("medain")
    with raises(RequestError, "no band L1C_B40; ", "; did you mean L1C_B4?"):
        cloudio.stats.bands(ds, "rgb").select(["L1C_B40"])
    with raises(RequestError, "no array 'L1C_B41'; CloudSEN12 has L1C_B1, ", " and 37 more; did"):
        cloudio.synthesize(tmp_path / "x", {"train": 1}, arrays=["L1C_B41"])


def test_keys_and_names_of_layout_files(tmp_path):
    path = tmp_path / "my.toml"
    head = 'name = "mine"\npatch = [8, 8]\n'
    red = '[[arrays]]\nname = "red"\ndtype = "int16"\n'
    for text, message in {
        '[[arrays]]\nname = "B1"\nunti = "m"\n': "unknown key 'unti'; .*; did you mean unit?",
        '[[arrays]]\nname = "B1"\ndtype = "flaot32"\n': "; did you mean float32?",
        red + '[presets]\nrgb = ["rde"]\n': "'rde'; did you mean red?",
        red + '[aliases]\nB4 = "rad"\n': "'rad'; did you mean red?",
    }.items():
        path.write_text(head + text, encoding="utf-8")
        with pytest.raises(cloudio.LayoutError, match=message.replace("?", r"\?")):
            cloudio.Layout.from_toml(path)


def test_codes_that_an_array_cannot_hold_are_a_dozen_at_most():
    codes = cloudio.LabelMap(dict.fromkeys(range(300, 320), 1))
    with pytest.warns(cloudio.CloudioWarning, match=r"codes 300, .*, 311 and 8 more,"):
        codes.table(np.dtype("uint8"), np.dtype("uint8"), 255, "mask of this test")
