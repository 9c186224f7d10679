"""Labels that are pictures of colors: the code of each pixel, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import scaled

from cloudio import RequestError
from cloudio.packing.sources.colors import colors_of_palette, read_classes
from cloudio.packing.sources.matching import file_source

colors = st.tuples(*[st.integers(0, 255)] * 3)


@given(
    codes=st.dictionaries(colors, st.integers(0, 65535), min_size=1, max_size=20), data=st.data()
)
@settings(max_examples=scaled(30, 300))
def test_each_pixel_has_the_code_of_its_color(tmp_path_factory, codes, data):
    size = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    drawn = st.lists(
        st.sampled_from(list(codes)), min_size=size[0] * size[1], max_size=size[0] * size[1]
    )
    pixels = np.array(data.draw(drawn), np.uint8).reshape(*size, 3)
    root = tmp_path_factory.mktemp("colors")
    np.save(root / "a.npy", np.zeros(size, np.uint16))
    np.save(root / "a_m.npy", pixels.transpose(2, 0, 1))
    expected = np.array([[codes[tuple(int(x) for x in p)] for p in row] for row in pixels])
    options = {"images": "{id}.npy", "masks": "{id}_m.npy", "channel_axis": "first"}
    found = file_source(root, **options, classes=codes).read(0).arrays["mask"]
    assert np.array_equal(found, expected)
    assert found.dtype == (np.uint8 if max(codes.values()) < 256 else np.uint16)


FORMS = [
    {(255, 0, 0): 1, (0, 0, 255): 2},
    {"255,0,0": 1, "(0, 0, 255)": 2},
    {"#ff0000": (1, "fire"), "#0000FF": (2, "water")},
    {"#ff0000": {"class": 1, "name": "fire"}, "0 0 255": {"class": "2"}},
]


@pytest.mark.parametrize("classes", FORMS)
def test_classes_have_several_forms(classes):
    table = read_classes(classes)[""]
    assert dict(table.codes) == {(255, 0, 0): 1, (0, 0, 255): 2}
    assert table.names in ({}, {1: "fire"}, {1: "fire", 2: "water"})


CSV = "r,g,b,class,name\n255,0,0,1,fire\n0,0,255,2,\n"
FILES = {
    "a.csv": CSV,
    "b.csv": "color,class,name\n#ff0000,1,fire\n#0000ff,2,\n",
    "c.csv": 'name,class,color\nfire,1,"255,0,0"\n,2,"0,0,255"\n',
    "d.json": '[{"r": 255, "g": 0, "b": 0, "class": 1, "name": "fire"}, '
    '{"red": 0, "green": 0, "blue": 255, "class": 2}]',
    "e.json": '{"255,0,0": [1, "fire"], "#0000ff": 2}',
    "f.json": '{"#ff0000": [1, "fire"], "0,0,255": 2}',
    "g.toml": '"255,0,0" = [1, "fire"]\n"#0000ff" = 2\n',
    "h.toml": '["#ff0000"]\nclass = 1\nname = "fire"\n["#0000ff"]\nclass = 2\n',
    "i.toml": '[[classes]]\ncolor = [255, 0, 0]\nclass = 1\nname = "fire"\n'
    "[[classes]]\nr = 0\ng = 0\nb = 255\nclass = 2\n",
}


@pytest.mark.parametrize("name", FILES)
def test_classes_come_from_files(tmp_path, name):
    (tmp_path / name).write_text(FILES[name], "utf-8")
    table = read_classes(tmp_path / name)[""]
    assert dict(table.codes) == {(255, 0, 0): 1, (0, 0, 255): 2}
    assert dict(table.names) == {1: "fire"}


def test_one_color_alone_may_have_a_name_in_json(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"#000000": [7, "night"]}), "utf-8")
    assert read_classes(tmp_path / "a.json")[""].names == {7: "night"}


def test_labels_may_have_classes_of_their_own():
    tables = read_classes({"roads": {"#ffffff": 1}, "water": {"#ffffff": (2, "sea")}})
    assert tables["roads"].codes == {(255, 255, 255): 1}
    assert tables["water"].names == {2: "sea"}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, 'classes has no colors; it must give the class of each, such as {"255,0,0": 1'),
        ({"red": 1}, "classes has the color 'red'; a color is (255, 0, 0), '255,0,0' or '#ff0000'"),
        ({(256, 0, 0): 1}, "classes has the color (256, 0, 0)"),
        ({(1, 2): 1}, "classes has the color (1, 2)"),
        (
            {"1,2,3": 1.5},
            "classes gives '1,2,3' the class 1.5; a class is a whole number from 0 to",
        ),
        ({"1,2,3": -1}, "the class -1; a class is a whole number from 0 to 65535"),
        ({"1,2,3": 1, "#010203": 2}, "classes gives (1, 2, 3) two classes, 1 and 2"),
        ({"1,2,3": (1, "a"), "1,2,4": (1, "b")}, "gives the class 1 two names, 'a' and 'b'"),
        (3, "classes is of type int; it must be a mapping"),
    ],
)
def test_wrong_classes_are_refused(classes, message):
    with pytest.raises(RequestError) as error:
        read_classes(classes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "r,g,b\n1,2,3\n", "has r, g, b; it must have r, g, b and class"),
        ("a.csv", "", "has no colors"),
        ("a.json", "[3]", "has the entry 3; it must have r, g, b and class"),
        ("a.json", "3", "a.json is 3; it must be a mapping"),
        ("a.json", "{", "is no JSON of classes"),
        ("a.txt", "", "has the ending '.txt'; it must be .csv, .json or .toml"),
    ],
)
def test_wrong_files_of_classes_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(RequestError) as error:
        read_classes(tmp_path / name)
    assert message in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"there is no file of classes .*gone\.csv"):
        read_classes(tmp_path / "gone.csv")


def write_colors(root, *colors, size=(2, 3)):
    """Write an image and a label of colors, which stand in its first pixels."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels.reshape(-1, 3)[: len(colors)] = colors or 0
    np.save(root / "a.npy", np.zeros(size, np.uint16))
    np.save(root / "a_m.npy", pixels.transpose(2, 0, 1))
    return {"images": "{id}.npy", "masks": "{id}_m.npy", "channel_axis": "first"}


