"""Stacked files whose channels lie on another side than the layout says.

Their size is the same.  What shows it is which numbers are alike: those of neighboring pixels are,
both in a row and in a column.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..._utils.files import open_bytes
from ...errors import CloudioError
from ..checked_array import CheckedArray, sample_numbers
from ..file_names import without_channel
from ..report import Finding, make_finding

_N_SAMPLED = 3  # patches of a file
_N_NUMBERS = 1 << 22  # of a patch, from its middle
_MIN_SIDE = 16  # pixels; less shows nothing
# Steps between neighbors in the other order are smaller by this factor: in real patches by 2 to 50,
# and the steps in the right order are smaller by 1.6 to 7.
_MIN_RATIO = 1.5
# Pixels at twice the distance differ more. Those of noise and of regular patterns do not.
_MAX_GROWTH = 0.9


def find_misplaced_channels(arrays: Sequence[CheckedArray]) -> dict[Path, Finding]:
    """Return a finding for each stacked file of bands whose channels lie on the other side."""
    found: dict[Path, Finding] = {}
    first = {array.stored.path: array for array in reversed(arrays)}
    for path, array in first.items():
        n_channels = array.band.channels or 1
        if n_channels < 2 or array.band.kind != "band" or min(array.stored.size) < _MIN_SIDE:
            continue
        try:
            blocks = [block for block in _blocks(array, n_channels) if (block != block[0]).any()]
        except (CloudioError, OSError):  # which counting reports
            continue
        is_last, width = array.stored.channels_last, array.stored.size[1]
        with np.errstate(invalid="ignore", over="ignore"):
            other = [_is_other(block, n_channels, width, is_last) for block in blocks]
        if other and all(other):
            found[path] = _finding(array)
    return found


def _finding(array: CheckedArray) -> Finding:
    said, true = ("last", "first") if array.stored.channels_last else ("first", "last")
    advice = 'write channel_axis = "last" for its arrays into the layout'
    if true == "first":
        advice = 'leave channel_axis = "last" out of the layout'
    elif array.stored.start:  # the header has the shape
        advice = (
            "it was reshaped, not transposed: save it again, "
            "numpy.moveaxis(array.reshape(patches, rows, columns, channels), -1, 1)"
        )
    return make_finding(
        "channels",
        array.split.name,
        without_channel(array.file),
        range(array.n_patches) if array.rows is None else array.rows,
        f"read with the channels {said}, but the pixels look like channels that are {true}",
        advice,
    )


def _blocks(array: CheckedArray, n_channels: int) -> Iterator[np.ndarray]:
    """Yield numbers of some patches as they follow each other in the file."""
    height, width = array.stored.size
    row, item = n_channels * width, array.dtype.itemsize
    n_rows = min(height, max(3, _N_NUMBERS // row))
    size, n, before = row * height, row * n_rows, row * ((height - n_rows) // 2)
    with open_bytes(array.stored.path) as file:
        for k in sample_numbers(array.n_patches, _N_SAMPLED):
            file.seek(array.stored.start + (array.row(k) * size + before) * item)
            held = file.read(n * item)
            yield np.frombuffer(held[: len(held) // item * item], array.dtype).astype(np.float64)


def _is_other(numbers: np.ndarray, n_channels: int, width: int, is_last: bool) -> bool:
    """Return whether pixels that would be neighbors in the other order are the ones that are."""
    row = n_channels * width
    if len(numbers) <= 2 * row or 2 * n_channels >= width:
        return False
    rows = numbers[: len(numbers) // width * width].reshape(-1, width)
    if not is_last:
        return (
            _MIN_RATIO * _step(rows, n_channels) < _step(rows, 1)
            and _MIN_RATIO * _step(numbers, row) < _step(numbers, width)
            and _step(rows, n_channels) < _MAX_GROWTH * _step(rows, 2 * n_channels)
        )
    # If the channels are last and alike, as of a gray picture, most numbers equal the next one; but
    # not those of the last channel. And of rows that differ, those at the end.
    return (
        _MIN_RATIO * _largest_step(numbers, 1, n_channels) < _step(rows, n_channels)
        and _MIN_RATIO * _largest_step(numbers, width, n_channels) < _step(numbers, row)
        and _step(rows, 1) < _MAX_GROWTH * _step(rows, 2)
    )


def _largest_step(numbers: np.ndarray, distance: int, n_places: int) -> float:
    """Return the largest of the steps from each of ``n_places`` places ``distance`` apart."""
    whole = numbers[: len(numbers) // (distance * n_places) * distance * n_places]
    following = np.append(whole[distance:], np.full(distance, np.nan))
    steps = (following - whole).reshape(-1, n_places, distance)
    return max(_mean_size(steps[:, k]) for k in range(n_places))


def _step(numbers: np.ndarray, distance: int) -> float:
    """Return the mean difference of finite numbers at a distance, in each row if there are rows."""
    return _mean_size(numbers[..., distance:] - numbers[..., :-distance])


def _mean_size(steps: np.ndarray) -> float:
    finite = np.abs(steps[np.isfinite(steps)])
    return float(finite.mean()) if finite.size else 0.0
