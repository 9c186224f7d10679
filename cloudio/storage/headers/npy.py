"""The header of a .npy file: element type, shape, and where the pixels begin.

numpy reads it; an array that cannot be mapped as it is stored is refused here.
"""

import ast
import io
import math
import os
import re
import shlex
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..._utils.files import open_bytes
from ..._utils.text import listed
from ...errors import LayoutError
from ...layouts.band import DTYPES
from ..files import file_size
from .formats import OtherFormatError, format_of

_MAGIC = b"\x93NUMPY"
# How many bytes come before the header, and what reads it.  Version 3 is version 2 with names of
# fields in UTF-8, and no array here has fields.
_VERSIONS: dict[tuple[int, ...], tuple[int, Any]] = {
    (1, 0): (10, npy_format.read_array_header_1_0),
    (2, 0): (12, npy_format.read_array_header_2_0),
    (3, 0): (12, npy_format.read_array_header_2_0),
}
_LONGEST_BEGIN = 12
# numpy's own limit of a header; and brackets of an array with many fields, which is refused later.
_MOST_BYTES, _MOST_BRACKETS = 10_000, 200
# Strings, numbers of up to 19 digits, True, False, None, and marks.
_HEADER = re.compile(
    rb"""(?:'[^'\\\n]*+'|"[^"\\\n]*+"|-?\d{1,19}+(?:L\b)?+(?!\w)|True|False|None|[\[\](){},:\s])*+"""
)
# Whole numbers of Python 2, and line ends that Python takes for an indent: numpy warns for them.
_LONG = re.compile(rb"(?<=[(,\s])(\d+)L(?=[,)\s])")
_LINE_END = re.compile(rb"[\n\r\f\v]")
# Types as numpy writes them, and their names.  For others, such as "a5" and ("<i2", 1), versions of
# numpy warn.
_TYPE = re.compile(r"[<>=|]?(?!a\d*\Z)[A-Za-z?]\w*(\[\w+\])?", re.ASCII)
# What numpy and Python raise for headers; which of them changes from version to version.
_FAULTS = (
    *(ValueError, SyntaxError, tokenize.TokenError, TypeError, OverflowError, KeyError),
    *(AttributeError, IndexError, RecursionError, MemoryError),
)


@dataclass(frozen=True, slots=True)
class Header:
    """``shape`` elements of ``dtype``, C order, ``start`` bytes into a file of ``size`` bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    size: int

    @property
    def needed(self) -> int:
        """The size that the file must have, in bytes."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    @property
    def size_problem(self) -> str | None:
        """What is wrong with the size of the file, for a message about it; None if it fits."""
        if self.size == self.needed:
            return None
        return (
            f"holds {self.size:,} bytes; by its header ({self.dtype}, shape {self.shape}) it must "
            f"hold {self.needed:,}"
        )


class HeaderSizeError(LayoutError):
    """A .npy file is longer or shorter than its ``header`` says."""

    header: Header


def read_any_header(path: Path) -> Header:
    """Return the header of a .npy file that numpy loads, of any type but Python objects."""
    header, _ = read_header_and_order(path)
    return header


def read_header(path: Path) -> Header:
    """Return the header of a .npy file whose array can be mapped.

    LayoutError, which says what to do, if the array is of another type or order, or where its
    size is not what the header needs.
    """
    header, fortran = read_header_and_order(path)
    dtype, shape = header.dtype, header.shape
    if dtype.name not in DTYPES:
        reason = f"is {dtype}; cloudio reads {listed(DTYPES)}: {_save_as_known(path, dtype, shape)}"
        raise LayoutError.about(path, reason)
    little = np.dtype(dtype.newbyteorder("<").str)
    if dtype != little:
        raise LayoutError.about(path, f"is big-endian ({dtype.str}); {_save_as(little.str)}")
    if fortran:
        remedy = "save it again: numpy.save(path, numpy.ascontiguousarray(array))"
        raise LayoutError.about(path, f"is in Fortran order; {remedy}")
    if problem := header.size_problem:
        error = HeaderSizeError.about(path, problem)
        error.header = header
        raise error
    if header.start % dtype.itemsize:
        raise LayoutError.about(
            path,
            f"has its first pixel at byte {header.start}, which is not a multiple of "
            f"{dtype.itemsize}; save it again with numpy.save",
        )
    return header


