"""A decided read: names become arrays, scales and tables once, then batch after batch is read.

What there is to read is dataset.py's; the pixels are _kernels'.
"""

import operator
import os
import sys
import types
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from .._core import kernels
from .._core.plans import Gather, Mask, Remap
from .._utils import tables
from .._utils.machine import resolve_threads
from .._utils.numbers import check_bool, is_whole, overflows_float32, per_band
from .._utils.warn import suppressed
from ..errors import RequestError
from ..layouts.band import Window
from ..layouts.labels import LabelMap, raw_table, total_table
from ..storage.files import error_from_fault, plan_inputs
from .batch import Batch, first_sample, masked_batch
from .collection import Collection
from .indexing import centered_origin, parse_index, parse_origin, parse_symmetry
from .label_warnings import LabelRequest, warn_about_labels
from .options import (
    FLOAT_DTYPES,
    check_layout,
    class_dtype,
    clip_limits,
    fill_value,
    image_dtype,
    window_size,
)
from .outputs import (
    allocate_aligned,
    allocate_image,
    check_image,
    check_not_mapped,
    check_out,
    image_shape,
    kernel_buffer,
    numpy_dtype,
)
from .selection import label_request, parse_labels, resolve_label_map, resolve_scales, select_bands

_UINT8 = np.dtype(np.uint8)


