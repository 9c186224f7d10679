"""What a terminal and a notebook show of data sets, readers and batches."""

import builders
import numpy as np
import pytest
from builders import SMALL

import cloudio
from cloudio import LabelMap
from cloudio._utils import warn


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("<reprs>")  # a folder may be called so
    names = [band.name for band in SMALL.bands]
    builders.write_split(root / "train", 3, names=names)
    builders.write_split(root / "val", 2, names=[*names, "odd"], dtypes={"LABEL_sc": "int16"})
    with warn.suppressed():  # of the file that one split has alone
        return cloudio.open(root, layout=SMALL)


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_a_data_set_says_what_it_has(ds):
    said = repr(ds)
    first, geometry, *_ = said.splitlines()
    assert first == f"<cloudio.Dataset Small at {ds.path}: 5 patches (train 3, val 2), 14 arrays>"
    assert geometry == "patches of 40 x 48, valid window 35 x 41 from (1, 2); io mmap"
    assert ["L1C", "4", "int16", "0.000", "B2", "B3", "B4", "B8A"] in rows(said)
    assert ["EXTRA", "3", "uint16/uint8", "0.000", "count", "depth", "cover"] in rows(said)
    assert ["LABEL", "3", "int16/uint8", "0.000", "hq", "sc", "percent"] in rows(said)
    assert f"warning: {ds.warnings[0]}" in said.splitlines()
    assert said.count("warning: ") == len(ds.warnings) == 3


def test_sizes_are_those_of_the_patches_that_are_there(tmp_path):
    builders.write_split(tmp_path, 2, cloudio.CLOUDSEN12, names=["B4", "B3", "S1_VV"])
    ds = cloudio.open(tmp_path)
    assert ["L1C", "2", "int16", "0.002", "B3", "B4"] in rows(repr(ds))  # 2 * 2 * 512 * 512 * 2
    assert ["S1", "1", "float32", "0.002", "VV"] in rows(repr(ds))
    assert ["L1C", "2", "int16", "0.001", "B3", "B4"] in rows(repr(ds.subset([1])))
    assert ["L1C", "2", "int16", "0.000", "B3", "B4"] in rows(repr(ds.subset([])))


def test_sizes_are_those_of_all_splits(tmp_path):
    builders.write_root(tmp_path, {"train": 2, "val": 1}, cloudio.CLOUDSEN12, names=["B4"])
    whole = cloudio.open(tmp_path)
    assert ["L1C", "1", "int16", "0.002", "B4"] in rows(repr(whole))
    assert ["L1C", "1", "int16", "0.001", "B4"] in rows(repr(whole.split("val")))


def test_a_closed_data_set_still_says_what_it_has(tmp_path):
    builders.write_split(tmp_path, 1)
    with cloudio.open(tmp_path, layout=SMALL) as ds:
        before = repr(ds)
    assert repr(ds) == before


def test_a_notebook_shows_the_same_escaped(ds):
    page = ds._repr_html_()
    assert "<reprs>" not in page
    assert "cloudio.Dataset Small: 5 patches, 14 arrays" in page
    assert "patches of 40 x 48, valid window 35 x 41 from (1, 2); io mmap" in page
    for words in ("train", "val", "uint16/uint8", "count depth cover", str(len(ds))):
        assert words in page
    assert page.count("<li>") == len(ds.warnings)
    assert page.count("<table>") == page.count("</table>") == 2
    assert ds.split("train")._repr_html_().endswith("no warnings</div>")


def test_a_reader_says_what_is_read_and_how(ds):
    train = ds.split("train")
    own = LabelMap({0: 1})
    labels = {"hq": "authors", "sc": None, "percent": own}
    reader = train.reader("L1C", labels, size=(8, 9), mean=0.5, clip=(0, 1), ignore=9)
    first, *more = repr(reader).splitlines()
    assert first == (
        "<cloudio.Reader of 3 patches: (4, 8, 9) float32, bands L1C_B2, L1C_B3, L1C_B4, L1C_B8A, "
        "labels LABEL_hq, LABEL_sc, LABEL_percent>"
    )
    told = dict(line.split(None, 1) for line in more if not line.startswith("data set"))
    assert told == {
        "size": "8 x 9, NCHW",
        "scale": "reflectance",
        "mean": "0.5",
        "clip": "(0.0, 1.0)",
        "LABEL_hq": "authors, uint8",
        "LABEL_sc": "codes as stored, uint8",
        "LABEL_percent": "LabelMap({0: 1}), else 9, uint8",
    }
    assert more[-1].split(None, 2)[2] == f"Small at {ds.path}, io mmap"
    page = reader._repr_html_()
    assert "<reprs>" not in page
    for words in ("(4, 8, 9) float32", "L1C_B2, L1C_B3", *told.values()):
        assert words in page


@pytest.mark.parametrize(
    ("bands", "settings", "scale"),
    [
        ("L1C", {"dtype": "int16"}, "as stored"),
        ("L1C", {"scale": None}, "as stored"),
        ("L1C", {"scale": 0.5}, "0.5"),
        ("S1", {}, "reflectance"),
    ],
)
def test_a_reader_says_how_numbers_become_others(ds, bands, settings, scale):
    said = repr(ds.split("train").reader(bands, **settings))
    assert ["scale", *scale.split()] in rows(said)


def test_a_reader_tells_its_maps_and_settings(ds):
    reader = ds.split("train").reader("L1C", ["hq", "percent"], ignore=9)
    assert reader.label_maps == {
        "LABEL_hq": SMALL.label_maps["LABEL_hq"]["card"],
        "LABEL_percent": LabelMap.threshold(50),
    }
    assert reader.policies == {"LABEL_hq": "card", "LABEL_percent": "card"}
    assert "LABEL_percent  card, else 9, uint8" in repr(reader)
    assert reader.settings["ignore"] == 9
    with pytest.raises(TypeError):
        reader.settings["ignore"] = 1
    again = cloudio.Reader(reader.dataset, **reader.settings)
    assert repr(again) == repr(reader)
    plain = reader.dataset.reader("L1C", {"hq": None, "sc": LabelMap({})})
    assert plain.policies == {"LABEL_hq": None, "LABEL_sc": None}
    assert plain.label_maps == {"LABEL_hq": None, "LABEL_sc": LabelMap({})}


def test_a_batch_shows_shapes_and_not_pixels_and_stays_a_tuple(ds):
    reader = ds.split("train").reader("L1C", "hq", size=(8, 9))
    batch = reader.read([2, 0])
    assert repr(batch) == "Batch(image=float32 (2, 4, 8, 9), label=uint8 (2, 8, 9), index=[2, 0])"
    assert str(reader[1]) == "Batch(image=float32 (4, 8, 9), label=uint8 (8, 9), index=1)"
    many = reader.read([0] * 9)
    assert repr(many).endswith("index=int64 (9,))")
    image, label, index = batch
    assert image is batch[0]
    assert label is batch.label
    assert np.array_equal(index, [2, 0])
    masked = ds.split("train").reader("S1", size=8, valid=True).read([1])
    assert repr(masked) == (
        "MaskedBatch(image=float32 (1, 2, 8, 8), label=None, index=[1], valid=uint8 (1, 8, 8))"
    )
