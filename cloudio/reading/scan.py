"""One pass over stored arrays: counts of each patch's pixels, histograms, and pairs of codes.

What the counts mean is for the rooms `stats` and `verification` to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._core import kernels
from .._core.plans import Histogram
from .._utils.machine import resolve_threads
from ..errors import RequestError
from ..layouts.band import Window
from ..storage.arrays import plan_inputs
from ..storage.errors import error_from_fault, request_error
from .collection import Collection

#: The counts of one patch.  Pixels are those of the window; data are the pixels that are neither
#: NaN nor the array's nodata number.
RECORD = np.dtype(
    [
        ("checksum", np.uint64),  # of every byte that was read; 0 without ``checksum``
        ("data", np.int64),  # pixels that are data, infinite ones among them
        ("nodata", np.int64),  # pixels that equal the nodata number
        ("nan", np.int64),
        ("infinite", np.int64),
        ("negative", np.int64),  # data below zero
        ("saturated", np.int64),  # data that are the largest whole number of their type
        ("minimum", np.float64),  # of the data; NaN if there are none
        ("maximum", np.float64),
        ("center", np.float64),  # in arrays of floats one of the finite data; else 0
        ("mean", np.float64),  # of the finite data, minus the center
        ("m2", np.float64),  # the sum of their squared differences from their mean
        ("padding_minimum", np.float64),  # of what was read outside the window, NaN aside
        ("padding_maximum", np.float64),
        ("padding_nan", np.int64),
    ]
)
#: The name of the checksums in manifests; it must change where csrc/histogram.c computes others.
CHECKSUM = "cloudio.scan 1, 64 bits of each patch"
# The pixels of one call; the next call's are prefetched meanwhile.  A call costs some 0.1 ms, and
# counting this much takes a hundred times as long.
# The kernels count the pixels of a patch in 32 bits.
_MOST_PIXELS = 2**32 - 1
_BATCH_BYTES = 64 << 20

Advance = Callable[[int], object]


@dataclass(frozen=True)
class ArrayCounts:
    """The result of one pass over an array.

    ``patches`` is (patch,) of `RECORD`, in the order of the data set.  ``histogram`` counts each
    stored number in the windows, nodata included: 256 or 65,536 numbers by their bits read as
    unsigned.  For floats it counts the data by `floats_to_keys` >> 16.  ``class_counts`` is
    (patch, class) where a ``class_lut`` was given, else None.
    """

    name: str
    dtype: np.dtype[Any]
    patches: np.ndarray
    histogram: np.ndarray
    class_counts: np.ndarray | None


def count_array(
    ds: Collection,
    name: str,
    *,
    window: Window | None = None,
    whole: bool = False,
    checksum: bool = False,
    records: bool = True,
    class_lut: np.ndarray | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> ArrayCounts:
    """Count the pixels of an array, patch by patch in the order of ``ds``, within a window.

    ``window``: None is the valid window.  ``whole``: read all of each patch, the padding around
    the window too; a ``checksum`` is then of all of it.  Without ``records`` there are no
    ``patches``, which is faster.  ``class_lut``: (256,) or (65536,) uint8, the class of each stored
    number by its bits read as unsigned, for arrays of whole numbers.  ``advance`` is called with
    the number of bytes read since its last call.  RequestError if splits store the array as
    different types; TruncatedError and OSError as in `Reader.read`.
    """
    window = ds.valid_window if window is None else window
    extent = _whole_patch(ds) if whole else window
    nodata = ds.band(name).nodata
    plan = _plan(ds, [name], window, nodata=nodata, class_lut=class_lut, checksum=checksum)
    patches = np.zeros(len(ds) if records else 0, RECORD)
    words = patches.view(np.int64).reshape(len(patches), RECORD.itemsize // 8)
    class_counts = np.zeros((len(ds), plan.n_classes), np.int64)
    words_or_none = words if records else None
    histogram = _count(ds, [name], plan, extent, threads, advance, words_or_none, class_counts)
    return ArrayCounts(
        ds.find(name),
        ds.dtype(name),
        patches,
        histogram,
        None if class_lut is None else class_counts,
    )


def count_lower_halves(
    ds: Collection,
    name: str,
    tops: np.ndarray,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> np.ndarray:
    """Count the data whose `floats_to_keys` >> 16 is one of ``tops``, by the key's lower 16 bits.

    Returns (top, 65536).  Order statistics of floats need this second pass, after
    `ArrayCounts.histogram` has shown their upper halves.
    """
    window = ds.valid_window if window is None else window
    buckets = np.zeros(65536, np.uint16)
    buckets[tops] = np.arange(1, len(tops) + 1)
    plan = _plan(ds, [name], window, nodata=ds.band(name).nodata, buckets=buckets)
    return _count(ds, [name], plan, window, threads, advance).reshape(len(tops), 65536)


def count_pairs(
    ds: Collection,
    one: str,
    other: str,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> np.ndarray:
    """Count each pair of numbers at the same pixel of two arrays of one byte a pixel.

    Returns (256, 256), by the bits of the first array's number and of the other's, read as
    unsigned.
    """
    window = ds.valid_window if window is None else window
    plan = _plan(ds, [one, other], window)
    return _count(ds, [one, other], plan, window, threads, advance).reshape(256, 256)


def count_class_pairs(
    ds: Collection,
    one: str,
    other: str,
    tables: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> np.ndarray:
    """Count each pair of classes at the same pixel of two arrays of one byte a pixel.

    ``tables``: (256,) uint8 for each array, the class of each number by its bits read as unsigned,
    below ``n_classes``, which is at most 16.  Returns (patch, class of the first, class of the
    other).
    """
    window = ds.valid_window if window is None else window
    # A pair is one number below 256.
    lut = np.concatenate([tables[0] * np.uint8(n_classes), tables[1]])
    plan = _plan(ds, [one, other], window, class_lut=lut)
    counts = np.zeros((len(ds), plan.n_classes), np.int64)
    _count(ds, [one, other], plan, window, threads, advance, class_counts=counts)
    pairs = np.zeros((len(ds), n_classes * n_classes), np.int64)
    pairs[:, : plan.n_classes] = counts
    return pairs.reshape(-1, n_classes, n_classes)


def bytes_to_read(
    ds: Collection, name: str, *, window: Window | None = None, whole: bool = False
) -> int:
    """Return how many bytes a pass over an array reads: the sum that ``advance`` gets."""
    extent = _whole_patch(ds) if whole else ds.valid_window if window is None else window
    return len(ds) * _bytes_of_patch(ds, name, extent)


def _bytes_of_patch(ds: Collection, name: str, extent: Window) -> int:
    """Return the bytes that a file stores of a part of each patch; exceptions do not count."""
    band, valid = ds.layout.band(ds.find(name)), ds.layout.valid
    height, width = extent.size
    if band is not None and band.is_native:
        height, width = (
            (n + 2 * (repeat - 1)) // repeat if n > 0 else 0  # in any phase
            for n, repeat in zip(_overlap(extent, valid), band.repeats, strict=True)
        )
    return height * width * ds.dtype(name).itemsize


def _overlap(one: Window, other: Window) -> tuple[int, int]:
    """Return how many rows and columns two windows share; 0 or less if none."""
    height = min(one.row + one.height, other.row + other.height) - max(one.row, other.row)
    width = min(one.col + one.width, other.col + other.width) - max(one.col, other.col)
    return height, width


def floats_to_keys(floats: np.ndarray) -> np.ndarray:
    """Return a uint32 for each float32, in the same order; -0.0 comes right before 0.0."""
    bits = np.ascontiguousarray(floats, np.float32).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def keys_to_floats(keys: np.ndarray) -> np.ndarray:
    """Return the float32 of each key: the inverse of `floats_to_keys`."""
    keys = np.asarray(keys, np.uint32)
    return np.where(keys >> 31, keys ^ np.uint32(1 << 31), ~keys).view(np.float32)


def _whole_patch(ds: Collection) -> Window:
    return Window(0, 0, *ds.layout.patch)


def _plan(ds: Collection, names: Sequence[str], window: Window, **options: Any) -> Histogram:
    for name in names:
        ds.dtype(name)  # RequestError if splits differ
    sources = plan_inputs([ds.open_arrays(ds.find(name)) for name in names])
    try:
        return Histogram(*sources, (window.row, window.col, *window.size), **options)
    except ValueError as error:
        raise request_error(error) from None


def _count(
    ds: Collection,
    names: Sequence[str],
    plan: Histogram,
    extent: Window,
    threads: int | None,
    advance: Advance | None,
    records: np.ndarray | None = None,
    class_counts: np.ndarray | None = None,
) -> np.ndarray:
    """Run the plan over ``extent`` of every patch, batch by batch, and return its counts."""
    n_threads = resolve_threads(threads)
    if extent.height * extent.width > _MOST_PIXELS:
        raise RequestError(
            f"{extent.height} x {extent.width} pixels of each patch are more than can be counted, "
            f"{_MOST_PIXELS:,}; a layout with a smaller valid window counts that part"
        )
    counts = np.zeros(plan.n_counts, np.int64)
    index = np.arange(len(ds))
    stored_index = ds.stored_index(index) if ds.is_subset else index
    origin = np.array([extent.row, extent.col], np.int64)
    patch_bytes = sum(_bytes_of_patch(ds, name, extent) for name in names)
    step = max(1, _BATCH_BYTES // (extent.height * extent.width * plan.item))
    for start in range(0, len(stored_index), step):
        part = slice(start, start + step)
        following = stored_index[start + step : start + 2 * step]
        if len(following):
            kernels.prefetch((plan,), following, origin, *extent.size)
        fault = kernels.count(
            plan,
            None if records is None else records[part],
            counts,
            None if class_counts is None else class_counts[part],
            stored_index[part],
            origin,
            *extent.size,
            n_threads,
        )
        if fault is not None:
            raise error_from_fault(fault)
        if advance is not None:
            advance(len(stored_index[part]) * patch_bytes)
    return counts
