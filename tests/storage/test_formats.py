"""Files in other formats are told by their first bytes, and are never read as pixels."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from builders import pixels
from own_files import H, W, layout_of, refusal, stack
from residents import evict, resident

import cloudio
from cloudio import Band, LayoutError
from cloudio.storage.headers.formats import format_of

SIZE = 3 * 2 * H * W  # three patches of int16
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("B2.dat", b"x")
    return file.getvalue()


def npz():
    file = io.BytesIO()
    np.savez(file, x=np.zeros(3))
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.zeros((3, H, W), "i2"))
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("B2.dat"))
    return file.getvalue()


def database(folder):
    with sqlite3.connect(folder / "x.sqlite") as connection:
        connection.execute("create table t (x)")
    connection.close()
    return (folder / "x.sqlite").read_bytes()


def bitmap():
    return b"BM" + SIZE.to_bytes(4, "little") + bytes(10)


FORMATS = {
    "a TIFF image": [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"MM\0+\0\x08"],
    "a PNG image": [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"],
    "a JPEG image": [b"\xff\xd8\xff\xe0\0\x10JFIF", b"\xff\xd8\xff\xe1..Exif", b"\xff\xd8\xff\xdb"],
    "a JPEG 2000 image": [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51\0\x2f"],
    "a WebP image": [b"RIFF\x10\0\0\0WEBPVP8 "],
    "a BMP image": [bitmap()],
    "an HDF5 file": [b"\x89HDF\r\n\x1a\n"],
    "an HDF4 file": [b"\x0e\x03\x13\x01"],
    "a NetCDF file": [b"CDF\x01\0", b"CDF\x02\0", b"CDF\x05\0"],
    "a MATLAB file": [b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"],
    "a .npy file": [npy()],
    "a zip archive, such as .npz or .pt": [zipped(), npz()],
    "a gzip file": [gzip.compress(b"x"), gzip.compress(b"", 0)],
    "a bzip2 file": [bz2.compress(b"x"), bz2.compress(b"x", 1)],
    "an xz file": [lzma.compress(b"x")],
    "a Zstandard file": [b"\x28\xb5\x2f\xfd\x04"],
    "a tar archive": [tarred()],
    "a Parquet file": [b"PAR1\x15\x04"],
    "an Arrow file": [b"ARROW1\0\0", b"FEA1"],
    "a pickle": [pickle.dumps([1], 4), pickle.dumps({"a": 1}, 5)],
    "a torch file": [pickle.dumps(0x1950A86A20F9469CFC6C, 2)],
    "a safetensors file": [
        (46).to_bytes(8, "little") + b'{"\xc3\xa4":{"dtype":"U8","shape":[2],"offsets":[0,2]}}'
    ],
    "a pointer of Git LFS": [LFS],
    "a web page": [b"<!DOCTYPE html>\n<html>", b"\n  <HTML><head>"],
    "an XML file": [b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'],
}
CASES = [(name, begin) for name, begins in FORMATS.items() for begin in begins]


@pytest.mark.parametrize(("name", "begin"), CASES)
def test_a_file_of_another_format_is_named_although_its_size_fits(tmp_path, name, begin):
    (tmp_path / "B2.dat").write_bytes(begin[:SIZE].ljust(SIZE, b"\1"))
    layout = layout_of(Band("B2"))
    with refusal(LayoutError, tmp_path / "B2.dat", f"is {name}, not flat pixels; "):
        cloudio.open(tmp_path, layout=layout)


def test_a_database_is_named(tmp_path):
    (tmp_path / "B2.dat").write_bytes(database(tmp_path))
    with refusal(LayoutError, "B2.dat is an SQLite database, not flat pixels"):
        cloudio.open(tmp_path, layout=layout_of(Band("B2")))


@pytest.mark.parametrize("ending", ["h5", "bin", "tif"])
def test_a_file_found_by_its_pattern_is_looked_at_too(tmp_path, ending):
    file = tmp_path / f"S2.{ending}"
    file.write_bytes(b"\x89HDF\r\n\x1a\n".ljust(3 * SIZE, b"\0"))
    with refusal(LayoutError, file, "is an HDF5 file, not flat pixels; cloudio pack writes"):
        cloudio.open(tmp_path, layout=layout_of(*stack(file=f"*.{ending}")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LFS, "is a pointer of Git LFS, not a .npy file; it stands for the data"),
        (zipped(), "is a zip archive, such as .npz or .pt, not a .npy file; unpack it"),
        (b"<!doctype html>", "is a web page, not a .npy file; it may be the answer of a server"),
    ],
)
@pytest.mark.parametrize("layout", [layout_of(Band("B2")), layout_of(Band("B2", file="B2.npy"))])
def test_a_npy_file_that_is_something_else_is_named(tmp_path, content, words, layout):
    (tmp_path / "B2.npy").write_bytes(content)
    with refusal(LayoutError, tmp_path / "B2.npy", words):
        cloudio.open(tmp_path, layout=layout)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_pixels_are_no_format(tmp_path, dtype):
    for seed in range(20):
        array = pixels("B2", (1, H, W), dtype, seed)
        array.tofile(tmp_path / "B2.dat")
        assert format_of(tmp_path / "B2.dat") is None
        assert cloudio.open(tmp_path, layout=layout_of(Band("B2", dtype=dtype)))["B2"].size


@pytest.mark.parametrize(
    "begin",
    [
        b"BM" + (SIZE + 2).to_bytes(4, "little"),  # another size
        b"\x1f\x8b\x09\x00",  # no such method of gzip
        b"\x1f\x8b\x08\xff",  # no such flags
        b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little"),  # longer than the file
        b"\x80\x04\x96" + (40).to_bytes(8, "little"),
        (1 << 50).to_bytes(8, "little") + b'{"',
        (9999).to_bytes(8, "little") + b'{"',  # a pixel of 0x227b beside nodata
        (40).to_bytes(8, "little") + b'{"x":{\0\0\0',
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b'{"a"',
        b"II*\x01",
        b"\xff\xd8\xff\x00",
        b"RIFF\0\0\0\0WAVE",
        b"<",
        b"",
    ],
)
def test_pixels_that_begin_like_a_format_are_pixels(tmp_path, begin):
    (tmp_path / "B2.dat").write_bytes(begin.ljust(SIZE, b"\1"))
    assert len(cloudio.open(tmp_path, layout=layout_of(Band("B2")))) == 3


def test_a_file_of_a_few_bytes_is_looked_at_without_an_error(tmp_path):
    for size in range(1, 20):
        (tmp_path / "B2.dat").write_bytes(b"\x80\x04\x95II*\0"[:size].ljust(size, b"\0"))
        assert format_of(tmp_path / "B2.dat") is None
    assert format_of(tmp_path / "nowhere") is None


def test_a_zarr_folder_is_named(tmp_path):
    for name in (".zgroup", ".zarray", "zarr.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("{}")
        assert format_of(tmp_path / name).name == "a Zarr store"
    assert format_of(tmp_path) is None


def test_verify_names_the_format_and_checks_the_other_files(tmp_path):
    for k, content in enumerate([npz(), LFS, pixels("B2", (3, H, W), "int16").tobytes()]):
        (tmp_path / f"B{k}.dat").write_bytes(content)
    layout = layout_of(*(Band(f"B{k}", file=f"B{k}.dat") for k in range(3)))
    report = cloudio.verify(tmp_path, layout=layout, progress=False)
    found = [(f.severity, f.check, f.file) for f in report.findings if f.check == "format"]
    assert found == [("error", "format", "B0.dat"), ("error", "format", "B1.dat")]
    assert "is a pointer of Git LFS, not flat pixels" in str(report)
    assert report.n_arrays == 1


def test_other_files_of_a_folder_are_not_looked_at(tmp_path):
    (tmp_path / "B2.dat").write_bytes(bytes(SIZE))
    (tmp_path / "notes.zip").write_bytes(zipped())
    (tmp_path / "quicklook.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert cloudio.open(tmp_path, layout=layout_of(Band("B2"))).warnings == ()


def test_metadata_that_is_a_pointer_of_git_lfs_is_no_table(tmp_path):
    (tmp_path / "B2.dat").write_bytes(bytes(SIZE))
    (tmp_path / "metadata.csv").write_bytes(LFS)
    words = "metadata.csv is a pointer of Git LFS, not a table; it stands for the data"
    with refusal(LayoutError, words):
        cloudio.open(tmp_path, layout=layout_of(Band("B2")))
    (finding,) = cloudio.verify(
        tmp_path, layout=layout_of(Band("B2")), full=False, progress=False
    ).findings
    assert (finding.check, finding.file) == ("metadata", "metadata.csv")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
def test_open_does_not_read_a_file_that_is_not_in_memory(tmp_path):
    file, layout = tmp_path / "B2.dat", layout_of(Band("B2"))
    file.write_bytes(b"PAR1".ljust(SIZE, b"\1"))
    evict([file])
    if resident(file):
        pytest.skip("the file system keeps its pages")
    assert len(cloudio.open(tmp_path, layout=layout)) == 3
    assert not resident(file)
    (finding,) = cloudio.verify(tmp_path, layout=layout, full=False, progress=False).findings
    assert (finding.check, finding.file) == ("format", "B2.dat")
    assert finding.message.startswith("is a Parquet file, not flat pixels")
    with refusal(LayoutError, "is a Parquet file"):  # it is in memory now
        cloudio.open(tmp_path, layout=layout)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
@pytest.mark.parametrize(("name", "size"), [("B2.dat", SIZE - 2), ("B2.h5", SIZE)])
def test_open_reads_the_first_bytes_where_size_or_ending_are_not_those_of_pixels(
    tmp_path, name, size
):
    file = tmp_path / name
    file.write_bytes(b"\x89HDF\r\n\x1a\n".ljust(size, b"\1"))
    evict([file])
    with refusal(LayoutError, f"{name} is an HDF5 file"):
        cloudio.open(tmp_path, layout=layout_of(Band("B2", file=name)))
