"""Counts, shares and sizes as people read them."""

import pytest

from cloudio._utils.text import (
    counted,
    escape_controls,
    gigabytes,
    listed,
    megabytes,
    percent,
    suggest,
)


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (1, "patch", "1 patch"),
        (0, "patch", "0 patches"),
        (1234, "patch", "1,234 patches"),
        (1, "thread", "1 thread"),
        (2, "thread", "2 threads"),
        (2, "class", "2 classes"),
    ],
)
def test_a_count_has_its_noun(n, noun, text):
    assert counted(n, noun) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.00%"),
        (1, "100.00%"),
        (0.5, "50.00%"),
        (0.2205, "22.05%"),
        (0.00272, "0.272%"),
        (0.000344, "0.0344%"),
        (1e-9, "< 0.01%"),
        (1 - 1e-9, "> 99.99%"),
        (float("nan"), "-"),
    ],
)
def test_a_share_is_never_nothing_of_what_is_there_nor_all_of_what_is_not(share, text):
    assert percent(share) == text


def test_sizes_are_decimal():
    assert gigabytes(24_641_536) == "0.025"
    assert gigabytes(1_234_500_000_000) == "1,234.500"
    assert megabytes(1_234_500_000) == "1,234"


def test_what_is_not_printed_is_escaped_and_nothing_else():
    assert escape_controls("Größe $x_1$ \\ 雲") == "Größe $x_1$ \\ 雲"
    assert escape_controls("a\nb\tc\x1b[1m\u202e\ud800\U000e0001") == (
        r"a\nb\tc\x1b[1m\u202e\ud800\U000e0001"
    )


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("fmaks", "; did you mean fmask?"), ("FMASK2", "; did you mean fmask?"), ("x", ""), (3, "")],
)
def test_the_choice_most_like_a_name_is_suggested(name, suggested):
    assert suggest(name, ["sen2cor", "fmask", "qa60"]) == suggested


def test_lists_end_after_a_dozen_names():
    names = [f"B{k}" for k in range(1, 14)]
    assert listed(names[:12]) == ", ".join(names[:12])
    assert listed(names) == f"{', '.join(names[:12])} and 1 more"
    assert listed(iter([])) == ""
