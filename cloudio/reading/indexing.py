"""Which patches, where in them, and in which symmetry: arrays of whole numbers, checked."""

from typing import Any

import numpy as np

from .._core import kernels
from .._utils.numbers import INT64, MOST_INT64, whole_numbers
from ..errors import RequestError

# ---- which, where, and which way round -----------------------------------------------------------


def centered_origin(
    size: tuple[int, int], corner: tuple[int, int], extent: tuple[int, int], patch: tuple[int, int]
) -> np.ndarray:
    """The origin that centres ``size`` on a window, moved into the patch if it must be."""
    return np.array(
        [
            min(max(first + (whole - side) // 2, 0), stored - side)
            for first, whole, side, stored in zip(corner, extent, size, patch, strict=True)
        ],
        INT64,
    )


def parse_index(index: Any, n_patches: int) -> np.ndarray:
    """The numbers of patches as int64, (n,), in which negative ones still count from the end."""
    if type(index) is np.ndarray and index.dtype.char in "QL" and (index > MOST_INT64).any():
        k = int(index.argmax())
        raise IndexError(f"index[{k}] = {index[k]}; there are {n_patches} patches")
    given = whole_numbers("index", index)
    if given.ndim == 1:
        return given
    if given.ndim > 1:
        raise RequestError(f"index has shape {given.shape}; one dimension is needed")
    return given.reshape(1)


def resolve_index(index: Any, n_patches: int) -> np.ndarray:
    """Numbers 0..n_patches - 1; IndexError where one is out of range."""
    numbers = parse_index(index, n_patches)
    kernels.resolve(numbers, n_patches)
    return numbers


def resolve_index_or_mask(index: Any, n_patches: int) -> np.ndarray:
    """Numbers as `resolve_index` gives them, of an index or of a mask with a boolean per patch."""
    try:
        mask = np.asarray(index)
    except ValueError:  # rows of different lengths, which whole_numbers refuses
        return resolve_index(index, n_patches)
    if mask.dtype != np.bool_:
        return resolve_index(index, n_patches)
    if mask.shape != (n_patches,):
        raise RequestError(f"the mask has shape {mask.shape}; ({n_patches},) is needed")
    return np.flatnonzero(mask)


def parse_origin(origin: Any, n: int) -> np.ndarray:
    """The origins as int64, (2,) or (n, 2)."""
    given = whole_numbers("origin", origin)
    if given.shape != (2,) and given.shape != (n, 2):
        raise RequestError(f"origin has shape {given.shape}; (2,) or ({n}, 2) is needed")
    return given


def parse_symmetry(symmetry: Any, n: int) -> np.ndarray:
    """The numbers of symmetries as int64, () or (n,)."""
    given = whole_numbers("symmetry", symmetry)
    if given.shape != () and given.shape != (n,):
        raise RequestError(f"symmetry has shape {given.shape}; one number or ({n},) is needed")
    return given
