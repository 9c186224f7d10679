"""Layouts from TOML files, and what is wrong with some, with line and key."""

import dataclasses

import pytest
from own_files import refusal
from toml_sets import LAYOUT, WHOLE, toml, write_whole

import cloudio
from cloudio import Band, Layout, LayoutError, Window


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
    with refusal(LayoutError, "my.toml, line 3: dtype: b has dtype 'i2'; dtype must be one of"):
        Layout.from_toml(toml(tmp_path, text + '\n{ name = "b", dtype = "i2" }]\n'))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        # keys
        (
            "scale = 1e-4",
            "scael = 1e-4",
            15,
            "unknown key 'scael'; [[arrays]] has name, names, kind, ",
        ),
        (
            "prefixes",
            "prefix",
            5,
            "unknown key 'prefix'; a layout has name, patch, valid, prefixes",
        ),
        (
            "unlisted = 1",
            "other = 1",
            64,
            "unknown key 'other'; [label_maps.water.both] has classes, ",
        ),
        ("top = 10", "tip = 10", 70, "unknown key 'tip'; [label_maps.percent.low] has classes, "),
        ("[presets]", "[preset]", 53, "unknown key 'preset'; a layout has"),
        # missing
        ('name = "Whole"', "", 1, "a layout needs the key 'name'"),
        ("patch = [40, 48]", "", 1, "a layout needs the key 'patch'"),
        ('dtype = "uint16"', "", 7, "[[arrays]] needs the key 'dtype'"),
        (
            'name = "height"',
            "",
            33,
            "[[arrays]] has neither 'name' nor 'names'; it must have one of them",
        ),
        ('name = "height"', 'name = "a"\nnames = ["b"]', 35, "[[arrays]] has both 'name' and"),
        (
            "threshold = 50",
            "",
            69,
            "[label_maps.percent.half] must have one of 'classes', 'fields' or",
        ),
        ("threshold = 50", "threshold = 50, classes = {}", 69, "it has 'classes' and 'threshold'"),
        # kinds of values
        ('"Whole"', "3", 2, "name = 3; name must be a string that is not empty"),
        ('"Whole"', '""', 2, "name = ''; name must be a string that is not empty"),
        ("patch = [40, 48]", "patch = 40", 3, "patch = 40; patch must be [height, width]"),
        (
            "patch = [40, 48]",
            "patch = [40, 48, 1]",
            3,
            "patch = [40, 48, 1]; patch must be [height, width]",
        ),
        (
            "patch = [40, 48]",
            "patch = [40.0, 48]",
            3,
            "patch = [40.0, 48]; patch must be [height, width]",
        ),
        (
            "[1, 2, 35, 41]",
            "[1, 2]",
            4,
            "valid = [1, 2]; valid must be [row, column, height, width]",
        ),
        (
            '["S2_", "S1_"]',
            '"S2_"',
            5,
            "prefixes = 'S2_'; prefixes must be a list of at most 100 strings",
        ),
        ('kind = "label"', 'kind = "mask"', 41, "kind = 'mask'; kind must be 'band' or 'label'"),
        (
            'scale = "unknown"',
            "scale = true",
            31,
            "scale = True; scale must be a number or 'unknown'",
        ),
        (
            'scale = "unknown"',
            'scale = "x"',
            31,
            "scale = 'x'; scale must be a number or 'unknown'",
        ),
        ("offset = -1000", 'offset = "-1000"', 16, "offset = '-1000'; offset must be a number"),
        ("nodata = nan", "nodata = 1" + "0" * 400, 23, "0...; nodata must be a number"),
        ("nodata = nan", 'nodata = "nan"', 23, "nodata = 'nan'; nodata must be a number"),
        ("stacked = true", "stacked = 3", 13, "stacked = 3; stacked must be true or false"),
        (
            "channel = [0, 2]",
            'channel = "a"',
            29,
            "channel = 'a'; channel must be a whole number, or a list with one for",
        ),
        ("channels = 3", "channels = [3]", 28, "channels = [3]; channels must be a whole number"),
        (
            "wavelengths = [496.6",
            "wavelengths = 3 #",
            17,
            "wavelengths = 3; wavelengths must be a list of numbers",
        ),
        (
            'names = ["red", "blue"]',
            "names = [1]",
            26,
            "names = [1]; names must be a list of strings",
        ),
        (
            "wavelength = 1.5",
            "unit = 1",
            37,
            "unit = 1; unit must be a string",
        ),
        ('file = "rgb.dat"', "file = 1", 27, "file = 1; file must be a string that is not empty"),
        # values that cannot be
        (
            "[1, 2, 35, 41]",
            "[1, 2, 40, 41]",
            4,
            "valid: the valid window has rows 1..40, but the pat",
        ),
        ("[40, 48]", "[0, 48]", 3, "patch = [0, 48]; patch must be [height, width], such as"),
        (
            '"float32"',
            '"float64"',
            22,
            "dtype: S1_VV has dtype 'float64'; dtype must be one of uint8, int8, uint16",
        ),
        (
            "scale = 1e-4",
            "scale = 0",
            15,
            "scale: S2_B2 has scale 0.0; scale must be a finite number other than 0, or",
        ),
        (
            "offset = -1000",
            "offset = inf",
            16,
            "offset: S2_B2 has offset inf; offset must be a finite number",
        ),
        (
            'scale = "unknown"',
            'scale = "unknown"\noffset = 1',
            32,
            "offset: red has offset 1.0 but",
        ),
        (
            "wavelength = 1.5",
            "wavelength = 0",
            37,
            "wavelength: height has wavelength 0.0; wavelength must be in nm",
        ),
        (
            '"labels.dat"',
            '"../labels.dat"',
            45,
            "file: water has file '../labels.dat'; file must be a name or pattern",
        ),
        (
            "channel = 1\n",
            "channel = 2\n",
            43,
            "channel: water has channel 2; channel must be 0..1",
        ),
        (
            "channel = [0, 2]",
            "channel = [0, 3]",
            29,
            "channel: blue has channel 3; channel must be 0..2",
        ),
        (
            "channel = [0, 2]",
            "channel = [1, 1]",
            29,
            "channel: red and blue are both in rgb.dat as channel 1; channels must",
        ),
        (
            "channel = 1\n",
            'channel = 1\nchannel_axis = "end"\n',
            44,
            "channel_axis = 'end'; channel_axis must be 'first' or 'last'",
        ),
        (
            'name = "height"',
            'name = "height"\nchannel_axis = "last"',
            35,
            "channel_axis: height has channel_axis 'last' but no channel and channels; only a",
        ),
        ('name = "height"', 'name = "red"', 34, "red is in the layout twice"),
        ('"S2_B3", "S2_B4"', '"S2_B3", "S2_B3"', 8, "S2_B3 is in the layout twice"),
        # things that do not go together
        ("[0, 2]", "[0, 1, 2]", 29, "channel has 3 entries; there are 2 names"),
        (
            "channel = [0, 2]",
            "",
            28,
            "channels = 3, but there are 2 names; add 'channel', the number of each",
        ),
        ("channels = 3\n", "", 28, "channel without channels; add 'channels'"),
        ("stacked = true\n", "stacked = false\nchannel = 0\n", 14, "channel with stacked = false"),
        ('file = "*_S2.npy"', "", 7, "names must be in one file; give a 'file' without {name}"),
        (
            '"*_S2.npy"',
            '"{name}.npy"',
            12,
            "names must be in one file; give a 'file' without {name}",
        ),
        ("[496.6, 560, 664.5]", "[496.6]", 17, "wavelengths has 1 entries; there are 3 names"),
        ("wavelength = 1.5", "wavelengths = [1]", 37, "wavelengths with name; write wavelength"),
        ("wavelengths = [496.6", "wavelength = 1#", 17, "wavelength with names; write wavelengths"),
        # what is said of arrays
        ('["S1_VV"]]', '["VV"]]', 55, "presets.some: [[arrays]] has no array 'VV'"),
        (
            '[["red", "blue"], ["S1_VV"]]',
            "[]",
            55,
            "presets.some = []; presets.some must be a list of names, or several",
        ),
        (
            'dem = "height"',
            'dem = "heigth"',
            58,
            "aliases.dem: [[arrays]] has no array 'heigth'; did you mean height?",
        ),
        (
            'dem = "height"',
            "dem = 1",
            58,
            "aliases.dem = 1; aliases.dem must be a string that is not empty",
        ),
        ("[label_maps.water.flood]", "[label_maps.red.x]", 60, "label_maps.red: red is a band; "),
        (
            "[label_maps.water.flood]",
            "[label_maps.w.x]",
            60,
            "label_maps.w: [[arrays]] has no array 'w'",
        ),
        (
            '-1 = "ignore"',
            '-1 = "ignor"',
            61,
            "classes.-1 = 'ignor'; classes.-1 must be a whole number or 'ignore'",
        ),
        ('-1 = "ignore"', "x = 1", 61, "classes: code 'x'; codes must be whole numbers"),
        ('-1 = "ignore"', "01 = 1", 61, "classes: code 1 is listed twice"),
        (
            "\n0 = 0\n",
            "\n0 = 0\n7 = 1.5\n",
            67,
            "classes.7 = 1.5; classes.7 must be a whole number or 'ignore'",
        ),
        (
            "unlisted = 1",
            'unlisted = "clear"',
            64,
            "unlisted = 'clear'; unlisted must be a whole number or 'ignore'",
        ),
        ("threshold = 3,", "threshold = 11,", 70, "threshold=11; threshold must be 1..10"),
        (
            "threshold = 50",
            "threshold = 0.5",
            69,
            "threshold = 0.5; threshold must be a whole number",
        ),
        (
            "half = {",
            "half = { unlisted = 1,",
            69,
            "unlisted needs 'classes' or 'fields', which [label_maps.percent.half] d",
        ),
        ("unlisted = 1", "top = 1", 64, "top needs 'threshold', which [label_maps.water.both"),
        (
            "half = { threshold = 50 }",
            "half = 50",
            69,
            "label_maps.percent.half = 50; label_maps.percent.half must be a",
        ),
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
    with refusal(LayoutError, "my.toml, line 1: a layout needs the key 'name'"):
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
        f"{path}, line 27: file = 'rgb.dat' of red matches nothing in {tmp_path / 'data'}; it must",
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