class Reader:
    """Reads batches from a data set: bands scaled and cropped, labels remapped, in one pass.

    ``bands``: a preset (``"L1C"``, ``"L2A"``, ``"S1"``, ``"EXTRA"``, ``"rgb"``), a name, or a
    sequence of these; they come in that order.  ``labels``: a name, a sequence of names, or a
    mapping of names to a `LabelMap`, a plain mapping of codes to classes, a policy (``"card"``,
    ``"authors"``) or None for codes as stored; names alone follow the first policy that the
    layout has for them, in CloudSEN12 ``"card"``.

    ``size``: (height, width) of what is read, an int for a square, None for the valid window.
    ``dtype``: ``"float32"``, ``"float16"`` or ``"bfloat16"`` (the float32 result, rounded to
    nearest even; the latter is an array of ml_dtypes' type, and needs that package); or
    ``"int16"``, ``"uint16"``, ``"uint8"`` for numbers as stored.  ``layout``: ``"NCHW"``, or
    ``"NHWC"`` for the bands of a pixel side by side; labels never have a last axis of bands.

    ``scale``: ``"reflectance"`` gives each array's own unit, its radiometric offset included, None
    numbers as stored, a number or one per band is taken as it is.  ``mean`` and ``std``, in scaled
    units, normalise: ``(x * scale - mean) / std``.  All of it is folded in float64 into one factor
    and one summand per band, rounded once to float32; a pixel is rounded after the multiplication
    and after the addition, so the bits are the same on every CPU and equal to numpy's.  ``clip``:
    the (least, most) that comes out, after all that; None is no limit, and NaN stays.  ``fill``:
    what pixels become that are NaN or the array's no-data number, in units of the output; None
    leaves them as any other.  ``valid=True`` adds a mask, and reads return a `MaskedBatch`.

    ``label_dtype``: ``"uint8"`` or ``"int64"``.  ``ignore``: the class of codes that a map does
    not list and of pixels outside the valid window.  ``threads``: at most so many work on a
    batch, the caller among them; None means CLOUDIO_THREADS, or the CPUs this process may use, and
    one for a batch that a worker process of torch's DataLoader fetches.
    From 2 on, ``io="pread"`` has more that only wait for files.  ``evict=True``: pages of what was
    read are given back to the system at once, for data that memory does not hold anyway; it reads
    as under ``io="pread"``, and past the page cache where the file system can.

    Immutable; threads may share one; it pickles as its data set's path and these settings.
    RequestError, saying what there is, where any of this cannot be had.  A CloudioWarning, once
    for a data set and matter, where labels may not be what they look like (docs/cloudsen12.md).
    """

    def __init__(
        self,
        dataset: Collection,
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
        clip: tuple[float | None, float | None] | None = None,
        fill: float | None = None,
        valid: bool = False,
        evict: bool = False,
    ) -> None:
        self.dataset = dataset
        self._n_patches, self._picked = len(dataset), dataset.is_subset
        self.bands = select_bands(dataset, bands)
        window, patch = dataset.valid_window, dataset.layout.patch
        self.size = window.size if size is None else window_size(size, patch)
        self.image_shape = image_shape(check_layout(layout), len(self.bands), self.size)
        self.dtype_name = image_dtype(dtype)
        self.dtype = numpy_dtype(self.dtype_name)
        self._native = self.dtype_name != "bfloat16"
        self._origin = centered_origin(self.size, (window.row, window.col), window.size, patch)
        self._threads = resolve_threads(threads)
        self.valid, self._evict = check_bool("valid", valid), check_bool("evict", evict)

        how: dict[str, Any] = {"interleaved": layout == "NHWC"}
        factors: tuple[Any, Any] = None, None
        nodata = [dataset.band(name).nodata for name in self.bands]
        if self.dtype_name in FLOAT_DTYPES:
            factors = _factors(dataset, self.bands, scale, mean, std)
            how |= {"to": self.dtype_name, "clip": clip_limits(clip), "nodata": nodata}
            how["fill"] = fill_value(fill, self.dtype_name)
        else:
            asked = {"scale": scale, "mean": mean, "std": std, "clip": clip, "fill": fill}
            _check_stored(dataset, self.bands, self.dtype, asked)
        # Linux gives no page back that is mapped, and taking mappings away stops other threads.
        io = "direct" if self._evict else dataset.io
        sources = [dataset.sources(name, io) for name in self.bands]
        self._factors = factors
        self._gather = Gather(*plan_inputs(sources), *factors, **how)
        self._mask = None
        if self.valid:
            self._mask = Mask(*plan_inputs(sources), nodata, _rectangle(window))

        self.labels: tuple[str, ...] = ()
        # Of each label: its map, or None for raw codes; its policy, or None where it follows none.
        self.label_maps: Mapping[str, LabelMap | None] = types.MappingProxyType({})
        self.policies: Mapping[str, str | None] = types.MappingProxyType({})
        self.label_shape: tuple[int, ...] | None = None
        self.label_dtype = class_dtype(label_dtype)
        self._remap = None
        asked_for: list[LabelRequest] = []
        if labels is not None:
            meanings = parse_labels(dataset, labels)
            maps = {name: resolve_label_map(dataset, name, how) for name, how in meanings.items()}
            self.labels = tuple(maps)
            self.label_maps = types.MappingProxyType(maps)
            self.policies = types.MappingProxyType(
                {name: how if isinstance(how, str) else None for name, how in meanings.items()}
            )
            self.label_shape = self.size if isinstance(labels, str) else (len(maps), *self.size)
            self._remap = _remap(dataset, maps, self.label_dtype, ignore, io)
            by_name = not isinstance(labels, Mapping)
            asked_for = [
                label_request(dataset, name, how, by_name, io) for name, how in maps.items()
            ]
            labels = self.labels[0] if isinstance(labels, str) else meanings
        plans = (self._gather, self._remap, self._mask)
        self._plans = tuple(plan for plan in plans if plan is not None)
        # What was decided, not what was given: a list may change before this is pickled.
        self._settings = {
            "bands": self.bands,
            "labels": labels,
            "size": self.size,
            "dtype": self.dtype_name,
            "layout": layout,
            "scale": _kept(scale),
            "mean": _kept(mean),
            "std": _kept(std),
            "label_dtype": self.label_dtype.name,
            "ignore": ignore,
            "threads": threads,
            "clip": None if clip is None else clip_limits(clip),
            "fill": fill,
            "valid": self.valid,
            "evict": self._evict,
        }
        self._of_worker: Reader | None = None
        # Last, so that nothing is said of what is refused.
        warn_about_labels(dataset.path, dataset.layout, self.size, asked_for)

    def __len__(self) -> int:
        return self._n_patches

    # ---- reading -----------------------------------------------------------------------------

    def read(
        self, index: Any, origin: Any = None, symmetry: Any = None, out: Any = None
    ) -> Batch[np.ndarray]:
        """Return the patches of ``index``, cropped, scaled, turned and remapped, in that order.

        ``index``: whole numbers, in any order; repeats are allowed and negative numbers count
        from the end.  ``origin``: the (row, col) in the stored patch of the first pixel of each
        window, one for all or (n, 2); None centres on the valid window.  ``symmetry``: which of
        the eight a window is seen in, 0..7, one for all or (n,): ``np.rot90(np.fliplr(x) if s >= 4
        else x, s % 4)`` on rows and columns, of image, label and mask alike; odd ones are quarter
        turns and need a square size.  ``out``: a Batch, an (image, label) tuple, or the image
        alone, as `allocate` makes them; its arrays are returned filled, with an ``index`` of their
        own.  With ``valid=True`` it is a `MaskedBatch`.

        IndexError or RequestError where anything about the request is wrong, and then nothing has
        been written.  TruncatedError where a file has become shorter, OSError where it cannot be
        read or was written to meanwhile; ``out`` is then not to be used.  Threads may share a
        reader, not an ``out``.
        """
        numbers = parse_index(index, self._n_patches)
        n = len(numbers)
        where = self._origin if origin is None else parse_origin(origin, n)
        how = None if symmetry is None else parse_symmetry(symmetry, n)
        image, label, valid = self._allocate(n) if out is None else self._fitting(out, n)
        targets = [kernel_buffer(image, self.dtype_name)]
        if label is not None:
            targets.append(label)
        if valid is not None:
            targets.append(valid)
        stored = self.dataset.stored_index(numbers) if self._picked else numbers
        try:
            fault = kernels.run(
                self._plans, targets, stored, where, how, self._threads, self._evict
            )
        except ValueError as error:
            raise RequestError(str(error)) from None
        if fault is not None:
            raise error_from_fault(fault)
        if valid is None:
            return Batch(image, label, numbers)
        return masked_batch(image, label, numbers, valid)

    def prefetch(self, index: Any, origin: Any = None) -> None:
        """Begin to read what `read` will need of ``index``, exactly those pages; return at once.

        Arguments are those of `read`, and refused alike.  The system reads in the background and
        keeps the pages as long as memory allows; those already there cost next to nothing.
        """
        numbers = parse_index(index, self._n_patches)
        where = self._origin if origin is None else parse_origin(origin, len(numbers))
        stored = self.dataset.stored_index(numbers) if self._picked else numbers
        try:
            kernels.prefetch(self._plans, stored, where, *self.size)
        except ValueError as error:
            raise RequestError(str(error)) from None

    def allocate(self, n: int) -> Batch[np.ndarray]:
        """An uninitialised batch of ``n`` samples, its arrays aligned to cache lines.

        What `read` takes as ``out``; its ``index`` is all zeros, and stays so.
        """
        if operator.index(n) < 0:
            raise RequestError(f"n = {n}; 0 or more samples")
        image, label, valid = self._allocate(n)
        numbers = np.zeros(n, np.int64)
        if valid is None:
            return Batch(image, label, numbers)
        return masked_batch(image, label, numbers, valid)

    def __getitem__(self, index: Any) -> Batch[np.ndarray]:
        """One sample for a whole number; a batch for a slice or for what `read` takes."""
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        batch = self.read(index)
        return batch if np.ndim(index) else first_sample(batch)

    def __getitems__(self, index: Any) -> Batch[np.ndarray]:
        """A whole batch: the hook through which torch's DataLoader fetches one."""
        return worker_reader(self).read(index)

    def _allocate(self, n: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Image, label and mask; None where this reader has none."""
        image = allocate_image((n, *self.image_shape), self.dtype_name)
        label = valid = None
        if self.label_shape is not None:
            label = allocate_aligned((n, *self.label_shape), self.label_dtype)
        if self._mask is not None:
            valid = allocate_aligned((n, *self.size), _UINT8)
        return image, label, valid

    def _fitting(self, out: Any, n: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """The arrays of ``out``, once they are what a batch of ``n`` samples needs."""
        if not isinstance(out, tuple):
            out = (out, None)
        if self._mask is not None and len(out) != 4:
            raise RequestError(f"out is a tuple of {len(out)}; a MaskedBatch is needed")
        if self._mask is None and len(out) not in (2, 3):
            raise RequestError(f"out is a tuple of {len(out)}; a Batch or (image, label) is needed")
        image, label, valid = out[0], out[1], None if self._mask is None else out[3]
        shape = (n, *self.image_shape)
        if self._native:
            check_out("image", image, shape, self.dtype)
        else:
            check_image(image, shape, self.dtype)
        if self.label_shape is not None:
            check_out("label", label, (n, *self.label_shape), self.label_dtype)
        elif label is not None:
            raise RequestError("out has a label, but this reader reads none")
        if self._mask is not None:
            check_out("valid", valid, (n, *self.size), _UINT8)
        check_not_mapped(
            (image, label, valid), (file.path for plan in self._plans for file in plan.files)
        )
        return image, label, valid

    # ---- as a thing --------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.dataset, self._settings)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was decided of every setting, by its name: `Reader` of these is the same reader."""
        return types.MappingProxyType(self._settings)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The float32 that each band's numbers are multiplied by, and that which is then added.

        None where they come as stored.
        """
        if self.dtype_name not in FLOAT_DTYPES:
            return None
        factors, summands = self._factors
        return np.array(factors, np.float32), np.array(summands, np.float32)

    def __repr__(self) -> str:
        """What is read from what in one line, then how."""
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        return (
            f"<cloudio.Reader of {len(self):,} patches: {self.image_shape} {self.dtype}, "
            f"bands {', '.join(self.bands)}{labels}>\n{tables.text(self._decisions())}"
        )

    def _repr_html_(self) -> str:
        """The same as HTML."""
        title = f"cloudio.Reader of {len(self):,} patches"
        head = [("image", f"{self.image_shape} {self.dtype}"), ("bands", ", ".join(self.bands))]
        rows = [*head, *self._decisions()]
        return f"<div><strong>{escape(title)}</strong>\n{tables.html(rows, header=False)}</div>"

    def _decisions(self) -> list[tuple[str, str]]:
        """Of a reader, what its shapes do not show, one row each."""
        how, ds = self.settings, self.dataset
        rows = [
            ("size", f"{self.size[0]} x {self.size[1]}, {how['layout']}"),
            ("scale", "as stored" if how["scale"] is None else _short(how["scale"])),
        ]
        if self.dtype_name in ("int16", "uint16", "uint8"):
            rows[1] = "scale", "as stored"
        for name in ("mean", "std", "clip", "fill"):
            if how[name] is not None:
                rows.append((name, _short(how[name])))
        for name, label_map in self.label_maps.items():
            rule = "codes as stored"
            if label_map is not None:
                rule = self.policies[name] or _short(label_map)
                rule += f", else {how['ignore']}" if label_map.unlisted is None else ""
            rows.append((name, f"{rule}, {self.label_dtype}"))
        return [*rows, ("data set", f"{ds.layout.name} at {ds.path}, io {ds.io}")]


def with_settings(reader: Reader, **changes: Any) -> Reader:
    """A reader of the same data set, with all but these settings the same."""
    return _restore(reader.dataset, {**reader.settings, **changes})


def check_reader(reader: Any) -> None:
    if not isinstance(reader, Reader):
        raise RequestError(f"{type(reader).__name__} is no Reader; ds.reader(...) makes one")


def worker_reader(reader: Reader) -> Reader:
    """The reader; in a worker process of torch's DataLoader, one like it that uses one thread.

    Unless ``threads`` or CLOUDIO_THREADS say how many.
    """
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is None or torch_data.get_worker_info() is None:
        return reader
    if reader.settings["threads"] or os.environ.get("CLOUDIO_THREADS"):
        return reader
    if reader._of_worker is None:
        reader._of_worker = with_settings(reader, threads=1)
    return reader._of_worker


def _restore(dataset: Collection, settings: dict[str, Any]) -> Reader:
    with suppressed():  # whoever pickled it has been told
        return Reader(dataset, **settings)


# ---- decisions -----------------------------------------------------------------------------------


def _factors(
    dataset: Collection, bands: Sequence[str], scale: Any, mean: Any, std: Any
) -> tuple[list[float], list[float]]:
    """One factor and one summand per band, computed in float64, such that float32 holds them."""
    scales, offsets = resolve_scales(dataset, bands, scale)
    means = per_band("mean", 0.0 if mean is None else mean, len(bands))
    stds = per_band("std", 1.0 if std is None else std, len(bands))
    if not all(x > 0 for x in stds):
        raise RequestError(f"std={std!r}; numbers above 0 are needed")
    factors = [a / s for a, s in zip(scales, stds, strict=True)]
    summands = [(b - m) / s for b, m, s in zip(offsets, means, stds, strict=True)]
    if overflows_float32(factors + summands):
        raise RequestError(f"scale={scale!r}, mean={mean!r}, std={std!r} overflow float32")
    return factors, summands


def _kept(given: Any) -> Any:
    """Numbers as a list of their own."""
    return given if given is None or isinstance(given, str) else np.asarray(given).tolist()


def _check_stored(
    dataset: Collection, bands: Sequence[str], dtype: np.dtype[Any], asked: Mapping[str, Any]
) -> None:
    for what, given in asked.items():
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


def _remap(
    dataset: Collection,
    maps: Mapping[str, LabelMap | None],
    dtype: np.dtype[Any],
    ignore: Any,
    io: str,
) -> Remap:
    limits = np.iinfo(dtype)
    if not is_whole(ignore) or not limits.min <= ignore <= limits.max:
        raise RequestError(
            f"ignore={ignore!r} is no {dtype}; label_dtype='int64' holds any whole number"
        )
    tables, windows = [], []
    for name, label_map in maps.items():
        stored = dataset.dtype(name)
        if label_map is None:
            tables.append(raw_table(stored, dtype, name))
            windows.append((0, 0, *dataset.layout.patch))
        else:
            tables.append(total_table(label_map, stored, dtype, ignore, name))
            valid = dataset.valid_window
            windows.append(_rectangle(valid))
    sources = [dataset.sources(name, io) for name in maps]
    return Remap(*plan_inputs(sources), tables, windows, ignore)


def _rectangle(window: Window) -> tuple[int, int, int, int]:
    return (window.row, window.col, *window.size)


def _short(given: Any) -> str:
    words = str(given)
    return words if len(words) <= 80 else f"{words[:77]}..."
