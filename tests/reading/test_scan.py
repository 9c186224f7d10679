"""Passes over stored arrays: every number of theirs is numpy's, however they are read."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from builders import pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import in_subprocess, needs_fork
from profiles import scaled

import cloudio
from cloudio import Band, Layout, Window
from cloudio._core import kernels
from cloudio._core.plans import Histogram
from cloudio.reading import scan

HEIGHT, WIDTH = 23, 45
PATCHES = {"train": 5, "val": 3}
BANDS = (
    Band("B_i16", scale=1e-4, nodata=-99.0),
    Band("B_plain"),
    Band("B_u16", dtype="uint16", nodata=7.0),
    Band("B_u8", dtype="uint8"),
    Band("B_i8", dtype="int8", nodata=-1.0),
    Band("B_f32", dtype="float32", nodata=-99.0),
    Band("B_free", dtype="float32"),
)
LAYOUT = Layout("Counted", (HEIGHT, WIDTH), Window(2, 1, 19, 40), BANDS)
NAMES = [band.name for band in BANDS]
WINDOWS = st.tuples(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, 99), st.integers(1, 99)
).map(lambda w: Window(w[0], w[1], min(w[2], HEIGHT - w[0]), min(w[3], WIDTH - w[1])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random patches; also rows that repeat, one number alone, no data alone, and the extremes."""
    root = tmp_path_factory.mktemp("counted")
    for k, (split, n) in enumerate(PATCHES.items()):
        (root / split).mkdir()
        for band in BANDS:
            array = pixels(band.name, (n, HEIGHT, WIDTH), band.dtype, seed=k)
            array[0] = np.repeat(array[0, ::3], 3, axis=0)[:HEIGHT]
            array[1] = 3
            array[1, ::2, 7] = 1
            if array.dtype.kind != "f":
                array[1, 9, 20:] = np.iinfo(array.dtype).max
            else:  # infinity, and the NaN next to it
                array[1, 9].view(np.uint32)[20:] = 0x7F800000 + np.arange(WIDTH - 20) % 2
            if band.nodata is not None:
                array[2, :, :30] = band.nodata
                array[0, 5] = band.nodata
            if k == 0:
                array[3] = array[1] if band.nodata is None else band.nodata
                array[4] = np.sort(array[4].ravel()).reshape(HEIGHT, WIDTH)[::-1]
            array.tofile(root / split / f"{band.name}.dat")
    return root


def counted(array: np.ndarray, nodata: float | None, window: Window, whole: bool) -> dict:
    """What a record says of each patch, and the histogram, in plain numpy."""
    rows = slice(window.row, window.row + window.height)
    cols = slice(window.col, window.col + window.width)
    fields: dict[str, list] = {name: [] for name in scan.RECORD.names if name != "checksum"}
    del fields["center"]
    numbers = []
    for patch in array:
        inside = patch[rows, cols]
        none = inside == patch.dtype.type(nodata) if nodata is not None else inside != inside
        none &= inside == inside
        data = inside[(inside == inside) & ~none]
        finite = data[np.isfinite(data)].astype(np.float64)
        around = np.ones(patch.shape, bool)
        around[rows, cols] = False
        with np.errstate(invalid="ignore"):  # of a NaN that signals
            frame = patch[around].astype(np.float64) if whole else np.zeros(0)
        edge = frame[frame == frame]
        floats = patch.dtype.kind == "f"
        mean = math.fsum(finite) / len(finite) if floats and len(finite) else 0.0
        fields["data"].append(data.size)
        fields["nodata"].append(none.sum())
        fields["nan"].append((inside != inside).sum())
        fields["infinite"].append(data.size - finite.size)
        fields["negative"].append((data < 0).sum())
        fields["saturated"].append(0 if floats else (data == np.iinfo(patch.dtype).max).sum())
        fields["minimum"].append(data.min() if data.size else np.nan)
        fields["maximum"].append(data.max() if data.size else np.nan)
        fields["mean"].append(mean)
        with np.errstate(over="ignore"):
            fields["m2"].append(math.fsum((finite - mean) ** 2) if floats else 0.0)
        fields["padding_minimum"].append(edge.min() if edge.size else np.nan)
        fields["padding_maximum"].append(edge.max() if edge.size else np.nan)
        fields["padding_nan"].append(len(frame) - len(edge))
        bits = np.ascontiguousarray(inside).view(f"u{patch.itemsize}").ravel()
        numbers.append(scan.floats_to_keys(data) >> 16 if floats else bits)
    n_counts = 256 if array.itemsize == 1 else 65536
    histogram = np.bincount(np.concatenate(numbers), minlength=n_counts)
    return {**fields, "histogram": histogram}


