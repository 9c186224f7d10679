"""Numbers that are not what they are read as: halves of floats, bytes in the other order.

Told by how numbers are spread: what means little takes many values, what means much takes few.
"""

import numpy as np

_SHARE = 0.99  # of pixels that must look like what they are taken for
_TIMES = 1.5  # as rough is what is read wrongly; of real reflectance it is 1.7 to 12
_BITS = 1.0  # by which one byte is the more random than another; of real reflectance it is 2 to 6


def halves(patch: np.ndarray) -> bool:
    """Whether numbers of two bytes are the halves of float32, or of one byte those of int16.

    The second half of a float32 has its sign and exponent, of which there are few; the first what
    is left of its digits, as random as the numbers are exact.  Pixels next to each other are alike.
    Whole numbers of up to 255 in two bytes have nothing but zeros in their second.
    """
    if patch.shape[1] % 2:
        return False
    first, second = patch[:, ::2], patch[:, 1::2]
    if patch.dtype.itemsize == 1:
        return bool(not second.any() and first.any())
    if patch.dtype.itemsize != 2 or not _plausible(np.ascontiguousarray(patch).view("<f4")):
        return False
    pairs = np.ascontiguousarray(patch).view(np.uint8).reshape(-1, 4)
    return abs(_entropy(pairs[:, 1]) - _entropy(pairs[:, 3])) > _BITS


def swapped(patch: np.ndarray) -> bool:
    """Whether a picture is in the other byte order."""
    other = np.ascontiguousarray(patch).byteswap()
    if patch.dtype.kind == "f":
        return _plausible(other) and not _plausible(patch)
    if patch.dtype.itemsize != 2:
        return False
    lesser, greater = np.moveaxis(patch.view(np.uint8).reshape(-1, 2), 1, 0)
    # Bytes that are all the same could be those of numbers below 256, or of 256 times those.
    if lesser.min() == lesser.max() or _entropy(greater) - _entropy(lesser) <= _BITS:
        return False
    # Numbers of 12 bits in the upper ones of 16 are spread so too, but smooth as they are.
    return _roughness(patch) > _TIMES * _roughness(other)


def _plausible(floats: np.ndarray) -> bool:
    """Whether they could be physical quantities: 0, or of a magnitude of 1e-6 to 1e6."""
    finite = floats[np.isfinite(floats)]
    magnitudes = np.abs(finite[finite != 0])
    if not len(magnitudes):
        return False
    usual = (magnitudes > 1e-6) & (magnitudes < 1e6)
    return bool(usual.mean() >= _SHARE)


def _roughness(patch: np.ndarray) -> float:
    """How much pixels differ from the next one of their row, if at all, in standard deviations."""
    numbers = patch.astype(np.float64)
    steps = np.abs(np.diff(numbers, axis=1))
    return float(steps[steps > 0].mean() / numbers.std()) if steps.any() else 0.0


def _entropy(numbers: np.ndarray) -> float:
    """Of bytes, in bits."""
    shares = np.bincount(numbers, minlength=256) / numbers.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
