"""Formats that cloudio does not read, each told by the first bytes of a file.

A mark is four bytes or more, or is checked against the size of the file, so that pixels do not look
like one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ..._core import files as core_files
from ..._utils.files import open_raw
from ..._utils.paths import is_file, is_folder
from ...errors import LayoutError

# The mark of a tar file is the furthest from the begin.
_N_BYTES = 512
# The least text of a header of safetensors, which has the type, shape and place of a tensor.
_N_TEXT = 20
# Endings of flat files, beside none.
FLAT_ENDINGS = "", ".bin", ".bsq", ".dat", ".data", ".img", ".mmap", ".memmap", ".raw"


class OtherFormatError(LayoutError):
    """A file is in a format that cloudio does not read."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its ``name``, with its article, and what to do with such a file."""

    name: str
    advice: str


_SAVE = "and write the pixels of all patches with np.save"
_IMAGE = "cloudio pack writes images as a data set"
_ARRAYS = "cloudio pack writes its arrays as a data set"
_UNPACK = "unpack it, and give the files that were in it"
_UNZIP = f"{_UNPACK}; cloudio pack reads .npz as it is"
_TABLE = f"cloudio reads pixels only: read it with pandas or pyarrow {_SAVE}"
_DOWNLOAD = "it may be the answer of a server instead of the data: download the file again"
_NPY = "rename it, so that it ends in .npy"


def _format(name: str, advice: str, *marks: bytes) -> list[tuple[bytes, Format]]:
    return [(mark, Format(name, advice)) for mark in marks]


