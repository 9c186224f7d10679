"""The number of patches of a split, and the types of its arrays.

A .npy file has both in its header; for a flat file they follow from the size.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._utils.text import counted
from ..layouts.layout import Layout
from .arrays import ArrayFile
from .errors import FileProblem
from .inspection import (
    InspectedFile,
    likely_sizes,
    missing_patches,
    repeat_hint,
    shape_problem,
)


def infer_arrays(
    files: Sequence[InspectedFile], layout: Layout, n_rows: int, csv: Path
) -> tuple[int, dict[str, ArrayFile], list[FileProblem]]:
    """Return the number of patches, the arrays, and why files do not fit the others.

    ``n_rows`` of ``csv`` outweigh headers, and headers outweigh sizes.  ``n_rows`` is 0 if there
    are no rows; the number of patches is 0 if it is unknown.
    """
    odd = {file.path: reason for file in files if (reason := _odd_shape(file, layout))}
    problems = [file.problem("shape", odd[file.path]) for file in files if file.path in odd]
    files = [file for file in files if file.path not in odd]
    if not files:
        return 0, {}, problems
    n_patches, source = _n_patches(files, layout, n_rows, csv)
    if not n_patches:
        return 0, {}, [*problems, _no_patch(files[0], layout)]
    found: dict[str, ArrayFile] = {}
    for file in files:
        arrays = _arrays(file, layout, n_patches, source)
        if isinstance(arrays, FileProblem):
            problems.append(arrays)
        else:
            found |= arrays
    return n_patches, found, problems


def _odd_shape(file: InspectedFile, layout: Layout) -> str | None:
    if file.header is None:
        return None
    for band in file.bands.values():  # which may have other phases, and so need other pixels
        if problem := shape_problem(file.header.shape, layout, band):
            return problem
    return None if file.header.shape[0] else f"has shape {file.header.shape}: no patches"


def _n_patches(
    files: Sequence[InspectedFile], layout: Layout, n_rows: int, csv: Path
) -> tuple[int, str]:
    """Return the number of patches, and a clause that says what it follows from."""
    if n_rows:
        return n_rows, f"{csv.name} has {counted(n_rows, 'row')}"
    for file in files:
        if file.header is not None:
            n = file.header.shape[0]
            return n, f"{file.path.name} has {counted(n, 'patch')}"
    n_patches = _n_patches_by_size(files, layout)
    agreed = sum(file.fits(n_patches, layout) for file in files)
    have = f"file{'' if len(files) == 1 else 's'} {'has' if agreed == 1 else 'have'}"
    return n_patches, f"{agreed} of {len(files)} {have} {counted(n_patches, 'patch')}"


def _n_patches_by_size(files: Sequence[InspectedFile], layout: Layout) -> int:
    """Return the number of patches that all flat files allow, or else most of them; 0 for none.

    If several numbers are possible, it is the one by which most files have the layout's types;
    files that the layout does not know count last.
    """
    known: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    for file in files:
        n, rest = divmod(file.size, file.n_bytes(1, layout, file.dtypes[0]))
        if n and not rest:
            (unknown if file.band is None else known)[n] += 1

    def rank(n: int) -> tuple[bool, int, int]:
        return all(file.fits(n, layout) for file in files), known[n], unknown[n]

    return max(known | unknown, key=rank, default=0)


def _no_patch(file: InspectedFile, layout: Layout) -> FileProblem:
    needed = file.n_bytes(1, layout, file.dtypes[0])
    height, width = layout.stored_size(file.band)
    return file.problem(
        "cut" if file.size < needed else "too-long",
        f"holds {file.size:,} bytes, and no file here holds a whole number of "
        f"patches of {height} x {width}; a patch of {file.dtypes[0]}"
        f"{_stack(file)} has {needed:,} bytes",
    )


def _arrays(
    file: InspectedFile, layout: Layout, n_patches: int, source: str
) -> dict[str, ArrayFile] | FileProblem:
    if file.header is not None:
        shape = file.header.shape
        if shape[0] == n_patches:
            return file.arrays(shape, file.header.dtype, file.header.start, layout)
        kind, missing = missing_patches(shape[0], n_patches, n_patches)
        reason = f"has shape {shape}, so {counted(shape[0], 'patch')}, but {source}"
        reason += _header_hint(shape[0] - n_patches, source)
        return file.problem(kind, reason, missing)
    fitting = {file.n_bytes(n_patches, layout, dtype): dtype for dtype in file.dtypes}
    if file.size in fitting:
        dtype = np.dtype(np.dtype(fitting[file.size]).newbyteorder("<").str)
        return file.arrays(file.shape(n_patches, layout), dtype, 0, layout)
    kind, missing = missing_patches(file.size, min(fitting), n_patches)
    (first, name), *more = fitting.items()
    sizes = f"{first:,} bytes ({name})" + "".join(f" or {n:,} ({dtype})" for n, dtype in more)
    height, width = layout.stored_size(file.band)
    return file.problem(
        kind,
        f"holds {file.size:,} bytes, but {source}, and {counted(n_patches, 'patch')} of "
        f"{height} x {width}{_stack(file)} "
        f"{'is' if n_patches == 1 else 'are'} {sizes}"
        f"{_header_hint(file.size / file.n_bytes(1, layout, file.dtypes[0]) - n_patches, source)}"
        f"{_size_hint(file, layout, n_patches)}",
        missing,
    )


def _header_hint(n_more: float, source: str) -> str:
    """Return why there is one patch more than rows: metadata.csv may have no header."""
    if n_more != 1 or ".csv has " not in source:
        return ""
    csv = source.partition(" has ")[0]
    return f". If the first line of {csv} is a row too, write the names of its columns above it"


def _size_hint(file: InspectedFile, layout: Layout, n_patches: int) -> str:
    """Return what a flat file may hold whose size is that of patches with another repeat."""
    for sides in likely_sizes(layout, file.band):
        n_pixels = n_patches * (file.channels or 1) * sides[0] * sides[1]
        if file.size in [n_pixels * np.dtype(dtype).itemsize for dtype in file.dtypes]:
            hint = repeat_hint(sides, layout, file.band)
            return f". {hint}" if hint else ""
    return ""


def _stack(file: InspectedFile) -> str:
    return "" if file.channels is None else f" in {file.channels} channels"


def find_ambiguity(files: Sequence[InspectedFile], layout: Layout, n_patches: int) -> str | None:
    """Return a sentence about what else flat files may hold by their sizes, or None.

    That is half as many patches of types twice as wide, such as bands scaled to float32.
    """
    half, rest = divmod(n_patches, 2)
    if rest or any(file.header is not None or not file.fits(half, layout) for file in files):
        return None
    types = {
        dtype
        for file in files
        for dtype in file.dtypes
        if file.size == file.n_bytes(half, layout, dtype)
    }
    return (
        f"the files are read as {counted(n_patches, 'patch')}, but their sizes also fit "
        f"{counted(half, 'patch')} of {' and '.join(sorted(types))}"
    )