def assert_counted(found: scan.ArrayCounts, expected: dict) -> None:
    for field in expected.keys() - {"histogram", "mean", "m2"}:
        np.testing.assert_array_equal(found.patches[field], expected[field], err_msg=field)
    mean = found.patches["center"] + found.patches["mean"]
    spread = np.sqrt(np.array(expected["m2"]) / np.maximum(expected["data"], 1))
    assert (abs(mean - expected["mean"]) <= 1e-12 * np.maximum(abs(mean), spread)).all()
    np.testing.assert_allclose(found.patches["m2"], expected["m2"], rtol=1e-12, atol=0)
    np.testing.assert_array_equal(found.histogram, expected["histogram"])


def stored(root: Path, name: str) -> np.ndarray:
    band = next(band for band in BANDS if band.name == name)
    parts = [np.fromfile(root / split / f"{name}.dat", band.dtype) for split in PATCHES]
    return np.concatenate(parts).reshape(-1, HEIGHT, WIDTH)


@pytest.mark.parametrize("io", ["mmap", "pread"])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=scaled(8, 15))
@given(data=st.data())
def test_any_pass_equals_numpy(folder, name, io, data):
    window = data.draw(WINDOWS)
    whole, threads = data.draw(st.booleans()), data.draw(st.integers(1, 3))
    index = data.draw(st.none() | st.lists(st.integers(0, 7), max_size=12))
    with cloudio.open(folder, layout=LAYOUT, io=io) as ds:
        array, part = stored(folder, name), ds
        if index is not None:
            array, part = array[np.array(index, int)], ds.subset(index)
        found = scan.count_array(part, name, window=window, whole=whole, threads=threads)
        nodata = ds.band(name).nodata
        if len(array):
            assert_counted(found, counted(array, nodata, window, whole))
        assert found.dtype == ds.dtype(name)
        assert found.patches.shape == (len(array),)
        assert found.class_counts is None
        assert not found.patches["checksum"].any()


@pytest.mark.parametrize("name", NAMES)
def test_batches_threads_and_engines_change_no_bit(folder, name, all_threads, monkeypatch):
    seen = set()
    for io in ("mmap", "pread"):
        for batch_bytes in (1, 5000, 1 << 30):
            monkeypatch.setattr(scan, "_BATCH_BYTES", batch_bytes)
            for threads in (1, 2, 5):
                with cloudio.open(folder, layout=LAYOUT, io=io) as ds:
                    found = scan.count_array(ds, name, whole=True, checksum=True, threads=threads)
                seen.add((found.patches.tobytes(), found.histogram.tobytes()))
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["B_i16", "B_u16", "B_u8", "B_i8"])
def test_classes_of_each_patch_are_what_their_table_says(folder, name):
    array = stored(folder, name)
    codes = array.view(f"u{array.itemsize}")
    table = np.random.default_rng(0).integers(0, 6, 256**array.itemsize).astype(np.uint8)
    ds = cloudio.open(folder, layout=LAYOUT)
    found = scan.count_array(ds, name, class_lut=table)
    window = codes[:, 2:21, 1:41].reshape(len(array), -1)
    expected = [np.bincount(table[patch], minlength=6) for patch in window]
    np.testing.assert_array_equal(found.class_counts, expected)
    assert scan.count_array(ds, name, class_lut=table, records=False).class_counts.tobytes() == (
        found.class_counts.tobytes()
    )
    plain = scan.count_array(ds, name)
    np.testing.assert_array_equal(found.histogram, plain.histogram)
    assert found.patches.tobytes() == plain.patches.tobytes()


def test_keys_are_in_the_order_of_the_floats_and_lead_back():
    floats = np.sort(pixels("any", (5000,), np.float32))
    floats = floats[: np.isfinite(floats).sum()]
    keys = scan.floats_to_keys(floats)
    assert (np.diff(keys.astype(np.int64)) >= 0)[floats[1:] != floats[:-1]].all()
    assert scan.keys_to_floats(keys).tobytes() == floats.tobytes()
    zeros = scan.floats_to_keys(np.array([-0.0, 0.0], np.float32))
    assert zeros[0] + 1 == zeros[1]


