"""Opening folders: element types and numbers of patches, from sizes and metadata."""

from pathlib import Path

import numpy as np
import pytest
from builders import write_metadata, write_root, write_split
from small_sets import PATCH, open_small, raises, write_zeros

from cloudio import LayoutError, RequestError


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("metadata", [True, False])
def test_bands_already_scaled_are_float32_of_unknown_scale(tmp_path, metadata):
    arrays = write_split(
        tmp_path,
        2,
        names=["B2", "B3", "S1_VV", "hq", "sc"],
        dtypes={"B2": "float32", "B3": "float32"},
        metadata=metadata,
    )
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds["B2"].dtype == np.float32
    assert ds["B2"].tobytes() == arrays["L1C_B2"].tobytes()
    assert ds.band("B2").scale is None
    assert ds.warnings == (
        f"{tmp_path.name}: B2.dat is float32 by its size, but the layout Small says int16",
        f"{tmp_path.name}: B3.dat is float32 by its size, but the layout Small says int16",
    )
    with raises(RequestError, "the scale of L1C_B2 is unknown", "float32", "scale="):
        ds.reader(["B2", "VV"])
    image = ds.reader(["B2", "VV"], size=(40, 48), scale=1).read([1, 0]).image
    for band, name in enumerate(("L1C_B2", "S1_VV")):
        assert np.array_equal(image[:, band], arrays[name][::-1], equal_nan=True)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_labels_of_two_bytes_are_read_as_such(tmp_path):
    arrays = write_split(tmp_path, 3, names=["B2", "hq"], dtypes={"hq": "int16"}, metadata=False)
    codes = arrays["LABEL_hq"] % 5 - 1
    codes.astype("<i2").tofile(tmp_path / "hq.dat")
    ds = open_small(tmp_path)
    assert ds.dtype("hq") == np.int16
    assert ds.band("hq").kind == "label"
    with pytest.warns(UserWarning, match="LABEL_hq is int16 by the sizes .* uint8 in Small"):
        reader = ds.reader("B2", "hq", size=(40, 48))
    label = reader.read([2]).label[0]
    expected = np.full((40, 48), 255)
    inside = codes[2, 1:36, 2:43]
    expected[1:36, 2:43] = np.where(inside < 0, 255, inside)
    assert np.array_equal(label, expected)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_metadata_settles_the_type_where_sizes_leave_it_open(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"], dtypes=dict.fromkeys(["B2", "B3"], "float32"))
    assert open_small(tmp_path)["B2"].dtype == np.float32
    assert len(open_small(tmp_path)) == 2


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("stem", ["mask", "A_mask"])
@pytest.mark.parametrize("metadata", [True, False])
def test_an_array_the_layout_does_not_know_has_the_type_of_its_size(
    tmp_path, stem, dtype, metadata
):
    arrays = write_split(tmp_path, 4, names=["B2", stem], dtypes={stem: dtype}, metadata=metadata)
    ds = open_small(tmp_path)
    assert ds.names == ("L1C_B2", stem)
    assert ds["B2"].dtype == np.int16
    assert ds[stem].dtype == dtype
    assert ds[stem].tobytes() == arrays[stem].tobytes()
    assert ds.warnings[0] == (
        f"{tmp_path.name}: {stem}.dat is not in the layout Small; "
        f"cloudio reads it as {dtype}, by its size"
    )
    # Without metadata.csv, two patches of wider types would have the same sizes.
    assert len(ds.warnings) == (1 if metadata or dtype == "float32" else 2)
    with raises(RequestError, f"the scale of {stem} is unknown", "scale="):
        ds.reader(stem)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
@pytest.mark.parametrize("labels", [True, False])
def test_scaled_bands_that_pass_for_twice_as_many_patches_are_warned_of(tmp_path, labels):
    """float32 bands and labels of two bytes have the sizes of twice as many patches."""
    names = ["B2", "B3", *(["hq"] if labels else [])]
    wide = {"B2": "float32", "B3": "float32", "hq": "int16"}
    write_split(tmp_path, 2, names=names, dtypes=wide, metadata=False)
    ds = open_small(tmp_path)
    assert len(ds) == 4
    types = "float32 and int16" if labels else "float32"
    assert ds.warnings == (
        f"{tmp_path.name}: the files are read as 4 patches, but their sizes also fit 2 patches of "
        f"{types}; a metadata.csv with a row per patch decides it",
    )
    write_metadata(tmp_path / "metadata.csv", 2)
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds.dtype("B2") == np.float32
    assert not any("sizes also fit" in said for said in ds.warnings)


def test_a_folder_that_may_not_be_read_is_no_split_unless_it_is_called_one(tmp_path, monkeypatch):
    """As lost+found beside the splits of a disk."""
    write_root(tmp_path, {"train": 2, "val": 1})
    closed = tmp_path / "lost+found"
    closed.mkdir()
    listed = Path.iterdir

    def iterdir(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert list(open_small(tmp_path).splits) == ["train", "val"]
    closed = tmp_path / "val"
    with pytest.raises(PermissionError, match="val"):
        open_small(tmp_path)


def test_many_unknown_files_do_not_outvote_a_known_one(tmp_path):
    stems = [f"x{k}" for k in range(5)]
    write_split(
        tmp_path, 4, names=["B2", *stems], dtypes=dict.fromkeys(stems, "uint8"), metadata=False
    )
    assert len(open_small(tmp_path)) == 4
    assert open_small(tmp_path).dtype("B2") == np.int16


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_one_known_type_decides_for_files_that_could_be_two(tmp_path):
    write_zeros(tmp_path, B2=8 * PATCH, B3=8 * PATCH, B4=8 * PATCH, hq=2 * PATCH)
    ds = open_small(tmp_path)
    assert len(ds) == 2
    assert ds.dtype("B2") == np.float32
    write_zeros(tmp_path, hq=4 * PATCH)
    assert len(open_small(tmp_path)) == 4
    assert open_small(tmp_path).dtype("B2") == np.int16


@pytest.mark.parametrize("odd", ["B2", "B4", "hq"])
def test_files_that_disagree_are_named_by_size(tmp_path, odd):
    sizes = {"B2": 6 * PATCH, "B3": 6 * PATCH, "B4": 6 * PATCH, "hq": 3 * PATCH, "VV": 12 * PATCH}
    write_zeros(tmp_path, **(sizes | {odd: 10 * PATCH}))
    fit = (
        "5,760 bytes (uint8) or 11,520 (int16)"
        if odd == "hq"
        else "11,520 bytes (int16) or 23,040 (float32)"
    )
    with raises(
        LayoutError,
        f"{tmp_path / odd}.dat holds 19,200 bytes, but 4 of 5 files have 3 patches, ",
        f"and 3 patches of 40 x 48 are {fit}",
    ):
        open_small(tmp_path)


def test_two_files_that_disagree_do_not_pretend_to_a_majority(tmp_path):
    write_zeros(tmp_path, B2=6 * PATCH, B3=10 * PATCH)
    with raises(LayoutError, "B3.dat holds 19,200 bytes, but", "1 of 2 files has 3 patches"):
        open_small(tmp_path)


def test_metadata_outweighs_the_files(tmp_path):
    write_split(tmp_path, 3, names=["B2", "hq", "VV"])
    write_metadata(tmp_path / "metadata.csv", 5)
    with raises(
        LayoutError,
        "B2.dat holds 11,520 bytes, but metadata.csv has 5 rows, and 5 patches of 40 x 48 ",
        "are 19,200 bytes (int16) or 38,400 (float32)",
    ):
        open_small(tmp_path)


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n", "index,roi_id\n"])
def test_metadata_without_rows_is_refused(tmp_path, content):
    write_split(tmp_path, 3, names=["B2"])
    (tmp_path / "metadata.csv").write_text(content, encoding="utf-8")
    with raises(LayoutError, tmp_path, "metadata.csv has no rows; write a row per patch"):
        open_small(tmp_path)


@pytest.mark.parametrize("size", [1, 2 * PATCH - 1, 2 * PATCH + 1, 3 * PATCH])
def test_a_size_that_fits_no_type_is_named_with_what_a_patch_needs(tmp_path, size):
    write_zeros(tmp_path, B2=size)
    with raises(
        LayoutError,
        f"{tmp_path / 'B2.dat'} holds {size:,} bytes, and no file here holds a whole number of ",
        "patches of 40 x 48; a patch of int16 has 3,840 bytes",
    ):
        open_small(tmp_path)


def test_a_stack_of_bands_in_one_file_is_not_taken_for_one_band(tmp_path):
    write_split(tmp_path, 2, names=["B2", "B3"])
    np.zeros((2, 13, 40, 48), "<i2").tofile(tmp_path / "stack.dat")
    with raises(LayoutError, "stack.dat holds 99,840 bytes, but", "2 patches of 40 x 48 are"):
        open_small(tmp_path)


def expected(root, index):
    return [root[1]["L1C_B2"][k].astype(np.float32).tobytes() for k in index]
