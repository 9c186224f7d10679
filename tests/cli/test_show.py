"""`cloudio show`."""

import figures
import numpy as np
import pytest
from figures import png_size

from cloudio.cli import main
from cloudio.cli.inventory import effective_layout
from cloudio.layouts.toml_writer import to_toml

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Arrays by name, and the data set; see `figures.write_small`."""
    return figures.write_small(tmp_path_factory.mktemp("show"))


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """A folder to work in, with the layout of the data set in it."""
    (tmp_path / "small.toml").write_text(to_toml(effective_layout(small[1])))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(small, *words):
    return main(["show", str(small[1].path), "--layout", "small.toml", *map(str, words)])


def test_show_writes_a_picture_of_the_size_of_its_figure(small, folder, capsys):
    words = ["--index", "0:2", "4", "--labels", "hq,percent", "--window", "-o", "out.png"]
    assert show(small, *words) == 0
    assert capsys.readouterr().out == "out.png: 3 patches\n"
    figure = plot.patch(small[1], [0, 1, 4], labels=["hq", "percent"], window=True)
    expected = tuple(int(inches * 200) for inches in figure.get_size_inches())
    assert png_size((folder / "out.png").read_bytes()) == expected


def test_show_passes_on_what_it_is_told(small, folder, monkeypatch):
    calls = []
    monkeypatch.setattr(
        plot, "patch", lambda ds, index, **options: calls.append((ds, index, options))
    )
    monkeypatch.setattr(plot, "save", lambda *_, **__: None)
    assert show(small, "--index", "3,-1") == 0
    more = ["--split", "val", "--bands", "B4,B3,B2", "--labels", "hq,sc", "--policy", "codes"]
    more += ["--stretch", "0,0.4", "--flat", "--columns", "1", "--classes", "a,b"]
    assert show(small, "--index", "1", *more) == 0
    (ds, index, usual), (part, number, told) = calls
    assert (len(ds), index, len(part), number) == (5, [3, 4], 2, [1])
    assert usual == {
        "bands": "rgb", "labels": None, "window": False, "stretch": "fixed",
        "overlay": plot.OVERLAY, "classes": None, "columns": None,
    }  # fmt: skip
    assert told == {
        "bands": ["B4", "B3", "B2"], "labels": {"hq": None, "sc": None}, "window": False,
        "stretch": (0, 0.4), "overlay": None, "classes": ["a", "b"], "columns": 1,
    }  # fmt: skip


def test_show_names_its_picture_by_what_it_shows(small, folder, capsys):
    name = small[1].path.name
    for words, file in (
        (["--index", "-1"], f"{name}-4.png"),
        (["--index", "1", "0", "--split", "val"], f"{name}-val-1-0.png"),
        (["--index", "0:5"], f"{name}-0-to-4.png"),
    ):
        assert show(small, *words) == 0
        assert capsys.readouterr().out.startswith(f"{file}: ")
        assert (folder / file).exists()


def test_show_replaces_a_file_only_when_forced(small, folder, capsys):
    (folder / "x.png").write_text("mine")
    assert show(small, "--index", 0, "-o", "x.png") == 2
    told = capsys.readouterr().err
    assert told == "cloudio: x.png exists already; --force replaces it\n"
    assert (folder / "x.png").read_text() == "mine"
    assert show(small, "--index", 0, "-o", "x.png", "--force") == 0
    png_size((folder / "x.png").read_bytes())


@pytest.mark.parametrize(
    ("suffix", "start"),
    [("pdf", b"%PDF"), ("svg", b"<?xml"), ("jpg", b"\xff\xd8"), ("JPEG", b"\xff\xd8")],
)
def test_the_suffix_is_the_format(small, folder, suffix, start):
    assert show(small, "--index", 0, "-o", f"x.{suffix}") == 0
    assert (folder / f"x.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--index", "5"], "--index 5; there are 5 patches, so --index must be -5..4"),
        (["--index", "0:6"], "--index 0:6 ends too late; there are 5 patches"),
        (["--index", "two"], "--index 'two'; it must be a number, or a range such as 0:6"),
        (["--index", "3:3"], "--index 3:3 selects no patch"),
        (["--index", "0", "--bands", "B99"], "there is no band or preset 'B99'; presets are L1C"),
        (["--index", "0", "--labels", "hq,nope"], "no array 'nope'"),
        (
            ["--index", "0", "--labels", "hq", "--policy", "x"],
            "--policy 'x'; for LABEL_hq it must be 'card', 'authors' or 'codes' (codes shows the ",
        ),
        (
            ["--index", "0", "--labels", "hq", "--policy", "code"],
            "(codes shows the stored numbers); did you mean codes?",
        ),
        (["--index", "0", "--stretch", "0.3"], "--stretch '0.3'; it must be fixed, patch or LOW"),
        (["--index", "0", "--split", "test"], "no split 'test'"),
        (
            ["--index", "0", "--stretch", "0,x"],
            "--stretch '0,x'; it must be fixed, patch or LOW,HIGH",
        ),
        (
            ["--index", "0", "-o", "x.gif"],
            "'x.gif': the name must end in .png, .jpg, .jpeg, .pdf",
        ),
        (["--index", "0", "-o", "picture"], "'picture': the name must end in .png"),
        (["--index", "0", "-o", "no/x.png"], "x.png cannot be written: there is no folder"),
    ],
)
def test_what_show_cannot_do_is_one_sentence(small, folder, capsys, words, message):
    assert show(small, *words) == 2
    caught = capsys.readouterr()
    assert message in caught.err
    assert caught.err.count("\n") == 1
    assert caught.out == ""
    assert [path.name for path in folder.iterdir()] == ["small.toml"]


def test_a_data_set_of_labels_is_shown_by_its_codes(tmp_path, capsys):
    (tmp_path / "cloudio.toml").write_text(
        'name = "own"\npatch = [8, 8]\n[[arrays]]\nname = "QA"\nkind = "label"\ndtype = "uint16"\n'
    )
    np.arange(64, dtype="u2").tofile(tmp_path / "QA.dat")
    words = ["show", str(tmp_path), "--index", "0", "-o", str(tmp_path / "x.png")]
    assert main(words) == 2
    message = "has no bands; it has only labels: QA; --bands QA shows its codes\n"
    assert capsys.readouterr().err.endswith(message)
    assert main([*words, "--bands", "QA"]) == 0
