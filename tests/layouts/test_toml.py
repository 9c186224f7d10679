"""Layouts from TOML files, what is wrong with some, and that what is written is read back."""

import dataclasses
import math
import os
import pickle
import re
import shutil

import builders
import numpy as np
import pytest
from builders import SMALL, pixels, write_root, write_split
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT

import cloudio
from cloudio import CLOUDSEN12, Band, LabelMap, Layout, LayoutError, RequestError, Window
from cloudio.cli import info
from cloudio.cli.inventory import effective_layout
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml

DOCS = ROOT / "docs" / "layouts.md"

WHOLE = """\
# every key there is
name = "Whole"
patch = [40, 48]
valid = [1, 2, 35, 41]
prefixes = ["S2_", "S1_"]

[[arrays]]
names = [
    "S2_B2",  # in the order of the file
    "S2_B3", "S2_B4",
]
file = "*_S2.npy"
stacked = true
dtype = "uint16"
scale = 1e-4
offset = -1000
wavelengths = [496.6, 560, 664.5]

[[arrays]]
names = ["S1_VV", "S1_VH"]
file = "{name}.npy"
dtype = "float32"
nodata = nan

[[arrays]]
names = ["red", "blue"]
file = "rgb.dat"
channels = 3
channel = [0, 2]
dtype = "int16"
scale = "unknown"

[[arrays]]
name = "height"
dtype = "int16"
nodata = -32768
wavelength = 1.5

[[arrays]]
name = "water"
kind = "label"
dtype = "int8"
channel = 1
channels = 2
file = "labels.dat"

[[arrays]]
name = "percent"
kind = "label"
stacked = true
dtype = "uint8"

[presets]
rgb = ["S2_B4", "S2_B3", "S2_B2"]
some = [["red", "blue"], ["S1_VV"]]

[aliases]
dem = "height"

[label_maps.water.flood]
classes = { 0 = 0, 1 = 1, -1 = "ignore" }

[label_maps.water.both]
unlisted = 1
[label_maps.water.both.classes]
0 = 0

[label_maps.percent]
half = { threshold = 50 }
low = { threshold = 3, top = 10 }
"""

LAYOUT = Layout(
    name="Whole",
    patch=(40, 48),
    valid=Window(1, 2, 35, 41),
    bands=(
        *(
            Band(
                name,
                dtype="uint16",
                scale=1e-4,
                offset=-1000.0,
                wavelength=wavelength,
                file="*_S2.npy",
                channel=k,
                channels=3,
            )
            for k, (name, wavelength) in enumerate(
                {"S2_B2": 496.6, "S2_B3": 560.0, "S2_B4": 664.5}.items()
            )
        ),
        Band("S1_VV", dtype="float32", nodata=math.nan, file="{name}.npy"),
        Band("S1_VH", dtype="float32", nodata=math.nan, file="{name}.npy"),
        Band("red", scale=None, file="rgb.dat", channel=0, channels=3),
        Band("blue", scale=None, file="rgb.dat", channel=2, channels=3),
        Band("height", nodata=-32768.0, wavelength=1.5),
        Band("water", "label", "int8", file="labels.dat", channel=1, channels=2),
        Band("percent", "label", "uint8", channel=0, channels=1),
    ),
    presets={
        "rgb": (("S2_B4", "S2_B3", "S2_B2"),),
        "some": (("red", "blue"), ("S1_VV",)),
    },
    label_maps={
        "water": {
            "flood": LabelMap({0: 0, 1: 1, -1: None}),
            "both": LabelMap({0: 0}, unlisted=1),
        },
        "percent": {"half": LabelMap.threshold(50), "low": LabelMap.threshold(3, top=10)},
    },
    aliases={"dem": "height"},
    prefixes=("S2_", "S1_"),
)


