"""Every file of benchmarks/rivals: what it needs is pinned, and it can be listed without that."""

import re
import sys

import pytest
from paths import ROOT

pytest.importorskip("benchmarks", reason="the tests run without the benchmarks")
if sys.platform != "linux":
    pytest.skip("the suite needs Linux", allow_module_level=True)

from benchmarks.rivals.numpy_stats import moments
from benchmarks.suite.rival import SUITES
from benchmarks.suite.rivals import find

BENCHMARKS = ROOT / "benchmarks"
ENTRIES, BROKEN = find([])


def pinned(environment):
    """The distributions that a file of requirements names, with any spelling of "-" and "_"."""
    name = "requirements" if environment == "main" else f"environments/{environment}"
    lines = (BENCHMARKS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    names = (re.split("[=><~ @\\[]", line)[0] for line in lines if not line.startswith("#"))
    return {re.sub("[-_.]+", "-", name).lower() for name in names if name}


def test_all_rivals_can_be_listed_without_what_they_need():
    assert BROKEN == {}
    assert len({entry.rival.name for entry in ENTRIES}) == len(ENTRIES)
    suites = {suite for entry in ENTRIES if entry.kind == "cloudio" for suite in entry.rival.suites}
    assert suites == set(SUITES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_rival_names_its_suites_and_pins_what_it_needs(entry):
    rival = entry.rival
    assert rival.suites
    assert set(rival.suites) <= set(SUITES)
    assert rival.order in ("any", "stored")
    needed = {re.sub("[-_.]+", "-", name).lower() for name in rival.packages}
    assert needed <= pinned(rival.environment)
    text = entry.file.read_text(encoding="utf-8")
    assert text.startswith('"""')
    if entry.kind == "rival" and rival.packages != ("numpy",):
        assert "https://" in text, "the page of its own docs that advises the settings"


def test_moments_of_a_whole_data_set_need_more_than_64_bits():
    n, total, squares = 96 * 509 * 509, 2000 * 96 * 509 * 509, 4_250_000 * 96 * 509 * 509
    assert moments(n, total, squares, 1e-4) == pytest.approx((0.2, 0.05))
