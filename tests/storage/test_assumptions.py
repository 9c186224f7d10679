"""A folder without a layout is taken for CloudSEN12 only if something shows that it is."""

import pickle
import warnings

import numpy as np
import pytest
from builders import pixels, write_split
from own_files import refusal
from warned import warned, warnings_and_result

import cloudio
from cloudio import CLOUDSEN12, CloudioWarning, LayoutError
from cloudio.cli import main

OWN = "index,place\n0,a\n1,b\n2,c\n"  # of no release
RELEASE = "index,roi_id\n0,a\n1,b\n2,c\n"
ALONE = (
    "no layout is given or found, and it is read as CloudSEN12 by the names of its files alone: "
    "neither a metadata.csv of that data set nor its padding of zeros is there"
)
OTHER_NAMES = (
    "no layout is given or found, and it is read as CloudSEN12, although its names are not those "
    "of that data set ({file} is taken for {name})"
)


def padded(name="B4", n=3, dtype="int16", side=512):
    array = pixels(name, (n, side, side), dtype)
    array[:, 0] = array[:, 510:] = array[:, :, 0] = array[:, :, 510:] = 0
    return array


def write(folder, arrays, csv=None):
    folder.mkdir(exist_ok=True)
    for file, array in arrays.items():
        array.tofile(folder / file)
    if csv is not None:
        (folder / "metadata.csv").write_text(csv)
    return folder


def random(n=3, dtype="int16"):
    return pixels("B4", (n, 512, 512), dtype)


@pytest.mark.parametrize(
    ("arrays", "csv"),
    [
        ({"L1C_B4.dat": random()}, RELEASE),
        ({"L1C_B04.dat": random(), "manual_hq.dat": random(dtype="uint8")}, RELEASE),
        ({"B4.dat": random(), "target.dat": random(dtype="uint8")}, RELEASE),
        ({"L1C_B4.dat": padded()}, None),
        ({"l1c_b04.dat": padded()}, OWN),
        ({"L2A_B4.dat": padded(n=1)}, None),
        ({"L1C_B4.dat": padded(), "LABEL_manual_hq.dat": random(dtype="uint8") % 2}, RELEASE),
        ({"train_B04.dat": padded(), "train_target.dat": padded("t", dtype="uint8")}, None),
        ({"L1C_B4.dat": padded(), "own.dat": padded("own")}, None),
        ({"S1_VV.dat": padded("S1", dtype="float32")}, RELEASE),
    ],
)
def test_what_shows_itself_to_be_cloudsen12_opens_without_a_word(tmp_path, arrays, csv):
    folder = write(tmp_path / "data", arrays, csv)
    texts, ds = warnings_and_result(lambda: cloudio.open(folder))
    assert texts == []
    assert ds.layout is CLOUDSEN12
    assert len(ds) == len(next(iter(arrays.values())))
    assert not [f for f in cloudio.verify(folder, full=False).findings if f.check == "layout"]


@pytest.mark.parametrize("csv", [None, OWN])
@pytest.mark.parametrize(
    "array",
    [
        random(),
        np.zeros((3, 512, 512), "i2"),  # nothing but padding
        np.ones((3, 512, 512), "i2"),
        padded(n=12, side=256).reshape(3, 512, 512),  # patches of another size
        np.concatenate([padded(n=1), random(2)]),  # padding in one of them
        np.roll(padded(), 1, axis=1),  # other padding: rows 2..510
        np.roll(padded(), -1, axis=2),
    ],
)
def test_files_with_its_names_alone_are_read_with_a_warning(tmp_path, array, csv):
    folder = write(tmp_path / "train", {"L1C_B4.dat": array}, csv)
    texts, ds = warnings_and_result(lambda: cloudio.open(folder))
    assert [text for text in texts if ALONE in text]
    assert f"train: {ALONE}" in ds.warnings
    assert np.array_equal(ds["L1C_B4"], array)
    assert warned(lambda: cloudio.open(folder)) == []  # once
    assert warned(lambda: cloudio.open(folder, layout=CLOUDSEN12)) == []  # confirmed
    (finding,) = [f for f in cloudio.verify(folder, full=False).findings if f.check == "layout"]
    assert (finding.severity, finding.split, finding.message) == ("warning", "train", ALONE)


def test_labels_alone_show_nothing_by_their_padding_if_all_is_clear(tmp_path):
    write(tmp_path, {"LABEL_manual_hq.dat": np.zeros((3, 512, 512), "u1")})
    with pytest.warns(CloudioWarning, match="by the names of its files alone"):
        cloudio.open(tmp_path)


