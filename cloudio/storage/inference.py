"""What the files of a split hold: types, shapes and the number of patches.

A .npy file says so in its header; of a flat one it follows from the size.  Which files are there
is discovery.py's to find.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LayoutError
from ..layouts.band import Band
from ..layouts.layout import Layout
from .files import file_size
from .npy import Header, HeaderSizeError, read_header

# What else an array of a type may be stored as: labels of two bytes, bands already scaled.
_STORED_AS = {"uint8": ("uint8", "int16"), "int16": ("int16", "float32"), "float32": ("float32",)}
# A flat file that the layout does not know tells its type by its size alone.
_UNKNOWN_AS = ("int16", "uint8", "float32")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Why a data set is refused: ``error`` is what `cloudio.open` raises.

    ``kind`` says what is wrong with the file or folder ``path``: one of the checks in
    verification/report.py.  ``patches`` are those that it does not hold whole; ``arrays`` those
    that it was to hold.
    """

    kind: str
    path: Path
    error: LayoutError | OSError
    patches: range = range(0)
    arrays: tuple[str, ...] = ()
    split: str = ""


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """One array of one split: its file, and the type and shape of what is in that.

    ``shape`` is (patch, row, column), or (patch, channel, row, column) of which the array is one
    ``channel``; ``start`` is where the first pixel is, in bytes.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int = 0
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """A file of a split, and the arrays in it: their rows of the layout, which agree on the file.

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
    def dtypes(self) -> tuple[str, ...]:
        """The types a flat file may be of, the layout's own first."""
        band = self.band
        return _UNKNOWN_AS if band is None else _STORED_AS.get(band.dtype, (band.dtype,))

    def n_bytes(self, n_patches: int, layout: Layout, dtype: str) -> int:
        height, width = layout.patch
        return n_patches * (self.channels or 1) * height * width * np.dtype(dtype).itemsize

    def allows(self, n_patches: int, layout: Layout) -> bool:
        """Whether a flat file can hold so many patches."""
        return any(self.size == self.n_bytes(n_patches, layout, dtype) for dtype in self.dtypes)

    def arrays(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], start: int
    ) -> dict[str, ArrayFile]:
        return {
            name: ArrayFile(
                self.path,
                dtype,
                shape,
                start,
                None if len(shape) == 3 else (band.channel or 0) if band else 0,
            )
            for name, band in self.bands.items()
        }


def inspect_file(path: Path, bands: Mapping[str, Band | None]) -> InspectedFile | FileProblem:
    """A file of a data set, or why it is none."""
    try:
        header = read_header(path) if path.suffix.lower() == ".npy" else None
        return InspectedFile(
            path, bands, header, file_size(path) if header is None else header.size
        )
    except HeaderSizeError as error:
        held = error.header.size - error.header.start
        needed = math.prod(error.header.shape) * error.header.dtype.itemsize
        kind, patches = _lacking(held, needed, (*error.header.shape, 1)[0])
        return FileProblem(kind, path, error, patches, tuple(bands))
    except (LayoutError, OSError) as error:
        return FileProblem("unreadable", path, error, arrays=tuple(bands))


