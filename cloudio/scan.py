"""A pass over what is stored: every patch of an array counted where it lies.

What the counts mean is stats.py's and verify.py's to say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dataset import Dataset
from .layout import Window

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
        ("top", np.int64),  # data that are the largest whole number of their type
        ("least", np.float64),  # of the data; NaN where there are none
        ("most", np.float64),
        ("mean", np.float64),  # of the finite data, in arrays of floats; else 0
        ("m2", np.float64),  # the sum of (x - mean)**2 of these
        ("frame_least", np.float64),  # of what was read outside the window, NaN aside
        ("frame_most", np.float64),
        ("frame_nan", np.int64),
    ]
)


@dataclass(frozen=True)
class Counts:
    """What a pass over one array found.

    ``patches`` is (patch,) of `RECORD`, in the order of the data set.  ``histogram`` is how often
    each stored number occurs in the windows, no data included: 256 or 65,536 numbers by their bits
    read as unsigned.  Of floats it is that of the data by `key` >> 16.  ``classes`` is (patch,
    class), where a table ``fold`` of the class of each number was given; else None.
    """

    name: str
    dtype: np.dtype[Any]
    patches: np.ndarray
    histogram: np.ndarray
    classes: np.ndarray | None


def array(
    ds: Dataset,
    name: str,
    *,
    window: Window | None = None,
    whole: bool = False,
    checksum: bool = False,
    fold: np.ndarray | None = None,
    threads: int | None = None,
    advance: Callable[[int], object] | None = None,
) -> Counts:
    """Count the patches of an array, in the order of ``ds``, within a window of each.

    ``window``: the valid one, if None.  ``whole``: all of each patch is read, the frame around
    the window too, which ``checksum`` needs to be of the patch.  ``fold``: (256,) or (65536,) uint8, the class of each
    stored number by its bits read as unsigned, of arrays of whole numbers.  ``advance`` is called with the number
    of bytes done, every now and then.  RequestError where splits store the array as different types;
    TruncatedError and OSError as `Reader.read` has them.
    """
    name = ds.find(name)
    band, dtype = ds.band(name), ds.dtype(name)
    window = ds.valid_window if window is None else window
    stored = np.concatenate([source.array for source in ds.sources(name, "mmap")])
    if ds.is_subset:
        stored = stored[ds.stored_index(np.arange(len(ds)))]
    n_codes = 256 if dtype.itemsize == 1 else 65536
    histogram = np.zeros(n_codes, np.int64)
    records = np.zeros(len(ds), RECORD)
    n_classes = 0 if fold is None else int(fold.max()) + 1
    classes = np.zeros((len(ds), n_classes), np.int64)
    rows, cols = (
        slice(window.row, window.row + window.height),
        slice(window.col, window.col + window.width),
    )
    frame = np.ones(ds.layout.patch, bool)
    frame[rows, cols] = False
    for k, patch in enumerate(stored):
        inside = patch[rows, cols].ravel()
        record = records[k]
        nan = np.isnan(inside) if dtype.kind == "f" else np.zeros(inside.shape, bool)
        none = (
            np.zeros(inside.shape, bool)
            if band.nodata is None
            else inside == dtype.type(band.nodata)
        )
        data = inside[~nan & ~none]
        if checksum:
            record["checksum"] = int.from_bytes(
                __import__("hashlib")
                .blake2b(
                    np.ascontiguousarray(patch if whole else patch[rows, cols]).tobytes(),
                    digest_size=8,
                )
                .digest(),
                "little",
            )
        record["data"], record["nodata"], record["nan"] = len(data), none.sum(), nan.sum()
        record["least"] = data.min() if len(data) else np.nan
        record["most"] = data.max() if len(data) else np.nan
        record["negative"] = (data < 0).sum()
        if dtype.kind == "f":
            record["infinite"] = np.isinf(data).sum()
            finite = data[np.isfinite(data)].astype(np.float64)
            if len(finite):
                record["mean"] = finite.mean()
                record["m2"] = ((finite - finite.mean()) ** 2).sum()
            histogram += np.bincount(key(data) >> 16, minlength=n_codes)
        else:
            record["top"] = (data == np.iinfo(dtype).max).sum()
            codes = np.ascontiguousarray(inside).view(f"u{dtype.itemsize}")
            histogram += np.bincount(codes, minlength=n_codes)
            if fold is not None:
                classes[k] = np.bincount(fold[codes], minlength=n_classes)
        around = patch[frame].astype(np.float64) if whole else np.zeros(0)
        record["frame_nan"] = np.isnan(around).sum()
        around = around[~np.isnan(around)]
        record["frame_least"] = around.min() if len(around) else np.nan
        record["frame_most"] = around.max() if len(around) else np.nan
        if advance:
            advance(patch.nbytes if whole else inside.nbytes)
    return Counts(name, dtype, records, histogram, None if fold is None else classes)


def within(
    ds: Dataset,
    name: str,
    tops: np.ndarray,
    *,
    window: Window | None = None,
    threads: int | None = None,
    advance: Callable[[int], object] | None = None,
) -> np.ndarray:
    """How often each float whose `key` >> 16 is one of ``tops`` occurs among the data.

    (top, 65536), by the lower 16 bits of the key: the second pass that order statistics of floats
    need, once `Counts.histogram` has told which upper halves they lie in.
    """
    name = ds.find(name)
    band = ds.band(name)
    window = ds.valid_window if window is None else window
    counts = np.zeros((len(tops), 65536), np.int64)
    stored = np.concatenate([source.array for source in ds.sources(name, "mmap")])
    if ds.is_subset:
        stored = stored[ds.stored_index(np.arange(len(ds)))]
    for patch in stored:
        inside = patch[
            window.row : window.row + window.height, window.col : window.col + window.width
        ].ravel()
        keep = ~np.isnan(inside)
        if band.nodata is not None:
            keep &= inside != np.float32(band.nodata)
        keys = key(inside[keep])
        for k, top in enumerate(tops):
            counts[k] += np.bincount(keys[keys >> 16 == top] & 0xFFFF, minlength=65536)
        if advance:
            advance(inside.nbytes)
    return counts


def key(floats: np.ndarray) -> np.ndarray:
    """Of each float32 a uint32; these are in the order of the floats, -0.0 right before 0.0."""
    bits = np.ascontiguousarray(floats, np.float32).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def value(keys: np.ndarray) -> np.ndarray:
    """The float32 of each `key`."""
    keys = np.asarray(keys, np.uint32)
    return np.where(keys >> 31, keys ^ np.uint32(1 << 31), ~keys).view(np.float32)


def n_bytes(ds: Dataset, name: str, *, window: Window | None = None, whole: bool = False) -> int:
    """How many bytes a pass over an array reads, the sum of what ``advance`` is told."""
    size = ds.layout.patch if whole else (ds.valid_window if window is None else window).size
    return len(ds) * size[0] * size[1] * ds.dtype(name).itemsize
