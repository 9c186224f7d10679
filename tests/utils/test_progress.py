"""The one progress bar: counts whatever is shown, and asks for tqdm only where something is."""

import sys

import pytest

from cloudio._utils.progress import on_terminal, progress_bar


class Terminal:
    def __init__(self, stream):
        self.write, self.flush = stream.write, stream.flush

    def isatty(self):
        return True


def test_nothing_is_shown_nor_imported_unasked(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    for shown in (False, None):  # stderr is captured, and so no terminal
        with progress_bar(10, shown=shown) as advance:
            advance(3)
            advance(4)
        assert advance.done == 7
    assert capsys.readouterr() == ("", "")


def test_bytes_are_shown_with_what_they_are_of(capsys):
    with progress_bar(2_000_000, shown=True, what="bands", leave=True) as advance:
        advance(2_000_000)
    told = capsys.readouterr().err
    assert "bands" in told
    assert "2.00M/2.00M" in told


def test_steps_are_counted_one_by_one(capsys):
    with progress_bar(2, shown=True, in_bytes=False, leave=True) as advance:
        advance()
        advance()
    assert "2/2" in capsys.readouterr().err
    assert advance.done == 2


def test_none_means_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    assert on_terminal()
    with progress_bar(1, shown=None, in_bytes=False, leave=True) as advance:
        advance()
    assert "1/1" in capsys.readouterr().err


def test_no_stderr_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert not on_terminal()


def test_the_bar_ends_with_an_error(capsys):
    with pytest.raises(ValueError, match="midway"), progress_bar(2, shown=True, leave=True):
        raise ValueError("midway")
    assert "0.00/2.00" in capsys.readouterr().err
