"""Names and colors of classes: in Python, in layout files, and where they are shown."""

import pickle

import numpy as np
import pytest

import cloudio
from cloudio import CLASSES, CLOUDSEN12, Band, LabelMap, Layout, LayoutError, RequestError, Window
from cloudio.cli import main
from cloudio.layouts.digest import layout_digest
from cloudio.layouts.toml_writer import to_toml

NAMES, COLORS = ("land", "water", "ice"), ("#aa7744", "#0072b2", "#ffffff")
WATER = LabelMap({0: 0, 3: 1, 4: 2, 9: None}, names=NAMES, colors=COLORS)


def layout_of(label_map, policy="own"):
    return Layout(
        name="Lakes",
        patch=(8, 8),
        valid=Window(0, 0, 8, 8),
        bands=(Band("red", dtype="int16"), Band("mask", "label", "uint8")),
        label_maps={"mask": {policy: label_map}},
    )


@pytest.fixture
def lakes(tmp_path):
    """Two patches of codes 0, 3, 4 and 9, with a layout file."""
    folder = tmp_path / "lakes"
    folder.mkdir()
    codes = np.resize(np.array([0, 0, 0, 3, 3, 4, 9], np.uint8), (2, 8, 8))
    codes.tofile(folder / "mask.dat")
    np.arange(128, dtype=np.int16).tofile(folder / "red.dat")
    (folder / "cloudio.toml").write_text(to_toml(layout_of(WATER)), encoding="utf-8")
    return folder


def test_a_map_has_names_and_colors():
    assert (WATER.names, WATER.colors) == (NAMES, COLORS)
    assert LabelMap({0: 0}).names == LabelMap({0: 0}).colors == ()
    listed = LabelMap(["land", "water", "ice"], colors=["#AA7744", "#0072B2", "#FFFFFF"])
    assert (listed.classes, listed.names, listed.colors) == ({0: 0, 1: 1, 2: 2}, NAMES, COLORS)
    assert LabelMap.threshold(40).with_names(("a", "b")).as_threshold == (40, 100)
    fields = LabelMap.from_fields([{"bits": 3, "class": 1}], unlisted=0).with_names(["no", "yes"])
    assert (fields.of(8), fields.names) == (1, ("no", "yes"))


def test_equality_hashes_texts_and_pickles_include_names():
    plain = WATER.with_names(None)
    assert plain != WATER
    assert plain.with_names(list(NAMES), list(COLORS)) == WATER
    assert plain.with_names(NAMES) != plain.with_names(None, COLORS)
    assert hash(WATER) == hash(plain.with_names(NAMES, COLORS))
    fields = LabelMap.from_fields([{"bits": 3, "class": 1}], unlisted=0)
    maps = [WATER, plain, fields, fields.with_names(["n", "y"]), WATER.with_names(None, COLORS)]
    maps += [fields.with_names(["n", "y"], ["#000000", "#ffffff"]), fields.with_names(None)]
    for label_map in maps:
        assert eval(repr(label_map)) == label_map
        assert pickle.loads(pickle.dumps(label_map)) == label_map
    assert layout_digest(layout_of(WATER)) != layout_digest(layout_of(plain))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["land"]}, "names has 1 of the 3 classes 0..2 that the map gives; give one"),
        ({"colors": ["#000000", "#111111"]}, "colors has 2 of the 3 classes"),
        ({"names": "abc"}, "names='abc'; names must be a sequence of strings"),
        ({"names": ["a", "b", 3]}, "names must be a sequence of strings, one for each class"),
        ({"names": ["a", "b", "a"]}, "names must differ, and none may be empty"),
        ({"names": ["a", "", "c"]}, "names must differ, and none may be empty"),
        ({"colors": ["red", "#000000", "#000000"]}, "colors has 'red'; a color must be written as"),
        ({"colors": ["#12345", "#000000", "#000000"]}, "colors has '#12345'"),
        ({"colors": 3}, "colors=3; colors must be a sequence of strings"),
    ],
)
def test_wrong_names_and_colors_are_refused(options, message):
    with pytest.raises(RequestError, match=message):
        LabelMap({0: 0, 3: 1, 4: 2}, **options)
    with pytest.raises(RequestError, match=message):
        LabelMap({0: 0, 3: 1, 4: 2}).with_names(options.get("names"), options.get("colors"))


def test_names_twice_are_refused():
    with pytest.raises(RequestError, match="classes and names both name the classes"):
        LabelMap(["a", "b"], names=["a", "b"])
    with pytest.raises(RequestError, match="classes must be a mapping of codes to classes, or a"):
        LabelMap([1, 2])


@pytest.mark.parametrize(
    "label_map",
    [
        WATER,
        WATER.with_names(NAMES),
        WATER.with_names(None, COLORS),
        LabelMap(["Größe", 'say "ice"', "雲"]),
        LabelMap.threshold(30).with_names(["no", "yes"], ["#000000", "#ff0000"]),
        LabelMap.from_fields([{"bits": [1, 2], "equals": 3, "class": 2}]).with_names(NAMES),
    ],
)
def test_a_layout_file_has_them_too(tmp_path, label_map):
    path = tmp_path / "my.toml"
    path.write_text(to_toml(layout_of(label_map)), encoding="utf-8")
    read = Layout.from_toml(path)
    assert read == layout_of(label_map)
    assert read.label_maps["mask"]["own"].names == label_map.names
    assert layout_digest(read) == layout_digest(layout_of(label_map))


