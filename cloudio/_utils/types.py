"""Types of the arguments that many public functions share, for type checkers and editors."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex

import numpy as np


class SupportsArray(Protocol):
    """What numpy makes an array of: arrays, and tensors and columns of other packages."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


class _TensorType(Protocol):
    """A dtype of torch, such as torch.float16."""

    @property
    def is_floating_point(self) -> bool: ...


FilePath = str | os.PathLike[str]
#: Patch numbers, positions, or a symmetry for each sample.
Index = SupportsIndex | Sequence[SupportsIndex] | SupportsArray
#: (row, col), or one for each sample.
Origin = Sequence[SupportsIndex] | Sequence[Sequence[SupportsIndex]] | SupportsArray
#: One number, or one per band.
Numbers = SupportsFloat | Sequence[SupportsFloat] | SupportsArray
Scale = Literal["reflectance"] | Numbers | None
#: A square, or (height, width).
Size = SupportsIndex | Sequence[SupportsIndex] | None

_Pair = Sequence[SupportsIndex]
#: Rows and columns that a stored pixel fills: a square, or one entry per array, each a square or
#: (rows, columns).
Repeat = SupportsIndex | Sequence[SupportsIndex | _Pair] | SupportsArray
#: One phase, or one entry per array, each a number, (row, column), or (patch, 2).
Phase = (
    SupportsIndex
    | Sequence[SupportsIndex | _Pair | Sequence[_Pair] | SupportsArray]
    | SupportsArray
)

AxisOrder = Literal["NCHW", "NHWC"]
ElementType = str | np.dtype[Any] | type[np.generic] | _TensorType
IO = Literal["mmap", "pread", "auto"]

Crop = Literal["random", "center"] | Sequence[SupportsIndex] | SupportsArray
Symmetries = Literal["d4", "flip"] | None
#: A number for each patch.
Weights = Sequence[SupportsFloat] | SupportsArray
#: A preset, or parts of a batch mapped to names.
KeyNames = Literal["torchgeo", "transformers"] | Mapping[str, str]
