"""A look at some numbers of .npy files that no layout describes: NaN, and codes of classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...layouts.band import DTYPES

# Files or patches that are looked at, rows and columns of each, and the most codes of a label.
_N_PATCHES, _SIDE, _N_CODES = 3, 1024, 32


@dataclass(frozen=True)
class Sample:
    """``codes`` are the numbers, if these are whole numbers and so few that they may be classes."""

    has_nan: bool = False
    codes: tuple[int, ...] = ()

    def __or__(self, other: "Sample") -> "Sample":
        codes = {*self.codes, *other.codes}
        few = self.codes and other.codes and len(codes) <= _N_CODES
        return Sample(self.has_nan or other.has_nan, tuple(sorted(codes)) if few else ())


def sample_files(files: Sequence[Path], *, n_channels: int = 1) -> Sample:
    """Return what some pixels of the files of an array show, one file or one for each patch."""
    try:
        pixels = [np.ravel(patch) for patch in _patches(files)]
    except (OSError, ValueError):  # which opening it reports
        return Sample()
    has_nan = any(bool(np.isnan(x).any()) for x in pixels if x.dtype.kind == "f")
    codes: set[int] = set()
    if n_channels == 1 and all(x.dtype.kind in "iu" for x in pixels):
        codes = {int(code) for x in pixels for code in np.unique(x)}
    return Sample(has_nan, tuple(sorted(codes)) if 2 <= len(codes) <= _N_CODES else ())


def fitting_type(files: Sequence[Path], dtype: np.dtype[Any]) -> str:
    """Return the type of cloudio that holds the numbers of files of another type, by a sample."""
    if dtype.name in DTYPES:
        return dtype.name
    if dtype.kind == "b":
        return "uint8"
    if dtype.kind in "iu":
        pixels = list(_patches(files))
        low, high = min(int(x.min()) for x in pixels), max(int(x.max()) for x in pixels)
        for name in ("uint8", "int8", "uint16", "int16"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return name
    return "float32"


def _patches(files: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in _some(files):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        for patch in _some(array) if len(files) == 1 and array.ndim > 2 else [array]:
            yield np.asarray(patch[..., :_SIDE, :_SIDE])


def _some(items: Any) -> list[Any]:
    numbers = np.linspace(0, len(items) - 1, min(len(items), _N_PATCHES)).astype(int)
    return [items[k] for k in dict.fromkeys(numbers.tolist())]
