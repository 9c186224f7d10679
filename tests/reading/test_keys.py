"""``keys`` of a reader: batches and samples as dicts by names."""

import copy
import pickle

import numpy as np
import pytest
from named import OWN, PRESETS, expected, same

import cloudio
from cloudio import RequestError
from cloudio.reading.copies import OWN_NAMES


@pytest.mark.parametrize("keys", ["torchgeo", "transformers", OWN, {"image": "image"}])
@pytest.mark.parametrize("labels", ["hq", ["hq", "sc"], None])
def test_batches_are_dicts_by_the_names(ds, keys, labels):
    if labels is None and isinstance(keys, dict):
        keys = {part: name for part, name in keys.items() if part != "label"}
    plain = ds.reader("L1C", labels, size=20, valid=True)
    reader = ds.reader("L1C", labels, size=20, valid=True, keys=keys)
    index = [6, 0, 6, 3]
    wanted = expected(plain.read(index, (3, 4), [1, 0, 6, 2]), keys, ds.metadata)
    same(reader.read(index, (3, 4), [1, 0, 6, 2]), wanted)
    same(reader[index], expected(plain[index], keys, ds.metadata))
    same(reader[2:4], expected(plain[2:4], keys, ds.metadata))
    assert reader.image_shape == plain.image_shape


def test_a_preset_has_no_key_for_labels_that_are_not_read(ds):
    assert list(ds.reader("L1C", keys="torchgeo").read([0])) == ["image"]
    assert list(ds.reader("L1C", keys="transformers").read([0])) == ["pixel_values"]


def test_labels_of_a_preset_are_int64_and_others_as_they_were(ds):
    for keys in PRESETS:
        reader = ds.reader("L1C", "hq", keys=keys, ignore=-100)
        assert reader.label_dtype == np.int64
        assert reader.settings["label_dtype"] == "int64"
    own = {"label": "y"}
    assert ds.reader("L1C", "hq", keys=own).read([0])["y"].dtype == np.uint8
    assert ds.reader("L1C", "hq", keys=own, label_dtype="int64").read([0])["y"].dtype == np.int64


def test_samples_are_dicts_without_the_sample_axis(ds):
    reader = ds.reader("L1C", "hq", size=20, valid=True, keys=OWN)
    batch = reader.read([5, 1])
    samples = reader.__getitems__([5, 1])
    assert repr(samples) == "<2 samples of a dict of mask, x, id, y, place, date, hard>"
    for k, sample in enumerate([reader[5], reader[-7]]):
        for got in (sample, samples[k], samples[k - 2]):
            assert type(got) is dict
            assert list(got) == list(batch)
            assert (type(got["id"]), got["id"]) == (int, [5, 1][k])
            for name in batch:
                assert np.array_equal(got[name], batch[name][k], equal_nan=name == "hard")
    assert len(samples) == 2
    assert list(ds.reader("L1C", keys={"roi_id": "r"})[0]) == ["r"]


def test_out_is_arrays_and_the_result_a_dict_of_them(ds):
    reader = ds.reader("L1C", "hq", size=20, keys="torchgeo")
    out = reader.allocate(2)
    assert type(out) is cloudio.Batch
    assert out.label.dtype == np.int64
    got = reader.read([3, 4], out=out)
    assert got["image"] is out.image
    assert got["mask"] is out.label
    assert np.array_equal(out.image, ds.reader("L1C", size=20).read([3, 4]).image)
    image, label = np.empty_like(out.image), np.empty_like(out.label)
    assert reader.read([3, 4], out=(image, label))["mask"] is label


def test_a_subset_has_the_metadata_of_its_own_patches(ds):
    part = ds.subset([6, 2, 4])
    batch = part.reader("L1C", size=8, keys={"index": "i", "roi_id": "roi"}).read([1, 0])
    assert batch["i"].tolist() == [1, 0]
    assert batch["roi"].tolist() == ds.metadata["roi_id"][[2, 6]].tolist()


def test_keys_are_a_setting_that_travels(ds):
    names = {"image": "x", "roi_id": "place"}
    reader = ds.reader("L1C", "hq", size=20, keys=names)
    names["image"] = "another"  # the caller may change it
    wanted = reader.read([2])
    assert list(wanted) == ["x", "place"]
    again = ds.reader(**reader.settings)
    for other in (again, pickle.loads(pickle.dumps(reader)), copy.deepcopy(reader)):
        assert other.settings == reader.settings
        same(other.read([2]), wanted)
        assert vars(other).keys() == OWN_NAMES
    assert reader.settings["keys"] == {"image": "x", "roi_id": "place"}
    plain = ds.reader("L1C", "hq", size=20)
    assert len(pickle.dumps(reader)) < len(pickle.dumps(plain)) + 100
    preset = ds.reader("L1C", "hq", size=20, keys="torchgeo")
    assert ds.reader(**preset.settings).settings == preset.settings
    assert preset.settings["keys"] == "torchgeo"
    assert repr(preset).splitlines()[-2].split() == ["keys", "torchgeo"]
    assert "keys" in reader._repr_html_()
    assert "keys" not in repr(ds.reader("L1C"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "torchgoe",
            r"^keys='torchgoe'; the presets are 'torchgeo' and 'transformers'; did you mean "
            r"torchgeo\?; for other names pass a mapping, such as \{'image': 'x', 'label': 'y'\}$",
        ),
        (3, "^keys=3; keys must be 'torchgeo' or 'transformers', or map parts of a batch to names"),
        (["image"], r"^keys=\['image'\]; keys must be "),
        ({}, r"^keys=\{\}; keys must be "),
        (
            {"imge": "x"},
            "^keys: a batch has no part 'imge'; the parts are image, label, index, valid, and the "
            "metadata columns index, roi_id, .*; did you mean image\\?$",
        ),
        (
            {"x": "image"},
            "^keys: a batch has no part .x.; .*; the part comes first: {.image.: .x.}$",
        ),
        ({4: "x"}, "^keys: a batch has no part 4; "),
        ({"image": 3}, "^keys: the name of image is 3; it must be a text, such as "),
        ({"image": ""}, "^keys: the name of image is ''; it must be a text, such as "),
        (
            {"image": "x", "roi_id": "x"},
            "^keys gives the name 'x' to image and to roi_id; each part needs a name of its own$",
        ),
        (
            {"image": "x", "label": "y"},
            r"^keys names label, but no labels are read; pass labels= to ds\.reader, or leave it",
        ),
        (
            {"image": "x", "valid": "v"},
            r"^keys names valid, but no mask is read; pass valid=True to ds\.reader, or leave it ",
        ),
    ],
)
def test_wrong_keys_are_refused_before_anything_is_read(ds, keys, message):
    with pytest.raises(RequestError, match=message):
        ds.reader("L1C", keys=keys)
    with pytest.raises(RequestError, match=message):
        cloudio.Loader(ds.reader("L1C"), 2, keys=keys)
