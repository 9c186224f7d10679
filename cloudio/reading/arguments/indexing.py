"""The arguments ``index``, ``origin`` and ``symmetry`` of a read, as checked int64 arrays."""

from typing import Any

import numpy as np

from ..._core import kernels
from ..._utils.numbers import INT64, MOST_INT64, whole_numbers
from ..._utils.tensors import as_host_array
from ...errors import RequestError

# ---- index ---------------------------------------------------------------------------------------


def parse_index(index: Any, n_patches: int) -> np.ndarray:
    """Return ``index`` as int64, (n,); negative numbers still count from the end."""
    if type(index) is np.ndarray and index.dtype.char in "QL" and (index > MOST_INT64).any():
        k = int(index.argmax())
        raise IndexError(
            f"index[{k}] = {index[k]}; there are {n_patches} patches, so index must be "
            f"{-n_patches}..{n_patches - 1}"
        )
    numbers = whole_numbers("index", index)
    if numbers.ndim == 1:
        return numbers
    if numbers.ndim > 1:
        raise RequestError(f"index has shape {numbers.shape}; it must have one dimension")
    return numbers.reshape(1)


def resolve_index(index: Any, n_patches: int) -> np.ndarray:
    """Return ``index`` as numbers 0..n_patches - 1; IndexError if one is out of range."""
    numbers = parse_index(index, n_patches)
    kernels.resolve(numbers, n_patches)
    return numbers


def resolve_index_or_mask(index: Any, n_patches: int) -> np.ndarray:
    """As `resolve_index`; ``index`` may also be a mask, one boolean per patch."""
    index = as_host_array("index", index)
    try:
        mask = np.asarray(index)
    except ValueError:  # rows of different lengths; whole_numbers has the message for them
        return resolve_index(index, n_patches)
    if mask.dtype != np.bool_:
        return resolve_index(index, n_patches)
    if mask.shape != (n_patches,):
        raise RequestError(
            f"the mask has shape {mask.shape}; it must be ({n_patches},), one value per patch"
        )
    return np.flatnonzero(mask)


# ---- origin --------------------------------------------------------------------------------------


def centered_origin(
    size: tuple[int, int],
    window_origin: tuple[int, int],
    window_size: tuple[int, int],
    patch: tuple[int, int],
) -> np.ndarray:
    """Return the origin that centers ``size`` on a window, moved to lie inside the patch."""
    return np.array(
        [
            min(max(first + (extent - side) // 2, 0), stored - side)
            for first, extent, side, stored in zip(
                window_origin, window_size, size, patch, strict=True
            )
        ],
        INT64,
    )


def parse_origin(origin: Any, n: int) -> np.ndarray:
    """Return ``origin`` as int64, (2,) or (n, 2)."""
    numbers = whole_numbers("origin", origin)
    if numbers.shape != (2,) and numbers.shape != (n, 2):
        raise RequestError(
            f"origin has shape {numbers.shape}; give one (row, col) for all samples, or {n} of "
            "them, one per sample"
        )
    return numbers


# ---- symmetry ------------------------------------------------------------------------------------


def parse_symmetry(symmetry: Any, n: int) -> np.ndarray:
    """Return ``symmetry`` as int64, () or (n,)."""
    numbers = whole_numbers("symmetry", symmetry)
    if numbers.shape != () and numbers.shape != (n,):
        raise RequestError(
            f"symmetry has shape {numbers.shape}; give one number for all samples, or {n} numbers, "
            "one per sample"
        )
    return numbers
