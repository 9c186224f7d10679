"""Wrong answers are errors before they are timed; candidates are interleaved, none always first."""

import numpy as np
import pytest
from benching import warm_workload

import cloudio
from cloudio.bench.timing import Candidate, check, interleave, round_order


@pytest.fixture(scope="module")
def answers(warm_folder):
    """An output, and what numpy would write to it."""
    workload = warm_workload(warm_folder)
    return workload.allocate(), workload.expected()


# ---- answers -------------------------------------------------------------------------------------


def test_the_right_answer_passes(answers):
    out, expected = answers
    check(Candidate("it", 1, lambda out: expected), out, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda right: {"image": right.image[:2]}, r"it: its image is \(2, 13, 64, 64\) float32"),
        (lambda right: {"image": right.image.astype("f8")}, r"it: its image is .* float64; numpy"),
        (lambda right: {"label": None}, "it: no label; numpy has one"),
    ],
)
def test_an_answer_of_another_shape_is_an_error(answers, change, message):
    out, expected = answers
    wrong = expected._replace(**change(expected))
    with pytest.raises(cloudio.CloudioError, match=message):
        check(Candidate("it", 1, lambda out: wrong), out, expected)


def test_a_label_that_numpy_lacks_is_an_error(answers):
    out, expected = answers
    with pytest.raises(cloudio.CloudioError, match="it: a label; numpy has none"):
        check(Candidate("it", 1, lambda out: expected), out, expected._replace(label=None))


def test_an_output_that_nobody_wrote_to_is_an_error(answers):
    out, expected = answers
    with pytest.raises(cloudio.CloudioError, match="it: the image of sample 0 differs from numpy"):
        check(Candidate("it", 1, lambda out: out), out, expected)


@pytest.mark.parametrize(("steps", "ulps", "passes"), [(1, 1, True), (1, 0, False), (2, 1, False)])
def test_only_a_candidate_that_says_so_may_miss_the_last_bit(answers, steps, ulps, passes):
    out, expected = answers
    image = expected.image
    for _ in range(steps):
        image = np.nextafter(image, np.float32(np.inf))
    candidate = Candidate("it", 1, lambda out: expected._replace(image=image), ulps)
    if passes:
        check(candidate, out, expected)
    else:
        with pytest.raises(cloudio.CloudioError, match="it: the image of sample 0"):
            check(candidate, out, expected)


# ---- rounds --------------------------------------------------------------------------------------


def test_each_round_begins_with_another_and_every_other_is_reversed():
    assert ["".join(round_order("abc", k)) for k in range(6)] == [
        "abc", "acb", "cab", "cba", "bca", "bac",
    ]  # fmt: skip


def test_every_candidate_is_timed_once_a_round():
    ran, ticks = [], []
    candidates = [Candidate(name, 1, lambda out, name=name: ran.append(name)) for name in "abc"]
    timings = interleave(candidates, None, 4, lambda: ticks.append(len(ran)))
    assert "".join(ran) == "abc" + "acb" + "cab" + "cba"
    assert ticks == [3, 6, 9, 12]
    assert list(timings) == ["a", "b", "c"]
    assert all(len(timing.seconds) == len(timing.cpu_seconds) == 4 for timing in timings.values())
