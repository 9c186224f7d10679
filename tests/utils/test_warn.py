"""Warnings: each matter once, in each process, whoever asks."""

import sys
import threading
import warnings

import pytest
from processes import in_subprocess, needs_fork
from warned import warned

from cloudio import CloudioWarning
from cloudio._utils import warn


def test_a_matter_is_warned_of_once_until_all_is_forgotten():
    assert warned(
        lambda: [warn.warn_once("a", "A"), warn.warn_once("b", "B"), warn.warn_once("a", "A")]
    ) == [
        "A",
        "B",
    ]
    assert warned(lambda: warn.warn_once("a", "A")) == []
    warn.reset()
    assert warned(lambda: warn.warn_once("a", "A")) == ["A"]


def test_what_is_hushed_does_not_count_as_said():
    def quietly():
        with warn.suppressed():
            warn.warn_once("a", "A")
            warn.dismiss("a")
            assert warn.was_warned("a")

    assert warned(quietly) == []
    assert not warn.was_warned("a")
    assert warned(lambda: warn.warn_once("a", "A")) == ["A"]


def test_a_warning_that_filters_make_an_error_is_one_every_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with pytest.raises(CloudioWarning, match="A"):
                warn.warn_once("a", "A")
    assert warned(lambda: warn.warn_once("a", "A")) == ["A"]


def test_of_many_threads_one_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(warnings, "warn", lambda text, *_, **__: told.append(text))
    start = threading.Barrier(8)

    def tell():
        start.wait()
        for matter in range(200):
            warn.warn_once(matter, str(matter))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=tell) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sorted(told, key=int) == [str(matter) for matter in range(200)]


@needs_fork
def test_a_forked_child_has_heard_what_its_parent_has():
    in_subprocess("""
        import forks, warnings
        from cloudio._utils import warn
        warnings.simplefilter("ignore")
        warn.warn_once("a", "A")
        warnings.simplefilter("error")
        assert forks.forked(lambda: warn.warn_once("a", "A") is None) == 0
    """)
