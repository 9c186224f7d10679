"""What `cloudio.verify` finds: all that was planted, nothing else; nothing where all is well."""

import csv
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from clean import SIDE, TINY, TINY_PATCHES, found, look
from paths import ROOT, SUPPORT

import cloudio
from cloudio import CLOUDSEN12, Band, Layout, LayoutError, RequestError, Window
from cloudio._utils.text import percent
from cloudio.cli import main
from cloudio.layouts import toml_writer
from cloudio.reading import scan
from cloudio.verification import report as findings
from cloudio.verification.dtypes import halves, swapped
from cloudio.verification.padding import padding
from cloudio.verification.pixels import of_repeats
from cloudio.verification.report import CHECKS, shortened

# Checks of what `cloudio.open` refuses.
REFUSED = {"unreadable", "cut", "too-long", "shape", "doubled", "folder", "metadata", "rows"}
HERE = str(SUPPORT)
PLANE = SIDE * SIDE
INNER = slice(1, SIDE - 2)


# ---- nothing -------------------------------------------------------------------------------------


def test_of_a_clean_synthetic_set_nothing_is_reported(synthetic):
    for full in (True, False):
        report = cloudio.verify(synthetic, full=full)
        assert found(report) == []
        assert report.ok
        assert str(report).endswith("\nnothing found")
    stored = sum(file.stat().st_size for file in synthetic.glob("*/*.dat"))
    assert cloudio.verify(synthetic).n_bytes == stored
    assert cloudio.verify(synthetic, full=False).n_bytes == 0


def test_of_the_clean_corners_nothing_is_reported(tiny):
    report = look(tiny)
    assert found(report) == []
    assert (report.n_arrays, report.n_files) == (10, 20)
    assert (report.splits, report.layout) == (TINY_PATCHES, "Tiny")


# ---- what is planted -----------------------------------------------------------------------------


def edit(path, name="L1C_B4", split="train", dtype=None):
    """An array of the set, to be written to."""
    band = TINY.band(name)
    n = TINY_PATCHES[split]
    return np.memmap(path / split / f"{name}.dat", dtype or band.dtype, "r+", shape=(n, SIDE, SIDE))


def put(path, array, name="L1C_B4", split="train"):
    np.ascontiguousarray(array).tofile(path / split / f"{name}.dat")


