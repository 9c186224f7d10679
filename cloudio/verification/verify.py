"""`cloudio.verify`: run all checks on a data set and report what they find.

Checks of files are in file_checks/, checks of pixels in pixel_checks/, the table of all checks in
check_table.py.
"""

import os
import time
from collections.abc import Sequence
from functools import partial

from .._utils.keywords import explain_unknown
from .._utils.machine import resolve_threads
from .._utils.numbers import check_bool, in_default_floats
from .._utils.paths import local_path
from .._utils.progress import progress_bar
from .._utils.types import Index
from ..errors import RequestError
from ..layouts.layout import Layout
from ..reading.dataset import Dataset, open_partial
from ..storage.discovery import Split
from .checked_array import CheckedArray
from .file_pass import check_files
from .full_pass import Checksums, bytes_to_read, check_every_byte
from .manifest import check_target, describe, write_manifest
from .manifest_diff import compare
from .manifest_reader import read_manifest
from .meaning import SkippedCheck
from .parts.verify_part import verify_part
from .repetition.report import Repetition
from .repetition.survey import find_repetitions, window_bytes
from .report import Report, report_of

_KEYWORDS = {
    "quick": "full=False checks no pixels",
    **dict.fromkeys(("split", "splits"), "give the folder of a split as the path"),
}


@in_default_floats
@explain_unknown(_KEYWORDS)
def verify(
    path: str | os.PathLike[str] | Dataset,
    *,
    full: bool = True,
    layout: Layout | str | os.PathLike[str] | None = None,
    manifest: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    force: bool = False,
    threads: int | None = None,
    progress: bool = True,
    native: bool = False,
    index: Index | None = None,
) -> Report:
    """Check a data set and return a report of everything that is wrong or unusual.

    Parameters
    ----------
    path : str, path or Dataset
        A split folder, or a root whose sub-folders are splits.  Of a data set, such as
        ``ds.subset(...)``, the pixels of its patches are checked.
    full : bool
        Whether to read every byte of every array, once.  Without it only names, sizes and
        metadata.csv are checked.
    layout : Layout, str or path, optional
        The layout, as in `cloudio.open`.
    manifest : str or path, optional
        A file to write: the sizes and checksums of all arrays, as JSON.  It is written at the end
        and needs ``full``.
    against : str or path, optional
        A manifest to compare with.
    force : bool
        Whether ``manifest`` may replace an existing file.
    threads : int, optional
        As ``threads`` of `Reader`.
    progress : bool
        Whether to show a progress bar if stderr is a terminal.
    native : bool
        Whether to look in every patch for pixels that are repeated, as those of bands of 20 m and
        60 m are in patches of 10 m; `compact` stores such bands smaller.
    index : int, sequence of int, or bool array (patch,), optional
        The patches whose pixels are checked: numbers over all splits, in the order of
        ``verify(path, full=False).splits``.  By default all patches.

    Returns
    -------
    Report
        What was found.  Files that `cloudio.open` refuses are findings too, and the other files are
        checked.  Reports of parts, with ``index`` or of a data set, become one with
        `cloudio.merge_reports`.

    Raises
    ------
    RequestError
        If ``manifest`` is given without ``full`` or is the file of ``against``, or ``against`` is
        not a manifest of such a data set.  If ``index`` is wrong, or given with ``manifest``,
        ``against``, ``native`` or ``full=False``, which need all patches.
    WriteError
        If ``manifest`` exists and ``force`` is False, which is a FileExistsError too, or if it
        cannot be written.
    LayoutError, OSError
        If no array of the data set can be opened.

    Notes
    -----
    Nothing is written except ``manifest``.  docs/checks.md lists the checks.
    """
    start = time.perf_counter()
    n_threads, native = resolve_threads(threads), check_bool("native", native)
    if index is not None or isinstance(path, Dataset):
        _check_whole(full, manifest, against, native)
        return verify_part(path, layout, index, n_threads, progress=progress)
    manifest = None if manifest is None else local_path(manifest, "manifest")
    against = None if against is None else local_path(against, "against")
    if manifest is not None:
        if not full:
            raise RequestError(
                f"manifest={os.fspath(manifest)!r} with full=False; a manifest has checksums of "
                "every byte, so use full=True (no --quick)"
            )
        check_target(manifest, force=force, against=against)
    ds, splits, problems = open_partial(path, layout=layout)
    before = None if against is None else read_manifest(against, ds.layout.name)
    with ds:
        findings = list(check_files(ds, splits, problems))
        checksums: Checksums = {}
        skipped: list[SkippedCheck] = []
        n_bytes = 0
        if full:
            shown = None if progress else False
            with progress_bar(bytes_to_read(ds, splits), shown=shown, leave=True) as advance:
                count = partial(CheckedArray.count, threads=n_threads, advance=advance)
                result = check_every_byte(ds, splits, findings, count)
            findings, checksums, skipped = result.findings, result.checksums, result.skipped
            n_bytes = advance.done
        repetitions = _find_repetitions(ds, splits, n_threads, progress) if native else None
        if manifest is not None or before is not None:
            now = describe(ds.path, ds.layout.name, splits, checksums)
            if before is not None:
                findings += compare(before, now, findings, ds.path)
            if manifest is not None:
                write_manifest(manifest, now, force=force)
    seconds = time.perf_counter() - start
    return report_of(
        ds, splits, (findings, skipped), n_bytes, seconds, full=full, native=repetitions
    )


def _find_repetitions(
    ds: Dataset, splits: Sequence[Split], n_threads: int, progress: bool
) -> tuple[Repetition, ...]:
    shown = None if progress else False
    total = window_bytes(splits, ds.layout)
    with progress_bar(total, shown=shown, what="native", leave=True) as advance:
        return find_repetitions(splits, ds.layout, n_threads, advance)


def _check_whole(full: bool, manifest: object, against: object, native: bool) -> None:
    """Raise RequestError for what cannot be done with a part of a data set."""
    given = {"manifest=": manifest, "against=": against, "native=": native, "full=False": not full}
    if name := next((name for name, value in given.items() if value), None):
        raise RequestError(
            f"{name} with some patches only; it needs the whole data set: give its path, and no "
            "index="
        )
