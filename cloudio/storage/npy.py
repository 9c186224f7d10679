"""What the header of a .npy file says: element type, shape, and where the pixels begin.

numpy reads it; what cannot be mapped as it lies is refused here.
"""

import math
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from ..errors import LayoutError
from ..layouts.band import DTYPES
from .files import file_size


@dataclass(frozen=True, slots=True)
class Header:
    """``shape`` elements of ``dtype``, C order, ``start`` bytes into a file of ``size`` bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    size: int


class HeaderSizeError(LayoutError):
    """A .npy file is longer or shorter than its ``header`` says; that has the size it is of."""

    def __init__(self, message: str, header: Header) -> None:
        super().__init__(message)
        self.header = header


def read_header(path: Path) -> Header:
    """The header of a .npy file whose array can be mapped.

    LayoutError, saying what to do, where it is of another type or order or its size is not what
    the header needs.
    """
    size = file_size(path)
    with open(path, "rb") as file:
        try:
            major, minor = npy_format.read_magic(file)
            # Version 3 is version 2 with names of fields in UTF-8, and no array here has fields.
            read = {
                (1, 0): npy_format.read_array_header_1_0,
                (2, 0): npy_format.read_array_header_2_0,
                (3, 0): npy_format.read_array_header_2_0,
            }.get((major, minor))
            if read is None:
                raise LayoutError(f"{path} is .npy version {major}.{minor}; 1.0, 2.0, 3.0 are read")
            shape, fortran, dtype = read(file)
        except LayoutError:
            raise
        except (ValueError, SyntaxError, tokenize.TokenError) as error:
            raise LayoutError(f"{path} is no .npy file: {error}") from None
        start = file.tell()
    if dtype.hasobject:
        raise LayoutError(f"{path} holds Python objects; {_save('float32')}")
    if dtype.name not in DTYPES:
        raise LayoutError(f"{path} is {dtype}; {', '.join(DTYPES)} are read: save it anew")
    little = np.dtype(dtype.newbyteorder("<").str)
    if dtype != little:
        raise LayoutError(f"{path} is big-endian ({dtype.str}); {_save(little.str)}")
    if fortran:
        raise LayoutError(
            f"{path} is in Fortran order; save it anew, "
            "numpy.save(path, numpy.ascontiguousarray(array))"
        )
    needed = start + math.prod(shape) * dtype.itemsize
    if size != needed:
        raise HeaderSizeError(
            f"{path} holds {size:,} bytes; its header, {dtype} of {shape}, needs {needed:,}",
            Header(dtype, shape, start, size),
        )
    if start % dtype.itemsize:
        raise LayoutError(
            f"{path} has its first pixel at byte {start}, no multiple of {dtype.itemsize}; "
            "save it anew with numpy.save"
        )
    return Header(dtype, shape, start, size)


def _save(dtype: str) -> str:
    return f"save it anew, numpy.save(path, array.astype({dtype!r}))"
