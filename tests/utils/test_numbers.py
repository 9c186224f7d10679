"""The one set of checks of numbers."""

from fractions import Fraction

import numpy as np
import pytest

from cloudio import RequestError
from cloudio._utils.numbers import (
    check_bool,
    check_whole,
    is_finite,
    is_number,
    is_real,
    is_whole,
)

NO_NUMBERS = (True, np.True_, None, "1", b"1", [1], np.timedelta64(1, "D"), 1j, np.complex64(1))


@pytest.mark.parametrize("given", NO_NUMBERS, ids=repr)
def test_what_is_no_number(given):
    assert not any(check(given) for check in (is_whole, is_number, is_real, is_finite))


@pytest.mark.parametrize(
    ("given", "whole", "real", "finite"),
    [
        (1, True, True, True),
        (np.uint64(2**63), True, True, True),
        (1.0, False, True, True),
        (np.float32(0.5), False, True, True),
        (Fraction(1, 3), False, True, True),
        (float("nan"), False, True, False),
        (np.float16("inf"), False, True, False),
        (10**400, True, False, False),  # past what a float holds
    ],
)
def test_what_a_number_is(given, whole, real, finite):
    assert is_number(given)
    assert (is_whole(given), is_real(given), is_finite(given)) == (whole, real, finite)


def test_a_whole_number_comes_back_as_one_of_python():
    assert type(check_whole("n", np.int16(3), 1, 3)) is int


@pytest.mark.parametrize(
    ("given", "limits", "message"),
    [
        (0, (1,), "n=0; n must be a whole number, 1 or more"),
        (5, (1, 4), r"n=5; n must be a whole number from 1 to 4"),
        (1.0, (), r"n=1\.0; n must be a whole number"),
        (True, (0,), "n=True; n must be a whole number, 0 or more"),
    ],
)
def test_what_was_given_and_what_is_needed_are_told(given, limits, message):
    with pytest.raises(RequestError, match=f"^{message}$"):
        check_whole("n", given, *limits)


def test_the_caller_may_say_what_is_needed():
    with pytest.raises(RequestError, match=r"^seed=-1; seed must be a seed$"):
        check_whole("seed", -1, 0, needed="a seed")


@pytest.mark.parametrize("given", [0, 1, None, "True", np.int8(1)])
def test_only_a_bool_is_a_bool(given):
    assert check_bool("shuffle", np.True_) is True
    with pytest.raises(RequestError, match=r"shuffle=.*; shuffle must be True or False"):
        check_bool("shuffle", given)
