"""`cloudio compact`: words of the command line become arguments, and the result is shown."""

import json

import native
import pytest

import cloudio
from cloudio.cli.command import main
from cloudio.cli.commands.compact import parse_repeats


@pytest.fixture
def here(tmp_path, monkeypatch):
    native.write_roots(tmp_path, {"train": 6, "val": 3}, toml=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_saved_is_shown_and_the_data_can_be_read(here, capsys):
    assert main(["compact", "full", "set", "--exceptions", "0.4", "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("set: train 6, val 3 patches, ")
    assert "as before (labels stay as they are): LABEL_hq, LABEL_sc, LABEL_percent" in out
    assert cloudio.open("set").layout.band("L2A_AOT").repeat == 6


def test_json_has_all_patches_that_are_none(here, capsys):
    words = ["--repeat", "B3=2", "B8A=1", "--exceptions", "0.4", "--labels", "--json"]
    assert main(["compact", "full", "set", *words]) == 0
    arrays = {each["name"]: each for each in json.loads(capsys.readouterr().out)["arrays"]}
    assert (arrays["L1C_B3"]["repeat"], arrays["L1C_B8A"]["repeat"]) == (2, 1)
    assert arrays["LABEL_hq"]["repeat"] == 2
    assert sum(map(len, arrays["LABEL_hq"]["exceptions"].values())) == 3


def test_a_dry_run_makes_no_folder(here, capsys):
    assert main(["compact", "full", "set", "--dry-run", "--repeat", "6", "3x2"]) == 0
    assert "nothing is written: this is a dry run" in capsys.readouterr().out
    assert not (here / "set").exists()


@pytest.mark.parametrize(
    ("words", "repeat"),
    [
        (None, None),
        (["6", "3", "2"], [6, 3, 2]),
        (["1x2"], [(1, 2)]),
        (["B11=2", "B11=3", "a=b=1x2"], {"B11": [2, 3], "a=b": [(1, 2)]}),
    ],
)
def test_words_become_repeats(words, repeat):
    assert parse_repeats(words) == repeat


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--repeat", "two"], "--repeat 'two'; it must be a number such as 2, rows and columns"),
        (["--repeat", "=2"], "--repeat '=2'; it must be"),
        (["--repeat", "B3=2x"], "--repeat 'B3=2x'; it must be"),
        (["--repeat", "B3=2", "6"], "--repeat B3=2 6; give numbers for all bands, or NAME=NUMBER"),
        (["--repeat", "B77=2"], "there is no array 'B77'"),
        (["--exceptions", "7"], "--exceptions 7"),
    ],
)
def test_a_wrong_word_is_refused_with_what_is_needed(here, capsys, words, message):
    assert main(["compact", "full", "set", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (here / "set").exists()
