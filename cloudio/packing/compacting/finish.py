"""The end of a run of `compact`: phases, exceptions, metadata and the layout."""

import errno
import glob
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..._utils.files import read_errors
from ..._utils.paths import exists
from ...errors import RequestError, error_reason, write_error
from ...layouts.band import Band
from ...layouts.band_checks import stored_as
from ...layouts.layout import Layout
from ...reading.dataset import open_partial
from ...verification.repetition.phases import Pair
from ..running.disk import check_room
from ..running.finish import write_layout
from ..running.state import FINISHING
from ..running.unfinished import appear, data_folder
from .files import Inputs
from .source import SourceArray, SourceFile, SourceSet
from .state import EXCEPTION, CompactState
from .worker import as_phases, valid_part


def finish(
    dest: Path,
    source: SourceSet,
    state: CompactState,
    inputs: Inputs,
    digest: str,
    n_workers: int,
) -> None:
    """Make what has been written the data set ``dest``.

    A run that is ended here is resumed here: each step may be done again.  ``digest``: that of the
    source when the run began.
    """
    folder = data_folder(dest)
    if FINISHING not in state.phases:
        state.begin(FINISHING)
    for split in source.ds.stored_splits:
        (folder / split.name).mkdir(exist_ok=True)
        if exists(split.csv):
            _copy(split.csv, folder / split.name / "metadata.csv")
    for file in source.files:
        for path, name in file.beside:
            _copy(path, folder / file.split / name)
    for name, repeat in state.choice.items():
        if repeat is not None:
            _write_phases(folder, source.arrays[name], repeat, state)
    _write_exceptions(folder, source, state, inputs, n_workers)
    write_layout(folder, make_layout(source, state))
    _check(folder, source.ds.layout)
    if source.digest() != digest:
        raise RequestError(
            f"files of {source.ds.path} were changed while it was compacted; remove "
            f"{folder.parent} and begin anew",
            path=source.ds.path,
        )
    appear(dest)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with read_errors(path):
        size = os.stat(path).st_size
    check_room(size, target.parent)
    shutil.copyfile(path, target)


def _check(folder: Path, layout: Layout) -> None:
    """Open the data set as users will open it; WriteError if that is impossible."""
    ds, _, problems = open_partial(folder)
    with ds:
        for problem in problems:
            reason = f"cannot be opened after it was written: {error_reason(problem.error)}"
            raise write_error(errno.EIO, reason, folder)
    assert ds.layout.valid == layout.valid


# ---- phases and exceptions -----------------------------------------------------------------------


def phase_of(array: SourceArray, repeat: Pair, state: CompactState) -> Pair | None:
    """Return the phase that all patches of an array have; None if they differ."""
    places = {
        int(p) for split in array.n_patches for p in np.unique(state.places[split, array.name])
    }
    if len(places) != 1 or (place := places.pop()) == EXCEPTION:
        return None
    return divmod(place, repeat[1])


def exceptions_of(array: SourceArray, state: CompactState) -> dict[str, list[int]]:
    """Return the patches of each split that are no repetition, where there are any."""
    found = {
        split: np.flatnonzero(state.places[split, array.name] == EXCEPTION).tolist()
        for split in array.n_patches
    }
    return {split: numbers for split, numbers in found.items() if numbers}


def _write_phases(folder: Path, array: SourceArray, repeat: Pair, state: CompactState) -> None:
    if phase_of(array, repeat, state) is not None:
        return
    for split in array.n_patches:
        path = folder / split / "phases" / f"{array.safe}.npy"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            np.save(file, as_phases(state.places[split, array.name], repeat))


def _write_exceptions(
    folder: Path, source: SourceSet, state: CompactState, inputs: Inputs, n_workers: int
) -> None:
    todo, n_bytes = [], 0
    for file in source.files:
        for name in file.arrays:
            if state.choice[name] is None:
                continue
            if numbers := exceptions_of(source.arrays[name], state).get(file.split, []):
                todo.append((file, name, numbers))
                n_bytes += len(numbers) * source.arrays[name].patch_bytes
    check_room(n_bytes, folder)
    write = partial(_write_some, folder, source, inputs)
    with ThreadPoolExecutor(n_workers, thread_name_prefix="cloudio-compact") as threads:
        for _ in threads.map(write, todo):
            pass


def _write_some(
    folder: Path, source: SourceSet, inputs: Inputs, which: tuple[SourceFile, str, list[int]]
) -> None:
    """Write patches of one array whole, with 0 outside the valid window."""
    file, name, numbers = which
    array, layout = source.arrays[name], source.layout
    path = folder / file.split / "exceptions" / f"{array.safe}.npy"
    path.parent.mkdir(exist_ok=True)
    dtype = np.dtype(array.band.dtype).newbyteorder("<")
    shape = (len(numbers), *layout.patch)
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with open(path, "wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for k in numbers:
            patch = inputs.patch(file.path, k, file.offset(k), file.patch_bytes)
            whole = np.zeros(layout.patch, dtype)
            valid_part(whole, layout.valid)[:] = valid_part(file.plane(name, patch), layout.valid)
            out.write(whole.data.cast("B"))


# ---- layout --------------------------------------------------------------------------------------


def make_layout(source: SourceSet, state: CompactState) -> Layout:
    """Return the layout of the source, with the files and repeats of what has been written."""
    layout, arrays, choice = source.layout, source.arrays, state.choice
    whole = {
        name
        for file in source.files
        if any(choice[name] is not None for name in file.arrays)
        for name in file.arrays
    }
    known = {band.name for band in layout.bands}
    bands = [_band(band, arrays.get(band.name), band.name in whole, state) for band in layout.bands]
    bands += [
        _band(array.band, array, True, state)
        for name, array in arrays.items()
        if name not in known and name in whole
    ]
    return replace(layout, bands=tuple(bands))


def _band(band: Band, array: SourceArray | None, is_whole: bool, state: CompactState) -> Band:
    """Return the entry of an array; ``is_whole``: it has been written to a file of its own."""
    if array is None:
        return band
    repeat = state.choice[band.name]
    if band.dtype != array.band.dtype and array.why == "":
        band = stored_as(band, array.band.dtype)
    if not is_whole:
        own = array.band  # which has the names of the tables of a native array
        return replace(band, file=array.file, phase=own.phase, exceptions=own.exceptions)
    is_plain = array.safe == band.name
    name = "{name}" if is_plain else glob.escape(array.safe)
    file = None if is_plain and band.file is None else f"{name}.dat"
    band = replace(band, file=file, channel=None, channels=None, channel_axis="first")
    if repeat is None:
        return band
    if (phase := phase_of(array, repeat, state)) is not None:
        return replace(band, repeat=repeat, phase=phase)
    exceptions = f"exceptions/{name}.npy" if exceptions_of(array, state) else None
    return replace(band, repeat=repeat, phase=f"phases/{name}.npy", exceptions=exceptions)
