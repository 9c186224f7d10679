"""Requests that are refused before anything is written, and files that change."""

import builders
import numpy as np
import pytest
from reads import L1C

import cloudio
from cloudio import RequestError, TruncatedError

# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ([0, 7], IndexError, r"index\[1\] = 7; there are 7 patches"),
        ([-8], IndexError, r"index\[0\] = -8; there are 7 patches"),
        (np.array([2**64 - 1], np.uint64), IndexError, r"index\[0\] = 18446744073709551615"),
        ([2**63], IndexError, "there are 7 patches"),
        ([True, False], RequestError, "index has dtype bool; it must hold whole numbers"),
        ([1.0], RequestError, "index has dtype float64"),
        (["1"], RequestError, r"index=\['1'\]; index must be whole numbers, such as"),
        (None, RequestError, r"index=None; index must be whole numbers, such as \[0, 3, 5\]"),
        ([2**70], RequestError, r"index=\[1180591620717411303424\]; .*; it is too large"),
        ({0}, RequestError, r"index=\{0\}; .*; a set has no order"),
        (slice(3), RequestError, r"index=slice.*reader\[0:4\] reads a slice"),
        ([[0, 1]], RequestError, r"index has shape \(1, 2\); it must have one dimension"),
        (np.zeros((0, 2), int), RequestError, "one dimension"),
    ],
)
def test_a_bad_index_writes_nothing(reader, index, error, message):
    out = reader.allocate(np.size(index))
    out.image.fill(np.nan)
    out.label.fill(77)
    with pytest.raises(error, match=message):
        reader.read(index, out=out)
    assert np.isnan(out.image).all()
    assert (out.label == 77).all()


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ((33, 0), r"origin = \(33, 0\); a window of 8 x 9 in .* must begin between \(0, 0\) and"),
        ([(0, 0), (0, 40)], r"origin\[1\] = \(0, 40\)"),
        ((-1, 0), r"origin = \(-1, 0\)"),
        ((0.0, 1.0), "origin has dtype float64; it must hold whole numbers"),
        ((True, False), "origin has dtype bool"),
        (
            (1, 2, 3),
            r"origin has shape \(3,\); give one \(row, col\) for all samples, or 2",
        ),
        ([(0, 0)], r"origin has shape \(1, 2\)"),
        (5, r"origin has shape \(\)"),
        (np.array([2**64 - 1, 0], np.uint64), "origin ="),
    ],
)
def test_a_bad_origin_writes_nothing(reader, origin, message):
    out = reader.allocate(2)
    out.image.fill(np.nan)
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], origin, out=out)
    assert np.isnan(out.image).all()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        (
            {"bands": "B5"},
            r"there is no band or preset 'B5'; presets are L1C, .*; .* has L1C_B2, L1",
        ),
        ({"labels": "L1C"}, "labels='L1C'; L1C is a preset of bands, not a label"),
        ({"bands": "B4"}, "'B4' is ambiguous; in .* it can be L1C_B4 or L2A_B4: give one"),
        ({"bands": []}, "bands is empty"),
        ({"bands": 3}, "bands=3; bands must be a preset, a name, or a sequence"),
        ({"bands": [1]}, r"bands=\[1\]; bands must be a preset"),
        ({"labels": "nothing"}, "no array 'nothing'"),
        ({"labels": []}, "labels is empty"),
        ({"labels": 3}, "labels=3; labels must be a name, a sequence of names, or a mapping"),
        ({"labels": ["hq", "LABEL_hq"]}, "names LABEL_hq twice"),
        ({"labels": ["hq", "hq"]}, "names LABEL_hq twice"),
        (
            {"labels": {"hq": "paper"}},
            "LABEL_hq has no policy 'paper'; its policies: 'card', 'authors'",
        ),
        (
            {"labels": "L1C_B2"},
            "L1C_B2 has no label map in Small, where it is a band, not a label: write kind = .label"
            ". for it, if it is one. Give {'L1C_B2': None} for codes as stored, or",
        ),
        (
            {"labels": {"L1C_B2": "paper"}},
            "L1C_B2 has no policy 'paper': it has no label map in Small",
        ),
        ({"scale": 0}, "scale=0; scale must be numbers other than 0, or None"),
        (
            {"bands": ["B2", "B3"], "scale": [1, 0.0]},
            r"scale=\[1, 0.0\]; scale must be numbers other",
        ),
        ({"labels": "S1_VV"}, "S1_VV is stored as float32; a label must hold whole numbers"),
        ({"labels": {"hq": {0: 300}}}, "LABEL_hq: class 300 does not fit uint8"),
        ({"labels": {"L1C_B2": None}}, "codes of 2 bytes, which uint8 cannot"),
        ({"size": 0}, "size=0; the stored patch is 40 x 48, so size must be from 1 x 1 to 40 x 48"),
        ({"size": -3}, "size=-3; the stored patch is 40 x 48, so size must be from 1 x 1"),
        (
            {"size": 41},
            "size=41; the stored patch is 40 x 48, so size must be from 1 x 1 to 40 x 48",
        ),
        ({"size": (8, 49)}, r"size=\(8, 49\)"),
        ({"size": 8.0}, "size=8.0; size must be a whole number or"),
        ({"size": True}, "size=True; size must be a whole number"),
        ({"size": (1, 2, 3)}, r"size=\(1, 2, 3\); size must be a whole number"),
        (
            {"dtype": "float64"},
            "dtype='float64'; dtype must be one of float32, float16, bfloat16, int16, uint16, ",
        ),
        ({"dtype": "nonsense"}, "dtype='nonsense'"),
        ({"dtype": ">f4"}, "dtype='>f4'"),
        ({"dtype": "uint16"}, "L1C_B2 is stored as int16, not as uint16"),
        ({"dtype": "int16", "scale": 2.0}, "scale=2.0 with dtype='int16'"),
        ({"dtype": "int16", "mean": 0.0}, "mean=0.0 with dtype='int16'"),
        ({"dtype": "int16", "clip": (0, 1)}, r"clip=\(0, 1\) with dtype='int16'"),
        ({"dtype": "int16", "fill": 0}, "fill=0 with dtype='int16'"),
        ({"layout": "NWHC"}, "layout='NWHC'; layout must be 'NCHW' or 'NHWC'"),
        ({"layout": np.array([])}, r"layout=array\(\[\].*\); layout must be 'NCHW' or 'NHWC'"),
        ({"dtype": "int16", "scale": np.ones(2)}, r"scale=array\(\[1., 1.\]\) with dtype='int16'"),
        ({"clip": (1, 0)}, r"clip=\(1, 0\) is reversed; clip must be \(lowest, highest\)"),
        ({"clip": 1}, r"clip=1; clip must be \(lowest, highest\), each a number or None"),
        ({"clip": (0, float("nan"))}, r"clip=\(0, nan\); clip must be \(lowest, highest\)"),
        ({"clip": (0, True)}, r"clip=\(0, True\); clip must be \(lowest, highest\)"),
        ({"fill": "zero"}, "fill='zero'; fill must be a number"),
        ({"fill": 1e6, "dtype": "float16"}, "fill=1000000.0 overflows float16"),
        ({"fill": 3.4e38, "dtype": "bfloat16"}, r"fill=3.4e\+38 overflows bfloat16"),
        ({"fill": 10**400}, "fill=1000.*; fill must be a number"),
        ({"fill": True}, "fill=True; fill must be a number"),
        ({"clip": (0, 10**400)}, r"clip=\(0, 1000.*; clip must be \(lowest, highest\)"),
        ({"clip": (1e39, None)}, r"clip=\(1e\+39, None\) overflows float32"),
        ({"valid": "no"}, "valid='no'; valid must be True or False"),
        ({"valid": np.array([1, 2])}, "must be True or False"),
        ({"mean": "1"}, "mean='1'; mean must be a number, or one number per band"),
        ({"std": True}, "std=True; std must be a number, or one number per band"),
        ({"scale": 1j}, "scale=1j; scale must be a number, or one number per band"),
        ({"std": [1, 1, 1]}, r"std has shape \(3,\), but there are 4 bands; give one number"),
        ({"std": float("nan")}, "std=nan; std must be finite"),
        ({"scale": 10**400}, "scale=1000.*; scale must be a number, or one number per band"),
        ({"scale": "radiance"}, "scale='radiance'; scale must be 'reflectance', None or numbers"),
        ({"scale": [1.0]}, r"scale has shape \(1,\), but there are 4 bands; give one number"),
        ({"scale": float("nan")}, "scale=nan; scale must be finite"),
        ({"scale": 1e39}, "overflow float32"),
        ({"mean": "x"}, "mean='x'; mean must be a number, or one number per band"),
        ({"std": 0.0}, "std=0.0; std must be numbers above 0"),
        ({"std": [1, 1, -1, 1]}, "numbers above 0"),
        ({"std": float("inf")}, "std must be finite"),
        ({"label_dtype": "int32"}, "label_dtype='int32'; label_dtype must be one of uint8, int64"),
        (
            {"labels": "hq", "ignore": -1},
            "ignore=-1; labels are uint8, so ignore must be a whole number from 0 to 255; label_d",
        ),
        (
            {"labels": "hq", "ignore": 1.5},
            "ignore=1.5; labels are uint8, so ignore must be",
        ),
        ({"threads": 0}, "threads=0; threads must be a whole number, 1 or more"),
        ({"threads": True}, "threads=True"),
        ({"threads": 2.0}, "threads=2.0"),
    ],
)
def test_impossible_settings_are_refused(small, settings_, message):
    with pytest.raises(RequestError, match=message):
        small[0].reader(**{"bands": "L1C", **settings_})


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        (8, "symmetry = 8; it must be 0..7"),
        (-1, "symmetry = -1; it must be 0..7"),
        ([0, 9], r"symmetry\[1\] = 9; it must be 0..7"),
        (
            [0, 5],
            r"symmetry\[1\] = 5 is a quarter turn, which needs a square window; this one is 8",
        ),
        (1.0, "symmetry has dtype float64; it must hold whole numbers"),
        (True, "symmetry has dtype bool"),
        ([0, True], "symmetry holds True or False"),
        ([0], r"symmetry has shape \(1,\); give one number for all samples, or 2 numbers"),
        ([[0, 0]], r"symmetry has shape \(1, 2\)"),
    ],
)
def test_a_bad_symmetry_writes_nothing(reader, symmetry, message):
    out = reader.allocate(2)
    out.image.fill(np.nan)
    with pytest.raises(RequestError, match=message):
        reader.read([0, 1], symmetry=symmetry, out=out)
    assert np.isnan(out.image).all()