def toml(folder, text, name="my.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_whole(folder, n=2, marker="1"):
    """A split of WHOLE, and its arrays."""
    folder.mkdir(exist_ok=True, parents=True)
    s2 = pixels(f"s2{marker}", (n, 3, 40, 48), "uint16")
    np.save(folder / f"{marker}_S2.npy", s2)
    rgb, labels = (
        pixels("rgb", (n, 3, 40, 48), "int16"),
        pixels("labels", (n, 2, 40, 48), "int8"),
    )
    rgb.tofile(folder / "rgb.dat")
    labels.tofile(folder / "labels.dat")
    arrays = {f"S2_B{k + 2}": s2[:, k] for k in range(3)}
    arrays |= {"red": rgb[:, 0], "blue": rgb[:, 2], "water": labels[:, 1]}
    for name in ("S1_VV", "S1_VH"):
        arrays[name] = pixels(name, (n, 40, 48), "float32")
        np.save(folder / f"{name}.npy", arrays[name])
    arrays["height"] = pixels("height", (n, 40, 48), "int16")
    arrays["height"].tofile(folder / "DEM.dat")
    percent = pixels("percent", (n, 1, 40, 48), "uint8")
    np.save(folder / "percent.npy", percent)
    return arrays | {"percent": percent[:, 0]}


def refusal(error, *words):
    """Expect an error whose message has these words, in that order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(word)) for word in words))


# ---- reading -------------------------------------------------------------------------------------


def test_every_key_is_read(tmp_path):
    layout = Layout.from_toml(toml(tmp_path, WHOLE))
    for field in dataclasses.fields(Layout):
        if field.compare:
            assert getattr(layout, field.name) == getattr(LAYOUT, field.name), field.name
    assert layout == LAYOUT
    assert Layout.from_toml(str(tmp_path / "my.toml")) == LAYOUT


def test_what_can_be_left_out_has_the_defaults_of_python(tmp_path):
    text = 'name = "X"\npatch = [4, 6]\n[[arrays]]\nname = "a"\ndtype = "int16"\n'
    assert Layout.from_toml(toml(tmp_path, text)) == Layout(
        "X", (4, 6), Window(0, 0, 4, 6), (Band("a"),)
    )


@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_editors_may_end_lines_and_begin_files_as_they_do(tmp_path, start, end):
    path = tmp_path / "my.toml"
    path.write_bytes((start + WHOLE).replace("\n", end).encode())
    assert Layout.from_toml(path) == LAYOUT
    path.write_bytes((start + WHOLE + "x = 1\n").replace("\n", end).encode())
    line = WHOLE.count("\n") + 1 + start.count("\n")
    with refusal(LayoutError, f"my.toml, line {line}: "):
        Layout.from_toml(path)


def test_tables_in_one_line_are_read(tmp_path):
    text = 'name = "X"\npatch = [4, 6]\narrays = [{ name = "a", dtype = "int16" },'
    assert Layout.from_toml(toml(tmp_path, text + "]\n")).bands == (Band("a"),)
    with refusal(LayoutError, "my.toml, line 3: dtype: b is 'i2'"):
        Layout.from_toml(toml(tmp_path, text + '\n{ name = "b", dtype = "i2" }]\n'))


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        # keys
        ("scale = 1e-4", "scael = 1e-4", 15, "no key 'scael'; [[arrays]] has name, names, kind, "),
        ("prefixes", "prefix", 5, "no key 'prefix'; a layout has name, patch, valid, prefixes"),
        ("unlisted = 1", "other = 1", 64, "no key 'other'; [label_maps.water.both] has classes, "),
        ("top = 10", "tip = 10", 70, "no key 'tip'; [label_maps.percent.low] has classes, "),
        ("[presets]", "[preset]", 53, "no key 'preset'; a layout has"),
        # missing
        ('name = "Whole"', "", 1, "a layout has no 'name', which is needed"),
        ("patch = [40, 48]", "", 1, "a layout has no 'patch', which is needed"),
        ('dtype = "uint16"', "", 7, "[[arrays]] has no 'dtype', which is needed"),
        ('name = "height"', "", 33, "[[arrays]] has neither 'name' nor 'names'; one of them is"),
        ('name = "height"', 'name = "a"\nnames = ["b"]', 35, "[[arrays]] has both 'name' and"),
        ("threshold = 50", "", 69, "[label_maps.percent.half] has neither 'classes' nor 'thresh"),
        ("threshold = 50", "threshold = 50, classes = {}", 69, "has both 'classes' and 'thresh"),
        # kinds of values
        ('"Whole"', "3", 2, "name = 3; a text is needed"),
        ('"Whole"', '""', 2, "name = ''; a text is needed"),
        ("patch = [40, 48]", "patch = 40", 3, "patch = 40; [height, width] is needed"),
        ("patch = [40, 48]", "patch = [40, 48, 1]", 3, "patch = [40, 48, 1]; [height, width] is"),
        ("patch = [40, 48]", "patch = [40.0, 48]", 3, "patch = [40.0, 48]; [height, width] is"),
        ("[1, 2, 35, 41]", "[1, 2]", 4, "valid = [1, 2]; [row, column, height, width] is needed"),
        ('["S2_", "S1_"]', '"S2_"', 5, "prefixes = 'S2_'; a list of texts is needed"),
        ('kind = "label"', 'kind = "mask"', 41, "kind = 'mask'; 'band' or 'label' is needed"),
        ('scale = "unknown"', "scale = true", 31, "scale = True; a number, or 'unknown', is"),
        ('scale = "unknown"', 'scale = "x"', 31, "scale = 'x'; a number, or 'unknown', is needed"),
        ("offset = -1000", 'offset = "-1000"', 16, "offset = '-1000'; a number is needed"),
        ("nodata = nan", "nodata = 1" + "0" * 400, 23, "0; a number is needed"),
        ("nodata = nan", 'nodata = "nan"', 23, "nodata = 'nan'; a number is needed"),
        ("stacked = true", "stacked = 3", 13, "stacked = 3; true or false is needed"),
        ("channel = [0, 2]", 'channel = "a"', 29, "channel = 'a'; a whole number, or of names"),
        ("channels = 3", "channels = [3]", 28, "channels = [3]; a whole number is needed"),
        ("wavelengths = [496.6", "wavelengths = 3 #", 17, "wavelengths = 3; a list of numbers is"),
        ('names = ["red", "blue"]', "names = [1]", 26, "names = [1]; a list of texts is needed"),
        ('file = "rgb.dat"', "file = 1", 27, "file = 1; a text is needed"),
        # values that cannot be
        ("[1, 2, 35, 41]", "[1, 2, 40, 41]", 4, "valid: the valid window has rows 1..40; the pa"),
        ("[40, 48]", "[0, 48]", 3, "patch: patch = (0, 48); (height, width) is needed"),
        ('"float32"', '"float64"', 22, "dtype: S1_VV is 'float64'; uint8, int8, uint16, int16"),
        ("scale = 1e-4", "scale = 0", 15, "scale: S2_B2 has scale 0.0; a finite number but 0"),
        ("offset = -1000", "offset = inf", 16, "offset: S2_B2 has offset inf; a finite number"),
        (
            'scale = "unknown"',
            'scale = "unknown"\noffset = 1',
            32,
            "offset: red has offset 1.0 but",
        ),
        ("wavelength = 1.5", "wavelength = 0", 37, "wavelength: height has wavelength 0.0; nm"),
        ('"labels.dat"', '"../labels.dat"', 45, "file: water has file '../labels.dat'; a name or"),
        ("channel = 1\n", "channel = 2\n", 43, "channel: water has channel 2; 0..1 are there"),
        ("channel = [0, 2]", "channel = [0, 3]", 29, "channel: blue has channel 3; 0..2 are there"),
        ("channel = [0, 2]", "channel = [1, 1]", 29, "channel: red and blue are both in rgb.dat, "),
        ('name = "height"', 'name = "red"', 34, "red is in the layout twice"),
        ('"S2_B3", "S2_B4"', '"S2_B3", "S2_B3"', 8, "S2_B3 is in the layout twice"),
        # things that do not go together
        ("[0, 2]", "[0, 1, 2]", 29, "channel has 3 entries; there are 2 names"),
        ("channel = [0, 2]", "", 28, "channels = 3, of which 2 have names; 'channel', which says"),
        ("channels = 3\n", "", 28, "channel without 'channels', which is needed"),
        ("stacked = true\n", "stacked = false\nchannel = 0\n", 14, "channel with stacked = false"),
        ('file = "*_S2.npy"', "", 7, "names that are stacked are in one file; 'file' without {na"),
        ('"*_S2.npy"', '"{name}.npy"', 12, "names that are stacked are in one file; 'file' wi"),
        ("[496.6, 560, 664.5]", "[496.6]", 17, "wavelengths has 1 entries; there are 3 names"),
        ("wavelength = 1.5", "wavelengths = [1]", 37, "wavelengths with name; wavelength is meant"),
        ("wavelengths = [496.6", "wavelength = 1#", 17, "wavelength with names; wavelengths is"),
        # what is said of arrays
        ('["S1_VV"]]', '["VV"]]', 55, "presets.some: no array 'VV' in [[arrays]]"),
        ('[["red", "blue"], ["S1_VV"]]', "[]", 55, "presets.some = []; a list of names, or sev"),
        ('dem = "height"', 'dem = "heigth"', 58, "aliases.dem: no array 'heigth' in [[arrays]]"),
        ('dem = "height"', "dem = 1", 58, "aliases.dem = 1; a text is needed"),
        ("[label_maps.water.flood]", "[label_maps.red.x]", 60, "label_maps.red: red is a band; "),
        ("[label_maps.water.flood]", "[label_maps.w.x]", 60, "label_maps.w: no array 'w' in [[arr"),
        ('-1 = "ignore"', '-1 = "ignor"', 61, "classes.-1 = 'ignor'; a class, or 'ignore', is ne"),
        ('-1 = "ignore"', "x = 1", 61, "classes: code 'x'; a whole number is needed"),
        ('-1 = "ignore"', "01 = 1", 61, "classes: code 1 is there twice"),
        ("\n0 = 0\n", "\n0 = 0\n7 = 1.5\n", 67, "classes.7 = 1.5; a class, or 'ignore', is needed"),
        ("unlisted = 1", 'unlisted = "clear"', 64, "unlisted = 'clear'; a class, or 'ignore', is"),
        ("threshold = 3,", "threshold = 11,", 70, "threshold 11; 1..10 is needed"),
        ("threshold = 50", "threshold = 0.5", 69, "threshold = 0.5; a whole number is needed"),
        (
            "half = {",
            "half = { unlisted = 1,",
            69,
            "unlisted goes with 'classes', which [label",
        ),
        ("unlisted = 1", "top = 1", 64, "top goes with 'threshold', which [label_maps.water.both"),
        ("half = { threshold = 50 }", "half = 50", 69, "label_maps.percent.half = 50; a table is"),
        # syntax
        ('"Whole"', '"Whole', 2, "'name = \"Whole'"),
        ("scale = 1e-4", "scale = ", 15, "Invalid value: 'scale ="),
        ("offset = -1000", "scale = 2", 16, "Cannot overwrite a value: 'scale = 2'"),
        ("low = { threshold = 3, top = 10 }", "low = [", 70, "'low = ['"),
    ],
)
def test_a_fault_is_told_with_file_line_and_key(tmp_path, old, new, line, words):
    assert old in WHOLE
    path = toml(tmp_path, WHOLE.replace(old, new, 1))
    where = f"{path}, line {line}: "
    with refusal(LayoutError, where, words) as caught:
        Layout.from_toml(path)
    assert str(caught.value).startswith(where)


def test_a_file_that_is_none_is_refused(tmp_path):
    with refusal(LayoutError, "my.toml, line 1: a layout has no 'name', which is needed"):
        Layout.from_toml(toml(tmp_path, ""))
    (tmp_path / "my.toml").write_bytes(b"name = '\xff'")
    with refusal(LayoutError, tmp_path / "my.toml", "is not UTF-8"):
        Layout.from_toml(tmp_path / "my.toml")
    with refusal(FileNotFoundError, "none.toml"):
        Layout.from_toml(tmp_path / "none.toml")


def test_a_pattern_is_refused_with_its_line_and_key(tmp_path):
    path = toml(tmp_path, WHOLE)
    write_whole(tmp_path / "data")
    (tmp_path / "data" / "rgb.dat").unlink()
    with refusal(
        LayoutError,
        f"{path}, line 27: file = 'rgb.dat' of red matches nothing in {tmp_path / 'data'}; one ",
    ):
        cloudio.open(tmp_path / "data", layout=path)
    write_whole(tmp_path / "data", marker="2")
    one, two = (tmp_path / "data" / f"{k}_S2.npy" for k in "12")
    with refusal(
        LayoutError, f"{path}, line 12: file = '*_S2.npy' of S2_B2 matches {one} and {two} in"
    ):
        cloudio.open(tmp_path / "data", layout=path)
    (tmp_path / "empty").mkdir()
    with refusal(LayoutError, f"{path}, line 12: file = '*_S2.npy' of S2_B2 matches nothing in"):
        cloudio.open(tmp_path / "empty", layout=path)


# ---- opening with one ----------------------------------------------------------------------------


def test_a_folder_is_opened_with_a_file(tmp_path):
    path = toml(tmp_path, WHOLE)
    arrays = write_whole(tmp_path / "data" / "train")
    for layout in (path, str(path), Layout.from_toml(path)):
        ds = cloudio.open(tmp_path / "data", layout=layout).split("train")
        assert ds.warnings == ()
        assert set(ds.names) == set(arrays)
        for name, array in arrays.items():
            assert ds[name].tobytes() == array.tobytes()
        assert ds.band("B3") == LAYOUT.bands[1]
        assert ds.valid_window == LAYOUT.valid


def test_an_offset_is_added_before_the_scale(tmp_path):
    arrays = write_whole(tmp_path)
    ds = cloudio.open(tmp_path, layout=toml(tmp_path, WHOLE))
    image = ds.reader(["S2_B3", "S1_VV"], size=(40, 48)).read([1, 0]).image
    factor, summand = np.float32(1e-4), np.float32(-1000 * 1e-4)
    expected = arrays["S2_B3"][[1, 0]].astype("f4") * factor + summand
    assert np.array_equal(image[:, 0], expected)
    assert np.array_equal(image[:, 1], arrays["S1_VV"][[1, 0]], equal_nan=True)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_label_by_its_name_follows_its_first_policy(tmp_path):
    arrays = write_whole(tmp_path)
    ds = cloudio.open(tmp_path, layout=toml(tmp_path, WHOLE))
    for labels in ("water", ["water"], {"water": "flood"}):
        label = ds.reader("red", labels, scale=1).read([0]).label.reshape(35, 41)
        codes = arrays["water"][0, 1:36, 2:43].astype(int)
        assert np.array_equal(label, np.where((codes == 0) | (codes == 1), codes, 255))
    both = ds.reader("red", {"water": "both"}, scale=1).read([0]).label[0]
    assert np.array_equal(both[0], np.where(codes == 0, 0, 1))
    with refusal(RequestError, "red under 'card'; there is no policy: or give a LabelMap"):
        ds.reader("red", "red", scale=1)


def test_the_argument_outweighs_the_folders_file_and_that_the_built_in(tmp_path):
    root = tmp_path / "root"
    write_root(root, {"train": 2, "val": 1})
    with refusal(LayoutError, "3 patches of 512 x 512"):
        write_root(root, {"train": 3, "val": 1})
        cloudio.open(root)
    toml(root, to_toml(dataclasses.replace(SMALL, presets={}, name="Root")), "cloudio.toml")
    other = dataclasses.replace(SMALL, presets={}, name="Val")
    toml(root / "val", to_toml(other), "cloudio.toml")
    assert cloudio.open(root).layout.name == "Root"
    assert cloudio.open(str(root)).split("val").layout.name == "Root"
    assert cloudio.open(root / "val").layout.name == "Val"
    assert cloudio.open(root, layout=SMALL).layout is SMALL
    with refusal(LayoutError, "patches of 512 x 512"):
        cloudio.open(root / "train")
    with refusal(LayoutError, "patches of 512 x 512"):
        cloudio.open(root, layout=CLOUDSEN12)
    # What a shell leaves there before anything has been written to it.
    toml(root, "", "cloudio.toml")
    with refusal(LayoutError, "patches of 512 x 512"):
        cloudio.open(root)
    toml(root, "\n", "cloudio.toml")
    with refusal(LayoutError, root / "cloudio.toml", "line 1: a layout has no 'name'"):
        cloudio.open(root)


def test_a_layout_that_is_not_there_is_refused(tmp_path):
    with refusal(FileNotFoundError, f"no layout {tmp_path / 'none.toml'}"):
        cloudio.open(tmp_path, layout=tmp_path / "none.toml")
    for layout in ("NCHW", tmp_path, tmp_path / "x.json"):
        words = f"layout={os.fspath(layout)!r}; a cloudio.Layout is needed, or a TOML file"
        with refusal(RequestError, words):
            cloudio.open(tmp_path, layout=layout)


# ---- pickles -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_data_set_with_a_file_pickles_small_and_comes_back(tmp_path, monkeypatch):
    arrays = write_whole(tmp_path / "data" / "val")
    toml(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path)
    ds = cloudio.open("data", layout="my.toml").split("val")
    reader = ds.reader(["S2_B2"], "water")
    monkeypatch.chdir("/")
    for part in (ds, ds.subset([1, 0]), reader):
        pickled = pickle.dumps(part)
        assert len(pickled) < 2048
        assert len(pickle.loads(pickled)) == 2
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == LAYOUT
    assert again["S2_B4"].tobytes() == arrays["S2_B4"].tobytes()


def test_a_pickle_whose_layout_changed_is_refused(tmp_path):
    write_whole(tmp_path / "val")
    path = toml(tmp_path, WHOLE)
    pickled = pickle.dumps(cloudio.open(tmp_path / "val", layout=path))
    toml(tmp_path, "# a comment changes nothing\n" + WHOLE)
    assert len(pickle.loads(pickled)) == 2
    for old, new in (("offset = -1000", "offset = -999"), ("1 = 1,", "1 = 0,"), ("nan", "-1")):
        toml(tmp_path, WHOLE.replace(old, new))
        words = f"{path} now has another layout than when {tmp_path / 'val'} was pickled"
        with refusal(LayoutError, words):
            pickle.loads(pickled)
    path.unlink()
    with refusal(FileNotFoundError, "my.toml"):
        pickle.loads(pickled)


def test_a_pickle_keeps_the_layout_that_it_was_opened_with(tmp_path):
    write_split(tmp_path, 1, CLOUDSEN12, names=["L1C_B4"])
    pickled = pickle.dumps(cloudio.open(tmp_path))
    layout = dataclasses.replace(
        CLOUDSEN12, name="Half", patch=(256, 512), valid=Window(0, 0, 9, 9)
    )
    (tmp_path / "metadata.csv").unlink()
    toml(tmp_path, to_toml(layout), "cloudio.toml")
    assert len(cloudio.open(tmp_path)) == 2
    assert pickle.loads(pickled).layout is CLOUDSEN12
    assert len(pickle.loads(pickle.dumps(cloudio.open(tmp_path)))) == 2


def test_a_changed_copy_of_a_layout_from_a_file_is_its_own(tmp_path):
    write_whole(tmp_path / "val")
    layout = dataclasses.replace(Layout.from_toml(toml(tmp_path, WHOLE)), name="Other")
    assert layout.file is None
    again = pickle.loads(pickle.dumps(cloudio.open(tmp_path / "val", layout=layout)))
    assert again.layout == layout


# ---- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout",
    [CLOUDSEN12, LAYOUT, dataclasses.replace(SMALL, presets={"S1": (("S1_VV",),)})],
    ids=lambda layout: layout.name,
)
def test_what_is_written_is_read_back(tmp_path, layout):
    text = to_toml(layout)
    assert Layout.from_toml(toml(tmp_path, text)) == layout
    assert to_toml(Layout.from_toml(tmp_path / "my.toml")) == text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_written_is_for_people():
    bands = Band("a", kind="label", dtype="uint8"), Band("b", dtype="float32", nodata=-3.4e38)
    maps = {"own": LabelMap({0: 0, 1: 1}), "half": LabelMap.threshold(50)}
    layout = Layout("X", (4, 6), Window(0, 1, 4, 5), bands, label_maps={"a": maps})
    assert (
        to_toml(layout)
        == """\
name = "X"
patch = [4, 6]  # height, width
valid = [0, 1, 4, 5]  # row, column, height, width

[[arrays]]
name = "a"
kind = "label"
dtype = "uint8"

[[arrays]]
name = "b"
dtype = "float32"
nodata = -3.4e+38

[label_maps.a.own]
classes = { 0 = 0, 1 = 1 }

[label_maps.a.half]
threshold = 50
"""
    )


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CODES = st.integers(-(2**15), 2**16)
MAPS = st.one_of(
    st.builds(
        LabelMap,
        st.dictionaries(CODES, st.none() | CODES, max_size=5),
        unlisted=st.none() | CODES,
    ),
    st.builds(lambda at, more: LabelMap.threshold(at, top=at + more), *[st.integers(1, 90)] * 2),
    st.just(LabelMap.threshold(1, top=1)),
)


def whole_numbers_of(dtype):
    limits = np.iinfo(dtype)
    return st.integers(limits.min, limits.max).map(float) | st.just(math.nan)


@st.composite
def layouts(draw):
    """Any layout whose presets and aliases point at what is in it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    bands = []
    while len(bands) < len(names):
        scale = draw(st.none() | NUMBERS.filter(bool))
        dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int16", "float32"]))
        number = st.floats(width=32) if dtype == "float32" else whole_numbers_of(dtype)
        alike = {
            "kind": draw(st.sampled_from(["band", "label"])),
            "dtype": dtype,
            "scale": scale,
            "offset": 0.0 if scale is None else draw(NUMBERS),
            "nodata": draw(st.none() | number),
        }
        own = [st.none() | st.floats(0.1, 1e9), st.sampled_from(["own", "by name"])]
        here = names[len(bands) :][: draw(st.integers(1, 4))]
        file = draw(st.none() | st.sampled_from([f"{len(bands)}.npy", f"{len(bands)}/{{name}}"]))
        channels = draw(st.none() | st.integers(len(here), 6))
        if file is not None and "{name}" not in file and len(here) > 1 and channels is None:
            file = None
        order = draw(st.permutations(range(channels or 0)))
        bands += [
            Band(
                name,
                **alike,
                wavelength=draw(own[0]),
                file=file,
                channel=None if channels is None else order[k],
                channels=channels,
            )
            for k, name in enumerate(here)
        ]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3).map(tuple)
    labels = [band.name for band in bands if band.kind == "label"]
    return Layout(
        name=draw(NAMES),
        patch=(40, 48),
        valid=Window(1, 2, 35, 41),
        bands=tuple(bands),
        presets=draw(
            st.dictionaries(NAMES, st.lists(some, min_size=1, max_size=3).map(tuple), max_size=3)
        ),
        label_maps=draw(
            st.dictionaries(
                st.sampled_from(labels), st.dictionaries(NAMES, MAPS, min_size=1, max_size=2)
            )
            if labels
            else st.just({})
        ),
        aliases=draw(st.dictionaries(NAMES, st.sampled_from(names), max_size=3)),
        prefixes=tuple(draw(st.lists(NAMES, max_size=2))),
    )


