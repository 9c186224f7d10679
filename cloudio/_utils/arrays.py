"""Small helpers for arrays."""

from typing import Any

import numpy as np


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array itself, made read-only."""
    array.setflags(write=False)
    return array


def ratio(part: Any, whole: Any) -> np.ndarray:
    """Return ``part / whole`` in float64, NaN if ``whole`` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
