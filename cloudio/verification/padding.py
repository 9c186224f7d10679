"""Where patches really have pixels, and what is around them: found, not taken from the layout."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..layouts.band import Window
from ..layouts.layout import Layout
from ..storage.inference import ArrayFile
from .report import Finding, finding

# Of one array: all that differ from the layout do so in the same way, or all patches are real.
_LOOKED_AT = 16
_SAMPLED = 8


def patch_of(array: ArrayFile, k: int) -> np.ndarray:
    """A stored patch, (row, column), read as a file is: OSError where it ends before."""
    height, width = array.shape[-2:]
    plane = height * width * array.dtype.itemsize
    stacked = array.shape[1] if len(array.shape) == 4 else 1
    begin = array.start + plane * (k * stacked + (array.channel or 0))
    with open(array.path, "rb") as file:
        file.seek(begin)
        held = file.read(plane)
    if len(held) < plane:
        raise OSError(f"{array.path} ends within patch {k}")
    return np.frombuffer(held, array.dtype).reshape(height, width)


def spread(n: int, most: int) -> list[int]:
    """Up to ``most`` of n numbers, the first and the last among them."""
    if not n:
        return []
    return sorted(set(np.linspace(0, n - 1, min(n, most)).astype(int).tolist()))


@dataclass(frozen=True)
class Padding:
    """A patch is ``value`` in all rows and columns around ``inner``; that is None if it is wholly.

    Of the values in its corners the one that leaves the smallest rectangle.
    """

    value: float
    inner: Window | None


def padding(patch: np.ndarray) -> Padding:
    corners = patch[[0, 0, -1, -1], [0, -1, 0, -1]]
    found = [Padding(float(value), _others(patch, value)) for value in np.unique(corners)]
    return min(found, key=lambda p: 0 if p.inner is None else p.inner.height * p.inner.width)


def _others(patch: np.ndarray, value: np.generic) -> Window | None:
    """The smallest rectangle with every pixel that is not ``value``."""
    other = patch == patch if value != value else patch != value
    rows, cols = (np.flatnonzero(other.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    (top, left), (bottom, right) = (rows[0], cols[0]), (rows[-1], cols[-1])
    return Window(int(top), int(left), int(bottom - top) + 1, int(right - left) + 1)


def _union(windows: Iterable[Window]) -> Window | None:
    corners = [(w.row, w.col, w.row + w.height, w.col + w.width) for w in windows]
    if not corners:
        return None
    top, left = (min(corner[k] for corner in corners) for k in (0, 1))
    bottom, right = (max(corner[k] for corner in corners) for k in (2, 3))
    return Window(top, left, bottom - top, right - left)


def _words(window: Window) -> str:
    return (
        f"rows {window.row}..{window.row + window.height - 1}, "
        f"columns {window.col}..{window.col + window.width - 1}"
    )


@dataclass(frozen=True)
class Frames:
    """What is around the valid windows of an array's patches, by the counts of a pass over it.

    ``blank`` and ``constant``, (patch,): all NaN, and all one value; ``looked``: of those that are
    not, how some are padded.
    """

    valid: Window
    blank: np.ndarray
    constant: np.ndarray
    looked: tuple[Padding, ...]

    @property
    def inner(self) -> Window:
        """Where the pixels of patches without a constant frame seem to be."""
        return _union(p.inner for p in self.looked if p.inner is not None) or self.valid

    @property
    def padding(self) -> frozenset[float]:
        """What valid windows hold that seems to be padding."""
        inside = _union([self.inner, self.valid]) != self.inner
        return frozenset(p.value for p in self.looked if p.value == p.value and inside)


def frames(layout: Layout, array: ArrayFile, records: np.ndarray) -> Frames:
    valid, n = layout.valid, len(records)
    around = layout.patch[0] * layout.patch[1] - valid.height * valid.width
    if not around:
        return Frames(valid, np.zeros(n, bool), np.ones(n, bool), ())
    nan = records["padding_nan"]
    blank = nan == around
    constant = blank | ((records["padding_minimum"] == records["padding_maximum"]) & (nan == 0))
    odd = np.flatnonzero(~constant)
    looked = (padding(patch_of(array, odd[k])) for k in spread(len(odd), _LOOKED_AT))
    return Frames(valid, blank, constant, tuple(looked))


def of_array(
    layout: Layout, around: Frames, least: np.ndarray, nodata: float | None, split: str, file: str
) -> Iterator[Finding]:
    """Frames that hold real pixels, and values that no frame should have; ``least`` of each."""
    if around.looked:
        inner = around.inner
        where = "fill the patch" if inner.size == layout.patch else f"lie at {_words(inner)}"
        message = f"real pixels seem to {where}; the layout says {_words(layout.valid)}"
        yield finding("frame", split, file, np.flatnonzero(~around.constant), message)
    if layout.valid.size == layout.patch:
        return
    usual = (least == 0) | (around.blank & _is_nan(nodata))
    if nodata is not None:
        usual |= least == nodata
    odd = around.constant & ~usual
    values = np.unique(least[odd])
    if len(values):
        some = ", ".join(f"{value:g}" for value in values[:3])
        several = "" if len(values) == 1 else f"of one value each, of {len(values):,} such as "
        message = f"the frame is {several}{some}"
        yield finding("frame-value", split, file, np.flatnonzero(odd), message)


def _is_nan(number: float | None) -> bool:
    return number is not None and number != number


def of_split(layout: Layout, arrays: Sequence[tuple[ArrayFile, float | None]]) -> str | None:
    """What to say where patches of a split have padding inside the valid window, in every array.

    ``arrays`` with the number that is no data in each, for that pads nothing.
    """
    windows: list[Window] = []
    n_patches = 0
    for array, nodata in arrays:
        numbers = spread(array.shape[0], _SAMPLED)
        n_patches = len(numbers)
        for k in numbers:
            found = padding(patch_of(array, k))
            if found.inner is None:
                continue
            pads = found.value == found.value and found.value != nodata
            windows.append(found.inner if pads else layout.valid)
    inner, valid = _union(windows), layout.valid
    if inner is None or _union([inner, valid]) != valid or inner == valid:
        return None
    return (
        f"real pixels seem to lie at {_words(inner)}, in all {len(arrays)} arrays of the "
        f"{n_patches} patches looked at; the layout says {_words(valid)}"
    )