RED = 'name = "x"\npatch = [4, 4]\n[[arrays]]\nname = "red"\n'
LABEL = f'{RED}kind = "label"\ndtype = "uint8"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{RED}dtype = uint16", r'line 5: .*; text needs quotes: dtype = "uint16"$'),
        (f"{RED}nodata = NaN", r"; TOML has it in lower case: nodata = nan$"),
        (
            f"{RED}scale = None",
            r"; TOML has no None: leave scale out, or write scale =",
        ),
        (f"{RED}scale = 0,0001", r"; write a decimal point: scale = 0\.0001$"),
        (f'{RED}dtype = "uint16\n', r"; a closing quote is missing$"),
        (f'{RED}dtype = "uint16"\ndtype = "uint8"', r"; dtype is there twice$"),
        (f"{LABEL}[label_maps.red.m]\nclasses = {{ 0 = 0,\n1 = 1 }}", r"must be on one line$"),
        ('{"name": "x"}', r"; this is not TOML: write key = value"),
        ("name: x\npatch: [4, 4]", r"; this is not TOML: write key = value"),
        (f"{LABEL}[label_maps.red]\nclasses = {{ 0 = 0 }}", r"write \[label_maps.red.map\], and"),
        (
            'name = "x"\n[[arrays]]\nname = "red"\ndtype = "uint8"\npatch = [4, 4]',
            "needs the key 'patch'; that of line 5 is below",
        ),
        (
            f'{RED}dtype = "uint8"\nunit = "\udce9"',
            "is not UTF-8: line 6 has the byte 0xe9; sa",
        ),
    ],
)
def test_common_mistakes_in_toml_say_what_to_write(tmp_path, text, says):
    path = tmp_path / "x.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LayoutError, match=says):
        Layout.from_toml(path)
