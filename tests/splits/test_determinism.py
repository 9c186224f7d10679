"""The same splits on every machine and for any order; other splits for another seed."""

import hashlib
import json
from collections import Counter

import pytest
from metadata_sets import (
    CARD,
    HALVES,
    metadata_only,
    release_columns,
    split_per_patch,
)

from cloudio import make_splits


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        ({}, "1d20cc983581e6e4"),
        ({"seed": 1}, "ebab7fd25df018e1"),
        ({"group": None}, "dfa82a060c6d684b"),
        ({"group": "roi_id", "stratify": "land_cover"}, "54c498eb50a23cfb"),
    ],
    ids=["default", "another seed", "by patch", "stratified"],
)
def test_splits_are_those_recorded_on_another_machine(options, digest):
    splits = make_splits(metadata_only(**release_columns(400)), CARD, **options)
    found = json.dumps({name: which.tolist() for name, which in splits.items()})
    assert hashlib.sha256(found.encode()).hexdigest()[:16] == digest


def test_the_order_of_columns_shares_and_groups_changes_nothing():
    columns = release_columns(100)
    first = make_splits(metadata_only(**columns), CARD)
    backwards = dict(reversed(columns.items()))
    again = make_splits(
        metadata_only(**backwards), dict(reversed(CARD.items())), group=("s2_id", "roi_id")
    )
    assert again == first
    assert list(again) == list(first)[::-1]
    by_patch = make_splits(metadata_only(**columns), CARD, group=None)
    assert make_splits(metadata_only(**backwards), CARD, group=None) == by_patch


def test_a_column_of_int64_and_one_of_float64_give_the_same_splits():
    """A subset or a single split can have a column as int64 that the whole has as float64."""
    whole = {"roi_id": [str(k // 2) for k in range(30)]}
    other = {"roi_id": [f"{k // 2}.0" for k in range(30)]}
    assert (
        metadata_only(**whole).metadata["roi_id"].dtype
        != metadata_only(**other).metadata["roi_id"].dtype
    )
    for group in ("roi_id", None):
        first = make_splits(metadata_only(**whole), HALVES, group=group)
        assert make_splits(metadata_only(**other), HALVES, group=group) == first


def test_each_seed_gives_other_splits_and_no_patch_is_preferred():
    ds = metadata_only(roi_id=["big"] * 4 + [str(k) for k in range(16)])
    asked = {"train": 0.5, "val": 0.2, "test": 0.3}
    counts = Counter()
    answers = set()
    for seed in range(400):
        placed = split_per_patch(make_splits(ds, asked, seed=seed, group="roi_id"))
        answers.add(tuple(placed))
        counts.update((k, name) for k, name in enumerate(placed))
    assert len(answers) > 390
    for k in (0, *range(4, 20)):
        for name, share in asked.items():
            assert abs(counts[k, name] / 400 - share) < 0.12, (k, name)


def test_equal_rows_are_not_split_in_row_order():
    splits = make_splits(metadata_only(same=["x"] * 40), HALVES, group=None)
    assert split_per_patch(splits) != sorted(split_per_patch(splits))
    assert [len(which) for which in splits.values()] == [20, 20]
