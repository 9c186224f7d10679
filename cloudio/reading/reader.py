"""Readers: the settings are resolved once, then batch after batch is read.

The arguments of a read are checked in arguments/; the kernels move the pixels.
"""

import operator
import types
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .._core import kernels
from .._core.plans import Remap
from .._utils import tables, text
from .._utils.machine import resolve_threads
from .._utils.numbers import check_bool
from .._utils.types import (
    AxisOrder,
    ElementType,
    Index,
    KeyNames,
    Numbers,
    Origin,
    Scale,
    Size,
)
from .._utils.warn import warn_once
from ..errors import RequestError
from ..storage.errors import error_from_fault, request_error
from .arguments import options
from .arguments.indexing import centered_origin, parse_index, parse_origin, parse_symmetry
from .arguments.keys import label_dtype as dtype_of_labels
from .arguments.keys import parse_keys
from .arguments.outputs import BatchArrays, image_shape, kernel_buffer, numpy_dtype
from .batch import B, Batch, make_batch
from .collection import check_dataset
from .copies import description, restore, worker_reader
from .factors import resolve_factors
from .plans import make_gather, make_mask, make_remap
from .samples import SampleAccess
from .selection import Bands, Labels, LabelSelection, select_bands, select_labels
from .warnings.labels import warn_about_labels
from .warnings.units import warn_about_units

if TYPE_CHECKING:
    # For users: the data set of a reader makes readers.  Collection is what this module needs.
    from .dataset import Dataset