def read_header_and_order(path: Path) -> tuple[Header, bool]:
    """Return what `read_any_header` does, and whether the array is in Fortran order."""
    size = file_size(path)
    with open_bytes(path) as file:
        shape, fortran, dtype = parse_header(path, file)
        header = Header(dtype, shape, file.tell(), size)
    if dtype.hasobject:
        raise LayoutError.about(path, f"holds Python objects; {_save_as('float32')}")
    return header, fortran


def parse_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and type, and leave the file at its first pixel.

    LayoutError, about ``path``, if it does not begin with the header of a .npy file.
    """
    begin = file.read(_LONGEST_BEGIN)
    if not begin.startswith(_MAGIC):
        raise _no_header(path, "the magic string \\x93NUMPY is missing")
    version = tuple(begin[6:8])
    if len(version) == 2 and version not in _VERSIONS:
        reason = f"is .npy version {'.'.join(map(str, version))}; cloudio reads 1.0, 2.0 and 3.0"
        raise LayoutError.about(path, reason)
    n_prefix, read = _VERSIONS.get(version, _VERSIONS[1, 0])
    length = int.from_bytes(begin[8:n_prefix], "little")
    if length > _MOST_BYTES:
        raise _no_header(path, f"its header has {length:,} bytes; it may have {_MOST_BYTES:,}")
    file.seek(n_prefix)
    text = file.read(length)
    if len(begin) < n_prefix or len(text) < length:
        raise _no_header(path, "EOF within its header")
    # Else Python's parser would see arithmetic and depths that no header has.
    if not _HEADER.fullmatch(text) or max(map(text.count, (b"(", b"[", b"{"))) > _MOST_BRACKETS:
        raise _no_header(path, "its header does not describe an array")
    text = _LINE_END.sub(b" ", _LONG.sub(rb"\1 ", text))
    try:
        _check_type(text)
        shape, fortran, dtype = read(io.BytesIO(begin[8:n_prefix] + text))
    except _FAULTS as error:
        raise _no_header(path, str(error)) from None
    if min(shape, default=0) < 0 or math.prod(shape) * max(dtype.itemsize, 1) >= 2**63:
        raise _no_header(path, f"its header has the shape {shape}")
    return tuple(map(int, shape)), fortran, dtype


def _check_type(text: bytes) -> None:
    """Raise one of `_FAULTS` unless a header's type is text, fields, or a type and a shape."""
    entries = ast.literal_eval(text.decode("utf-8"))
    if isinstance(entries, dict) and not _is_type(entries.get("descr", "u1")):
        raise ValueError("its header does not describe an array")


def _is_type(descr: Any) -> bool:
    if isinstance(descr, str):
        return _TYPE.fullmatch(descr) is not None
    if isinstance(descr, list):
        return all(isinstance(field, tuple) and _is_type(field[1:]) for field in descr)
    first, *shape = descr
    return _is_type(first) and all(isinstance(n, tuple) for n in shape)


def _no_header(path: Path, reason: str) -> LayoutError:
    """Return the error of a file that is no .npy file, or of one in another format."""
    if (found := format_of(path)) and found.name != "a .npy file":
        other = f"is {found.name}, not a .npy file; {found.advice}"
        return OtherFormatError.about(path, other)
    return LayoutError.about(path, f"is not a .npy file: {reason}")


def _save_as_known(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """Return how an array of a type that cloudio does not read is converted."""
    if dtype.kind not in "biuf":
        return "save it again as one of these"
    if len(shape) < 3:  # no patches
        return _save_as("float32" if dtype.kind == "f" else "uint8")
    exact = {"b": "uint8", "f": "float32"}.get(dtype.kind, "one that holds its numbers")
    rounds = dtype.kind == "f" and dtype.itemsize > 4
    options = ("--dtype", f"{path.stem}=float32", "--lossy") if rounds else ()
    return f"'{packing_command(path, *options)}' stores it as {exact}"


def packing_command(path: Path, *options: str) -> str:
    """Return the command that packs a file beside its folder."""
    folder = path.parent
    dest = folder.parent / f"{folder.name}_{path.stem}"
    return shlex.join(["cloudio", "pack", os.fspath(path), os.fspath(dest), *options])


def _save_as(dtype: str) -> str:
    return f"save it again: numpy.save(path, array.astype({dtype!r}))"
