"""`cloudio synth`: how many patches of each split, in words."""

import re
import signal

import pytest

from cloudio.cli import main
from cloudio.cli.commands.synth import parse_patches


def test_the_handler_of_sigterm_is_the_callers_again(tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["synth", str(tmp_path / "data"), "--patches", "train=1"]) == 0
    assert main(["synth", str(tmp_path / "data"), "--patches", "train=1"]) == 2  # it exists
    assert signal.getsignal(signal.SIGTERM) == before


def test_words_become_patches_in_their_order():
    patches = parse_patches(["val=2", "train=08", "my split=3", "ünï=1"])
    assert list(patches.items()) == [("val", 2), ("train", 8), ("my split", 3), ("ünï", 1)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "'train'; it must be SPLIT=N with N of 1 or more, such as train=8"),
        (["train="], "'train='; it must be SPLIT=N"),
        (["train=x"], "'train=x'; it must be SPLIT=N"),
        (["train=-3"], "'train=-3'; it must be SPLIT=N"),
        (["train=0"], "'train=0'; it must be SPLIT=N"),
        (["train=1.5"], "'train=1.5'; it must be SPLIT=N"),
        (["train= 8"], "'train= 8'; it must be SPLIT=N"),
        (["train=" + "9" * 5000], "SPLIT=N"),
        (["train=٣"], "SPLIT=N"),
        (["train=8", "val=2", "train=9"], "'train=9' comes after train=8; give each split once"),
        (["=8"], "'' cannot name a split"),
        ([".=8"], r"'\.' cannot name a split"),
        (["..=8"], r"'\.\.' cannot name a split"),
        (["../x=8"], r"'\.\./x' cannot name a split"),
        (["a/b=8"], "'a/b' cannot name a split"),
        (["a\\b=8"], "cannot name a split"),
        (["a\nb=8"], "cannot name a split"),
        (["a\0b=8"], "cannot name a split"),
    ],
)
def test_bad_words_are_refused(tmp_path, capsys, words, message):
    assert main(["synth", str(tmp_path / "made"), "--patches", *words]) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err)
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
