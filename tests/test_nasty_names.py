"""Names from files, tables and layouts reach no terminal, page or figure as they are."""

import contextlib
import json
import logging
import os
import sys
import warnings

import numpy as np
import pytest
from matplotlib.text import Text

import cloudio
from cloudio import Band, LabelMap, Layout, Window, plot, stats
from cloudio._utils.warn import log_once, reset, warn_once
from cloudio.cli.command import main
from cloudio.layouts.toml_writer import to_toml

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="names are narrower there")

NASTY = "$x^2$\x1b[2J\x07\x9b1m\u202e\u2028all is well\nnothing <b>found"
RAW = ("\x1b", "\x07", "\x9b", "\u202e", "\u2028", "\nnothing")


def assert_harmless(text, *, page=False):
    assert not [ascii(mark) for mark in RAW if mark in text]
    if page:
        assert "<b>" not in text


def layout():
    label_map = LabelMap({0: 0, 1: 1}, names=["clear", NASTY])
    return Layout(
        name=NASTY,
        patch=(8, 8),
        valid=Window(0, 0, 8, 8),
        bands=(
            Band(NASTY, unit=NASTY, wavelength=490),
            Band("l", kind="label", dtype="uint8"),
            Band("m", kind="label", dtype="uint8"),
            Band(f"k {NASTY}", kind="label", dtype="uint8", file="k.dat"),
        ),
        presets={"p": ((NASTY,),)},
        label_maps={name: {NASTY: label_map} for name in (f"k {NASTY}", "l", "m")},
    )


@pytest.fixture
def folder(tmp_path):
    reset()
    split = tmp_path / NASTY
    split.mkdir()
    numbers = np.arange(3 * 64, dtype="<i2")
    (split / f"{NASTY}.dat").write_bytes(numbers.tobytes())
    for name in ("k.dat", "l.dat", "m.dat"):
        (split / name).write_bytes(bytes(64) + b"\1" * 128)
    (split / f"other {NASTY}.dat").write_bytes(numbers.tobytes())
    np.save(split / f"left {NASTY}.npy", np.zeros(5))
    rows = "".join(f'{k},"{NASTY} {k}"\n' for k in range(3))
    (split / "metadata.csv").write_text(f'index,"{NASTY}"\n{rows}', encoding="utf-8")
    return tmp_path