def test_negative_ignore_needs_int64(small):
    batch = small[0].reader("B8A", "hq", label_dtype="int64", ignore=-100).read([0])
    assert set(np.unique(batch.label)) == {-100, 0, 1, 2, 3}


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_splits_of_two_types_are_refused_by_name(tmp_path):
    builders.write_split(tmp_path / "train", 2)
    builders.write_split(tmp_path / "val", 1, dtypes={"LABEL_hq": "int16"})
    dataset = cloudio.open(tmp_path, layout=builders.SMALL)
    with pytest.raises(RequestError, match="LABEL_hq is uint8 in train, int16 in val; read these"):
        dataset.reader(L1C, "hq")
    with pytest.warns(UserWarning, match="LABEL_hq is int16 by the sizes of its files"):
        reader = dataset.split("val").reader(L1C, "hq")
    assert reader.read([0]).label.dtype == np.uint8


# ---- files that change ---------------------------------------------------------------------------


def test_a_file_cut_after_opening_is_found_before_anything_is_written(tmp_path):
    builders.write_root(tmp_path, {"train": 2, "val": 2})
    dataset = cloudio.open(tmp_path, layout=builders.SMALL)
    reader = dataset.reader(L1C, "hq")
    out = reader.allocate(1)
    out.image.fill(np.nan)
    path = tmp_path / "val" / "L1C_B3.dat"
    with open(path, "r+b") as file:
        file.truncate(5000)
    reader.read([0, 1])  # the other split is whole
    with pytest.raises(TruncatedError, match=r"val/L1C_B3.dat holds 5,000 bytes; it held 7,680"):
        reader.read([3], out=out)
    assert np.isnan(out.image).all()
    with open(tmp_path / "train" / "LABEL_hq.dat", "r+b") as file:
        file.truncate(0)
    with pytest.raises(TruncatedError, match=r"train/LABEL_hq\.dat holds 0 bytes"):
        reader.read([0], out=out)
