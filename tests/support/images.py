"""Random images for tests of decoders."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

#: Names that files may have.
ODD_NAMES = [
    "a.tif",
    "two words.tif",
    "été 日本.tif",
    "a%20b#c?.tif",
    "HDF5:x.tif",
    "-n.tif",
    "a'b\".tif",
    "zip+x!y.tif",
]


def random_pixels(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return numbers over the whole range of a type; a float may be NaN or infinite."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if kind.kind == "f":
        pixels = (rng.standard_normal(shape) * 1e3).astype(kind)
        pixels[rng.random(shape) < 0.1] = np.nan
        pixels[rng.random(shape) < 0.1] = -np.inf
        return pixels
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether type, shape and numbers are the same, bit for bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@st.composite
def windows(draw: Any, height: int, width: int) -> tuple[int, int, int, int]:
    row, col = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return row, col, draw(st.integers(1, height - row)), draw(st.integers(1, width - col))
