"""Findings about very many patches: what they hold in memory, and what JSON has of them."""

import dataclasses
import json

import numpy as np
import pytest
from clean import found_checks, verify_tiny
from defects import PLANTED

from cloudio.reading import scan
from cloudio.verification import checked_array
from cloudio.verification.patch_numbers import MOST_LISTED, PatchRanges, compact
from cloudio.verification.pixel_checks.duplicates import MOST_GROUPS, check_duplicates
from cloudio.verification.report import make_finding

EVEN = tuple(range(0, 30_000, 2))
GAPS = (*range(3, 9_000), *range(9_500, 20_000), 30_000)


@pytest.mark.parametrize("numbers", [tuple(range(20_000)), EVEN, GAPS])
def test_many_patches_are_a_sequence_like_a_tuple(numbers):
    held = compact(np.array(numbers))
    assert isinstance(held, PatchRanges)
    assert len(held) == len(numbers)
    assert tuple(held) == numbers
    assert held == numbers
    assert numbers == held
    assert hash(held) == hash(numbers)
    assert held == compact(list(numbers))
    assert held != numbers[:-1]
    assert held != (*numbers[:-1], 10**9)
    assert held != list(numbers)
    assert [held[0], held[-1], held[9_100]] == [numbers[0], numbers[-1], numbers[9_100]]
    assert held[8_990:9_010] == numbers[8_990:9_010]
    assert held[::-3_000] == numbers[::-3_000]
    assert np.array_equal(np.asarray(held), numbers)
    assert numbers[5] in held
    assert repr(held) == f"<{len(numbers):,} patches: {numbers[0]} to {numbers[-1]}>"
    with pytest.raises(IndexError):
        held[len(numbers)]


@pytest.mark.parametrize("numbers", [(), (3,), tuple(range(MOST_LISTED)), EVEN[::-1]])
def test_few_patches_are_a_tuple(numbers):
    assert type(compact(np.array(numbers, int))) is tuple
    assert compact(iter(numbers)) == numbers


def test_a_range_of_a_million_patches_is_kept_as_one_range():
    held = compact(range(10**6))
    assert len(held._starts) == 1
    assert held[-1] == 10**6 - 1


def test_json_lists_the_first_patches_of_many_and_how_many_there_are(tiny):
    findings = (
        make_finding("nan", "train", "a.dat", EVEN, "NaN"),
        make_finding("nan", "train", "b.dat", range(MOST_LISTED), "NaN"),
    )
    report = dataclasses.replace(verify_tiny(tiny), findings=findings)
    many, few = json.loads(report.json())["findings"]
    assert many["patches"] == list(EVEN[:MOST_LISTED])
    assert many["n_patches"] == len(EVEN)
    assert few["patches"] == list(range(MOST_LISTED))
    assert "n_patches" not in few
    assert "0, 2, 4, 6 and 14,996 more" in str(report)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize(
    "defect", ["a_label_holds_7", "radar_has_a_stripe_of_no_data", "a_file_is_cut"]
)
def test_classes_counted_block_by_block_are_the_same(tiny, monkeypatch, block, defect):
    PLANTED[defect][0](tiny)
    expected = verify_tiny(tiny)
    sizes = []
    count_array = scan.count_array

    def count(ds, *args, **options):
        sizes.append((len(ds), options["class_lut"] is not None))
        return count_array(ds, *args, **options)

    monkeypatch.setattr(scan, "count_array", count)
    monkeypatch.setattr(checked_array, "_BLOCK", block)
    report = verify_tiny(tiny)
    assert found_checks(report) == found_checks(expected)
    assert report.findings == expected.findings
    assert report.n_bytes == expected.n_bytes
    assert max(n for n, is_label in sizes if is_label) == block
    assert max(n for n, is_label in sizes if not is_label) == 3


def test_very_many_duplicates_are_one_finding_in_the_end():
    n = MOST_GROUPS + 5
    sums = np.repeat(np.arange(1, n + 1, dtype="u8"), 2)
    reported = list(check_duplicates({"a": {"x": sums}}, {}))
    assert len(reported) == MOST_GROUPS + 1
    assert reported[0].patches == (0, 1)
    assert reported[-1].message == "more of these: 10 patches that occur again"
    assert reported[-1].patches == tuple(range(2 * MOST_GROUPS, 2 * n))
