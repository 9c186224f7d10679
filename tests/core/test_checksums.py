"""Checksums of patches in memory."""

import numpy as np
import pytest

from cloudio._core import kernels
from cloudio._core.checksums import checksum
from cloudio._core.plans import Histogram
from cloudio.reading.scan import RECORD


def counted(patch):
    """The checksum that a pass over an array gives."""
    height, width = patch.shape
    record = np.zeros(1, RECORD)
    plan = Histogram([[patch[None]]], [[None]], (0, 0, height, width), checksum=True)
    counts = np.zeros(plan.n_counts, np.int64)
    words, index = record.view(np.int64).reshape(1, -1), np.zeros(1, np.int64)
    assert (
        kernels.count(plan, words, counts, None, index, np.zeros(2, int), *patch.shape, 1) is None
    )
    return int(record["checksum"][0])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 64), (5, 129)])
def test_a_patch_has_the_checksum_of_a_pass_over_a_file(shape, dtype):
    patch = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    assert checksum(patch) == counted(patch)


def test_one_changed_bit_changes_it():
    patch = np.zeros((9, 13), np.uint8)
    before = checksum(patch)
    patch[8, 12] = 1
    assert checksum(patch) != before


@pytest.mark.parametrize(
    "patch", [np.zeros((2, 2, 2)), np.zeros(4), np.zeros((4, 4))[:, ::2], np.zeros((4, 6)).T]
)
def test_other_memory_is_refused(patch):
    with pytest.raises(ValueError, match=r"it must be \(row, column\), contiguous"):
        checksum(patch)