def _lacking(held: int, needed: int, n_patches: int) -> tuple[str, range]:
    """What a file of another size is, and which patches it does not hold whole."""
    if held > needed:
        return "too-long", range(0)
    return "cut", range(max(held, 0) * n_patches // needed, n_patches)


def shape_problem(
    shape: tuple[int, ...], layout: Layout, channels: int | None = None
) -> str | None:
    """What to say of a .npy file whose shape the layout does not have.

    A stack of one channel is the array itself, and the other way round.
    """
    tails = [layout.patch] if channels in (None, 1) else []
    if shape[1:] in [*tails, (channels or 1, *layout.patch)]:
        return None
    sides = ", ".join(map(str, layout.patch))
    needed = f"(patches, {sides})" if channels is None else f"(patches, {channels}, {sides})"
    stacked = channels is None and len(shape) == 4 and shape[2:] == layout.patch
    hint = ", or the array's channel and channels" if stacked else ""
    return f"has shape {shape}; {layout.name} needs {needed}{hint}"


def infer_arrays(
    files: Sequence[InspectedFile], layout: Layout, n_rows: int, csv: Path
) -> tuple[int, dict[str, ArrayFile], list[FileProblem]]:
    """The number of patches, the arrays, and why files are left out that do not fit the others.

    ``n_rows`` of ``csv`` outweigh headers, and these outweigh sizes; 0 where there are none, and
    so is the number of patches where nothing tells it.
    """
    odd = {file.path: what for file in files if (what := _odd_shape(file, layout))}
    faults = [
        _fault("shape", file, f"{file.path} {odd[file.path]}") for file in files if file.path in odd
    ]
    files = [file for file in files if file.path not in odd]
    flat = [file for file in files if file.header is None]
    headed = [(file, file.header) for file in files if file.header is not None]
    if n_rows:
        n_patches, by = n_rows, f"the rows of {csv.name}"
    elif headed:
        n_patches, by = headed[0][1].shape[0], f"the header of {headed[0][0].path.name}"
    elif flat:
        n_patches = _n_patches(flat, layout)
        agreed = sum(file.allows(n_patches, layout) for file in flat)
        by = f"{agreed} of {len(flat)} files"
    else:
        return 0, {}, faults
    if not n_patches:
        return 0, {}, [*faults, _no_patch(flat[0], layout)]

    found: dict[str, ArrayFile] = {}
    for file in files:
        arrays = _arrays(file, layout, n_patches, by)
        if isinstance(arrays, FileProblem):
            faults.append(arrays)
        else:
            found |= arrays
    return n_patches, found, faults


def _odd_shape(file: InspectedFile, layout: Layout) -> str | None:
    if file.header is None:
        return None
    if fault := shape_problem(file.header.shape, layout, file.channels):
        return fault
    return None if file.header.shape[0] else f"has shape {file.header.shape}: no patches"


def _fault(kind: str, file: InspectedFile, message: str, patches: range = range(0)) -> FileProblem:
    return FileProblem(kind, file.path, LayoutError(message), patches, tuple(file.bands))


def _arrays(
    file: InspectedFile, layout: Layout, n_patches: int, by: str
) -> dict[str, ArrayFile] | FileProblem:
    if file.header is not None:
        shape = file.header.shape
        if shape[0] != n_patches:
            kind, lacking = _lacking(shape[0], n_patches, n_patches)
            there = f"{file.path} has shape {shape}; there are {n_patches:,} patches, by {by}"
            return _fault(kind, file, there, lacking)
        return file.arrays(shape, file.header.dtype, file.header.start)
    fitting = {file.n_bytes(n_patches, layout, dtype): dtype for dtype in file.dtypes}
    if file.size not in fitting:
        fit = " or ".join(f"{n:,} ({dtype})" for n, dtype in fitting.items())
        stack = "" if file.channels is None else f" in {file.channels} channels"
        kind, lacking = _lacking(file.size, min(fitting), n_patches)
        return _fault(
            kind,
            file,
            f"{file.path} holds {file.size:,} bytes; {n_patches:,} patches of "
            f"{layout.patch[0]} x {layout.patch[1]}{stack}, by {by}, need {fit}",
            lacking,
        )
    dtype = np.dtype(np.dtype(fitting[file.size]).newbyteorder("<").str)
    stacked = () if file.channels is None else (file.channels,)
    return file.arrays((n_patches, *stacked, *layout.patch), dtype, 0)


def _n_patches(files: Sequence[InspectedFile], layout: Layout) -> int:
    """The number of patches that all files allow, or as many as can be; 0 where none holds any.

    Of several, the one by which most files are stored as the layout says; files that it does not
    know count last.
    """
    known: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    for file in files:
        n, rest = divmod(file.size, file.n_bytes(1, layout, file.dtypes[0]))
        if n and not rest:
            (unknown if file.band is None else known)[n] += 1

    def rank(n: int) -> tuple[bool, int, int]:
        return all(file.allows(n, layout) for file in files), known[n], unknown[n]

    return max(known | unknown, key=rank, default=0)


def _no_patch(first: InspectedFile, layout: Layout) -> FileProblem:
    stack = "" if first.channels is None else f" in {first.channels} channels"
    needed = first.n_bytes(1, layout, first.dtypes[0])
    return _fault(
        "cut" if first.size < needed else "too-long",
        first,
        f"{first.path} holds {first.size:,} bytes, and no file here holds a whole number of "
        f"patches of {layout.patch[0]} x {layout.patch[1]}: one of {first.dtypes[0]}{stack} "
        f"needs {needed:,}",
    )


def find_ambiguity(files: Sequence[InspectedFile], layout: Layout, n_patches: int) -> str | None:
    """What else files may hold that have nothing but their sizes to tell, as a sentence.

    Half as many patches of types twice as wide, as of bands that somebody has scaled.
    """
    half, rest = divmod(n_patches, 2)
    if rest or any(file.header is not None or not file.allows(half, layout) for file in files):
        return None
    types = {
        dtype
        for file in files
        for dtype in file.dtypes
        if file.size == file.n_bytes(half, layout, dtype)
    }
    return (
        f"taken for {n_patches:,} patches by the sizes of the files, which {half:,} of "
        f"{' and '.join(sorted(types))} would have too"
    )
