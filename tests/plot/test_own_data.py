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


def sentinel2():
    known = {"B1": 444, "B2": 497, "B3": 560, "B4": 665, "B5": 704, "B8": 835}
    return [Band(name, dtype="uint16", wavelength=float(nm)) for name, nm in known.items()]


@pytest.mark.parametrize(
    ("bands", "presets", "chosen"),
    [
        (uint8(*"abcd"), {"rgb": (("c", "b", "a"),)}, "rgb"),
        (uint8(*"abcd"), {"rgb": (("x", "y", "z"), ("d", "b", "a"))}, "rgb"),
        (uint8(*"abcd"), {"rgb": (("x", "y", "z"),), "two": (("d", "b"),)}, ["d", "b"]),
        (uint8(*"abcd"), {"all": (("d", "c", "b", "a"),)}, ["d", "c", "b"]),
        (uint8("H000", "H001", "H002", "H003"), {}, ["H000", "H001", "H002"]),
        (uint8("one"), {}, ["one"]),
        ([*uint8("a"), Band("m", "label", "uint8")], {}, ["a"]),
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
        "x.png: 1 patch, bands H000,H001,H002 as red, green, blue; --bands shows others\n"
    )
    assert main(["show", ".", "--index", "0", "-o", "y.png", "--bands", "H003"]) == 0
    assert capsys.readouterr().out == "y.png: 1 patch\n"


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