@given(layouts())
def test_any_layout_is_read_back(tmp_path_factory, layout):
    path = toml(tmp_path_factory.getbasetemp(), to_toml(layout), "any.toml")
    again = Layout.from_toml(path)
    assert again == layout
    assert layout_digest(again) == layout_digest(pickle.loads(pickle.dumps(layout)))


# ---- the effective layout of a folder ------------------------------------------------------------


def described(ds):
    """All that a layout and its files say of a data set."""
    return {
        "layout": effective_layout(ds),
        "splits": {name: list(which) for name, which in ds.splits.items()},
        "names": ds.names,
        "arrays": [split.arrays for split in ds._splits],
        "valid": ds.valid_window,
        "metadata": list(ds.metadata),
    }


def again(tmp_path, folder, **options):
    """A folder opened once more, with what `cloudio info --toml` prints of it."""
    path = toml(tmp_path, info.format_layout(folder, **options), "again.toml")
    return cloudio.open(folder, layout=path)


def test_a_folder_of_every_kind_of_file_is_described_by_its_layout(tmp_path):
    path = toml(tmp_path, WHOLE)
    for split, marker in {"train": "a", "val": "b"}.items():
        write_whole(tmp_path / "data" / split, marker=marker)
    ds = cloudio.open(tmp_path / "data", layout=path)
    other = again(tmp_path, tmp_path / "data", layout=path)
    assert described(other) == described(ds)
    assert other.layout == LAYOUT
    shutil.copy(tmp_path / "again.toml", tmp_path / "data" / "cloudio.toml")
    assert described(cloudio.open(tmp_path / "data")) == described(ds)
    assert info.format_layout(tmp_path / "data") == (tmp_path / "again.toml").read_text()


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_folder_of_cloudsen12_is_described_by_its_layout(tmp_path):
    stems = [
        "L1C_B2",
        "b03",
        "L1C_B04",
        "S1_VV",
        "manual_hq",
        "QA60",
        "s2cloudless",
        "own",
        "strange",
    ]
    root = tmp_path / "data"
    for split, n in {"train": 2, "val": 1}.items():
        dtypes = {"L1C_B2": "float32", "manual_hq": "int16", "own": "uint8"}
        dtypes["strange"] = "int16" if split == "train" else "float32"
        names = [stem for stem in stems if split == "train" or stem != "S1_VV"]
        write_split(root / split, n, CLOUDSEN12, names=names, dtypes=dtypes)
    ds = cloudio.open(root)
    other = again(tmp_path, root)
    assert described(other) == described(ds)
    layout = other.layout
    assert [band.name for band in layout.bands] == [
        "L1C_B2", "L1C_B3", "L1C_B4", "S1_VV", "LABEL_manual_hq", "LABEL_qa60",
        "LABEL_s2cloudless", "own",
    ]  # fmt: skip
    assert layout.band("L1C_B2").scale is None
    assert layout.band("L1C_B2").wavelength == 496.6
    assert layout.band("LABEL_manual_hq").dtype == "int16"
    assert layout.band("own") == Band("own", dtype="uint8", scale=None)
    assert layout.presets == {"rgb": (("L1C_B4", "L1C_B3", "L1C_B2"),)}
    assert {*layout.label_maps} == {"LABEL_manual_hq", "LABEL_qa60", "LABEL_s2cloudless"}
    assert layout.label_maps["LABEL_s2cloudless"]["card"] == LabelMap.threshold(40)
    assert layout.aliases == {"target": "LABEL_manual_hq"}
    assert layout.prefixes == ("L1C_", "S1_", "LABEL_")
    # The files are as this layout says; nothing else is unusual about them but "strange".
    assert [warning.split(" is ")[0] for warning in other.warnings if "S1_VV" not in warning] == [
        "train: strange.dat",
        "val: strange.dat",
    ]


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_types_that_splits_do_not_share_stay_the_layouts(tmp_path):
    root = tmp_path / "data"
    write_split(root / "train", 2, names=["B2", "hq"], dtypes={"hq": "int16"})
    write_split(root / "val", 1, names=["B2", "hq"])
    toml(root, to_toml(dataclasses.replace(SMALL, presets={})), "cloudio.toml")
    other = again(tmp_path, root)
    assert described(other) == described(cloudio.open(root))
    assert other.layout.band("LABEL_hq").dtype == "uint8"
    assert other.split("train").dtype("hq") == np.int16


