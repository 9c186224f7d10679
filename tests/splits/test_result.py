"""`Splits`: printed, compared, pickled, saved."""

import pickle
import re

import numpy as np
import pytest
from metadata_sets import (
    CARD,
    HALVES,
    metadata_only,
    release_columns,
)

from cloudio import make_splits


def test_splits_print_as_a_table():
    ds = metadata_only(roi_id=["a"] * 700 + ["b"] * 200 + [str(k) for k in range(2100)])
    splits = make_splits(ds, CARD, group="roi_id")
    lines = str(splits).splitlines()
    assert repr(splits) == str(splits)
    assert lines[0] == "split    asked      got  patches   groups"
    assert re.fullmatch(r"train   0\.8490   0\.8490    2,547    1,848", lines[1])
    assert lines[2].startswith("val     0.0535   0.053")
    assert lines[4:] == ["3,000 patches in 2,102 groups, the largest of 700"]


def test_splits_are_immutable_and_pickle():
    splits = make_splits(metadata_only(**release_columns(50)), HALVES, stratify="land_cover")
    for one in (splits, pickle.loads(pickle.dumps(splits))):
        assert one == splits
        assert str(one) == str(splits)
        with pytest.raises(ValueError, match="read-only"):
            one["a"][0] = 1
        with pytest.raises(TypeError):
            one["a"] = np.arange(3)
    assert splits != make_splits(metadata_only(**release_columns(50)), HALVES, seed=1)
    assert splits == dict(splits)
    assert splits != {"a": splits["a"]}
    assert splits != "a, b"


def test_splits_are_saved_as_arrays(tmp_path):
    splits = make_splits(metadata_only(**release_columns(50)), HALVES)
    np.savez(tmp_path / "splits.npz", **splits)
    with np.load(tmp_path / "splits.npz") as saved:
        assert splits == dict(saved)


def test_splits_pickled_by_earlier_versions_load():
    """Those versions had one module `cloudio.splits` with these classes."""
    splits = make_splits(metadata_only(x=["1"]), {"a": 1}, group=None)
    held = pickle.dumps(splits, protocol=0).replace(b"cloudio.splits.result", b"cloudio.splits")
    assert b"cloudio.splits.result" not in held
    assert pickle.loads(held).shares == splits.shares