@pytest.mark.parametrize("name", ["B_f32", "B_free"])
def test_looking_into_some_floats_finds_each_of_them(folder, name):
    ds = cloudio.open(folder, layout=LAYOUT)
    array = stored(folder, name)[:, 2:21, 1:41]
    nodata = ds.band(name).nodata
    keep = array == array
    if nodata is not None:
        keep &= array != nodata
    keys = scan.floats_to_keys(array[keep])
    tops = np.unique(keys >> 16)[::-7]
    assert tops[0] == scan.floats_to_keys(np.array([np.inf]))[0] >> 16
    found = scan.count_lower_halves(ds, name, tops)
    for k, top in enumerate(tops):
        lower = keys[keys >> 16 == top] & 0xFFFF
        np.testing.assert_array_equal(found[k], np.bincount(lower, minlength=65536))


def test_pairs_of_two_arrays_are_counted(folder):
    for width in (1, 7, 8, 39):
        one = stored(folder, "B_u8")[:, 2:21, 1 : 1 + width].astype(int).ravel()
        other = stored(folder, "B_i8").view(np.uint8)[:, 2:21, 1 : 1 + width].ravel()
        expected = np.bincount(one * 256 + other, minlength=65536).reshape(256, 256)
        for io, threads in (("mmap", 1), ("pread", 2)):
            with cloudio.open(folder, layout=LAYOUT, io=io) as ds:
                found = scan.count_pairs(
                    ds, "B_u8", "B_i8", window=Window(2, 1, 19, width), threads=threads
                )
            np.testing.assert_array_equal(found, expected)


#: Of the numbers 0..99 as int16 in four rows.
GOLDEN = 18431438902800028244


