"""Whether a sample of a file's bytes looks like numbers twice as wide as the type read."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .._utils.files import open_raw
from ..errors import LayoutError
from .arrays import ArrayFile

# The files to sample, the pieces from all over each, and the bytes of a piece.
_FILES, _PIECES, _PIECE = 4, 8, 1024


def refutes_wider_numbers(arrays: Iterable[ArrayFile]) -> bool:
    """Return whether a sample shows that no file holds numbers twice as wide as the type read.

    Two numbers of two bytes rarely make a float32 between 1e-6 and 1e6, the range of measurements.
    Every second byte of label codes of two bytes is 0, or 255 for a -1.
    """
    widths = {array.path: array.dtype.itemsize for array in arrays}
    for path, width in list(widths.items())[:_FILES]:
        try:
            data = _sample_bytes(path)
        except (OSError, LayoutError):  # which reading reports
            continue
        if width == 1 and not np.isin(np.frombuffer(data, np.uint8)[1::2], (0, 255)).all():
            return True
        if width == 2 and not _mostly_measurements(np.frombuffer(data, "<f4")):
            return True
    return False


def _mostly_measurements(numbers: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        sizes = np.abs(numbers)
        sizes = sizes[sizes > 0]
        usual = (sizes > 1e-6) & (sizes < 1e6)
    return bool(2 * np.count_nonzero(usual) >= len(sizes))


def _sample_bytes(path: Path) -> bytes:
    """Return some bytes from all over a file, in whole words of four."""
    with open_raw(path) as file:
        n_words = file.size // 4
        found = []
        for k in range(_PIECES):
            file.seek(4 * int(n_words * (k + 0.5) / _PIECES))
            piece = file.read(_PIECE)
            found.append(piece[: len(piece) // 4 * 4])
    return b"".join(found)
