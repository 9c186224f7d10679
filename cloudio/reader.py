"""A decided read: names become arrays, scales and tables once, then batch after batch is read.

What there is to read is dataset.py's; the pixels are _kernels'.
"""

import math
import operator
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from . import _kernels
from .dataset import Dataset, whole_numbers
from .errors import RequestError
from .labels import LabelMap, raw_table

_INT64 = np.dtype(np.int64)
_STORED = ("int16", "uint16", "uint8")
# Rows of an aligned batch leave the CPU in whole cache lines.
_LINE = 64


# numpy's arrays, or the tensors another package makes of them.
A = TypeVar("A")


class Batch(NamedTuple, Generic[A]):
    """What a read returns: pixels, labels or None, and the number of each patch.

    ``image`` is (sample, band, row, column); ``label`` (sample, row, column), or (sample, array,
    row, column) where several labels were asked for; ``index`` (sample,).  Of one sample, the same
    without the sample axis.
    """

    image: A
    label: A | None
    index: A | int  # type: ignore[assignment]  # a tuple's method of that name gives way


class Reader:
    """Reads batches from a data set: bands scaled and cropped, labels remapped, in one pass.

    ``bands``: a preset (``"L1C"``, ``"L2A"``, ``"S1"``, ``"EXTRA"``, ``"rgb"``), a name, or a
    sequence of these; they come in that order.  ``labels``: a name, a sequence of names, or a
    mapping of names to a `LabelMap`, a plain mapping of codes to classes, a policy (``"card"``,
    ``"authors"``) or None for codes as stored; names alone follow ``"card"``.

    ``size``: (height, width) of what is read, an int for a square, None for the valid window.
    ``dtype``: ``"float32"``, or ``"int16"``, ``"uint16"``, ``"uint8"`` for numbers as stored.
    ``scale``: ``"reflectance"`` gives each array's own unit, None numbers as stored, a number or
    one per band is taken as it is.  ``mean`` and ``std``, in scaled units, normalise:
    ``(x * scale - mean) / std``.  All of it is folded in float64 into one factor and one summand
    per band, rounded once to float32; a pixel is rounded after the multiplication and after the
    addition, so the bits are the same on every CPU and equal to numpy's.

    ``label_dtype``: ``"uint8"`` or ``"int64"``.  ``ignore``: the class of codes that a map does
    not list and of pixels outside the valid window.  ``threads``: at most so many work on a
    batch, the caller among them; None means CLOUDIO_THREADS, or the CPUs this process may use.

    Immutable; threads may share one; it pickles as its data set's path and these settings.
    RequestError, saying what there is, where any of this cannot be had.
    """

    def __init__(
        self,
        dataset: Dataset,
        bands: str | Sequence[str] = "L1C",
        labels: str | Sequence[str] | Mapping[str, Any] | None = None,
        *,
        size: int | tuple[int, int] | None = None,
        dtype: Any = "float32",
        layout: str = "NCHW",
        scale: str | float | Sequence[float] | None = "reflectance",
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        label_dtype: Any = "uint8",
        ignore: int = 255,
        threads: int | None = None,
    ) -> None:
        self._settings = {
            "bands": bands,
            "labels": labels,
            "size": size,
            "dtype": dtype,
            "layout": layout,
            "scale": scale,
            "mean": mean,
            "std": std,
            "label_dtype": label_dtype,
            "ignore": ignore,
            "threads": threads,
        }
        if layout != "NCHW":
            raise RequestError(f"layout={layout!r}; only 'NCHW' is there")
        self.dataset = dataset
        self.bands = _bands(dataset, bands)
        self.size = _size(dataset, size)
        self.dtype = _dtype(dtype)
        self._origin = _centred(dataset, self.size)
        self._threads = threads_to_use(threads)

        factors: tuple[Any, Any] = None, None
        if self.dtype == np.float32:
            factors = _factors(dataset, self.bands, scale, mean, std)
        else:
            _check_stored(dataset, self.bands, self.dtype, scale, mean, std)
        sources = [dataset.sources(name) for name in self.bands]
        self._gather = _kernels.Gather(*_opened(sources), *factors)
        self.image_shape: tuple[int, ...] = (len(self.bands), *self.size)

        self.labels: tuple[str, ...] = ()
        self.label_shape: tuple[int, ...] | None = None
        self.label_dtype = _label_dtype(label_dtype)
        self._remap = None
        if labels is not None:
            maps = _label_maps(dataset, labels)
            self.labels = tuple(maps)
            self.label_shape = self.size if isinstance(labels, str) else (len(maps), *self.size)
            self._remap = _remap(dataset, maps, self.label_dtype, ignore)

    def __len__(self) -> int:
        return len(self.dataset)

    # ---- reading -----------------------------------------------------------------------------

    def read(
        self, index: Any, origin: Any = None, symmetry: None = None, out: Any = None
    ) -> Batch[np.ndarray]:
        """Return the patches of ``index``, cropped, scaled and remapped, in that order.

        ``index``: whole numbers, in any order; repeats are allowed and negative numbers count
        from the end.  ``origin``: the (row, col) in the stored patch of the first pixel read, one
        for all or (n, 2); None centres on the valid window.  ``out``: a Batch, an (image, label)
        tuple, or the image alone, as `allocate` makes them; it is returned filled.

        IndexError or RequestError where anything about the request is wrong, and then nothing has
        been written.  TruncatedError where a file has become shorter, seen before the copy or
        right after it; ``out`` is then not to be used.  Threads may share a reader, not an
        ``out``.
        """
        if symmetry is not None:
            raise RequestError(f"symmetry={symmetry!r}; only None is there")
        numbers = whole_numbers(index, len(self.dataset))
        n = len(numbers)
        corners = self._origin if origin is None else _corners(origin, n)
        image, label = self._allocate(n) if out is None else self._fitting(out, n)
        stored = self.dataset.stored_index(numbers)
        try:
            short = _kernels.run(
                self._gather, self._remap, stored, corners, image, label, self._threads
            )
        except ValueError as error:
            raise RequestError(str(error)) from None
        if short is not None:
            raise short.truncated()
        return Batch(image, label, numbers)

    def allocate(self, n: int) -> Batch[np.ndarray]:
        """An uninitialised batch of ``n`` samples, its arrays aligned to cache lines.

        What `read` takes as ``out``; its ``index`` is all zeros.
        """
        if operator.index(n) < 0:
            raise RequestError(f"n = {n}; 0 or more samples")
        return Batch(*self._allocate(n), np.zeros(n, np.int64))

    def __getitem__(self, index: Any) -> Batch[np.ndarray]:
        """One sample for a whole number; a batch for a slice or for what `read` takes."""
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        batch = self.read(index)
        if np.ndim(index):
            return batch
        label = None if batch.label is None else batch.label[0]
        return Batch(batch.image[0], label, int(batch.index[0]))  # type: ignore[index]

    def __getitems__(self, index: Any) -> Batch[np.ndarray]:
        """A whole batch: the hook through which torch's DataLoader fetches one."""
        return self.read(index)

    def _allocate(self, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        image = _aligned((n, *self.image_shape), self.dtype)
        if self.label_shape is None:
            return image, None
        return image, _aligned((n, *self.label_shape), self.label_dtype)

    def _fitting(self, out: Any, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The two arrays of ``out``, once they are what a batch of ``n`` samples needs."""
        if not isinstance(out, tuple):
            out = (out, None)
        if len(out) not in (2, 3):
            raise RequestError(f"out is a tuple of {len(out)}; a Batch or (image, label) is needed")
        image, label = out[0], out[1]
        _check_out("image", image, (n, *self.image_shape), self.dtype)
        if self.label_shape is not None:
            _check_out("label", label, (n, *self.label_shape), self.label_dtype)
        elif label is not None:
            raise RequestError("out has a label, but this reader reads none")
        return image, label

    # ---- as a thing --------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.dataset, self._settings)

    def __repr__(self) -> str:
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        return (
            f"<cloudio.Reader of {len(self):,} patches: {self.image_shape} {self.dtype}, "
            f"bands {', '.join(self.bands)}{labels}>"
        )


def _restore(dataset: Dataset, settings: dict[str, Any]) -> Reader:
    return Reader(dataset, **settings)


# ---- decisions -----------------------------------------------------------------------------------


def _bands(dataset: Dataset, asked: Any) -> tuple[str, ...]:
    given = [asked] if isinstance(asked, str) else asked
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise RequestError(f"bands={asked!r}; a preset, a name or a sequence of names is needed")
    if not given:
        raise RequestError("bands is empty; name at least one")
    bands: list[str] = []
    for name in given:
        choices = dataset.layout.presets.get(name)
        bands += [dataset.find(name)] if choices is None else _preset(dataset, name, choices)
    return tuple(bands)


def _preset(dataset: Dataset, name: str, choices: Sequence[Sequence[str]]) -> Sequence[str]:
    for choice in choices:
        if all(band in dataset.names for band in choice):
            return choice
    missing = [band for band in choices[0] if band not in dataset.names]
    raise RequestError(
        f"preset {name!r} needs {', '.join(missing)}; {dataset.path} has {', '.join(dataset.names)}"
    )


def _size(dataset: Dataset, size: Any) -> tuple[int, int]:
    if size is None:
        return dataset.valid_window.size
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(_is_whole(side) for side in pair):
        raise RequestError(f"size={size!r}; a whole number or (height, width) is needed")
    height, width = dataset.layout.patch
    if not (1 <= pair[0] <= height and 1 <= pair[1] <= width):
        raise RequestError(f"size={size!r}; 1 x 1 to {height} x {width} pixels are needed")
    return int(pair[0]), int(pair[1])


def _centred(dataset: Dataset, size: tuple[int, int]) -> np.ndarray:
    """The origin that centres ``size`` on the valid window, moved into the patch if it must be."""
    valid, patch = dataset.valid_window, dataset.layout.patch
    return np.array(
        [
            min(max(first + (extent - side) // 2, 0), whole - side)
            for first, extent, side, whole in zip(
                (valid.row, valid.col), valid.size, size, patch, strict=True
            )
        ],
        np.int64,
    )


def _dtype(asked: Any) -> np.dtype[Any]:
    return _one_of("dtype", asked, ("float32", *_STORED), "float32 or, as stored, ")


def _label_dtype(asked: Any) -> np.dtype[Any]:
    return _one_of("label_dtype", asked, ("uint8", "int64"))


def _one_of(what: str, asked: Any, names: Sequence[str], but: str = "") -> np.dtype[Any]:
    """The type that ``asked`` is, where it is one of these in this machine's byte order."""
    for name in names:
        try:
            if np.dtype(asked) == np.dtype(name):
                return np.dtype(name)
        except TypeError:
            break
    there = ", ".join(name for name in names if name not in but)
    raise RequestError(f"{what}={asked!r}; {but}{there} can be had")


def threads_to_use(threads: int | None) -> int:
    """How many threads a read may use: as told, or by CLOUDIO_THREADS, or one per CPU."""
    said = "threads"
    given: Any = threads
    if given is None:
        said = "CLOUDIO_THREADS"
        given = os.environ.get(said) or available_cpus()
        if isinstance(given, str) and given.isdecimal():
            given = int(given)
    if not _is_whole(given) or not 1 <= given < 2**31:
        raise RequestError(f"{said}={given!r}; a whole number from 1 on is needed")
    return int(given)


def available_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _factors(
    dataset: Dataset, bands: Sequence[str], scale: Any, mean: Any, std: Any
) -> tuple[list[float], list[float]]:
    """One factor and one summand per band, computed in float64, such that float32 holds them."""
    if isinstance(scale, str):
        if scale != "reflectance":
            raise RequestError(f"scale={scale!r}; 'reflectance', None or numbers are needed")
        scales = [_own_scale(dataset, name) for name in bands]
    else:
        scales = _per_band("scale", 1.0 if scale is None else scale, bands)
    means = _per_band("mean", 0.0 if mean is None else mean, bands)
    stds = _per_band("std", 1.0 if std is None else std, bands)
    if not all(x > 0 for x in stds):
        raise RequestError(f"std={std!r}; numbers above 0 are needed")
    factors = [a / s for a, s in zip(scales, stds, strict=True)]
    summands = [-m / s for m, s in zip(means, stds, strict=True)]
    with np.errstate(over="ignore"):
        if not np.isfinite(np.array([factors, summands]).astype(np.float32)).all():
            raise RequestError(f"scale={scale!r}, mean={mean!r}, std={std!r} overflow float32")
    return factors, summands


def _own_scale(dataset: Dataset, name: str) -> float:
    band = dataset.band(name)
    if band.scale is None:
        raise RequestError(
            f"the scale of {name} is not known: it is {band.dtype}, and {dataset.layout.name} "
            "has no such array; pass scale="
        )
    return band.scale


def _per_band(what: str, given: Any, bands: Sequence[str]) -> list[float]:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise RequestError(f"{what}={given!r}; a number or one per band is needed") from None
    if numbers.ndim == 0:
        numbers = np.full(len(bands), numbers)
    if numbers.shape != (len(bands),):
        raise RequestError(f"{what} has shape {numbers.shape}; there are {len(bands)} bands")
    if not np.isfinite(numbers).all():
        raise RequestError(f"{what}={given!r}; finite numbers are needed")
    return [float(x) for x in numbers]


def _check_stored(
    dataset: Dataset, bands: Sequence[str], dtype: np.dtype[Any], scale: Any, mean: Any, std: Any
) -> None:
    for what, given in (("scale", scale), ("mean", mean), ("std", std)):
        if given is not None and not (what == "scale" and given == "reflectance"):
            raise RequestError(
                f"{what}={given!r} with dtype={dtype.name!r}, which means numbers as stored"
            )
    for name in bands:
        if dataset.dtype(name) != dtype:
            raise RequestError(
                f"{name} is stored as {dataset.dtype(name)}, not {dtype}; "
                "dtype='float32' reads any band"
            )


def _label_maps(dataset: Dataset, labels: Any) -> dict[str, LabelMap | None]:
    """A map, or None for raw codes, for each label asked for."""
    if isinstance(labels, str):
        asked: dict[Any, Any] = {labels: _policy(dataset, labels)}
    elif isinstance(labels, Mapping):
        asked = dict(labels)
    elif isinstance(labels, Sequence):
        if not all(isinstance(name, str) for name in labels):
            raise RequestError(f"labels={labels!r}; names are needed")
        asked = {name: _policy(dataset, name) for name in labels}
    else:
        raise RequestError(f"labels={labels!r}; a name, names, or a mapping of names is needed")
    if not asked:
        raise RequestError("labels is empty; name at least one, or None for no labels")
    maps: dict[str, LabelMap | None] = {}
    for name, meaning in asked.items():
        array = dataset.find(name)
        if array in maps:
            raise RequestError(f"labels={labels!r} names {array} twice")
        maps[array] = _label_map(dataset, array, meaning)
    return maps


def _policy(dataset: Dataset, label: str) -> str:
    """The layout's first policy for a label, which it follows where it is asked for by name."""
    return next(iter(dataset.layout.label_maps.get(dataset.find(label), {})), "card")


def _label_map(dataset: Dataset, array: str, meaning: Any) -> LabelMap | None:
    if dataset.dtype(array).kind == "f":
        raise RequestError(f"{array} is {dataset.dtype(array)}; label codes are whole numbers")
    if meaning is None or isinstance(meaning, LabelMap):
        return meaning
    if isinstance(meaning, Mapping):
        return LabelMap(meaning)
    policies = dataset.layout.label_maps.get(array, {})
    if not isinstance(meaning, str) or meaning not in policies:
        there = ", ".join(map(repr, policies)) or "no policy"
        raise RequestError(
            f"{array} under {meaning!r}; there is {there}: or give a LabelMap, a mapping of codes "
            "to classes, or None for codes as stored"
        )
    return policies[meaning]


def _remap(
    dataset: Dataset, maps: Mapping[str, LabelMap | None], dtype: np.dtype[Any], ignore: Any
) -> _kernels.Remap:
    limits = np.iinfo(dtype)
    if not _is_whole(ignore) or not limits.min <= ignore <= limits.max:
        raise RequestError(
            f"ignore={ignore!r} is no {dtype}; label_dtype='int64' holds any whole number"
        )
    tables, windows = [], []
    for name, label_map in maps.items():
        stored, known = dataset.dtype(name), dataset.layout.band(name)
        if known is not None and stored != known.dtype:
            # A band in this case has no known scale, and nobody reads it unawares.
            warnings.warn(
                f"{name} is {stored} by the sizes of its files, where {dataset.layout.name} has "
                f"{known.dtype}; read as {stored}",
                stacklevel=4,
            )
        if label_map is None:
            tables.append(raw_table(stored, dtype, name))
            windows.append((0, 0, *dataset.layout.patch))
        else:
            tables.append(label_map.table(stored, dtype, ignore, name))
            valid = dataset.valid_window
            windows.append((valid.row, valid.col, *valid.size))
    sources = [dataset.sources(name) for name in maps]
    return _kernels.Remap(*_opened(sources), tables, windows, ignore)


def _opened(sources: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], Sequence[Sequence[Any]]]:
    return [[source.array for source in row] for row in sources], sources


# ---- one request ---------------------------------------------------------------------------------


def _corners(origin: Any, n: int) -> np.ndarray:
    given = np.array(origin, order="C")
    if given.dtype is not _INT64:
        if given.dtype.kind not in "iu" and given.size:
            raise RequestError(f"origin is of {given.dtype}; whole numbers are needed")
        # Past int64 no patch has a row; the largest number that it holds is refused as well.
        given = np.minimum(given, np.iinfo(_INT64).max).astype(_INT64)
    if given.shape != (2,) and given.shape != (n, 2):
        raise RequestError(f"origin has shape {given.shape}; (2,) or ({n}, 2) is needed")
    return given


def _check_out(what: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(array, np.ndarray):
        raise RequestError(f"out: {what} is {type(array).__name__}; a numpy array is needed")
    if array.shape != shape or (array.dtype is not dtype and array.dtype != dtype):
        raise RequestError(f"out: {what} is {array.shape} {array.dtype}; {shape} {dtype} is needed")
    flags = array.flags
    if not flags.c_contiguous:
        raise RequestError(f"out: {what} has strides {array.strides}; it must be contiguous")
    if not flags.writeable:
        raise RequestError(f"out: {what} is read-only")


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -_kernels.address(memory) % _LINE)


def _is_whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)
