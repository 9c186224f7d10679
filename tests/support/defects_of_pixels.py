"""Defects of element types, padding, labels, bands and checksums."""

import numpy as np
from clean import SIDE, TINY, TINY_PATCHES
from planting import (
    ALL,
    BOTH,
    INNER,
    PLANE,
    QUICK,
    copy_patch,
    edit,
    only_bands,
    plants,
    write_array,
)


@plants(("ambiguous", "val", "", ()), **QUICK)
def sizes_allow_two_readings(path):
    only_bands(path)


@plants()
def sizes_allow_two_readings_and_pixels_decide(path):
    only_bands(path)


@plants(*(("halves", "val", f"L1C_{name}.dat", (0, 1, 2, 3)) for name in ("B2", "B3", "B4", "B8")))
def float32_is_read_as_twice_as_many_patches(path):
    """Told by all bands but B10, which takes too few values where there is no cloud."""
    only_bands(path)
    for file in (path / "val").glob("*.dat"):
        (np.fromfile(file, "<i2") * np.float32(1e-4)).tofile(file)


@plants(("halves", "train", "own.dat", ALL), ("unknown", "train", "own.dat", ()))
def an_unknown_file_is_float32(path):
    # Half of the patches it should have: as many bytes as all of them in int16.
    floats = np.zeros((2, SIDE, SIDE), "<f4")
    floats[...] = edit(path)[:2] * np.float32(1e-4)
    floats.ravel()[: 3 * PLANE // 2].tofile(path / "train" / "own.dat")


@plants(("not-float32", "train", "S1_VV.dat", ALL))
def two_byte_numbers_are_read_as_float32(path):
    write_array(path, np.concatenate([edit(path), edit(path)]), "S1_VV")


@plants(("byte-order", "train", "L1C_B4.dat", ALL))
def a_band_is_big_endian(path):
    write_array(path, edit(path).byteswap())


@plants(("byte-order", "train", "S1_VV.dat", ALL))
def floats_are_big_endian(path):
    write_array(path, edit(path, "S1_VV").byteswap(), "S1_VV")


@plants(
    ("byte-order", "val", "LABEL_manual_hq.dat", BOTH),
    ("label-type", "val", "LABEL_manual_hq.dat", ()),
)
def a_label_of_two_bytes_is_big_endian(path):
    write_array(path, edit(path, "LABEL_manual_hq", "val").astype(">i2"), "LABEL_manual_hq", "val")


@plants(("frame-value", "train", "L1C_B4.dat", ALL))
def the_padding_is_255(path):
    array = edit(path)
    inner = array[:, INNER, INNER].copy()
    array[...] = 255
    array[:, INNER, INNER] = inner


@plants(("frame-value", "val", "LABEL_manual_hq.dat", (1,)))
def the_padding_of_one_label_patch_is_255(path):
    array = edit(path, "LABEL_manual_hq", "val")
    inner = array[1, INNER, INNER].copy()
    array[1] = 255
    array[1, INNER, INNER] = inner


@plants()
def the_padding_is_the_no_data_number(path):
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
def a_pixel_of_the_padding_and_one_of_the_window_are_7(path):
    array = edit(path, "LABEL_manual_hq")
    array[2, 0, 0] = array[2, 30, 30] = 7


@plants(("frame", "val", "LABEL_manual_hq.dat", (1,)))
def a_pixel_of_the_padding_was_written(path):
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
def pixels_are_not_labeled(path):
    edit(path, "LABEL_manual_sc")[1, 5:9, 5:9] = 99


@plants(("label-empty", "train", "LABEL_manual_sc.dat", (1,)))
def a_patch_is_not_labeled_at_all(path):
    edit(path, "LABEL_manual_sc")[1, INNER, INNER] = 99


@plants(("label-zeros", "train", "LABEL_manual_hq.dat", ALL))
def a_label_is_all_zeros(path):
    edit(path, "LABEL_manual_hq")[...] = 0


@plants(
    ("label-zeros", "train", "LABEL_qa60.dat", ALL), ("label-zeros", "val", "LABEL_qa60.dat", BOTH)
)
def qa60_is_there(path):
    for split, n in TINY_PATCHES.items():
        write_array(path, np.zeros((n, SIDE, SIDE), "u1"), "LABEL_qa60", split)


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


@plants(("duplicate", "train", "", (0, 2)))
def a_patch_is_there_twice(path):
    copy_patch(path, ("train", 0), ("train", 2))


@plants(("duplicate", "train", "", (1,)))
def a_patch_is_in_two_splits(path):
    copy_patch(path, ("train", 1), ("val", 0))


@plants()
def a_place_is_seen_twice_by_radar(path):
    for name in ("S1_VV", "EXTRA_elevation"):
        edit(path, name, "val")[0] = edit(path, name)[1]


@plants(("copied", "val", "L1C_B8.dat", BOTH))
def a_band_is_a_copy_of_another(path):
    write_array(path, edit(path, "L1C_B4", "val"), "L1C_B8", "val")