def test_a_color_that_is_not_listed_is_named_with_its_pixels(tmp_path):
    options = write_colors(tmp_path, (1, 2, 3), (1, 2, 3), (4, 5, 6), (9, 9, 9))
    source = file_source(tmp_path, **options, classes={"0,0,0": 0, "9,9,9": 1})
    with pytest.raises(RequestError) as error:
        source.read(0)
    assert str(error.value) == (
        f"{tmp_path / 'a_m.npy'} has the color (1, 2, 3) in 2 pixels and 1 other color, which "
        "classes= (--classes) does not list; add it to them"
    )


def test_a_label_of_colors_without_classes_is_refused_with_its_colors(tmp_path):
    options = write_colors(tmp_path, (1, 2, 3), (1, 2, 3), (4, 5, 6))
    with pytest.raises(RequestError) as error:
        file_source(tmp_path, **options).read(0)
    assert str(error.value) == (
        f"{tmp_path / 'a_m.npy'} is a label of colors, (0, 0, 0) in 3 pixels, (1, 2, 3) in 2 "
        "pixels, (4, 5, 6) in 1 pixel; classes= (--classes) gives the number of each, such as "
        '{"255,0,0": 1}, or a CSV file with the columns r,g,b,class,name'
    )
    many = write_colors(tmp_path, *((k, k, 1) for k in range(30)), size=(5, 6))
    with pytest.raises(RequestError, match=r"\(11, 11, 1\) in 1 pixel and 18 more; classes="):
        file_source(tmp_path, **many).read(0)


def test_a_gray_label_among_colored_ones_has_gray_colors(tmp_path):
    options = write_colors(tmp_path)
    np.save(tmp_path / "a_m.npy", np.array([[0, 255, 0]] * 2, np.uint8))
    source = file_source(tmp_path, **options, classes={"0,0,0": 3, "#ffffff": (7, "snow")})
    assert source.read(0).arrays["mask"].tolist() == [[3, 7, 3]] * 2
    assert source.label_names() == {"mask": {7: "snow"}}


PALETTE = [[0, 0, 0], [200, 10, 10], [0, 0, 255]]
PALETTE_NUMBERS = np.array([[1, 2, 0], [2, 1, 1]], np.uint8)


def write_palette_png(path):
    image = pytest.importorskip("PIL.Image", reason="needs cloudio[pillow]")
    picture = image.new("P", (3, 2))
    picture.putdata(PALETTE_NUMBERS.ravel().tolist())
    picture.putpalette(np.ravel(PALETTE).tolist())
    picture.save(path)


def write_palette_tif(path):
    rasterio = pytest.importorskip("rasterio", reason="needs cloudio[rasterio]")
    profile = {"count": 1, "height": 2, "width": 3, "dtype": "uint8", "driver": "GTiff"}
    profile |= {"photometric": "palette", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
    with rasterio.open(path, "w", **profile) as file:
        file.write_colormap(1, dict(enumerate(map(tuple, PALETTE))))
        file.write(PALETTE_NUMBERS[None])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_palette_is_translated_by_its_colors(tmp_path, ending):
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.uint16))
    path = tmp_path / f"a_m.{ending}"
    {"png": write_palette_png, "tif": write_palette_tif}[ending](path)
    options = {"images": "{id}.npy", "masks": f"{{id}}_m.{ending}", "skip_missing": True}
    without = file_source(tmp_path, **options)
    assert np.array_equal(without.read(0).arrays["mask"], PALETTE_NUMBERS)
    classes = {"200,10,10": (5, "fire"), "#0000ff": (300, "water"), "0,0,0": 0}
    source = file_source(tmp_path, **options, classes=classes)
    codes = np.array([0, 5, 300])
    assert np.array_equal(source.read(0).arrays["mask"], codes[PALETTE_NUMBERS])
    del classes["#0000ff"]
    with pytest.raises(RequestError) as error:
        file_source(tmp_path, **options, classes=classes).read(0)
    assert str(error.value) == (
        f"{path} has the color (0, 0, 255) in 2 pixels, which classes= (--classes) does not list; "
        "add it to them"
    )


def test_the_tiff_reader_has_the_colors_of_a_palette(tmp_path):
    pytest.importorskip("tifffile", reason="needs cloudio[tiff]")
    from cloudio.packing.decoders.raster_tiff import TiffRaster

    write_palette_tif(tmp_path / "a.tif")
    with TiffRaster(tmp_path / "a.tif") as raster:
        assert raster.palette()[:3].tolist() == PALETTE


def test_a_number_that_the_palette_does_not_have_is_refused(tmp_path):
    palette = np.zeros((2, 3), np.uint8)
    with pytest.raises(RequestError, match=r"has pixels of 2, and a palette of 2 colors; save"):
        colors_of_palette(PALETTE_NUMBERS, palette, tmp_path)