def test_an_older_copy_is_described_by_its_layout(tmp_path):
    root = tmp_path / "data"
    for mark, n in {"train": 2, "val": 1}.items():
        names = [f"{mark}_B02", f"{mark}_target"]
        write_split(root, n, CLOUDSEN12, names=names, metadata=False,
                    dtypes={f"{mark}_target": "uint8"})  # fmt: skip
    ds, other = cloudio.open(root), again(tmp_path, root)
    assert described(other) == described(ds)
    assert other.names == ("L1C_B2", "LABEL_manual_hq")


def test_the_small_patches_of_the_release_are_described_by_their_layout(mini, tmp_path):
    other = again(tmp_path, mini.path)
    assert described(other) == described(mini)
    assert other.warnings == ()


# ---- docs/layouts.md -----------------------------------------------------------------------------


@pytest.mark.skipif(not DOCS.exists(), reason="the tests run without the docs")
def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks] == ["toml", "python", "python"]
    toml(tmp_path, blocks[0][1], "sen1floods11.toml")
    stored = {}
    for k, (split, n) in enumerate({"train": 2, "test": 1}.items()):
        folder = tmp_path / "sen1floods11" / split
        folder.mkdir(parents=True)
        stored[split] = {
            "S2": pixels("S2", (n, 13, 512, 512), "uint16", k),
            "S1_VV": pixels("S1_VV", (n, 512, 512), "float32", k),
            "S1_VH": pixels("S1_VH", (n, 512, 512), "float32", k),
            "label": pixels("label", (n, 512, 512), "int8", k) % 3 - 1,
        }
        for name, array in stored[split].items():
            np.save(folder / f"{name}.npy", array)
    names = {}
    exec(compile(blocks[1][1], DOCS.name, "exec"), names)
    train = stored["train"]
    middle = np.s_[[1, 0], ..., 128:384, 128:384]
    bands = [train["S2"][middle].astype("f4") * np.float32(1e-4)]
    bands += [train[name][middle][:, None] for name in ("S1_VV", "S1_VH")]
    assert np.array_equal(names["image"], np.concatenate(bands, 1), equal_nan=True)
    codes = train["label"][middle].astype(int)
    assert np.array_equal(names["label"], np.where(codes == -1, 255, codes))
    assert names["red"].tobytes() == stored["test"]["S2"][:, 3].tobytes()
    exec(compile(blocks[2][1], DOCS.name, "exec"), names)
    assert names["ds"].names == names["layout"].presets["S2"][0] + ("S1_VV", "S1_VH", "water")


def test_the_builders_small_layout_is_known_by_its_digest():
    other = dataclasses.replace(SMALL, name="Other")
    assert (
        layout_digest(SMALL)
        == layout_digest(pickle.loads(pickle.dumps(builders.SMALL)))
        != layout_digest(other)
    )
