"""`cloudio pack`: words of the command line become arguments; commands in messages work."""

import shlex

import numpy as np
import pytest

import cloudio
from cloudio.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a container of images whose channels are last, and labels."""
    monkeypatch.chdir(tmp_path)
    labels = np.arange(2 * 6 * 6, dtype="u1").reshape(2, 6, 6)
    np.savez("x.npz", images=np.zeros((2, 6, 6, 3), "u1"), labels=labels, bands=labels)
    return tmp_path


def suggested(text):
    """Return the words of the options that a message suggests."""
    return shlex.split(text[text.index("--dataset") :])


def test_options_that_a_message_suggests_work(folder, capsys):
    assert main(["pack", "x.npz", "out"]) == 2
    message = capsys.readouterr().err
    words = ["images=images", "labels=labels", "bands=bands", "--channel-axis", "last"]
    assert message.endswith(f"such as --dataset {' '.join(words)}\n")
    assert main(["pack", "x.npz", "out", *suggested(message), "--workers", "1"]) == 0
    assert "images_3" in cloudio.open("out").names
    assert main(["pack", "x.npz", "other", "--dataset", "images"]) == 2
    assert "last: give --channel-axis last, or 'first'" in capsys.readouterr().err


def test_datasets_without_a_name_have_their_own(folder, capsys):
    words = ["pack", "x.npz", "out", "--workers", "1", "--dataset"]
    assert main([*words, "labels", "b=bands"]) == 0
    assert set(cloudio.open("out").names) == {"labels", "b"}
    assert main([*words, "bands", "x/bands"]) == 2
    assert "--dataset 'x/bands'; give each array a name of its own" in capsys.readouterr().err


def test_a_number_is_for_all_bands_beside_those_of_some_arrays(folder, capsys):
    words = ["pack", "x.npz", "out", "--workers", "1", "--dataset", "a=bands", "b=bands", "labels"]
    assert main([*words, "--nodata", "0", "labels=255", "--scale", "b=2", "1e-4"]) == 0
    ds = cloudio.open("out")
    assert [ds.band(name).nodata for name in ("a", "b", "labels")] == [0, 0, 255]
    assert [ds.band(name).scale for name in ("a", "b")] == [1e-4, 2]
    capsys.readouterr()
    for given in (["0", "1"], ["0", "x"], ["a=1", "a=2"]):
        assert main([*words, "--nodata", *given]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.endswith("the others need names: --nodata 0 NAME=1")
    assert "the others need names" in second
    assert third.endswith("--nodata 'a=2'; it must be NAME=VALUE, and each name once")