class Reader(SampleAccess[B]):
    """Reads batches from a data set: bands scaled and cropped, labels remapped, in one pass.

    Parameters
    ----------
    dataset : Dataset
        The patches to read; `Dataset.reader` fills this in.
    bands : str or sequence of str, optional
        A preset (for CloudSEN12 ``"L1C"``, ``"L2A"``, ``"S1"``, ``"EXTRA"``, ``"rgb"``), a name, or
        a sequence of these, in the order needed.  By default the first preset of the layout of
        which any band exists, in CloudSEN12 ``"L1C"``; without presets all bands.
    labels : str, sequence of str, or mapping, optional
        A name, names, or a mapping of names to rules.  A rule is a policy (``"card"``,
        ``"authors"``), a `LabelMap`, a mapping of codes to classes, or None for codes as stored.  A
        name without a rule follows the layout's first policy for it, in CloudSEN12 ``"card"``.
    size : int or (height, width), optional
        The crop in pixels; an int is a square.  By default the valid window.
    dtype : str or dtype
        ``"float32"``; ``"float16"`` or ``"bfloat16"``, the float32 result rounded to nearest even
        (numpy arrays of bfloat16 need ml_dtypes); or ``"int16"``, ``"uint16"``, ``"uint8"``, the
        numbers as stored.
    layout : {"NCHW", "NHWC"}
        NHWC puts the bands of a pixel side by side; labels never have such an axis.
    scale : "reflectance", None, float or sequence of float
        "reflectance": each array's own unit, radiometric offset included.  None: numbers as stored.
        A number, or one per band: this factor.
    mean, std : float or sequence of float, optional
        In scaled units, they normalize: ``(x * scale - mean) / std``.
    label_dtype : {"uint8", "int64"}
        The element type of labels.
    ignore : int
        The class of codes that a map does not list, and of pixels outside the valid window.
    threads : int, optional
        Threads per batch, the caller included.  By default CLOUDIO_THREADS, else OMP_NUM_THREADS,
        else the CPUs this process may use (docs/guides/settings.md); 1 in a worker process of
        torch's DataLoader.  From 2 on, ``io="pread"`` uses more that only wait for files.
    clip : (lowest, highest), optional
        Limits of the output, each a number or None.  NaN stays NaN.
    fill : float, optional
        The output for pixels that are NaN or the array's no-data number.
    valid : bool
        True adds a mask of valid pixels: reads return a `MaskedBatch`.
    evict : bool
        True drops pages from the page cache once they are read, for data larger than memory.  It
        reads as with ``io="pread"``, and past the page cache where the file system can.
    keys : {"torchgeo", "transformers"} or mapping, optional
        Names that make dicts of batches and samples: "torchgeo" is image and mask, "transformers"
        is pixel_values and labels, with labels of int64 in both.  A mapping gives names of your own
        to image, label, index, valid and metadata columns, and leaves out the others.

    Raises
    ------
    RequestError
        If a setting is not possible.

    Notes
    -----
    Scale, mean and std become one factor and one summand per band, computed in float64 and rounded
    once to float32.  A pixel is rounded to float32 after the multiplication and after the addition,
    so the bits are the same on every CPU and equal to numpy's.

    A reader is immutable, threads may share it, and it pickles as its data set's path and settings.
    It gives a CloudioWarning, once for a data set and subject, if labels may not be what they look
    like (docs/cloudsen12.md).
    """

    def __init__(
        self,
        dataset: "Dataset",
        bands: Bands | None = None,
        labels: Labels | None = None,
        *,
        size: Size = None,
        dtype: ElementType = "float32",
        layout: AxisOrder = "NCHW",
        scale: Scale = "reflectance",
        mean: Numbers | None = None,
        std: Numbers | None = None,
        label_dtype: ElementType = "uint8",
        ignore: int = 255,
        threads: int | None = None,
        clip: tuple[float | None, float | None] | None = None,
        fill: float | None = None,
        valid: bool = False,
        evict: bool = False,
        keys: KeyNames | None = None,
    ) -> None:
        check_dataset(dataset, "dataset")
        window, patch = dataset.valid_window, dataset.layout.patch
        self.dataset = dataset
        self._n_patches, self._is_subset = len(dataset), dataset.is_subset
        self.bands = select_bands(dataset, bands)
        self.size = window.size if size is None else options.parse_size(size, patch)
        self.image_shape = image_shape(options.check_layout(layout), len(self.bands), self.size)
        self.dtype_name = options.parse_image_dtype(dtype)
        self.dtype = numpy_dtype(self.dtype_name)
        self._origin = centered_origin(self.size, (window.row, window.col), window.size, patch)
        self._threads = resolve_threads(threads)
        self.valid, self._evict = check_bool("valid", valid), check_bool("evict", evict)
        # Linux gives no page back that is mapped, and taking mappings away stops other threads.
        io = "direct" if self._evict else dataset.io

        units = {"scale": scale, "mean": mean, "std": std, "clip": clip, "fill": fill}
        self._factors = resolve_factors(dataset, self.bands, self.dtype_name, units)
        limits = options.parse_clip(clip)
        gather = make_gather(
            dataset,
            self.bands,
            io,
            dtype=self.dtype_name,
            factors=self._factors,
            clip=limits,
            fill=options.parse_fill(fill, self.dtype_name),
            interleaved=layout == "NHWC",
        )
        mask = make_mask(dataset, self.bands, io) if self.valid else None
        selection = select_labels(dataset, labels)
        self.batch_keys = parse_keys(keys, dataset, bool(selection.label_maps), self.valid)
        label_dtype = dtype_of_labels(keys, label_dtype)
        remap = self._plan_labels(labels, selection, label_dtype, ignore, io)
        self._plans = tuple(plan for plan in (gather, remap, mask) if plan is not None)
        arrays = BatchArrays(
            (self.image_shape, self.dtype_name),
            None if self.label_shape is None else (self.label_shape, self.label_dtype),
            self.size if self.valid else None,
            [file.path for plan in self._plans for file in plan.files if file is not None],
        )
        self._allocate, self._check_out = arrays.allocate, arrays.check
        # What was decided, not what was given: a list may change before this is pickled.
        self._settings = {
            "bands": self.bands,
            "labels": self.labels[0] if isinstance(labels, str) else selection.rules or None,
            "size": self.size,
            "dtype": self.dtype_name,
            "layout": layout,
            **{name: options.as_list(units[name]) for name in ("scale", "mean", "std")},
            "label_dtype": self.label_dtype.name,
            "ignore": ignore,
            "threads": threads,
            "clip": None if clip is None else limits,
            "fill": fill,
            "valid": self.valid,
            "evict": self._evict,
            "keys": None if self.batch_keys is None else self.batch_keys.setting,
        }
        self._worker_reader: Reader[B] | None = None
        self._arrays_reader: Reader[Any] | None = None
        # Last, so that a request that is refused causes no warning.
        warn_about_units(dataset, self.bands, self.dtype_name, units, limits)
        warn_about_labels(dataset, selection, self.size, io, ignore)

    def _plan_labels(
        self, labels: Any, selection: LabelSelection, label_dtype: Any, ignore: Any, io: str
    ) -> Remap | None:
        self.label_dtype = options.parse_label_dtype(label_dtype)
        self.labels = tuple(selection.label_maps)
        # Of each label: its map, or None for raw codes; its policy, or None if it follows none.
        self.label_maps = types.MappingProxyType(selection.label_maps)
        self.policies = types.MappingProxyType(selection.policies)
        self.label_shape: tuple[int, ...] | None = None
        if not self.labels:
            return None
        self.label_shape = self.size
        if not isinstance(labels, str):
            self.label_shape = len(self.labels), *self.size
        options.check_ignore(ignore, self.label_dtype)
        return make_remap(self.dataset, self.label_maps, self.label_dtype, ignore, io)

    # ---- reading -----------------------------------------------------------------------------

    def read(
        self,
        index: Index,
        origin: Origin | None = None,
        symmetry: Index | None = None,
        out: np.ndarray | tuple[np.ndarray | None, ...] | None = None,
    ) -> B:
        """Return a batch: the patches of ``index``, in that order.

        Parameters
        ----------
        index : int, sequence of int, ndarray or tensor
            Patch numbers in any order; repeats are allowed, and negative numbers count from the
            end.
        origin : (row, col), or array (sample, 2), optional
            The first pixel of each window in the stored patch.  By default the window is centered
            on the valid window.
        symmetry : int, or array (sample,), optional
            0 to 7: ``np.rot90(np.fliplr(x) if s >= 4 else x, s % 4)`` on (row, col) of image, label
            and mask.  Odd numbers are quarter turns and need a square size.
        out : Batch, (image, label), or ndarray, optional
            The arrays to fill, such as `allocate` returns; with ``valid=True`` a `MaskedBatch`.

        Returns
        -------
        Batch, MaskedBatch or dict
            New arrays, or those of ``out`` with a new ``index``; the caller owns them.  A dict if
            the reader has ``keys``.

        Raises
        ------
        RequestError, IndexError
            If an argument is wrong.  Arguments are validated before ``out`` is written.
        TruncatedError, OSError
            If a file has become shorter, cannot be read, or was written to.  Do not use ``out``
            then.

        Notes
        -----
        Threads may share a reader, but not an ``out``.
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
        read: Any = make_batch(image, label, index, valid)
        if self.batch_keys is not None:
            read = self.batch_keys.name(read, index)
        return read  # type: ignore[no-any-return]  # B is a dict then

    def prefetch(self, index: Index, origin: Origin | None = None) -> None:
        """Start loading the pages that `read` needs into memory, and return at once.

        The system loads them in the background and keeps them as long as memory allows.  Pages that
        are in memory already cost next to nothing.  Some 500,000 windows may wait for the system;
        of more, those that have waited longest are forgotten, and `read` loads them.

        Parameters
        ----------
        index, origin
            As in `read`, with the same errors.
        """
        index = parse_index(index, self._n_patches)
        origin = self._origin if origin is None else parse_origin(origin, len(index))
        stored_index = self.dataset.stored_index(index) if self._is_subset else index
        try:
            kernels.prefetch(self._plans, stored_index, origin, *self.size)
        except ValueError as error:
            raise request_error(error) from None

    @overload
    def allocate(self: "Reader[dict[str, Any]]", n: int) -> Batch[np.ndarray, Any]: ...
    @overload
    def allocate(self, n: int) -> B: ...

    def allocate(self, n: int) -> Any:
        """Return an uninitialized batch that `read` takes as ``out``; also with ``keys`` no dict.

        Parameters
        ----------
        n : int
            The number of samples.

        Returns
        -------
        Batch or MaskedBatch
            New arrays, aligned to cache lines of 64 bytes.  ``index`` is zeros, and stays so.
        """
        if not hasattr(n, "__index__") or operator.index(n) < 0:
            raise RequestError(f"n={n!r}; n must be a whole number, 0 or more")
        image, label, valid = self._allocate(n)
        return make_batch(image, label, np.zeros(n, np.int64), valid)

    # ---- settings ----------------------------------------------------------------------------

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings by name; ``ds.reader(**reader.settings)`` is an equal reader."""
        return types.MappingProxyType(self._settings)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The float32 factor and summand of each band: a pixel is ``x * factor + summand``.

        Both are (band,).  None if numbers are read as stored.
        """
        if self._factors is None:
            return None
        factors, summands = self._factors
        return np.array(factors, np.float32), np.array(summands, np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, description(self)

    def _init_reader(self, *args: Any, **settings: Any) -> None:
        """Do what a reader does when it is made; a subclass may take other arguments."""
        Reader.__init__(self, *args, **settings)

    def _read_in_worker(self, index: Index) -> B:
        return worker_reader(self).read(index)

    @property
    def _index_key(self) -> str | None:
        return None if self.batch_keys is None else self.batch_keys.names.get("index")

    def __repr__(self) -> str:
        """Return what is read in one line, and the settings below it."""
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        shapes = f"{len(self):,} patches: {self.image_shape} {self.dtype}"
        head = f"<cloudio.Reader of {shapes}, bands {', '.join(self.bands)}{labels}>"
        return f"{text.escape_controls(head)}\n{tables.text(self._setting_rows())}"

    def _repr_html_(self) -> str:
        """Return the same as HTML."""
        title = f"cloudio.Reader of {len(self):,} patches"
        image = "image", f"{self.image_shape} {self.dtype}"
        rows = [image, ("bands", ", ".join(self.bands)), *self._setting_rows()]
        return f"<div><strong>{escape(title)}</strong>\n{tables.html(rows, header=False)}</div>"

    def _setting_rows(self) -> list[tuple[str, str]]:
        """Return a row for each setting that the shapes do not show."""
        ds = self.dataset
        rows = options.describe_settings(self._settings, self.label_maps, self.policies)
        return [*rows, ("data set", f"{ds.layout.name} at {ds.path}, io {ds.io}")]


def check_reader(reader: Any) -> None:
    """Raise RequestError unless that is a Reader."""
    if not isinstance(reader, Reader):
        raise RequestError(
            f"reader is a {type(reader).__name__}; it must be a Reader, as ds.reader(...) returns"
        )
    if type(reader).__getitem__ is not SampleAccess.__getitem__:
        name = type(reader).__name__
        warn_once(
            ("__getitem__ of a subclass", type(reader)),
            f"{name} overrides __getitem__, which loaders and cloudio.torch.Dataset do not call: "
            "they read whole batches. Override read, or pass transform= to a loader",
        )
