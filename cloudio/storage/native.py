"""The files beside an array of lower resolution: its phases, and the patches that are stored whole.

Only their headers are read here.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import LayoutError
from ..layouts.band import Band
from ..layouts.layout import Layout
from .arrays import ArrayFile, Native
from .errors import FileProblem
from .headers.npy import read_header
from .listing import FolderFiles
from .phases import PhaseFile


def add_tables(
    arrays: Mapping[str, ArrayFile], files: FolderFiles, layout: Layout, split: str, n_patches: int
) -> tuple[dict[str, ArrayFile], list[FileProblem]]:
    """Return the arrays with what their repeats need, and why others are left out."""
    complete: dict[str, ArrayFile] = {}
    problems: list[FileProblem] = []
    for name, array in arrays.items():
        band = layout.band(name)
        if band is None or not band.is_native:
            complete[name] = array
            continue
        try:
            native = _native(array, band, files, layout, split, n_patches)
            complete[name] = replace(array, native=native)
        except (LayoutError, OSError) as error:
            path = getattr(error, "path", None) or array.path
            problems.append(FileProblem("phases", path, error, arrays=(name,)))
    return complete, problems


def _native(
    array: ArrayFile, band: Band, files: FolderFiles, layout: Layout, split: str, n_patches: int
) -> Native:
    phase: tuple[int, int] | PhaseFile
    exceptions = None
    if band.phases is not None:
        phase = band.phases
    else:
        table = _one_file(band, "phase", band.phase_pattern, files, layout)
        if table is None:
            raise _unmatched(band, "phase", "nothing", files, layout)
        phase = PhaseFile.inspect(table, band.repeats, n_patches, split)
        exceptions, why_none = _exceptions(array, band, files, layout)
        n = 0 if exceptions is None else exceptions.shape[0]
        phase = replace(phase, n_exceptions=n, no_exceptions=why_none)
    return Native(band.repeats, layout.patch, layout.valid, phase, exceptions)


def _exceptions(
    array: ArrayFile, band: Band, files: FolderFiles, layout: Layout
) -> tuple[ArrayFile | None, str]:
    """Return the exceptions of an array, or None and why there are none."""
    if band.exceptions_pattern is None:
        return None, f"the layout has no exceptions for {band.name}"
    path = _one_file(band, "exceptions", band.exceptions_pattern, files, layout)
    if path is None:
        return None, f"no file in {files.folder} matches exceptions = {band.exceptions!r}"
    header = read_header(path)
    height, width = layout.patch
    if header.shape[1:] != layout.patch:
        reason = f"has shape {header.shape}; exceptions must be (exception, {height}, {width})"
        raise LayoutError.about(path, reason)
    if header.dtype != array.dtype:
        reason = f"is {header.dtype}; it must be {array.dtype}, as {array.path.name} is"
        raise LayoutError.about(path, reason)
    if not header.shape[0]:
        return None, f"{path} has none"
    return ArrayFile(path, header.dtype, header.shape, header.start), ""


def _one_file(
    band: Band, key: str, pattern: str | None, files: FolderFiles, layout: Layout
) -> Path | None:
    """Return the file that matches a pattern, if there is one; LayoutError if there are several."""
    found = files.tables.get(pattern or "", [])
    if len(found) > 1:
        what = " and ".join(path.relative_to(files.folder).as_posix() for path in found[:2])
        raise _unmatched(band, key, what, files, layout)
    return found[0] if found else None


def _unmatched(band: Band, key: str, what: str, files: FolderFiles, layout: Layout) -> LayoutError:
    given = getattr(band, key)
    return LayoutError(
        f"{layout.where(band.name, key)}{key} = {given!r} of {band.name} matches {what} in "
        f"{files.folder}; it must match exactly one file",
        path=files.folder / str(given).replace("{name}", band.name),
    )
