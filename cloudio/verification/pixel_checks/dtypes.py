"""Arrays that are read as the wrong element type, or in the wrong byte order.

The distribution of bytes shows it: high bytes have few values, low bytes have many.
"""

from collections.abc import Iterator

import numpy as np

from ..checked_array import CheckedArray, sample_numbers
from ..report import Finding

_N_SAMPLED = 3  # patches of an array
_MIN_SHARE = 0.99  # of pixels that must look plausible
# A patch in the wrong byte order is this many times as rough; real reflectance has 1.7 to 12.
_MIN_ROUGHNESS_RATIO = 1.5
# The entropy of the low byte exceeds that of the high byte by this; real reflectance has 2 to 6.
_MIN_ENTROPY_GAP = 1.0
# Bytes of neighboring numbers are alike if their distributions differ by less than this, of 0 to 1;
# upper and lower bytes of float32 differ by 0.8 and more.
_MAX_DIFFERENCE = 0.3
# Fewer pixels or values of a patch show nothing.
_MIN_PIXELS, _MIN_VALUES = 256, 16
# Larger numbers are no data, such as the lowest float32, whose bytes are alike.
_LARGEST = 1e37


def check_dtype(array: CheckedArray) -> Iterator[Finding]:
    """Report arrays that are read as the wrong type or in the wrong byte order."""
    sampled = [array.read_stored(k) for k in sample_numbers(array.n_patches, _N_SAMPLED)]
    varied = [patch for patch in sampled if (patch != patch[0, 0]).any()]
    if not varied:
        return
    every_patch = range(array.n_patches)
    is_flat = not array.stored.start
    # Bytes of labels can look like those of int16: the size of the file must allow it too.
    can_be_misread = array.dtype.itemsize == 2 or array.split.ambiguity is not None
    if is_flat and can_be_misread and all(map(looks_misread, varied)):
        kind = "float32" if array.dtype.itemsize == 2 else "int16"
        message = f"read as {array.dtype}, but its pixels look like {kind}"
        yield from array.found("halves", every_patch, message)
    elif array.band.kind == "band" and all(map(looks_byte_swapped, varied)):
        message = f"read as {array.dtype} it looks like noise; in the other byte order it does not"
        yield from array.found("byte-order", every_patch, message)
    elif is_flat and array.dtype == np.float32:
        kinds = {other_type(patch) for patch in varied if _has_numbers(patch)}
        if len(kinds) == 1 and (other := kinds.pop()):
            message = f"read as {array.dtype}, but its pixels look like {other}"
            yield from array.found("not-float32", every_patch, message)


def other_type(patch: np.ndarray) -> str | None:
    """Return the type whose numbers a patch that is read as float32 holds; None if it is float32.

    Numbers of one or two bytes are next to each other in each float32, so that its upper half is
    distributed like its lower one.  Of a float64, every second float32 has no exponent.
    """
    numbers = np.ascontiguousarray(patch).ravel()
    if numbers.size % 2 == 0 and _is_double(numbers):
        return "float64"
    known = numbers[_is_number(numbers)]
    if not len(known):
        return None
    columns = np.moveaxis(known.view(np.uint8).reshape(-1, 4), 1, 0)
    if _difference(columns[1], columns[3]) > _MAX_DIFFERENCE:
        # Whole numbers of four bytes have no exponent.
        return "int32" if np.mean(np.abs(known) < np.finfo("f4").tiny) >= _MIN_SHARE else None
    is_byte = all(_difference(columns[0], columns[k]) < _MAX_DIFFERENCE for k in (1, 2, 3))
    return "uint8" if is_byte else "uint16 or int16"


