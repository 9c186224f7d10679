"""Weighted draws: with replacement by a table, without by the order of random keys.

Every step is exact or rounded as IEEE 754 says, so the draws are the same on every machine.  So
`math.log` and `numpy.log` are not used: their last bit differs between libraries.
"""

import contextlib
from typing import Any

import numpy as np

from ..._utils.numbers import in_default_floats
from ..._utils.tensors import as_host_array
from ..._utils.text import counted
from ...errors import RequestError
from .permutation import mix, random_keys

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
# 1, 1/3, 1/5 ... of the series of the inverse hyperbolic tangent; up to 0.1716 it is exact to the
# last bits with eleven terms.
_TERMS = [1.0 / k for k in range(21, 0, -2)]

# Weights that are less of the largest count as this share of it.
_LEAST_SCALED = 2.0**-1000


def parse_weights(weights: Any, n_patches: int) -> np.ndarray:
    """Return the weights as new float64, (n_patches,), read-only."""
    needed = "weights must be a number for each patch of the reader, 0 or more"
    given = as_host_array("weights", weights)
    kind = numbers = None
    with contextlib.suppress(TypeError, ValueError), np.errstate(over="ignore"):
        kind = np.asarray(given).dtype.kind
        numbers = np.array(given, np.float64) if kind in "iuf" else None
    if kind == "b":
        raise RequestError("weights is a mask; to load some patches, pass index=mask")
    if numbers is None:
        raise RequestError(f"weights is {type(weights).__name__} {weights!r:.60}; {needed}")
    if numbers.shape != (n_patches,):
        raise RequestError(
            f"weights has shape {numbers.shape}, but the reader has "
            f"{counted(n_patches, 'patch')}; {needed}, also if index= chooses among them"
        )
    bad = ~np.isfinite(numbers) | (numbers < 0)
    if bad.any():
        k = int(bad.argmax())
        raise RequestError(f"weights[{k}] = {numbers[k]}; {needed}, and finite")
    numbers.flags.writeable = False
    return numbers


def choose(weights: np.ndarray | None, index: np.ndarray | None) -> np.ndarray | None:
    """Return the weights of the patches of ``index``; None is all."""
    return weights if weights is None or index is None else weights[index]


def high_product(numbers: np.ndarray, limit: int) -> np.ndarray:
    """Return the upper 64 bits of the 128-bit products with ``limit``: 0..limit - 1."""
    half, low_half = np.uint64(32), np.uint64(2**32 - 1)
    high, low = numbers >> half, numbers & low_half
    limit_high, limit_low = np.uint64(limit >> 32), np.uint64(limit & (2**32 - 1))
    middle = high * limit_low + (low * limit_low >> half)
    carry = (middle & low_half) + low * limit_high
    out: np.ndarray = high * limit_high + (middle >> half) + (carry >> half)
    return out


def hash_numbers(purpose: str, numbers: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return 64 random bits for each number."""
    first, second = random_keys(purpose, seed, epoch, 2)
    return mix(mix(numbers.astype(np.uint64) + first) + second)


@in_default_floats
def cumulate(weights: np.ndarray) -> np.ndarray:
    """Return the cumulated weights as whole numbers of 62 bits.

    They are scaled by a power of two.  A weight above 0 becomes 1 at least.
    """
    bits = 62 - len(weights).bit_length()
    _, exponent = np.frexp(weights.max())
    whole = np.rint(np.ldexp(weights, bits - int(exponent))).astype(np.uint64)
    whole[(weights > 0) & (whole == 0)] = 1
    out: np.ndarray = np.cumsum(whole)
    return out


def look_up(cumulated: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Return the place that each 64 random bits draw, in proportion to the weights."""
    numbers = high_product(bits, int(cumulated[-1]))
    places: np.ndarray = np.searchsorted(cumulated, numbers, side="right")
    return places


def negative_log(bits: np.ndarray) -> np.ndarray:
    """Return -log of uniform numbers between 0 and 1, made of 52 of these bits."""
    uniform = ((bits >> np.uint64(12)) * np.uint64(2) + np.uint64(1)).astype(np.float64) * 2.0**-53
    mantissa, exponent = np.frexp(uniform)
    small = mantissa < _SQRT_HALF
    mantissa[small] *= 2.0
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.full_like(square, _TERMS[0])
    for term in _TERMS[1:]:
        series *= square
        series += term
    out: np.ndarray = -((exponent - small) * _LN2 + 2.0 * (ratio * series))
    return out


@in_default_floats
def order_by_weight(weights: np.ndarray, seed: int, epoch: int, n: int) -> np.ndarray:
    """Return ``n`` places in the order in which a draw without replacement takes them.

    Each has an exponential random number over its weight as key, and the least come first
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).  Weights of 0 are
    not drawn.
    """
    places = np.flatnonzero(weights)
    _, exponent = np.frexp(weights.max())
    # The keys of smaller ones would all be infinite, and their order that of the patches.
    scaled = np.maximum(np.ldexp(weights[places], -int(exponent)), _LEAST_SCALED)
    keys = negative_log(hash_numbers("weights", places, seed, epoch)) / scaled
    out: np.ndarray = places[np.argsort(keys, kind="stable")[:n]]
    return out