def test_texts_of_a_data_set_are_harmless(folder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with cloudio.open(folder, layout=layout()) as ds:
            reader = ds.reader([NASTY], {"l": NASTY}, scale=None)
            results = [
                stats.bands(ds, [NASTY, f"other {NASTY}"], scale=None),
                stats.classes(ds, {"l": NASTY}),
                stats.agreement(ds, {"m": NASTY}, {"l": NASTY}),
            ]
            loader = cloudio.Loader(reader, 2)
            splits = cloudio.make_splits(ds, {NASTY: 0.5, "b": 0.5}, group=None, stratify=NASTY)
            texts = [repr(ds), *ds.warnings, repr(reader), repr(loader), repr(splits)]
            texts += [f(x) for x in results for f in (str, repr)]
            pages = [x._repr_html_() for x in (ds, reader, *results)]
    texts += [str(warning.message) for warning in caught]
    for text in texts:
        assert_harmless(text)
    for page in pages:
        assert_harmless(page, page=True)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_reports_are_harmless(folder):
    report = cloudio.verify(folder, layout=layout(), progress=False)
    assert report.findings
    for text in (str(report), repr(report), report.json()):
        assert_harmless(text)
    assert_harmless(report._repr_html_(), page=True)
    assert any(NASTY in finding.file for finding in report.findings)  # attributes stay as they are


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize(
    "call",
    [
        lambda folder: cloudio.open(folder / NASTY / NASTY),
        lambda folder: cloudio.open(folder),
        lambda folder: cloudio.open(folder, layout=layout()).reader(["nothing"]),
        lambda folder: cloudio.open(folder, layout=layout()).split(f"no {NASTY}"),
        lambda folder: cloudio.open(folder, layout=layout()).subset(**{f"no {NASTY}": 1}),
        lambda folder: stats.load(folder / NASTY / f"{NASTY}.dat"),
        lambda folder: Layout.from_toml(folder / NASTY / f"{NASTY}.dat"),
        lambda folder: cloudio.verify(folder, layout=layout(), against=folder / NASTY / "l.dat"),
        lambda folder: cloudio.synthesize(folder / NASTY),
        lambda folder: stats.classes(cloudio.open(folder, layout=layout()), {"l": "nothing"}),
    ],
)
def test_errors_are_harmless(folder, call):
    with pytest.raises((cloudio.CloudioError, OSError)) as caught:
        call(folder)
    text = str(caught.value)
    assert_harmless(text.replace("\n[[", " [[").replace("\\n", " "))


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize(
    "command",
    [
        ["info"],
        ["info", "--json"],
        ["verify"],
        ["verify", "--quick", "--json"],
        ["stats", "--bands", "all", "--raw", "--no-labels"],
        ["stats", "--bands", "all", "--raw", "--no-labels", "--json"],
        ["stats", "--bands", f"no {NASTY}"],
        ["show", "--index", "9"],
        ["bench", "--rounds", "1"],
        ["bench", "--rounds", "1", "--json"],
        ["bench", "--train", "--size", "9"],
    ],
)
def test_commands_are_harmless(folder, capsys, command):
    (folder / "cloudio.toml").write_text(to_toml(layout()), encoding="utf-8")
    with contextlib.suppress(SystemExit):
        main([command[0], os.fspath(folder), *command[1:]])
    out, err = capsys.readouterr()
    assert out or err
    assert_harmless(out + err)


def test_texts_in_figures_are_harmless_and_no_formulas(folder):
    with cloudio.open(folder, layout=layout()) as ds:
        figure = plot.patch(ds, 0, bands=[NASTY], labels=["l"])
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert any("$x^2$" in text.get_text() for text in texts)
    for text in texts:
        assert_harmless(text.get_text())
        assert not text.get_parse_math() or "$" not in text.get_text()


def test_warnings_and_the_log_are_harmless(caplog):
    with pytest.warns(cloudio.CloudioWarning) as caught:
        warn_once("nasty", f"a {NASTY}".replace("\n", " "))
    with caplog.at_level(logging.INFO):
        log_once("warning", f"b {NASTY}")
    assert_harmless(str(caught[0].message))
    assert_harmless(caplog.messages[0])


@pytest.mark.parametrize("mark", ["\x1b", "\n", "\x9b", "\u202e", "\u2028", "\u2066", "\x7f"])
def test_layout_files_hold_control_characters_as_escapes(tmp_path, mark):
    made = Layout("x", (8, 8), Window(0, 0, 8, 8), (Band(f"a{mark}", unit="dB"),))
    text = to_toml(made)
    assert mark not in text.split("[[arrays]]\n")[1].split("\ndtype")[0]
    (tmp_path / "l.toml").write_text(text, encoding="utf-8")
    assert Layout.from_toml(tmp_path / "l.toml") == made


@pytest.mark.parametrize("name", ["Wolken über Köln", "云", "облако", "a\u200cb", "nuage\u00a0fin"])
def test_names_in_other_languages_are_names(tmp_path, name):
    made = Layout("x", (8, 8), Window(0, 0, 8, 8), (Band(name),))
    (tmp_path / "l.toml").write_text(to_toml(made), encoding="utf-8")
    assert Layout.from_toml(tmp_path / "l.toml") == made


def test_saved_results_hold_names_as_escapes(folder, tmp_path):
    with cloudio.open(folder, layout=layout()) as ds:
        found = stats.bands(ds, [NASTY], scale=None)
    found.save(tmp_path / "s.json")
    written = (tmp_path / "s.json").read_text()
    assert_harmless(written)
    assert json.loads(written)["names"] == [NASTY]
    assert stats.load(tmp_path / "s.json") == found
