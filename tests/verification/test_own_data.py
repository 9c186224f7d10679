"""Own data: a layout without wavelengths, any element type, a unit or none."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest
from clean import TINY, found_checks, verify_tiny
from defects import PLANTED

import cloudio
from cloudio import Band, LabelMap, Layout, Window

SIDE, N = 64, 8


def bands(dtype="uint16", seed=0):
    """Smooth patches with a few thousand different numbers, none of them extreme."""
    steps = np.random.default_rng(seed).integers(-9, 10, (N, SIDE, SIDE))
    numbers = np.cumsum(steps, 2) + 3000
    return (numbers if np.dtype(dtype).itemsize > 1 else 20 + numbers % 180).astype(dtype)


def verify(path, array, *others, name="B", hole=None, **entries):
    """Verify one band, stored as it is, and other bands of the layout."""
    band = Band(name, dtype=array.dtype.name, **entries)
    layout = Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), (band, *others))
    with open(path / f"{name}.dat", "wb") as file:
        file.write(array[:hole].tobytes())
        file.truncate(array.nbytes)
    return cloudio.verify(path, layout=layout, progress=False)


def checks(report):
    return [(f.check, f.patches) for f in report.findings]


def skips(report):
    return [(s.check, s.file, s.reason) for s in report.skipped]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_clean_bands_of_any_type_have_no_findings(tmp_path, dtype):
    report = verify(tmp_path, bands(dtype))
    assert report.ok
    assert not report.skipped
    assert "skipped" not in str(report)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_zeroed_patches_are_constant(tmp_path, dtype):
    array = bands(dtype)
    array[2:5] = 0
    assert checks(verify(tmp_path, array)) == [("constant", (2, 3, 4))]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_pixels_at_the_largest_number_are_saturated(tmp_path, dtype):
    array = bands(dtype)
    array[3, :32] = np.iinfo(dtype).max
    (finding,) = verify(tmp_path, array).findings
    assert (finding.check, finding.patches) == ("saturated", (3,))
    assert finding.message == f"{np.iinfo(dtype).max}: 50.00% of a patch"


def test_the_largest_number_can_mean_no_data(tmp_path):
    array = bands("uint16")
    array[3, :32] = 65535
    (finding,) = verify(tmp_path, array, nodata=65535).findings
    assert finding.check == "nodata"


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("unit", [None, "", "reflectance"])
def test_few_numbers_below_zero_are_reported(tmp_path, dtype, unit):
    array = bands(dtype)
    array[4, :20] = -500
    assert checks(verify(tmp_path, array, unit=unit)) == [("negative", (4,))]


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("unit", ["dB", "m", "index"])
def test_the_unit_tells_that_numbers_below_zero_are_meant(tmp_path, dtype, unit):
    array = bands(dtype)
    array[4, :20] = -500
    report = verify(tmp_path, array, unit=unit)
    assert report.ok
    assert not report.skipped


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_mostly_negative_numbers_seem_to_be_meant_and_the_report_says_so(tmp_path, dtype):
    """Such as dB of a layout that says no unit."""
    report = verify(tmp_path, (bands(dtype) - 3100).astype(dtype))
    assert report.ok
    reason = "a quarter of the pixels or more is below zero"
    assert skips(report) == [("negative", "B.dat", reason)]
    assert str(report).splitlines()[1:] == [
        f"skipped: negative of B.dat ({reason})",
        "nothing found",
    ]
    assert reason in report.json()
    assert reason in report._repr_html_()


def test_unsigned_numbers_read_as_signed_are_reported_however_many_they_are(tmp_path):
    array = (bands("uint16") * np.uint16(11)).astype("<u2")  # about 33,000: on both sides of 2^15
    array = array.view("<i2")
    assert (array < 0).mean() > 0.3
    assert [check for check, _ in checks(verify(tmp_path, array))] == ["negative"]
    array[array > 0] = 100
    assert verify(tmp_path, array).ok  # nothing near the largest number


def test_bands_that_hold_codes_are_not_measured(tmp_path):
    """Land cover whose layout does not say that it is a label."""
    array = np.random.default_rng(0).choice(np.arange(10, 110, 10), (N, SIDE, SIDE)).astype("u1")
    array[2] = 80
    array[3, :32] = 255
    report = verify(tmp_path, array)
    assert report.ok
    reason = "few different numbers, as codes of classes have"
    assert skips(report) == [(check, "B.dat", reason) for check in ("constant", "saturated")]
    assert f"\nskipped: constant, saturated of B.dat ({reason})\n" in str(report)


def test_the_same_frame_in_all_patches_is_found(tmp_path):
    array = bands("uint16")
    array[:, 0] = array[:, -2:] = 0
    array[:, :, 0] = array[:, :, -2:] = 0
    (finding,) = verify(tmp_path, array).findings
    assert finding.check == "frame"
    assert "rows 1..61, columns 1..61" in finding.message


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="holes cannot be asked for")
@pytest.mark.parametrize("full", [False, True])
def test_an_unfinished_download_has_holes(tmp_path, full):
    array = bands("uint16")
    report = verify(tmp_path, array, hole=4)
    status = (tmp_path / "B.dat").stat()
    if status.st_blocks * 512 >= status.st_size:
        pytest.skip("this file system makes no holes")
    assert checks(report) == [("holes", (4, 5, 6, 7))]


def test_a_label_without_a_map_says_that_its_codes_are_not_checked(tmp_path):
    codes = np.random.default_rng(0).integers(0, 9, (N, SIDE, SIDE)).astype("u1")
    codes.tofile(tmp_path / "mask.dat")
    label = Band("mask", kind="label", dtype="uint8")
    report = verify(tmp_path, bands(), label)
    assert report.ok
    assert skips(report) == [("codes", "mask.dat", "no label map")]


def test_bands_without_the_wavelength_that_others_have_are_no_reflectance(tmp_path):
    """As elevation beside Sentinel-2: what would be reported of it is said to be skipped."""
    elevation = bands("int16", seed=1)
    elevation[2] = 0
    elevation[3, :9] = -7
    elevation.tofile(tmp_path / "dem.dat")
    report = verify(tmp_path, bands("int16"), Band("dem"), wavelength=665.0)
    assert report.ok
    reason = "no wavelength, which other bands have"
    assert skips(report) == [(check, "dem.dat", reason) for check in ("constant", "negative")]


def test_a_quick_report_skips_nothing_but_pixels(tmp_path):
    array = bands("int16") - np.int16(3100)
    verify(tmp_path, array)
    layout = Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), (Band("B"),))
    report = cloudio.verify(tmp_path, layout=layout, full=False)
    assert not report.skipped
    assert "no pixels" in str(report)


OF_BANDS = re.compile("a_band|reflectance|two_patches|padding_of_an_array|all_patch")


@pytest.mark.parametrize("planted", [name for name in PLANTED if OF_BANDS.search(name)])
def test_planted_defects_of_bands_are_found_without_wavelengths_too(tiny, planted):
    plain = tuple(replace(band, wavelength=None) for band in TINY.bands)
    plant, expected, options = PLANTED[planted]
    plant(tiny)
    report = verify_tiny(tiny, layout=replace(TINY, bands=plain), **options)
    assert [found for found in found_checks(report) if found in expected] == expected


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize(("unit", "is_natural"), [("m", True), ("%", True), ("K", False)])
def test_the_unit_tells_that_patches_of_one_number_are_meant(tmp_path, dtype, unit, is_natural):
    array = bands(dtype)
    array[2:4] = 0  # the sea, beside mountains
    report = verify(tmp_path, array, unit=unit)
    assert checks(report) == ([] if is_natural else [("constant", (2, 3))])
    reason = "a unit in which patches of one number are natural"
    assert skips(report) == ([("constant", "B.dat", reason)] if is_natural else [])


@pytest.mark.parametrize(("unit", "is_natural"), [(None, True), ("", True), ("reflectance", False)])
def test_a_number_of_its_own_in_every_patch_can_be_meant(tmp_path, unit, is_natural):
    array = np.empty((N, SIDE, SIDE), "f4")
    array[:] = np.arange(N)[:, None, None] * 2.5 + 30  # the angle of the sun
    report = verify(tmp_path, array, unit=unit)
    assert checks(report) == ([] if is_natural else [("constant", tuple(range(N)))])
    reason = "every patch has one number of its own"
    assert skips(report) == ([("constant", "B.dat", reason)] if is_natural else [])


# ---- labels --------------------------------------------------------------------------------------


def verify_label(path, codes, label_map):
    band = Band("mask", "label", codes.dtype.name)
    maps = {} if label_map is None else {"mask": {"own": label_map}}
    layout = Layout("Own", (SIDE, SIDE), Window(0, 0, SIDE, SIDE), (band,), label_maps=maps)
    codes.tofile(path / "mask.dat")
    return checks(cloudio.verify(path, layout=layout, progress=False))


QA60 = [{"bits": 10, "class": 1}, {"bits": 11, "class": 2}]
SWAPPED = [("byte-order", tuple(range(N)))]


@pytest.mark.parametrize(
    ("codes", "label_map", "expected"),
    [
        ([0, 1024, 2048, 3072], LabelMap.from_fields(QA60, unlisted=0), []),
        ([0, 1024, 2048], LabelMap({0: 0, 1024: 1, 2048: 2}), []),
        ([0, 1024, 2048], None, []),
        ([0, 256, 512], None, SWAPPED),
        ([0, 256, 512], LabelMap(["clear", "cloud", "shadow"]), SWAPPED),
        ([0, 256], LabelMap.from_fields([{"bits": 0, "class": 1}], unlisted=0), SWAPPED),
    ],
)
def test_codes_in_the_other_byte_order_are_told_from_high_bits(
    tmp_path, codes, label_map, expected
):
    array = np.random.default_rng(0).choice(codes, (N, SIDE, SIDE)).astype("u2")
    assert verify_label(tmp_path, array, label_map) == expected


def test_a_single_patch_of_one_class_is_no_placeholder(tmp_path):
    clear = np.zeros((2, SIDE, SIDE), "u1")
    label_map = LabelMap(["clear", "cloud"])
    assert verify_label(tmp_path, clear[:1], label_map) == []
    assert verify_label(tmp_path, clear, label_map) == [("label-zeros", (0, 1))]
    assert verify_label(tmp_path, clear[:1], LabelMap.threshold(40)) == []
    assert verify_label(tmp_path, clear[:1] + 9, label_map) == [("label-empty", (0,))]