_MARKS = [
    *_format("a TIFF image", _IMAGE, b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08"),
    *_format("a PNG image", _IMAGE, b"\x89PNG\r\n\x1a\n"),
    *_format("a JPEG image", _IMAGE, *(b"\xff\xd8\xff" + bytes([x]) for x in b"\xdb\xe0\xe1\xee")),
    *_format(
        "a JPEG 2000 image", _IMAGE, b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51\0"
    ),
    *_format("a GIF image", _IMAGE, b"GIF87a", b"GIF89a"),
    *_format("an ERDAS image", _IMAGE, b"EHFA_HEADER_TAG"),
    *_format("a NITF image", _IMAGE, b"NITF0"),
    *_format("a FITS file", f"read it with astropy {_SAVE}", b"SIMPLE  ="),
    *_format("an HDF5 file", _ARRAYS, b"\x89HDF\r\n\x1a\n"),
    *_format("an HDF4 file", f"read it with pyhdf or GDAL {_SAVE}", b"\x0e\x03\x13\x01"),
    *_format("a NetCDF file", f"read it with xarray {_SAVE}", b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    *_format("a GRIB file", f"read it with cfgrib {_SAVE}", b"GRIB"),
    *_format("a MATLAB file", f"read it with scipy.io {_SAVE}", b"MATLAB "),
    *_format("a .npy file", _NPY, b"\x93NUMPY"),
    *_format("a zip archive, such as .npz or .pt", _UNZIP, b"PK\x03\x04", b"PK\x05\x06"),
    *_format("a gzip file", _UNPACK, *(b"\x1f\x8b\x08" + bytes([flags]) for flags in range(32))),
    *_format("a bzip2 file", _UNPACK, *(b"BZh%d1AY&SY" % level for level in range(1, 10))),
    *_format("an xz file", _UNPACK, b"\xfd7zXZ\0"),
    *_format("a Zstandard file", _UNPACK, b"\x28\xb5\x2f\xfd"),
    *_format("an LZ4 file", _UNPACK, b"\x04\x22\x4d\x18"),
    *_format("a 7z archive", _UNPACK, b"7z\xbc\xaf\x27\x1c"),
    *_format("a RAR archive", _UNPACK, b"Rar!\x1a\x07"),
    *_format("a Blosc2 file", f"read it with blosc2 {_SAVE}", b"\x9e\xa8b2frame\0"),
    *_format("a Parquet file", _TABLE, b"PAR1"),
    *_format("an Arrow file", _TABLE, b"ARROW1\0\0", b"FEA1"),
    *_format("an SQLite database", _TABLE, b"SQLite format 3\0"),
    *_format("a torch file", f"read it with torch.load {_SAVE}", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j"),
    *_format("a PDF file", "it holds no pixels of patches", b"%PDF-"),
    *_format(
        "a pointer of Git LFS",
        "it stands for the data, which is still on the server: fetch it with git lfs pull",
        b"version https://git-lfs.github.com/spec/",
    ),
    *_format("an XML file", _DOWNLOAD, b"<?xml "),
]  # fmt: skip
_ANY_MARK = tuple(mark for mark, _ in _MARKS)
_TAR = Format("a tar archive", _UNPACK)
_PICKLE = Format("a pickle", f"read it with pickle.load {_SAVE}")
_TENSORS = Format("a safetensors file", f"read it with safetensors {_SAVE}")
_WEBP = Format("a WebP image", _IMAGE)
_BMP = Format("a BMP image", _IMAGE)
_LMDB = Format("an LMDB database", f"read it with lmdb {_SAVE}")
_HTML = Format("a web page", _DOWNLOAD)
_ZARR = Format("a Zarr store", _ARRAYS)
_ZARR_FILES = ".zgroup", ".zarray", "zarr.json"


def format_of(path: Path) -> Format | None:
    """Return the format of a file that is neither flat nor .npy, or of a folder; None if unknown.

    None too if it cannot be read, which reading reports.
    """
    if is_folder(path):
        return _ZARR if any(is_file(path / name) for name in _ZARR_FILES) else None
    return _find_format(path, wait=True)


def refuse_other_formats(path: Path) -> None:
    """Raise OtherFormatError if a file that is to hold flat pixels is in another format.

    A file with an ending of flat files is not waited for: it is looked at only if its first bytes
    are in memory.
    """
    found = _find_format(path, wait=path.suffix.lower() not in FLAT_ENDINGS)
    if found is not None:
        raise other_format_error(path, found)


def other_format_error(path: Path, found: Format) -> OtherFormatError:
    """Return the error of a file that is to hold flat pixels."""
    return OtherFormatError.about(path, f"is {found.name}, not flat pixels; {found.advice}")


def _find_format(path: Path, wait: bool) -> Format | None:
    try:
        begin, size = _first_bytes(path, wait)
    except (OSError, LayoutError):
        return None
    if begin.startswith(_ANY_MARK):
        return next(found for mark, found in _MARKS if begin.startswith(mark))
    return _by_structure(begin, size)


def _first_bytes(path: Path, wait: bool) -> tuple[bytes, int]:
    """Return the first bytes of a file, and its size; no more of it is read from the disk.

    Without ``wait`` there are none unless they are in memory.
    """
    with open_raw(path) as file:
        size = file.size
        n_bytes = min(size, _N_BYTES)
        if not n_bytes or not (wait or _is_in_memory(path, file.fileno(), n_bytes)):
            return b"", size
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        return file.read(n_bytes) or b"", size


def _is_in_memory(path: Path, descriptor: int, n_bytes: int) -> bool:
    """Return whether the first bytes of a file are in memory, or the system does not say."""
    # Mapped, because older kernels say it of mappings only.
    opened = core_files.File(os.dup(descriptor), path, n_bytes, True)
    try:
        return opened.resident(0, n_bytes) != 0
    finally:
        opened.close()


def _by_structure(begin: bytes, size: int) -> Format | None:
    """Return the format whose mark is short or not at the begin, and agrees with what follows."""
    if begin[257:262] == b"ustar":
        return _TAR
    length = int.from_bytes(begin[:8], "little")
    if begin[8:10] == b'{"' and 2 <= length <= size - 8:
        # Two bytes and a small number occur among pixels; a text does not.
        text = begin[8 : 8 + length].decode(errors="ignore")
        return _TENSORS if text.isprintable() and len(text) > _N_TEXT else None
    if begin[:2] == b"\x80\x04" or begin[:2] == b"\x80\x05":
        frame = int.from_bytes(begin[3:11], "little")
        return _PICKLE if begin[2:3] == b"\x95" and 0 < frame <= size - 11 else None
    if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
        return _WEBP
    if begin[:2] == b"BM" and int.from_bytes(begin[2:6], "little") == size:
        return _BMP
    if begin[16:20] == b"\xde\xc0\xef\xbe":
        return _LMDB
    page = begin.lstrip().lower()
    return _HTML if page.startswith((b"<!doctype html", b"<html")) else None
