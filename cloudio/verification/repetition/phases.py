"""Whether the pixels of a patch are repeated, and in which phase; `shrink` and `expand` them.

Rows and columns are looked at apart: a patch is a repetition where each pixel equals the one above
or to the left of it, except where a new stored pixel begins.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

#: How many rows and columns one stored pixel covers, or in which of them the first one begins.
Pair = tuple[int, int]
# Strips of a patch that are looked at first; most bands that are not repeated end there.
_N_STRIPS, _STRIP_ROWS = 3, 16


def as_bits(pixels: np.ndarray) -> np.ndarray:
    """Return the same pixels as unsigned numbers: NaN equals itself, and -0.0 is not 0.0."""
    bits: np.ndarray = pixels.view(f"u{pixels.dtype.itemsize}")
    return bits


def find_phases(pixels: np.ndarray, repeats: Sequence[Pair]) -> list[Pair | None]:
    """Return for each repeat the smallest phase in which it is exact, or None.

    ``pixels``: the valid window of one patch, (row, column).  All pixels are compared by their
    bits.
    """
    possible = first_phases(pixels, repeats)
    if not any(possible):
        return possible
    bits = as_bits(pixels)
    return _phases(_row_changes(bits), _column_changes(bits), repeats)


def first_phases(pixels: np.ndarray, repeats: Sequence[Pair]) -> list[Pair | None]:
    """Return for each repeat the smallest phase that some strips of a patch allow, or None.

    Where it is None, no phase is exact; where it is exact, it is what `find_phases` returns.
    """
    bits = as_bits(pixels)
    some = [(rows.start, bits[rows]) for rows in strips(len(bits))]
    columns = np.concatenate([_column_changes(strip) for _, strip in some])
    rows = np.concatenate([top + _row_changes(strip) for top, strip in some])
    return _phases(rows, columns, repeats)


def strips(height: int) -> list[slice]:
    """Return the rows of a patch that tell of most patches that they are no repetition."""
    if height <= 2 * _N_STRIPS * _STRIP_ROWS:
        return [slice(0, height)]
    tops = np.linspace(0, height - _STRIP_ROWS, _N_STRIPS).astype(int).tolist()
    return [slice(top, top + _STRIP_ROWS) for top in tops]


def allowed_by_strips(pixels: Iterable[np.ndarray], repeats: Sequence[Pair]) -> list[bool]:
    """Return for each repeat whether it may be exact, by some strips of a patch.

    No more of them are taken when none is left.
    """
    allowed = [True] * len(repeats)
    for strip in pixels:
        bits = as_bits(strip)
        phases = _phases(_row_changes(bits), _column_changes(bits), repeats)
        allowed = [was and phase is not None for was, phase in zip(allowed, phases, strict=True)]
        if not any(allowed):
            break
    return allowed


def _row_changes(bits: np.ndarray) -> np.ndarray:
    """Return the rows that differ from the one before."""
    changes: np.ndarray = np.flatnonzero((bits[1:] != bits[:-1]).any(axis=1)) + 1
    return changes


def _column_changes(bits: np.ndarray) -> np.ndarray:
    changes: np.ndarray = np.flatnonzero((bits[:, 1:] != bits[:, :-1]).any(axis=0)) + 1
    return changes


def _phases(rows: np.ndarray, columns: np.ndarray, repeats: Sequence[Pair]) -> list[Pair | None]:
    found: list[Pair | None] = []
    for ry, rx in repeats:
        py, px = _phase(rows, ry), _phase(columns, rx)
        found.append(None if py is None or px is None else (py, px))
    return found


def _phase(changes: np.ndarray, repeat: int) -> int | None:
    """Return the smallest phase by which all changes are where a stored pixel begins."""
    if not len(changes):
        return 0
    phase, last = -int(changes[0]) % repeat, -int(changes[-1]) % repeat
    if last != phase or -int(changes[len(changes) // 2]) % repeat != phase:  # mostly so, and fast
        return None
    return phase if ((changes + phase) % repeat == 0).all() else None


# ---- the pixels ----------------------------------------------------------------------------------


def stored_side(side: int, repeat: int) -> int:
    """Return how many stored pixels cover a side of the valid window in any phase."""
    return (side + 2 * (repeat - 1)) // repeat


def shrink(pixels: np.ndarray, repeat: Pair, phase: Pair) -> np.ndarray:
    """Return the stored pixels of a patch that is a repetition; 0 where none of its pixels is."""
    height, width = pixels.shape
    rows, n_rows = _firsts(height, repeat[0], phase[0])
    cols, n_cols = _firsts(width, repeat[1], phase[1])
    seen: np.ndarray = pixels[rows][:, cols]
    if (n_rows, n_cols) == (len(rows), len(cols)):
        return seen
    stored = np.zeros((n_rows, n_cols), pixels.dtype)
    stored[: len(rows), : len(cols)] = seen
    return stored


@lru_cache(256)
def _firsts(side: int, repeat: int, phase: int) -> tuple[np.ndarray, int]:
    """Return the first pixel of each stored one that is seen, and how many are stored."""
    firsts = np.maximum(np.arange(0, side + phase, repeat) - phase, 0)
    firsts.setflags(write=False)
    return firsts, stored_side(side, repeat)


def expand(stored: np.ndarray, repeat: Pair, phase: Pair, size: Pair) -> np.ndarray:
    """Return the pixels of a valid window of that size, from its stored ones."""
    (n_rows, n_cols), (ry, rx) = stored.shape, repeat
    wide = np.empty((n_rows, n_cols * rx), stored.dtype)
    for k in range(rx):  # faster than numpy.repeat, which copies whole rows as fast as can be
        wide[:, k::rx] = stored
    pixels = np.repeat(wide, ry, axis=0)
    (py, px), (height, width) = phase, size
    window: np.ndarray = pixels[py : py + height, px : px + width]
    return window
