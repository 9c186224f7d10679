"""Codes of one byte, and pairs of classes: few are counted by vectors, many one by one."""

import numpy as np
import pytest

from cloudio._core import kernels, runtime
from cloudio._core.plans import Histogram
from cloudio.reading import scan

# Around the 32 codes that vectors count, and all that there are.
N_CODES = (1, 2, 3, 4, 5, 31, 32, 33, 100, 256)
# A row that is longer than a piece of 8,128 pixels, one that fills pieces to the pixel, and short
# ones; the windows leave a pixel out on each side.
SHAPES = ((3, 20_003), (4, 8130), (40, 511), (70, 66), (1, 65), (2, 3))


def labels(n_patches: int, shape: tuple[int, int], n_codes: int, seed: int = 0) -> np.ndarray:
    """Areas and noise of a few codes, of which the last is at a single pixel, late."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(256)[:n_codes].astype(np.uint8)
    some = max(1, n_codes - 1)
    areas = codes[np.cumsum(rng.random((n_patches, *shape)) < 0.05).reshape(-1, *shape) % some]
    noise = codes[rng.integers(0, some, areas.shape)]
    array = np.where(rng.random((n_patches, shape[0], 1)) < 0.5, areas, noise)
    array[-1, shape[0] - 1 - (shape[0] > 2), shape[1] - 2] = codes[-1]
    return array


def count(plan: Histogram, n: int, window: tuple[int, int, int, int], records: bool, threads: int):
    """Records, or None, the counts of all patches, and those of classes in each."""
    row, col, height, width = window
    written = np.full((n, 15), -1, np.int64) if records else None
    counts = np.zeros(plan.n_counts, np.int64)
    classes = np.full((n, plan.n_classes), -1, np.int64)
    given = classes if plan.n_classes else None
    origin = np.array([row, col], np.int64)
    index = np.arange(n, dtype=np.int64)
    fault = kernels.count(plan, written, counts, given, index, origin, height, width, threads)
    assert fault is None
    return written, counts, classes


@pytest.mark.parametrize("n_codes", N_CODES)
@pytest.mark.parametrize("dtype", ["u1", "i1"])
def test_few_and_many_codes_are_counted(isa, n_codes, dtype):
    lut = (np.arange(256) * 5 % 7).astype(np.uint8)
    for shape in SHAPES:
        array = labels(3, shape, n_codes, seed=n_codes)
        window = (0, 1, shape[0], shape[1] - 2)
        inside = array[:, :, 1:-1].reshape(3, -1)
        expected = np.bincount(inside.ravel(), minlength=256)
        plan = Histogram([[array.view(dtype)]], [[None]], window, class_lut=lut)
        for threads in (1, 2):
            for records in (False, True):
                written, counts, classes = count(plan, 3, window, records, threads)
                assert np.array_equal(counts, expected)
                assert np.array_equal(classes, [np.bincount(lut[p], minlength=7) for p in inside])
        fields = written.view(scan.RECORD).reshape(3)
        assert np.array_equal(fields["minimum"], inside.view(dtype).min(axis=1))
        assert np.array_equal(fields["maximum"], inside.view(dtype).max(axis=1))
        assert (fields["data"] == inside.shape[1]).all()


def test_codes_of_earlier_patches_are_not_those_of_this_one(isa):
    """Each patch has codes of its own; more than 32 have been seen after the fourth."""
    array = np.stack([labels(1, (40, 511), 9, seed=k)[0] for k in range(9)])
    assert len(np.unique(array)) > 64
    window = (0, 0, 40, 511)
    lut = np.arange(256).astype(np.uint8)
    plan = Histogram([[array]], [[None]], window, class_lut=lut)
    _, counts, classes = count(plan, 9, window, False, 1)
    each = np.stack([np.bincount(patch.ravel(), minlength=256) for patch in array])
    assert np.array_equal(classes, each)
    assert np.array_equal(counts, each.sum(axis=0))


@pytest.mark.parametrize("n_classes", [1, 2, 5, 16])
@pytest.mark.parametrize("few", [True, False])
def test_pairs_of_classes_are_counted(isa, n_classes, few):
    rng = np.random.default_rng(n_classes)
    tables = rng.integers(0, n_classes, (2, 256)).astype(np.uint8)
    if few:  # most codes are of one class, as in label maps
        tables[:, 12:] = n_classes - 1
        tables[1, 255] = 0
    lut = np.concatenate([tables[0] * np.uint8(n_classes), tables[1]])
    for shape in SHAPES:
        one, other = (labels(3, shape, n, seed=n) for n in (12, 200))
        one[0], other[0] = one[0, 0, 0], other[0, 0, 0]
        window = (0, 1, shape[0], shape[1] - 2)
        plan = Histogram([[one], [other.view("i1")]], [[None], [None]], window, class_lut=lut)
        expected = np.zeros((3, plan.n_classes), np.int64)
        for k in range(3):
            pairs = lut[one[k, :, 1:-1]] + lut[256:][other[k, :, 1:-1]]
            expected[k] = np.bincount(pairs.ravel(), minlength=plan.n_classes)
        for threads in (1, 2):
            _, counts, classes = count(plan, 3, window, False, threads)
            assert np.array_equal(classes, expected)
            assert np.array_equal(counts[: plan.n_classes], expected.sum(axis=0))
            assert not counts[plan.n_classes :].any()


def test_pairs_of_classes_need_numbers_below_256():
    array = np.zeros((1, 4, 8), np.uint8)
    both = ([[array], [array]], [[None], [None]], (0, 0, 4, 8))
    lut = np.zeros(512, np.uint8)
    lut[3], lut[511] = 100, 155
    assert Histogram(*both, class_lut=lut).n_classes == 256
    lut[511] = 156
    with pytest.raises(ValueError, match="classes to 100 and 156; sums must be below 256"):
        Histogram(*both, class_lut=lut)
    with pytest.raises(ValueError, match="512 contiguous entries of 1 bytes"):
        Histogram(*both, class_lut=lut[:256])


def test_instruction_sets_agree_on_real_labels(mini):
    before, seen = runtime.isa(), set()
    ds = mini.split("train")
    labels = [name for name in ds.names if name.startswith("LABEL_")]
    names = [name for name in labels if ds.dtype(name).itemsize == 1]
    try:
        for isa in runtime.available():
            runtime.use(isa)
            counts = [scan.count_array(ds, name, records=False).histogram for name in names]
            seen.add(np.stack(counts).tobytes())
    finally:
        runtime.use(before)
    assert len(seen) == 1
    windows = [ds[name][:, 1:510, 1:510] for name in names]
    expected = [np.bincount(window.view(np.uint8).ravel(), minlength=256) for window in windows]
    assert np.array_equal(counts, expected)
