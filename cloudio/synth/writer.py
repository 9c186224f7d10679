"""`synthesize`: a synthetic data set in CloudSEN12's form, for tests and first steps."""

import csv
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .._utils.files import check_new_folder, new_folder
from .._utils.keywords import explain_unknown
from .._utils.numbers import check_bool, check_whole, in_default_floats
from .._utils.paths import free_bytes, local_path
from .._utils.progress import progress_bar
from .._utils.text import listed, suggest
from ..errors import RequestError, write_error
from ..layouts.band import Band
from ..layouts.cloudsen12 import CLOUDSEN12
from ..storage.listing import can_name_split, split_name
from .arrays import render_array
from .metadata import ROW_BYTES, describe_patch
from .scene import SIDE, Scene

_PATCHES = MappingProxyType({"train": 8, "val": 2, "test": 2})


@in_default_floats
@explain_unknown()
def synthesize(
    path: str | os.PathLike[str],
    patches: Mapping[str, int] = _PATCHES,
    *,
    seed: int = 0,
    arrays: Sequence[str] | None = None,
    progress: bool = False,
    repeats: bool = False,
) -> None:
    """Write a synthetic data set with the files of CloudSEN12.

    Parameters
    ----------
    path : str or path
        The folder to create.  It must not exist; its parent folder must.
    patches : mapping of str to int
        The number of patches of each split.  A patch has 24.6 MB with all arrays.
    seed : int
        From 0 on.  The same seed gives the same bytes on every machine.
    arrays : sequence of str, optional
        The arrays to write, by their names on disk.  By default all.
    progress : bool
        Whether to show a progress bar on stderr.
    repeats : bool
        Whether bands of 20 m and 60 m are repeated to 10 m, as those of the release are, in a phase
        of each patch.  By default each of their pixels has its own number.

    Raises
    ------
    RequestError
        If another argument is wrong.
    WriteError
        If ``path`` exists, which is a FileExistsError too, or if the disk is too full or cannot be
        written.  Nothing is left behind.

    Notes
    -----
    The folder appears when it is complete.  Patch k of a split is the same whatever else is
    written. No place and no satellite scene occurs in two splits.  The data has known defects of
    the release, such as a qa60 of zeros.
    """
    counts, bands = _check_patches(patches), _select_arrays(arrays)
    seed, repeats = check_whole("seed", seed, 0), check_bool("repeats", repeats)
    path = local_path(path)
    check_new_folder(path)
    n_patches = sum(counts.values())
    n_bytes = n_patches * sum(np.dtype(band.dtype).itemsize * SIDE * SIDE for band in bands)
    with (
        _enough_room(n_bytes + n_patches * ROW_BYTES, path),
        new_folder(path) as root,
        progress_bar(n_bytes, shown=progress, leave=True) as advance,
    ):
        for number, (split, n) in enumerate(counts.items()):
            scenes = (Scene(seed, split, k) for k in range(n))
            describe = partial(describe_patch, split=split, number=number, n_splits=len(counts))
            render = partial(render_array, repeats=repeats)
            _write_split(root / split, scenes, describe, bands, render, advance)


# ---- arguments -----------------------------------------------------------------------------------


def _check_patches(patches: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(patches, Mapping) or not patches:
        raise RequestError(
            f"patches={patches!r}; patches must map each split to a number, such as {{'train': 8}}"
        )
    counts = {
        _check_name(name): check_whole(f"patches[{name!r}]", n, 1) for name, n in patches.items()
    }
    seen: dict[str, str] = {}
    for name in counts:
        if seen.setdefault(split_name(name), name) != name:
            raise RequestError(
                f"{name!r} and {seen[split_name(name)]!r} are names of the same split; give one"
            )
    return counts


def _check_name(name: object) -> str:
    """Return the name; RequestError if it could be a path, or is hidden or empty."""
    if isinstance(name, str) and can_name_split(name):
        return name
    raise RequestError(
        f"{name!r} cannot name a split; it must be the name of a folder, without / or a leading dot"
    )


def _select_arrays(arrays: Sequence[str] | None) -> list[Band]:
    """Return the arrays of these names, in the layout's order."""
    if arrays is None:
        return list(CLOUDSEN12.bands)
    if isinstance(arrays, str) or not len(arrays):
        raise RequestError(
            f"arrays={arrays!r}; arrays must be a sequence of names, or None for all"
        )
    names = [band.name for band in CLOUDSEN12.bands]
    if unknown := [name for name in arrays if name not in names]:
        raise RequestError(
            f"there is no array {unknown[0]!r}; {CLOUDSEN12.name} has {listed(names)}"
            f"{suggest(unknown[0], names)}"
        )
    return [band for band in CLOUDSEN12.bands if band.name in arrays]


# ---- writing -------------------------------------------------------------------------------------


@contextmanager
def _enough_room(n_bytes: int, path: Path) -> Iterator[None]:
    """Raise WriteError, with the bytes that are needed, if the disk is or becomes too full."""
    free = free_bytes(path.parent)
    if free is not None and free < n_bytes:
        why = f"the disk is too full: {n_bytes:,} bytes are needed, {free:,} are free"
        raise write_error(errno.ENOSPC, why, path)
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = f"the disk became full: {n_bytes:,} bytes are needed; nothing is kept"
        raise write_error(error.errno, why, path) from error


def _write_split(
    folder: Path,
    scenes: Iterable["Scene"],
    describe: Callable[["Scene"], dict[str, Any]],
    bands: Sequence[Band],
    render: Callable[["Scene", str, np.ndarray], None],
    advance: Callable[[int], object],
) -> None:
    folder.mkdir()
    planes = {
        band.dtype: np.empty((SIDE, SIDE), np.dtype(band.dtype).newbyteorder("<")) for band in bands
    }
    rows = []
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / f"{band.name}.dat", "wb")) for band in bands]
        for scene in scenes:
            rows.append(describe(scene))
            for band, file in zip(bands, files, strict=True):
                plane = planes[band.dtype]
                render(scene, band.name, plane)
                file.write(plane.data)
                advance(plane.nbytes)
    with open(folder / "metadata.csv", "w", encoding="utf-8", newline="") as text:
        table = csv.DictWriter(text, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