def rows_of(path, split="train"):
    with open(path / split / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def put_rows(path, rows, split="train"):
    with open(path / split / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


PLANTED = {}


def plants(*expected, **options):
    """A defect, and exactly what is to be reported of it: check, split, file, patches."""

    def mark(plant):
        PLANTED[plant.__name__] = plant, sorted(expected), options
        return plant

    return mark


QUICK = {"full": False}
ALL, BOTH = (0, 1, 2), (0, 1)


@plants(("cut", "train", "L1C_B4.dat", (2,)))
def a_file_is_cut(path):
    os.truncate(path / "train" / "L1C_B4.dat", 3 * 2 * PLANE - 100)


@plants(("cut", "train", "L1C_B4.dat", (1, 2)))
def a_file_is_cut_and_nothing_else_counts_the_patches(path):
    (path / "train" / "metadata.csv").unlink()
    (path / "val" / "metadata.csv").unlink()
    os.truncate(path / "train" / "L1C_B4.dat", 2 * PLANE)


@plants(("too-long", "val", "LABEL_manual_hq.dat", ()))
def a_file_is_too_long(path):
    with open(path / "val" / "LABEL_manual_hq.dat", "ab") as file:
        file.write(b"more")


@plants(("unreadable", "train", "L1C_B4.dat", ()))
def a_file_is_empty(path):
    os.truncate(path / "train" / "L1C_B4.dat", 0)


@plants(("unreadable", "train", "S1_VV.dat", ()))
def a_link_leads_nowhere(path):
    (path / "train" / "S1_VV.dat").unlink()
    (path / "train" / "S1_VV.dat").symlink_to(path / "gone")


@plants(("cut", "train", "L1C_B4.npy", (2,)))
def a_npy_file_is_cut(path):
    array = np.array(edit(path))
    (path / "train" / "L1C_B4.dat").unlink()
    np.save(path / "train" / "L1C_B4.npy", array)
    os.truncate(path / "train" / "L1C_B4.npy", 128 + array.nbytes - 1)


@plants(("shape", "train", "L1C_B4.npy", ()))
def a_npy_file_has_another_shape(path):
    array = np.array(edit(path))
    (path / "train" / "L1C_B4.dat").unlink()
    np.save(path / "train" / "L1C_B4.npy", array[:, 1:])


@plants(("doubled", "train", "L1C_B4.dat", ()))
def an_array_is_there_in_two_spellings(path):
    shutil.copy(path / "train" / "L1C_B4.dat", path / "train" / "L1C_B04.dat")


@plants(("doubled", "train", "L1C_B4.npy", ()))
def an_array_is_there_in_two_forms(path):
    np.save(path / "train" / "L1C_B4.npy", edit(path))


@plants(("folder", "", ".", ()))
def a_file_lies_beside_the_splits(path):
    shutil.copy(path / "train" / "L1C_B4.dat", path)


@plants(("folder", "train", "train", ()))
def a_split_is_there_under_two_names(path):
    shutil.copytree(path / "train", path / "high_train")


@plants(("missing", "val", "S1_VV.dat", ()))
def one_split_lacks_an_array(path):
    (path / "val" / "S1_VV.dat").unlink()


@plants(("incomplete", "", "", ()))
def both_splits_lack_a_band(path):
    for split in TINY_PATCHES:
        (path / split / "L1C_B3.dat").unlink()


@plants()
def only_the_bands_that_are_wanted_were_kept(path):
    for split in TINY_PATCHES:
        for name in ("L1C_B2", "L1C_B3", "L1C_B10"):
            (path / split / f"{name}.dat").unlink()


@plants(("unknown", "train", "own.dat", ()), ("unknown", "val", "own.dat", ()))
def files_are_unknown(path):
    for split in TINY_PATCHES:
        put(path, np.array(edit(path, "EXTRA_elevation", split)), "own", split)


@plants(("left-out", "train", "mean.npy", ()))
def a_file_holds_no_patches(path):
    np.save(path / "train" / "mean.npy", np.zeros(5, "<f4"))


@plants(("type", "train", "L1C_B4.dat", ()))
def a_band_is_float32(path):
    put(path, edit(path) * np.float32(1e-4))


@plants(("label-type", "train", "LABEL_manual_hq.dat", ()))
def a_label_has_two_bytes(path):
    put(path, edit(path, "LABEL_manual_hq").astype("<i2"), "LABEL_manual_hq")


def only_bands(path):
    """Bands of one split, an even number of patches, and no other file to tell the number."""
    shutil.rmtree(path / "train")
    for file in (path / "val").iterdir():
        if not file.name.startswith("L1C_"):
            file.unlink()


@plants(("ambiguous", "val", "", ()), **QUICK)
def sizes_allow_two_readings(path):
    only_bands(path)


@plants()
def sizes_allow_two_readings_and_pixels_tell(path):
    only_bands(path)


@plants(*(("halves", "val", f"L1C_{name}.dat", (0, 1, 2, 3)) for name in ("B2", "B3", "B4", "B8")))
def floats_pass_for_twice_as_many_patches(path):
    """Told by all bands but B10, which takes too few values where there is no cloud."""
    only_bands(path)
    for file in (path / "val").glob("*.dat"):
        (np.fromfile(file, "<i2") * np.float32(1e-4)).tofile(file)


@plants(("halves", "train", "own.dat", ALL), ("unknown", "train", "own.dat", ()))
def an_unknown_file_is_halves_of_floats(path):
    # Half of the patches it should have: as many bytes as all of them in int16.
    floats = np.zeros((2, SIDE, SIDE), "<f4")
    floats[...] = edit(path)[:2] * np.float32(1e-4)
    floats.ravel()[: 3 * PLANE // 2].tofile(path / "train" / "own.dat")


@plants(("byte-order", "train", "L1C_B4.dat", ALL))
def a_band_is_big_endian(path):
    put(path, edit(path).byteswap())


@plants(("byte-order", "train", "S1_VV.dat", ALL))
def floats_are_big_endian(path):
    put(path, edit(path, "S1_VV").byteswap(), "S1_VV")


@plants(
    ("byte-order", "val", "LABEL_manual_hq.dat", BOTH),
    ("label-type", "val", "LABEL_manual_hq.dat", ()),
)
def a_label_of_two_bytes_is_big_endian(path):
    put(path, edit(path, "LABEL_manual_hq", "val").astype(">i2"), "LABEL_manual_hq", "val")


@plants(("metadata", "train", "metadata.csv", ()))
def a_row_has_a_field_too_many(path):
    with open(path / "train" / "metadata.csv", "a", encoding="utf-8") as file:
        file.write("1,2,3\n")


@plants(("metadata", "train", "metadata.csv", ()))
def metadata_has_no_rows(path):
    (path / "train" / "metadata.csv").write_text("", encoding="utf-8")


@plants(("rows", "train", "metadata.csv", ()))
def metadata_has_a_row_too_few(path):
    put_rows(path, rows_of(path)[:-1])


@plants(("rows", "val", "metadata.csv", ()))
def metadata_has_a_row_too_many(path):
    put_rows(path, rows_of(path, "val") * 2, "val")


@plants(("no-metadata", "val", "metadata.csv", ()))
def one_split_lacks_metadata(path):
    (path / "val" / "metadata.csv").unlink()


@plants(("columns", "val", "metadata.csv", ()))
def one_split_lacks_a_column(path):
    rows = rows_of(path, "val")
    for row in rows:
        del row["difficulty"]
    put_rows(path, rows, "val")


@plants(("index", "train", "metadata.csv", (0, 2)))
def two_rows_have_one_index(path):
    rows = rows_of(path)
    rows[2]["index"] = rows[0]["index"]
    put_rows(path, rows)


@plants(("shared-roi", "train", "metadata.csv", (1,)), ("shared-roi", "val", "metadata.csv", (0,)))
def a_place_is_in_two_splits(path):
    rows = rows_of(path)
    for row in rows:
        row["roi_id"] = f"{row['roi_id']}_{row['index']}"
    val = rows_of(path, "val")
    val[0]["roi_id"], val[1]["roi_id"] = rows[1]["roi_id"], ""
    rows[2]["roi_id"] = ""  # which is no place
    put_rows(path, rows)
    put_rows(path, val, "val")


@plants(
    ("shared-scene", "train", "metadata.csv", (2,)), ("shared-scene", "val", "metadata.csv", (1,))
)
def a_scene_is_in_two_splits(path):
    rows, val = rows_of(path), rows_of(path, "val")
    val[1]["s2_id"] = rows[2]["s2_id"]
    put_rows(path, val, "val")


@plants(("frame-value", "train", "L1C_B4.dat", ALL))
def the_frame_is_255(path):
    array = edit(path)
    inner = array[:, INNER, INNER].copy()
    array[...] = 255
    array[:, INNER, INNER] = inner


@plants(("frame-value", "val", "LABEL_manual_hq.dat", (1,)))
def the_frame_of_one_label_patch_is_255(path):
    array = edit(path, "LABEL_manual_hq", "val")
    inner = array[1, INNER, INNER].copy()
    array[1] = 255
    array[1, INNER, INNER] = inner


@plants()
def the_frame_is_the_number_for_no_data(path):
    array = edit(path, "S1_VV")
    inner = array[:, INNER, INNER].copy()
    array[...] = -99
    array[:, INNER, INNER] = inner


@plants(("frame", "train", "L1C_B4.dat", ALL))
def the_padding_of_an_array_is_elsewhere(path):
    array = edit(path)
    array[...] = np.roll(array, (-1, -1), (1, 2))


@plants(("frame", "train", "LABEL_manual_sc.dat", ALL))
def the_padding_of_a_label_is_elsewhere_and_a_code_that_is_not_listed(path):
    array = edit(path, "LABEL_manual_sc")
    array[array == 0] = 255
    array[:, INNER, INNER][array[:, INNER, INNER] == 255] = 0
    array[...] = np.roll(array, (-1, -1), (1, 2))


@plants(
    ("frame", "train", "LABEL_manual_hq.dat", (2,)), ("codes", "train", "LABEL_manual_hq.dat", (2,))
)
def a_pixel_of_the_frame_and_one_of_the_window_are_7(path):
    array = edit(path, "LABEL_manual_hq")
    array[2, 0, 0] = array[2, 30, 30] = 7


@plants(("frame", "val", "LABEL_manual_hq.dat", (1,)))
def a_pixel_of_the_frame_was_written(path):
    edit(path, "LABEL_manual_hq", "val")[1, 0, 5] = 3


@plants(("frame", "train", "", ()))
def all_patches_of_a_split_have_less_than_the_valid_window(path):
    for band in TINY.bands[:-1]:
        array = edit(path, band.name)
        array[:, 40:] = 0


@plants(("codes", "train", "LABEL_manual_hq.dat", (0, 2)))
def a_label_holds_7(path):
    array = edit(path, "LABEL_manual_hq")
    array[0, 5, 5] = array[2, 6, 6] = 7


@plants(("codes", "val", "LABEL_s2cloudless.dat", (1,)))
def a_probability_is_above_100(path):
    edit(path, "LABEL_s2cloudless", "val")[1, 9, 9] = 101


@plants(("unlabelled", "train", "LABEL_manual_sc.dat", (1,)))
def pixels_are_not_labelled(path):
    edit(path, "LABEL_manual_sc")[1, 5:9, 5:9] = 99


@plants(("label-empty", "train", "LABEL_manual_sc.dat", (1,)))
def a_patch_is_not_labelled_at_all(path):
    edit(path, "LABEL_manual_sc")[1, INNER, INNER] = 99


@plants(("label-zeros", "train", "LABEL_manual_hq.dat", ALL))
def a_label_is_all_zeros(path):
    edit(path, "LABEL_manual_hq")[...] = 0


@plants(
    ("label-zeros", "train", "LABEL_qa60.dat", ALL), ("label-zeros", "val", "LABEL_qa60.dat", BOTH)
)
def qa60_is_there(path):
    for split, n in TINY_PATCHES.items():
        put(path, np.zeros((n, SIDE, SIDE), "u1"), "LABEL_qa60", split)


@plants(("label-constant", "val", "LABEL_manual_hq.dat", BOTH))
def a_label_is_all_ones(path):
    edit(path, "LABEL_manual_hq", "val")[:, INNER, INNER] = 1


@plants(("label-binary", "train", "LABEL_s2cloudless.dat", ALL))
def a_probability_is_a_mask(path):
    array = edit(path, "LABEL_s2cloudless")
    array[...] = array >= 40


@plants(("constant", "train", "L1C_B4.dat", (1,)))
def a_band_is_one_number(path):
    edit(path)[1, INNER, INNER] = 777


@plants(*(("constant", "train", f"{band.name}.dat", (0, 2)) for band in TINY.bands[:5]))
def two_patches_are_one_number_and_so_no_duplicates(path):
    for band in TINY.bands[:5]:
        edit(path, band.name)[::2, INNER, INNER] = 777


@plants(("constant", "val", "EXTRA_elevation.dat", BOTH))
def an_elevation_is_a_placeholder(path):
    edit(path, "EXTRA_elevation", "val")[...] = 0


@plants()
def one_patch_lies_at_sea(path):
    edit(path, "EXTRA_elevation", "val")[1] = 0


@plants(("saturated", "train", "L1C_B4.dat", (2,)))
def a_band_is_saturated(path):
    edit(path)[2, 10:20, 10:20] = 32767


@plants()
def a_few_pixels_are_saturated(path):
    edit(path)[2, 10:12, 10:12] = 32767


@plants(("negative", "train", "L1C_B4.dat", (0,)))
def reflectance_is_negative(path):
    edit(path)[0, 30, 30] = -1


@plants()
def land_lies_below_the_sea(path):
    edit(path, "EXTRA_elevation")[0, 5:30, 5:30] = np.arange(-150, -125)


@plants(("nodata", "train", "S1_VV.dat", (0, 2)))
def radar_has_a_stripe_of_no_data(path):
    edit(path, "S1_VV")[::2, INNER, 1:9] = -99


@plants(("nodata", "train", "S1_VV.dat", ALL))
def no_data_around_radar_is_no_padding(path):
    for file in path.glob("*/*.dat"):
        if file.name != "S1_VV.dat":
            file.unlink()
    array = edit(path, "S1_VV")
    array[:, :1] = array[:, :, :1] = array[:, 40:] = array[:, :, 61:] = -99


@plants(("nodata", "train", "EXTRA_elevation.dat", (1,)))
def an_elevation_has_no_data(path):
    edit(path, "EXTRA_elevation")[1, 5:30, 5:30] = -99


@plants()
def an_elevation_is_99_below_the_sea(path):
    edit(path, "EXTRA_elevation")[1, 5:30, 5:30] = np.arange(-110, -85)


@plants(("empty", "train", "S1_VV.dat", (1,)))
def a_patch_is_wholly_no_data(path):
    edit(path, "S1_VV")[1, INNER, INNER] = -99


@plants(("nan", "val", "S1_VV.dat", (0,)))
def radar_has_nan(path):
    edit(path, "S1_VV", "val")[0, 5, 5] = np.nan


@plants(("infinite", "val", "S1_VV.dat", (0,)))
def radar_is_infinite(path):
    edit(path, "S1_VV", "val")[0, 5, 5] = -np.inf


def repeat(path, source, target):
    """A patch becomes another one, in every array."""
    for band in TINY.bands[:-1]:
        (split, k), (other, j) = source, target
        edit(path, band.name, other)[j] = edit(path, band.name, split)[k]


@plants(("duplicate", "train", "", (0, 2)))
def a_patch_is_there_twice(path):
    repeat(path, ("train", 0), ("train", 2))


@plants(("duplicate", "train", "", (1,)))
def a_patch_is_in_two_splits(path):
    repeat(path, ("train", 1), ("val", 0))


@plants()
def a_place_is_seen_twice_by_radar(path):
    for name in ("S1_VV", "EXTRA_elevation"):
        edit(path, name, "val")[0] = edit(path, name)[1]


@plants(("copied", "val", "L1C_B8.dat", BOTH))
def a_band_is_a_copy_of_another(path):
    put(path, edit(path, "L1C_B4", "val"), "L1C_B8", "val")


@pytest.mark.parametrize("planted", PLANTED)
def test_what_was_planted_is_found_and_nothing_else(tiny, planted):
    plant, expected, options = PLANTED[planted]
    plant(tiny)
    report = look(tiny, **options)
    assert found(report) == expected
    for finding in report.findings:
        assert finding.severity == CHECKS[finding.check].severity
        assert finding.message
        assert finding.advice
        assert str(tiny) not in finding.message or finding.check == "folder"
        assert f"[{finding.check}]" in str(report)
    assert report.ok == (not expected)


def test_every_check_of_files_and_pixels_has_a_defect_planted():
    tested = {check for _, expected, _ in PLANTED.values() for check, *_ in expected}
    elsewhere = {"read", "holes", *(check for check in CHECKS if check.startswith("manifest"))}
    assert tested | elsewhere == set(CHECKS)
    assert len(tested) >= 25


@pytest.mark.parametrize("planted", PLANTED)
def test_what_verify_says_of_files_open_refuses_and_the_other_way_round(tiny, planted):
    PLANTED[planted][0](tiny)
    told = REFUSED & {f.check for f in look(tiny, full=False).findings}
    if told:
        with pytest.raises((LayoutError, OSError)):
            opened(tiny)
    else:
        opened(tiny)


def spoil(path, rng):
    """Something that happens to files."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[rng.integers(len(files))]
    size = file.stat().st_size
    new = file.with_name(str(rng.choice(["a.dat", "l1c_b02.DAT", "x.npy", "metadata.csv"])))
    match rng.integers(7):
        case 0:
            os.truncate(file, int(rng.integers(2 * size + 1)))
        case 1:
            file.unlink()
        case 2:
            file.rename(new)
        case 3:
            shutil.copy(file, path / file.name if rng.integers(2) else new.parent / "copied.dat")
        case 4:
            file.write_bytes(rng.bytes(size))
        case 5:
            file.with_suffix(".npy").write_bytes(b"\x93NUMPY" + rng.bytes(200))
        case 6:
            (file.parent / f"L1C_B{rng.integers(5, 9_999)}.dat").symlink_to("nowhere")


@pytest.mark.parametrize("seed", range(24))
def test_whatever_happens_to_files_verify_reports_what_open_refuses(tiny, seed):
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 4)):
        spoil(tiny, rng)
    refusal, _ = outcome(opened, tiny)
    for full in (True, False):
        error, report = outcome(look, tiny, full=full)
        assert error in (None, refusal)
        told = REFUSED & {f.check for f in report.findings} if report else error
        assert bool(told) == (refusal is not None)


def opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cloudio.CloudioWarning)  # of what is no refusal
        return cloudio.open(path, layout=TINY)


def outcome(call, *given, **options):
    """What a call says where it refuses, and what it returns where it does not."""
    try:
        return None, call(*given, **options)
    except (LayoutError, OSError) as error:
        return str(error), None


# ---- what the message says -----------------------------------------------------------------------


def message_of(path, planted, **options):
    plant, _, own = PLANTED[planted]
    plant(path)
    return look(path, **own, **options).findings[0].message


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ("a_file_is_cut", "holds 24,476 bytes; 3 patches of 64 x 64, by the rows of metadata.csv"),
        ("a_file_is_cut_and_nothing_else_counts_the_patches", "3 patches of 64 x 64, by 9 of 10"),
        ("metadata_has_a_row_too_few", "2 rows; the files hold 3 patches"),
        ("the_padding_of_an_array_is_elsewhere", "lie at rows 0..60, columns 0..60; the layout "),
        ("the_padding_of_an_array_is_elsewhere", "says rows 1..61, columns 1..61"),
        ("all_patches_of_a_split_have_less_than_the_valid_window", "lie at rows 1..39, columns 1"),
        ("the_frame_is_255", "the frame is 255"),
        ("a_label_holds_7", "7: 2 pixels (0.0179%)"),
        ("a_band_is_saturated", "32767: 2.69% of a patch"),
        ("radar_has_a_stripe_of_no_data", "-99: 13.11% of a patch"),
        ("a_patch_is_in_two_splits", "the same in all 5 bands: train 1; val 0"),
        ("qa60_is_there", "code 0 in every pixel; it could not hold its codes 1024, 2048"),
        ("reflectance_is_negative", "below zero: 0.0269% of a patch, down to -1"),
        ("a_band_is_a_copy_of_another", "the same as L1C_B4.dat"),
        ("a_place_is_in_two_splits", "1 roi_id also in val: ROI_0"),
        ("floats_pass_for_twice_as_many_patches", "read as int16, and looks like halves of floa"),
    ],
)
def test_a_finding_says_what_was_found(tiny, planted, message):
    assert message in message_of(tiny, planted)


def test_a_duplicate_is_told_once_with_all_its_places(tiny):
    repeat(tiny, ("train", 0), ("train", 2))
    repeat(tiny, ("train", 0), ("val", 1))
    (finding,) = look(tiny).findings
    assert finding.message == "the same in all 5 bands: train 0, 2; val 1"


def test_the_places_of_a_patch_that_is_there_many_times_are_shortened():
    sums = {"a": np.full(3_000, 7, "u8"), "b": np.arange(1, 5, dtype="u8")}
    sums["b"][::2] = 7
    told = list(of_repeats({split: {"x": held} for split, held in sums.items()}, {}))
    assert [(f.split, f.message) for f in told] == [("a", "the same in x: a 0..2999; b 0, 2")]
    assert told[0].patches == tuple(range(3_000))


def test_splits_are_compared_in_the_arrays_they_share_and_within_in_all_of_their_own():
    sums = {
        "a": {"x": [1, 2, 1, 4], "y": [1, 2, 1, 9], "z": [5, 6, 7, 8]},  # 0 and 2: not in z
        "b": {"x": [4, 4, 5, 6], "y": [9, 9, 5, 6]},  # 0 and 1, and 3 of a
        "c": {"w": [3, 3, 3, 4]},  # which shares nothing
    }
    arrays = {s: {n: np.array(v, "u8") for n, v in of.items()} for s, of in sums.items()}
    files = {(split, name): name for split, of in arrays.items() for name in of}
    told = [(f.check, f.split, f.patches, f.message) for f in of_repeats(arrays, files)]
    assert told == [
        ("duplicate", "a", (3,), "the same in all 2 bands: a 3; b 0..1"),
        ("duplicate", "c", (0, 1, 2), "the same in w: c 0..2"),
    ]


def test_many_patches_of_one_value_each_are_one_finding(tiny):
    array = edit(tiny, "S1_VV")
    array[:, INNER, INNER] = np.array([1, 2.5, 3], "f4")[:, None, None]
    (finding,) = look(tiny).findings
    assert (finding.check, finding.patches) == ("constant", ALL)
    assert finding.message == "constant, of 3 values such as 1, 2.5, 3"


def test_frames_of_one_value_each_are_one_finding(tiny):
    array = edit(tiny, "S1_VV")
    inner = array[:, INNER, INNER].copy()
    array[...] = np.array([1, 2.5, 3], "f4")[:, None, None]
    array[:, INNER, INNER] = inner
    (finding,) = look(tiny).findings
    assert (finding.check, finding.patches) == ("frame-value", ALL)
    assert finding.message == "the frame is of one value each, of 3 such as 1, 2.5, 3"


def test_one_pixel_is_not_told_as_several(tiny):
    edit(tiny, "LABEL_manual_hq")[0, 5, 5] = 7
    (finding,) = look(tiny).findings
    assert finding.message.startswith("7: 1 pixel (")


def test_codes_of_two_bytes_are_told_one_by_one(tiny):
    array = edit(tiny, "LABEL_manual_hq").astype("<i2")
    array[0, 5, 5:8] = -1, 200, 30_000
    array[2, 5, 5] = 1024
    put(tiny, array, "LABEL_manual_hq")
    codes = next(f for f in look(tiny).findings if f.check == "codes")
    assert codes.patches == (0, 2)
    told = [part.partition(" pixel ")[0] for part in codes.message.split("; ")]
    assert told == ["200: 1", "1024: 1", "30000: 1", "-1: 1"]


def test_what_each_policy_makes_of_a_code_is_said(tiny):
    own = cloudio.LabelMap({0: 0, 1: 1, 2: 2, 3: 3, -1: 5}, unlisted=0)
    policies = {**TINY.label_maps["LABEL_manual_hq"], "own": own}
    layout = dataclasses.replace(TINY, label_maps={"LABEL_manual_hq": policies})
    edit(tiny, "LABEL_manual_hq")[1, 5, 5:7] = 255, 9
    (finding,) = look(tiny, layout=layout).findings
    assert finding.check == "codes"
    assert finding.advice == (
        "the policy 'card' ignores them, 'own' makes them class 0 or makes them class 5; "
        "or give a LabelMap that lists them"
    )


def test_many_codes_are_counted_and_not_all_told(tiny):
    edit(tiny, "LABEL_manual_hq")[0, 5, 5:30] = np.arange(100, 125)
    (finding,) = look(tiny).findings
    assert finding.message.endswith("; and 19 more codes")
    assert finding.patches == (0,)


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_a_label_is_not_cut_because_bands_are_halves(tiny, dtype):
    names = ("L1C_B2", "L1C_B4")
    bands = [dataclasses.replace(TINY.band(name), dtype=dtype) for name in names]
    label = TINY.band("LABEL_manual_hq")
    policies = {label.name: TINY.label_maps[label.name]}
    layout = Layout("Two", TINY.patch, TINY.valid, (*bands, label), label_maps=policies)
    shutil.rmtree(tiny / "train")
    for file in (tiny / "val").iterdir():
        if file.stem in names:
            (np.fromfile(file, "<i2") * np.float32(1e-4)).tofile(file)
        elif file.stem != "LABEL_manual_hq":
            file.unlink()
    # Bands of int16 may be stored as float32, and the label says that they are.
    check, patches = ("type", ()) if dtype == "int16" else ("halves", (0, 1, 2, 3))
    told = [(check, "val", f"{name}.dat", patches) for name in names]
    assert found(look(tiny, layout=layout)) == told


def test_of_a_split_with_metadata_a_cut_file_is_told_beside_halves(tiny):
    PLANTED["an_unknown_file_is_halves_of_floats"][0](tiny)
    PLANTED["a_file_is_cut"][0](tiny)
    assert [f.check for f in look(tiny).findings] == ["cut", "halves", "unknown"]


def test_true_patches_of_512_are_looked_at_as_small_ones_are(tmp_path, synthetic):
    path = Path(shutil.copytree(synthetic, tmp_path / "whole", copy_function=os.link))
    for name, dtype in (("L1C_B8", "<i2"), ("LABEL_sen2cor", "u1")):
        file = path / "train" / f"{name}.dat"
        array = np.fromfile(file, dtype).reshape(-1, 512, 512)
        if name == "L1C_B8":
            array = np.roll(array, (-1, -1), (1, 2))  # as CloudSEN12+ pads
        else:
            array[1, 100, 100:103] = 12
        file.unlink()  # not what is linked to it
        array.tofile(file)
    report = cloudio.verify(path)
    assert found(report) == [
        ("codes", "train", "LABEL_sen2cor.dat", (1,)),
        ("frame", "train", "L1C_B8.dat", (0, 1, 2)),
    ]
    assert "rows 0..508, columns 0..508; the layout says rows 1..509" in str(report)


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="holes cannot be asked for")
def test_patches_in_holes_are_told_and_not_taken_for_constant(tmp_path):
    """Files large enough for a hole: patches of 512 x 512, of two bytes."""
    arrays = ["L1C_B3", "L1C_B4", "LABEL_sen2cor"]
    cloudio.synthesize(tmp_path / "x", {"train": 3}, arrays=arrays)
    path = tmp_path / "x" / "train" / "L1C_B4.dat"
    held, plane = path.read_bytes(), 2 * 512 * 512
    with open(path, "wb") as file:
        file.write(held[:plane])
        file.seek(2 * plane)
        file.write(held[2 * plane :])
    if path.stat().st_blocks * 512 >= path.stat().st_size:
        pytest.skip("this file system makes no holes")
    for full in (False, True):
        told = [f for f in cloudio.verify(tmp_path / "x", full=full).findings if f.check != "codes"]
        assert [(f.check, f.split, f.file, f.patches) for f in told] == [
            ("holes", "train", "L1C_B4.dat", (1,))
        ]
        assert "1,048,576 of 1,572,864 bytes" in told[0].message


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="holes cannot be asked for")
@pytest.mark.parametrize("zeros", ["written", "left out"])
def test_holes_of_a_label_count_only_where_its_other_zeros_are_written(tmp_path, zeros):
    """Patches 0..3: some codes, a hole, only zeros, some codes."""
    names = ["L1C_B2", "L1C_B8A", "LABEL_manual_hq"]
    cloudio.synthesize(tmp_path / "x", {"train": 4}, arrays=names)
    path = tmp_path / "x" / "train" / "LABEL_manual_hq.dat"
    patches = np.fromfile(path, "u1").reshape(4, 512 * 512)
    patches[2] = 0
    with open(path, "wb") as file:
        for k, patch in enumerate(patches):
            if k == 1 or (k == 2 and zeros == "left out"):
                file.seek(512 * 512, os.SEEK_CUR)
            else:
                file.write(patch)
    if path.stat().st_blocks * 512 >= path.stat().st_size:
        pytest.skip("this file system makes no holes")
    expected = [("holes", "train", "LABEL_manual_hq.dat", (1,))] if zeros == "written" else []
    assert found(cloudio.verify(tmp_path / "x")) == expected
    assert found(cloudio.verify(tmp_path / "x", full=False)) == expected


def test_an_array_that_cannot_be_read_is_told_and_the_rest_goes_on(tiny, monkeypatch):
    array = scan.count_array

    def failing(ds, name, **options):
        if name == "L1C_B4" and "train" in ds.splits:
            raise cloudio.TruncatedError(f"{ds.path}/train/L1C_B4.dat held less: patch 1, from")
        return array(ds, name, **options)

    monkeypatch.setattr(scan, "count_array", failing)
    edit(tiny, "S1_VV", "val")[0, 5, 5] = np.nan
    report = look(tiny)
    assert found(report) == [
        ("nan", "val", "S1_VV.dat", (0,)),
        ("read", "train", "L1C_B4.dat", (1,)),
    ]
    assert report.findings[0].message.startswith("held less")


def test_two_defects_are_both_told_the_more_severe_first(tiny):
    PLANTED["radar_has_nan"][0](tiny)
    PLANTED["a_file_is_cut"][0](tiny)
    PLANTED["pixels_are_not_labelled"][0](tiny)
    assert [f.check for f in look(tiny).findings] == ["cut", "nan", "unlabelled"]


def test_metadata_beside_those_of_other_splits_is_named_as_it_is(tmp_path, tiny):
    path = tmp_path / "older"
    path.mkdir()
    for file in tiny.glob("*/*"):
        shutil.copy(file, path / f"{file.parent.name}_{file.name}")
    assert look(path).ok
    (path / "val_metadata.csv").unlink()
    edit_of = np.memmap(path / "train_L1C_B4.dat", "<i2", "r+", shape=(3, SIDE, SIDE))
    edit_of[1, 30, 30] = -5
    assert found(look(path)) == [
        ("negative", "train", "train_L1C_B4.dat", (1,)),
        ("no-metadata", "val", "metadata.csv", ()),
    ]


# Python's own files may be closed to nobody, so that all is imported before.
UNREADABLE = """
import encodings.utf_8_sig, os, sys, tqdm
sys.path.insert(0, sys.argv[2])
from clean import found, look

look(sys.argv[1])  # imports all it needs, where others may not
if os.geteuid() == 0:
    os.seteuid(65534)
for full in (True, False):
    print(found(look(sys.argv[1], full=full)))
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind")
def test_a_file_that_may_not_be_read_is_told_and_the_others_are_read(corners):
    with tempfile.TemporaryDirectory() as name:  # one that others may enter, to a certain extent
        path = Path(shutil.copytree(corners, Path(name) / "tiny"))
        edit(path, "S1_VV", "val")[0, 5, 5] = np.nan
        for entry in (Path(name), path, *path.rglob("*")):
            entry.chmod(0o755)
        (path / "train" / "L1C_B2.dat").chmod(0)
        run = subprocess.run(
            [sys.executable, "-c", UNREADABLE, path, HERE],
            capture_output=True,
            text=True,
            check=False,
        )
    closed = ("unreadable", "train", "L1C_B2.dat", ())
    assert run.stderr == ""
    assert run.stdout.splitlines() == [
        str([("nan", "val", "S1_VV.dat", (0,)), closed]),
        str([closed]),
    ]


def test_channels_of_a_stacked_file_are_told_apart(tmp_path):
    bands = tuple(
        Band(name, file="S2.npy", channel=k, channels=2, wavelength=500.0 + k)
        for k, name in enumerate(("one", "two"))
    )
    layout = Layout("Stacked", (32, 32), Window(1, 1, 30, 30), bands)
    rng = np.random.default_rng(5)
    array = np.zeros((3, 2, 32, 32), "<i2")
    array[:, :, 1:31, 1:31] = rng.integers(1, 2000, (3, 2, 30, 30))
    array[2, 1, 1:31, 1:31] = 9
    np.save(tmp_path / "S2.npy", array)
    assert found(look(tmp_path, layout=layout)) == [("constant", tmp_path.name, "S2.npy[1]", (2,))]


def test_where_nothing_can_be_opened_the_error_is_that_of_open(tiny):
    only_bands(tiny)
    for file in (tiny / "val").glob("*.dat"):
        os.truncate(file, 100)
    with pytest.raises(LayoutError, match="holds 100 bytes, and no file here holds a whole"):
        look(tiny)
    with pytest.raises(FileNotFoundError, match="no folder"):
        look(tiny / "nowhere")


def test_one_of_two_splits_that_cannot_be_opened_is_told(tiny):
    for file in (tiny / "val").glob("*.dat"):
        os.truncate(file, 0)
    report = look(tiny)
    assert {(f.check, f.split) for f in report.findings} == {("unreadable", "val")}
    assert {f.file for f in report.findings} == {f.name for f in (tiny / "val").glob("*.dat")}
    assert not any("val" in f.message for f in report.findings)
    assert report.splits == {"train": 3}


# ---- by their looks ------------------------------------------------------------------------------


def test_the_padding_of_a_patch_is_found_whatever_it_is():
    rng = np.random.default_rng(0)
    for value in (0, -99, np.nan, 255):
        for window in (Window(0, 0, 20, 20), Window(3, 1, 9, 15), Window(5, 6, 1, 1)):
            patch = np.full((24, 22), value, "f4")
            inner = rng.normal(1000, 1, window.size)
            patch[window.row : window.row + window.height, window.col :][:, : window.width] = inner
            assert padding(patch).inner == window
        assert padding(np.full((4, 4), value, "f4")).inner is None


def test_numbers_of_12_bits_in_the_upper_ones_of_16_are_no_other_byte_order(tiny):
    for split in TINY_PATCHES:
        part = edit(tiny, "L1C_B4", split)
        part[...] = np.minimum(part, 2047) << 4
    assert look(tiny).ok


def test_rows_of_one_number_each_are_no_other_byte_order(tiny):
    edit(tiny)[:, INNER, INNER] = 256 * np.arange(61)[:, None] + np.arange(61)[:, None] % 7
    assert look(tiny).ok


def test_real_patches_look_like_what_they_are(mini):
    for split in mini.splits:
        part = mini.split(split)
        for name in part.names:
            patch = np.ascontiguousarray(part[name][0])
            assert not swapped(patch)
            if patch.dtype.itemsize < 4:
                assert not halves(patch)
            else:
                assert halves(patch.view("<i2")[:, :512])
            if name.startswith("L1C") and name != "L1C_B10":
                assert swapped(patch.byteswap())
                assert halves((patch * np.float32(1e-4)).view("<i2")[:, :512])


# ---- the report ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        ((), ""),
        ((3,), "3"),
        ((3, 4), "3..4"),
        ((3, *range(7, 13)), "3, 7..12"),
        ((3, *range(7, 13), 20, 30, *range(40, 88)), "3, 7..12, 20, 30 and 48 more"),
    ],
)
def test_numbers_of_patches_are_shortened(patches, words):
    assert shortened(patches) == words


def test_a_report_is_json(tiny):
    PLANTED["a_label_holds_7"][0](tiny)
    report = look(tiny)
    held = json.loads(report.json())
    assert held["ok"] is False
    assert held["path"] == str(tiny)
    assert held["findings"] == [
        json.loads(json.dumps(dataclasses.asdict(f))) for f in report.findings
    ]
    assert held["findings"][0]["patches"] == [0, 2]
    assert {"layout", "full", "splits", "n_arrays", "n_files", "n_bytes", "seconds"} < held.keys()


def test_a_report_for_people_has_counts_rows_and_advice(tiny):
    PLANTED["a_file_is_cut"][0](tiny)
    PLANTED["radar_has_a_stripe_of_no_data"][0](tiny)
    lines = str(look(tiny)).splitlines()
    assert lines[0].startswith(
        f"{tiny}: Tiny, train 3, val 2 patches, 10 arrays in 19 files; every"
    )
    assert lines[1] == "1 error, 1 warning"
    assert repr(look(tiny)) == f"<cloudio.Report of {tiny}: 1 error, 1 warning>"
    assert "error: files that end before their last patch [cut]" in lines
    assert "  train  S1_VV.dat  0, 2  -99: 13.11% of a patch" in lines
    assert lines[-1] == f"  -> {CHECKS['nodata'].advice}"


def test_a_notebook_shows_the_findings_escaped(tiny):
    shutil.copy(tiny / "train" / "EXTRA_elevation.dat", tiny / "train" / "<b>.dat")
    html = look(tiny, full=False)._repr_html_()
    assert "&lt;b&gt;.dat" in html
    assert "<b>.dat" not in html
    assert html.count("<tr>") == 1 + len(look(tiny, full=False).findings)


def test_many_findings_of_a_check_are_cut_short_for_people_only(tiny):
    found = [findings.finding("nan", "train", f"{k}.dat", (k,), "NaN") for k in range(20)]
    report = dataclasses.replace(look(tiny), findings=tuple(found))
    assert "  and 8 more; --json has them all" in str(report).splitlines()
    assert len(json.loads(report.json())["findings"]) == 20
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + 12 + 1
    assert "and 8 more; json() has them all" in html


def test_the_docs_list_every_check():
    text = ROOT / "docs" / "verify.md"
    if not text.exists():
        pytest.skip("the tests run without the docs")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", text.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {check: known.severity for check, known in CHECKS.items()}


# ---- the command ---------------------------------------------------------------------------------


def test_the_exit_status_says_whether_anything_was_found(tiny, tmp_path, capsys):
    layout = tmp_path / "tiny.toml"
    layout.write_text(toml_writer.to_toml(TINY), encoding="utf-8")
    command = ["verify", str(tiny), "--layout", str(layout)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("nothing found\n")
    PLANTED["radar_has_nan"][0](tiny)
    assert main([*command, "--quick"]) == 0
    assert "no pixels" in capsys.readouterr().out
    assert main([*command, "--threads", "1", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["check"] == "nan"
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    assert main([*command, "--threads", "0"]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "threads=0" in caught.err


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_ends_it_without_a_traceback(synthetic):
    code = (
        "import os, signal, sys, time\n"
        "from cloudio.reading import scan\n"
        "from cloudio.cli import main\n"
        # What runs in the background of a shell ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def array(*a, **k): os.kill(os.getpid(), signal.SIGINT), time.sleep(30)\n"
        "scan.count_array = array\n"
        f"sys.exit(main(['verify', {str(synthetic)!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 128 + signal.SIGINT
    assert (run.stdout, run.stderr.strip()) == ("", "")


# ---- the real patches ----------------------------------------------------------------------------


def test_of_the_real_patches_exactly_what_is_there_is_reported(realdata):
    patches = {"train": (0, 1, 2), "val": (0,), "test": (0, 1)}
    expected = [
        ("shared-roi", "train", "metadata.csv", (1,)),
        ("shared-roi", "val", "metadata.csv", (0,)),
        ("shared-scene", "train", "metadata.csv", (1, 2)),
        ("shared-scene", "val", "metadata.csv", (0,)),
        ("shared-scene", "test", "metadata.csv", (0,)),
        ("nodata", "val", "S1_VV.dat", (0,)),
        ("nodata", "val", "S1_VH.dat", (0,)),
    ]
    for split, numbers in patches.items():
        expected += [
            ("label-zeros", split, "LABEL_qa60.dat", numbers),
            ("codes", split, "LABEL_fmask.dat", numbers),  # the fill, -1
            ("codes", split, "LABEL_kappamask_L1C.dat", numbers),  # 5, missing
            ("codes", split, "LABEL_sen2cor.dat", numbers),  # 7, which the card does not list
            ("unlabelled", split, "LABEL_manual_sc.dat", numbers),  # 99
        ]
    report = cloudio.verify(realdata)
    assert found(report) == sorted(expected)
    assert {f.severity for f in report.findings if f.check != "unlabelled"} == {"warning"}
    quick = cloudio.verify(realdata, full=False)
    assert found(quick) == sorted(e for e in expected if e[0].startswith("shared"))


def test_what_is_said_of_the_real_patches_is_what_numpy_counts(mini):
    report = cloudio.verify(mini.path)
    told = {(f.check, f.split, f.file): f.message for f in report.findings}
    window = (slice(None), slice(1, 510), slice(1, 510))
    for split in mini.splits:
        part = mini.split(split)
        for name, code, words in (
            ("LABEL_fmask", 255, "255 (-1)"),
            ("LABEL_kappamask_L1C", 5, "5"),
            ("LABEL_sen2cor", 7, "7"),
            ("LABEL_manual_sc", 99, "99"),
        ):
            pixels = part[name][window]
            check = "unlabelled" if code == 99 else "codes"
            n = int((pixels == code).sum())
            said = f"{words}: {n:,} pixels ({percent(n / pixels.size)})"
            assert told[check, split, f"{name}.dat"] == said
    stripe = mini.split("val")["S1_VV"][0] == -99
    assert np.flatnonzero(stripe.any(axis=0)).tolist() == list(range(1, 61))
    assert told["nodata", "val", "S1_VV.dat"] == f"-99: {60 / 509:.2%} of a patch"
    assert CLOUDSEN12.band("S1_VV").nodata == -99


@pytest.mark.parametrize("bad", ["no", 0, -1])
def test_a_wrong_number_of_threads_is_refused(tiny, bad):
    with pytest.raises(RequestError, match="threads"):
        look(tiny, threads=bad)
