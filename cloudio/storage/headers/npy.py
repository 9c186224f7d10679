"""The header of a .npy file: element type, shape, and where the pixels begin.

numpy reads it; an array that cannot be mapped as it is stored is refused here.
"""

import math
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..._utils.text import listed
from ...errors import LayoutError
from ...layouts.band import DTYPES
from ..files import file_size
from .formats import OtherFormatError, format_of


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


class HeaderSizeError(LayoutError):
    """A .npy file is longer or shorter than its ``header`` says."""

    header: Header


def read_header(path: Path) -> Header:
    """Return the header of a .npy file whose array can be mapped.

    LayoutError, which says what to do, if the array is of another type or order, or where its
    size is not what the header needs.
    """
    size = file_size(path)
    with open(path, "rb") as file:
        shape, fortran, dtype = _parse(path, file)
        header = Header(dtype, shape, file.tell(), size)
    if dtype.hasobject:
        raise LayoutError.about(path, f"holds Python objects; {_save_as('float32')}")
    if dtype.name not in DTYPES:
        reason = f"is {dtype}; cloudio reads {listed(DTYPES)}: {_save_as_known(dtype)}"
        raise LayoutError.about(path, reason)
    little = np.dtype(dtype.newbyteorder("<").str)
    if dtype != little:
        raise LayoutError.about(path, f"is big-endian ({dtype.str}); {_save_as(little.str)}")
    if fortran:
        remedy = "save it again: numpy.save(path, numpy.ascontiguousarray(array))"
        raise LayoutError.about(path, f"is in Fortran order; {remedy}")
    if size != header.needed:
        error = HeaderSizeError.about(
            path,
            f"holds {size:,} bytes; by its header ({dtype}, shape {shape}) it must hold "
            f"{header.needed:,}",
        )
        error.header = header
        raise error
    if header.start % dtype.itemsize:
        raise LayoutError.about(
            path,
            f"has its first pixel at byte {header.start}, which is not a multiple of "
            f"{dtype.itemsize}; save it again with numpy.save",
        )
    return header


def _parse(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and type, and leave the file at its first pixel."""
    try:
        major, minor = npy_format.read_magic(file)
        # Version 3 is version 2 with names of fields in UTF-8, and no array here has fields.
        read = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
            (3, 0): npy_format.read_array_header_2_0,
        }.get((major, minor))
        parsed = None if read is None else read(file)
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        if (found := format_of(path)) and found.name != "a .npy file":
            reason = f"is {found.name}, not a .npy file; {found.advice}"
            raise OtherFormatError.about(path, reason) from None
        raise LayoutError.about(path, f"is not a .npy file: {error}") from None
    if parsed is None:
        reason = f"is .npy version {major}.{minor}; cloudio reads 1.0, 2.0 and 3.0"
        raise LayoutError.about(path, reason)
    return parsed


def _save_as_known(dtype: np.dtype[Any]) -> str:
    """Return how an array of a type that cloudio does not read is saved again."""
    if dtype.kind == "f":
        return _save_as("float32")
    if dtype.kind == "b":
        return _save_as("uint8")
    if dtype.kind in "iu":
        return f"{_save_as('uint8')} if its numbers are 0 to 255, as of classes, else another type"
    return "save it again as one of these"


def _save_as(dtype: str) -> str:
    return f"save it again: numpy.save(path, array.astype({dtype!r}))"
