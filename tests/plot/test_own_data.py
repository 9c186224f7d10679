"""Pictures of own data, whose layout has no preset "rgb"."""

import numpy as np
import pytest

import cloudio
from cloudio import Band, Layout, Window, plot
from cloudio.cli import main
from cloudio.layouts.toml_writer import to_toml
from cloudio.plot.band_panels import default_bands

SIDE = 8


def open_own(path, bands, presets=None):
    """A data set of random numbers, with the file of its layout; bands x, y, z have no files."""
    described = tuple(bands) + tuple(uint8(*"xyz") if presets else ())
    layout = Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), described, presets or {})
    rng = np.random.default_rng(0)
    for band in bands:
        rng.integers(0, 200, (3, SIDE, SIDE)).astype(band.dtype).tofile(path / f"{band.name}.dat")
    (path / "cloudio.toml").write_text(to_toml(layout))
    return cloudio.open(path)


def uint8(*names):
    return [Band(name, dtype="uint8") for name in names]


def gray(*names):
    return [(name,) for name in names]


def sentinel2():
    known = {"B1": 444, "B2": 497, "B3": 560, "B4": 665, "B5": 704, "B8": 835}
    return [Band(name, dtype="uint16", wavelength=float(nm)) for name, nm in known.items()]


@pytest.mark.parametrize(
    ("bands", "presets", "chosen"),
    [
        (uint8(*"abcd"), {"rgb": (("c", "b", "a"),)}, "rgb"),
        (uint8(*"abcd"), {"rgb": (("x", "y", "z"), ("d", "b", "a"))}, "rgb"),
        (uint8(*"abcd"), {"rgb": (("x", "y", "z"),), "two": (("d", "b"),)}, gray("d", "b")),
        (uint8(*"abcd"), {"all": (("d", "c", "b", "a"),)}, gray("d", "c", "b")),
        (uint8("H000", "H001", "H002", "H003"), {}, gray("H000", "H001", "H002")),
        (uint8("one"), {}, gray("one")),
        ([*uint8("a"), Band("m", "label", "uint8")], {}, gray("a")),
        (uint8("blue", "green", "nir", "red"), {}, ["red", "green", "blue"]),
        (
            uint8("S2_Blue", "S2_Green", "S2_Red", "S2_red_edge"),
            {},
            ["S2_Red", "S2_Green", "S2_Blue"],
        ),
        (uint8("blue", "green", "red", "red_p95"), {}, ["red", "green", "blue"]),
        (uint8("a_blue", "a_green", "a_red", "b_red"), {}, gray("a_blue", "a_green", "a_red")),
        (uint8("blue", "green", "rededge"), {}, gray("blue", "green", "rededge")),
        (uint8("VH", "VV", "water"), {}, gray("VH", "VV", "water")),
        (sentinel2(), {}, ["B4", "B3", "B2"]),
        (sentinel2()[3:], {}, ["B4", "B5", "B8"]),
    ],
)
def test_the_bands_of_a_picture_are_true_color_or_the_first(tmp_path, bands, presets, chosen):
    ds = open_own(tmp_path, bands, presets)
    assert default_bands(ds) == chosen
    assert plot.patch(ds, 0).axes


def test_show_says_which_bands_it_took(tmp_path, capsys, monkeypatch):
    open_own(tmp_path, uint8("H000", "H001", "H002", "H003"))
    monkeypatch.chdir(tmp_path)
    assert main(["show", ".", "--index", "0", "-o", "x.png"]) == 0
    assert capsys.readouterr().out == (
        "x.png: 1 patch, bands H000,H001,H002 in gray; --bands shows others\n"
    )
    assert main(["show", ".", "--index", "0", "-o", "y.png", "--bands", "H003"]) == 0
    assert capsys.readouterr().out == "y.png: 1 patch\n"


def test_bands_named_by_their_colors_are_drawn_so(tmp_path, capsys, monkeypatch):
    ds = open_own(tmp_path, uint8("blue", "green", "red"))
    axes, named = plot.patch(ds, 0).axes, plot.patch(ds, 0, bands=["red", "green", "blue"]).axes
    assert np.array_equal(axes[0].images[0].get_array(), named[0].images[0].get_array())
    monkeypatch.chdir(tmp_path)
    assert main(["show", ".", "--index", "0", "-o", "x.png"]) == 0
    assert "bands red,green,blue as red, green, blue; --bands" in capsys.readouterr().out


def test_bands_of_unknown_colors_are_gray(tmp_path):
    figure = plot.patch(open_own(tmp_path, uint8("VH", "VV", "water")), 0)
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    pictures = [image for image in images if image.shape == (SIDE, SIDE, 3)]
    assert len(pictures) == 3
    assert not any(np.ptp(image, axis=-1).any() for image in pictures)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("n", [3, 40])
def test_codes_of_two_bytes_are_shown(tmp_path, dtype, n, capsys):
    """As of Landsat's QA_PIXEL: few codes by their colors, many as a heat map."""
    ds = open_own(tmp_path, [*uint8("B4"), Band("qa", "label", dtype)])
    codes = np.random.default_rng(0).choice(21824 + 16 * np.arange(n), (3, SIDE, SIDE))
    codes.astype(dtype).tofile(tmp_path / "qa.dat")
    figure = plot.patch(ds, 0, labels={"qa": None})
    texts = {text.get_text() for text in figure.findobj(lambda x: hasattr(x, "get_text"))}
    assert ("code 21824" in texts) == (n == 3)
    options = ["--labels", "qa", "--policy", "codes", "-o", str(tmp_path / "x.png")]
    assert main(["show", str(tmp_path), "--index", "0", *options]) == 0
