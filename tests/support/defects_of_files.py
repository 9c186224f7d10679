"""Defects of names, sizes and metadata.csv."""

import gzip
import os
import shutil

import numpy as np
from clean import TINY_PATCHES
from planting import (
    PLANE,
    edit,
    plants,
    read_rows,
    write_array,
    write_rows,
)


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


@plants(("format", "train", "L1C_B4.dat", ()))
def a_file_is_compressed(path):
    file = path / "train" / "L1C_B4.dat"
    file.write_bytes(gzip.compress(file.read_bytes(), 0))


@plants(("format", "val", "S1_VV.dat", ()))
def a_file_of_the_right_size_is_hdf5(path):
    edit(path, "S1_VV", "val").view("u1").reshape(-1)[:8] = list(b"\x89HDF\r\n\x1a\n")


@plants(("unreadable", "train", "S1_VV.dat", ()))
def a_link_leads_nowhere(path):
    (path / "train" / "S1_VV.dat").unlink()
    (path / "train" / "S1_VV.dat").symlink_to(path / "gone")


@plants(("link", "train", "S1_VV.dat", ()), ("link", "train", "metadata.csv", ()))
def links_lead_out_of_the_folder(path):
    cache = path.parent / "cache"
    cache.mkdir()
    for name in ("S1_VV.dat", "metadata.csv"):
        shutil.move(path / "train" / name, cache / name)
        (path / "train" / name).symlink_to(cache / name)


@plants(("link", "val", "", ()))
def a_split_is_a_link_to_another_folder(path):
    shutil.move(path / "val", path.parent / "elsewhere")
    (path / "val").symlink_to(path.parent / "elsewhere")


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
        write_array(path, np.array(edit(path, "EXTRA_elevation", split)), "own", split)


@plants(("left-out", "train", "mean.npy", ()))
def a_file_holds_no_patches(path):
    np.save(path / "train" / "mean.npy", np.zeros(5, "<f4"))


@plants(("type", "train", "L1C_B4.dat", ()))
def a_band_is_float32(path):
    write_array(path, edit(path) * np.float32(1e-4))


@plants(("label-type", "train", "LABEL_manual_hq.dat", ()))
def a_label_has_two_bytes(path):
    write_array(path, edit(path, "LABEL_manual_hq").astype("<i2"), "LABEL_manual_hq")


@plants(("metadata", "train", "metadata.csv", ()))
def a_row_has_a_field_too_many(path):
    with open(path / "train" / "metadata.csv", "a", encoding="utf-8") as file:
        file.write("1,2,3\n")


@plants(("metadata", "train", "metadata.csv", ()))
def metadata_has_no_rows(path):
    (path / "train" / "metadata.csv").write_text("", encoding="utf-8")


@plants(("rows", "train", "metadata.csv", ()))
def metadata_has_a_row_too_few(path):
    write_rows(path, read_rows(path)[:-1])


@plants(("rows", "val", "metadata.csv", ()))
def metadata_has_a_row_too_many(path):
    write_rows(path, read_rows(path, "val") * 2, "val")


@plants(("no-metadata", "val", "metadata.csv", ()))
def one_split_lacks_metadata(path):
    (path / "val" / "metadata.csv").unlink()


@plants(("columns", "val", "metadata.csv", ()))
def one_split_lacks_a_column(path):
    rows = read_rows(path, "val")
    for row in rows:
        del row["difficulty"]
    write_rows(path, rows, "val")


@plants(("index", "train", "metadata.csv", (0, 2)))
def two_rows_have_one_index(path):
    rows = read_rows(path)
    rows[2]["index"] = rows[0]["index"]
    write_rows(path, rows)


@plants(("shared-roi", "train", "metadata.csv", (1,)), ("shared-roi", "val", "metadata.csv", (0,)))
def a_place_is_in_two_splits(path):
    rows = read_rows(path)
    for row in rows:
        row["roi_id"] = f"{row['roi_id']}_{row['index']}"
    val = read_rows(path, "val")
    val[0]["roi_id"], val[1]["roi_id"] = rows[1]["roi_id"], ""
    rows[2]["roi_id"] = ""  # which is no place
    write_rows(path, rows)
    write_rows(path, val, "val")


@plants(
    ("shared-scene", "train", "metadata.csv", (2,)), ("shared-scene", "val", "metadata.csv", (1,))
)
def a_scene_is_in_two_splits(path):
    rows, val = read_rows(path), read_rows(path, "val")
    val[1]["s2_id"] = rows[2]["s2_id"]
    write_rows(path, val, "val")