def _is_double(numbers: np.ndarray) -> bool:
    """Return whether pairs of float32 are float64: the first of each pair is no number alone."""
    first, second = numbers[::2], numbers[1::2]
    doubles = numbers.view("<f8")
    known = np.isfinite(doubles) & (doubles != 0)
    if known.sum() < _MIN_PIXELS // 2 or _share_plausible(doubles[known]) < _MIN_SHARE:
        return False
    first, second = first[known], second[known]
    if 2 * np.count_nonzero(first) < len(first) and (np.trunc(doubles) != doubles)[known].any():
        return False  # zeros between others
    upper = (np.ascontiguousarray(x).view(np.uint8)[3::4] for x in (first, second))
    return _share_plausible(first) < 0.5 and _difference(*upper) > 0.5


def _has_numbers(patch: np.ndarray) -> bool:
    numbers = np.ascontiguousarray(patch).ravel()
    known = numbers[_is_number(numbers)]
    return len(known) >= _MIN_PIXELS and len(np.unique(known.view(np.uint32))) >= _MIN_VALUES


def _is_number(numbers: np.ndarray) -> np.ndarray:
    known: np.ndarray = (np.abs(numbers) < _LARGEST) & (numbers.view(np.uint32) != 0)
    return known


def _share_plausible(numbers: np.ndarray) -> float:
    """Return the share of numbers whose magnitude is that of a physical quantity."""
    magnitudes = np.abs(numbers)
    return float(np.mean((magnitudes > 1e-6) & (magnitudes < 1e6))) if len(numbers) else 0.0


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far the distributions of bytes differ: 0 if they are equal, 1 if disjoint."""
    shares = [np.bincount(x, minlength=256) / x.size for x in (one, other)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def looks_misread(patch: np.ndarray) -> bool:
    """Return whether a patch read as two-byte numbers is float32, or read as bytes is int16.

    The second half of a float32 has sign and exponent, and few values, because neighboring pixels
    are alike.  The first half has the other digits, which look random.  Whole numbers up to 255 in
    two bytes have only zeros in the second byte.
    """
    if patch.shape[1] % 2:
        return False
    first, second = patch[:, ::2], patch[:, 1::2]
    if patch.dtype.itemsize == 1:
        return bool(not second.any() and first.any())
    if patch.dtype.itemsize != 2 or not _plausible(np.ascontiguousarray(patch).view("<f4")):
        return False
    pairs = np.ascontiguousarray(patch).view(np.uint8).reshape(-1, 4)
    return abs(_entropy(pairs[:, 1]) - _entropy(pairs[:, 3])) > _MIN_ENTROPY_GAP


def looks_byte_swapped(patch: np.ndarray) -> bool:
    """Return whether a patch is in the other byte order."""
    swapped = np.ascontiguousarray(patch).byteswap()
    if patch.dtype.kind == "f":
        return _plausible(swapped) and not _plausible(patch)
    if patch.dtype.itemsize != 2:
        return False
    low, high = np.moveaxis(patch.view(np.uint8).reshape(-1, 2), 1, 0)
    # Bytes that are all the same could be those of numbers below 256, or of 256 times those.
    if low.min() == low.max() or _entropy(high) - _entropy(low) <= _MIN_ENTROPY_GAP:
        return False
    # Numbers of 12 bits in the upper ones of 16 have such entropies too, but they are smooth.
    return _roughness(patch) > _MIN_ROUGHNESS_RATIO * _roughness(swapped)


def _plausible(floats: np.ndarray) -> bool:
    """Return whether these can be physical quantities: 0, or of a magnitude of 1e-6 to 1e6."""
    finite = floats[np.isfinite(floats)]
    magnitudes = np.abs(finite[finite != 0])
    if not len(magnitudes):
        return False
    usual = (magnitudes > 1e-6) & (magnitudes < 1e6)
    return bool(usual.mean() >= _MIN_SHARE)


def _roughness(patch: np.ndarray) -> float:
    """Return the mean step to the next pixel of a row, zeros aside, in standard deviations."""
    numbers = patch.astype(np.float64)
    steps = np.abs(np.diff(numbers, axis=1))
    return float(steps[steps > 0].mean() / numbers.std()) if steps.any() else 0.0


def _entropy(numbers: np.ndarray) -> float:
    """Return the entropy of bytes, in bits."""
    shares = np.bincount(numbers, minlength=256) / numbers.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
