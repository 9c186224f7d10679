""".npy files: mapped as they are, or refused with what to do."""

import os

import numpy as np
import pytest
from builders import SMALL, pixels, write_split
from numpy.lib import format as npy_format
from own_files import H, W, layout_of, refusal, whole

import cloudio
from cloudio import Band, LayoutError, RequestError
from cloudio.storage import inspection, listing
from cloudio.storage.headers import npy


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
        f"{tmp_path.name}: L1C_B2.npy is uint16 by its header, but the layout Small says int16 "
        '(set dtype = "uint16" if the file is right)',
        f"{tmp_path.name}: hq.npy is int16 by its header, but the layout Small says uint8 "
        '(set dtype = "int16" if the file is right)',
    )
    assert ds.band("B2") == Band("L1C_B2", dtype="uint16", scale=None, wavelength=496.6)
    with refusal(RequestError, "the scale of L1C_B2 is unknown", "uint16"):
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
            ["is big-endian (>i2); save it again: numpy.save(path, array.astype('<i2'))"],
        ),
        (fortran, ["is in Fortran order; save it again: numpy.save(path, numpy.ascontig"]),
        (objects, ["holds Python objects; save it again: numpy.save(path, array.astype("]),
        (
            misaligned,
            ["has its first pixel at byte 75, which is not a multiple of 2; save it again"],
        ),
        *(
            (
                lambda file, dtype=dtype: np.save(file, np.zeros((2, H, W), dtype)),
                [
                    f"is {dtype}; cloudio reads uint8, int8, uint16, int16, float32: "
                    f"{'save it again' if dtype[0] == 'c' else chr(39) + 'cloudio pack '}"
                ],
            )
            for dtype in ("bool", "int32", "int64", "float16", "float64", "complex64", "uint32")
        ),
        (
            lambda file: np.save(file, np.zeros((2, H, W), [("a", "i2")])),
            ["is [('a', '<i2')]; cloudio reads uint8, int8, uint16, int16, float32"],
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
        (lambda file: file.write_bytes(b"x" * 7680), ["is not a .npy file: the magic string"]),
        (lambda file: file.write_bytes(b"\x93NUMPY"), ["is not a .npy file: EOF"]),
        (
            lambda file: file.write_bytes(b"\x93NUMPY\x04\x00"),
            ["is .npy version 4.0; cloudio reads 1.0, 2.0 "],
        ),
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
        f"B2.npy holds {7808 + more:,} bytes; by its header (int16, shape (2, 40, 48)) it must "
        "hold 7,808",
    ):
        cloudio.open(tmp_path, layout=SMALL)


def test_npy_and_flat_files_of_one_array_are_refused(tmp_path):
    write_split(tmp_path, 2, names=["B2"])
    np.save(tmp_path / "B2.npy", np.zeros((2, H, W), "i2"))
    with refusal(
        LayoutError,
        tmp_path / "B2.npy",
        tmp_path / "B2.dat",
        "are the same array; keep one of them",
    ):
        cloudio.open(tmp_path, layout=SMALL)
    (tmp_path / "B2.npy").rename(tmp_path / "L1C_B02.npy")
    with refusal(LayoutError, "L1C_B02.npy and", "B2.dat are both L1C_B2"):
        cloudio.open(tmp_path, layout=SMALL)


def test_headers_that_disagree_are_refused(tmp_path):
    np.save(tmp_path / "B2.npy", np.zeros((2, H, W), "i2"))
    np.save(tmp_path / "B3.npy", np.zeros((3, H, W), "i2"))
    words = "has shape (3, 40, 48), so 3 patches, but B2.npy has 2 patches"
    with refusal(LayoutError, tmp_path / "B3.npy", words):
        cloudio.open(tmp_path, layout=SMALL)
    write_split(tmp_path, 3, names=[])
    with refusal(
        LayoutError, "B2.npy has shape (2, 40, 48), so 2 patches, but metadata.csv has 3 rows"
    ):
        cloudio.open(tmp_path, layout=SMALL)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "B3.npy").unlink()
    write_split(tmp_path, 3, names=["B3"], metadata=False)
    with refusal(
        LayoutError,
        "B3.dat holds 11,520 bytes, but B2.npy has 2 patches",
        "2 patches of 40 x 48 are",
    ):
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
        f"{tmp_path.name}: snow.npy is not in the layout Small; "
        "cloudio reads it as float32, by its header"
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
        f"train: left out: {folder / 'mean.npy'} is float64; cloudio reads uint8, int8, uint16, "
        "int16, float32: save it again: numpy.save(path, array.astype('float32'))",
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


def test_the_header_of_every_file_is_read_once(tmp_path, monkeypatch):
    write_split(tmp_path / "train", 2, names=["B2"])
    for name in ("B3", "unknown"):
        np.save(tmp_path / "train" / f"{name}.npy", pixels(name, (2, H, W), "int16"))
    np.save(tmp_path / "train" / "mean.npy", np.zeros(13, np.float32))
    reads = []

    def read_header(path):
        reads.append(path.name)
        return npy.read_header(path)

    for module in (inspection, listing):
        monkeypatch.setattr(module, "read_header", read_header)
    ds = cloudio.open(tmp_path, layout=SMALL)
    assert ds.names == ("L1C_B2", "L1C_B3", "unknown")
    assert sorted(reads) == ["B3.npy", "mean.npy", "unknown.npy"]
