"""A pass over what is stored: every patch of an array counted where it lies.

What the counts mean is stats.py's and verify.py's to say; the counting is _kernels'.
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
from ..storage.files import error_from_fault, plan_inputs
from .collection import Collection

#: What is counted of one patch.  Pixels are those of the window; data are those that are neither
#: NaN nor the array's no-data number.
RECORD = np.dtype(
    [
        ("checksum", np.uint64),  # of every byte that was read; 0 where none was asked for
        ("data", np.int64),  # pixels that are data, infinite ones among them
        ("nodata", np.int64),  # that equal the no-data number
        ("nan", np.int64),
        ("infinite", np.int64),
        ("negative", np.int64),  # data below zero
        ("saturated", np.int64),  # data that are the largest whole number of their type
        ("minimum", np.float64),  # of the data; NaN where there are none
        ("maximum", np.float64),
        ("center", np.float64),  # in arrays of floats one of the finite data; else 0
        ("mean", np.float64),  # of the finite data, less the centre
        ("m2", np.float64),  # the sum of their squared differences from their mean
        ("padding_minimum", np.float64),  # of what was read outside the window, NaN aside
        ("padding_maximum", np.float64),
        ("padding_nan", np.int64),
    ]
)
#: What manifests call the checksums; where csrc/tally.c makes others, it must change.
CHECKSUM = "cloudio.scan 1, 64 bits of each patch"
# Of pixels that are counted at once; while they are, as many more are on their way from the disk.
# A call costs some 0.1 ms, which this is a hundred times.
_BATCH_BYTES = 64 << 20

Advance = Callable[[int], object]


@dataclass(frozen=True)
class ArrayCounts:
    """What a pass over one array found.

    ``patches`` is (patch,) of `RECORD`, in the order of the data set.  ``histogram`` is how often
    each stored number occurs in the windows, no data included: 256 or 65,536 numbers by their bits
    read as unsigned.  Of floats it is that of the data by `floats_to_keys` >> 16.
    ``class_counts`` is (patch, class), where a ``class_lut`` was given; else None.
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
    """Count the patches of an array, in the order of ``ds``, within a window of each.

    ``window``: the valid one, if None.  ``whole``: all of each patch is read, the frame around the
    window too, and a ``checksum`` is of all of it.  Without ``records`` there are no ``patches``,
    which is faster.  ``class_lut``: (256,) or (65536,) uint8, the class of each stored number by
    its bits read as unsigned, of arrays of whole numbers.  ``advance`` is called with the number of
    bytes that have been done since.  RequestError where splits store the array as different types;
    TruncatedError and OSError as `Reader.read` has them.
    """
    window = ds.valid_window if window is None else window
    read = _everything(ds) if whole else window
    how = {"nodata": ds.band(name).nodata, "class_lut": class_lut, "checksum": checksum}
    plan = _plan(ds, [name], window, **how)
    patches = np.zeros(len(ds) if records else 0, RECORD)
    numbers = patches.view(np.int64).reshape(len(patches), RECORD.itemsize // 8)
    classes = np.zeros((len(ds), plan.n_classes), np.int64)
    histogram = _pass(ds, plan, read, threads, advance, numbers if records else None, classes)
    found = None if class_lut is None else classes
    return ArrayCounts(ds.find(name), ds.dtype(name), patches, histogram, found)


def count_lower_halves(
    ds: Collection,
    name: str,
    tops: np.ndarray,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> np.ndarray:
    """How often each float whose `floats_to_keys` >> 16 is one of ``tops`` occurs among the data.

    (top, 65536), by the lower 16 bits of the key: the second pass that order statistics of floats
    need, once `ArrayCounts.histogram` has told which upper halves they lie in.
    """
    window = ds.valid_window if window is None else window
    buckets = np.zeros(65536, np.uint16)
    buckets[tops] = np.arange(1, len(tops) + 1)
    plan = _plan(ds, [name], window, nodata=ds.band(name).nodata, buckets=buckets)
    return _pass(ds, plan, window, threads, advance).reshape(len(tops), 65536)


def count_pairs(
    ds: Collection,
    one: str,
    other: str,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Advance | None = None,
) -> np.ndarray:
    """How often each pair of numbers occurs at the same pixel of two arrays of one byte a pixel.

    (256, 256), by the bits of the first array's number and of the other's, read as unsigned.
    """
    window = ds.valid_window if window is None else window
    plan = _plan(ds, [one, other], window)
    return _pass(ds, plan, window, threads, advance).reshape(256, 256)


def bytes_to_read(
    ds: Collection, name: str, *, window: Window | None = None, whole: bool = False
) -> int:
    """How many bytes a pass over an array reads, the sum of what ``advance`` is told."""
    read = _everything(ds) if whole else ds.valid_window if window is None else window
    return len(ds) * read.height * read.width * ds.dtype(name).itemsize


def floats_to_keys(floats: np.ndarray) -> np.ndarray:
    """Of each float32 a uint32; these are in the order of the floats, -0.0 right before 0.0."""
    bits = np.ascontiguousarray(floats, np.float32).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def keys_to_floats(keys: np.ndarray) -> np.ndarray:
    """The float32 of each `floats_to_keys`."""
    keys = np.asarray(keys, np.uint32)
    return np.where(keys >> 31, keys ^ np.uint32(1 << 31), ~keys).view(np.float32)


def _everything(ds: Collection) -> Window:
    return Window(0, 0, *ds.layout.patch)


def _plan(ds: Collection, names: Sequence[str], window: Window, **how: Any) -> Histogram:
    for name in names:
        ds.dtype(name)  # which all splits share
    sources = plan_inputs([ds.sources(ds.find(name)) for name in names])
    try:
        return Histogram(*sources, (window.row, window.col, *window.size), **how)
    except ValueError as error:
        raise RequestError(str(error)) from None


def _pass(
    ds: Collection,
    plan: Histogram,
    read: Window,
    threads: int | None,
    advance: Advance | None,
    records: np.ndarray | None = None,
    classes: np.ndarray | None = None,
) -> np.ndarray:
    """Count what is read of every patch, batch by batch; the counts of the plan."""
    n_threads = resolve_threads(threads)
    counts = np.zeros(plan.n_counts, np.int64)
    index = np.arange(len(ds))
    if ds.is_subset:
        index = ds.stored_index(index)
    origin = np.array([read.row, read.col], np.int64)
    patch_bytes = read.height * read.width * plan.item
    step = max(1, _BATCH_BYTES // patch_bytes)
    for start in range(0, len(index), step):
        part = slice(start, start + step)
        following = index[start + step : start + 2 * step]
        if len(following):
            kernels.prefetch((plan,), following, origin, *read.size)
        fault = kernels.count(
            plan,
            None if records is None else records[part],
            counts,
            None if classes is None else classes[part],
            index[part],
            origin,
            *read.size,
            n_threads,
        )
        if fault is not None:
            raise error_from_fault(fault)
        if advance is not None:
            advance(len(index[part]) * patch_bytes)
    return counts
