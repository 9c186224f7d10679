"""One file of a split by its first bytes and its size: what it may hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LayoutError
from ..layouts.band import Band
from ..layouts.layout import Layout
from .arrays import ArrayFile
from .errors import FileProblem
from .files import file_size
from .headers.formats import OtherFormatError, format_of, other_format_error, refuse_other_formats
from .headers.npy import Header, HeaderSizeError, read_header

# The types that an array of a type may be stored as: labels of two bytes, bands already scaled.
_STORED_AS = {"uint8": ("uint8", "int16"), "int16": ("int16", "float32"), "float32": ("float32",)}
# The possible types of a flat file that the layout does not know.
_UNKNOWN_AS = ("int16", "uint8", "float32")
# Of bands of satellites against their finest ones: 20 m and 60 m against 10 m, 30 m against 15 m.
_USUAL_REPEATS = (2, 3, 4, 6)


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """A file of a split, and its arrays: their rows of the layout, which agree on the file.

    ``header`` is that of a .npy file; ``size`` is in bytes.
    """

    path: Path
    bands: Mapping[str, Band | None]
    header: Header | None
    size: int

    @property
    def band(self) -> Band | None:
        return next(iter(self.bands.values()))

    @property
    def channels(self) -> int | None:
        return None if self.band is None else self.band.channels

    @property
    def channels_last(self) -> bool:
        return self.band is not None and self.band.channel_axis == "last"

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The possible types of a flat file, the layout's own first."""
        band = self.band
        return _UNKNOWN_AS if band is None else _STORED_AS.get(band.dtype, (band.dtype,))

    def n_bytes(self, n_patches: int, layout: Layout, dtype: str) -> int:
        """Return the size of a flat file of ``n_patches`` of a type."""
        height, width = layout.stored_size(self.band)
        return n_patches * (self.channels or 1) * height * width * np.dtype(dtype).itemsize

    def fits(self, n_patches: int, layout: Layout) -> bool:
        """Return whether a flat file can hold ``n_patches``."""
        return any(self.size == self.n_bytes(n_patches, layout, dtype) for dtype in self.dtypes)

    def arrays(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], start: int, layout: Layout
    ) -> dict[str, ArrayFile]:
        """Return the arrays by name, of a file whose elements have this shape and type."""

        def channel(band: Band | None) -> int | None:
            if len(shape) == 3:
                return None
            return (band.channel or 0) if band else 0

        last = len(shape) == 4 and self.channels_last
        if len(shape) == 4 and self.channels in (None, 1):  # which may be on either side
            last = shape[1:3] in stored_sizes(layout, self.band)
        return {
            name: ArrayFile(self.path, dtype, shape, start, channel(band), last)
            for name, band in self.bands.items()
        }

    def shape(self, n_patches: int, layout: Layout) -> tuple[int, ...]:
        """Return the shape of a file of ``n_patches``."""
        size = layout.stored_size(self.band)
        if self.channels is None:
            return n_patches, *size
        sides = (*size, self.channels) if self.channels_last else (self.channels, *size)
        return n_patches, *sides

    def problem(self, kind: str, reason: str, patches: range = range(0)) -> FileProblem:
        """Return why the file is left out, if it is not in another format."""
        if self.header is None and (found := format_of(self.path)):
            error: LayoutError = other_format_error(self.path, found)
            return FileProblem("format", self.path, error, arrays=tuple(self.bands))
        error = LayoutError.about(self.path, reason)
        return FileProblem(kind, self.path, error, patches, tuple(self.bands))


def inspect_file(
    path: Path, bands: Mapping[str, Band | None], header: Header | None = None
) -> InspectedFile | FileProblem:
    """Return what is known of a file, or why it is refused.

    ``header``: that of a .npy file, where it has been read before.
    """
    try:
        if header is None and path.suffix.lower() == ".npy":
            header = read_header(path)
        size = file_size(path) if header is None else header.size
        if header is None:
            refuse_other_formats(path)
        return InspectedFile(path, bands, header, size)
    except HeaderSizeError as error:
        found = error.header
        kind, patches = missing_patches(
            found.size - found.start, found.needed - found.start, (*found.shape, 1)[0]
        )
        return FileProblem(kind, path, error, patches, tuple(bands))
    except OtherFormatError as error:
        return FileProblem("format", path, error, arrays=tuple(bands))
    except (LayoutError, OSError) as error:
        return FileProblem("unreadable", path, error, arrays=tuple(bands))