def test_cloudsen12_survives_the_trip_through_toml(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(to_toml(CLOUDSEN12), encoding="utf-8")
    assert Layout.from_toml(path) == CLOUDSEN12


HEAD = """name = "Lakes"
patch = [8, 8]
[[arrays]]
name = "mask"
kind = "label"
dtype = "uint8"
[label_maps.mask.own]
"""


def test_a_list_of_names_is_a_map(tmp_path):
    path = tmp_path / "my.toml"
    text = HEAD + 'classes = ["land", "water"]\ncolors = ["#AA7744", "#0072b2"]\nunlisted = 1\n'
    path.write_text(text, encoding="utf-8")
    found = Layout.from_toml(path).label_maps["mask"]["own"]
    assert found == LabelMap(["land", "water"], unlisted=1, colors=["#aa7744", "#0072b2"])


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('classes = ["a", 3]', 8, "classes must be a table such as { 0 = 0, 1 = 1 }, or a list"),
        ('classes = ["a", "a"]', 8, "names must differ"),
        ('classes = ["a", "b"]\nnames = ["a", "b"]', 9, "the list names them"),
        ('classes = { 0 = 0, 1 = 1 }\nnames = ["a"]', 9, "names has 1 of the 2 classes"),
        ('classes = ["a"]\ncolors = ["blue"]', 9, "colors has 'blue'; a color must be written as"),
        ('threshold = 40\nnames = ["a"]', 9, "names has 1 of the 2 classes"),
        (
            'classes = ["a"]\ncolours = ["#000000"]',
            9,
            "unknown key 'colours'; .*did you mean colors",
        ),
    ],
)
def test_wrong_names_in_a_file_are_refused_with_their_line(tmp_path, text, line, message):
    path = tmp_path / "my.toml"
    path.write_text(HEAD + text + "\n", encoding="utf-8")
    with pytest.raises(LayoutError, match=f"my.toml, line {line}: .*{message}"):
        Layout.from_toml(path)


# ---- where they are shown ------------------------------------------------------------------------


def test_statistics_and_readers_have_the_names(lakes, tmp_path):
    ds = cloudio.open(lakes)
    found = cloudio.stats.classes(ds)
    assert (found.label, found.names) == ("mask", NAMES)
    assert "water" in str(found)
    assert found.weights().shape == (3,)
    raw = cloudio.stats.classes(ds, {"mask": None})["mask"]
    assert raw.names == ("0", "3", "4", "9")  # codes are no classes
    more = cloudio.stats.classes(ds, "mask", n_classes=4)
    assert more.names == (*NAMES, "3")
    other = cloudio.stats.classes(ds, {"mask": LabelMap({0: 0, 3: 1}, names=["dry", "wet"])})
    assert other["mask"].names == ("dry", "wet")
    found.save(tmp_path / "found.json")
    assert cloudio.stats.load(tmp_path / "found.json") == found
    reader = pickle.loads(pickle.dumps(ds.reader("red", "mask")))
    assert reader.label_maps["mask"] == WATER
    assert reader.label_maps["mask"].colors == COLORS


def test_info_and_verify_name_classes(lakes, capsys):
    assert main(["info", str(lakes)]) == 0
    assert "\nclasses of mask: 0 land, 1 water, 2 ice\n" in capsys.readouterr().out
    toml = (lakes / "cloudio.toml").read_text(encoding="utf-8")
    (lakes / "cloudio.toml").write_text(
        toml.replace('9 = "ignore" }', '9 = "ignore" }\nunlisted = 1'), encoding="utf-8"
    )
    codes = np.fromfile(lakes / "mask.dat", np.uint8)
    codes[:3] = 7
    codes.tofile(lakes / "mask.dat")
    assert "the policy 'own' makes them class 1 (water)" in str(cloudio.verify(lakes))


def test_figures_have_names_and_colors(lakes):
    pytest.importorskip("matplotlib")
    plot = cloudio.plot
    ds = cloudio.open(lakes)
    for overlay in (None, 0.5):
        figure = plot.patch(ds, 0, bands="red", labels="mask", overlay=overlay)
        (legend,) = figure.legends
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts == [
            "land" if overlay is None else "land (uncovered)",
            "water",
            "ice",
            "ignore",
        ]
        water = legend.get_patches()[1].get_facecolor()
        assert np.allclose(np.array(water[:3]) * 255, [0x00, 0x72, 0xB2])
    figure = plot.patch(ds, 0, bands="red", labels="mask", classes=["a", "b", "c"])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["a (uncovered)", "b", "c", "ignore"]
    own = {"mask": LabelMap({0: 0, 3: 1, 4: 1, 9: 1})}  # without names
    texts = [
        x.get_text() for x in plot.patch(ds, 0, bands="red", labels=own).legends[0].get_texts()
    ]
    assert texts == ["class 0 (uncovered)", "class 1"]


def test_names_of_cloudsen12_are_those_of_its_layout():
    for name, policies in CLOUDSEN12.label_maps.items():
        for label_map in policies.values():
            is_threshold = label_map.as_threshold is not None
            assert label_map.names == (("clear", "cloud") if is_threshold else CLASSES), name
            assert len(label_map.colors) == len(label_map.names)