@pytest.mark.parametrize(
    ("file", "name", "array", "csv"),
    [
        ("B4.dat", "L1C_B4", random(), OWN),
        ("B08A.dat", "L1C_B8A", random(), OWN),
        ("B4.dat", "L1C_B4", padded(), None),
        ("target.dat", "LABEL_manual_hq", random(dtype="uint8"), OWN),
    ],
)
def test_short_names_are_read_with_a_warning_if_the_size_of_a_patch_is_shown(
    tmp_path, file, name, array, csv
):
    folder = write(tmp_path / "data", {file: array}, csv)
    (text,), ds = warnings_and_result(lambda: cloudio.open(folder))
    assert OTHER_NAMES.format(file=file, name=name) in text
    assert np.array_equal(ds[name], array)


@pytest.mark.parametrize(
    "arrays",
    [
        {f"B{k:02d}.dat": pixels("x", (20, 256, 256), "uint16") for k in (2, 3, 4)},
        {"B02.dat": random(), "B03.dat": random()},
        {"red.dat": random(), "mask.dat": random(dtype="uint8")},
        {"red.dat": padded()},
        {"S1_VV.dat": random(dtype="float32"), "mask.dat": random(dtype="uint8")},
        {"target.dat": random(dtype="uint8")},
        {"B02.dat": pixels("x", (3, 100, 100), "uint16")},
    ],
)
def test_other_files_are_refused_and_named(tmp_path, arrays):
    folder = write(tmp_path / "data", arrays)
    words = (
        f"{folder} has no layout: layout= (--layout) is not given, there is no cloudio.toml, and "
        "it is not taken for CloudSEN12, whose files have names such as L1C_B1.dat. "
    )
    first = next(iter(arrays))
    with refusal(LayoutError, words, first, f"Write this into {folder / 'cloudio.toml'}"):
        cloudio.open(folder)
    with refusal(LayoutError, words, first):
        cloudio.verify(folder)


def test_own_files_with_own_rows_are_refused_too(tmp_path):
    write(tmp_path, {"red.dat": random()}, OWN)
    with refusal(LayoutError, "has no layout", "3 rows in metadata.csv", "512 x 512 pixels"):
        cloudio.open(tmp_path)


def test_the_commands_refuse_in_the_same_words(tmp_path, capsys):
    write(tmp_path, {"B02.dat": pixels("x", (20, 256, 256), "uint16")})
    said = []
    for command in ("info", "verify"):
        assert main([command, str(tmp_path)]) == 2
        said.append(capsys.readouterr().err.split("has no layout")[1])
    assert said[0] == said[1]


def test_info_lists_what_is_assumed(tmp_path, capsys):
    write(tmp_path / "val", {"L1C_B4.dat": random()})
    assert warned(lambda: main(["info", str(tmp_path)])) == []
    assert f"val: {ALONE}" in capsys.readouterr().out


def test_own_names_whose_sizes_do_not_fit_say_what_is_assumed(tmp_path):
    write(tmp_path, {"L1C_B4.dat": pixels("x", (20, 256, 255), "uint16")})
    words = "no layout is given or found, so CloudSEN12 is assumed: describe other data in"
    with refusal(LayoutError, "L1C_B4.dat holds 2,611,200 bytes", words, "cloudio.toml"):
        cloudio.open(tmp_path)


def test_one_cut_file_among_many_is_named_as_ever(tmp_path):
    write_split(tmp_path, 3, CLOUDSEN12, names=["L1C_B2", "L1C_B3", "L1C_B4"])
    with open(tmp_path / "L1C_B3.dat", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(
        LayoutError, match=r"L1C_B3.dat holds 1,000 bytes.*metadata.csv has 3 rows, and"
    ):
        cloudio.open(tmp_path)


def test_a_split_that_nothing_shows_is_told_beside_one_that_is_shown(tmp_path):
    write(tmp_path / "train", {"L1C_B4.dat": padded(), "B3.dat": padded("B3")})
    write(tmp_path / "val", {"B4.dat": random(), "B3.dat": random()})
    (text,), ds = warnings_and_result(lambda: cloudio.open(tmp_path))
    sentence = "val: nothing shows that it belongs to the same data set as the other splits"
    assert sentence in text
    assert sentence in ds.warnings


def test_a_pickle_is_not_asked_again(tmp_path):
    write(tmp_path, {"L1C_B4.dat": random()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pickled = pickle.dumps(cloudio.open(tmp_path))
    (tmp_path / "L1C_B4.dat").rename(tmp_path / "B4.dat")
    assert warned(lambda: pickle.loads(pickled)) == []


def test_a_given_layout_is_never_doubted(tmp_path):
    write(tmp_path, {"red.dat": random()})
    ds = cloudio.open(tmp_path, layout=CLOUDSEN12)
    assert ds.names == ("red",)
    assert ds.warnings == (
        f"{tmp_path.name}: red.dat is not in the layout CloudSEN12; "
        "cloudio reads it as int16, by its size",
    )