def missing_patches(held: int, needed: int, n_patches: int) -> tuple[str, range]:
    """Return the problem of a file of another size, and the patches that it lacks or cuts."""
    if held > needed:
        return "too-long", range(0)
    return "cut", range(max(held, 0) * n_patches // needed, n_patches)


def shape_problem(shape: tuple[int, ...], layout: Layout, band: Band | None = None) -> str | None:
    """Return the message for a .npy file whose shape an array of the layout does not have, or None.

    A stack of one channel is the same as the array itself, on whichever side the channel is.
    """
    channels = None if band is None else band.channels
    last = band is not None and band.channel_axis == "last"
    sizes = stored_sizes(layout, band)
    stacks = [(*size, channels or 1) if last else (channels or 1, *size) for size in sizes]
    if shape[1:] in stacks:
        return None
    if channels in (None, 1) and any(shape[1:] in (size, (1, *size), (*size, 1)) for size in sizes):
        return None
    patch, stack = sizes[0], stacks[0]
    sides = ", ".join(map(str, patch if channels is None else stack))
    hint = ""
    if channels is None and len(shape) == 4 and patch in (shape[2:], shape[1:3]):
        axis = "" if shape[2:] == patch else ' and channel_axis = "last"'
        hint = f", or the array's channel and channels (stacked = true{axis})"
    remedy = "" if hint else _shape_remedy(shape, patch, channels, last)
    remedy = remedy or repeat_hint(shape[1:], layout, band)
    needed = f"has shape {shape}; {layout.name} needs (patches, {sides}){hint}"
    return f"{needed}. {remedy}" if remedy else needed


def stored_sizes(layout: Layout, band: Band | None) -> list[tuple[int, int]]:
    """Return the rows and columns that a .npy file may store of each patch.

    Where all patches have one phase, pixels that only another phase needs may be left out.
    """
    size = layout.stored_size(band)
    if band is None or not band.is_native or band.phases is None:
        return [size]
    valid, phases, repeats = layout.valid.size, band.phases, band.repeats
    rows, cols = (-(-(valid[k] + phases[k]) // repeats[k]) for k in (0, 1))
    return [(rows, cols), size]


def repeat_hint(sides: tuple[int, ...], layout: Layout, band: Band | None) -> str:
    """Return which repeat patches of other sides may have; "" if none is likely."""
    name = "it" if band is None else band.name
    if band is not None and band.is_native:
        given = [*band.repeats] if isinstance(band.repeat, tuple) else band.repeat
        if layout.patch in (sides[-2:], sides[:2]):
            height, width = layout.patch
            return (
                f"These are whole patches of {height} x {width}, but the layout says repeat = "
                f"{given}: leave repeat out for {name}"
            )
        few = stored_sizes(layout, _in_one_phase(band))[0]
        if few in (sides[-2:], sides[:2]):
            rows, cols = layout.stored_size(band)
            return (
                f"{few[0]} x {few[1]} is the size for phase = 0 in a .npy file; a flat file, or "
                f"one with a phase for each patch, has {rows} x {cols} for repeat = {given}"
            )
    for repeat, sizes in _usual_sizes(layout, band):
        if sides[-2:] in sizes:
            return f"If each pixel covers {repeat} x {repeat} of a patch, write repeat = {repeat}"
    return ""


def likely_sizes(layout: Layout, band: Band | None) -> list[tuple[int, int]]:
    """Return the rows and columns of patches of which `repeat_hint` may say something."""
    own = stored_sizes(layout, _in_one_phase(band)) if band is not None and band.is_native else []
    usual = [size for _, sizes in _usual_sizes(layout, band) for size in sizes]
    return [layout.patch, *own, *usual]


def _usual_sizes(layout: Layout, band: Band | None) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield usual repeats, and the rows and columns that patches then may have."""
    for repeat in _USUAL_REPEATS:
        if all(side >= repeat for side in layout.valid.size):
            finer = replace(_in_one_phase(band or Band("x")), repeat=repeat)
            yield repeat, stored_sizes(layout, finer)


def _in_one_phase(band: Band) -> Band:
    return replace(band, phase=0, exceptions=None)


def _shape_remedy(
    shape: tuple[int, ...], patch: tuple[int, int], channels: int | None, last: bool
) -> str:
    """Return what an array of another shape is likely to be, and what to do; else ""."""
    again = "numpy.save(path, numpy.ascontiguousarray({}))"
    one_patch = "It is one patch; one file holds all patches of a split: numpy.stack them"
    n = channels or 1
    if shape in (patch, (n, *patch), (*patch, n)) and (channels or len(shape) == 2):
        moved = " after numpy.moveaxis(patch, {}, {})"
        if shape == (*patch, n) and not last:
            return f"{one_patch},{moved.format(-1, 0)}"
        if shape == (n, *patch) and last:
            return f"{one_patch},{moved.format(0, -1)}"
        return one_patch
    if len(shape) == 4 and channels is not None:
        number = "" if channels in shape[1::2] else ", and channels = {}"
        if shape[1:3] == patch and not last:
            axis = 'Its channels are last: write channel_axis = "last" for it in the layout'
            return axis + number.format(shape[3])
        if shape[2:] == patch and last:
            axis = 'Its channels are first: leave channel_axis = "last" out of the layout'
            return axis + number.format(shape[1])
    if len(shape) == 3 and shape[:2] == patch:
        how = again.format("numpy.moveaxis(array, -1, 0)")
        return f"Its patches or channels are last; save it with these first: {how}"
    if len(shape) in (3, 4) and shape[-2:] == patch[::-1] and shape[-2:] != patch:
        how = again.format("numpy.swapaxes(array, -1, -2)")
        return f"Rows and columns may be exchanged; if so, save it again: {how}"
    return ""
