"""Files of one's own: .npy files, stacked ones, and those that a layout places by a pattern."""

import dataclasses
import gc
import io
import os
import pickle
import re
import sys

import numpy as np
import pytest
from builders import SMALL, pixels, write_split
from numpy.lib import format as npy_format

import cloudio
from cloudio import Band, LabelMap, Layout, LayoutError, RequestError, TruncatedError, Window

H, W = 40, 48
NAMES = ("B2", "B3", "B4")


def layout_of(*bands, **entries):
    return Layout("Own", (H, W), Window(0, 0, H, W), bands, **entries)


def stack(dtype="int16", file="S2.dat", channels=3, names=NAMES, **entries):
    """The channels of one file."""
    return [
        Band(name, dtype=dtype, file=file, channel=k, channels=channels, **entries)
        for k, name in enumerate(names)
    ]


def refusal(error, *words):
    """Expect an error whose message has these words, in that order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(word)) for word in words))


def whole(reader_of, bands, **settings):
    """All patches of bands as they are stored."""
    reader = reader_of.reader(bands, size=(H, W), scale=None, **settings)
    return reader.read(range(len(reader_of))).image


PER_VIEWED_FILE = 1 if sys.version_info >= (3, 13) else 2  # descriptors


def descriptors():
    gc.collect()
    return len(os.listdir("/dev/fd"))


# ---- .npy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_a_npy_file_is_mapped_as_it_is(tmp_path, dtype, version):
    array = pixels("B2", (3, H, W), dtype)
    with open(tmp_path / "B2.npy", "wb") as file:
        npy_format.write_array(file, array, version)
    ds = cloudio.open(tmp_path, layout=layout_of(Band("B2", dtype=dtype)))
    assert len(ds) == 3
    assert ds.warnings == ()
    assert ds["B2"].dtype == dtype
    assert ds["B2"].tobytes() == array.tobytes()
    assert not ds["B2"].flags.writeable
    assert not ds["B2"].flags.owndata
    assert np.array_equal(whole(ds, "B2")[:, 0], array.astype("f4"), equal_nan=True)


def test_npy_and_flat_files_mix_and_are_found_in_any_spelling(tmp_path):
    arrays = write_split(tmp_path, 2, names=["B2", "S1_VV"], metadata=False)
    for stem, name in {"l1c_b03": "L1C_B3", "target": "LABEL_hq"}.items():
        arrays[name] = pixels(name, (2, H, W), "int16" if name == "L1C_B3" else "uint8")
        np.save(tmp_path / f"{stem}.npy", arrays[name])
    (tmp_path / "l1c_b03.npy").rename(tmp_path / "l1c_b03.NPY")
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert set(ds.names) == set(arrays)
    for name, array in arrays.items():
        assert ds[name].tobytes() == array.tobytes()
    assert np.array_equal(whole(ds, ["B2", "B3"])[:, 1], arrays["L1C_B3"].astype("f4"))


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_header_settles_the_patches_where_sizes_leave_them_open(tmp_path):
    (tmp_path / "B3.dat").write_bytes(pixels("B3", (2, H, W), "float32").tobytes())
    assert len(cloudio.open(tmp_path, layout=SMALL)) == 4
    np.save(tmp_path / "B2.npy", pixels("B2", (2, H, W), "int16"))
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert len(ds) == 2
    assert ds.dtype("B3") == np.float32


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_header_of_another_type_is_right_and_warns(tmp_path):
    np.save(tmp_path / "L1C_B2.npy", pixels("B2", (2, H, W), "uint16"))
    np.save(tmp_path / "hq.npy", np.ones((2, H, W), np.int16))
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert ds.warnings == (
        f"{tmp_path.name}: L1C_B2.npy is uint16 by its header, where Small has int16",
        f"{tmp_path.name}: hq.npy is int16 by its header, where Small has uint8",
    )
    assert ds.band("B2") == Band("L1C_B2", dtype="uint16", scale=None, wavelength=496.6)
    with refusal(RequestError, "the scale of L1C_B2 is not known", "uint16"):
        ds.reader("B2")
    with pytest.warns(UserWarning, match="LABEL_hq is int16"):
        reader = ds.reader("B2", "hq", scale=1)
    assert set(reader.read([0]).label.ravel()) == {1}


def big_endian(file):
    np.save(file, np.zeros((2, H, W), ">i2"))


def fortran(file):
    np.save(file, np.asfortranarray(np.zeros((2, H, W), "i2")))


def objects(file):
    np.save(file, np.array([[[None] * W] * H], object))


def misaligned(file):
    header = b"{'descr': '<i2', 'fortran_order': False, 'shape': (1, 40, 48)}  \n"
    file.write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(2 * H * W)
    )


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            big_endian,
            ["is big-endian (>i2); save it anew, numpy.save(path, array.astype('<i2'))"],
        ),
        (fortran, ["is in Fortran order; save it anew, numpy.save(path, numpy.ascontig"]),
        (objects, ["holds Python objects; save it anew, numpy.save(path, array.astype("]),
        (misaligned, ["has its first pixel at byte 75, no multiple of 2; save it anew"]),
        *(
            (
                lambda file, dtype=dtype: np.save(file, np.zeros((2, H, W), dtype)),
                [f"is {dtype}; uint8, int8, uint16, int16, float32 are read: save it anew"],
            )
            for dtype in ("bool", "int32", "int64", "float16", "float64", "complex64", "uint32")
        ),
        (
            lambda file: np.save(file, np.zeros((2, H, W), [("a", "i2")])),
            ["is [('a', '<i2')]; uint8, int8, uint16, int16, float32 are read"],
        ),
        (
            lambda file: np.save(file, np.zeros((2, W, H), "i2")),
            ["has shape (2, 48, 40); Small needs (patches, 40, 48)"],
        ),
        (
            lambda file: np.save(file, np.zeros((H, W), "i2")),
            ["has shape (40, 48); Small needs (patches, 40, 48)"],
        ),
        (
            lambda file: np.save(file, np.zeros((), "i2")),
            ["has shape (); Small needs (patches, 40, 48)"],
        ),
        (
            lambda file: np.save(file, np.zeros((2, 13, H, W), "i2")),
            [
                "has shape (2, 13, 40, 48); Small needs (patches, 40, 48), or the array's channel "
                "and channels"
            ],
        ),
        (
            lambda file: np.save(file, np.zeros((0, H, W), "i2")),
            ["has shape (0, 40, 48): no patches"],
        ),
        (lambda file: file.write_bytes(b"x" * 7680), ["is no .npy file: the magic string"]),
        (lambda file: file.write_bytes(b"\x93NUMPY"), ["is no .npy file: EOF"]),
        (lambda file: file.write_bytes(b"\x93NUMPY\x04\x00"), ["is .npy version 4.0; 1.0, 2.0, "]),
        (lambda file: file.write_bytes(b""), ["is empty"]),
        (lambda file: file.mkdir(), ["is not a regular file"]),
    ],
)
def test_a_npy_file_that_cannot_be_mapped_says_what_to_do(tmp_path, write, words):
    write(tmp_path / "B2.npy")
    with refusal(LayoutError, tmp_path / "B2.npy", *words):
        cloudio.open(tmp_path, layout=SMALL)


@pytest.mark.parametrize("more", [-2, -1, 1, 3840])
def test_a_header_that_lies_about_the_size_is_refused(tmp_path, more):
    np.save(tmp_path / "B2.npy", np.zeros((2, H, W), "i2"))
    os.truncate(tmp_path / "B2.npy", 128 + 7680 + more)
    with refusal(
        LayoutError,
        f"B2.npy holds {7808 + more:,} bytes; its header, int16 of (2, 40, 48), needs 7,808",
    ):
        cloudio.open(tmp_path, layout=SMALL)


def test_npy_and_flat_files_of_one_array_are_refused(tmp_path):
    write_split(tmp_path, 2, names=["B2"])
    np.save(tmp_path / "B2.npy", np.zeros((2, H, W), "i2"))
    with refusal(LayoutError, tmp_path / "B2.npy", tmp_path / "B2.dat", "have the same name"):
        cloudio.open(tmp_path, layout=SMALL)
    (tmp_path / "B2.npy").rename(tmp_path / "L1C_B02.npy")
    with refusal(LayoutError, "L1C_B02.npy and", "B2.dat are both L1C_B2"):
        cloudio.open(tmp_path, layout=SMALL)


def test_headers_that_disagree_are_refused(tmp_path):
    np.save(tmp_path / "B2.npy", np.zeros((2, H, W), "i2"))
    np.save(tmp_path / "B3.npy", np.zeros((3, H, W), "i2"))
    words = "has shape (3, 40, 48); there are 2 patches, by the header of B2.npy"
    with refusal(LayoutError, tmp_path / "B3.npy", words):
        cloudio.open(tmp_path, layout=SMALL)
    write_split(tmp_path, 3, names=[])
    with refusal(LayoutError, "B2.npy has shape (2, 40, 48); there are 3 patches, by the rows of"):
        cloudio.open(tmp_path, layout=SMALL)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "B3.npy").unlink()
    write_split(tmp_path, 3, names=["B3"], metadata=False)
    with refusal(LayoutError, "B3.dat holds 11,520 bytes; 2 patches", "by the header of B2.npy"):
        cloudio.open(tmp_path, layout=SMALL)


def test_an_unknown_npy_file_of_patches_is_an_array(tmp_path):
    write_split(tmp_path, 2, names=["B2"])
    for name, shape in {"snow": (2, H, W), "wind": (2, 1, H, W)}.items():
        np.save(tmp_path / f"{name}.npy", pixels(name, shape, "float32"))
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert ds.names == ("L1C_B2", "snow", "wind")
    assert ds["wind"].tobytes() == pixels("wind", (2, H, W), "float32").tobytes()
    assert ds.band("snow") == Band("snow", dtype="float32", scale=None)
    assert ds.warnings[0] == (
        f"{tmp_path.name}: snow.npy is not an array of Small; taken as float32 by its header"
    )


def test_an_unknown_npy_file_without_patches_is_left_out_and_told(tmp_path):
    write_split(tmp_path / "train", 2, names=["B2"])
    np.save(tmp_path / "train" / "mean.npy", np.zeros(13))
    np.save(tmp_path / "train" / "std.npy", np.zeros(13, "f4"))
    np.save(tmp_path / "weights.npy", np.zeros(13, "f4"))
    (tmp_path / "notebooks").mkdir()
    np.save(tmp_path / "notebooks" / "x.npy", np.zeros(13, "f4"))
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert list(ds.splits) == ["train"]
    assert ds.names == ("L1C_B2",)
    folder = tmp_path / "train"
    assert ds.warnings == (
        f"train: left out: {folder / 'mean.npy'} is float64; uint8, int8, uint16, int16, float32 "
        "are read: save it anew",
        f"train: left out: {folder / 'std.npy'} has shape (13,); Small needs (patches, 40, 48)",
    )


def test_npy_files_of_an_older_copy_are_told_apart(tmp_path):
    for name, n in {"train": 3, "val": 1}.items():
        np.save(tmp_path / f"{name}_B02.npy", pixels(name, (n, H, W), "int16"))
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert ds.splits == {"train": range(3), "val": range(3, 4)}
    np.save(tmp_path / "val_B02.npy", np.zeros((1, W, H), "i2"))
    with refusal(LayoutError, "val_B02.npy has shape (1, 48, 40); Small needs (patches, 40, 48)"):
        cloudio.open(tmp_path, layout=SMALL)


# ---- stacked files -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["dat", "npy", "bin"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_a_channel_of_a_stacked_file_is_a_view(tmp_path, ending, dtype):
    array = pixels("S2", (2, 3, H, W), dtype)
    if ending == "npy":
        np.save(tmp_path / "S2.npy", array)
    else:
        array.tofile(tmp_path / f"S2.{ending}")
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(dtype, f"S2.{ending}")))
    assert len(ds) == 2
    assert ds.names == NAMES
    # The size of a flat file leaves open what a header tells.
    ambiguous = ending != "npy" and dtype in ("uint8", "int16")
    assert [("taken for 2 patches" in said) for said in ds.warnings] == [True] * ambiguous
    for k, name in enumerate(NAMES):
        assert ds[name].shape == (2, H, W)
        assert ds[name].dtype == dtype
        assert ds[name].tobytes() == array[:, k].tobytes()
        assert not ds[name].flags.writeable
        assert ds[name].base is not None
        assert ds[name].strides[0] == array.strides[0]
    assert np.shares_memory(ds["B3"], ds["B3"])
    image = whole(ds, ["B4", "B2"])
    assert np.array_equal(image, array[:, [2, 0]].astype("f4"), equal_nan=True)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there is no /dev/fd")
def test_channels_share_one_mapping_and_one_descriptor(tmp_path):
    np.save(tmp_path / "S2.npy", pixels("S2", (2, 3, H, W), "int16"))
    before = descriptors()
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy")))
    reader = ds.reader(NAMES)
    reader.read([0, 1])
    assert descriptors() == before + 1
    sources = [ds.open_arrays(name)[0] for name in NAMES]
    assert len({source.file.fileno() for source in sources}) == 1
    addresses = [source.array.__array_interface__["data"][0] for source in sources]
    assert [address - addresses[0] for address in addresses] == [0, 2 * H * W, 4 * H * W]
    assert len({id(ds.open_arrays("B2")[0]) for _ in range(3)}) == 1
    del ds, reader
    assert descriptors() == before + PER_VIEWED_FILE
    del sources
    assert descriptors() == before


@pytest.mark.parametrize("ending", ["dat", "npy"])
def test_the_whole_file_must_be_there_for_any_channel(tmp_path, ending):
    path = tmp_path / f"S2.{ending}"
    array = pixels("S2", (2, 3, H, W), "int16")
    np.save(path, array) if ending == "npy" else array.tofile(path)
    size = path.stat().st_size
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file=path.name)))
    reader = ds.reader("B2")
    assert (
        ds.open_arrays("B2")[0].file.n_bytes
        == size
        == array.nbytes + (128 if ending == "npy" else 0)
    )
    reader.read([0])
    os.truncate(path, size - 2)
    with refusal(TruncatedError, f"{path} holds {size - 2:,} bytes; it held {size:,} when the"):
        reader.read([0])
    with refusal(TruncatedError, f"{path} holds {size - 2:,} bytes; it held {size:,} when the"):
        ds.reader("B2").read([0])
    with refusal(LayoutError, f"{path} holds {size - 2:,} bytes"):
        cloudio.open(tmp_path, layout=ds.layout)


def test_labels_of_one_channel_are_labels(tmp_path):
    codes = np.arange(2 * H * W, dtype="i2").reshape(2, 1, H, W) % 7 - 1
    np.save(tmp_path / "a.npy", codes)
    np.save(tmp_path / "b.npy", codes[:, 0])
    np.save(tmp_path / "c.npy", codes)
    codes.tofile(tmp_path / "d.dat")
    one = {"kind": "label", "dtype": "int16"}
    bands = [
        Band("a", **one, channel=0, channels=1),
        Band("b", **one, channel=0, channels=1),
        Band("c", **one),
        Band("d", **one, channel=0, channels=1),
    ]
    maps = {name: {"own": LabelMap({0: 0, 5: 1, -1: None})} for name in "abcd"}
    ds = cloudio.open(tmp_path, layout=layout_of(*bands, label_maps=maps))
    labels = ds.reader("d", list("abcd"), size=(H, W)).read([0, 1]).label
    table = {0: 0, 5: 1}
    expected = np.vectorize(lambda code: table.get(code, 255))(codes[:, 0])
    for k, name in enumerate("abcd"):
        assert ds[name].shape == (2, H, W)
        assert np.array_equal(labels[:, k], expected)


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_a_stacked_file_of_another_type_warns_once_for_all_its_channels(tmp_path):
    array = pixels("S2", (2, 3, H, W), "float32")
    array.tofile(tmp_path / "S2.dat")
    write_split(tmp_path, 2, names=[])
    bands = stack(scale=1e-4, offset=-1000.0, nodata=0.0, wavelength=500.0)
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert ds.warnings == (f"{tmp_path.name}: S2.dat is float32 by its size, where Own has int16",)
    assert ds.band("B3") == Band(
        "B3",
        dtype="float32",
        scale=None,
        wavelength=500.0,
        offset=0.0,
        nodata=0.0,
        file="S2.dat",
        channel=1,
        channels=3,
    )
    assert ds["B3"].tobytes() == array[:, 1].tobytes()


def test_a_split_that_lacks_the_file_of_a_pattern_is_told(tmp_path):
    layout = layout_of(*stack(file="S2.npy"))
    for split, name in (("train", "S2"), ("test", "S2_test")):
        (tmp_path / split).mkdir()
        np.save(tmp_path / split / f"{name}.npy", pixels("S2", (2, 3, H, W), "int16"))
    with pytest.raises(LayoutError, match=r"file = 'S2.npy' of B\w+ matches nothing in .*test"):
        cloudio.open(tmp_path, layout=layout)


def test_a_folder_of_arrays_without_patches_says_why_they_are_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 7, 7), "i2"))
    with pytest.raises(
        LayoutError, match=r"no \.dat or \.npy files in .*; left out: .*a\.npy has shape"
    ):
        cloudio.open(tmp_path)


def test_a_header_that_is_no_header_is_told(tmp_path):
    for text in (b"(" * 500, b"{'descr': '<i2',"):
        path = tmp_path / "L1C_B2.npy"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        with pytest.raises(LayoutError, match=r"L1C_B2\.npy is no \.npy file"):
            cloudio.open(tmp_path)


def test_a_band_as_the_layout_says_keeps_its_offset(tmp_path):
    pixels("S2", (2, 3, H, W), "int16").tofile(tmp_path / "S2.dat")
    bands = stack(scale=1e-4, offset=-1000.0)
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert [ds.band(name) for name in NAMES] == bands


def test_the_size_of_a_stacked_file_counts_its_channels(tmp_path):
    (tmp_path / "S2.dat").write_bytes(bytes(2 * 3 * H * W * 2 + 2))
    layout = layout_of(*stack())
    with refusal(
        LayoutError,
        "S2.dat holds 23,042 bytes, and no file here holds a whole number of patches of 40 x 48: ",
        "one of int16 in 3 channels needs 11,520",
    ):
        cloudio.open(tmp_path, layout=layout)
    write_split(tmp_path, 4, names=[])
    with refusal(
        LayoutError,
        "S2.dat holds 23,042 bytes; 4 patches of 40 x 48 in 3 channels, by the rows of ",
        "need 46,080 (int16) or 92,160 (float32)",
    ):
        cloudio.open(tmp_path, layout=layout)


@pytest.mark.parametrize("shape", [(2, 4, H, W), (2, H, W), (2, 3, W, H), (2, 3, H, W, 1)])
def test_a_stack_of_another_shape_is_refused_with_both(tmp_path, shape):
    np.save(tmp_path / "S2.npy", np.zeros(shape, "i2"))
    words = f"S2.npy has shape {shape}; Own needs (patches, 3, 40, 48)"
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy")))


# ---- patterns ------------------------------------------------------------------------------------


def test_a_pattern_finds_the_one_file_it_matches(tmp_path):
    a, b, c = (pixels(name, (2, H, W), "int16") for name in "abc")
    (tmp_path / "deep").mkdir()
    a.tofile(tmp_path / "2019_a_v2.raw")
    np.save(tmp_path / "deep" / "b[1].npy", b)
    c.tofile(tmp_path / "c.dat")
    (tmp_path / ".2019_a_v1.raw").write_bytes(b"hidden")
    (tmp_path / "2018_a.raw").mkdir()
    bands = Band("a", file="*_{name}*.raw"), Band("b[1]", file="deep/{name}.npy"), Band("C")
    ds = cloudio.open(tmp_path, layout=layout_of(*bands))
    assert list(ds.splits) == [tmp_path.name]
    assert ds.warnings == ()
    for name, array in {"a": a, "b[1]": b, "C": c}.items():
        assert ds[name].tobytes() == array.tobytes()


def test_each_split_has_its_own_files_of_a_pattern(tmp_path):
    stored = {}
    for split, n in {"train": 2, "test": 1, "extra": 3}.items():
        (tmp_path / split).mkdir()
        stored[split] = pixels(split, (n, 3, H, W), "int16")
        np.save(tmp_path / split / f"{split}_S2.npy", stored[split])
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="*_S2.npy")))
    assert list(ds.splits) == ["train", "test", "extra"]
    both = np.concatenate(list(stored.values()))
    assert np.array_equal(whole(ds, NAMES), both.astype("f4"))
    for split, array in stored.items():
        part = cloudio.open(tmp_path / split, layout=ds.layout)
        assert list(part.splits) == [split]
        assert part["B3"].tobytes() == array[:, 1].tobytes()


def test_a_folder_of_a_pattern_is_one_split(tmp_path):
    write_split(tmp_path / "val", 2, names=["train_a", "test_b", "x"], metadata=False)
    layout = layout_of(Band("x", file="x.dat"), Band("train_a"), Band("test_b"))
    ds = cloudio.open(tmp_path / "val", layout=layout)
    assert ds.splits == {"val": range(2)}
    assert ds.names == ("x", "train_a", "test_b")


def test_a_pattern_that_matches_no_file_or_two_is_refused(tmp_path):
    layout = layout_of(Band("a", file="*_{name}.dat"), Band("B2"))
    words = f"file = '*_{{name}}.dat' of a matches nothing in {tmp_path}; one file is needed"
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout)
    write_split(tmp_path, 2, names=["B2"])
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout)
    for name in ("1_a", "2_a", "3_a"):
        write_split(tmp_path, 2, names=[name])
    with refusal(
        LayoutError, f"of a matches {tmp_path / '1_a.dat'} and {tmp_path / '2_a.dat'} in ", "one"
    ):
        cloudio.open(tmp_path, layout=layout)


def test_a_file_by_its_name_beside_the_file_of_a_pattern_is_refused(tmp_path):
    np.zeros((2, 3, H, W), "i2").tofile(tmp_path / "S2.dat")
    np.zeros((2, H, W), "i2").tofile(tmp_path / "b03.dat")
    with refusal(LayoutError, "b03.dat and", "S2.dat are both B3"):
        cloudio.open(tmp_path, layout=layout_of(*stack()))


@pytest.mark.filterwarnings("ignore::cloudio.CloudioWarning")
def test_two_patterns_that_find_one_file_are_refused(tmp_path):
    np.zeros((2, 3, H, W), "i2").tofile(tmp_path / "S2.dat")
    one, two, three = stack()
    for changed, words in (
        ({"file": "S?.dat", "channel": 0}, "B2 and B3 are both in {}, as channel 0"),
        ({"file": "S?.dat", "channels": 4}, "B2 and B3 are both in {}, but their channels is 3"),
        ({"file": "S?.dat", "dtype": "uint16"}, "both in {}, but their dtype is int16 and uint16"),
        (
            {"file": "S?.dat", "channel": None, "channels": None},
            "B2 and B3 are both in {}; each needs its channel and channels",
        ),
    ):
        layout = layout_of(one, dataclasses.replace(two, **changed), three)
        with refusal(LayoutError, words.format(tmp_path / "S2.dat")):
            cloudio.open(tmp_path, layout=layout)
    ds = cloudio.open(tmp_path, layout=layout_of(one, dataclasses.replace(two, file="S?.dat")))
    assert ds.names == ("B2", "B3")


def test_a_stacked_data_set_pickles(tmp_path):
    np.save(tmp_path / "S2.npy", pixels("S2", (2, 3, H, W), "int16"))
    ds = cloudio.open(tmp_path, layout=layout_of(*stack(file="S2.npy", nodata=float("nan"))))
    again = pickle.loads(pickle.dumps(ds))
    assert again.layout == ds.layout
    assert again["B4"].tobytes() == ds["B4"].tobytes()


def test_a_header_that_python_2_wrote_is_read(tmp_path):
    file = io.BytesIO()
    np.save(file, np.zeros((2, H, W), "i2"))
    text = file.getvalue().replace(b"(2, 40, 48)", b"(2L,40, 48)", 1)
    (tmp_path / "B2.npy").write_bytes(text)
    with pytest.warns(UserWarning, match="additional header parsing"):
        ds = cloudio.open(tmp_path, layout=SMALL)
    assert len(ds) == 2
