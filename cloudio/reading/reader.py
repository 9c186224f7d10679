"""Readers: they decide what to read and how once, then read batch after batch.

The arguments of a read are checked in indexing.py and outputs.py; the kernels move the pixels.
"""

import operator
import os
import sys
import types
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import kernels
from .._core.plans import Remap
from .._utils import tables
from .._utils.machine import resolve_threads
from .._utils.numbers import check_bool
from .._utils.warn import suppressed
from ..errors import RequestError
from ..storage.errors import error_from_fault, request_error
from .batch import Batch, first_sample, make_masked_batch
from .factors import resolve_factors
from .indexing import centered_origin, parse_index, parse_origin, parse_symmetry
from .label_warnings import warn_about_labels
from .options import (
    STORED_DTYPES,
    check_ignore,
    check_layout,
    parse_clip,
    parse_fill,
    parse_image_dtype,
    parse_label_dtype,
    parse_size,
)
from .outputs import BatchArrays, image_shape, kernel_buffer, numpy_dtype
from .plans import make_gather, make_mask, make_remap
from .selection import LabelSelection, select_bands, select_labels

if TYPE_CHECKING:
    # For users: the data set of a reader makes readers.  Collection is what this module needs.
    from .dataset import Dataset


class Reader:
    """Reads batches from a data set: bands scaled and cropped, labels remapped, in one pass.

    ``bands``: a preset (``"L1C"``, ``"L2A"``, ``"S1"``, ``"EXTRA"``, ``"rgb"``), a name, or a
    sequence of these, in the order wanted.  ``labels``: a name, a sequence of names, or a mapping
    of names to rules.  A rule is a `LabelMap`, a plain mapping of codes to classes, a policy
    (``"card"``, ``"authors"``), or None for codes as stored.  A name alone follows the first
    policy that the layout has for it, in CloudSEN12 ``"card"``.

    ``size``: (height, width) of the crop, an int for a square, None for the valid window.
    ``dtype``: ``"float32"``, ``"float16"`` or ``"bfloat16"`` (the float32 result, rounded to
    nearest even; the latter is an array of ml_dtypes' type, and needs that package); or
    ``"int16"``, ``"uint16"``, ``"uint8"`` for numbers as stored.  ``layout``: ``"NCHW"``, or
    ``"NHWC"`` for the bands of a pixel side by side; labels never have a last axis of bands.

    ``scale``: ``"reflectance"`` gives each array its own unit, radiometric offset included; None
    gives numbers as stored; a number or one per band is used as it is.  ``mean`` and ``std``, in
    scaled units, normalize: ``(x * scale - mean) / std``.  All of it becomes one factor and one
    summand per band, computed in float64 and rounded once to float32.  A pixel is rounded after
    the multiplication and after the addition, so the bits are the same on every CPU and equal to
    numpy's.  ``clip``: the (lowest, highest) output; None is no limit, and NaN stays.  ``fill``:
    the output, in its units, for pixels that are NaN or the array's nodata number; None treats
    them as any other.  ``valid=True`` adds a mask, and reads return a `MaskedBatch`.

    ``label_dtype``: ``"uint8"`` or ``"int64"``.  ``ignore``: the class of codes that a map does
    not list and of pixels outside the valid window.  ``threads``: at most so many work on a
    batch, the caller included.  None means CLOUDIO_THREADS, or the CPUs this process may use, and
    one thread in a worker process of torch's DataLoader.  From 2 on, ``io="pread"`` has more that
    only wait for files.  ``evict=True``: the pages of what was read leave the page cache at once,
    for data that memory cannot hold; it reads as under ``io="pread"``, and past the page cache
    where the file system can.

    Immutable; threads may share one; it pickles as its data set's path and these settings.
    RequestError, saying what there is, where a setting is not possible.  A CloudioWarning, once
    for a data set and matter, where labels may not be what they look like (docs/cloudsen12.md).
    """

    def __init__(
        self,
        dataset: "Dataset",
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
        window, patch = dataset.valid_window, dataset.layout.patch
        self.dataset = dataset
        self._n_patches, self._is_subset = len(dataset), dataset.is_subset
        self.bands = select_bands(dataset, bands)
        self.size = window.size if size is None else parse_size(size, patch)
        self.image_shape = image_shape(check_layout(layout), len(self.bands), self.size)
        self.dtype_name = parse_image_dtype(dtype)
        self.dtype = numpy_dtype(self.dtype_name)
        self._origin = centered_origin(self.size, (window.row, window.col), window.size, patch)
        self._threads = resolve_threads(threads)
        self.valid, self._evict = check_bool("valid", valid), check_bool("evict", evict)
        # Linux gives no page back that is mapped, and taking mappings away stops other threads.
        io = "direct" if self._evict else dataset.io

        options = {"scale": scale, "mean": mean, "std": std, "clip": clip, "fill": fill}
        self._factors = resolve_factors(dataset, self.bands, self.dtype_name, options)
        limits = parse_clip(clip)
        gather = make_gather(
            dataset,
            self.bands,
            io,
            dtype=self.dtype_name,
            factors=self._factors,
            clip=limits,
            fill=parse_fill(fill, self.dtype_name),
            interleaved=layout == "NHWC",
        )
        mask = make_mask(dataset, self.bands, io) if self.valid else None
        selection = select_labels(dataset, labels)
        remap = self._plan_labels(labels, selection, label_dtype, ignore, io)
        self._plans = tuple(plan for plan in (gather, remap, mask) if plan is not None)
        arrays = BatchArrays(
            (self.image_shape, self.dtype_name),
            None if self.label_shape is None else (self.label_shape, self.label_dtype),
            self.size if self.valid else None,
            [file.path for plan in self._plans for file in plan.files],
        )
        self._allocate, self._check_out = arrays.allocate, arrays.check
        # What was decided, not what was given: a list may change before this is pickled.
        self._settings = {
            "bands": self.bands,
            "labels": self.labels[0] if isinstance(labels, str) else selection.rules or None,
            "size": self.size,
            "dtype": self.dtype_name,
            "layout": layout,
            "scale": _copy(scale),
            "mean": _copy(mean),
            "std": _copy(std),
            "label_dtype": self.label_dtype.name,
            "ignore": ignore,
            "threads": threads,
            "clip": None if clip is None else limits,
            "fill": fill,
            "valid": self.valid,
            "evict": self._evict,
        }
        self._worker_reader: Reader | None = None
        # Last, so that a request that is refused causes no warning.
        warn_about_labels(dataset, selection, self.size, io)

    def _plan_labels(
        self, labels: Any, selection: LabelSelection, label_dtype: Any, ignore: Any, io: str
    ) -> Remap | None:
        self.label_dtype = parse_label_dtype(label_dtype)
        self.labels = tuple(selection.label_maps)
        # Of each label: its map, or None for raw codes; its policy, or None where it follows none.
        self.label_maps = types.MappingProxyType(selection.label_maps)
        self.policies = types.MappingProxyType(selection.policies)
        self.label_shape: tuple[int, ...] | None = None
        if not self.labels:
            return None
        self.label_shape = self.size
        if not isinstance(labels, str):
            self.label_shape = len(self.labels), *self.size
        check_ignore(ignore, self.label_dtype)
        return make_remap(self.dataset, self.label_maps, self.label_dtype, ignore, io)

    def __len__(self) -> int:
        return self._n_patches

    # ---- reading -----------------------------------------------------------------------------

    def read(
        self, index: Any, origin: Any = None, symmetry: Any = None, out: Any = None
    ) -> Batch[np.ndarray]:
        """Return the patches of ``index``, cropped, scaled, turned and remapped, in that order.

        ``index``: whole numbers, in any order; repeats are allowed and negative numbers count
        from the end.  ``origin``: the (row, col) in the stored patch of each window's first pixel,
        one for all or (n, 2); None centers on the valid window.  ``symmetry``: one of the eight
        flips and rotations, 0..7, one for all or (n,): ``np.rot90(np.fliplr(x) if s >= 4 else x,
        s % 4)`` on rows and columns, of image, label and mask alike.  Odd ones are quarter turns
        and need a square size.  ``out``: a Batch, an (image, label) tuple, or the image alone, as
        `allocate` makes them; its arrays are filled and returned, with a new ``index``.  With
        ``valid=True`` it is a `MaskedBatch`.

        Arguments are validated before ``out`` is written: IndexError or RequestError.
        TruncatedError where a file has become shorter, OSError where it cannot be read or was
        written to meanwhile; do not use ``out`` then.  Threads may share a reader, not an ``out``.
        """
        index = parse_index(index, self._n_patches)
        n = len(index)
        origin = self._origin if origin is None else parse_origin(origin, n)
        symmetry = None if symmetry is None else parse_symmetry(symmetry, n)
        image, label, valid = self._allocate(n) if out is None else self._check_out(out, n)
        outs = [kernel_buffer(image, self.dtype_name)]
        if label is not None:
            outs.append(label)
        if valid is not None:
            outs.append(valid)
        stored_index = self.dataset.stored_index(index) if self._is_subset else index
        try:
            fault = kernels.run(
                self._plans, outs, stored_index, origin, symmetry, self._threads, self._evict
            )
        except ValueError as error:
            raise request_error(error) from None
        if fault is not None:
            raise error_from_fault(fault)
        if valid is None:
            return Batch(image, label, index)
        return make_masked_batch(image, label, index, valid)

    def prefetch(self, index: Any, origin: Any = None) -> None:
        """Start loading exactly the pages that `read` needs for ``index``; return at once.

        The arguments are those of `read`, with the same errors.  The system loads the pages in the
        background and keeps them as long as memory allows.  Pages that are already there cost
        next to nothing.
        """
        index = parse_index(index, self._n_patches)
        origin = self._origin if origin is None else parse_origin(origin, len(index))
        stored_index = self.dataset.stored_index(index) if self._is_subset else index
        try:
            kernels.prefetch(self._plans, stored_index, origin, *self.size)
        except ValueError as error:
            raise request_error(error) from None

    def allocate(self, n: int) -> Batch[np.ndarray]:
        """Return an uninitialized batch of ``n`` samples, its arrays aligned to cache lines.

        `read` takes it as ``out``.  Its ``index`` is all zeros, and stays so.
        """
        if operator.index(n) < 0:
            raise RequestError(f"n={n}; n must be 0 or more samples")
        image, label, valid = self._allocate(n)
        index = np.zeros(n, np.int64)
        if valid is None:
            return Batch(image, label, index)
        return make_masked_batch(image, label, index, valid)

    def __getitem__(self, index: Any) -> Batch[np.ndarray]:
        """Return one sample for a whole number; a batch for a slice or for what `read` takes."""
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        batch = self.read(index)
        return batch if np.ndim(index) else first_sample(batch)

    def __getitems__(self, index: Any) -> Batch[np.ndarray]:
        """Return a whole batch: torch's DataLoader fetches one through this hook."""
        return worker_reader(self).read(index)

    # ---- settings ----------------------------------------------------------------------------

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every setting by its name, as it was decided: `Reader` of these is the same reader."""
        return types.MappingProxyType(self._settings)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The float32 factor and summand of each band: a pixel is ``x * factor + summand``.

        None where numbers come as stored.
        """
        if self._factors is None:
            return None
        factors, summands = self._factors
        return np.array(factors, np.float32), np.array(summands, np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.dataset, self._settings)

    def __repr__(self) -> str:
        """Say what is read in one line, then list the settings."""
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        return (
            f"<cloudio.Reader of {len(self):,} patches: {self.image_shape} {self.dtype}, "
            f"bands {', '.join(self.bands)}{labels}>\n{tables.text(self._setting_rows())}"
        )

    def _repr_html_(self) -> str:
        """The same as HTML."""
        title = f"cloudio.Reader of {len(self):,} patches"
        head = [("image", f"{self.image_shape} {self.dtype}"), ("bands", ", ".join(self.bands))]
        rows = [*head, *self._setting_rows()]
        return f"<div><strong>{escape(title)}</strong>\n{tables.html(rows, header=False)}</div>"

    def _setting_rows(self) -> list[tuple[str, str]]:
        """Return the settings that the shapes do not show, one row each."""
        settings, ds = self._settings, self.dataset
        as_stored = self.dtype_name in STORED_DTYPES or settings["scale"] is None
        rows = [
            ("size", f"{self.size[0]} x {self.size[1]}, {settings['layout']}"),
            ("scale", "as stored" if as_stored else _shorten(settings["scale"])),
        ]
        for name in ("mean", "std", "clip", "fill"):
            if settings[name] is not None:
                rows.append((name, _shorten(settings[name])))
        for name, label_map in self.label_maps.items():
            rule = "codes as stored"
            if label_map is not None:
                rule = self.policies[name] or _shorten(label_map)
                rule += f", else {settings['ignore']}" if label_map.unlisted is None else ""
            rows.append((name, f"{rule}, {self.label_dtype}"))
        return [*rows, ("data set", f"{ds.layout.name} at {ds.path}, io {ds.io}")]


def check_reader(reader: Any) -> None:
    if not isinstance(reader, Reader):
        raise RequestError(
            f"reader is a {type(reader).__name__}; it must be a Reader, as ds.reader(...) returns"
        )


def with_settings(reader: Reader, **changes: Any) -> Reader:
    """Return a reader of the same data set with these settings changed."""
    return _restore(reader.dataset, {**reader.settings, **changes})


def worker_reader(reader: Reader) -> Reader:
    """Return the reader; in a worker process of torch's DataLoader, one that uses one thread.

    There too the same reader, if ``threads`` or CLOUDIO_THREADS say how many threads to use.
    """
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is None or torch_data.get_worker_info() is None:
        return reader
    if reader.settings["threads"] or os.environ.get("CLOUDIO_THREADS"):
        return reader
    if reader._worker_reader is None:
        reader._worker_reader = with_settings(reader, threads=1)
    return reader._worker_reader


def _restore(dataset: "Dataset", settings: dict[str, Any]) -> Reader:
    with suppressed():  # the process that made the reader has warned
        return Reader(dataset, **settings)


def _copy(numbers: Any) -> Any:
    """Return numbers as a new list."""
    return numbers if numbers is None or isinstance(numbers, str) else np.asarray(numbers).tolist()


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