def checksum(patch: np.ndarray) -> int:
    """As csrc/histogram.c describes it."""
    mask = 2**64 - 1

    def stir(state: int, word: int) -> int:
        x = (state ^ word) * 0x9E3779B97F4A7C15 & mask
        return (x << 29 | x >> 35) & mask

    lanes = list(range(8))
    for row in patch:
        data = row.tobytes()
        data += bytes(-len(data) % 8)
        for k in range(0, len(data), 8):
            word = int.from_bytes(data[k : k + 8], "little")
            lanes[k // 8 % 8] = stir(lanes[k // 8 % 8], word)
    total = patch.nbytes
    for lane in lanes:
        total = stir(total, lane)
    return total


@pytest.mark.parametrize("name", NAMES)
def test_a_checksum_is_of_every_byte_of_the_patch(folder, name):
    ds = cloudio.open(folder, layout=LAYOUT)
    found = scan.count_array(ds, name, whole=True, checksum=True).patches["checksum"]
    assert [int(x) for x in found] == [checksum(patch) for patch in stored(folder, name)]


def test_a_checksum_never_changes():
    """Manifests are kept for years."""
    row = np.arange(100, dtype=np.int16).reshape(1, 4, 25)
    plan = Histogram([[row]], [[None]], (0, 0, 4, 25), checksum=True)
    records = np.zeros((1, 15), np.int64)
    zero = np.zeros(2, np.int64)
    kernels.count(
        plan, records, np.zeros(65536, np.int64), None, np.zeros(1, np.int64), zero, 4, 25, 1
    )
    assert int(records.view(np.uint64)[0, 0]) == GOLDEN == checksum(row[0])


def test_any_changed_byte_changes_the_checksum(folder, tmp_path):
    array = stored(folder, "B_u8")[:1].copy()
    (tmp_path / "train").mkdir()
    path = tmp_path / "train" / "B_u8.dat"
    seen = set()
    for k in range(0, array.size, 13):
        changed = array.copy()
        changed.ravel()[k] ^= 1 << k % 8
        changed.tofile(path)
        found = scan.count_array(
            cloudio.open(tmp_path, layout=LAYOUT), "B_u8", whole=True, checksum=True
        )
        seen.add(int(found.patches["checksum"][0]))
    assert len(seen) == len(range(0, array.size, 13))
    assert checksum(array[0]) not in seen


@pytest.mark.parametrize("name", NAMES)
def test_without_records_the_histogram_is_the_same(folder, name):
    ds = cloudio.open(folder, layout=LAYOUT)
    found = scan.count_array(ds, name, records=False)
    assert found.patches.shape == (0,)
    assert found.histogram.tobytes() == scan.count_array(ds, name).histogram.tobytes()


def test_progress_adds_up_to_what_is_read(folder, monkeypatch):
    monkeypatch.setattr(scan, "_BATCH_BYTES", 3000)
    ds = cloudio.open(folder, layout=LAYOUT)
    for whole in (False, True):
        told: list[int] = []
        scan.count_array(ds, "B_i16", whole=whole, advance=told.append)
        assert sum(told) == scan.bytes_to_read(ds, "B_i16", whole=whole)
        assert len(told) > 2
    assert scan.bytes_to_read(ds, "B_i16", whole=True) == 8 * HEIGHT * WIDTH * 2


def test_what_cannot_be_counted_is_refused(folder):
    ds = cloudio.open(folder, layout=LAYOUT)
    with pytest.raises(cloudio.RequestError, match="no array 'B_x'"):
        scan.count_array(ds, "B_x")
    with pytest.raises(cloudio.RequestError, match=r"window \(0, 0, 24, 45\) leaves the patch"):
        scan.count_array(ds, "B_u8", window=Window(0, 0, 24, 45))
    with pytest.raises(cloudio.RequestError, match="256 contiguous entries of 1 bytes"):
        scan.count_array(ds, "B_u8", class_lut=np.zeros(255, np.uint8))
    with pytest.raises(cloudio.RequestError, match="class_lut is for arrays of whole numbers"):
        scan.count_array(ds, "B_f32", class_lut=np.zeros(65536, np.uint8))
    with pytest.raises(cloudio.RequestError, match="buckets is for an array of floats"):
        scan.count_lower_halves(ds, "B_i16", np.array([3]))
    with pytest.raises(cloudio.RequestError, match="only one array, or two of one byte per pixel"):
        scan.count_pairs(ds, "B_u8", "B_i16")
    with pytest.raises(cloudio.RequestError, match="threads=0"):
        scan.count_array(ds, "B_u8", threads=0)


def test_a_file_that_became_shorter_is_an_error(folder, tmp_path):
    (tmp_path / "train").mkdir()
    path = tmp_path / "train" / "B_i16.dat"
    for io in ("mmap", "pread"):
        stored(folder, "B_i16").tofile(path)
        ds = cloudio.open(tmp_path, layout=LAYOUT, io=io)
        scan.count_array(ds, "B_i16")
        os.truncate(path, 3 * HEIGHT * WIDTH * 2 + 100)
        with pytest.raises(cloudio.TruncatedError, match=r"B_i16\.dat.*patch 3"):
            scan.count_array(ds, "B_i16")
        ds.close()


def test_rows_longer_than_a_piece_are_counted_to_their_end():
    array = pixels("long", (1, 2, 2500), np.float32)
    plan = Histogram([[array]], [[None]], (0, 0, 2, 2500))
    records, counts = np.zeros((1, 15), np.int64), np.zeros(65536, np.int64)
    zero = np.zeros(2, np.int64)
    kernels.count(plan, records, counts, None, np.zeros(1, np.int64), zero, 2, 2500, 1)
    found = scan.ArrayCounts(
        "long", array.dtype, records.view(scan.RECORD).reshape(1), counts, None
    )
    assert_counted(found, counted(array, None, Window(0, 0, 2, 2500), False))


def test_the_kernel_proves_its_tables(folder):
    array = np.zeros((2, 4, 8), np.uint8)
    plan = Histogram([[array]], [[None]], (0, 0, 4, 8), class_lut=np.full(256, 9, np.uint8))
    assert (plan.n_classes, plan.n_counts, plan.item) == (10, 256, 1)
    index, origin = np.zeros(2, np.int64), np.zeros(2, np.int64)
    good = {
        "records": np.zeros((2, 15), np.int64),
        "counts": np.zeros(256, np.int64),
        "classes": np.zeros((2, 10), np.int64),
    }

    def count(**other):
        return kernels.count(plan, *(good | other).values(), index, origin, 4, 8, 2)

    assert count() is None
    for what, wrong in {
        "records": np.zeros((1, 15), np.int64),
        "counts": np.zeros(255, np.int64),
        "classes": np.zeros((2, 9), np.int64),
    }.items():
        with pytest.raises(ValueError, match="it must be"):
            count(**{what: wrong})
        with pytest.raises(ValueError, match="it must be contiguous int64"):
            count(**{what: wrong.astype(np.int32)})
        if what != "records":
            with pytest.raises(TypeError):
                count(**{what: None})
    with pytest.raises(ValueError, match="a Histogram is for count"):
        kernels.run([plan], [np.zeros((2, 4, 8), np.uint8)], index, origin, None, 1)
    with pytest.raises(TypeError):
        kernels.count(None, *good.values(), index, origin, 4, 8, 2)
    with pytest.raises(ValueError, match="does not fit into a patch"):
        kernels.count(plan, *good.values(), index, origin, 4, 9, 2)
    with pytest.raises(IndexError, match=r"index\[0\] = 2"):
        kernels.count(plan, *good.values(), index + 2, origin, 4, 8, 2)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize("nodata", [-99.0, 2.5, 70000.0, 1e300, -1e300, np.inf])
def test_no_pixel_is_a_number_that_its_type_cannot_hold(dtype, nodata):
    if nodata == -99 and dtype[0] == "i":
        pytest.skip("it can")
    array = np.array([[[0, 2, 3, 100]]], dtype)
    array[0, 0, 3] = -99 % 256 if dtype == "u1" else array[0, 0, 3]
    if dtype == "u2":
        array[0, 0, 2:] = 65535, 65437
    plan = Histogram([[array]], [[None]], (0, 0, 1, 4), nodata=nodata)
    records, counts = np.zeros((1, 15), np.int64), np.zeros(plan.n_counts, np.int64)
    kernels.count(
        plan, records, counts, None, np.zeros(1, np.int64), np.zeros(2, np.int64), 1, 4, 1
    )
    found = records.view(scan.RECORD)[0, 0]
    assert (found["data"], found["nodata"]) == (4, 0)
    assert (found["minimum"], found["maximum"]) == (0, array.max())


def test_counts_that_overlap_what_is_read_are_refused():
    counts = np.zeros(65536, np.int64)
    array = counts[:8].view(np.int16).reshape(1, 4, 8)
    plan = Histogram([[array]], [[None]], (0, 0, 4, 8))
    index, origin = np.zeros(1, np.int64), np.zeros(2, np.int64)
    for records in (None, np.zeros((1, 15), np.int64)):
        with pytest.raises(ValueError, match="an output overlaps an array that is read"):
            kernels.count(plan, records, counts, None, index, origin, 4, 8, 1)
    plan = Histogram([[np.zeros((1, 4, 8), np.int16)]], [[None]], (0, 0, 4, 8))
    with pytest.raises(ValueError, match="two outputs overlap"):
        kernels.count(plan, counts[:15].reshape(1, 15), counts, None, index, origin, 4, 8, 1)


def test_more_pixels_than_a_number_of_the_table_holds_are_refused():
    array = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1, 65536, 65536), (0, 0, 1))
    plan = Histogram([[array]], [[None]], (0, 0, 1, 1))
    with pytest.raises(ValueError, match="1 patches are more than can be counted at once"):
        kernels.count(
            plan,
            np.zeros((1, 15), np.int64),
            np.zeros(256, np.int64),
            None,
            np.zeros(1, np.int64),
            np.zeros(2, np.int64),
            65536,
            65536,
            1,
        )


@needs_fork
def test_a_forked_child_counts_on(folder):
    code = """
        import sys
        folder, here = sys.argv[1:]
        sys.path.insert(0, here)
        from test_scan import LAYOUT
        import cloudio, forks
        from cloudio.reading import scan
        ds = cloudio.open(folder, layout=LAYOUT)
        whole = scan.count_array(ds, "B_i16", threads=2).histogram.tobytes()
        print(forks.forked(
            lambda: scan.count_array(ds, "B_i16", threads=2).histogram.tobytes() == whole))
    """
    assert in_subprocess(code, folder, Path(__file__).parent) == "0"


def test_real_patches_are_counted_as_numpy_counts(mini, realdata):
    window = mini.valid_window
    for name in ("L1C_B4", "L1C_B10", "S1_VV", "LABEL_fmask"):
        parts = [mini.split(split)[name] for split in mini.splits]
        found = scan.count_array(mini, name, whole=True)
        expected = counted(np.concatenate(parts), mini.band(name).nodata, window, True)
        assert_counted(found, expected)
