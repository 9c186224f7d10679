"""The command `cloudio stats`."""

import re
import shutil
import sys
import warnings

import builders
import numpy as np
import pytest
from counted_set import FLOATS, INTS, LAYOUT, inside

from cloudio import stats
from cloudio.cli import main


@pytest.fixture
def command(tmp_path, data):
    """A folder that carries its layout, so that the command needs no words for it."""

    ds, _ = data
    from cloudio.layouts.toml_writer import to_toml

    (tmp_path / "layout.toml").write_text(to_toml(LAYOUT))
    return ds, [str(ds.path), "--layout", str(tmp_path / "layout.toml")]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_prints_the_first_preset_and_manual_hq(command, capsys, monkeypatch, terminal):
    ds, words = command
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main(["stats", *words]) == 0
    printed = capsys.readouterr()
    assert str(stats.bands(ds, "some")) in printed.out
    assert str(stats.classes(ds, "hq")) in printed.out
    assert "count more bands with --bands floats, or --bands all" in printed.out
    assert "--split train" in printed.out
    assert ("bands:" in printed.err) == terminal
    assert "bands:" not in printed.out


def test_the_command_counts_and_saves_what_it_is_told_to(command, capsys, tmp_path):
    ds, words = command
    train, path = ds.split("train"), tmp_path / "kept.json"
    asked = ["--split", "train", "--bands", "i16,f32", "--labels", "hq,half", "--agreement"]
    asked += ["found", "--reference", "hq", "--percentiles", "5,50", "--json", "-o", str(path)]
    assert main(["stats", *words, *asked, "--threads", "1"]) == 0
    kept = stats.load(path)
    assert kept.json() + "\n" == capsys.readouterr().out
    assert list(kept) == ["bands", "classes", "agreement"]
    assert kept["bands"] == stats.bands(train, ["i16", "f32"], percentiles=[5, 50])
    assert kept["classes"] == stats.classes(train, ["hq", "half"])
    assert kept["agreement"] == stats.agreement(train, "found", "hq")
    assert main(["stats", *words, "--bands", "all", "--no-labels", "--percentiles", "none"]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"^{name} ", printed, re.MULTILINE) for name in (*INTS, *FLOATS))
    assert "50 %" not in printed
    assert "also there" not in printed


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--bands", "i16", "--no-bands"],
            "--bands and --no-bands contradict each other; give one of them",
        ),
        (
            ["--labels", "hq", "--no-labels"],
            "--labels and --no-labels contradict each other; give one of them",
        ),
        (["--reference", "hq"], "--reference needs --agreement"),
        (
            ["--no-bands", "--no-labels"],
            "--no-bands and --no-labels leave nothing to count; drop one",
        ),
        (
            ["--labels", "i16"],
            r"i16 has no .* one. Write \[label_maps.i16.NAME\] with classes = \{",
        ),
        (["--split", "test"], "no split 'test'"),
        (["--split", "train,val"], "--split 'train,val'; it takes one split; leave it out"),
        (["--labels", "hq:card"], "--labels 'hq:card'; this command has no policies; in Python"),
        (["--percentiles", "a"], "--percentiles a; --percentiles must be"),
        (["-o", "{path}/train/i16.dat"], "i16.dat exists already; --force replaces it"),
        (["-o", "{path}/none/x.json"], "no folder"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence_before_counting(command, capsys, more, message):
    ds, words = command
    assert main(["stats", *words, *(word.format(path=ds.path) for word in more)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.match(f"cloudio: .*{message}", printed.err)


def test_without_a_preset_the_command_counts_every_band(tmp_path, capsys):
    np.zeros((2, 512, 512), "i2").tofile(tmp_path / "L1C_B4.dat")
    builders.write_metadata(tmp_path / "metadata.csv", 2)
    assert main(["stats", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^L1C_B4 +518,162 ", printed, re.MULTILINE)
    assert "of LABEL" not in printed


def test_bands_of_unknown_scale_are_left_out_and_named(command, tmp_path, capsys):
    shutil.copytree(command[0].path / "val", tmp_path / "data" / "val")
    shutil.copy(tmp_path / "data" / "val" / "i16.dat", tmp_path / "data" / "val" / "own.dat")
    words = ["stats", str(tmp_path / "data"), *command[1][1:], "--no-labels", "--bands", "all"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "because their scale is unknown: own; --raw counts numbers as stored" in printed
    assert not re.search("^own ", printed, re.MULTILINE)
    assert main([*words, "--raw", "-o", str(tmp_path / "raw.json")]) == 0
    assert "unknown" not in capsys.readouterr().out
    found = stats.load(tmp_path / "raw.json")["bands"].select(["i16", "own"])
    assert found.max[0] == found.max[1] == inside(command[0].split("val")["i16"]).max()


def test_warnings_are_printed_as_sentences(mini, capsys):
    words = ["stats", str(mini.path), "--no-bands", "--labels", "qa60"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith("cloudio: warning: LABEL_qa60 is stored in 1 byte per pixel")
        for line in lines
    )


def test_a_scale_that_the_layout_does_not_give_is_told_and_how_to_do_without(tmp_path, capsys):
    np.zeros((2, 8, 8), "u2").tofile(tmp_path / "A.dat")
    array = '[[arrays]]\nname = "A"\ndtype = "uint16"\nscale = "unknown"\n'
    (tmp_path / "cloudio.toml").write_text(f'name = "own"\npatch = [8, 8]\n{array}')
    assert main(["stats", str(tmp_path)]) == 2
    assert "the scale of A is unknown: --raw counts numbers as stored; else" in (
        capsys.readouterr().err
    )
    assert main(["stats", str(tmp_path), "--bands", "A"]) == 2
    message = "write its scale there, or give --raw, which counts numbers as stored\n"
    assert capsys.readouterr().err.endswith(message)
    assert main(["stats", str(tmp_path), "--raw"]) == 0
