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
    ("n", "text"),
    [
        (0, ""),
        (2, "0, 1"),
        (12, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        (13, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 1 more"),
        (2012, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2,000 more"),
    ],
)
def test_a_list_ends_after_twelve_entries(n, text):
    assert listed(range(n)) == text


def test_a_list_may_be_one_of_alternatives():
    assert listed(["a", "b"], " or ") == "a or b"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("fmaks", "; did you mean fmask?"), ("FMASK2", "; did you mean fmask?"), ("x", ""), (3, "")],
)
def test_the_choice_most_like_a_name_is_suggested(name, suggested):
    assert suggest(name, ["sen2cor", "fmask", "qa60"]) == suggested
