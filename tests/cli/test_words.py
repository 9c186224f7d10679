"""PATH may come before or after any option, and lists may be words or separated by commas."""

import numpy as np
import pytest

from cloudio.cli import command, main
from cloudio.cli.words import arrange


def parsed(line):
    name, *words = line.split()
    parser = command._build_parsers()[1][name]
    return vars(parser.parse_args(arrange(parser, words)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("show data --index 1", {"path": "data", "index": ["1"]}),
        ("show --index 1 data", {"path": "data", "index": ["1"]}),
        ("show --index 1 2,5 0:3 data", {"path": "data", "index": ["1", "2", "5", "0:3"]}),
        ("show --index -1 data", {"path": "data", "index": ["-1"]}),
        ("show --index -1 -2 data", {"path": "data", "index": ["-1", "-2"]}),
        ("show --index=3 data", {"path": "data", "index": ["3"]}),
        ("show --ind 3 4 data", {"path": "data", "index": ["3", "4"]}),
        ("show --index 1 2017", {"path": "2017", "index": ["1"]}),
        ("show --index 1 --bands B4 B3 data", {"path": "data", "bands": ["B4", "B3"]}),
        ("show --bands B4 B3 --index 0 data", {"path": "data", "bands": ["B4", "B3"]}),
        ("show data --bands B4 B3 --index 0", {"path": "data", "bands": ["B4", "B3"]}),
        ("show --bands B4,B3 --index 0 -o x.png data", {"path": "data", "bands": ["B4", "B3"]}),
        ("show data --index 0 --stretch -30,0", {"stretch": "-30,0"}),
        ("show --flat data --index 0", {"path": "data", "flat": True}),
        ("stats --bands B4 B3 data", {"path": "data", "bands": ["B4", "B3"]}),
        ("stats --labels a data --json", {"path": "data", "labels": ["a"], "json": True}),
        ("stats --percentiles 5 50 data", {"path": "data", "percentiles": ["5", "50"]}),
        ("stats --percentiles none data", {"path": "data", "percentiles": ["none"]}),
        ("stats --bands all -- --odd", {"path": "--odd", "bands": ["all"]}),
        ("synth --patches train=4 data3", {"path": "data3", "patches": ["train=4"]}),
        ("synth --patches a=1 b=2 data3 --seed 3", {"path": "data3", "patches": ["a=1", "b=2"]}),
        ("synth --patches a=1,b=2 data3", {"path": "data3", "patches": ["a=1", "b=2"]}),
        ("info --layout x.toml data", {"path": "data"}),
        ("bench --train --batch 4 data", {"path": "data", "batch": 4}),
        ("verify --threads 2 data", {"path": "data", "threads": 2}),
    ],
)
def test_the_words_of_a_command_are_understood_in_any_order(line, expected):
    found = parsed(line)
    assert {**{key: found[key] for key in expected}, "path": str(found["path"])} == (
        {"path": "data"} | expected
    )


@pytest.mark.parametrize("line", ["stats --bands B4", "show --index 0", "synth --patches a=1"])
def test_the_only_word_of_an_option_is_not_taken_for_the_path(line):
    with pytest.raises(SystemExit):
        parsed(line)


def test_a_word_too_many_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["show", "data", "--index", "0", "other"])
    assert "'other' is extra; cloudio show takes one PATH" in capsys.readouterr().err


# ---- one rule for files that exist ---------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A data set of a band and a label of two bytes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    rng = np.random.default_rng(0)
    np.save("own/B4.npy", rng.integers(0, 9999, (3, 64, 64)).astype("<u2"))
    np.save("own/qa.npy", rng.choice([21824, 22280], (3, 64, 64)).astype("<u2"))
    (tmp_path / "own" / "cloudio.toml").write_text(
        'name = "Own"\npatch = [64, 64]\n'
        '[[arrays]]\nname = "B4"\nfile = "B4.npy"\ndtype = "uint16"\nscale = 1e-4\n'
        '[[arrays]]\nname = "qa"\nkind = "label"\nfile = "qa.npy"\ndtype = "uint16"\n'
    )
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["stats", "own", "-o", "x.json"],
        ["verify", "own", "--manifest", "x.json"],
        ["show", "own", "--index", "0", "-o", "x.png"],
    ],
    ids=lambda words: words[0],
)
def test_no_command_replaces_a_file_unless_it_is_forced(own, words, capsys):
    if words[0] == "show":
        pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    assert main(words) == 0
    before = (own / words[-1]).stat().st_mtime_ns
    capsys.readouterr()
    assert main(words) == 2
    assert capsys.readouterr().err == f"cloudio: {words[-1]} exists already; --force replaces it\n"
    assert (own / words[-1]).stat().st_mtime_ns == before
    assert main([*words, "--force"]) == 0


def test_labels_without_a_map_are_counted_and_shown_by_their_codes(own, capsys):
    assert main(["stats", "own", "--no-bands"]) == 0
    printed = capsys.readouterr().out
    assert "21824" in printed
    assert "22280" in printed
    pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    assert main(["show", "own", "--index", "0", "--labels", "qa", "-o", "x.png"]) == 0


@pytest.mark.parametrize("option", [["--policy", "codes"], ["--classes", "a"], ["--flat"]])
def test_options_of_labels_need_labels(own, option, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    assert main(["show", "own", "--index", "0", "-o", "x.png", *option]) == 2
    assert f"{option[0]} needs --labels" in capsys.readouterr().err
