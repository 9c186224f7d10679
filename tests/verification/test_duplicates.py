"""Patches that occur more than once."""

import numpy as np
from clean import verify_tiny
from planting import copy_patch

from cloudio.verification.pixel_checks.duplicates import check_duplicates


def test_a_duplicate_is_reported_once_with_all_its_places(tiny):
    copy_patch(tiny, ("train", 0), ("train", 2))
    copy_patch(tiny, ("train", 0), ("val", 1))
    (finding,) = verify_tiny(tiny).findings
    assert finding.message == "the same in all 5 bands: train 0, 2; val 1"


def test_many_places_of_a_patch_are_shortened():
    sums = {"a": np.full(3_000, 7, "u8"), "b": np.arange(1, 5, dtype="u8")}
    sums["b"][::2] = 7
    reported = list(check_duplicates({split: {"x": held} for split, held in sums.items()}, {}))
    assert [(f.split, f.message) for f in reported] == [("a", "the same in x: a 0..2999; b 0, 2")]
    assert reported[0].patches == tuple(range(3_000))


def test_splits_are_compared_in_shared_arrays_and_patches_of_one_split_in_all():
    sums = {
        "a": {"x": [1, 2, 1, 4], "y": [1, 2, 1, 9], "z": [5, 6, 7, 8]},  # 0 and 2: not in z
        "b": {"x": [4, 4, 5, 6], "y": [9, 9, 5, 6]},  # 0 and 1, and 3 of a
        "c": {"w": [3, 3, 3, 4]},  # which shares nothing
    }
    arrays = {s: {n: np.array(v, "u8") for n, v in of.items()} for s, of in sums.items()}
    files = {(split, name): name for split, of in arrays.items() for name in of}
    reported = [(f.check, f.split, f.patches, f.message) for f in check_duplicates(arrays, files)]
    assert reported == [
        ("duplicate", "a", (3,), "the same in all 2 bands: a 3; b 0..1"),
        ("duplicate", "c", (0, 1, 2), "the same in w: c 0..2"),
    ]
