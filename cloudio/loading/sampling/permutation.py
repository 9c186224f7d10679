"""Random numbers that can be repeated: functions of whole numbers, in 64-bit arithmetic.

There is no state and no stream.  So any position of any epoch can be computed on its own, and is
the same on every machine.
"""

import hashlib
import math

import numpy as np

_ROUNDS = 12
# All orders of a few things can be counted: after 12 rounds the likeliest order of 8 comes three
# times as often as it should, after 24 rounds 1.05 times.
_FEW, _ROUNDS_OF_FEW = 64, 24
_HALF = np.uint64(32)


def random_keys(purpose: str, seed: int, epoch: int, n: int) -> np.ndarray:
    """Return ``n`` numbers of 64 bits that differ with each of the other arguments."""
    text = f"cloudio {purpose} {seed} {epoch}".encode()
    digest = hashlib.shake_256(text).digest(8 * n)
    return np.frombuffer(digest, "<u8").astype(np.uint64)


def mix(numbers: np.ndarray) -> np.ndarray:
    """Map 64-bit numbers one to one so that every bit depends on all: the end of SplitMix64.

    ``numbers`` has at least one dimension: scalars would warn of overflows.
    """
    z: np.ndarray = numbers ^ (numbers >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def reduce_below(numbers: np.ndarray, limit: int) -> np.ndarray:
    """Map the upper halves to 0..limit - 1; none is likelier by more than limit / 2**32."""
    out: np.ndarray = (numbers >> _HALF) * np.uint64(limit) >> _HALF
    return out


def permute(positions: np.ndarray, n: int, seed: int, epoch: int) -> np.ndarray:
    """Return which of ``n`` things stand at these positions of an epoch.

    A Feistel network on (row, column) of a nearly square table that holds ``n``: each round turns
    every row by a keyed hash of its number, or every column.  A result past ``n`` goes through
    again, about one in the square root of ``n`` at most (Black and Rogaway, "Ciphers with Arbitrary
    Finite Domains", 2002).
    """
    n_rows = math.isqrt(n - 1) + 1
    n_rows += n_rows % 2  # turns of odd rows and odd columns make even permutations only
    n_cols = -(-n // n_rows)
    round_keys = random_keys("order", seed, epoch, _ROUNDS if n > _FEW else _ROUNDS_OF_FEW)
    out = positions.astype(np.uint64)
    left = np.arange(len(out))
    while len(left):
        out[left] = _run_rounds(out[left], n_rows, n_cols, round_keys)
        left = left[out[left] >= n]
    return out.astype(np.int64)


def _run_rounds(
    numbers: np.ndarray, n_rows: int, n_cols: int, round_keys: np.ndarray
) -> np.ndarray:
    rows, cols = np.divmod(numbers, np.uint64(n_cols))
    for k in range(0, len(round_keys), 2):
        rows += reduce_below(mix(cols + round_keys[k]), n_rows)
        rows %= np.uint64(n_rows)
        cols += reduce_below(mix(rows + round_keys[k + 1]), n_cols)
        cols %= np.uint64(n_cols)
    return rows * np.uint64(n_cols) + cols
